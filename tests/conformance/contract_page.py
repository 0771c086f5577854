"""Writes docs/the-contract.md from the code: the classes, the hooks and the table of primitives.

python tests/conformance/contract_page.py
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

from allumette_core.backend import hooks, ops, spec
from allumette_core.compiler import program
from allumette_core.conformance.cases import TRIED, takes
from allumette_core.conformance.tolerance import ulps
from allumette_core.dtypes import ALL, FLOATS, INTEGERS, SIGNED, DType, float32

PAGE = Path(__file__).resolve().parents[2] / "docs" / "the-contract.md"
_CLASSES = (
    spec.Backend, ops.OpBackend, spec.BackendInfo, spec.Capabilities, spec.Unavailable,
    spec.MemoryStats, program.Program, program.Instruction, program.Aval,
)  # fmt: skip
_FAMILIES: dict[tuple[DType, ...], str] = {
    ALL: "all", FLOATS: "floats", INTEGERS: "integers", INTEGERS + FLOATS: "numbers",
    SIGNED: "signed", (ALL[0], *INTEGERS): "bool, integers",
}  # fmt: skip
_HEAD = f"""\
# The contract

Version {spec.SPEC_VERSION}. This page is generated from the code by
`python tests/conformance/contract_page.py`; [Write a backend](write-a-backend.md) is the way in,
[Conformance](conformance.md) tells what is checked.

"""


def signature(node: ast.FunctionDef | ast.ClassDef) -> str:
    """The line that defines `node`, without annotations' quotes."""
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(ast.unparse(b) for b in node.bases)
        return f"class {node.name}({bases})" if bases else f"class {node.name}"
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{node.name}({ast.unparse(node.args)}){result}".replace("'", "")


def prose(text: str | None) -> str:
    """A docstring without its examples, which live in the code."""
    cleaned = inspect.cleandoc(text or "")
    kept = []
    for paragraph in cleaned.split("\n\n"):
        if not paragraph.lstrip().startswith(">>>"):
            kept.append(paragraph)
    return "\n\n".join(kept)


def members(node: ast.ClassDef) -> Iterator[str]:
    """Public methods and fields, each with what is said of it."""
    for position, item in enumerate(node.body):
        after = node.body[position + 1] if position + 1 < len(node.body) else None
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
            yield f"- `{signature(item)}`" + _indented(ast.get_docstring(item))
        elif isinstance(item, ast.AnnAssign) and not ast.unparse(item.target).startswith("_"):
            said = None
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                said = str(after.value.value)
            yield f"- `{ast.unparse(item)}`" + _indented(said)


def _indented(text: str | None) -> str:
    return "\n" + textwrap.indent(prose(text), "  ") if text else ""


def described(cls: type) -> str:
    """A class: its docstring and its members."""
    node = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(node, ast.ClassDef)
    return f"## `{signature(node)}`\n\n{prose(cls.__doc__)}\n\n" + "\n".join(members(node)) + "\n"


def hook_list() -> str:
    """The hooks of a plugin."""
    tree = ast.parse(inspect.getsource(hooks)).body
    found = [n for n in tree if isinstance(n, ast.FunctionDef) and n.name.startswith("allumette")]
    listed = "\n".join(f"- `{signature(n)}`" + _indented(ast.get_docstring(n)) for n in found)
    return f"## Hooks\n\n```\n{prose(hooks.__doc__)}\n```\n\n{listed}\n"


def primitive_table() -> str:
    """A row a primitive."""
    head = "| primitive | kind | operands | parameters | dtypes | ULP in float32 |\n"
    rows = []
    for p in TRIED:
        dtypes = tuple(d for d in ALL if takes(p, d))
        family = _FAMILIES.get(dtypes) or ", ".join(d.name for d in dtypes)
        allowed = f"{ulps(p.name, float32):g}" if float32 in dtypes else ""
        count = "1 or more" if p.arity is None else str(p.arity)
        cells = (f"`{p.name}`", p.kind.value, count, ", ".join(p.params), family, allowed)
        rows.append(f"| {' | '.join(cells)} |")
    return (
        f"## Primitives\n\n{head}| --- | --- | --- | --- | --- | --- |\n" + "\n".join(rows) + "\n"
    )


def page() -> str:
    """All of it."""
    return _HEAD + "\n".join([*map(described, _CLASSES), hook_list(), primitive_table()])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
