"""The report as one page of HTML that needs nothing else."""

from collections import Counter
from collections.abc import Iterable
from html import escape
from typing import Any

Data = dict[str, Any]

_STYLE = """
:root { --page: #fff; --good: #e6f4ea; --bad: #fbc8cd; --note: #fff1c9; --code: #f3f5f7 }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem;
  color: #1b1f24; background: var(--page) }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem }
p { margin: .5rem 0 } .dim, .skipped { color: #59636e }
.headline { font-size: 1.1rem; padding: .6rem .9rem; border-radius: .4rem; background: var(--good) }
table { border-collapse: collapse; font-size: .85rem } th { text-align: left; font-weight: 600 }
th, td { padding: .15rem .5rem; border-bottom: 1px solid #8884; white-space: nowrap }
th:first-child, td:first-child { position: sticky; left: 0; background: var(--page) }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
td.long { white-space: normal; min-width: 13rem }
.passed, td.passed:first-child { background: var(--good) }
.headline.bad, .failed, .unexpected, td.failed:first-child { background: var(--bad) }
.known, .fallback { background: var(--note) }
pre { background: var(--code); padding: .7rem; overflow-x: auto; font-size: .8rem }
pre.problem { white-space: pre-wrap; overflow-wrap: anywhere }
.wide { overflow-x: auto } details { margin: .3rem 0 } summary { cursor: pointer }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171a; --good: #173d22; --bad: #6b1d24; --note: #4b3d0e; --code: #1f2428 }
  body { color: #e6e9ec } .dim, .skipped { color: #9aa4ae } a { color: #8ab4f8 } }
"""
DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64"),
)
SIGNS = {"passed": "✓", "failed": "✗", "unexpected": "✗", "skipped": "·", "known": "!"}


def first_line(text: str, width: int) -> str:
    """The first line of `text`, which shows where it was cut to be no longer than `width`.

    >>> first_line("it is off by one\\nin the last block", 12)
    'it is off...'
    """
    line = text.partition("\n")[0]
    return line if len(line) <= width else f"{line[: width - 3]}..."


def page(data: Data) -> str:
    """The report `data` (as `report.as_json` gives it) as a page."""
    name = escape(data["backend"]["name"])
    bad = " bad" if data["exit_code"] else ""
    sections = (_about(data), _failures(data), _matrix(data), _by_level(data), _everything(data))
    return document(
        f"Conformance of {name}",
        f"<p class=dim>{_subtitle(data)}</p>"
        f'<p class="headline{bad}">{escape(data["headline"])}</p>{"".join(sections)}',
    )


def document(title: str, body: str) -> str:
    """The page `body`, under its `title`."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{title}</h1>{body}</body></html>\n"
    )


def _subtitle(data: Data) -> str:
    parts = (
        data["backend"]["summary"], f"allumette-core {data['core']}", f"Python {data['python']}",
        data["platform"], data["thorough"], f"seed {data['seed']}", f"{data['seconds']:.0f} s",
        data["started"],
    )  # fmt: skip
    return " · ".join(escape(str(part)) for part in parts if part)


def table(head: Iterable[str], rows: Iterable[Iterable[str]], numbers: bool = True) -> str:
    """Rows of finished cells under a head, whose columns after the first hold `numbers`."""
    css = " class=n" if numbers else ""
    first, *rest = map(escape, head)
    heads = f"<th>{first}</th>" + "".join(f"<th{css}>{text}</th>" for text in rest)
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f"<div class=wide><table><tr>{heads}</tr>{body}</table></div>"


def cell(text: object, css: str = "", title: str = "") -> str:
    """One cell of a table."""
    hint = f' title="{escape(title)}"' if title else ""
    return f'<td class="{css}"{hint}>{escape(str(text))}</td>'


def _about(data: Data) -> str:
    gaps = [[cell(gap), cell(n, "n")] for gap, n in data["gaps"].items()]
    works = Counter(
        f"{c['note']}: {c['gap'] or c['primitive']}"
        for c in data["checks"]
        if c["note"] and c["state"] in ("passed", "skipped")
    )
    noted = [[cell(note), cell(n, "n")] for note, n in sorted(works.items())]
    text = f"<h2>Declared gaps</h2>{table(('not declared', 'checks'), gaps)}" if gaps else ""
    return text + (f"<h2>More than declared</h2>{table(('', 'checks'), noted)}" if noted else "")


def _failures(data: Data) -> str:
    shown = [c for c in data["checks"] if c["state"] in ("failed", "unexpected", "known")]
    opened = " open" if len(shown) <= 3 else ""
    parts = [
        f"<details{opened}><summary><b>{escape(c['id'])}</b> "
        f"<span class={c['state']}>{c['state']}</span> "
        f"<span class=dim>{escape(first_line(c['problem'], 160))}</span></summary>"
        + (f"<p>{escape(c['note'])}</p>" if c["note"] else "")
        + f'<pre class="problem">{escape(c["problem"])}</pre>'
        + (f"<pre>{escape(c['repro'])}</pre>" if c["repro"] else "")
        + "</details>"
        for c in shown
    ]
    return f"<h2>Failures</h2>{''.join(parts)}" if shown else ""


def _matrix(data: Data) -> str:
    """Level 1: a row a primitive, a column a dtype, the largest error in each cell."""
    found = {
        (c["primitive"], c["dtype"]): c
        for c in data["checks"]
        if c["id"] == f"L1-{c['primitive']}-{c['dtype']}"
    }
    if not found:
        return ""
    names = dict.fromkeys(name for name, _ in found)
    rows = [[cell(name), *(_square(found.get((name, d))) for d in DTYPES)] for name in names]
    legend = (
        "<p class=dim>Largest error in ULP; ✓ exact, · not declared, yellow: ran on the host as "
        "fallback. The worst input shows when the pointer rests on a number.</p>"
    )
    return f"<h2>Primitives and dtypes</h2>{legend}{table(('', *DTYPES), rows)}"


def _square(check: Data | None) -> str:
    if check is None:
        return cell("")
    state = check["state"]
    css = "fallback" if state == "passed" and check["mode"] == "fallback" else state
    exact = not check["max_ulp"] or state != "passed"
    text = SIGNS[state] if exact else f"{check['max_ulp']:.2g}"
    hint = f"{check['mode']}; worst at {check['worst_input']}" if check["worst_input"] else ""
    return cell(text, f"{css} n", hint or check["mode"])


def _by_level(data: Data) -> str:
    states = ("passed", "failed", "unexpected", "known", "skipped")
    counted = Counter((c["level"], c["state"]) for c in data["checks"])
    rows = [
        [cell(level), *(cell(counted[level, s] or "", "n") for s in states)]
        for level in data["levels"]
    ]
    return f"<h2>Levels</h2>{table(('', *states), rows)}"


def _everything(data: Data) -> str:
    rows = [
        [
            cell(c["id"]), cell(c["state"], c["state"]), cell(c["mode"], c["mode"]),
            cell("" if c["max_ulp"] is None else c["max_ulp"], "n"),
            cell(first_line(c["worst_input"], 60)),
            cell(f"{c['seconds'] * 1000:.1f} ms", "n"),
        ]
        for c in data["checks"]
    ]  # fmt: skip
    head = ("check", "state", "ran", "max ULP", "worst input", "time")
    listed = f"<details><summary>{len(rows)} checks</summary>{table(head, rows, False)}</details>"
    return f"<h2>Every check</h2>{listed}"
