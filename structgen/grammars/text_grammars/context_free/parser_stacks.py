"""Represents sets of parser stacks as numbers, so that equal sets are equal numbers.

An ambiguous text has several parser stacks. They are stored in one shared graph, Tomita's graph-structured
stack. A *node* is a state on top, with the nodes below it, at most one for each state; it stands for a set of
stacks. Equal sets are the same node. A *state* is an LR(0) item set (Knuth), made when it is needed. An
*item* is a rule with a *dot*, the position up to which the rule was read: `sum -> sum . "+" one`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from structgen.base.errors import LimitError
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.base.system.public_calls import NUMBERS, THIS_CALL
from structgen.grammars.text_grammars.context_free.rules import Rules, group_by_first

Item: TypeAlias = "tuple[int, int]"
"""An LR(0) item: a rule, and the position of its dot. The rule -1 is that of the whole text."""
Kernel: TypeAlias = "tuple[Item, ...]"
"""The items that identify a state of the automaton, sorted."""
ROOT: Final = 0
"""The node of the empty stack; its state is 0."""


class Items:
    """The LR(0) automaton of some rules, built on demand; a state is the kernel of an item set."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._of = group_by_first((lhs, index) for index, (lhs, _) in enumerate(rules.rules))
        self.kernels: list[Kernel] = [()]
        self._numbers: dict[Kernel, int] = {}
        self.reductions: list[tuple[Item, ...]] = [()]
        """For each state its reductions: pairs of the left side and the length of each rule whose dot is at
        the end."""

    def state_of_kernel(self, kernel: Kernel) -> int:
        number = self._numbers.get(kernel)
        if number is None:
            # 1 +: the state 0, before the text, has no kernel that the dictionary could hold
            number = 1 + len(self._numbers)
            reductions: list[Item] = []
            for rule, dot in kernel:
                if rule >= 0:
                    lhs, rhs = self.rules.rules[rule]
                    if dot == len(rhs):
                        reductions.append((lhs, dot))
            # the dictionary is written last, so that remains of an interrupted call are overwritten
            self.kernels[number:] = (kernel,)
            self.reductions[number:] = (tuple(reductions),)
            self._numbers[kernel] = number
        return number

    @remember_answers
    def kernels_after(self, state: int) -> dict[int, Kernel]:
        """Return for each symbol that may follow in a state the kernel after it (closure and goto)."""
        items_of: dict[int, list[Item]] = {}
        visited: set[int] = set()
        pending: list[int] = []

        def items_after(symbol: int) -> list[Item]:
            """Return the items after a symbol; the rules of a new nonterminal are open from now on."""
            if symbol >= self.rules.terminals and symbol not in visited:
                visited.add(symbol)
                pending.append(symbol)
            return items_of.setdefault(symbol, [])

        if state == 0:
            items_after(self.rules.start).append((-1, 1))
        for rule, dot in self.kernels[state]:
            if rule >= 0:
                _, rhs = self.rules.rules[rule]
                if dot < len(rhs):
                    items_after(rhs[dot]).append((rule, dot + 1))
        # the closure: the rules of each nonterminal that may follow begin here, too
        while pending:
            for rule in self._of.get(pending.pop(), ()):
                _, rhs = self.rules.rules[rule]
                items_after(rhs[0]).append((rule, 1))
        return {symbol: tuple(sorted(items)) for symbol, items in items_of.items()}

    @remember_answers
    def state_after(self, state: int, symbol: int) -> int:
        """Return the state after a symbol that may follow."""
        return self.state_of_kernel(self.kernels_after(state)[symbol])

    def is_accepting(self, state: int) -> bool:
        """Return whether the whole text has been read in a state."""
        # the rule of the whole text has the smallest number, so that its item is the first
        return (-1, 1) in self.kernels[state][:1]

    def next_terminals(self, state: int) -> tuple[int, ...]:
        """Return the terminals that may follow in a state."""
        symbols = self.kernels_after(state)
        return tuple(sorted(symbol for symbol in symbols if symbol < self.rules.terminals))


class Stacks:
    """The nodes of one grammar. Raises `LimitError` beyond `Limits.parser_states` nodes."""

    def __init__(self, items: Items, limits: Limits) -> None:
        self.items = items
        self._max_states = limits.parser_states
        self.states: list[int] = [0]
        """For each node the state on top."""
        self.below: list[tuple[int, ...]] = [()]
        """For each node the nodes below it, ordered by their state."""
        self._numbers: dict[tuple[int, tuple[int, ...]], int] = {(0, ()): ROOT}
        self._merged_nodes: dict[tuple[int, int], int] = {}
        """The results of `merge_nodes`: two nodes -> their union."""
        self._reduced_nodes: dict[int, tuple[int, ...]] = {}
        """The results of `reduce_node`: a node -> the nodes after reductions."""
        self._heights: list[int] = []

    def __len__(self) -> int:
        return len(self.states)

    def make_node(self, state: int, below: tuple[int, ...]) -> int:
        """Return the node of a state and the nodes below it. Raises `LimitError` (parser_states)."""
        key = (state, below)
        number = self._numbers.get(key)
        if number is None:
            if len(self.states) >= self._max_states:
                raise LimitError(
                    f"The parser has more than {self._max_states} stacks.",
                    limit="parser_states",
                    where="grammar",
                )
            # slices, and the dictionary last: remains of an interrupted call are overwritten
            number = len(self._numbers)
            self.states[number:] = (state,)
            self.below[number:] = (below,)
            self._numbers[key] = number
        return number

    def stack_height(self, node: int) -> int:
        """Return the number of states above the root in the highest stack of a node."""
        heights = self._heights
        for number in range(len(heights), node + 1):
            # the nodes below a node are older than it, so that their heights are known
            heights_below = (heights[below] for below in self.below[number])
            heights.append(max(heights_below, default=-1) + 1)
        return heights[node]

    def push_symbol(self, node: int, symbol: int) -> int:
        """Return a stack with a symbol read on top of it."""
        state = self.items.state_after(self.states[node], symbol)
        return self.make_node(state, (node,))

    def tops_after(self, node: int, terminal: int) -> tuple[int, ...]:
        """Return the stacks after a terminal and all reductions that may follow it."""
        return self.reduce_node(self.push_symbol(node, terminal))

    def merge_nodes(self, first_node: int, second_node: int) -> int:
        """Return the union of two sets of stacks with the same state on top."""
        # a list of open pairs in place of recursion: stacks are higher than Python's own stack
        pending = [(first_node, second_node)]
        while pending:
            pair = pending[-1]
            first, second = pair
            if first == second or pair in self._merged_nodes:
                pending.pop()
                continue
            below_by_state = {self.states[node]: node for node in self.below[first]}
            missing: list[tuple[int, int]] = []
            for node in self.below[second]:
                state = self.states[node]
                mate = below_by_state.get(state, node)
                if mate != node:
                    key = (mate, node)
                    if key in self._merged_nodes:
                        node = self._merged_nodes[key]
                    else:
                        missing.append(key)
                below_by_state[state] = node
            if missing:
                # the pair stays: it comes again when the unions below it are known
                pending += missing
                continue
            THIS_CALL.count_work(NUMBERS)
            below = tuple(below_by_state[state] for state in sorted(below_by_state))
            number = self.make_node(self.states[first], below)
            self._merged_nodes[pair] = number
            self._merged_nodes[second, first] = number
            pending.pop()
        if first_node == second_node:
            return first_node
        return self._merged_nodes[first_node, second_node]

    def group_by_top(self, nodes: Iterable[int]) -> dict[int, int]:
        """Return a set of stacks as a dict: the state on top -> the node of all stacks with this state."""
        stacks: dict[int, int] = {}
        for node in nodes:
            state = self.states[node]
            mate = stacks.get(state)
            stacks[state] = node if mate is None else self.merge_nodes(mate, node)
        return stacks

    def nodes_below(self, node: int, depth: int) -> Iterable[int]:
        """Return the nodes `depth` places below a node."""
        # a dict keeps the order, so that answers do not depend on the hashes of numbers
        level: dict[int, None] = {node: None}
        for _ in range(depth):
            level = dict.fromkeys(below for upper in level for below in self.below[upper])
        return level

    def reduce_node(self, node: int) -> tuple[int, ...]:
        """Return the stacks after all sequences of reductions of a stack, itself among them, on which a
        terminal may follow or the text may end. Stacks with the same state on top are one node; the nodes are
        ordered by that state.

        The answer is the union of the remembered answers of the stacks after one reduction. Its cost is
        therefore that of the symbols shifted since the last answer.
        """
        memo = self._reduced_nodes
        items = self.items
        pending = [node]
        while pending:
            top = pending[-1]
            if top in memo:
                pending.pop()
                continue
            state = self.states[top]
            # the stacks after one reduction; a dict, since two reductions may lead to the same stack
            reduced: dict[int, None] = {}
            for lhs, length in items.reductions[state]:
                for under in self.nodes_below(top, length):
                    reduced[self.push_symbol(under, lhs)] = None
            missing = [stack for stack in reduced if stack not in memo]
            if missing:
                # no cycle is possible here: no nonterminal derives itself alone (`rules`)
                pending += missing
                continue
            stacks: dict[int, None] = {}
            if items.is_accepting(state) or items.next_terminals(state):
                stacks[top] = None
            for stack in reduced:
                stacks.update(dict.fromkeys(memo[stack]))
            if len(stacks) > 1:
                by_state = sorted(self.group_by_top(stacks).items())
                stacks = dict.fromkeys(stack for _, stack in by_state)
            memo[top] = tuple(stacks)
            pending.pop()
        return memo[node]
