"""The options of the commands, and the one reader of them.

At most fifteen of a command's options are flags of the command line. All have the names that they have in
Python, and are given as `-o NAME=VALUE` or in a file of TOML (`--options FILE`). So an option has one name,
one meaning and one place where its value is read.
"""

from __future__ import annotations

import functools
import inspect
import json
import math
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, get_type_hints

import typer

from structgen.base.errors import OptionError, StructgenError, unknown_option
from structgen.base.language import checks
from structgen.base.system.resources import ON_A_SERVER
from structgen.doors.cli.flags import FLAGS, GONE, LISTS, NAMES, SWITCHES, Flag, flag_of, is_text
from structgen.doors.cli.output import read_input, refusing

_OPTIONS = typer.Option(
    "--options", help="A file of TOML with options by name; -o goes before it.", show_default=False
)
_NAMED = typer.Option(
    "-o",
    metavar="NAME=VALUE",
    help="An option by its name in Python, as in -o top_p=0.9 (listed below); a list is given by "
    "several, or as JSON. What has no = is the file of --out.",
    show_default=False,
)


@dataclass(frozen=True)
class Given:
    """The options that a command was given, by their names."""

    command: str
    flags: Collection[str]
    """The options that the command line has by themselves, beside --options and -o."""
    values: Mapping[str, Any]

    def __contains__(self, name: str) -> bool:
        return name in self.values

    @property
    def is_served(self) -> bool:
        """Whether the model is on a server."""
        return str(self.get("model", "")).startswith(ON_A_SERVER)

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of an option; `default` where it was not given."""
        return self.values.get(name, default)

    def some(self, names: Iterable[str]) -> dict[str, Any]:
        """Return those of some options that were given."""
        return {name: self.values[name] for name in names if name in self.values}

    def spelled(self, name: str) -> str:
        """Return how an option is given: `--seed`, or `-o top_p`."""
        return f"--{name.replace('_', '-')}" if name in self.flags else f"-o {name}"


@contextmanager
def spelled_errors(given: Given) -> Iterator[None]:
    """Have errors of a block name an option as the person wrote it: `--max-tokens`, not `max_tokens`."""
    try:
        yield
    except StructgenError as error:
        name = error.where.partition("[")[0]
        if name in given.values:
            where = given.spelled(name) + error.where[len(name) :]
            StructgenError.__init__(error, error.what, where=where, cure=error.cure)
        raise


def read_options(
    command: str, flags: Mapping[str, Any], named: Iterable[str] | None, file: Path | None
) -> Given:
    """Return the options of a command. `flags`: the command's parameters, None, False or [] where they were
    not given; `named`: texts NAME=VALUE; `file`: a file of TOML, whose options give way to the others.

    Raises OptionError for a name that the command does not have, a second value of an option that takes one,
    and a file that cannot be read.
    """
    own = {name: value for name, value in flags.items() if name in NAMES[command]}
    typed = {
        name: value for name, value in own.items() if not (value is None or value is False or value == [])
    }
    lists: dict[str, list[Any]] = {name: list(typed[name]) for name in LISTS & typed.keys()}
    for text in named or ():
        name, value = _named(command, text)
        if name in LISTS:
            lists.setdefault(name, []).extend(value if isinstance(value, list) else [value])
        elif name in typed:
            raise OptionError("It is given twice.", where=f"-o {name}", cure="Leave one of them out.")
        else:
            typed[name] = value
    of_file = {} if file is None else _of_file(command, file)
    flags_of = {name: flag for name in NAMES[command] if (flag := flag_of(command, name))}
    usual = {name: flag.default for name, flag in flags_of.items() if flag.default is not None}
    values = {**usual, **of_file, **typed, **lists}
    given = Given(command, own.keys(), values)
    # sg.Sampling and sg.infill, which take a temperature, say more of it
    for name in (flags_of.keys() - {"temperature"}) & values.keys():
        values[name] = _checked(given.spelled(name), flags_of[name], values[name])
    for name in SWITCHES & values.keys():
        if not isinstance(values[name], bool):
            raise OptionError(f"It is {values[name]!r}.", where=name, cure="Give true or false.")
        if not values[name] and usual.get(name) is not True:
            del values[name]
    return given


def _checked(name: str, flag: Flag, value: Any) -> Any:
    """Return the value of a flag, which may come from `-o` or a file. Raises OptionError."""
    if flag.kind is Path:
        return Path(str(value))
    if flag.kind is int:
        return checks.whole(name, value, flag.least, flag.most)
    if flag.kind is float:
        return checks.number(name, value, flag.least, math.inf, f"a number, at least {flag.least:g}")
    return value


def _named(command: str, text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals and "out" in NAMES[command] and (text == "out" or text not in NAMES[command]):
        return "out", Path(text)
    if not equals:
        raise OptionError(f"{text!r} has no value.", where="-o", cure="Write -o NAME=VALUE.")
    name = _known(command, name)
    if is_text(command, name) and not (name in LISTS and value.startswith("[")):
        return name, value
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def _of_file(command: str, file: Path) -> dict[str, Any]:
    """Return the options of a file of TOML."""
    try:
        read = tomllib.loads(read_input(file, "--options"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise OptionError(
            f"It is no TOML: {error}.", where=str(file), cure="Write lines such as top_p = 0.9."
        ) from error
    return {_known(command, name, str(file)): value for name, value in read.items()}


def _known(command: str, name: str, where: str = "-o") -> str:
    """Return an option's name. Raises OptionError where the command has no such option."""
    name = name.strip().replace("-", "_")
    if name in NAMES[command]:
        return name
    elsewhere = [other for other in NAMES if name in NAMES[other]]
    if elsewhere:
        raise OptionError(
            f"structgen {command} has no option {name!r}.",
            where=where,
            cure=f"It is one of structgen {' and of structgen '.join(elsewhere)}.",
        )
    raise unknown_option(f"structgen {command}", name, NAMES[command], GONE.get(command, {}), where)


# --- commands -----------------------------------------------------------------------------------------------


def reads(
    *flags: str, more: Iterable[str] = (), places: Mapping[str, str] = MappingProxyType({})
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator of commands: `function(given, ...)` gets the options, these flags and `more` by name
    among them, and keeps its further parameters. `places`: options that may stand without their names, in
    this order, and what the help calls them. Errors of reading are refused."""

    def command_of(function: Callable[..., None]) -> Callable[..., None]:
        command = function.__name__.replace("_", "-")
        NAMES[command] = tuple(dict.fromkeys((*flags, *more)))
        own = list(inspect.signature(function).parameters.values())[1:]
        hints = get_type_hints(function, include_extras=True)
        parameters = [
            *(_parameter(name, flag_of(command, name) or FLAGS[name]) for name in flags),
            *(
                parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
                for parameter in own
            ),
            *(
                _keyword(f"{name}_", Annotated[str | None, typer.Argument(metavar=word)])
                for name, word in places.items()
            ),
            _keyword("options", Annotated[Path | None, _OPTIONS]),
            _keyword("named", Annotated[list[str] | None, _NAMED]),
        ]

        @functools.wraps(function)
        def run(**values: Any) -> None:
            file, named = values.pop("options"), values.pop("named")
            mine = {parameter.name: values.pop(parameter.name) for parameter in own}
            placed = [f"{name}={said}" for name in places if (said := values.pop(f"{name}_"))]
            with refusing(bool(values.get("json"))):
                given = read_options(command, {**values, **mine}, [*placed, *(named or ())], file)
                with spelled_errors(given):
                    function(given, **mine)

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del run.__wrapped__
        return run

    return command_of


def _parameter(name: str, flag: Flag) -> inspect.Parameter:
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        metavar=flag.metavar,
        help=flag.help if flag.default is None else f"{flag.help}  [default: {flag.default}]",
        min=flag.least,
        max=flag.most,
        show_default=False,
    )
    default = False if flag.kind is bool else None
    return _keyword(name, Annotated[flag.kind | None, option], default)


def _keyword(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
