"""Commands that plugins add, each imported only when it is the one that runs."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

import click

from ..backend.plugin import Plugin, PluginError
from ..backend.scan import COMMANDS, COMMANDS_GROUP, Claim, claims, origins
from ..backend.status import State
from ..errors import AllumetteError

_PROVIDERS = {"train": "allumette-train"}


@dataclass(frozen=True, slots=True)
class CommandStatus:
    """A command that a distribution says it adds, and whether it does."""

    name: str
    state: State
    distribution: str
    version: str
    reason: str = ""
    remedy: str = ""

    def explain(self) -> str:
        """The status in one sentence."""
        origin = f"{self.distribution} {self.version}".strip()
        text = f"command {self.name!r} ({origin}) is {self.state}"
        text += f": {self.reason}" if self.reason else ""
        return f"{text}. Remedy: {self.remedy}" if self.remedy else text


class PluginGroup(click.Group):
    """A group whose own commands cannot be replaced, and that finds more in metadata."""

    def invoke(self, ctx: click.Context) -> None:
        """Run the command; what it returns is not an exit code."""
        super().invoke(ctx)

    def plugin_claims(self) -> list[Claim]:
        """Who adds which command; imports nothing."""
        return claims(COMMANDS)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Its own commands, then those of plugins."""
        own = super().list_commands(ctx)
        return own + sorted({c.name for c in self.plugin_claims()} - set(own))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command; `AllumetteError` if a plugin has it and is broken."""
        own = super().get_command(ctx, cmd_name)
        named = [c for c in self.plugin_claims() if c.name == cmd_name]
        if own is not None or not named:
            return own
        status, command = self.load(named[0], named)
        if command is None:
            raise AllumetteError(status.explain())
        return command

    def load(
        self, claim: Claim, rivals: Iterable[Claim]
    ) -> tuple[CommandStatus, click.Command | None]:
        """The command of `claim`, or what is wrong with it; `rivals` claim the same name."""
        state, reason, remedy = self._refusal(claim, [c for c in rivals if c is not claim])
        command = None
        if state is State.USABLE:
            try:
                command = _command(claim)
            except PluginError as error:
                state, reason, remedy = State.BROKEN, error.reason, error.remedy
        status = CommandStatus(claim.name, state, claim.distribution, claim.version, reason, remedy)
        return status, command

    def statuses(self) -> list[CommandStatus]:
        """What is the matter with each command of a plugin; imports them all."""
        by_name = defaultdict(list)
        for claim in self.plugin_claims():
            by_name[claim.name].append(claim)
        return [self.load(c, named)[0] for named in by_name.values() for c in named]

    def _refusal(self, claim: Claim, rivals: list[Claim]) -> tuple[State, str, str]:
        if claim.group != COMMANDS_GROUP:
            reason = f"it is in the group {claim.group!r}; this core reads {COMMANDS_GROUP!r}"
            return State.INCOMPATIBLE, reason, f"pip install --upgrade {claim.distribution}"
        if claim.problem:
            return State.BROKEN, claim.problem, f"reinstall {claim.distribution}"
        if claim.name in self.commands:
            reason = "allumette-core has a command of that name"
            return State.DUPLICATE, reason, f"pip uninstall {claim.distribution}"
        if rivals:
            reason = f"{origins(rivals)} provide{'s' if len(rivals) == 1 else ''} it too"
            return State.DUPLICATE, reason, "uninstall all but one"
        return State.USABLE, "", ""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but a missing command names the package that has it, or its likes."""
        name, names = args[0], self.list_commands(ctx)
        if name in names or name.startswith("-"):
            return super().resolve_command(ctx, args)
        near = get_close_matches(name, [*names, *_PROVIDERS], 1)
        message = f"No such command {name!r}"
        if near:
            message += f"; did you mean {near[0]!r}?" if near[0] != name else ""
            message += "" if near[0] in names else f" Remedy: pip install {_PROVIDERS[near[0]]}"
        raise click.UsageError(message, ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Name the commands of plugins without importing them."""
        own = [(name, self.commands[name].get_short_help_str(60)) for name in sorted(self.commands)]
        with formatter.section("Commands"):
            formatter.write_dl(own)
        others = [c for c in self.plugin_claims() if c.name not in self.commands]
        if others:
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(c.name, f"from {c.origin}") for c in others])


def _command(claim: Claim) -> click.Command:
    """What the plugin of `claim` adds under its name; it cannot touch other commands."""
    plugin, scratch = Plugin(claim), click.Group()
    if not plugin.implements("allumette_commands"):
        raise PluginError(f"{claim.value} has no allumette_commands hook", _mend(claim))
    plugin.call("allumette_commands", app=scratch)
    command = scratch.commands.get(claim.name)
    if command is None:
        added = ", ".join(map(repr, scratch.commands)) or "none"
        raise PluginError(f"{claim.value} adds no such command; it adds {added}", _mend(claim))
    return command


def _mend(claim: Claim) -> str:
    return f"mend the plugin ({claim.origin})"
