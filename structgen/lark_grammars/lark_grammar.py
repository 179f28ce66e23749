"""`lark`, the public function for Lark grammars, and the grammar that it returns."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, Literal, overload

from structgen.errors import OptionError, options_named
from structgen.language import checks
from structgen.lark_grammars.bound.bound_lark import BoundLark
from structgen.lark_grammars.kept.kept_grammars import FoundGrammar, KeptRules, KeptTables
from structgen.lark_grammars.kept.loaded_lark import LoadedLark
from structgen.lark_grammars.reading.lark_loader import (
    PROPERTIES_CURE,
    Importer,
    check_options,
    indenter_of,
    load,
)
from structgen.lark_grammars.reading.loaded_grammar import ParserTables
from structgen.lark_grammars.reading.pattern_places import patterns_placed
from structgen.lark_grammars.reading.plain_rules import load_rules
from structgen.limits import Limits
from structgen.system.public_calls import THIS_CALL
from structgen.system.text_files import grammar_text
from structgen.system.waits import told
from structgen.text_grammars.ebnf_grammar import RulesGrammar
from structgen.text_grammars.machine.language import CompileTarget, Language
from structgen.text_grammars.text_grammar import Operand, TextGrammar, as_text

if TYPE_CHECKING:
    from structgen.core.compiled import CompiledGrammar
    from structgen.store.mask_store import MaskStore
    from structgen.tokens.tokenizer import Tokenizer

_LEXERS = ("contextual", "characters")
_READING = "reading a Lark grammar"
_NUMBERS_TO_READ: Final = 500
"""Lark takes some 10 us for a character of a grammar: as many numbers could be read."""
_MOST_LEFT = 16
_LEFT: dict[tuple[str, frozenset[int]], FoundGrammar] = {}
"""Grammar, bytes that a vocabulary lacks -> the grammar without them: the last ones."""


class LarkGrammar(LoadedLark):
    """A Lark grammar. Made by `lark`."""

    __slots__ = ("_arguments", "_canonical", "_find", "_found", "_limits", "_missing", "_tables", "_whole")

    def __init__(
        self,
        find: Callable[[frozenset[int]], FoundGrammar],
        arguments: dict[str, Any],
        limits: Limits,
        missing: frozenset[int] = frozenset(),
        whole: str = "",
    ) -> None:
        """`find` returns the tables for texts without some bytes; here they have none of `missing`. `whole`:
        a name of the grammar with them."""
        before = perf_counter()
        self._find, self._arguments, self._limits, self._missing = find, arguments, limits, missing
        found = _LEFT.get((whole, missing)) or find(missing)
        if missing:
            _LEFT[whole, missing] = found
            if len(_LEFT) > _MOST_LEFT:
                del _LEFT[next(iter(_LEFT))]
        self._found, self._whole = found, whole or found.digest
        self._tables = self._found.tables
        self.load_ms = 1000 * (perf_counter() - before)
        self._canonical = ""

    @property
    def tables(self) -> ParserTables:
        """The parser and the terminals, as lark built them."""
        return self._tables

    @property
    def canonical(self) -> str:
        """The terminals, rules and contexts that lark made of the grammar, as JSON."""
        if not self._canonical:
            tables = self._tables
            indentation = tables.indentation
            said = {
                "terminals": [(one.name, one.pattern) for one in tables.terminals],
                "ignored": sorted(tables.terminals[one].name for one in tables.ignored),
                "rules": sorted(rule.text for rule in tables.rules),
                "actions": _digest(tables),
                "flags": tables.flags,
                "indentation": None
                if indentation is None
                else [
                    indentation.newline,
                    sorted(indentation.opening),
                    sorted(indentation.closing),
                    indentation.indent,
                    indentation.dedent,
                    indentation.tab_size,
                ],
            }
            if self._missing:
                said["missing"] = sorted(self._missing)
            self._canonical = json.dumps(said, ensure_ascii=False)
        return self._canonical

    @property
    def is_local(self) -> bool:
        """Whether no lexeme looks behind its beginning (by a look-behind, `\\b` or `^` at its start)."""
        return self._found.is_local

    @property
    def digest(self) -> str:
        """A digest of the tables, with the numbering of this process."""
        return self._found.digest

    @property
    def identity(self) -> str:
        """A name that no other grammar of this process has."""
        return f"lark {self.digest}"

    @property
    def has_masks(self) -> bool:
        """True: its language for a target is compiled."""
        return True

    @property
    def limits(self) -> Limits:
        """The bounds on work and memory."""
        return self._limits

    @property
    def source(self) -> str:
        """What it was made from."""
        return "a Lark grammar"

    def compiled(
        self, tokenizer: Tokenizer, limits: Limits | None, store: MaskStore | Literal[False] | None
    ) -> CompiledGrammar:
        """Return the grammar compiled against a tokenizer."""
        # start-up: a grammar that is only loaded needs no machine
        from structgen.lark_grammars.compiled.compiled_lark import CompiledLark

        bounds = self._limits if limits is None else limits
        with told("compiling a Lark grammar"), THIS_CALL.begin(bounds):
            return CompiledLark(self, tokenizer, limits, store)

    def without_bytes(self, missing: frozenset[int]) -> LarkGrammar:
        """Return the grammar of the texts that have none of some bytes. Cost: the first time that of loading
        it (`lark`), then 1 to 3 ms in each process: its tables are kept too."""
        return LarkGrammar(self._find, self._arguments, self._limits, self._missing | missing, self._whole)

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        """Return the language of lark: byte by byte, or with masks for a target."""
        # start-up time: a program that loads a grammar may never compile it
        from structgen.lark_grammars.compiled.compiled_lark import CompiledLark
        from structgen.lark_grammars.compiled.lark_language import LarkLanguage
        from structgen.text_grammars.machine.masked_language import Masked

        if target is None:
            return LarkLanguage(self, limits)
        return Masked(CompiledLark(self, target.tokenizer, limits, target.store))

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._arguments, self._missing)


def _digest(tables: ParserTables) -> str:
    """Return a digest of the parser's actions and of the lexer's contexts that is independent of state
    numbers: states are renumbered in the order in which symbols, sorted by name, reach them."""
    names = [one.name for one in tables.terminals]
    contexts = [
        ([names[t] for t in one.terminals], [(names[t], [names[s] for s in of]) for t, of in one.unless])
        for one in tables.contexts
    ]
    numbers, reached = {tables.start: 0}, [tables.start]
    digest = hashlib.blake2b(digest_size=16)
    for state in reached:
        row = [(names[t], int(tables.actions[state, t])) for t in tables.actions[state].nonzero()[0]]
        gotos = [
            (tables.nonterminals[n], 1 + int(tables.gotos[state, n]))
            for n in (tables.gotos[state] >= 0).nonzero()[0]
        ]
        said: list[object] = [contexts[tables.context_of[state]]]
        for name, action in (*sorted(row), *sorted(gotos)):
            if action < 0:
                said.append((name, tables.rules[-1 - action].text))
                continue
            after = action - 1
            if after not in numbers:
                numbers[after] = len(reached)
                reached.append(after)
            said.append((name, numbers[after]))
        digest.update(repr(said).encode())
    return digest.hexdigest()


def _again(arguments: dict[str, Any], missing: frozenset[int]) -> Any:
    whole = lark(**arguments)
    return whole.without_bytes(missing) if missing else whole


@overload
def lark(
    grammar: str | os.PathLike[str],
    *,
    start: str = ...,
    lexer: Literal["contextual"] = ...,
    import_paths: Sequence[Importer] = ...,
    postlex: Any = ...,
    bind: None = ...,
    text_only: bool = ...,
    limits: Limits | None = ...,
) -> LarkGrammar: ...


@overload
def lark(
    grammar: str | os.PathLike[str],
    *,
    start: str = ...,
    lexer: Literal["contextual"] = ...,
    import_paths: Sequence[Importer] = ...,
    postlex: Any = ...,
    bind: Mapping[str, Operand],
    text_only: bool = ...,
    limits: Limits | None = ...,
) -> BoundLark: ...


@overload
def lark(
    grammar: str | os.PathLike[str],
    *,
    start: str = ...,
    lexer: Literal["characters"],
    import_paths: Sequence[Importer] = ...,
    bind: Mapping[str, Operand] | None = ...,
    text_only: bool = ...,
    limits: Limits | None = ...,
) -> RulesGrammar: ...


@options_named(
    'sg.lark("query.lark")',
    {
        **dict.fromkeys(("parser", "ambiguity"), "Leave it out: the parser is LALR(1)"),
        "regex": PROPERTIES_CURE,
    },
)
def lark(
    grammar: str | os.PathLike[str],
    *,
    start: str = "start",
    lexer: Literal["contextual", "characters"] = "contextual",
    import_paths: Sequence[Importer] = (),
    postlex: Any = None,
    bind: Mapping[str, Operand] | None = None,
    text_only: bool = False,
    limits: Limits | None = None,
) -> LarkGrammar | BoundLark | RulesGrammar:
    """Return the language of a Lark grammar: its text, or the path of a file (`.lark`).

    `lexer="contextual"`: exactly the texts that lark's LALR(1) parser with its contextual lexer accepts,
    including which terminal wins and where lark reports an error. `lexer="characters"`: all texts that the
    rules derive, over characters: no terminal takes precedence, any context-free rules are allowed, and there
    is no post-lexer.

    `postlex` is a `lark.indenter.Indenter` that sets its six attributes and overrides nothing. `import_paths`
    are folders for `%import`, besides the file's own folder and lark's library. `bind` maps terminals that
    the grammar `%declare`s to grammars (or to literal texts). Such a text may appear wherever the parser
    allows the terminal, and may end as soon as it is complete; lark's lexer reads everything else, and never
    looks for it. `text_only` is for grammars of strangers: no file is opened, neither one that the text
    may name nor one that it imports; `%import` finds lark's own library alone.

    Cost: the first time lark's own loading (5 ms for JSON, 50 ms and more for Python), later 1 to 3 ms: the
    tables are kept in the cache folder, by the grammar's text, its imports and lark's version. Raises
    `GrammarError` with lark's message if lark refuses the grammar, `RegexError` (with the file, line and
    column of the pattern) for one that is refused, `LimitError` beyond `limits.grammar_rules` and, for the
    terminals of the shortest text, `limits.oracle_steps`; `OptionError`.
    """
    if lexer not in _LEXERS:
        raise OptionError(
            f"lexer={lexer!r} is not offered.", where="lexer", cure=f"Choose one of {', '.join(_LEXERS)}."
        )
    if not isinstance(text_only, bool):
        raise OptionError(
            f"text_only={text_only!r} is neither True nor False.", where="text_only", cure="Pass one."
        )
    check_options(start, import_paths)
    bounds = checks.limits(limits)
    bound = _bound(bind)
    before = perf_counter()
    text, source = _text_alone(grammar, import_paths) if text_only else _read(grammar)
    THIS_CALL.work(_NUMBERS_TO_READ * len(text))
    given: dict[str, Any] = {
        "start": start,
        "source": source,
        "import_paths": import_paths,
        "limits": bounds,
        "bound": tuple(bound),
        "text_only": text_only,
    }
    if lexer == "characters":
        if postlex is not None:
            raise OptionError(
                "Without a lexer there is no post-lexer.", where="postlex", cure='Choose lexer="contextual".'
            )
        kept_rules = KeptRules(text, start, source, import_paths, None, tuple(bound))
        plain = kept_rules.read(bounds)
        if plain is None:
            with told(_READING), patterns_placed(text, source, import_paths):
                plain = load_rules(text, **given)
            kept_rules.write(plain)
        terminals = plain.terminals()
        rules = RulesGrammar(plain.rules, terminals, start, plain.ignored, bounds, bound, plain.remarks)
        rules.load_ms = 1000 * (perf_counter() - before)
        return rules
    indenter = None if postlex is None else indenter_of(postlex)

    def find(missing: frozenset[int]) -> FoundGrammar:
        kept = KeptTables(text, start, source, import_paths, indenter, tuple(bound), missing)
        found = kept.read(bounds)
        if found is None:
            with told(_READING), patterns_placed(text, source, import_paths):
                loaded = load(text, postlex=postlex, **given)
            found = kept.write(loaded)
        return found

    arguments = {
        "grammar": Path(source) if source is not None else text,
        "start": start,
        "lexer": lexer,
        "import_paths": tuple(import_paths),
        "postlex": postlex,
        "bind": bound or None,
        "text_only": text_only,
        "limits": limits,
    }
    made = LarkGrammar(find, arguments, bounds)
    made.load_ms = 1000 * (perf_counter() - before)
    return BoundLark(made, bound, (_again, (arguments, frozenset()))) if bound else made


def _bound(bind: Mapping[str, Operand] | None) -> dict[str, TextGrammar]:
    """Return the bound grammars, sorted by name. Raises OptionError for a value that is no grammar."""
    if bind is None:
        return {}
    if not isinstance(bind, Mapping) or not all(isinstance(name, str) for name in bind):
        raise OptionError(
            f"bind maps names to grammars; this is {bind!r}.",
            where="bind",
            cure='Pass bind={"NAME": grammar}.',
        )
    found = {}
    for name in sorted(bind):
        try:
            found[name] = as_text(bind[name])
        except OptionError as error:
            raise OptionError(error.what, where=f"bind, {name}", cure=error.cure) from None
    return found


def _text_alone(grammar: Any, import_paths: Sequence[Importer]) -> tuple[str, str | None]:
    """Return the text of a grammar, and no path. Raises OptionError for a path, and for folders."""
    if not isinstance(grammar, str) or import_paths:
        raise OptionError(
            "With text_only=True no file is read.",
            where="text_only",
            cure="Pass the text of the grammar, and no import_paths.",
        )
    return grammar_text(grammar, "grammar", "")


def _read(grammar: str | os.PathLike[str]) -> tuple[str, str | None]:
    """Return the text of a grammar, and its path (None for a text)."""
    if isinstance(grammar, str) and "\n" not in grammar and grammar.endswith(".lark"):
        grammar = Path(grammar)
    return grammar_text(grammar, "grammar", 'Pass the text of the grammar, or Path("my.lark").')
