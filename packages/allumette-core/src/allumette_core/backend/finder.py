"""Finds the backends that are installed, says what is wrong with each, and opens one by name.

A name is looked up in metadata; only the plugin that was asked for is imported. What is wrong with
one is its status, and hurts no other.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ..errors import BackendError, DeviceError
from . import status as statuses
from .naming import BUILTIN, VARIABLE, Request, parse
from .plugin import Plugin, PluginError, contained
from .scan import BACKENDS, BACKENDS_GROUP, Claim, claims, normalized
from .spec import Backend
from .status import BackendStatus


@dataclass(slots=True, eq=False)
class Candidate:
    """A claim, the plugin behind it (shared by names from one module), and what was found."""

    claim: Claim
    plugin: Plugin
    status: BackendStatus | None = None


class Finder:
    """The backends of one process."""

    def __init__(self, scan: Callable[[str], list[Claim]] = claims) -> None:
        self._scan = scan
        self._lock = threading.RLock()
        self._found: tuple[Candidate, ...] | None = None
        self._chosen: dict[str, str] = {}
        self._opened: dict[str, Backend] = {}

    def candidates(self) -> tuple[Candidate, ...]:
        """Every claim to be a backend, the built-in one first; imports nothing."""
        found = self._found
        if found is None:
            with self._lock:
                found = self._found = self._found or self._candidates()
        return found

    def _candidates(self) -> tuple[Candidate, ...]:
        plugins: dict[tuple[str, str], Plugin] = {}
        return tuple(
            Candidate(c, plugins.setdefault((c.distribution, c.value), Plugin(c)))
            for c in (_builtin(), *self._scan(BACKENDS))
        )

    def claimed(self, name: str) -> list[Candidate]:
        """Every claim to `name`, also those that are refused."""
        return [candidate for candidate in self.candidates() if candidate.claim.name == name]

    def _unknown(self, name: str) -> str:
        readable = [c for c in self.candidates() if statuses.from_metadata(c.claim) is None]
        return statuses.unknown(name, [c.claim.name for c in readable])

    def refresh(self) -> None:
        """Look again at what is installed; what is open stays open."""
        with self._lock:
            self._found = None

    def status(self, candidate: Candidate) -> BackendStatus:
        """What is the matter with `candidate`; imports it unless it is refused unseen."""
        refused = self._refusal(candidate)
        if refused is not None:
            return refused
        with candidate.plugin.lock:
            if candidate.status is None:
                # A plugin of several names was imported for the first of them.
                started = time.perf_counter() - candidate.plugin.seconds
                status = statuses.examine(candidate.claim, candidate.plugin)
                seconds = round(time.perf_counter() - started, 4)
                candidate.status = replace(status, seconds=seconds)
            return candidate.status

    def _refusal(self, candidate: Candidate) -> BackendStatus | None:
        claim = candidate.claim
        refused = statuses.from_metadata(claim)
        if refused is not None or candidate is self.candidates()[0]:
            return refused
        if claim.name == BUILTIN:
            return statuses.intruder(claim)
        rivals = [c.claim for c in self._claimants(claim.name) if c is not candidate]
        if not rivals or self._choice(claim.name) == normalized(claim.distribution):
            return None
        return statuses.duplicate(claim, rivals)

    def _claimants(self, name: str) -> list[Candidate]:
        """Who could serve `name`, as far as the metadata tells."""
        return [c for c in self.claimed(name) if statuses.from_metadata(c.claim) is None]

    def _choice(self, name: str) -> str | None:
        """The distribution that was asked for by name to provide `name`."""
        chosen = self._chosen.get(name)
        if chosen is not None:
            return chosen
        try:
            wish = parse(os.environ.get(VARIABLE, ""))
        except DeviceError:
            return None
        return normalized(wish.distribution) if wish.name == name and wish.distribution else None

    def find(self, name: str) -> Candidate:
        """The candidate that serves `name`, or the one whose status says why none does."""
        named = self.claimed(name)
        if not named:
            raise BackendError(self._unknown(name))
        accepted = [c for c in named if self._refusal(c) is None]
        return (accepted or self._claimants(name) or named)[0]

    def open(self, request: Request) -> Backend:
        """The backend that `request` names, opened once a process; else `BackendError`."""
        name = request.name
        if request.distribution is not None:
            self._choose(name, normalized(request.distribution))
        elif name in self._opened:
            return self._opened[name]
        candidate = self.find(name)
        with candidate.plugin.lock:
            if name not in self._opened:
                status = self.status(candidate)
                if not status.usable:
                    raise BackendError(status.explain())
                backend = _opened(candidate)
                self._chosen[name] = normalized(candidate.claim.distribution)
                self._opened[name] = backend
            return self._opened[name]

    def _choose(self, name: str, distribution: str) -> None:
        """Let `distribution` provide `name` from now on, for this process."""
        claimants = {normalized(c.claim.distribution): c for c in self._claimants(name)}
        if distribution not in claimants:
            offers = " or ".join(repr(f"{name}@{other}") for other in claimants)
            remedy = f"write {offers}" if offers else self._unknown(name)
            raise BackendError(f"{distribution!r} does not provide backend {name!r}; {remedy}")
        candidate = claimants[distribution]
        if name == BUILTIN and candidate is not self.candidates()[0]:
            raise BackendError(statuses.intruder(candidate.claim).explain())
        with self._lock:
            if name in self._opened and self._chosen[name] != distribution:
                raise BackendError(f"backend {name!r} is open already, from {self._chosen[name]!r}")
            self._chosen[name] = distribution

    def known_failures(self, name: str) -> Mapping[str, str]:
        """The conformance tests that backend `name` is known to fail, each with its reason."""
        candidate = self.find(name)
        try:
            return candidate.plugin.call("allumette_conformance", name=name) or {}
        except PluginError as failure:
            raise _error(candidate.claim, failure) from failure

    def described(self, name: str) -> Mapping[str, Mapping[str, str]]:
        """What the plugin of backend `name` tells of its devices; what ails it if it cannot."""
        plugin = self.find(name).plugin
        try:
            told = plugin.call("allumette_describe", name=name) or {}
            with contained(plugin.claim, "allumette_describe"):
                return {
                    str(device): {str(fact): str(value) for fact, value in facts.items()}
                    for device, facts in told.items()
                }
        except PluginError as failure:
            return {name: {"problem": failure.reason}}


def _builtin() -> Claim:
    from importlib import metadata

    try:
        version = metadata.version("allumette-core")
    except metadata.PackageNotFoundError:
        version = ""
    return Claim(BACKENDS_GROUP, BUILTIN, f"{__package__}.builtin", "allumette-core", version)


def _opened(candidate: Candidate) -> Backend:
    claim, name = candidate.claim, candidate.claim.name
    try:
        backend = candidate.plugin.call("allumette_open", name=name)
        if not isinstance(backend, Backend):
            raise PluginError(f"allumette_open returned a {type(backend).__name__}, not a Backend")
        info = getattr(backend, "info", None)
        if getattr(info, "name", None) != name:
            raise PluginError(f"allumette_open({name!r}) returned a backend whose info is {info!r}")
    except PluginError as failure:
        raise _error(claim, failure) from failure
    return backend


def _error(claim: Claim, failure: PluginError) -> BackendError:
    broken = statuses.blank(claim, statuses.State.BROKEN, failure.reason, failure.remedy)
    return BackendError(broken.explain())
