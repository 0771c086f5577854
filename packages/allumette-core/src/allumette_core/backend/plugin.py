"""One plugin: imported when first needed, and contained, so that its faults stay its own."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .scan import Claim

if TYPE_CHECKING:
    import pluggy

_PLUMBING = re.compile(r"[/\\](importlib|pluggy)[/\\]")


class PluginError(Exception):
    """Why a plugin cannot be used, and what would help. Does not leave this package."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason, remedy)
        self.reason = " ".join(reason.split())
        self.remedy = remedy


class Plugin:
    """The object that an entry point names, in a plugin manager of its own.

    Each has its own manager because a mistyped hook, or one that raises, is a fault of the whole
    manager to pluggy.
    """

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.lock = threading.RLock()
        self.seconds = 0.0
        """How long the import took."""
        self._manager: pluggy.PluginManager | None = None
        self._failure: PluginError | None = None
        self._loading = False

    def call(self, hook: str, **arguments: Any) -> Any:
        """The result of `hook`, None if the plugin does not implement it; else `PluginError`."""
        manager = self._load()
        with contained(self.claim, hook):
            return getattr(manager.hook, hook)(**arguments)

    def implements(self, hook: str) -> bool:
        """Whether the plugin has an implementation of `hook`."""
        return bool(getattr(self._load().hook, hook).get_hookimpls())

    def _load(self) -> "pluggy.PluginManager":
        with self.lock:
            if self._failure is not None:
                raise PluginError(self._failure.reason, self._failure.remedy) from self._failure
            if self._manager is None:
                self._manager = self._import()
            return self._manager

    def _import(self) -> "pluggy.PluginManager":
        if self._loading:
            raise PluginError(f"{self.claim.value} needs itself while it is imported")
        from importlib.metadata import EntryPoint

        self._loading, started = True, time.perf_counter()
        try:
            with contained(self.claim, "import"):
                found = EntryPoint("", self.claim.value, "").load()
            self.seconds = time.perf_counter() - started
            return _manager(found, self.claim)
        except PluginError as failure:
            self.seconds = time.perf_counter() - started
            self._failure = failure
            raise
        finally:
            self._loading = False


def _manager(plugin: object, claim: Claim) -> "pluggy.PluginManager":
    """A manager that holds `plugin`, whose hooks are all spelled as the contract has them."""
    import pluggy

    from . import hooks

    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    with contained(claim, "hooks"):
        _check_spelling(manager, plugin, claim)
        try:
            manager.register(plugin, name=claim.value)
            manager.check_pending()
        except pluggy.PluginValidationError as error:
            raise PluginError(
                f"{claim.value}: {error}", f"mend the plugin ({claim.origin})"
            ) from error
    return manager


def _check_spelling(manager: "pluggy.PluginManager", plugin: object, claim: Claim) -> None:
    known = [name for name in vars(manager.hook) if not name.startswith("_")]
    for name in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, name)
        if options is None and name in known and callable(getattr(plugin, name)):
            raise PluginError(
                f"{claim.value} defines {name} without @hookimpl",
                "mark it: from allumette_core.backend.hooks import hookimpl",
            )
        if options is not None and name not in known and not options["optionalhook"]:
            from difflib import get_close_matches

            near = get_close_matches(name, known, 1)
            raise PluginError(
                f"{claim.value} implements a hook {name!r}, which does not exist",
                f"did you mean {near[0]!r}?" if near else f"the hooks are {', '.join(known)}",
            )


@contextmanager
def contained(claim: Claim, doing: str) -> Iterator[None]:
    """Turn whatever a plugin raises, `SystemExit` too, into `PluginError`; Ctrl-C passes."""
    try:
        yield
    except (KeyboardInterrupt, PluginError):
        raise
    except BaseException as error:
        what = f"importing {claim.value}" if doing == "import" else f"{claim.value}: {doing}"
        reason = f"{what} {_described(error)}{_place(error)}"
        raise PluginError(reason, _remedy(error, claim)) from error


def _described(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"called sys.exit({error.code!r})"
    return f"raised {type(error).__name__}: {error}".rstrip(": ")


def _place(error: BaseException) -> str:
    """Where in the plugin's own code it went wrong, as far as that can be told."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if not name.startswith("<") and not _PLUMBING.search(name) and name != __file__:
            place = f" ({Path(name).name}:{trace.tb_lineno})"
        trace = trace.tb_next
    return place


def _remedy(error: BaseException, claim: Claim) -> str:
    reinstall = f"pip install --upgrade --force-reinstall {claim.distribution}"
    if isinstance(error, ModuleNotFoundError) and not _is_own(error.name, claim):
        return f"install what provides the module {error.name!r}, or: {reinstall}"
    if isinstance(error, ImportError):
        return reinstall
    return f"pip install --upgrade {claim.distribution}, or pip uninstall {claim.distribution}"


def _is_own(module: str | None, claim: Claim) -> bool:
    """Whether the missing `module` is the plugin itself, or unknown."""
    return not module or f"{claim.value}.".replace(":", ".").startswith(f"{module}.")
