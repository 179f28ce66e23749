"""From the options that say which texts are valid to a grammar: a schema, a type, Lark, EBNF, a pattern."""

from __future__ import annotations

import json
import re
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final

from structgen.base.errors import OptionError
from structgen.doors.cli.flags import LANGUAGES, OF_LARK, POLICIES
from structgen.doors.cli.named_options import Given, spelled_errors
from structgen.doors.cli.output import read_input

if TYPE_CHECKING:
    from structgen.doors.typed.target_forms import TargetForm
    from structgen.machines.core.grammar import Grammar

_EBNF: Final = (".ebnf", ".gbnf")
"""Endings of files that `--grammar` reads as EBNF."""


@dataclass(frozen=True)
class WantedLanguage:
    """What the options ask for. Each part is made when it is first needed; its errors are StructgenErrors,
    and OSErrors of files."""

    given: Given

    def check(self) -> None:
        """Raise OptionError for options that exclude one another."""
        # start-up time: numpy
        from structgen.doors.cli.flag_exclusions import OF_FLAGS

        with spelled_errors(self.given):
            OF_FLAGS.refuse(self.given)

    @property
    def name(self) -> str:
        """The name in what is printed: the file, the type or the pattern."""
        said = next(iter(self.given.some(LANGUAGES).values()))
        return "the schema" if "schema" in self.given and isinstance(schema_of(said), str) else str(said)

    @property
    def usual(self) -> Mapping[str, Any]:
        """The policies of a schema where the options name no others: each JSON text of a valid value is
        valid."""
        import structgen as sg

        return sg.WIDEST

    @cached_property
    def form(self) -> TargetForm | None:
        """The form of an answer that a type, or another target of `sg.run`, asks for; None without. Its
        schema is read as `sg.run` reads it; `check` takes any blanks and order of keys."""
        if "type" not in self.given:
            return None
        from structgen.doors.typed.target_forms import form_of
        from structgen.machines.core.grammar import Grammar

        target = named(str(self.given.get("type")), "--type", "module:Class")
        is_written = isinstance(target, Grammar | re.Pattern)
        usual = self.usual if self.given.command == "check" and not is_written else {}
        form = form_of(target, {**usual, **self.policies} or None, where="--type")
        if form.grammar is None:
            raise OptionError("A str is free text.", where="--type", cure="Name a type with a schema.")
        return form

    @cached_property
    def grammar(self) -> Grammar | None:
        """The grammar of the texts, without the banned ones; None for free text."""
        import structgen as sg

        grammar = self._written()
        banned = listed(self.given.get("without"))
        return grammar if grammar is None or not banned else sg.without(grammar, banned)

    def _written(self) -> Grammar | None:
        import structgen as sg

        given = self.given
        if self.form is not None:
            return self.form.grammar
        if "schema" in given:
            return sg.json_schema(schema_of(str(given.get("schema"))), **{**self.usual, **self.policies})
        if "regex" in given:
            return sg.regex(given.get("regex"))
        file = given.get("grammar")
        if "ebnf" in given or (file is not None and Path(file).suffix in _EBNF):
            return sg.ebnf(Path(given.get("ebnf", file)), start=given.get("start", "root"))
        return None if file is None else self._lark(Path(file))

    def _lark(self, file: Path) -> Grammar:
        import structgen as sg

        options = self.given.some(OF_LARK)
        if "import_paths" in options:
            options["import_paths"] = tuple(map(str, listed(options["import_paths"])))
        if "postlex" in options:
            is_python = options["postlex"] == "python"
            name = "lark.indenter:PythonIndenter" if is_python else options["postlex"]
            options["postlex"] = named(name, "-o postlex", "python, or module:Class")
        if "bind" in options:
            options["bind"] = bound(options["bind"], "-o bind", sg.json_schema)
        grammar: Grammar = sg.lark(file, **options)
        return grammar

    @property
    def policies(self) -> dict[str, Any]:
        """The policies that are given, as `sg.json_schema` takes them."""
        policies = self.given.some(POLICIES)
        for name in {"whitespace", "any_value"} & policies.keys():
            said = str(policies[name])  # digits are the indent, or a depth
            policies[name] = int(said) if said.isdecimal() else said
        if "resources" in policies:
            where, cure = "-o resources", "Write URI=FILE, as in http://a/b=c.json."
            files = pairs(policies["resources"], where, cure)
            policies["resources"] = {uri: read_input(path, where) for uri, path in files}
        return policies


def schema_of(option: str) -> Path | str:
    """Return what `--schema` says, as `sg.json_schema` takes it: a schema's text, if it begins with { or is
    true or false, else a file (write ./true for one of that name)."""
    text = option.strip()
    return text if text.startswith("{") or text in ("true", "false") else Path(option)


def listed(value: Any) -> list[Any]:
    """Return the values of an option that may be given several times."""
    return [] if value is None else value if isinstance(value, list) else [value]


def pairs(value: Any, option: str, cure: str) -> Iterator[tuple[str, Path]]:
    """Yield names and files, from texts NAME=FILE or from a table. Raises OptionError."""
    if isinstance(value, Mapping):
        value = [f"{name}={file}" for name, file in value.items()]
    for text in listed(value):
        # A URI may hold "=", in a query; a file seldom does.
        name, _equals, file = str(text).rpartition("=")
        if not name:
            raise OptionError(f"{text!r} binds nothing.", where=option, cure=cure)
        yield name, Path(file)


def bound(value: Any, option: str, of_schema: Callable[[Path], Any]) -> dict[str, Any]:
    """Return the languages by name that texts NAME=FILE or a table say: a file's name says what it holds.
    `of_schema` reads a schema. Raises OptionError."""
    import structgen as sg

    readers: dict[str, Callable[[Path], Any]] = {
        ".json": of_schema,
        ".lark": sg.lark,
        ".gbnf": sg.ebnf,
        ".ebnf": sg.ebnf,
    }
    cure = f"Write NAME=FILE; the file's name ends in {', '.join(readers)}."
    languages = {}
    for name, path in pairs(value, option, cure):
        if path.suffix not in readers:
            raise OptionError(f"{f'{name}={path}'!r} binds nothing.", where=option, cure=cure)
        languages[name] = readers[path.suffix](path)
    return languages


def named(name: str, option: str, cure: str) -> Any:
    """Return what `module:Class` names, looked for in the current folder too; the type of a list of it for
    `list[module:Class]`. `cure`: what to write."""
    if name.startswith("list[") and name.endswith("]"):
        return types.GenericAlias(list, named(name[5:-1], option, cure))
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise OptionError(f"{name!r} is not the name of a class.", where=option, cure=f"Write {cure}.")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        of_file = module.removeprefix("./").removesuffix(".py").replace("/", ".")
        cure = "Check the name." if of_file == module else f"Name the module: {of_file}:{path}."
        raise OptionError(f"{name!r} is not there: {error}.", where=option, cure=cure) from error
    except Exception as error:  # whatever the person's own module raises when it is imported
        raise OptionError(
            f"Importing {module} failed: {type(error).__name__}: {error}.",
            where=option,
            cure=f"Make `python -c 'import {module}'` work.",
        ) from error


def json_of(text: str, option: str, cure: str) -> tuple[Any, str]:
    """Return the value of JSON that is given as a text or as a file, and the name of that source. Raises
    OptionError with the place of a fault, and `cure`."""
    is_text = text.lstrip().startswith(("[", "{"))
    name = option if is_text else text
    try:
        return json.loads(text if is_text else read_input(Path(text), option)), name
    except json.JSONDecodeError as error:
        where = f"{name}, line {error.lineno}, column {error.colno}"
        raise OptionError(f"It is no JSON: {error.msg}.", where=where, cure=cure) from error
    except RecursionError as error:
        raise OptionError(f"It is no JSON: {error}.", where=name, cure=cure) from error
