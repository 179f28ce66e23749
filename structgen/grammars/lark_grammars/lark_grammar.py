"""`lark`, the public function for Lark grammars."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, overload

from structgen.base.errors import OptionError, options_named
from structgen.base.language import checks
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.base.system.shipped_files import grammar_name, grammar_path
from structgen.base.system.text_files import StrPath, grammar_text, read_text
from structgen.base.system.waits import announce_wait
from structgen.grammars.lark_grammars.compiled.bound_lark import BoundLark
from structgen.grammars.lark_grammars.compiled.loaded_lark import LarkGrammar
from structgen.grammars.lark_grammars.kept.kept_grammars import KeptRules, KeptTables
from structgen.grammars.lark_grammars.reading.bounded_blanks import (
    bound_tables,
    find_ignored,
    run_terminals,
)
from structgen.grammars.lark_grammars.reading.lark_loader import (
    PROPERTIES_CURE,
    Importer,
    check_options,
    indenter_of,
    load_tables,
)
from structgen.grammars.lark_grammars.reading.pattern_places import patterns_placed
from structgen.grammars.lark_grammars.reading.plain_rules import PlainRules, load_rules
from structgen.grammars.text_grammars.text_grammar import Operand, RulesGrammar, TextGrammar, as_text

_READING = "reading a Lark grammar"
_NUMBERS_TO_READ: Final = 500
"""Lark takes some 10 us for a character of a grammar: as many numbers could be read."""


def _restore_grammar(arguments: dict[str, Any], missing: frozenset[int]) -> Any:
    """Return a grammar that was pickled. `arguments`: those of `lark`; `missing`: the bytes that its texts
    lack. Pickles name this function by its address."""
    whole = lark(**arguments)
    return whole.without_bytes(missing) if missing else whole


# The overloads tell type checkers which class comes out of a plain call.


@overload
def lark(
    grammar: StrPath,
    *,
    start: str = ...,
    lexer: Literal["contextual"] = ...,
    import_paths: Sequence[Importer] = ...,
    postlex: Any = ...,
    bind: None = ...,
    text_only: bool = ...,
    ignore_at_most: int | None = ...,
    limits: Limits | None = ...,
) -> LarkGrammar: ...
@overload
def lark(
    grammar: StrPath,
    *,
    start: str = ...,
    lexer: Literal["contextual", "characters", "greedy"] = ...,
    import_paths: Sequence[Importer] = ...,
    postlex: Any = ...,
    bind: Mapping[str, Operand] | None = ...,
    text_only: bool = ...,
    ignore_at_most: int | None = ...,
    limits: Limits | None = ...,
) -> LarkGrammar | BoundLark | RulesGrammar: ...
@options_named(
    'sg.lark("query.lark")',
    {
        **dict.fromkeys(("parser", "ambiguity"), "Leave it out: the parser is LALR(1)"),
        "regex": PROPERTIES_CURE,
    },
)
def lark(
    grammar: StrPath,
    *,
    start: str = "start",
    lexer: Literal["contextual", "characters", "greedy"] = "contextual",
    import_paths: Sequence[Importer] = (),
    postlex: Any = None,
    bind: Mapping[str, Operand] | None = None,
    text_only: bool = False,
    ignore_at_most: int | None = None,
    limits: Limits | None = None,
) -> LarkGrammar | BoundLark | RulesGrammar:
    """Return the language of a Lark grammar: its text, the path of a file (`.lark`), or the name of one that
    ships (`structgen/sql`; `structgen grammars` lists them). `start` is the rule that whole texts are derived
    from.

    >>> sg.lark('start: "a" NUMBER\\nNUMBER: /[0-9]+/').source
    'a Lark grammar'

    `lexer="contextual"`: exactly the texts that lark's LALR(1) parser with its contextual lexer accepts,
    including which terminal wins and where lark reports an error. `lexer="characters"`: all texts that the
    rules derive, over characters: no terminal takes precedence, any context-free rules are allowed, and there
    is no post-lexer. `lexer="greedy"`: the texts that llguidance accepts. A lexeme goes on as long as any
    terminal that may come at its place does, and then counts as all terminals whose text it is. Any
    context-free rules are allowed here, too, and terminals with the empty text.

    `postlex` is a `lark.indenter.Indenter` that sets its six attributes and overrides nothing. `import_paths`
    are folders for `%import`, besides the file's own folder and lark's library. `bind` maps terminals that
    the grammar `%declare`s to grammars (or to literal texts). Such a text may appear wherever the parser
    allows the terminal, and may end as soon as it is complete; lark's lexer reads everything else, and never
    looks for it. `text_only` is for grammars of strangers: no file is opened, neither one that the text
    may name nor one that it imports; `%import` finds lark's own library alone. `ignore_at_most` is the most
    characters that `%ignore` drops between two lexemes: it leaves out the texts with more. None: lark's own
    language, in which a model may write blanks for ever. It is for blanks, and refuses ignored comments.

    Cost: the first time lark's own loading (5 ms for JSON, 50 ms and more for Python), later 1 to 3 ms: the
    tables are kept in the cache folder, by the grammar's text, its imports and lark's version. Raises
    `GrammarError` with lark's message if lark refuses the grammar, `RegexError` (with the file, line and
    column of the pattern) for one that is refused, `LimitError` beyond `limits.grammar_rules` and, for the
    terminals of the shortest text, `limits.oracle_steps`; `OptionError`.
    """
    checks.ChoiceCheck(("contextual", "characters", "greedy"))("lexer", lexer)
    checks.check_switch("text_only", text_only)
    check_options(start, import_paths)
    bounds = checks.check_limits(limits)
    _check_ignore(ignore_at_most, bind, lexer)
    bound = _bound_grammars(bind)
    text, source = _text_alone(grammar, import_paths) if text_only else _read_grammar(grammar)
    THIS_CALL.count_work(_NUMBERS_TO_READ * len(text))
    names = tuple(bound)
    source_options = text, start, source, import_paths
    load_options: dict[str, Any] = {
        "start": start,
        "source": source,
        "import_paths": import_paths,
        "limits": bounds,
        "bound": names,
        "text_only": text_only,
    }
    if lexer != "contextual":
        if postlex is not None:
            raise OptionError(
                f"lexer={lexer!r} does not support a post-lexer.",
                where="postlex",
                cure='Set lexer="contextual".',
            )
        kept_rules = KeptRules(*source_options, None, names)
        plain = kept_rules.read_rules(bounds)
        if plain is None:
            with announce_wait(_READING), patterns_placed(text, source, import_paths):
                plain = load_rules(text, **load_options)
            # A grammar that lark refuses raises above, so the cache has no refusals.
            kept_rules.write_rules(plain)
        return _make_rules(plain, start, bounds, bound, lexer == "greedy", ignore_at_most)
    indenter = None if postlex is None else indenter_of(postlex)

    kept_tables = KeptTables(*source_options, indenter, names)
    tables = kept_tables.read_tables(bounds)
    if tables is None:
        with announce_wait(_READING), patterns_placed(text, source, import_paths):
            loaded_grammar = load_tables(text, postlex=indenter, **load_options)
        tables = kept_tables.write_tables(loaded_grammar)
    if ignore_at_most is not None and tables.tables.ignored_terminals:
        tables = tables._replace(
            tables=bound_tables(tables.tables, ignore_at_most), digest=f"{tables.digest}{ignore_at_most:08x}"
        )
    # A pickle has the arguments of this call, and the other process loads the grammar again.
    arguments = {
        "grammar": text if source is None else grammar_name(grammar) or Path(source),
        "start": start,
        "lexer": lexer,
        "import_paths": tuple(import_paths),
        "postlex": postlex,
        "bind": bound or None,
        "text_only": text_only,
        "ignore_at_most": ignore_at_most,
        "limits": limits,
    }
    # `x-grammar` of a schema has no member for an indenter, and none for a bound on blanks.
    definition = None
    if indenter is None and ignore_at_most is None:
        definition = {"syntax": "lark", "definition": text, "start": start}
    lark_grammar = LarkGrammar(tables, (_restore_grammar, arguments), bounds, definition)
    return BoundLark(lark_grammar, bound) if bound else lark_grammar


def _make_rules(
    plain: PlainRules,
    start: str,
    limits: Limits,
    bound: Mapping[str, TextGrammar],
    is_lexed: bool,
    ignore_at_most: int | None,
) -> RulesGrammar:
    """Return the grammar of plain rules. `is_lexed`: whether a greedy lexer reads the texts; the other
    parameters are those of `lark`. For example, `_make_rules(plain, "start", DEFAULT, {}, False, None)`."""
    terminals, ignored_names = plain.parse_terminals(), plain.ignored_names
    are_runs = False
    if ignore_at_most and ignored_names:
        # the terminals that %ignore names are parts of a run from here on
        runs = run_terminals(find_ignored(plain.patterns, ignored_names, is_lexed=is_lexed), ignore_at_most)
        terminals, ignored_names, are_runs = {**terminals, **runs}, tuple(runs), True
    return RulesGrammar(
        plain.rules,
        terminals,
        start,
        ignored_names,
        limits,
        bound,
        plain.remarks,
        is_lexed=is_lexed,
        are_runs=are_runs,
    )


def _check_ignore(ignore_at_most: Any, bind: Any, lexer: str) -> None:
    """Raise OptionError for a bound on ignored texts that is none, or that is not supported."""
    if ignore_at_most is not None:
        checks.check_whole("ignore_at_most", ignore_at_most, 1)
        # a bound text may begin with a blank: then nobody knows where a run of blanks ends
        if bind is not None and lexer != "characters":
            raise OptionError(
                "ignore_at_most is not supported with bind=, whose texts may begin with a blank.",
                where="ignore_at_most",
                cure='Leave it out, or choose lexer="characters".',
            )


def _bound_grammars(bind: Mapping[str, Operand] | None) -> dict[str, TextGrammar]:
    """Return the bound grammars, sorted by name. Raises OptionError for a value that is no grammar."""
    if bind is None:
        return {}
    if not isinstance(bind, Mapping) or not all(isinstance(name, str) for name in bind):
        raise OptionError(
            f"must be a dict of names and grammars, got {bind!r}.",
            where="bind",
            cure='Pass bind={"NAME": grammar}.',
        )
    grammars = {}
    # The names are sorted: they are part of the key in the cache, and the order of `bind` says nothing.
    for name in sorted(bind):
        try:
            grammars[name] = as_text(bind[name])
        except OptionError as error:
            raise OptionError(error.what, where=f"bind, {name}", cure=error.cure) from None
    return grammars


def _text_alone(grammar: Any, import_paths: Sequence[Importer]) -> tuple[str, str | None]:
    """Return the text of a grammar, and no path. Raises OptionError for a path, and for folders."""
    if not isinstance(grammar, str) or import_paths:
        raise OptionError(
            "With text_only=True files are not read.",
            where="text_only",
            cure="Pass the text of the grammar, and no import_paths.",
        )
    return grammar_text(grammar, "grammar", "")


def _read_grammar(grammar: StrPath) -> tuple[str, str | None]:
    """Return the text of a grammar, and its path or its name among those that ship (None for a text)."""
    name = grammar_name(grammar)
    if name is not None:
        return read_text(grammar_path(name)), name
    # No grammar of one line begins with `./` or ends in `.lark`, so such a text is the path of a file.
    if isinstance(grammar, str) and re.fullmatch(r"\./.*|.*\.lark", grammar):
        grammar = Path(grammar)
    return grammar_text(grammar, "grammar", 'Pass the text of the grammar, or Path("my.lark").')
