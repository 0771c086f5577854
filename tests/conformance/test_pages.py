"""What the pages of a report show."""

from typing import Any

from allumette_core.conformance import report
from allumette_core.conformance.check import Check, Fault, perform
from allumette_core.conformance.comparison import comparison
from allumette_core.conformance.levels import checks
from allumette_core.conformance.page import page
from allumette_core.conformance.subject import Subject
from mutants import MUTANTS
from sabotage import opened


def failing(subject: Subject) -> None:
    raise Fault("<wrong> & so on", "script")


def test_the_page_shows_failures_and_escapes() -> None:
    subject = Subject(opened(None))
    run = report.Run(subject, (0,), selected=["L0-x", "L0-y"])
    run.outcomes.append(perform(Check(0, "x", failing), subject))
    assert run.exit_code() == 1
    assert "unexplained 1, failed 1" in run.headline()
    text = page(report.as_json(run))
    assert "&lt;wrong&gt; &amp; so on" in text
    assert "<wrong>" not in text
    assert "http" not in text.split("</style>")[1].lower()


def test_what_is_cut_short_says_so() -> None:
    subject = Subject(opened(None))
    run = report.Run(subject, (0,), selected=["L0-x"])

    def lengthy(subject: Subject) -> None:
        raise Fault(f"wrong {'x' * 200}\nand more", "script")

    run.outcomes.append(perform(Check(0, "x", lengthy), subject))
    assert f"<span class=dim>wrong {'x' * 151}...</span>" in page(report.as_json(run))


def report_of(mutant: str | None) -> dict[str, Any]:
    """Of the checks of a few primitives."""
    made = opened(MUTANTS[mutant][1] if mutant else None)  # type: ignore[arg-type]
    run = report.Run(Subject(made), (1,))
    chosen = [c for c in checks((1,)) if c.primitive in ("neg", "tanh", "exp")]
    run.selected = [c.id for c in chosen]
    run.outcomes += [perform(c, run.subject) for c in chosen]
    return report.as_json(run)


def test_backends_stand_side_by_side_and_none_is_left_out() -> None:
    right, wrong = report_of(None), report_of("tanh: overflows to NaN")
    assert (right["exit_code"], wrong["exit_code"]) == (0, 1)
    text = comparison({"right": right, "wrong": wrong, "absent": None})
    assert text.count('<td class="failed">absent</td>') == 1
    assert 'href="wrong/report.html"' in text
    failing = [c["id"] for c in wrong["checks"] if c["state"] == "failed"]
    assert "L1-tanh-float32" in failing
    assert all(f">{check}</td>" in text for check in failing)
    row = text.split(">tanh</td>")[1].split("</tr>")[0]
    assert "float16 float32 float64" in row
    assert row.count("failed") == 1
    assert "L1-exp-float32" not in text  # nothing fails there


def test_a_report_says_which_input_is_the_worst() -> None:
    text = page(report_of(None))
    assert "<h2>Failures</h2>" not in text
    exp = text.split(">exp</td>")[1].split("</tr>")[0]
    assert exp.count("worst at") == 3
    for dtype in ("float16", "float32", "float64"):
        assert f"<th class=n>{dtype}</th>" in text
