"""`CompiledSchema`: a JSON Schema compiled against a tokenizer, with masks and completions.

It joins the *machine* of JSON texts (states, steps and masks in compiled code) with the *network* of the
schema, which answers what keys, items and values may come, and with the mask store of the vocabulary.
"""

from __future__ import annotations

from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from structgen.automata.strings.held_automata import ENTRY_BYTES
from structgen.base.language.expectation import Expected
from structgen.base.language.ir import Network
from structgen.base.limits import Limits
from structgen.base.native.array_types import Int64Array
from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import word_of
from structgen.base.system.fork_locks import GRAMMARS, new_lock
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.json_grammars.completion import Completer
from structgen.grammars.json_grammars.document_values import value_of
from structgen.grammars.json_grammars.text_readers import TextReaders
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.json_machine.expected import list_expected
from structgen.machines.json_machine.inspection import Inspection
from structgen.machines.json_machine.masks import mask_filling, state_walk
from structgen.machines.json_machine.meaning import expander_of
from structgen.machines.json_machine.records.recorder import Recorder
from structgen.machines.json_machine.records.string_tokens import string_tokens
from structgen.machines.json_machine.tables import json_blocks as L
from structgen.machines.json_machine.tables.json_tables import JSON_TABLES
from structgen.machines.machine_core import token_steps
from structgen.machines.machine_core.layout import LARGE
from structgen.machines.machine_core.questions import call_answered
from structgen.machines.store.mask_store import StoreOption, default_store
from structgen.schema.schema_source import SchemaSource
from structgen.tokens.tokenizer import Tokenizer
from structgen.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    # start-up: few grammars become explicit automata
    from structgen.machines.core.dfa import Dfa

_SPACE = {
    "bounded": L.SPACE_BOUNDED,
    "compact": L.SPACE_COMPACT,
    "oneline": L.SPACE_ONELINE,
    "any": L.SPACE_ANY,
    "indent": L.SPACE_INDENT,
}

_ESCAPES = {
    "canonical": (L.ESCAPES_PAIRED, L.ESCAPES_CANONICAL),
    "utf8": (L.ESCAPES_CANONICAL, L.ESCAPES_CANONICAL),
    "ascii": (L.ESCAPES_ASCII, L.ESCAPES_ASCII),
    "any": (L.ESCAPES_ANY, L.ESCAPES_ANY),
}
"""For each policy of escapes the rule for strings, and the rule for keys and constants."""
_IN_ESCAPES = b'"\\/bfnrtu0123456789abcdefABCDEF'


@lru_cache(64)
def _writing_of(
    space: tuple[str, str, int | None], escapes: str, missing: frozenset[int]
) -> tuple[list[int], Int64Array, object]:
    """Return the words of the context that say how texts are written, their values, and the arrays whose
    addresses are among these: by `Policies.space`, `Policies.escapes`, and the bytes that no text has."""
    kind, blanks, max_blanks = space
    string_escapes, key_escapes = _ESCAPES[escapes]
    # a copy, since the bytes of a constant would be read-only; at least one, since an array has an address
    indent = np.frombuffer(blanks.encode() or b" ", np.uint8).copy()
    absent = np.zeros(256, np.uint8)
    absent[[*missing]] = 1
    lacks = 0
    if not missing.isdisjoint(_IN_ESCAPES):
        lacks |= L.LACKS_ESCAPES
    if not missing.isdisjoint(range(0x80, 0xC0)):
        lacks |= L.LACKS_TAILS
    words = {
        "space": _SPACE[kind],
        "most_space": -1 if max_blanks is None else min(max_blanks, L.UNBOUNDED),
        "indent": address_of(indent),
        "indent_length": len(blanks),
        "escapes": string_escapes,
        "key_escapes": key_escapes,
        "absent": address_of(absent),
        "lacks": lacks,
    }
    places = [word_of(L.JsonContext, name) for name in words]
    values = np.array([*words.values()])
    return places, values, (indent, absent)


def compiled_schema(
    grammar: SchemaSource,
    tokenizer: Tokenizer,
    limits: Limits,
    store: StoreOption,
) -> CompiledSchema:
    """Return a grammar compiled against a tokenizer, or the compiled grammar of an equal one that the store
    still has. `store`: as `sg.compile` takes it. Errors: those of `SchemaSource.make_network`. Cost of one
    that is found: 30 us, 1 us for each KB of schema."""
    if limits.liveness == "flag":  # each grammar is flagged with the places that the oracle leaves undecided
        return CompiledSchema(grammar, tokenizer, limits, store)
    recent = key = compiled_grammar = None
    if store is not False:  # False: nothing is shared with other grammars
        vocabulary = Vocabulary.of_tokenizer(tokenizer)  # held: the store's part goes with it
        store = store or default_store()
        recent = store.of(vocabulary).recent
        # a compiled grammar in the store holds its tokenizer: no other one gets the id meanwhile
        key = grammar.spelling, id(tokenizer), None if limits == grammar.limits else limits
        compiled_grammar = recent.get(key)
    if compiled_grammar is not None:
        # it may have been compiled anew since it was put there
        compiled_grammar = compiled_grammar.generation.newest(compiled_grammar)
    if compiled_grammar is None or compiled_grammar.used > 1:
        with THIS_CALL.begin_call(limits):
            compiled_grammar = CompiledSchema(grammar, tokenizer, limits, store)
        if recent is not None:
            recent.put(key, compiled_grammar)
    return compiled_grammar


class CompiledSchema(CompiledGrammar):
    """The JSON texts that a network accepts, compiled: the machine of `structgen.machines.json_machine`."""

    grammar: SchemaSource
    table_plan = JSON_TABLES
    byte_steps = state_walk.BYTE_STEPS
    part_calls = (
        token_steps.take_token,
        token_steps.may_end,
        token_steps.ends_below,
    )
    has_events = True

    def __init__(
        self,
        grammar: SchemaSource,
        tokenizer: Tokenizer,
        limits: Limits | None = None,
        store: StoreOption = None,
    ) -> None:
        super().__init__(grammar, tokenizer, limits, store)
        policies = grammar.policies
        kind, blanks, _ = policies.space
        self._space = _SPACE[kind], blanks.encode()
        words, values, self._arrays = _writing_of(policies.space, policies.escapes, grammar.quoting.missing)
        self._tables.context[words] = values
        self._tables.context[L.JsonContext.depth_limit] = self.limits.depth
        # Nothing that this holds may refer to it: a grammar is gone when it is dropped, not when garbage is
        # collected in the midst of another's first mask.
        lacks_tails = bool(self._tables.context[L.JsonContext.lacks] & L.LACKS_TAILS)
        tokens = partial(string_tokens, tokenizer, grammar.quoting.is_ascii, lacks_tails)
        self._texts = TextReaders(lambda: tokens().plain, self.limits, self.store, grammar.quoting)
        self._expander = expander_of(grammar, self.limits, self._tables, self._texts)
        if self._texts.compiled_grammars:
            # the locks of grammars inside strings are taken while this one's is held
            self.height = 1 + max(text_grammar.height for text_grammar in self._texts.compiled_grammars)
            self.lock = new_lock(GRAMMARS, self.height)
        self._recorder = Recorder(self._tables, self._expander, self.vocabulary, self._masks, tokens)
        self._call_until_answered = partial(
            call_answered, self.lock, self._begin_call, self._recorder.answer_questions, self.address
        )
        self._machine = Inspection(self._expander, self._tables, self._space, self._call_until_answered)
        self._start = self._call_until_answered(state_walk.start_node)

    @property
    def used(self) -> float:
        """The share of the grammar's limits that all documents so far have used. Above 1, `fresh` should
        replace it."""
        tables = self._tables
        limits = self.limits
        size = self.nbytes + self._recorder.nbytes + ENTRY_BYTES * tables.count(L.T_RES)
        automaton_states = max(self._expander.strings.count, self._expander.numbers.count)
        shares = [
            size / limits.grammar_memory,
            # half of the allowed states count as the whole limit
            2 * automaton_states / limits.automaton_states,
            2 * tables.most_interned / limits.parser_states,
        ]
        shares += [text_grammar.used for text_grammar in self._texts.compiled_grammars]
        return max(shares)

    @property
    def network(self) -> Network:
        """The network of the schema, for callers who ask it directly."""
        return self._expander.network

    def _compute_mask(self, index: int, target: int) -> int:
        return self._call_until_answered(mask_filling.compute_mask, index, target)

    def walk_bound(self, index: int) -> int:
        """Return `mask_filling.compute_bound` of a state."""
        with self.lock, self._begin_call():
            self._attach_workspace()
            return self._call_until_answered(mask_filling.compute_bound, index)

    def _compute_bounded(self, index: int) -> int | None:
        """Work out and memoise the mask of a state, and its bound in the same walk."""
        with self.lock:
            code = self.walk_bound(index)
            if code == LARGE:
                self._keep_large(index, 0)
                return None
            # where all is known nobody asks the completions, which may have to be made
            return self._remember_budget(index, code or self.completions.sufficient_as_walked(index, code))

    # --- states ---------------------------------------------------------------------------------------------

    def _next_bytes(self, index: int) -> bytes:
        return self._machine.next_bytes(index)

    def _list_expected(self, index: int) -> list[Expected]:
        return list_expected(self._machine, index)

    def value(self, text: bytes) -> Any:
        """Return the value of a document; see CompiledGrammar."""
        return value_of(text, self._takes_only_integers, self.limits.number_chars)

    def _takes_only_integers(self, text_before: bytes) -> bool:
        """Return whether every numeral that begins with the last byte of a text is an integer."""
        with self.lock:
            index = self._machine.state_after(self._start, text_before)
            return index >= 0 and self._machine.takes_only_integers(index)

    def to_dfa(
        self,
        max_states: int,
        depth: int | None = None,
        *,
        minimal: bool = False,
        repeated_keys: bool = False,
        named_keys: bool = False,
    ) -> Dfa:
        """Return the explicit automaton of all states over classes of tokens, a `Dfa` of structgen.core;
        with `minimal`, states with the same continuations are one.

        `depth`: documents with more open brackets are left out; None: none are. `repeated_keys`: the
        automaton takes besides the documents in which keys come again that the schema does not name.
        `named_keys`: it takes only the documents in which no object has a key without a name in the schema,
        if the schema names keys of it. Without either, objects with such keys have endlessly many states.
        Raises LimitError, naming max_states, where there are more states (such objects; a recursive schema
        without a depth); UnsatisfiableSchema where no document is left. Cost: some microseconds for each
        state and byte, 0.1 us a byte of the vocabulary.
        """
        # start-up: few grammars become explicit automata
        from structgen.machines.core.dfa import explicit_automaton

        after = partial(self._machine.after_all, repeated_keys=repeated_keys, named_keys=named_keys)
        with self.lock:
            return explicit_automaton(self, after, max_states, depth, minimal, leaves_out=named_keys)

    @property
    def has_depth(self) -> bool:
        """Brackets are counted, and in a string that is held to a grammar what that counts."""
        return True

    def depth_of(self, index: int) -> int:
        """Return how many brackets are open in a state, and how deep the text of a grammar is in it."""
        with self.lock:
            registers = self._machine.registers(index)
            live = self._machine.live(registers)
            depths: list[int] = []
            if live is not None:
                depths = [way.reader.machine.depth_of(state) for way, state in live.alive_ways()]
            return self._machine.brackets(registers) + max(depths, default=0)

    # --- completion -----------------------------------------------------------------------------------------

    @cached_property
    def completions(self) -> Completer:
        """The shortest completions; made when they are first asked for: of most grammars they never are."""
        return Completer(self._machine, self.vocabulary, self, self.grammar.quoting)

    @property
    def nbytes(self) -> int:
        """Bytes of the grammar's own tables: states, masks as lists, automata;
        not the store's nor the vocabulary's."""
        automata = self._expander.strings.trans.nbytes + self._expander.numbers.trans.nbytes
        return int(self._tables.nbytes() + automata)

    @property
    def sizes(self) -> dict[str, int]:
        """How far the grammar is expanded: states of the machine and of string automata, and bytes."""
        return {
            "machine_states": self._tables.count(L.T_NODE),
            "string_states": self._expander.strings.count,
            "table_bytes": self.nbytes,
        }
