"""The command line: one file a command. A command imports its rooms when it runs, so that --help is quick.

What the commands share:
1. `flags` has the options of each command, `named_options` reads them (`CommandOptions`), and
   `flag_exclusions` refuses those that exclude one another. `named_values` has strategies by name.
2. `target_language` makes a grammar of the options that name one: a schema, a type, a grammar, a pattern.
3. `model_requests` makes requests of a model with such a grammar. `served` is for the texts of a server.
4. `output` prints everything; `position` shows where a text leaves a language.
5. `inner_loops` compiles ahead, for `structgen warmup` and for packages.
"""

from __future__ import annotations

import inspect
import logging
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any, Final

import typer

from structgen.base.printable import printable
from structgen.doors.cli.flags import NAMES, describe_further_options
from structgen.doors.cli.output import CommandGroup


def _print_version(is_asked: bool) -> None:
    """Print the version and exit, where the option stands on the command line."""
    if is_asked:
        from structgen import __version__

        typer.echo(f"structgen {__version__}")
        raise typer.Exit


def _root_command(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Structured generation for language models: exact token masks for JSON Schema and grammars."""


def app() -> typer.Typer:
    """Return the command line with all its commands; built anew at each call (a few ms)."""
    # plain help: it reflows at any width, and is the same in a terminal that knows no colours
    command_line = typer.Typer(
        cls=CommandGroup,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    command_line.callback()(_root_command)
    for name, summary in SUMMARIES.items():
        function_name = name.replace("-", "_")
        module = import_module(f"structgen.doors.cli.{_FILES.get(name, function_name)}")
        command: Any = getattr(module, function_name)
        epilog = _make_epilog(name, command)
        if name == "store":  # a group of commands
            command_line.add_typer(command(), name=name, short_help=summary, epilog=epilog)
        else:
            command_line.command(name, short_help=summary, epilog=epilog)(command)
    return command_line


SUMMARIES: Final = {
    "bulk": "Let a model answer a file of prompts.",
    "check": "Validate files by a schema or grammar.",
    "explain": "Explain what a schema or grammar accepts.",
    "extract": "Read all items of a type from files.",
    "generate": "Let a model write a document or a text.",
    "grammars": "List the grammars that ship.",
    "infill": "Fill the holes of a template.",
    "maskbench": "Replay JSONSchemaBench, and time it.",
    "models": "List the models at hand.",
    "report": "Print what a report of a fault needs.",
    "sample": "Draw from a model's own distribution.",
    "sample-report": "Report on a file of weighted draws.",
    "serve": "Serve a model in OpenAI's protocol.",
    "store": "Show or clear the cache folder.",
    "warmup": "Compile the inner loops ahead.",
}
"""One line for each command, in `structgen --help`. A command is a function of its name in a file of
that name, or of _FILES."""
_FILES: Final = {"grammars": "models_at_hand", "models": "models_at_hand", "report": "fault_report"}

EXAMPLES: Final = {
    "bulk": (
        """structgen bulk --schema order.schema.json \\
      --prompts in.jsonl --out out.jsonl""",
        "structgen bulk requests.jsonl -o results.jsonl extract",
    ),
    "check": (
        "structgen check --schema order.schema.json a.json b.json",
        "structgen check --regex '[0-9]{4}' - < year.txt",
    ),
    "explain": (
        "structgen explain --schema order.schema.json",
        "structgen explain --grammar query.lark --sentences 5",
    ),
    "extract": (
        """structgen extract letter.txt \\
      --type 'list[people:Person]' \\
      --out people.jsonl --page people.html""",
    ),
    "generate": (
        """structgen generate --schema order.schema.json \\
      --prompt 'Ada bought 3 lamps.'""",
        """structgen generate --type datetime:date \\
      --prompt 'The meeting is on 4 May 2026.'""",
        """structgen generate --tools tools.json \\
      -o tool_choice=required --prompt 'Rain in Oslo?'""",
    ),
    "grammars": ("structgen grammars",),
    "infill": (
        """structgen infill --schema person.schema.json \\
      --prompt 'Ada Lovelace, 36, lives in London.'""",
        """structgen infill --template form.txt \\
      --schema person.schema.json \\
      --prompt 'Ada Lovelace, 36, lives in London.'""",
    ),
    "maskbench": (
        "structgen maskbench schemas/ --tokenizer tokenizer.json",
        """structgen maskbench schemas/ --sample 200 \\
      --failures failures.jsonl""",
    ),
    "models": ("structgen models",),
    "report": (
        "structgen report",
        """structgen report --schema order.schema.json \\
      --tokenizer tokenizer.json""",
    ),
    "sample": (
        """structgen sample --schema order.schema.json \\
      --prompt 'Ada bought 3 lamps.' --n 20 \\
      --out draws.jsonl""",
    ),
    "sample-report": ("structgen sample-report draws.jsonl --html report.html",),
    "serve": (
        "structgen serve extract",
        """structgen serve path/to/Qwen3-8B --port 8080 \\
      --api-key-file keys.txt""",
    ),
    "store": ("structgen store", "structgen store clear --yes"),
    "warmup": (
        "structgen warmup",
        """structgen warmup --tokenizer tokenizer.json \\
      --grammar query.lark""",
    ),
}
"""What stands below the options of each command."""


def _make_epilog(name: str, command: Callable[..., None]) -> str:
    """Return what stands below a command's options: the names of its further ones, and examples, which typer
    prints as they are after the mark \\b."""
    flags = inspect.signature(command).parameters.keys()
    examples = "\n".join(f"  {example}" for example in EXAMPLES[name])
    return (
        f"{describe_further_options(name, flags)}\n\n" if name in NAMES else ""
    ) + f"\b\nExamples:\n{examples}"


def main() -> None:
    """Run the command line on sys.argv. The exit status is the command's; 1 where the output was closed, 2
    for wrong usage, 130 after Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):  # characters that its encoding lacks are written as escapes
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler()  # remarks on a model that was read
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("structgen")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    warnings.formatwarning = lambda message, category, *_: f"{category.__name__}: {printable(str(message))}\n"
    app()()
