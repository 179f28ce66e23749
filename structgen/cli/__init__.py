"""The command line: one file a command. What a command needs is imported when it runs: --help is quick."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from structgen.cli.output import Door


def _version(asked: bool) -> None:
    if asked:
        from structgen import __version__

        typer.echo(f"structgen {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Structured generation for language models: exact token masks for JSON Schema and grammars."""


def app() -> typer.Typer:
    """Return the command line with all its commands; built anew at each call (a few ms)."""
    from structgen.cli.check import check
    from structgen.cli.explain import explain
    from structgen.cli.generate import generate
    from structgen.cli.infill import infill
    from structgen.cli.maskbench import maskbench
    from structgen.cli.sample_report import sample_report
    from structgen.cli.store import store
    from structgen.cli.warmup import warmup

    commands: tuple[Any, ...] = (check, explain, generate, infill, maskbench, sample_report, warmup)
    door = typer.Typer(cls=Door, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    door.callback()(_root)
    for command in commands:
        door.command()(command)
    door.add_typer(store(), name="store")
    return door


def main() -> None:
    """Run the command line on sys.argv; the exit status is the command's (2: wrong usage)."""
    app()()
