"""Which backends and commands are installed, read from metadata alone: nothing is imported."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .spec import SPEC_MAJOR

if TYPE_CHECKING:
    from importlib.metadata import Distribution

BACKENDS = "allumette.backends"
COMMANDS = "allumette.commands"
BACKENDS_GROUP = f"{BACKENDS}.v{SPEC_MAJOR}"
COMMANDS_GROUP = f"{COMMANDS}.v{SPEC_MAJOR}"

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_VALUE = re.compile(r"[\w.]+(:[\w.]+)?(\s*\[.*\])?")


@dataclass(frozen=True, slots=True)
class Claim:
    """One entry point: a distribution says that it provides `name`."""

    group: str
    name: str
    value: str
    """The module, as in the entry point: `package.module` or `package.module:object`."""
    distribution: str
    version: str = ""
    problem: str = ""
    """What is wrong with the entry itself, if anything."""

    @property
    def origin(self) -> str:
        """The distribution and its version, for messages."""
        return f"{self.distribution} {self.version}".strip()

    @property
    def major(self) -> str:
        """The version of the contract, from the group's name: '1', or '' if it states none."""
        return self.group.rpartition(".v")[2] if ".v" in self.group else ""


def normalized(distribution: str) -> str:
    """The name of a distribution as package indexes compare it.

    >>> normalized("Allumette_GPU")
    'allumette-gpu'
    """
    return re.sub(r"[-_.]+", "-", distribution).lower()


def claims(family: str) -> list[Claim]:
    """Every claim in the groups `family`, `family.v0`, `family.v1` ..., by name.

    A distribution whose metadata cannot be read becomes a claim with a `problem`; it does not hide
    the others. Of two copies of one distribution on the path, the first counts, as for imports.
    """
    from importlib import metadata

    seen: set[str] = set()
    found: list[Claim] = []
    for distribution in metadata.distributions():
        text = _entry_points_text(distribution)
        if family not in text:
            continue
        name, version = _identity(distribution)
        if normalized(name) not in seen:
            seen.add(normalized(name))
            found.extend(_claims_of(distribution, family, name, version))
    return sorted(found, key=lambda claim: (claim.name, claim.distribution, claim.group))


def _entry_points_text(distribution: "Distribution") -> str:
    try:
        return distribution.read_text("entry_points.txt") or ""
    except (OSError, UnicodeError):
        return ""


def _identity(distribution: "Distribution") -> tuple[str, str]:
    """Name and version, whatever state the metadata is in."""
    unnamed = f"an unnamed distribution in {distribution.locate_file('')}"
    try:
        fields = distribution.metadata
        return fields["Name"] or unnamed, fields["Version"] or ""
    except Exception:  # noqa: BLE001  # half-removed distributions fail in many ways
        return unnamed, ""


def _claims_of(
    distribution: "Distribution", family: str, name: str, version: str
) -> Iterator[Claim]:
    pattern = re.compile(re.escape(family) + r"(\.v\d+)?")
    try:
        entries = [e for e in distribution.entry_points if pattern.fullmatch(e.group)]
    except Exception as error:  # noqa: BLE001  # any content at all may stand in that file
        problem = f"its entry_points.txt cannot be read: {error}"
        yield Claim(f"{family}.v{SPEC_MAJOR}", name, "", name, version, problem)
        return
    current = {e.name for e in entries if e.group == f"{family}.v{SPEC_MAJOR}"}
    for entry in entries:
        group = entry.group
        # A distribution that serves several versions of the contract is not incompatible.
        if group == f"{family}.v{SPEC_MAJOR}" or entry.name not in current:
            problem = _problem(entry.name, entry.value)
            yield Claim(group, entry.name, entry.value, name, version, problem)


def _problem(name: str, value: str) -> str:
    if not _NAME.fullmatch(name):
        return f"its entry point is called {name!r}; a name is a letter, then a-z 0-9 _ -"
    if not _VALUE.fullmatch(value):
        return f"its entry point is {value!r}; write 'package.module'"
    return ""


def origins(claimants: Iterable[Claim]) -> str:
    """The distributions of `claimants`, for messages."""
    return " and ".join(claim.origin for claim in claimants)
