"""The options that say which schema is meant and which texts of a value count: for commands."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias, get_type_hints

import typer

from structgen.cli.output import echo, standard_input, unreadable
from structgen.errors import OptionError, SchemaWarning

if TYPE_CHECKING:
    from structgen.json_grammars.schema_grammar import JsonSchemaGrammar

SchemaFile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--schema",
        metavar="FILE|JSON",
        help="The JSON Schema: its file, or its text: {...}, true, false.",
        show_default=False,
    ),
]
Draft: TypeAlias = Annotated[
    str | None, typer.Option(help="The draft, whatever $schema says: 3, 4, 6, 7, 2019-09, 2020-12, v1.")
]
Whitespace: TypeAlias = Annotated[
    str, typer.Option(help="Blanks: any, bounded, compact, oneline, or the indent of json.dumps.")
]
PropertyOrder: TypeAlias = Annotated[str, typer.Option(help="The order of keys: any, declared.")]
Numbers: TypeAlias = Annotated[
    str, typer.Option(help="How numbers are written: any, bounded, plain, python.")
]
Escapes: TypeAlias = Annotated[
    str, typer.Option(help="How strings are escaped: any, canonical, utf8, ascii.")
]
Formats: TypeAlias = Annotated[str, typer.Option(help="Whether `format` restricts: assert, annotate.")]
Resource: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="URI=FILE", help="A schema to which $ref may lead. May be given several times."),
]
MaxString: TypeAlias = Annotated[
    int | None, typer.Option(min=0, help="Most characters of a string without a bound in the schema.")
]
MaxItems: TypeAlias = Annotated[
    int | None, typer.Option(min=0, help="Most items of an array without a bound in the schema.")
]
Strict: TypeAlias = Annotated[
    bool, typer.Option("--strict", help="Refuse an unknown keyword that looks like a misspelt one.")
]
AnyValue: TypeAlias = Annotated[
    str, typer.Option(help="What a value without any schema may be: any, scalar, or a depth of nesting.")
]


@dataclass(frozen=True, kw_only=True)
class SchemaOptions:
    """A schema and its policies, the widest by default. The fields are options of the command line
    (`takes`)."""

    schema: SchemaFile = None
    draft: Draft = None
    whitespace: Whitespace = "any"
    property_order: PropertyOrder = "any"
    numbers: Numbers = "any"
    escapes: Escapes = "any"
    formats: Formats = "assert"
    max_string: MaxString = None
    max_items: MaxItems = None
    any_value: AnyValue = "any"
    resource: Resource = None
    strict: Strict = False

    def schema_grammar(self) -> JsonSchemaGrammar:
        """Return the grammar. Raises StructgenError, and OSError where a file cannot be read."""
        import structgen

        if self.schema is None:
            raise OptionError("A schema is needed.", where="--schema", cure="Name its file.")
        with warnings_told():
            return structgen.json_schema(
                schema_of(self.schema),
                draft=self.draft,
                whitespace=number_or_word(self.whitespace),
                property_order=self.property_order,
                numbers=self.numbers,
                escapes=self.escapes,
                formats=self.formats,
                max_string=self.max_string,
                max_items=self.max_items,
                any_value=number_or_word(self.any_value),
                resources=resources_of(self.resource),
                strict=self.strict,
            )


@contextmanager
def warnings_told() -> Iterator[None]:
    """Print the schema warnings of a block to stderr, a line each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", SchemaWarning)
        yield
    for one in caught:
        echo(f"{one.category.__name__}: {one.message}", err=True)


def takes(kind: type[SchemaOptions]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator of commands: it replaces the parameter `options` by one command-line option for each
    field of `kind`. The first of them comes before the command's own options, the others after."""
    return lambda command: _filled(kind, command)


def _filled(kind: type[SchemaOptions], command: Callable[..., None]) -> Callable[..., None]:
    names = [field.name for field in fields(kind)]

    @functools.wraps(command)
    def filled(**given: object) -> None:
        options = kind(**{name: given.pop(name) for name in names})  # type: ignore[arg-type]
        command(options=options, **given)

    hints = get_type_hints(kind, include_extras=True)
    own = dict(get_type_hints(command, include_extras=True, localns={kind.__name__: kind}))
    parameters = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[one.name])
        for one in inspect.signature(kind).parameters.values()
    ]
    mine = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=own[one.name])
        for one in inspect.signature(command).parameters.values()
        if one.name != "options"
    ]
    signature = inspect.Signature([parameters[0], *mine, *parameters[1:]])
    filled.__signature__ = signature  # type: ignore[attr-defined]
    filled.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()}
    del filled.__wrapped__
    return filled


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
        found[uri] = read_input(Path(name), "--resource")
    return found


def schema_of(option: str) -> Path | str:
    """Return what `--schema` says, as `sg.json_schema` takes it: a schema's text, if it begins with { or is
    true or false, else a file (write ./true for one of that name)."""
    text = option.strip()
    return text if text.startswith("{") or text in ("true", "false") else Path(option)


def number_or_word(option: str) -> str | int:
    """Return an option as `sg.json_schema` takes it where digits are an int: the indent, any_value."""
    return int(option) if option.isdecimal() else option


def read_input(file: Path, option: str) -> str:
    """Return the text of a file, or of standard input for `-`. Raises OptionError where it cannot be read or
    is not UTF-8, which names the option."""
    name = "standard input" if str(file) == "-" else str(file)
    try:
        data = standard_input().read() if str(file) == "-" else file.read_bytes()
        return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except OSError as error:
        raise unreadable(error, name, option) from error
    except UnicodeDecodeError as error:
        raise OptionError(
            f"Byte {error.start} of {name} is not UTF-8: 0x{error.object[error.start]:02x}.",
            where=option,
            cure="Save the text as UTF-8 (iconv -f LATIN1 -t UTF-8 converts one).",
        ) from error
