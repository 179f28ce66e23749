"""The options that say which schema is meant and which texts of a value count, and refusals: for commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, NoReturn, TypeAlias

import typer

from structgen.errors import OptionError, StructgenError

SchemaFile: TypeAlias = Annotated[Path, typer.Option("--schema", help="The JSON Schema.", show_default=False)]
Draft: TypeAlias = Annotated[
    str | None, typer.Option(help="3, 4, 6, 7, 2019-09, 2020-12 or v1, whatever $schema says.")
]
Whitespace: TypeAlias = Annotated[
    str, typer.Option(help="any, bounded, compact, oneline, or json.dumps's indent.")
]
PropertyOrder: TypeAlias = Annotated[str, typer.Option(help="any, declared.")]
Numbers: TypeAlias = Annotated[str, typer.Option(help="any, bounded, plain, python.")]
Escapes: TypeAlias = Annotated[str, typer.Option(help="any, canonical, utf8, ascii.")]
Formats: TypeAlias = Annotated[str, typer.Option(help="assert, annotate.")]
Content: TypeAlias = Annotated[str, typer.Option(help="annotate, assert: contentEncoding.")]
Resource: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="URI=FILE", help="A schema to which $ref may lead. May be given several times."),
]
MaxString: TypeAlias = Annotated[
    int | None, typer.Option(min=0, help="Code points of a string that the schema does not bound.")
]
MaxItems: TypeAlias = Annotated[
    int | None, typer.Option(min=0, help="Items of an array that the schema does not bound.")
]
AnyValue: TypeAlias = Annotated[
    str, typer.Option(help="A value of which the schema says nothing: any, scalar, or how deep it nests.")
]


def resources_of(options: list[str] | None) -> dict[str, str]:
    """Return the texts of the files by the URIs that the options `--resource URI=FILE` name."""
    found: dict[str, str] = {}
    for option in options or ():
        # A URI may hold "=", in a query; a file seldom does.
        uri, equals, name = option.rpartition("=")
        if not equals or not uri:
            raise OptionError(
                f"{option!r} is no resource.",
                where="--resource",
                cure="Write URI=FILE, as in http://a/b=c.json.",
            )
        found[uri] = Path(name).read_text(encoding="utf-8-sig")
    return found


def number_or_word(option: str) -> str | int:
    """Return an option as `sg.json_schema` takes it where digits are an int: the indent, any_value."""
    return int(option) if option.isdecimal() else option


def refuse(error: StructgenError | OSError, as_json: bool, status: int = 2) -> NoReturn:
    """Print an error (as a JSON object, or to stderr) and exit."""
    if as_json:
        report = {"kind": type(error).__name__, "message": str(error)}
        if isinstance(error, StructgenError):
            report["where"] = error.where
        typer.echo(json.dumps({"error": report}))
    else:
        typer.echo(f"{type(error).__name__}: {error}", err=True)
    raise typer.Exit(status)
