"""Certified states: parser states from which a text can be completed, whatever is below them on the stack.

A place is proved live by the shortest completions of the rules under way, down to the bottom of the stack
(`continuation_proofs`). That takes a proof for each stack. But a completion depends on little of the stack:
on the state to which its rule's reduction leads, and on the next terminal. So one proof for a state suffices,
by an invariant: whatever state is below, the parser takes the next terminal (no action was lost in a
conflict), and the lexer recognises it. A state is certified only if all states to which its completion leads
are certified. Places of other states are proved one by one.

The search is compiled (`certified_states_search`); this file prepares its input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, chain
from typing import Any

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.compiled.registers import LAST_RULE
from structgen.lark_grammars.liveness import certified_states_search as S
from structgen.lark_grammars.liveness.certified_states_search import Search
from structgen.lark_grammars.reading.loaded_grammar import ParserTables
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import word_of, words_of

_Completion = tuple[int, int, Sequence[int]]


class CertifiedStates:
    """The certified states of one grammar. Cost: about 2 us for each parser state, besides its completion and
    the questions to the lexer."""

    def __init__(
        self,
        tables: ParserTables,
        completion_of: Callable[[int], _Completion],
        separability: Callable[[int, int], int],
    ) -> None:
        """`completion_of`, `separability`: of `ContextualLanguage`."""
        self._separability = separability
        self._words = np.zeros(words_of(Search), np.int64)
        self._arrays: list[npt.NDArray[Any]] = []
        self._address = address_of(self._words)
        self._put_tables(tables)
        self._put_completions([completion_of(state) for state in range(len(tables.kernels))])
        self._separations = self._zeros("separations", np.uint8, len(tables.contexts), len(tables.terminals))
        self._questions = self._zeros("questions", np.int32, S.MOST_QUESTIONS, 2)
        self._make_room(len(tables.kernels), len(tables.terminals), len(tables.nonterminals))
        S.find_predecessors(self._address)
        self._find_balances(tables)

    def find(self) -> npt.NDArray[np.uint8]:
        """Return for each parser state its flags CERTIFIED_..., or EXCLUDING."""
        while count := S.find_certified(self._address):
            for context, terminal in self._questions[:count].tolist():
                self._separations[context, terminal] = self._separability(context, terminal)
            self._words[Search.question_count] = 0
        return self._found.copy()

    def _put(self, field: str, array: npt.NDArray[Any]) -> None:
        self._arrays.append(array)
        self._words[word_of(Search, field)] = address_of(array)

    def _zeros(self, field: str, kind: type[Any], *shape: int) -> npt.NDArray[Any]:
        array: npt.NDArray[Any] = np.zeros(shape, kind)
        self._put(field, array)
        return array

    def _put_lists(self, begins: str, field: str, lists: Sequence[Sequence[int]]) -> None:
        """Store some lists one after the other, and their beginnings."""
        self._put(begins, np.array([0, *accumulate(map(len, lists))], np.int32))
        self._put(field, np.array([*chain.from_iterable(lists), 0], np.int32))

    def _put_tables(self, tables: ParserTables) -> None:
        words, rules, indentation = self._words, tables.rules, tables.indentation
        words[Search.states], words[Search.terminals] = len(tables.kernels), len(tables.terminals)
        words[Search.nonterminals], words[Search.rules] = len(tables.nonterminals), len(rules)
        words[Search.start], words[Search.end] = tables.start, tables.end
        words[Search.newline] = words[Search.indent] = words[Search.dedent] = -1
        if indentation is not None:
            words[Search.newline], words[Search.indent] = indentation.newline, indentation.indent
            words[Search.dedent] = indentation.dedent
        self._put("actions", np.ascontiguousarray(tables.actions, np.int32))
        self._put("gotos", np.ascontiguousarray(tables.gotos, np.int32))
        self._put("contexts", np.ascontiguousarray(tables.context_of, np.int32))
        self._zeros("ignored", np.uint8, len(tables.terminals))[sorted(tables.ignored)] = 1
        self._put("origins", np.array([rule.origin for rule in rules], np.int32))
        self._put_lists("rule_begins", "symbols", [rule.symbols for rule in rules])
        roots = [tables.nonterminals[rule.origin].startswith("$root_") for rule in rules]
        self._put("roots", np.array(roots, np.uint8))
        kernels = [[*chain.from_iterable(kernel)] for kernel in tables.kernels]
        self._put_lists("kernel_begins", "kernels", kernels)

    def _put_completions(self, completions: list[_Completion]) -> None:
        rules = [rule for rule, _dot, _of in completions]
        self._put("completed_rules", np.array([rule & ~LAST_RULE for rule in rules], np.int32))
        self._put("completed_dots", np.array([dot for _rule, dot, _of in completions], np.int32))
        self._put("completes_text", np.array([rule >= LAST_RULE for rule in rules], np.uint8))
        terminals = [of for _rule, _dot, of in completions]
        self._put_lists("completion_begins", "completions", terminals)

    def _make_room(self, states: int, terminals: int, nonterminals: int) -> None:
        of_states, of_terminals = (states + 63) // 64, (terminals + 63) // 64
        for field in ("barred", "to_bar", "reached"):
            self._zeros(field, np.uint8, states)
        for field in ("marks", "frontier", "next_frontier"):
            self._zeros(field, np.int32, states)
        for field in ("followers", "no_terminals"):
            self._zeros(field, np.int64, of_terminals)
        for field in ("pair_marks", "pair_queue"):
            self._zeros(field, np.int32, states, nonterminals)
        for field in ("successors", "item_origins"):
            self._zeros(field, np.int64, states, of_states)
        for field in ("stack", "copy"):
            self._zeros(field, np.int32, S.DEEPEST)
        self._zeros("next_terminals", np.int64, states, of_terminals)
        self._zeros("inside_brackets", np.int64, of_states)
        self._zeros("modes_after", np.int32, states, S.MOST_MODES)
        self._zeros("failing", np.int64, S.MOST_MODES, of_states)
        self._zeros("predecessor_begins", np.int32, states + 1)
        self._zeros("predecessors", np.int32, states * (terminals + nonterminals))
        self._found = self._zeros("found", np.uint8, states)

    def _find_balances(self, tables: ParserTables) -> None:
        """Compute how many more brackets and blocks each nonterminal opens than it closes. Rules without a
        single such number are excluded: the stack alone must determine what is open at a place."""
        terminals, nonterminals = len(tables.terminals), len(tables.nonterminals)
        brackets = self._zeros("balances", np.int32, terminals + nonterminals)
        self._zeros("unbalanced", np.uint8, len(tables.rules))
        for field in ("varying", "known", "conflicting", "added", "parts"):
            self._zeros(field, np.uint8, nonterminals)
        indentation = tables.indentation
        if indentation is not None:
            blocks = np.zeros_like(brackets)
            brackets[sorted(indentation.opening)] = 1
            brackets[sorted(indentation.closing)] = -1
            blocks[indentation.indent], blocks[indentation.dedent] = 1, -1
            flags = S.UNBALANCED_BRACKETS | S.NO_BALANCE
            S.find_unbalanced_rules(self._address, address_of(brackets), flags)
            S.find_unbalanced_rules(self._address, address_of(blocks), S.NO_BALANCE)
