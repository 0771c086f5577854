"""A function of LLVM code while it is being written: loops, arguments, addresses.

An innermost loop is marked parallel: its iterations touch different elements (reductions stay in
registers), so LLVM vectorises it without asking whether pointers overlap.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from ..plan import Ref
from ..scalars import I64

Value = Any
POINTER = ir.PointerType()
# For sums of reductions, and only there. With "nsz" LLVM takes sums of x - x for 0, also of inf.
ANY_ORDER = ("reassoc", "contract")
# Unrolling nests of small loops makes code that takes long to compile and is no faster.
_NO_UNROLL = '!{!"llvm.loop.unroll.disable"}'
# Without unrolling LLVM does not interleave either; one step would wait for the one before.
_INTERLEAVE = '!{{!"llvm.loop.interleave.count", i32 {0}}}'
# LLVM holds back on the widest vectors for processors that slowed down when they met them.
_ATTRIBUTES = '\nattributes #0 = { "prefer-vector-width"="512" }\n'
LONG = 256  # iterations: a shorter loop would spend its time on what four vectors leave over
SHORT = 64  # ... on what two vectors leave over


def constant(value: int) -> Value:
    return ir.Constant(I64, value)


class Module:
    """The functions of one program, and the loop metadata that llvmlite cannot express itself."""

    def __init__(self) -> None:
        self.ir = ir.Module()
        self._loops = 0

    def loop(self, parallel: bool, chains: int) -> tuple[Any, Any]:
        """Metadata of a new loop, and of the memory accesses in it if it is parallel."""
        self._loops += 1
        group = self.ir.add_metadata([f"group {self._loops}"])
        return self.ir.add_metadata([f"loop {self._loops} {parallel:d} {chains}", group]), group

    def text(self) -> str:
        """The module as LLVM assembly."""
        text = re.sub(r'= !\{ !"group \d+" \}', "= distinct !{}", str(self.ir))
        text = re.sub(r'(define void @"[^)]*\))', r"\1 #0", text) + _ATTRIBUTES
        return re.sub(r'(!\d+) = !\{ !"loop \d+ (\d) (\d)", (!\d+) \}', _loop_metadata, text)


def _loop_metadata(match: re.Match[str]) -> str:
    own, parallel, chains, group = match.groups()
    facts = [own, _NO_UNROLL]
    if parallel == "1":
        facts += [f'!{{!"llvm.loop.parallel_accesses", {group}}}']
    if chains != "1":
        facts.append(_INTERLEAVE.format(chains))
    return f"{own} = distinct !{{ {', '.join(facts)} }}"


class Builder(ir.IRBuilder):  # type: ignore[misc]  # llvmlite has no types
    """Writes instructions; loads and stores, whoever asks for them, belong to a group."""

    group: Any = None  # of the innermost loop being written, if it is parallel

    def load(self, *args: Any, **kwargs: Any) -> Any:
        return self._grouped(super().load(*args, **kwargs))

    def store(self, *args: Any, **kwargs: Any) -> Any:
        return self._grouped(super().store(*args, **kwargs))

    def _grouped(self, instruction: Any) -> Any:
        if self.group is not None:
            instruction.set_metadata("llvm.access.group", self.group)
        return instruction


class Emitter:
    """Writes one function `void name(i64 block, i64 thread, ptr args)`."""

    def __init__(self, module: Module, name: str) -> None:
        self.module = module
        kind = ir.FunctionType(ir.VoidType(), [I64, I64, POINTER])
        self.function = ir.Function(module.ir, kind, name)
        self.block, self.thread, self.args = self.function.args
        self.entry = self.function.append_basic_block("entry")
        self.setup = ir.IRBuilder(self.entry)  # arguments and stack slots
        self._prologue = self.function.append_basic_block("prologue")
        self.prologue = Builder(self._prologue)  # what is done once, loops included
        self._first = self.function.append_basic_block("body")
        self.builder = Builder(self._first)
        self.refs: list[Ref] = []
        self._words: dict[Ref, Value] = {}

    def finish(self) -> tuple[Ref, ...]:
        """End the function; what its argument table holds."""
        self.builder.ret_void()
        self.setup.branch(self._prologue)
        self.prologue.branch(self._first)
        return tuple(self.refs)

    # ---- arguments

    def word(self, ref: Ref) -> Value:
        """An integer from the table of arguments."""
        if ref not in self._words:
            place = self.setup.gep(self.args, [constant(len(self.refs))], source_etype=I64)
            self._words[ref] = self.setup.load(place, typ=I64)
            self.refs.append(ref)
        return self._words[ref]

    def pointer(self, ref: Ref, kind: Any = POINTER) -> Value:
        """An address from the table of arguments."""
        return self.setup.inttoptr(self.word(ref), kind)

    def slot(self, kind: Any, count: int = 1) -> Value:
        """Room for values on the stack; a single one becomes a register."""
        return self.setup.alloca(kind, constant(count) if count > 1 else None)

    # ---- memory

    def at(self, base: Value, index: Value, kind: Any) -> Value:
        """The address of element `index`."""
        return self.builder.gep(base, [index], inbounds=True, source_etype=kind)

    def load(self, pointer: Value, kind: Any) -> Value:
        return self.builder.load(pointer, typ=kind)

    def store(self, value: Value, pointer: Value) -> None:
        self.builder.store(value, pointer)

    # ---- control

    @contextmanager
    def once(self) -> Iterator[None]:
        """What is written inside runs once, before everything else."""
        builder, self.builder = self.builder, self.prologue
        yield
        self.builder = builder

    def add(self, a: Value, b: Value) -> Value:
        return self.builder.add(a, b, flags=("nsw",))

    def mul(self, a: Value, b: int) -> Value:
        return a if b == 1 else self.builder.mul(a, constant(b), flags=("nsw",))

    def mul_by(self, a: Value, b: Value) -> Value:
        return self.builder.mul(a, b, flags=("nsw",))

    def bytes_from(self, base: Value, offset: Value) -> Value:
        return self.builder.gep(base, [offset], source_etype=ir.IntType(8))

    def least(self, a: Value, b: Value) -> Value:
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    @contextmanager
    def loop(
        self, count: Value, start: Value | None = None, step: Value | None = None, *,
        parallel: bool = False, chains: int = 1,
    ) -> Iterator[Value]:  # fmt: skip
        """Run what is written inside for start, start + step ... below `count`; gives the index.

        So many vectors of a parallel loop are worked on at a time as there are `chains`.
        """
        start, step = start or constant(0), step or constant(1)
        body = self.function.append_basic_block()
        done = self.function.append_basic_block()
        before = self.builder.block
        self.builder.cbranch(self.builder.icmp_signed("<", start, count), body, done)
        self.builder.position_at_end(body)
        index = self.builder.phi(I64)
        index.add_incoming(start, before)
        builder = self.builder
        outer = builder.group
        metadata, group = self.module.loop(parallel, chains if parallel else 1)
        builder.group = group if parallel else None
        yield index
        builder.group = outer
        following = self.builder.add(index, step, flags=("nsw",))
        index.add_incoming(following, self.builder.block)
        again = self.builder.icmp_signed("<", following, count)
        branch = self.builder.cbranch(again, body, done)
        branch.set_metadata("llvm.loop", metadata)
        self.builder.position_at_end(done)
