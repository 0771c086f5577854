"""Kernels in tiles wait wherever one invocation needs, or overwrites, what is another's: read from
their code, as a software driver runs the invocations of a workgroup so that few races show."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import allumette_core as al
import pytest
from allumette_core.compiler.explain import program_of
from allumette_gpu.limits import Limits
from allumette_gpu.plan.build import build
from allumette_gpu.plan.prepare import prepare
from networks import network, some, step

CARD = Limits(buffers=16, shared_bytes=1 << 15)
Work = tuple[set[str], set[str]]  # the memory of the workgroup that is read, and that is written
WAIT = None


def attention(q: Any, k: Any, w: Any) -> Any:
    scores = al.exp((q @ al.swapaxes(k, 1, 2)) / 4)
    return al.sum(scores / al.sum(scores, axis=2, keepdims=True) @ k @ w, axis=0)


def softmax(w: Any, v: Any, x: Any) -> Any:
    def loss(w: Any, v: Any) -> Any:
        z = al.tanh(x @ w) @ v
        z = z - al.max(z, axis=1, keepdims=True)
        return al.mean(z - al.log(al.sum(al.exp(z), axis=1, keepdims=True)))

    return al.value_and_grad(loss, (0, 1))(w, v)


FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "network": (step, network(1000, 50)),
    "narrow": (step, network(1000, 8)),
    "attention": (attention, (some(70, 5, 6), some(70, 5, 6), some(6, 6))),
    "softmax": (softmax, (some(6, 12), some(12, 10), some(75, 6))),
}


def kernel(function: Callable[..., Any], arguments: Any, limits: Limits, backend: Any) -> str:
    """The code of the first kernel in tiles."""
    prepared = prepare(program_of(function, arguments, {}), backend.device("gpu").dtypes)
    steps = build(prepared, limits).steps
    return next(s.dispatch.source for s in steps if s.dispatch.name == "tiles")


def works(source: str) -> Iterator[Work | None]:
    """What the statements of a kernel read and write in turn, and where invocations wait; what is
    done for each tile comes twice."""
    body = source[source.index("fn part0(") :]
    before, tiles = re.split(r"\n  for \(var tile = .*\n", body)
    for text, indent in ((before, 2), (tiles, 4), (tiles, 4)):
        for block in re.split(rf"\n {{{indent}}}(?=\S)", text):
            if block.strip().startswith("workgroupBarrier"):
                yield WAIT
                continue
            written = set(re.findall(r"(room\d+)_0\[[^\]]*\] = ", block))
            yield set(re.findall(r"(room\d+)_0\[(?![^\]]*\] = )", block)), written


@pytest.mark.parametrize(
    "limits", [CARD, replace(CARD, invocations=64), replace(CARD, software=True)]
)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_memory_is_in_two_hands(name: str, limits: Limits, backend: Any) -> None:
    read: set[str] = set()
    written: set[str] = set()
    waits = reused = 0
    ever: set[str] = set()
    for work in works(kernel(*FUNCTIONS[name], limits, backend)):
        if work is WAIT:
            read, written, waits = set(), set(), waits + 1
            continue
        reads, writes = work
        assert not reads & written, "read before others have written it"
        assert not writes & (read | written), "written while others may still use it"
        read, written = read | reads, written | writes
        reused += len(writes & ever)
        ever |= reads
    assert waits
    assert reused
