"""Makes a grammar of the options that describe which texts are valid: a schema, a type, Lark, EBNF, a
pattern."""

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
from structgen.base.system.shipped_files import grammar_name
from structgen.doors.cli.flags import LANGUAGES, OF_LARK, POLICIES
from structgen.doors.cli.named_options import CommandOptions, name_options_in_errors
from structgen.doors.cli.output import read_input

if TYPE_CHECKING:
    from structgen.doors.typed.target_forms import TargetForm
    from structgen.machines.core.grammar import Grammar

_EBNF: Final = (".ebnf", ".gbnf")
"""Endings of files that `--grammar` reads as EBNF."""


@dataclass(frozen=True)
class TargetLanguage:
    """The language that the options of a command name. Each part is made when it is first needed; its errors
    are StructgenErrors, and OSErrors of files."""

    options: CommandOptions

    def check(self) -> None:
        """Raise OptionError for options that exclude one another."""
        # start-up time: numpy
        from structgen.doors.cli.flag_exclusions import OF_FLAGS

        with name_options_in_errors(self.options):
            OF_FLAGS.raise_first(self.options)

    @property
    def name(self) -> str:
        """The name of the language for people: the file, the type or the pattern."""
        option_value = next(iter(self.options.select_given(LANGUAGES).values()))
        if "schema" in self.options and isinstance(schema_of(option_value), str):
            return "the schema"  # its text may fill a screen
        return str(option_value)

    @property
    def default_policies(self) -> Mapping[str, Any]:
        """The policies of a schema for which the options name none: each JSON text of a valid value is
        valid."""
        import structgen as sg

        return sg.WIDEST

    @cached_property
    def form(self) -> TargetForm | None:
        """The form of an answer that a type, or another target of `sg.run`, asks for; None without. Its
        schema is read as `sg.run` reads it; `check` takes any blanks and order of keys."""
        if "type" not in self.options:
            return None
        from structgen.doors.typed.target_forms import form_of
        from structgen.machines.core.grammar import Grammar

        target = resolve_target(str(self.options.get("type")), "--type", "module:Class")
        is_grammar = isinstance(target, Grammar | re.Pattern)
        default_policies = self.default_policies if self.options.command == "check" and not is_grammar else {}
        form = form_of(target, {**default_policies, **self.policies} or None, where="--type")
        if form.grammar is None:
            raise OptionError("A str is free text.", where="--type", cure="Name a type with a schema.")
        return form

    @cached_property
    def grammar(self) -> Grammar | None:
        """The grammar of the texts, without the banned ones; None for free text."""
        import structgen as sg

        grammar = self._read_grammar()
        banned_texts = as_list(self.options.get("without"))
        return grammar if grammar is None or not banned_texts else sg.without(grammar, banned_texts)

    def _read_grammar(self) -> Grammar | None:
        """Return the grammar that the options name; None for free text."""
        import structgen as sg

        options = self.options
        if self.form is not None:
            return self.form.grammar
        if "schema" in options:
            return sg.json_schema(
                schema_of(str(options.get("schema"))), **{**self.default_policies, **self.policies}
            )
        if "regex" in options:
            return sg.regex(options.get("regex"))
        file = options.get("grammar")
        if "ebnf" in options or (file is not None and Path(file).suffix in _EBNF):
            return sg.ebnf(Path(options.get("ebnf", file)), start=options.get("start", "root"))
        return None if file is None else self._read_lark(file)

    def _read_lark(self, file: str) -> Grammar:
        """Return the Lark grammar of a file or a name, such as `structgen/sql`, under the options of Lark."""
        import structgen as sg

        lark_options = self.options.select_given(OF_LARK)
        if "import_paths" in lark_options:
            lark_options["import_paths"] = tuple(map(str, as_list(lark_options["import_paths"])))
        if "postlex" in lark_options:
            is_python = lark_options["postlex"] == "python"
            name = "lark.indenter:PythonIndenter" if is_python else lark_options["postlex"]
            lark_options["postlex"] = resolve_target(name, "-o postlex", "python, or module:Class")
        if "bind" in lark_options:
            lark_options["bind"] = read_languages(lark_options["bind"], "-o bind", sg.json_schema)
        grammar: Grammar = sg.lark(file if grammar_name(file) else Path(file), **lark_options)
        return grammar

    @property
    def policies(self) -> dict[str, Any]:
        """The policies that are given, as `sg.json_schema` takes them."""
        policies = self.options.select_given(POLICIES)
        for name in {"whitespace", "any_value"} & policies.keys():
            text = str(policies[name])  # digits are the indent, or a depth
            policies[name] = int(text) if text.isdecimal() else text
        if "resources" in policies:
            where, cure = "-o resources", "Write URI=FILE, as in http://a/b=c.json."
            files = read_pairs(policies["resources"], where, cure)
            policies["resources"] = {uri: read_input(path, where) for uri, path in files}
        return policies


def schema_of(option: str) -> Path | str:
    """Return the schema of `--schema` as `sg.json_schema` takes it: its text, if it begins with { or is true
    or false, else a file (write ./true for one of that name)."""
    text = option.strip()
    return text if text.startswith("{") or text in ("true", "false") else Path(option)


def as_list(value: Any) -> list[Any]:
    """Return the values of an option that may be given several times."""
    return [] if value is None else value if isinstance(value, list) else [value]


def read_pairs(value: Any, option: str, cure: str) -> Iterator[tuple[str, Path]]:
    """Yield names and files, from texts NAME=FILE or from a table. Raises OptionError."""
    if isinstance(value, Mapping):
        value = [f"{name}={file}" for name, file in value.items()]
    for text in as_list(value):
        # a URI may have "=" in a query; a file name seldom has
        name, _equals, file = str(text).rpartition("=")
        if not name:
            raise OptionError(f"{text!r} does not bind a name.", where=option, cure=cure)
        yield name, Path(file)


def read_languages(value: Any, option: str, read_schema: Callable[[Path], Any]) -> dict[str, Any]:
    """Return languages by name, from texts NAME=FILE or a table. The ending of a file says how it is read;
    `read_schema` reads a schema. Raises OptionError."""
    import structgen as sg

    readers: dict[str, Callable[[Path], Any]] = {
        ".json": read_schema,
        ".lark": sg.lark,
        ".gbnf": sg.ebnf,
        ".ebnf": sg.ebnf,
    }
    cure = f"Write NAME=FILE; the file's name ends in {', '.join(readers)}."
    languages = {}
    for name, path in read_pairs(value, option, cure):
        suffix = ".lark" if grammar_name(path) else path.suffix
        if suffix not in readers:
            raise OptionError(f"{f'{name}={path}'!r} does not bind a name.", where=option, cure=cure)
        languages[name] = readers[suffix](path)
    return languages


def resolve_target(name: str, option: str, cure: str) -> Any:
    """Return the object of the name `module:Class`, from the current folder too; for `list[module:Class]` the
    type of a list of it. `cure`: the form to write, for errors. Raises OptionError."""
    if name.startswith("list[") and name.endswith("]"):
        return types.GenericAlias(list, resolve_target(name[5:-1], option, cure))
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise OptionError(f"{name!r} is not the name of a class.", where=option, cure=f"Write {cure}.")
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` has it: the current folder is searched first
    try:
        return resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        module_of_file = module.removeprefix("./").removesuffix(".py").replace("/", ".")
        cure = "Check the name." if module_of_file == module else f"Name the module: {module_of_file}:{path}."
        raise OptionError(f"{name!r} cannot be imported: {error}.", where=option, cure=cure) from error
    except Exception as error:  # whatever the person's own module raises when it is imported
        raise OptionError(
            f"Importing {module} failed: {type(error).__name__}: {error}.",
            where=option,
            cure=f"Make `python -c 'import {module}'` work.",
        ) from error


def read_json_option(text: str, option: str, cure: str) -> tuple[Any, str]:
    """Return the value of an option that is JSON, as a text or as a file, and the name of that source. Raises
    OptionError with the location of a fault, and `cure`."""
    is_text = text.lstrip().startswith(("[", "{"))  # else the name of a file
    name = option if is_text else text
    try:
        return json.loads(text if is_text else read_input(Path(text), option)), name
    except json.JSONDecodeError as error:
        where = f"{name}, line {error.lineno}, column {error.colno}"
        raise OptionError(f"The text is not JSON: {error.msg}.", where=where, cure=cure) from error
    except RecursionError as error:
        raise OptionError(f"The text is not JSON: {error}.", where=name, cure=cure) from error
