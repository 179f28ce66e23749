"""Parser states behind which a text goes on, whatever lies below them on the stack.

That a text goes on from a place is proved by a plan that is read (`continuation_proofs`): rule by rule, down
to the bottom of the stack. A place has as many plans as stacks; but what a plan needs of what is below a rule
is little: the state that the rule leads to there, and its next terminal. So it is shown for the states
once, as an invariant: whatever state may lie below, the parser takes the terminal that comes next (no action
was lost in a conflict), and the lexer tells it apart there. A state whose plan meets one of which that is not
shown is not sure; its places are proved one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, chain
from typing import Any

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.compiled.registers import LAST_RULE
from structgen.lark_grammars.liveness import certified_states_search as S
from structgen.lark_grammars.reading.loaded_grammar import ParserTables
from structgen.native.raw_memory import address_of

_Plan = tuple[int, int, Sequence[int]]


class CertifiedStates:
    """The sure states of one grammar. Cost: some 2 us for each state of the parser, besides its plan and what
    is asked of the lexer."""

    def __init__(
        self,
        tables: ParserTables,
        plan_of: Callable[[int], _Plan],
        cleanness: Callable[[int, int], int],
    ) -> None:
        """`plan_of`, `cleanness`: of `ContextualLanguage`."""
        self._cleanness = cleanness
        self._words = np.zeros(S.S_WORDS, np.int64)
        self._kept: list[npt.NDArray[Any]] = []
        self._address = address_of(self._words)
        self._put_tables(tables)
        self._put_plans([plan_of(state) for state in range(len(tables.kernels))])
        self._clean = self._zeros(S.S_CLEAN, np.uint8, len(tables.contexts), len(tables.terminals))
        self._notes = self._zeros(S.S_NOTES, np.int32, S.MOST_NOTES, 2)
        self._make_room(len(tables.kernels), len(tables.terminals), len(tables.nonterminals))
        S.put_leads(self._address)
        self._balance(tables)

    def find(self) -> npt.NDArray[np.uint8]:
        """Return for each parser state SURE_APART, SURE_BARE and SURE_LINE, those that hold; or BARRED."""
        while count := S.find_sure(self._address):
            for context, terminal in self._notes[:count].tolist():
                self._clean[context, terminal] = self._cleanness(context, terminal)
            self._words[S.S_NOTED] = 0
        return self._found.copy()

    def _put(self, word: int, array: npt.NDArray[Any]) -> None:
        self._kept.append(array)
        self._words[word] = address_of(array)

    def _zeros(self, word: int, kind: type[Any], *shape: int) -> npt.NDArray[Any]:
        array: npt.NDArray[Any] = np.zeros(shape, kind)
        self._put(word, array)
        return array

    def _put_lists(self, begins: int, word: int, lists: Sequence[Sequence[int]]) -> None:
        """Put some lists one behind the other, and where each begins."""
        self._put(begins, np.array([0, *accumulate(map(len, lists))], np.int32))
        self._put(word, np.array([*chain.from_iterable(lists), 0], np.int32))

    def _put_tables(self, tables: ParserTables) -> None:
        words, rules, indentation = self._words, tables.rules, tables.indentation
        words[S.S_STATES], words[S.S_TERMINALS] = len(tables.kernels), len(tables.terminals)
        words[S.S_NONTERMINALS], words[S.S_RULES] = len(tables.nonterminals), len(rules)
        words[S.S_START], words[S.S_END] = tables.start, tables.end
        words[S.S_NEWLINE] = words[S.S_INDENT] = words[S.S_DEDENT] = -1
        if indentation is not None:
            words[S.S_NEWLINE], words[S.S_INDENT] = indentation.newline, indentation.indent
            words[S.S_DEDENT] = indentation.dedent
        self._put(S.S_ACTIONS, np.ascontiguousarray(tables.actions, np.int32))
        self._put(S.S_GOTOS, np.ascontiguousarray(tables.gotos, np.int32))
        self._put(S.S_CONTEXTS, np.ascontiguousarray(tables.context_of, np.int32))
        self._zeros(S.S_IGNORED, np.uint8, len(tables.terminals))[sorted(tables.ignored)] = 1
        self._put(S.S_ORIGINS, np.array([rule.origin for rule in rules], np.int32))
        self._put_lists(S.S_RULE_BEGINS, S.S_SYMBOLS, [rule.symbols for rule in rules])
        roots = [tables.nonterminals[rule.origin].startswith("$root_") for rule in rules]
        self._put(S.S_ROOTS, np.array(roots, np.uint8))
        kernels = [[*chain.from_iterable(kernel)] for kernel in tables.kernels]
        self._put_lists(S.S_KERNEL_BEGINS, S.S_KERNELS, kernels)

    def _put_plans(self, plans: list[_Plan]) -> None:
        self._put(S.S_PLAN_RULES, np.array([rule & ~LAST_RULE for rule, _dot, _of in plans], np.int32))
        self._put(S.S_PLAN_DOTS, np.array([dot for _rule, dot, _of in plans], np.int32))
        self._put(S.S_PLAN_LAST, np.array([rule >= LAST_RULE for rule, _dot, _of in plans], np.uint8))
        self._put_lists(S.S_PLAN_BEGINS, S.S_PLANS, [terminals for _rule, _dot, terminals in plans])

    def _make_room(self, states: int, terminals: int, nonterminals: int) -> None:
        of_states, of_terminals = (states + 63) // 64, (terminals + 63) // 64
        for word in (S.S_BARRED, S.S_BARRING, S.S_MET):
            self._zeros(word, np.uint8, states)
        for word in (S.S_MARKS, S.S_LIST, S.S_OTHER):
            self._zeros(word, np.int32, states)
        for word in (S.S_FOLLOW, S.S_NOTHING):
            self._zeros(word, np.int64, of_terminals)
        for word in (S.S_PAIRS, S.S_QUEUE):
            self._zeros(word, np.int32, states, nonterminals)
        for word in (S.S_AFTER, S.S_BELOWS):
            self._zeros(word, np.int64, states, of_states)
        for word in (S.S_STACK, S.S_COPY):
            self._zeros(word, np.int32, S.DEEPEST)
        self._zeros(S.S_NEXT, np.int64, states, of_terminals)
        self._zeros(S.S_INSIDE, np.int64, of_states)
        self._zeros(S.S_MODES, np.int32, states, S.MOST_MODES)
        self._zeros(S.S_BAD, np.int64, S.MOST_MODES, of_states)
        self._zeros(S.S_LEAD_BEGINS, np.int32, states + 1)
        self._zeros(S.S_LEADS, np.int32, states * (terminals + nonterminals))
        self._found = self._zeros(S.S_FOUND, np.uint8, states)

    def _balance(self, tables: ParserTables) -> None:
        """Find how many more brackets and blocks each nonterminal opens than it closes. Rules of which
        that is not one number are of no use: what is open at a place is to be what its stack says."""
        terminals, nonterminals = len(tables.terminals), len(tables.nonterminals)
        brackets = self._zeros(S.S_SUMS, np.int32, terminals + nonterminals)
        self._zeros(S.S_UNEVEN, np.uint8, len(tables.rules))
        for word in (S.S_LOOSE, S.S_KNOWN, S.S_TORN, S.S_NEW, S.S_PARTS):
            self._zeros(word, np.uint8, nonterminals)
        indentation = tables.indentation
        if indentation is not None:
            blocks = np.zeros_like(brackets)
            brackets[sorted(indentation.opening)] = 1
            brackets[sorted(indentation.closing)] = -1
            blocks[indentation.indent], blocks[indentation.dedent] = 1, -1
            S.balance(self._address, address_of(brackets), S.IS_UNEVEN | S.IS_UNEQUAL)
            S.balance(self._address, address_of(blocks), S.IS_UNEQUAL)
