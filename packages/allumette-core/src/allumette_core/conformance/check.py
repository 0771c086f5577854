"""A check, what it finds, and what is made of that: it passed, failed, or was skipped."""

import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from ..backend.spec import Capabilities
from ..profile import profile
from .subject import Subject


class Fault(AssertionError):  # noqa: N818  the backend's, not the program's
    """The backend is wrong. `repro` is a script that shows it without the kit."""

    def __init__(self, problem: str, repro: str = "") -> None:
        super().__init__(problem)
        self.problem, self.repro = problem, repro


@dataclass(frozen=True)
class Measure:
    """How far off a check that passed was, and at which input."""

    ulp: float = 0.0
    worst: str = ""


@dataclass(frozen=True)
class Check:
    """One thing to hold a backend to.

    `needs` names what a backend must have declared: `float64`, `zero_size`, `donation` ...
    `script` is that of a failure which has none of its own.
    """

    level: int
    name: str
    body: Callable[[Subject], Measure | None]
    primitive: str = ""
    dtype: str = ""
    needs: tuple[str, ...] = ()
    full_only: bool = False
    script: Callable[[Subject], str] | None = None

    @property
    def id(self) -> str:
        """How known failures, `-k` and reports name it."""
        return f"L{self.level}-{self.name}"

    def gap(self, capabilities: Capabilities) -> str:
        """What this needs and `capabilities` do not declare, or nothing."""
        lacking = [n for n in self.needs if not _declared(n, capabilities)]
        return lacking[0] if lacking else ""


def _declared(need: str, capabilities: Capabilities) -> bool:
    if hasattr(capabilities, need):
        return bool(getattr(capabilities, need))
    return capabilities.supports(need)


@dataclass(frozen=True)
class Outcome:
    """What came of a check.

    `state` is passed, failed, skipped (by `gap`), known (it failed, as was said it would), or
    unexpected (it passed though said to fail, which fails the run).
    """

    check: Check
    state: str
    mode: str = ""
    gap: str = ""
    problem: str = ""
    repro: str = ""
    seconds: float = 0.0
    measure: Measure = field(default_factory=Measure)
    note: str = ""

    @property
    def failed(self) -> bool:
        """Whether this makes the run fail."""
        return self.state in ("failed", "unexpected")


def perform(check: Check, subject: Subject, known: Mapping[str, str] | None = None) -> Outcome:
    """Run `check`, and hold what came of it against what was declared.

    What is not declared runs all the same: it is reported where it works.
    """
    gap = check.gap(subject.capabilities)
    found = _attempt(check, subject)
    if gap:
        note = "works, though not declared" if found.state == "passed" else ""
        return replace(found, state="skipped", gap=gap, problem="", repro="", note=note)
    found = _hold_to_declaration(replace(found, mode=mode(check, subject.traced)), subject)
    if found.failed and not found.repro and check.script:
        found = replace(found, repro=check.script(subject))
    return _expected_to_fail(found, known or {})


def _attempt(check: Check, subject: Subject) -> Outcome:
    started = time.perf_counter()
    state, problem, repro, measure = "passed", "", "", Measure()
    try:
        with profile() as recorded:
            subject.traced = recorded.counts
            measure = check.body(subject) or measure
    except Fault as fault:
        state, problem, repro = "failed", fault.problem, fault.repro
    except Exception as error:  # noqa: BLE001  whatever a backend raises is its failure
        state = "failed"
        problem = f"{type(error).__name__}: {error}\n{_where(error)}"
    seconds = time.perf_counter() - started
    return Outcome(check, state, "", "", problem, repro, seconds, measure)


def _where(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-3:]
    return "\n".join(f"  {f.filename}:{f.lineno} in {f.name}: {f.line}" for f in last)


def mode(check: Check, traced: Counter[tuple[str, str]]) -> str:
    """native, decomposed (into native ones) or fallback: by what was seen to run, if anything."""
    modes = {how for _, how in traced}
    if not modes:
        return ""
    if "fallback" in modes:
        return "fallback"
    if check.level < 3 and check.primitive and (check.primitive, "native") not in traced:
        return "decomposed"
    return "native"


# A check of these goes through several dtypes, of which some may be left to the host.
_MIXED = frozenset({"cast", "bitcast", "gather", "scatter", "random_bits", "iota", "full"})


def _hold_to_declaration(found: Outcome, subject: Subject) -> Outcome:
    declares, check = subject.capabilities, found.check
    if check.level != 1 or not check.primitive:
        return found
    declared = declares.native is None or check.primitive in declares.native
    if declares.native_dtypes is not None:
        declared &= check.dtype in declares.native_dtypes and check.primitive not in _MIXED
    if declared and found.mode == "fallback" and found.state == "passed":
        problem = f"{check.primitive} is declared native, but it ran on the host, as fallback"
        return replace(found, state="failed", problem=problem)
    if not declared and found.mode == "native":
        return replace(found, note="native, though not declared")
    return found


def _expected_to_fail(found: Outcome, known: Mapping[str, str]) -> Outcome:
    reasons = [reason for pattern, reason in known.items() if fnmatchcase(found.check.id, pattern)]
    if not reasons:
        return found
    if found.state == "failed":
        return replace(found, state="known", note=reasons[0])
    problem = f"it passes, though it is said to fail ({reasons[0]}): take it off the list"
    return replace(found, state="unexpected", problem=problem)
