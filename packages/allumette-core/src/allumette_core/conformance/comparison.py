"""Several backends side by side, as one page of HTML."""

from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape

from .page import DTYPES, SIGNS, Data, cell, document, table

_FAILING = ("failed", "unexpected")


def comparison(reports: Mapping[str, Data | None]) -> str:
    """The reports of backends by name, None where one is not available: the headlines, the
    levels, the checks that fail anywhere, and the largest error of each primitive."""
    found = {name: report for name, report in reports.items() if report is not None}
    names = escape(", ".join(reports))
    body = _headlines(reports) + _levels(found) + _failures(found) + _primitives(found)
    return document(f"Conformance of {names}", body)


def _headlines(reports: Mapping[str, Data | None]) -> str:
    rows = []
    for name, report in reports.items():
        if report is None:
            rows.append([cell(name, "failed"), cell("it is not available", "long"), cell("", "n")])
            continue
        css = "failed" if report["exit_code"] else "passed"
        link = f'<td class="{css}"><a href="{escape(name)}/report.html">{escape(name)}</a></td>'
        gaps = ", ".join(report["gaps"])
        told = report["headline"] + (f"; not declared: {gaps}" if gaps else "")
        rows.append([link, cell(told, "long"), cell(f"{report['seconds']:.0f} s", "n")])
    return f"<p></p>{table(('backend', 'headline', 'time'), rows, numbers=False)}"


def _levels(reports: Mapping[str, Data]) -> str:
    """How many checks of each level passed."""
    levels = dict.fromkeys(level for report in reports.values() for level in report["levels"])
    counted = {
        name: Counter((c["level"], c["state"] == "passed") for c in report["checks"])
        for name, report in reports.items()
    }
    rows = [
        [
            cell(level),
            *(cell(f"{c[level, True]}/{c[level, True] + c[level, False]}", "n")
              for c in counted.values()),
        ]
        for level in levels
    ]  # fmt: skip
    return f"<h2>Levels</h2><p class=dim>Passed, of all.</p>{table(('', *reports), rows)}"


def _failures(reports: Mapping[str, Data]) -> str:
    """A row for each check that fails somewhere."""
    states = {name: {c["id"]: c for c in r["checks"]} for name, r in reports.items()}
    ids = dict.fromkeys(
        c["id"]
        for report in reports.values()
        for c in report["checks"]
        if c["state"] in (*_FAILING, "known")
    )
    rows = [
        [cell(check), *(_state(found.get(check)) for found in states.values())] for check in ids
    ]
    return f"<h2>Failures</h2>{table(('', *reports), rows)}" if rows else ""


def _state(check: Data | None) -> str:
    return cell("") if check is None else _sign(check["state"], check["problem"])


def _sign(state: str, hint: str) -> str:
    return cell(SIGNS[state], f"{state} n", hint)


def _primitives(reports: Mapping[str, Data]) -> str:
    """Level 1: a row a primitive; of its dtypes the worst."""
    found = {name: _by_primitive(report) for name, report in reports.items()}
    primitives = dict.fromkeys(p for checks in found.values() for p in checks)
    if not primitives:
        return ""
    rows = [[cell(p), *(_worst(found[name].get(p, ())) for name in found)] for p in primitives]
    legend = (
        "<p class=dim>Largest error of any dtype in ULP; ✓ exact in all, ✗ the dtypes that fail, "
        "· none is declared, yellow: some ran on the host as fallback. More shows when the pointer "
        "rests on a cell, and in the report of each backend.</p>"
    )
    return f"<h2>Primitives</h2>{legend}{table(('', *reports), rows)}"


def _by_primitive(report: Data) -> dict[str, list[Data]]:
    found: dict[str, list[Data]] = {}
    for check in report["checks"]:
        if check["level"] == "L1" and check["dtype"] in DTYPES:
            found.setdefault(check["primitive"], []).append(check)
    return found


def _worst(checks: Iterable[Data]) -> str:
    """The cell of one primitive on one backend."""
    by_state: dict[str, list[Data]] = {}
    for check in checks:
        by_state.setdefault(check["state"], []).append(check)
    failing = [c["dtype"] for state in (*_FAILING, "known") for c in by_state.get(state, ())]
    passed = by_state.get("passed", [])
    if failing:
        css = "failed" if any(state in by_state for state in _FAILING) else "known"
        return cell(f"{SIGNS[css]} {' '.join(dict.fromkeys(failing))}", f"{css} n")
    if not passed:
        return _sign("skipped", "") if by_state else cell("")
    worst = max(passed, key=lambda c: c["max_ulp"] or 0.0)
    fallback = any(c["mode"] == "fallback" for c in passed)
    lacking = " ".join(dict.fromkeys(c["dtype"] for c in by_state.get("skipped", ())))
    hint = f"worst in {worst['dtype']}" + (f"; not declared: {lacking}" if lacking else "")
    text = f"{worst['max_ulp']:.2g}" if worst["max_ulp"] else SIGNS["passed"]
    return cell(text, f"{'fallback' if fallback else 'passed'} n", hint)
