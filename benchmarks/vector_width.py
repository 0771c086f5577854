"""The vectors in the loops of compiled kernels: how wide they are, and what else is in there.

    python benchmarks/vector_width.py [SUBSTRING]

Of each example's innermost loops with arithmetic, as LLVM wrote them for this processor: the bits
of the vectors in the widest one, how many instructions of arithmetic it has and the share of them
that are about single numbers, and how many loops there are. All but the widest are mostly about
what whole vectors leave over.
"""

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import allumette_core as al
from allumette_core.compiler.explain import program_of
from allumette_core.compiler.program import Program
from allumette_cpu.plan import Call
from allumette_cpu.render import plan
from allumette_cpu.runtime import gemm, machine, vectors

LABEL = re.compile(r"^(\.?\w+):")
JUMP = re.compile(r"^\s+(?:j\w+|b\.?\w*|cbn?z|tbn?z)\s.*?(\.L\w+|L\w+)\s*$")
ARITHMETIC = re.compile(
    r"^\s+v?(?:f(?:n?m(?:add|sub|la|ls)\w*|add|sub|mul|div|max|min)"
    r"|(?:add|sub|mul|div|max|min|sqrt)[sp][sd]|p(?:max|min)[su][bwdq])"
)
WIDTHS = {"zmm": 512, "ymm": 256, "xmm": 128}

Function = Callable[..., Any]


def examples() -> Iterator[tuple[str, Function, list[Any]]]:
    """Name, function, arguments."""
    x, wide = al.ones((100_000,)), al.ones((2_000, 512))

    def step(w: list[Any], x: Any, y: Any) -> Any:
        def loss(w: list[Any]) -> Any:
            h = al.relu(al.relu(x @ w[0]) @ w[1]) @ w[2]
            return al.binary_cross_entropy_with_logits(h[:, 0], y)

        return [p - 0.1 * g for p, g in zip(w, al.grad(loss)(w), strict=True)]

    weights = [al.ones((2, 50)), al.ones((50, 50)), al.ones((50, 1))]
    yield "chain of 3", lambda x: al.exp(x * x + 1.0), [x]
    yield "tanh", al.tanh, [x]
    yield "sum of all", al.sum, [x]
    yield "sum along rows", lambda x: al.sum(x, axis=1), [wide]
    yield "max along rows", lambda x: al.max(x, axis=1), [wide]
    yield "softmax", al.softmax, [wide]
    yield "layer norm", lambda x: al.layer_norm(x, 1), [wide]
    yield "MLP step", step, [weights, al.ones((1000, 2)), al.ones((1000,))]


def assemblies(program: Program) -> Iterator[str]:
    """The assembly of each module that `program` needs."""
    sources = {call.source: None for call in plan(program).calls if isinstance(call, Call)}
    for source in filter(None, sources):
        yield machine.target_machine().emit_assembly(machine.optimised(source))


def loops(assembly: str) -> Iterator[list[str]]:
    """The instructions of each innermost loop: from a label to the jump back to it."""
    lines = assembly.splitlines()
    labels: dict[str, int] = {}
    found: list[tuple[int, int]] = []
    for number, line in enumerate(lines):
        if label := LABEL.match(line):
            labels[label[1]] = number
        elif (jump := JUMP.match(line)) and jump[1] in labels:
            found.append((labels[jump[1]], number))
    for start, end in found:
        if not any(start <= s and e <= end and (s, e) != (start, end) for s, e in found):
            yield lines[start : end + 1]


def width(instruction: str) -> int:
    """The bits of the vectors of an instruction, 0 if it is about single numbers."""
    if re.match(r"\s+v?[^pv]\w*[^p]s[sd]\s", instruction):
        return 0
    if re.search(r"\bv\d+\.\d", instruction):
        return 128
    return next((bits for register, bits in WIDTHS.items() if register in instruction), 0)


def report(name: str, assemblies: Iterable[str]) -> None:
    """Print the line of one example."""
    found = [
        [width(x) for x in loop if ARITHMETIC.match(x)] for a in assemblies for loop in loops(a)
    ]
    found = [widths for widths in found if widths]
    bits, count, widest = max((max(widths), len(widths), widths) for widths in found)
    alone = widest.count(0) / count
    print(f"| {name} | {bits or 'none'} | {count} | {alone:.0%} | {len(found)} |", flush=True)


def main() -> None:
    """Print the table."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    print(f"Vectors of this processor: {8 * vectors.vector_bytes()} bits.\n")
    print("| example | bits | arithmetic | of single numbers | loops |")
    print("| --- | --- | --- | --- | --- |")
    for name, function, arguments in examples():
        if wanted in name:
            report(name, assemblies(program_of(function, tuple(arguments), {})))
    if wanted in "products of matrices":
        module = machine.optimised(gemm.source("f32"), by_hand=True)
        report("products of matrices", [machine.target_machine().emit_assembly(module)])


if __name__ == "__main__":
    main()
