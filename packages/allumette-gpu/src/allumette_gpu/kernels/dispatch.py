"""From parts to shaders: parts that do not depend on one another run side by side."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from allumette_core.errors import BackendError

from ..limits import Limits
from ..wgsl.library import included
from .base import Part


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A shader, the values that it is bound to in order, and how many workgroups run."""

    name: str
    source: str
    buffers: tuple[int, ...]
    groups: tuple[int, int, int]


def grouped(parts: Iterable[Part], limits: Limits) -> list[list[Part]]:
    """Independent `parts` in as few dispatches as the limits allow."""
    found: list[list[Part]] = []
    for part in parts:
        for group in found:
            buffers = {b[0] for p in (*group, part) for b in p.buffers}
            fits = len(buffers) <= limits.buffers
            fits = fits and _shared_bytes([*group, part]) <= limits.shared_bytes
            if fits and group[0].width == part.width:
                group.append(part)
                break
        else:
            found.append([part])
    return found


def _shared_bytes(parts: Sequence[Part]) -> int:
    arrays = [
        type_.removeprefix("array<").removesuffix(">").split(",")
        for p in parts
        for _, type_ in p.shared
    ]
    return sum((8 if "64" in element else 4) * int(count) for element, count in arrays)


def assemble(parts: Sequence[Part], limits: Limits) -> Iterator[Dispatch]:
    """The shader of `parts`, which take their workgroups one after another.

    It is one dispatch, or several where the grid of a device does not hold all workgroups.

    Raises:
        BackendError: it needs more than the device has, whatever is done.
    """
    bound: dict[int, tuple[str, bool]] = {}
    for value, stored, written in (b for part in parts for b in part.buffers):
        bound[value] = (stored, written or bound.get(value, ("", False))[1])
    places = {value: i for i, value in enumerate(bound)}
    name = ", ".join(dict.fromkeys(part.name for part in parts))
    _refuse(name, "storage buffers", len(bound), limits.buffers)
    _refuse(name, "bytes of workgroup memory", _shared_bytes(parts), limits.shared_bytes)
    body = "\n".join(_function(k, part, places) for k, part in enumerate(parts))
    library = included(body)
    code = "\n".join([library, *_bindings(bound), body])
    head = "enable f16;\n" if re.search(r"\bf16\b", code) else ""
    if re.search(r"\bsubgroup\b", body):
        head += "var<private> subgroup: u32;\n"  # the invocations of one
    total, most = sum(part.groups for part in parts), limits.groups**2
    for first in range(0, total, most):
        count = min(total - first, most)
        rows = -(-count // limits.groups)
        across = -(-count // rows)
        main = _main(parts, first, across, head + library)
        yield Dispatch(name, "\n".join([head + code, *main]), tuple(bound), (across, rows, 1))


def _refuse(name: str, what: str, wanted: int, limit: int) -> None:
    if wanted > limit:
        raise BackendError(f"gpu: a kernel ({name}) needs {wanted} {what}; the limit is {limit}")


def _bindings(bound: dict[int, tuple[str, bool]]) -> list[str]:
    access = {True: "read_write", False: "read"}
    return [
        f"@group(0) @binding({i}) var<storage, {access[written]}> b{i}: array<{stored}>;"
        for i, (stored, written) in enumerate(bound.values())
    ]


def _function(number: int, part: Part, places: dict[int, int]) -> str:
    """The body of a part as a function, with names that no other part has."""
    names = {f"b{i}": f"b{places[value]}" for i, (value, _, _) in enumerate(part.buffers)}
    names |= {name: f"{name}_{number}" for name, _ in part.shared}
    body = part.body
    if names:
        words = re.compile(rf"\b({'|'.join(names)})\b")
        body = words.sub(lambda found: names[found[1]], body)
    shared = [f"var<workgroup> {names[name]}: {type_};\n" for name, type_ in part.shared]
    return f"{''.join(shared)}fn part{number}(group: u32, lane: u32) {{\n{body}\n}}"


def _main(parts: Sequence[Part], first: int, across: int, declared: str) -> list[str]:
    subgroups = "> subgroup:" in declared
    size = ", @builtin(subgroup_size) size: u32" if subgroups else ""
    place = f"group_id.x + group_id.y * {across}u"
    lines = [
        f"@compute @workgroup_size({parts[0].width})",
        "fn main(@builtin(workgroup_id) group_id: vec3<u32>, "
        f"@builtin(local_invocation_index) lane: u32{size}) {{",
        f"  let group = {place} + {first}u;" if first else f"  let group = {place};",
    ]
    if "> zero:" in declared:
        lines.append("  zero = group_id.z;")
    if subgroups:
        lines.append("  subgroup = size;")
    start = 0
    for number, part in enumerate(parts):
        end, word = start + part.groups, "else if" if number else "if"
        own = f"group - {start}u" if start else "group"
        lines.append(f"  {word} (group < {end}u) {{ part{number}({own}, lane); }}")
        start = end
    return [*lines, "}"]
