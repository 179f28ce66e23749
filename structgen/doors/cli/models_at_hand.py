"""`structgen models` and `structgen grammars`: list what has a name, and how to get the model that is not
installed."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from structgen.doors.cli.output import echo, echo_json

_AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON array.")]


def grammars(as_json: _AsJson = False) -> None:
    """List the Lark grammars that ship with structgen.

    Each name is what --grammar and sg.lark take. A file of such a path is ./structgen/NAME. The file's page,
    NAME.md beside it, says what is left out.

    Exit status: 0.
    """
    from structgen.base.system.shipped_files import GRAMMARS, grammar_path

    _print_rows(
        [
            {"name": f"structgen/{name}", "does": purpose, "path": str(grammar_path(name))}
            for name, purpose in GRAMMARS.items()
        ],
        as_json,
    )


def models(as_json: _AsJson = False) -> None:
    """List the models that a name stands for: the embedded ones, and SmolLM2 from a package on PyPI.

    Each name is what --model, `structgen serve` and the functions of Python take; extract stands for
    structgen/extract, and so on. They also take the folder of a model that transformers reads, and a GGUF
    file of llama.cpp; generate and bulk take openai:URL#NAME, a model on a server.

    Exit status: 0.
    """
    from structgen.base.errors import StructgenError
    from structgen.decoding.runs.resources import DOES, NAMED_MODELS, model_path

    rows: list[dict[str, str | None]] = []
    for name in NAMED_MODELS:
        path, install = None, None
        try:
            path = str(model_path(name))
        except StructgenError as error:  # its package is not installed: the cure names it
            install = error.cure
        rows.append({"name": name, "does": DOES[name], "path": path, "install": install})
    _print_rows(rows, as_json)
    if as_json:
        return
    echo(
        "For short: extract, and so on. Also: the folder of a model that transformers reads, a GGUF file; "
        "openai:URL#NAME, ollama:NAME and anthropic:NAME for structgen generate, structgen bulk, sg.run and "
        "sg.generate."
    )


def _print_rows(rows: list[dict[str, str | None]], as_json: bool) -> None:
    """Print a table of name, purpose and path, or the command that installs; or the rows as JSON."""
    if as_json:
        echo_json(rows)
        return
    widest, longest = (max(len(str(row[key])) for row in rows) for key in ("name", "does"))
    for row in rows:
        location = row["path"] or f"not installed: {row['install']}"
        echo(f"{row['name']:<{widest}}  {row['does']:<{longest}}  {location}")
