"""Sets of parser stacks as canonical values: a stack of LR(0) states, many of them one shared graph.

A node of the graph-structured stack (Tomita) is a state and the nodes below it, at most one for each state;
equal sets of stacks are the same node, by number. The states are LR(0) item sets (Knuth), built on demand.
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
"""Items in order: those that a state of the automaton is told by."""
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
        """For each state its reductions: the left side and the length of each rule whose dot is at the
        end."""

    def state_of_kernel(self, kernel: Kernel) -> int:
        number = self._numbers.get(kernel)
        if number is None:
            # the dictionary is written last, so that remains of an interrupted call are overwritten
            number, completed_rules = 1 + len(self._numbers), []
            for rule, dot in kernel:
                if rule >= 0:
                    lhs, rhs = self.rules.rules[rule]
                    if dot == len(rhs):
                        completed_rules.append((lhs, dot))
            self.kernels[number:] = (kernel,)
            self.reductions[number:] = (tuple(completed_rules),)
            self._numbers[kernel] = number
        return number

    @remember_answers
    def kernels_after(self, state: int) -> dict[int, Kernel]:
        """Return for each symbol that may follow in a state the kernel after it (closure and goto)."""
        items_of: dict[int, list[Item]] = {}
        visited: set[int] = set()
        pending: list[int] = []

        def meet(symbol: int) -> list[Item]:
            if symbol >= self.rules.terminals and symbol not in visited:
                visited.add(symbol)
                pending.append(symbol)
            return items_of.setdefault(symbol, [])

        if state == 0:
            meet(self.rules.start).append((-1, 1))
        for rule, dot in self.kernels[state]:
            if rule >= 0:
                right = self.rules.rules[rule][1]
                if dot < len(right):
                    meet(right[dot]).append((rule, dot + 1))
        while pending:
            for rule in self._of.get(pending.pop(), ()):
                meet(self.rules.rules[rule][1][0]).append((rule, 1))
        return {symbol: tuple(sorted(items)) for symbol, items in items_of.items()}

    @remember_answers
    def state_after(self, state: int, symbol: int) -> int:
        """Return the state after a symbol that may follow."""
        return self.state_of_kernel(self.kernels_after(state)[symbol])

    def is_accepting(self, state: int) -> bool:
        """Return whether the whole text has been read in a state."""
        return (-1, 1) in self.kernels[state][:1]

    def next_terminals(self, state: int) -> tuple[int, ...]:
        """Return the terminals that may follow in a state."""
        return tuple(sorted(symbol for symbol in self.kernels_after(state) if symbol < self.rules.terminals))


class Stacks:
    """The nodes of one grammar. Raises `LimitError` past `Limits.parser_states` of them."""

    def __init__(self, items: Items, limits: Limits) -> None:
        self.items, self._max_states = items, limits.parser_states
        self.states: list[int] = [0]
        self.below: list[tuple[int, ...]] = [()]
        """For each node the nodes below it, ordered by their state."""
        self._numbers: dict[tuple[int, tuple[int, ...]], int] = {(0, ()): ROOT}
        self._merged_nodes: dict[tuple[int, int], int] = {}
        self._reduced_nodes: dict[int, tuple[int, ...]] = {}
        self._heights: list[int] = []

    def __len__(self) -> int:
        return len(self.states)

    def make_node(self, state: int, below: tuple[int, ...]) -> int:
        key = (state, below)
        number = self._numbers.get(key)
        if number is None:
            if len(self.states) >= self._max_states:
                raise LimitError(
                    f"The parser has more than {self._max_states} stacks.",
                    limit="parser_states",
                    where="grammar",
                )
            number = len(self._numbers)
            self.states[number:], self.below[number:] = (state,), (below,)
            self._numbers[key] = number
        return number

    def stack_height(self, node: int) -> int:
        """Return how many places the highest of a node's stacks has above the root."""
        heights = self._heights
        for number in range(len(heights), node + 1):
            # the nodes below a node are older than it
            heights.append(max((heights[below] + 1 for below in self.below[number]), default=0))
        return heights[node]

    def push_symbol(self, node: int, symbol: int) -> int:
        """Return a stack with a symbol read on top of it."""
        return self.make_node(self.items.state_after(self.states[node], symbol), (node,))

    def tops_after(self, node: int, terminal: int) -> tuple[int, ...]:
        """Return the stacks after a terminal and all reductions that may follow it."""
        return self.reduce_node(self.push_symbol(node, terminal))

    def merge_nodes(self, first_node: int, second_node: int) -> int:
        """Return the union of two sets of stacks with the same state on top."""
        pending = [(first_node, second_node)]
        while pending:
            pair = pending[-1]
            a, b = pair
            if a == b or pair in self._merged_nodes:
                pending.pop()
                continue
            sides = {self.states[node]: node for node in self.below[a]}
            missing: list[tuple[int, int]] = []
            for node in self.below[b]:
                state = self.states[node]
                mate = sides.get(state, node)
                if mate != node:
                    key = (mate, node)
                    if key in self._merged_nodes:
                        node = self._merged_nodes[key]
                    else:
                        missing.append(key)
                sides[state] = node
            if missing:
                pending += missing
                continue
            THIS_CALL.count_work(NUMBERS)
            number = self.make_node(self.states[a], tuple(sides[state] for state in sorted(sides)))
            self._merged_nodes[pair] = self._merged_nodes[b, a] = number
            pending.pop()
        return first_node if first_node == second_node else self._merged_nodes[first_node, second_node]

    def group_by_top(self, nodes: Iterable[int]) -> dict[int, int]:
        """Return a set of stacks by the state on top."""
        stacks: dict[int, int] = {}
        for node in nodes:
            state = self.states[node]
            mate = stacks.get(state)
            stacks[state] = node if mate is None else self.merge_nodes(mate, node)
        return stacks

    def nodes_below(self, node: int, depth: int) -> Iterable[int]:
        """Return the nodes `depth` places below a node."""
        level: dict[int, None] = {node: None}
        for _ in range(depth):
            level = dict.fromkeys(below for over in level for below in self.below[over])
        return level

    def reduce_node(self, node: int) -> tuple[int, ...]:
        """Return the stacks after all sequences of reductions of a stack, itself among them, on which a
        terminal may follow or the text may end. Stacks with the same state on top are one node; the nodes are
        ordered by that state.

        The answer is the union of the remembered answers of the stacks after one reduction. Its cost is
        therefore that of the symbols shifted since the last answer.
        """
        memo, items = self._reduced_nodes, self.items
        pending = [node]
        while pending:
            top = pending[-1]
            if top in memo:
                pending.pop()
                continue
            after = {
                self.push_symbol(under, lhs): None
                for lhs, length in items.reductions[self.states[top]]
                for under in self.nodes_below(top, length)
            }
            missing = [stack for stack in after if stack not in memo]
            if missing:
                pending += missing
                continue
            state = self.states[top]
            stacks = {top: None} if items.is_accepting(state) or items.next_terminals(state) else {}
            for stack in after:
                stacks.update(dict.fromkeys(memo[stack]))
            if len(stacks) > 1:
                stacks = dict.fromkeys(node for _, node in sorted(self.group_by_top(stacks).items()))
            memo[top] = tuple(stacks)
            pending.pop()
        return memo[node]
