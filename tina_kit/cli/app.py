"""The Typer app, and the one place where errors become messages and exit codes."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, Any

import typer

from tina_kit.api.errors import TinaKitError
from tina_kit.api.interruption import interruption
from tina_kit.cli.group import Commands
from tina_kit.cli.interrupt import interrupted, is_interrupted
from tina_kit.cli.terminal import printing
from tina_kit.cli.version import version as print_version
from tina_kit.pipeline.console import log

app = typer.Typer(
    name="tina-kit",
    cls=Commands,
    help="Recipes and plugins for text-to-model research.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would double the time of --help
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        print_version()
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Recipes and plugins for text-to-model research."""


def _register() -> None:
    from tina_kit.cli import (
        bundle,
        doctor,
        evaluate,
        export,
        generate,
        init,
        plugin,
        predict,
        recipes,
        report,
        run,
        runs,
        schema,
        serve,
        show,
        store,
        sweep,
        validate,
        watch,
        zoo,
    )
    from tina_kit.cli import list as list_

    app.command("init")(init.init)
    app.command("run")(run.run)
    app.command("report")(report.report)
    app.command("list")(list_.list_)
    app.command("show")(show.show)
    app.command("validate")(validate.validate)
    app.command("schema")(schema.schema)
    app.command("doctor")(doctor.doctor)
    app.command("generate")(generate.generate)
    app.command("predict")(predict.predict)
    app.command("evaluate")(evaluate.evaluate)
    app.command("export")(export.export)
    app.command("serve")(serve.serve)
    app.command("sweep")(sweep.sweep)
    app.command("watch")(watch.watch)
    app.command("version")(print_version)
    app.add_typer(bundle.app, name="bundle")
    app.add_typer(plugin.app, name="plugin")
    app.add_typer(recipes.app, name="recipes")
    app.add_typer(runs.app, name="runs")
    app.add_typer(store.app, name="store")
    app.add_typer(zoo.app, name="zoo")


_register()


def invoke(arguments: list[str]) -> int:
    """Run one command line; returns the exit code and never raises."""
    debug = "--debug" in arguments
    # Wherever it is written, as every user expects.
    arguments = [word for word in arguments if word != "--debug"]
    try:
        with printing():
            result: Any = app(arguments, standalone_mode=False, prog_name="tina-kit")
        if is_interrupted(result):
            return interrupted()
        return result if isinstance(result, int) else 0
    except typer.Abort:
        return interrupted()
    except BaseException as error:
        if interruption(error) is not None:
            return interrupted()
        if isinstance(error, SystemExit):
            return _exit(error, debug)
        if not isinstance(error, Exception):
            raise
        return _report(error, debug)


def _exit(error: SystemExit, debug: bool) -> int:
    from tina_kit.plugins.blame import is_exit_of_command

    if isinstance(error.__context__, BrokenPipeError):  # of some versions of typer
        return 0  # the reader of a pipe (head, less) has seen enough
    # A plugin must not end a run, least of all as if it were done.
    if _blame(error) and not is_exit_of_command(error):
        return _report(error, debug)
    return error.code if isinstance(error.code, int) else 1


def _blame(error: BaseException) -> str | None:
    from tina_kit.plugins.blame import blame

    return blame(error)


def _report(error: BaseException, debug: bool) -> int:
    shown = getattr(error, "format_message", None)
    if debug:
        log(traceback.format_exc())
    if shown is not None and hasattr(error, "exit_code"):  # click's own: a wrong option
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "tina-kit"
        log(f"error: {shown()} (see {command} --help)")
        return int(error.exit_code)
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if isinstance(error, TinaKitError):
        log(f"error: {error}")
        return error.exit_code
    if reason := _blame(error):
        log(f"error: {reason}" + ("" if debug else " (--debug shows the traceback)"))
    elif isinstance(error, OSError) and error.strerror:  # as a rule a disk's or a pipe's
        place = "" if error.filename is None else f"{error.filename}: "
        log(f"error: {place}{error.strerror}")
    elif isinstance(error, UnicodeEncodeError) and error.encoding == sys.getfilesystemencoding():
        log(
            f"error: {error.object}: the locale ({error.encoding}) cannot encode this file name. "
            "Set PYTHONUTF8=1"
        )
    elif not debug:
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        log(f"error: {what} (unexpected; --debug shows the traceback)")
    return 1
