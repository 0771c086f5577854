"""The hooks through which a plugin offers backends and commands.

A plugin is a module named by an entry point. One distribution may offer several backends from
one module::

    [project.entry-points."allumette.backends.v1"]
    mine = "allumette_mine.plugin"

    # allumette_mine/plugin.py: keep its imports cheap
    from allumette_core.backend.hooks import hookimpl
    from allumette_core.backend.spec import BackendInfo

    @hookimpl
    def allumette_backend():
        return BackendInfo("mine", summary="my backend")

    @hookimpl
    def allumette_open(name):
        from allumette_mine.backend import MyBackend

        return MyBackend()

A hook finds a backend; no hook is called for an operation.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pluggy

from .spec import Backend, BackendInfo, Unavailable

if TYPE_CHECKING:
    import click

__all__ = ["PROJECT", "hookimpl"]

PROJECT = "allumette"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a function of a plugin as the implementation of the hook of that name."""


@hookspec(firstresult=True)
def allumette_backend() -> BackendInfo | Sequence[BackendInfo]:  # type: ignore[empty-body]
    """Which backends the plugin has, one info for each name it is registered under.

    Cheap: touches no device and imports no toolkit.
    """


@hookspec(firstresult=True)
def allumette_probe(name: str) -> Unavailable | str | None:
    """Why backend `name` cannot be used on this machine, or None if it can. Optional.

    May touch the device, never changes it.
    """


@hookspec(firstresult=True)
def allumette_open(name: str) -> Backend:  # type: ignore[empty-body]
    """The backend `name`, ready to use. Called once a process."""


@hookspec(firstresult=True)
def allumette_conformance(name: str) -> Mapping[str, str]:  # type: ignore[empty-body]
    """The conformance tests that `name` is known to fail, each with a reason and a link. Optional.

    A listed test that passes fails the run until it is taken off the list.
    """


@hookspec(firstresult=True)
def allumette_describe(name: str) -> Mapping[str, Mapping[str, str]]:  # type: ignore[empty-body]
    """What `allumette doctor` tells of each device of a usable backend `name`: facts by name.
    Optional.

    Such as the driver and its limits. May touch the devices, never changes them.
    """


@hookspec
def allumette_commands(app: "click.Group") -> None:
    """Add commands to `app` with `app.add_command(...)` or `@app.command()`.

    Each is named by an entry point in `allumette.commands.v1`, whose plugin is imported only when
    that command runs.
    """
