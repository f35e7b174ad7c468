"""Groups of commands: tina-kit's own, to which plugins may add."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from typer.core import TyperGroup

from tina_kit.cli.common import discovered, warn
from tina_kit.pipeline.console import log

if TYPE_CHECKING:
    from tina_kit.plugins import Failure

_WHOLE = 1000
"""Letters of a summary; with fewer it would end in dots."""


class Group(TyperGroup):
    """Shows its help if no command is given, which is no mistake, and in it whole summaries."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            args = ["--help"]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [
            (name, command.get_short_help_str(_WHOLE))
            for name, command in found
            if command is not None and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


class Defaulting(Group):
    """Words that begin with none of its commands are for the command `make`."""

    default: ClassVar[str] = "make"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = (*self.commands, *self.get_help_option_names(ctx))
        if args and args[0] not in own:
            args = [self.default, *args]
        return super().parse_args(ctx, args)


class Commands(Group):
    """tina-kit's commands. Plugins are asked for theirs only where one may be meant: by `--help`,
    by the shell's completion and by a name that tina-kit does not know."""

    _asked = False

    def list_commands(self, ctx: Any) -> list[str]:
        self._ask(ctx)
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in self.commands:
            self._ask(ctx)
        return super().get_command(ctx, cmd_name)

    def _ask(self, ctx: Any) -> None:
        if self._asked:
            return
        self._asked = True
        from tina_kit.plugins.commands import accepted, commands_of

        found = discovered()
        wrong: list[Failure] = []
        brought = []
        for loaded in found.plugins:
            commands, failures = commands_of(loaded)
            brought.append((loaded.plugin, commands))
            wrong += failures
        commands, refused = accepted(self.commands, brought)
        for name, command in commands.items():
            self.add_command(command, name)
        if not ctx.resilient_parsing:  # as while the shell completes
            warn(found.failures)
            for failure in (*wrong, *refused):
                log(f"warning: {failure}")
