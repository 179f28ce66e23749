"""The options that say which language is meant: a JSON Schema under policies, a Lark grammar, EBNF, or a
regular expression."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from structgen.cli.schema_options import SchemaOptions, schema_of
from structgen.errors import OptionError

if TYPE_CHECKING:
    from structgen.core.grammar import Grammar
    from structgen.text_grammars.text_grammar import TextGrammar

GrammarFile: TypeAlias = Annotated[
    Path | None, typer.Option("--grammar", help="In place of a schema: a Lark grammar.", show_default=False)
]
TypeName: TypeAlias = Annotated[
    str | None,
    typer.Option("--type", help="In place of a schema: a Python type, module:Class.", show_default=False),
]
RegexPattern: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--regex",
        metavar="PATTERN",
        help="In place of a schema: a Python regular expression for the whole text.",
        show_default=False,
    ),
]
EbnfFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--ebnf", help="In place of a schema: a grammar in GBNF or EBNF.", show_default=False),
]
Start: TypeAlias = Annotated[
    str | None, typer.Option(help="The grammar's start rule.  [default: start; for EBNF root]")
]
ImportPath: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(metavar="FOLDER", help="Where the grammar's %import looks. May be given several times."),
]
PostLex: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="python|MODULE:CLASS",
        help="The grammar's indenter: python (lark's PythonIndenter), or a class of yours.",
        show_default=False,
    ),
]
Bind: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=FILE",
        help="The language of a terminal that the grammar declares: a schema (.json), a Lark grammar (.lark),"
        " EBNF (.gbnf, .ebnf). May be given several times.",
    ),
]
LexerMode: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--lexer", help="The grammar's lexer: contextual, or characters (none).  [default: contextual]"
    ),
]


@dataclass(frozen=True, kw_only=True)
class LanguageOptions(SchemaOptions):
    """A schema and its policies, or a Lark grammar and what lark takes beside it."""

    grammar: GrammarFile = None
    start: Start = None
    import_path: ImportPath = None
    postlex: PostLex = None
    bind: Bind = None
    lexer: LexerMode = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The options of which one says the language."""
        return ("--schema", "--grammar")

    def check_one(self) -> None:
        """Raise OptionError where no language is named, or more than one."""
        if (self.schema is None) == (self.grammar is None):
            given = "is needed" if self.schema is None else "may be given"
            raise OptionError(
                f"One of {', '.join(self.kinds[:-1])} and {self.kinds[-1]} {given}.",
                where="--schema",
                cure=f"Give one: {self.kinds[0]} FILE, for example.",
            )

    def read(self) -> Grammar:
        """Return the language. Raises StructgenError; OSError for a file that cannot be read; OptionError for
        an option that does not apply."""
        self.check_one()
        others = {field.name for field in fields(LanguageOptions)} - {"schema", "grammar"}
        own = {"start", "import_path", "postlex", "bind", "lexer"}
        for name in sorted(others - own if self.grammar is not None else own):
            default = next(field.default for field in fields(LanguageOptions) if field.name == name)
            if getattr(self, name) not in (default, []):
                kind = "a grammar" if self.grammar is not None else "a schema"
                option = "--" + name.replace("_", "-")
                raise OptionError(f"The option does not apply to {kind}.", where=option, cure="Leave it out.")
        if self.grammar is None:
            return self.schema_grammar()
        return lark_grammar(self.grammar, self.start, self.import_path, self.postlex, self.lexer, self.bind)


@dataclass(frozen=True, kw_only=True)
class TextOptions(LanguageOptions):
    """A schema, a Lark grammar, EBNF or a regular expression."""

    ebnf: EbnfFile = None
    regex: RegexPattern = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The options of which one says the language."""
        return ("--schema", "--grammar", "--ebnf", "--regex")

    @property
    def named(self) -> str:
        """The name in what is printed: the file, or the pattern."""
        if self.schema is not None:
            return "the schema" if isinstance(schema_of(self.schema), str) else self.schema
        return str(self.regex if self.regex is not None else self.ebnf or self.grammar)

    def read(self) -> Grammar:
        """Return the language; see `LanguageOptions.read`."""
        if self.ebnf is None and self.regex is None:
            return super().read()
        return written_grammar(self, {"start"} if self.ebnf is not None else set())


def written_grammar(options: TextOptions, own: set[str]) -> TextGrammar:
    """Return the grammar of --ebnf or --regex; `own` names the options that say something about it."""
    for field in fields(options):
        if field.name in {"ebnf", "regex"} | own or getattr(options, field.name) in (field.default, []):
            continue
        option = "--" + field.name.replace("_", "-")
        cure = "Give one." if field.name in ("schema", "grammar") else "Leave it out."
        what = "--ebnf" if options.ebnf is not None else "--regex"
        raise OptionError(f"It does not go with {what}.", where=option, cure=cure)
    return text_grammar(options.ebnf, options.regex, options.start)


def text_grammar(ebnf: Path | None, regex: str | None, start: str | None) -> TextGrammar:
    """Return the grammar of --ebnf or --regex, of which one is given. Raises OptionError where both are."""
    import structgen

    if ebnf is not None and regex is not None:
        raise OptionError("--ebnf and --regex exclude each other.", where="--ebnf", cure="Give one.")
    if regex is not None:
        return structgen.regex(regex)
    assert ebnf is not None
    return structgen.ebnf(ebnf, start=start or "root")


def lark_grammar(
    file: Path,
    start: str | None,
    import_paths: list[Path] | None,
    postlex: str | None,
    lexer: str | None = None,
    bind: list[str] | None = None,
) -> TextGrammar:
    """Return the grammar that options name."""
    import structgen

    options: dict[str, Any] = {} if lexer is None else {"lexer": lexer}
    if bind:
        options["bind"] = dict(map(_bound, bind))
    found: TextGrammar = structgen.lark(
        file,
        start=start or "start",
        import_paths=tuple(map(str, import_paths or ())),
        postlex=None if postlex is None else _indenter(postlex),
        **options,
    )
    return found


def _bound(option: str) -> tuple[str, Grammar]:
    """Return the terminal and the grammar that NAME=FILE says."""
    import structgen

    name, _equals, file = option.partition("=")
    readers: dict[str, Callable[[Path], Grammar]] = {
        ".json": structgen.json_schema,
        ".lark": structgen.lark,
        ".gbnf": structgen.ebnf,
        ".ebnf": structgen.ebnf,
    }
    path = Path(file)
    if not name or path.suffix not in readers:
        raise OptionError(
            f"{option!r} binds nothing.",
            where="--bind",
            cure=f"Write NAME=FILE; the file's name ends in {', '.join(readers)}.",
        )
    return name, readers[path.suffix](path)


def _indenter(option: str) -> Any:
    if option != "python":
        return named(option, "--postlex", "python, or module:Class")
    from lark.indenter import PythonIndenter

    return PythonIndenter


def named(name: str, option: str, cure: str) -> Any:
    """Return what `module:Class` names, looked for in the current folder too; `cure`: what to write."""
    module, colon, path = name.partition(":")
    if not (module and colon and path):
        raise OptionError(f"{name!r} is not the name of a class.", where=option, cure=f"Write {cure}.")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise OptionError(f"{name!r} is not there: {error}.", where=option, cure="Check the name.") from error
    except Exception as error:  # whatever the person's own module raises when it is imported
        raise OptionError(
            f"Importing {module} failed: {type(error).__name__}: {error}.",
            where=option,
            cure=f"Make `python -c 'import {module}'` work.",
        ) from error
    return found
