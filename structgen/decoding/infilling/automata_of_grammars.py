"""Makes the automaton of a lattice from a grammar, or raises an error that says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import methodcaller
from typing import Any, Final

from structgen.asking.request_reading.targets import read_target
from structgen.base.errors import LimitError, OptionError, UnsatisfiableSchema, UnsupportedError
from structgen.base.language.ir import Texts
from structgen.decoding.infilling.template import TYPES
from structgen.decoding.infilling.token_automaton import TokenAutomaton, token_automaton
from structgen.grammars.compilation.compiler import compile
from structgen.grammars.text_grammars.regular import RegularGrammar, regex
from structgen.machines.core.compiled import CompiledGrammar, plain_grammar
from structgen.machines.core.grammar import Grammar
from structgen.machines.core.string_values import over_bytes
from structgen.schema.reading.policies import READABLE_DUMPS
from structgen.schema.reading.string_grammars import GRAMMAR
from structgen.tokens.tokenizer import Tokenizer

MAX_STATES: Final = 50_000
"""The default limit on states before minimisation."""
MAX_PARSER_STATES: Final = 3_000
"""The default limit for Lark, EBNF and composed grammars without a depth: the cost of a state grows with its
parser stack."""
REPEATED_KEYS: Final = "keys may repeat"
NAMED_KEYS: Final = "named keys alone"
SCALARS: Final = "free values are scalars"
"""Notes of `HoleLanguage.exactness`."""
DEPTHS: Final = (4, 2, 1)
STACKS: Final = (8, 6, 4)
"""The depths at which a JSON Schema, and another grammar with a parser stack, are cut that have no automaton
otherwise, and for which none is given."""
_NEEDS_MEMBERS: Final = frozenset(
    {
        "disallow",
        "else",
        "if",
        "maxContains",
        "minProperties",
        "not",
        "oneOf",
        "propertyDependencies",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
    }
)
"""Keywords under which dropping a member that the schema does not name can make a value invalid."""
MOST_STATES: Final = 32_768
"""The most states of a minimal automaton: two sets of states for each then take about 270 MB."""


@dataclass(frozen=True)
class HoleLanguage:
    """The language of a hole or of the whole canvas."""

    automaton: TokenAutomaton
    exactness: str
    """"exact-fsa": exactly the grammar's texts. Otherwise notes, joined by ", ". "depth<=D": those that never
    need more than D open brackets (JSON), or D parser stack entries (other grammars). "free values are
    scalars": a value of which the schema says nothing is no object and no array. "named keys alone": an
    object of which the schema names keys has no others. "keys may repeat": also texts in which an object has
    an unnamed key twice; json.loads keeps the last one, and the value is valid."""
    read_value: Callable[[str], Any] | None
    """Makes a value of a text; None: the text is the value."""


def grammar_of(target: Any, where: str) -> tuple[Grammar | CompiledGrammar, Callable[[str], Any] | None]:
    """Return the grammar of an argument, and the function that makes values of its texts (or None).

    `target`: any target of `sg.run` that says which texts are wanted; a text is a regular expression, and the
    type `str` the strings of JSON. Raises OptionError for anything else.
    """
    if isinstance(target, str):
        target = regex(target)
    grammar, reader = read_target(
        TYPES["str"] if target is str else target, usual=READABLE_DUMPS, where=where
    )
    if grammar is None:
        raise OptionError(
            "Free text has no automaton.", where=where, cure="Give a grammar, or a type that has a schema."
        )
    if reader is not None:
        return grammar, lambda text: reader.read_document(text.encode())
    if plain_grammar(grammar).policies is None:
        return grammar, None
    return grammar, lambda text: over_bytes(grammar).value(text.encode("utf-8", "surrogatepass"))


def language_of(
    target: Any,
    tokenizer: Tokenizer,
    where: str,
    *,
    depth: int | None = None,
    max_states: int | None = None,
) -> HoleLanguage:
    """Return the language of a grammar argument: `target` as for `grammar_of`, and `where` for messages.

    `depth` and `max_states` are those of `infill`. For example `language_of("[0-9]+", tokenizer, "hole")`.
    Without a depth, of a JSON Schema, free values are scalars. If the schema has no automaton then, objects
    of which it names keys have no others, and after that its texts are cut at one of `DEPTHS`, as those of
    other grammars are at one of `STACKS`; `HoleLanguage.exactness` says so.

    Automata are cached by grammar. Cost of a new one: some microseconds for each state and byte of the
    grammar, and 0.1 us for each byte of the vocabulary. Raises OptionError if the grammar has no automaton:
    infinitely many states, more than `max_states`, or a kind of grammar that has none.
    """
    grammar, read_value = grammar_of(target, where)
    if isinstance(grammar, CompiledGrammar) and grammar.tokenizer != tokenizer:
        raise OptionError(
            f"It was compiled for {grammar.tokenizer!r}, and the model has {tokenizer!r}.",
            where=where,
            cure="Give the grammar itself, or compile it for the model's tokenizer.",
        )
    plain = plain_grammar(grammar)
    places = plain.innermost.document().schemas if plain.policies is not None else ()
    for place in places:
        # A string that is a text of a grammar has states that are made as texts reach them.
        if place.grammar and isinstance(place.grammar.strings, Texts):
            raise UnsupportedError(
                f"Infilling needs an automaton, and {place.grammar.texts_named} has none.",
                keyword=GRAMMAR,
                where=f"{where}, {place.pointer}",
                cure="Write a regular grammar there, or write from left to right with sg.Engine.",
            )
    if max_states is None:
        has_no_stack = plain.policies is not None or isinstance(plain.innermost, RegularGrammar)
        is_cheap = depth is not None or has_no_stack
        max_states = MAX_STATES if is_cheap else MAX_PARSER_STATES
    automaton, exactness = _find_automaton(plain, tokenizer, depth, max_states, where)
    return HoleLanguage(automaton, exactness, read_value)


@lru_cache(maxsize=64)
def _build_automaton(
    grammar: Grammar, tokenizer: Tokenizer, depth: int | None, max_states: int
) -> tuple[TokenAutomaton, str]:
    """Return the automaton, and the exactness of its texts (`HoleLanguage.exactness`).

    `max_states`: the most states before minimisation. For example `_build_automaton(grammar, tokenizer, 2,
    50_000)` cuts at two open brackets. Raises the error of the first attempt where none succeeds.
    """
    narrow = grammar
    policies = grammar.policies
    if policies is not None and depth is None and policies.any_value is None:
        # values that nest at will have no automaton
        under: Callable[[Any], Grammar] = methodcaller("under", replace(policies, any_value=0))
        narrow = grammar.inside(under)
    is_scalar = narrow is not grammar
    compiled_grammar: Any = compile(narrow, tokenizer, first_mask=False)
    grammar = compiled_grammar.grammar  # of the machine: one around a schema may have another
    is_schema = grammar.policies is not None
    first_error = None
    for attempt, (cut, is_named_only, may_repeat) in enumerate(_list_attempts(grammar, depth)):
        # fewer states in the end: else the refusal of a schema would take half a minute
        is_late = attempt > 1 and is_schema
        state_limit = max_states // 4 + 1 if is_late else max_states
        key_options: dict[str, bool] = {}
        if is_named_only or may_repeat:
            # Only schemas have these options.
            key_options = {"named_keys": is_named_only, "repeated_keys": may_repeat}
        try:
            dfa = compiled_grammar.to_dfa(state_limit, cut, minimal=True, **key_options)
        except (LimitError, UnsatisfiableSchema, OptionError) as error:
            # Too many states: narrower texts may have fewer. Any other error is the caller's.
            if first_error is None and getattr(error, "limit", "") != "max_states":
                raise
            first_error = first_error or error
            continue
        has_scalars = is_scalar and is_schema and compiled_grammar.network.tables.has_bounded_values
        facts = {
            f"depth<={cut}": cut is not None,
            SCALARS: has_scalars,
            NAMED_KEYS: is_named_only,
            REPEATED_KEYS: may_repeat,
        }
        notes = [note for note, is_true in facts.items() if is_true]
        return token_automaton(dfa), ", ".join(notes) or "exact-fsa"
    assert first_error is not None
    raise first_error


def _list_attempts(grammar: Grammar, depth: int | None) -> Iterator[tuple[int | None, bool, bool]]:
    """Yield what to try in turn, until there is an automaton: the depth, whether objects of which the schema
    names keys have no others, and whether other keys may repeat."""
    yield depth, False, False
    if grammar.policies is None:
        yield from ((cut, False, False) for cut in STACKS if depth is None)
        return
    repeats = _may_repeat_keys(grammar)
    if depth is not None:
        yield depth, not repeats, repeats
        return
    # Other keys go before depth does: who names keys rarely means others.
    yield None, True, False
    if repeats:
        yield None, True, True
    yield DEPTHS[0], False, False
    yield from ((cut, True, repeats) for cut in DEPTHS)
    yield from ((cut, False, True) for cut in (None, *DEPTHS) if repeats)


def _may_repeat_keys(grammar: Grammar) -> bool:
    """Return whether a text of a JSON Schema stays valid if only the last of several members with the same
    unnamed key counts. True if every keyword applies to each member alone, or to members by name: dropping a
    member then makes nothing invalid."""
    keys = set[str]()
    json.loads(grammar.canonical, object_hook=keys.update)
    return keys.isdisjoint(_NEEDS_MEMBERS)


def _find_automaton(
    grammar: Grammar, tokenizer: Tokenizer, depth: int | None, max_states: int, where: str
) -> tuple[TokenAutomaton, str]:
    """Return the automaton of a grammar, and how exact it is.

    `depth`, `max_states`: see `_build_automaton`; `where`: the argument, for messages, for example "hole
    'age'". Raises OptionError where there is none, or one of too many states, and for `depth` where the
    grammar has nothing to cut: that error's `where` is "depth".
    """
    try:
        automaton, exactness = _build_automaton(grammar, tokenizer, depth, max_states)
    except LimitError as error:
        if error.limit != "max_states":
            raise
        depths = "Give depth=, which cuts recursion" if depth is None else "Lower depth="
        cure = f"{depths}, raise max_states=, or bound its repetitions."
        if grammar.policies is not None:
            left_out = "" if depth is None else "lower depth= or leave it out, "
            cure = (
                f"Bound strings and arrays, {left_out}raise max_states=, or say additionalProperties: false "
                "(items that must differ, and keys without a name where a number of them is needed, make "
                "endlessly many states)."
            )
        raise OptionError(
            f"The grammar has no automaton of at most {max_states:,} states; infilling needs one.",
            where=where,
            cure=cure,
        ) from error
    except OptionError as error:
        if error.where == "depth":
            raise
        raise OptionError(
            f"The grammar has no automaton, and infilling needs one: {error.what}",
            where=where,
            cure="Give a JSON Schema, a regular expression, a choice or an EBNF grammar, or write from left "
            "to right with sg.Engine.",
        ) from error
    if automaton.states > MOST_STATES:
        raise OptionError(
            f"The minimal automaton has {automaton.states:,} states, more than {MOST_STATES:,}.",
            where=where,
            cure="Bound the grammar, or lower depth=.",
        )
    return automaton, exactness
