"""From what a caller gives as a grammar to the automaton of a lattice, or an error that says what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from structgen.compilation.compiler import compile
from structgen.core.compiled import CompiledGrammar
from structgen.core.grammar import Grammar
from structgen.errors import LimitError, OptionError
from structgen.infilling.token_automaton import TokenAutomaton, token_automaton
from structgen.json_grammars.compiled_schema import CompiledSchema
from structgen.json_grammars.schema_grammar import JsonSchemaGrammar, json_schema
from structgen.python_types.type_hints import read_type
from structgen.schema.reading.policies import JSON_DUMPS
from structgen.text_grammars.regular import RegularGrammar, regex
from structgen.tokens.tokenizer import Tokenizer

MAX_STATES: Final = 50_000
"""States of an explicit automaton before it is minimised, unless the caller says otherwise."""
MAX_PARSER_STATES: Final = 3_000
"""The same, without a depth, of Lark and EBNF grammars and of composed ones: what their states cost grows
with their stacks."""
REPEATED_KEYS: Final = ", keys may repeat"
"""What exactness says besides where it is so."""
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
"""Keywords under which a value can become invalid when a member is dropped that the schema does not name."""
MOST_STATES: Final = 32_768
"""States of a minimal automaton: two sets of states for each take some 270 MB then."""


@dataclass(frozen=True)
class HoleLanguage:
    """A language for a hole or for the whole canvas."""

    automaton: TokenAutomaton
    exactness: str
    """"exact-fsa": exactly the grammar's texts. "depth<=D": those of them that need no more than D brackets
    (JSON), or D places on the parser's stack (other grammars), at any point. "..., keys may repeat": besides,
    texts in which an object has a key twice that the schema does not name; json.loads keeps the last, and the
    value is valid."""
    read: Callable[[str], Any] | None
    """What makes a value of a text; None: the text is the value."""


def grammar_of(given: Any, where: str) -> tuple[Grammar | CompiledGrammar, Callable[[str], Any] | None]:
    """Return the grammar of what was given, and what reads its texts.

    `given`: a grammar, compiled or not; a JSON Schema as a dict; a regular expression as a text or a compiled
    pattern; or a Python type, whose texts are JSON. Raises OptionError for anything else.
    """
    if isinstance(given, Grammar | CompiledGrammar):
        grammar = given.grammar if isinstance(given, CompiledGrammar) else given
        return given, _json_value if isinstance(grammar, JsonSchemaGrammar) else None
    if isinstance(given, bool | Mapping):
        return written_as_dumps(given), _json_value
    if isinstance(given, re.Pattern):
        given = given.pattern
    if isinstance(given, str):
        return regex(given), None
    if given is None or isinstance(given, bytes | int | float | list | tuple | set):
        raise OptionError(
            f"A {type(given).__name__} is neither a grammar nor a type.",
            where=where,
            cure="Give a JSON Schema as a dict, a regular expression as a text, a grammar (sg.lark(...), "
            "sg.ebnf(...), sg.choice(...)) or a Python type.",
        )
    reader = read_type(given)
    schema = json_schema(reader.schema, **reader.policies)
    return schema, lambda text: reader.read(text.encode())


def written_as_dumps(schema: Any) -> JsonSchemaGrammar:
    """Return a JSON Schema's grammar as json.dumps with ensure_ascii=False writes its documents."""
    policies: dict[str, Any] = {**JSON_DUMPS, "escapes": "utf8"}
    return json_schema(schema, **policies)


def language_of(
    given: Any,
    tokenizer: Tokenizer,
    where: str,
    *,
    depth: int | None = None,
    max_states: int | None = None,
) -> HoleLanguage:
    """Return the language of what was given.

    Automata are remembered: the same grammar costs nothing again. The first time costs some microseconds for
    each state and byte of the grammar and 0.1 us for each byte of the vocabulary.
    Raises OptionError where the grammar has no automaton: with no finite number of states, with more than
    `max_states`, or where its kind cannot be made one.
    """
    grammar, read = grammar_of(given, where)
    if isinstance(grammar, CompiledGrammar) and grammar.tokenizer != tokenizer:
        raise OptionError(
            f"It was compiled for {grammar.tokenizer!r}, and the model has {tokenizer!r}.",
            where=where,
            cure="Give the grammar itself, or compile it for the model's tokenizer.",
        )
    plain = grammar.grammar if isinstance(grammar, CompiledGrammar) else grammar
    if max_states is None:
        is_cheap = depth is not None or isinstance(plain, JsonSchemaGrammar | RegularGrammar)
        max_states = MAX_STATES if is_cheap else MAX_PARSER_STATES
    automaton, repeats_keys = _automaton(plain, tokenizer, depth, max_states, where)
    exactness = "exact-fsa" if depth is None else f"depth<={depth}"
    return HoleLanguage(automaton, exactness + REPEATED_KEYS * repeats_keys, read)


@lru_cache(maxsize=64)
def _kept(
    grammar: Grammar, tokenizer: Tokenizer, depth: int | None, max_states: int
) -> tuple[TokenAutomaton, bool]:
    """Return the automaton, and whether it takes texts with repeated keys besides."""
    compiled: CompiledGrammar = compile(grammar, tokenizer)
    try:
        return token_automaton(compiled.to_dfa(max_states, depth, minimal=True)), False
    except LimitError as error:
        if error.limit != "max_states" or not _may_repeat_keys(grammar):
            raise
    assert isinstance(compiled, CompiledSchema)
    return token_automaton(compiled.to_dfa(max_states, depth, minimal=True, repeated_keys=True)), True


def _may_repeat_keys(grammar: Grammar) -> bool:
    """Return whether a text of a JSON Schema stays valid when of a repeated key, which the schema does not
    name, only the last member counts. That is so of schemas whose keywords all say the same of each member,
    or of members by their names: dropping a member makes nothing invalid."""
    if not isinstance(grammar, JsonSchemaGrammar):
        return False
    pending: list[Any] = [json.loads(grammar.canonical)]
    keys: set[str] = set()
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            keys |= one.keys()
        if isinstance(one, dict | list):
            pending += one.values() if isinstance(one, dict) else one
    return not keys & _NEEDS_MEMBERS


def _automaton(
    grammar: Grammar, tokenizer: Tokenizer, depth: int | None, max_states: int, where: str
) -> tuple[TokenAutomaton, bool]:
    try:
        found, repeats_keys = _kept(grammar, tokenizer, depth, max_states)
    except LimitError as error:
        if error.limit != "max_states":
            raise
        if isinstance(grammar, JsonSchemaGrammar):
            more = (
                "bound strings and arrays, or say additionalProperties: false (keys that a schema does not "
                "name may not come twice, which makes endlessly many states; they may where the "
                f"schema has none of {', '.join(sorted(_NEEDS_MEMBERS))})."
            )
        else:
            more = "or bound its repetitions."
        raise OptionError(
            f"The grammar has no automaton of at most {max_states:,} states; infilling needs one.",
            where=where,
            cure=f"{'Give depth=, which cuts recursion' if depth is None else 'Lower depth='}, raise "
            f"max_states=, {more}",
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
    if found.states > MOST_STATES:
        raise OptionError(
            f"The minimal automaton has {found.states:,} states, more than {MOST_STATES:,}.",
            where=where,
            cure="Bound the grammar, or lower depth=.",
        )
    return found, repeats_keys


def _json_value(text: str) -> Any:
    return json.loads(text)
