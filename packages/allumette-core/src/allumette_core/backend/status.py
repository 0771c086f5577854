"""What is known of one claim to be a backend, and the messages made from it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from .plugin import Plugin, PluginError
from .scan import BACKENDS_GROUP, Claim, origins
from .spec import SPEC_MAJOR, SPEC_MINOR, SPEC_VERSION, BackendInfo, Unavailable

SLOW_SECONDS = 2.0

_PROVIDERS = {"seq": "allumette-cpu", "par": "allumette-cpu", "gpu": "allumette-gpu"}
_ALIASES = {"cpu": ("par", "seq", "numpy"), "np": ("numpy",)} | dict.fromkeys(
    ("cuda", "metal", "mps", "rocm", "vulkan", "webgpu", "wgpu"), ("gpu",)
)


class State(StrEnum):
    """Whether a backend can be used, and if not, in which way."""

    USABLE = "usable"
    UNAVAILABLE = "unavailable"
    """In order, but not on this machine: no such device or driver."""
    BROKEN = "broken"
    """The plugin fails to import or breaks the contract."""
    INCOMPATIBLE = "incompatible"
    """Written for another version of the contract."""
    DUPLICATE = "duplicate"
    """Another distribution provides a backend of that name."""


@dataclass(frozen=True, slots=True)
class BackendStatus:
    """One line of `al.backends()`: a name, who claims it, and whether it works."""

    name: str
    state: State
    distribution: str
    version: str
    entry_point: str
    """The module that the distribution names, `package.module`."""
    reason: str = ""
    """Why it is not usable; empty if it is."""
    remedy: str = ""
    """What to do about it."""
    notes: tuple[str, ...] = ()
    """Remarks on a backend that works, such as a slow import."""
    info: BackendInfo | None = None
    """What the plugin says of itself, if it got that far."""
    seconds: float | None = None
    """How long importing and probing took; None if that was not needed."""

    @property
    def usable(self) -> bool:
        """Whether `open_backend(name)` can be expected to work."""
        return self.state is State.USABLE

    def explain(self) -> str:
        """The status in one sentence.

        >>> status = BackendStatus("mine", State.UNAVAILABLE, "mine-backend", "1.0", "mine")
        >>> replace(status, reason="no device", remedy="plug it in").explain()
        "backend 'mine' (mine-backend 1.0) is unavailable: no device. Remedy: plug it in"
        """
        origin = f"{self.distribution} {self.version}".strip()
        text = f"backend {self.name!r} ({origin}) is {self.state}"
        if self.reason:
            text += f": {self.reason}"
        return f"{text}. Remedy: {self.remedy}" if self.remedy else text


def blank(claim: Claim, state: State, reason: str = "", remedy: str = "") -> BackendStatus:
    """A status that holds what the metadata says."""
    return BackendStatus(
        claim.name, state, claim.distribution, claim.version, claim.value, reason, remedy
    )


def from_metadata(claim: Claim) -> BackendStatus | None:
    """The status of a claim that need not be imported to be refused."""
    if claim.group != BACKENDS_GROUP:
        return blank(claim, State.INCOMPATIBLE, *_incompatible(claim))
    if claim.problem:
        return blank(claim, State.BROKEN, claim.problem, f"reinstall {claim.distribution}")
    return None


def _incompatible(claim: Claim) -> tuple[str, str]:
    written = f"version {claim.major}" if claim.major else "no stated version"
    reason = f"it is written for {written} of the contract; this core has {SPEC_VERSION}"
    if claim.major and int(claim.major) > SPEC_MAJOR:
        return reason, "pip install --upgrade allumette-core"
    return reason, f"pip install --upgrade {claim.distribution}"


def examine(claim: Claim, plugin: Plugin) -> BackendStatus:
    """Import the plugin, ask what it is and whether it works here."""
    try:
        info = declared(claim, plugin)
    except PluginError as failure:
        status = blank(claim, State.BROKEN, failure.reason, failure.remedy)
    else:
        status = replace(_probed(claim, plugin, info), info=info)
    if plugin.seconds >= SLOW_SECONDS:
        status = replace(status, notes=(f"slow: importing it took {plugin.seconds:.1f} s",))
    return status


def declared(claim: Claim, plugin: Plugin) -> BackendInfo:
    """What the plugin says of `claim.name`; `PluginError` if it says nothing, or nonsense."""
    mend = f"mend the plugin ({claim.origin})"
    for hook in ("allumette_backend", "allumette_open"):
        if not plugin.implements(hook):
            raise PluginError(f"{claim.value} has no {hook} hook", mend)
    answer = plugin.call("allumette_backend")
    infos: list[BackendInfo] = list(answer) if isinstance(answer, Sequence) else [answer]
    for info in infos:
        if not isinstance(info, BackendInfo):
            raise PluginError(f"allumette_backend returned {_brief(info)}, not a BackendInfo", mend)
    for info in infos:
        if info.name == claim.name:
            return info
    names = ", ".join(repr(info.name) for info in infos)
    raise PluginError(f"the entry point is {claim.name!r}, allumette_backend names {names}", mend)


def _probed(claim: Claim, plugin: Plugin, info: BackendInfo) -> BackendStatus:
    mend = f"mend the plugin ({claim.origin})"
    try:
        major, minor = (int(part) for part in info.spec.split("."))
    except ValueError:
        return blank(claim, State.BROKEN, f"its spec is {info.spec!r}, not 'major.minor'", mend)
    if major != SPEC_MAJOR:
        return blank(claim, State.BROKEN, f"group and spec {info.spec!r} do not agree", mend)
    if minor > SPEC_MINOR:
        reason = f"it needs version {info.spec} of the contract; this core has {SPEC_VERSION}"
        return blank(claim, State.INCOMPATIBLE, reason, "pip install --upgrade allumette-core")
    try:
        answer = plugin.call("allumette_probe", name=claim.name)
    except PluginError as failure:
        return blank(claim, State.BROKEN, failure.reason, failure.remedy)
    if answer is None:
        return blank(claim, State.USABLE)
    if isinstance(answer, Unavailable):
        return blank(claim, State.UNAVAILABLE, answer.reason, answer.remedy)
    if isinstance(answer, str):
        return blank(claim, State.UNAVAILABLE, answer)
    reason = f"allumette_probe returned {_brief(answer)}, not None, a str or Unavailable"
    return blank(claim, State.BROKEN, reason, mend)


def _brief(value: object) -> str:
    return f"a {type(value).__name__}" if value is not None else "None"


def duplicate(claim: Claim, rivals: Iterable[Claim]) -> BackendStatus:
    """The status of a claim to a name that `rivals` claim too."""
    rivals = list(rivals)
    reason = f"{origins(rivals)} provide{'s' if len(rivals) == 1 else ''} {claim.name!r} too"
    choices = [f"ALLUMETTE_BACKEND={claim.name}@{c.distribution}" for c in (claim, *rivals)]
    remedy = f"uninstall all but one, or choose: {' or '.join(choices)}"
    return blank(claim, State.DUPLICATE, reason, remedy)


def intruder(claim: Claim) -> BackendStatus:
    """The status of a claim to the name of a built-in backend."""
    reason = f"the name {claim.name!r} belongs to the backend built into allumette-core"
    remedy = f"pip uninstall {claim.distribution}, or give its backend another name"
    return blank(claim, State.DUPLICATE, reason, remedy)


def unknown(name: str, installed: Iterable[str]) -> str:
    """The message for a name that nobody provides."""
    from difflib import get_close_matches

    installed = sorted(set(installed))
    text = f"no backend {name!r} is installed; installed: {', '.join(installed)}."
    if name in _PROVIDERS:
        return f"{text} Remedy: pip install {_PROVIDERS[name]}"
    known = {**dict.fromkeys(installed), **_PROVIDERS}
    near = _ALIASES.get(name.lower()) or get_close_matches(name.lower(), known, 3, 0.6)
    if not near:
        return f"{text} Remedy: name one of these, or install the package that provides {name!r}"
    return f"{text} Did you mean {' or '.join(_offer(n, installed) for n in near)}?"


def _offer(name: str, installed: Iterable[str]) -> str:
    return repr(name) if name in installed else f"{name!r} (pip install {_PROVIDERS[name]})"
