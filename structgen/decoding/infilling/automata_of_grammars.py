"""Makes the automaton of a lattice from a grammar, or raises an error that names a cure.

An automaton has finitely many states, a grammar may not: JSON nests as deep as you like. Such a grammar is
cut. A *depth* is the most open brackets (JSON) or parser stack entries (other grammars) of a text. The
*exactness* of a language says what was cut: "exact-fsa", or e.g. "depth<=6".
"""

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
from structgen.machines.core.grammar import Grammar, ValueReader
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
"""Notes of `HoleLanguage.exactness`, which describes them."""
DEPTHS: Final = (4, 2, 1)
STACKS: Final = (8, 6, 4)
"""The depths that are tried in turn, for a JSON Schema and for another grammar with a parser stack. They are
tried if the caller gives no depth and the grammar has no automaton without one."""
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
    """Which texts of the grammar the automaton has. "exact-fsa": all, and no others. Otherwise notes, joined
    by ", ". "depth<=D": only texts that never need more than D open brackets (JSON), or D parser stack
    entries (other grammars). "free values are scalars": a value that the schema does not restrict is neither
    an object nor an array. "named keys alone": an object whose keys the schema names has no other keys. "keys
    may repeat": also texts in which an object has an unnamed key twice. json.loads keeps the last one, and
    the value is valid."""
    read_value: ValueReader | None
    """Makes a value of a text; None: the text is the value."""


def grammar_of(target: Any, where: str) -> tuple[Grammar | CompiledGrammar, ValueReader | None]:
    """Return the grammar of an argument, and the function that makes values of its texts (or None).

    `target`: any target of `sg.run` that describes texts. A text is a regular expression; the type `str`
    means the strings of JSON. `where`: the name of the argument, for messages. Raises OptionError for
    anything else.
    """
    if isinstance(target, str):
        target = regex(target)
    grammar, reader = read_target(
        TYPES["str"] if target is str else target, usual=READABLE_DUMPS, where=where
    )
    if grammar is None:
        raise OptionError(
            "Free text has no automaton.", where=where, cure="Pass a grammar, or a type that has a schema."
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
    Without a depth, the free values of a JSON Schema are scalars. If the schema has no automaton then, an
    object whose keys it names has no other keys. If that fails too, its texts are cut at one of `DEPTHS`.
    The texts of other grammars are cut at one of `STACKS`. `HoleLanguage.exactness` names what was done.

    Automata are cached by grammar. Cost of a new one: some microseconds for each state and byte of the
    grammar, and 0.1 us for each byte of the vocabulary. Raises OptionError if the grammar has no automaton:
    infinitely many states, more than `max_states`, or a kind of grammar that has none.
    """
    grammar, read_value = grammar_of(target, where)
    if isinstance(grammar, CompiledGrammar) and grammar.tokenizer != tokenizer:
        raise OptionError(
            f"The grammar was compiled for {grammar.tokenizer!r}, and the model has {tokenizer!r}.",
            where=where,
            cure="Pass the grammar itself, or compile it for the model's tokenizer.",
        )
    plain = plain_grammar(grammar)
    places = plain.innermost.document().schemas if plain.policies is not None else ()
    for place in places:
        # Strings with a grammar of their own have states that are only made when a text reaches them, so
        # their number is not known.
        if place.grammar and isinstance(place.grammar.strings, Texts):
            raise UnsupportedError(
                f"Infilling needs an automaton, and {place.grammar.texts_named} has none.",
                keyword=GRAMMAR,
                where=f"{where}, {place.pointer}",
                cure="Use a regular grammar there, or write from left to right with sg.Engine.",
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
    50_000)` cuts at two open brackets. If no attempt succeeds, raises the error of the first one.
    """
    narrow = grammar
    policies = grammar.policies
    if policies is not None and depth is None and policies.any_value is None:
        # values that may nest without end have no automaton, so free values become scalars
        under: Callable[[Any], Grammar] = methodcaller("under", replace(policies, any_value=0))
        narrow = grammar.inside(under)
    is_scalar = narrow is not grammar
    compiled_grammar: Any = compile(narrow, tokenizer, first_mask=False)
    grammar = compiled_grammar.grammar  # the machine's: a grammar around a schema may have another one
    is_schema = grammar.policies is not None
    first_error = None
    for attempt, (cut, is_named_only, may_repeat) in enumerate(_list_attempts(grammar, depth)):
        # The last attempts may make fewer states, else the refusal of a schema would take half a minute.
        is_late = attempt > 1 and is_schema
        state_limit = max_states // 4 + 1 if is_late else max_states
        key_options: dict[str, bool] = {}
        if is_named_only or may_repeat:
            # Only schemas have these options.
            key_options = {"named_keys": is_named_only, "repeated_keys": may_repeat}
        try:
            dfa = compiled_grammar.to_dfa(state_limit, cut, minimal=True, **key_options)
        except (LimitError, UnsatisfiableSchema, OptionError) as error:
            # After too many states the next attempt, with fewer texts, may succeed. Any other error goes to
            # the caller.
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
    """Yield the attempts to make in turn, until there is an automaton. An attempt has three options: the
    depth (None: no limit), whether objects whose keys the schema names have no other keys, and whether other
    keys may repeat."""
    yield depth, False, False
    if grammar.policies is None:
        yield from ((cut, False, False) for cut in STACKS if depth is None)
        return
    repeats = _may_repeat_keys(grammar)
    if depth is not None:
        yield depth, not repeats, repeats
        return
    # Other keys are given up before depth is: who names keys rarely means others.
    yield None, True, False
    if repeats:
        yield None, True, True
    yield DEPTHS[0], False, False
    yield from ((cut, True, repeats) for cut in DEPTHS)
    yield from ((cut, False, True) for cut in (None, *DEPTHS) if repeats)


def _may_repeat_keys(grammar: Grammar) -> bool:
    """Return whether a text of a JSON Schema stays valid if only the last of several members with the same
    unnamed key counts.

    It does if every keyword applies to each member alone, or to members by name. Then no member is needed
    for the others, and dropping it makes nothing invalid.
    """
    keys = set[str]()
    json.loads(grammar.canonical, object_hook=keys.update)
    return keys.isdisjoint(_NEEDS_MEMBERS)


def _find_automaton(
    grammar: Grammar, tokenizer: Tokenizer, depth: int | None, max_states: int, where: str
) -> tuple[TokenAutomaton, str]:
    """Return the automaton of a grammar, and how exact it is.

    `depth`, `max_states`: see `_build_automaton`. `where`: the argument, for messages, for example "hole
    'age'". Raises OptionError where there is no automaton, or one of too many states. If the grammar has
    nothing that a depth can cut, that error's `where` is "depth".
    """
    try:
        automaton, exactness = _build_automaton(grammar, tokenizer, depth, max_states)
    except LimitError as error:
        if error.limit != "max_states":
            raise
        depths = "Set depth=, which cuts recursion" if depth is None else "Reduce depth="
        cure = f"{depths}, increase max_states=, or bound its repetitions."
        if grammar.policies is not None:
            left_out = "" if depth is None else "reduce or remove depth=, "
            cure = (
                f"Bound strings and arrays, {left_out}increase max_states=, or set "
                "additionalProperties: false (items that must differ, and keys without a name "
                "where their number is limited, need infinitely many states)."
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
            cure="Use a JSON Schema, a regular expression, a choice or an EBNF grammar, or write "
            "from left to right with sg.Engine.",
        ) from error
    if automaton.states > MOST_STATES:
        raise OptionError(
            f"The minimal automaton has {automaton.states:,} states, more than {MOST_STATES:,}.",
            where=where,
            cure="Bound the grammar, or reduce depth=.",
        )
    return automaton, exactness
