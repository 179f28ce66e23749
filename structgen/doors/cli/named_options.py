"""The options of the commands, and the one reader of them.

An *option* is a setting of a command. It has the name that it has in Python, e.g. `top_p`. At most fifteen
options of a command (of `serve`, eighteen) are *flags* of the command line. All options can be given as `-o
NAME=VALUE`, or in a file of TOML (`--options FILE`). So an option has one name, one meaning and one place
where its value is read.
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
from structgen.decoding.runs.resources import ON_A_SERVER
from structgen.doors.cli.flags import FLAGS, GONE, LISTS, NAMES, SWITCHES, Flag, flag_of, is_text
from structgen.doors.cli.output import read_input, refuse_errors

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
class CommandOptions:
    """The values of the options that a command was given, by their names."""

    command: str
    flags: Collection[str]
    """The names of the options that are flags of the command line, without --options and -o."""
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

    def select_given(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the values of the options in `names` that were given, by name."""
        return {name: self.values[name] for name in names if name in self.values}

    def spell_name(self, name: str) -> str:
        """Return an option as a user writes it: `--seed`, or `-o top_p`."""
        return f"--{name.replace('_', '-')}" if name in self.flags else f"-o {name}"


@contextmanager
def name_options_in_errors(options: CommandOptions) -> Iterator[None]:
    """In the errors of a block, name an option as a user writes it: `--max-tokens`, not `max_tokens`."""
    try:
        yield
    except StructgenError as error:
        name = error.where.partition("[")[0]
        if name in options.values:
            where = options.spell_name(name) + error.where[len(name) :]
            StructgenError.__init__(error, error.what, where=where, cure=error.cure)
        raise


def read_options(
    command: str,
    flags: Mapping[str, Any],
    pairs: Iterable[str] | None,
    file: Path | None,
) -> CommandOptions:
    """Return the options of a command.

    `flags`
        the command's parameters, by name. None, False or [] means that the option was not given.
    `pairs`
        texts NAME=VALUE, such as `top_p=0.9`.
    `file`
        a file of TOML; flags and pairs take precedence over its options.

    Raises OptionError for a name that the command does not have, a second value of an option that takes one,
    and a file that cannot be read.
    """
    own_flags = {name: value for name, value in flags.items() if name in NAMES[command]}
    typed_values = {
        name: value
        for name, value in own_flags.items()
        if not (value is None or value is False or value == [])
    }
    # an option that may be given several times collects its values from flags and pairs
    lists: dict[str, list[Any]] = {name: list(typed_values[name]) for name in LISTS & typed_values.keys()}
    for text in pairs or ():
        name, value = _read_pair(command, text)
        if name in LISTS:
            lists.setdefault(name, []).extend(value if isinstance(value, list) else [value])
        elif name in typed_values:
            raise OptionError("The option is given twice.", where=f"-o {name}", cure="Remove one of them.")
        else:
            typed_values[name] = value
    file_values = {} if file is None else _read_file(command, file)
    flags_of = {name: flag for name in NAMES[command] if (flag := flag_of(command, name))}
    default_values = {name: flag.default for name, flag in flags_of.items() if flag.default is not None}
    values = {**default_values, **file_values, **typed_values, **lists}
    options = CommandOptions(command, own_flags.keys(), values)
    # `temperature` is not checked here: the messages of sg.Sampling and sg.infill about it are better
    for name in (flags_of.keys() - {"temperature"}) & values.keys():
        values[name] = _check_value(options.spell_name(name), flags_of[name], values[name])
    for name in SWITCHES & values.keys():
        if not isinstance(values[name], bool):
            raise OptionError(
                f"must be true or false, got {values[name]!r}.", where=name, cure="Pass true or false."
            )
        # a switch that is off counts as not given, unless it is on by default
        if not values[name] and default_values.get(name) is not True:
            del values[name]
    return options


def _check_value(name: str, flag: Flag, value: Any) -> Any:
    """Return the value of a flag, which may come from `-o` or a file. Raises OptionError."""
    if flag.kind is Path:
        return Path(str(value))
    if flag.kind is int:
        return checks.check_whole(name, value, flag.min_value, flag.max_value)
    if flag.kind is float:
        return checks.check_number(
            name, value, flag.min_value, math.inf, f"a number, at least {flag.min_value:g}"
        )
    return value


def _read_pair(command: str, text: str) -> tuple[str, Any]:
    """Return the name and the value of a text NAME=VALUE. A value is JSON, or else a text. Raises OptionError
    for a text without a value, and for a name that the command does not have."""
    name, equals, value = text.partition("=")
    # `-o FILE` is --out FILE, as in many commands
    if not equals and "out" in NAMES[command] and (text == "out" or text not in NAMES[command]):
        return "out", Path(text)
    if not equals:
        raise OptionError(f"{text!r} has no value.", where="-o", cure="Write -o NAME=VALUE.")
    name = _resolve_name(command, name)
    if is_text(command, name) and not (name in LISTS and value.startswith("[")):
        return name, value
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):  # a word needs no quotes
        return name, value


def _read_file(command: str, file: Path) -> dict[str, Any]:
    """Return the options of a file of TOML."""
    try:
        table = tomllib.loads(read_input(file, "--options"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise OptionError(
            f"The file is not TOML: {error}.", where=str(file), cure="Write lines such as top_p = 0.9."
        ) from error
    return {_resolve_name(command, name, str(file)): value for name, value in table.items()}


def _resolve_name(command: str, name: str, where: str = "-o") -> str:
    """Return an option's name. Raises OptionError where the command has no such option."""
    name = name.strip().replace("-", "_")
    if name in NAMES[command]:
        return name
    commands = [command_name for command_name in NAMES if name in NAMES[command_name]]
    if commands:
        raise OptionError(
            f"structgen {command} has no option {name!r}.",
            where=where,
            cure=f"The option belongs to structgen {' and to structgen '.join(commands)}.",
        )
    raise unknown_option(f"structgen {command}", name, NAMES[command], GONE.get(command, {}), where)


# --- commands -----------------------------------------------------------------------------------------------


def takes_options(
    *flags: str, more_names: Iterable[str] = (), positional_names: Mapping[str, str] = MappingProxyType({})
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator of commands: `function(options, ...)` gets the `CommandOptions`, and keeps its
    further parameters. The errors of the command are printed, and end it.

    `flags`
        the options that are flags of the command line.
    `more_names`
        those that `-o` and a file name alone.
    `positional_names`
        options that may stand without their names, in this order, with their words in the help.
    """

    def make_command(function: Callable[..., None]) -> Callable[..., None]:
        command = function.__name__.replace("_", "-")
        NAMES[command] = tuple(dict.fromkeys((*flags, *more_names)))
        own_parameters = list(inspect.signature(function).parameters.values())[1:]
        hints = get_type_hints(function, include_extras=True)
        parameters = [
            *(_flag_parameter(name, flag_of(command, name) or FLAGS[name]) for name in flags),
            *(
                parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
                for parameter in own_parameters
            ),
            *(
                _keyword_parameter(f"{name}_", Annotated[str | None, typer.Argument(metavar=word)])
                for name, word in positional_names.items()
            ),
            _keyword_parameter("options", Annotated[Path | None, _OPTIONS]),
            _keyword_parameter("named", Annotated[list[str] | None, _NAMED]),
        ]

        @functools.wraps(function)
        def run_command(**values: Any) -> None:
            file, pairs = values.pop("options"), values.pop("named")
            own_values = {parameter.name: values.pop(parameter.name) for parameter in own_parameters}
            positional_pairs = [
                f"{name}={text}" for name in positional_names if (text := values.pop(f"{name}_"))
            ]
            with refuse_errors(bool(values.get("json"))):
                command_options = read_options(
                    command, {**values, **own_values}, [*positional_pairs, *(pairs or ())], file
                )
                with name_options_in_errors(command_options):
                    function(command_options, **own_values)

        # typer reads the parameters from here
        run_command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run_command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del run_command.__wrapped__
        return run_command

    return make_command


def _flag_parameter(name: str, flag: Flag) -> inspect.Parameter:
    """Return the parameter of a command for a flag, as typer reads it."""
    option = typer.Option(
        f"--{name.replace('_', '-')}",
        metavar=flag.metavar,
        help=flag.help if flag.default is None else f"{flag.help}  [default: {flag.default}]",
        min=flag.min_value,
        max=flag.max_value,
        show_default=False,
    )
    # None: `read_options` must know which flags were given
    default = False if flag.kind is bool else None
    return _keyword_parameter(name, Annotated[flag.kind | None, option], default)


def _keyword_parameter(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:
    """Return a parameter that is given by name alone."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
