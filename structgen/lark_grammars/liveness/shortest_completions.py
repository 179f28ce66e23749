"""The shortest completion of each parser state: which item to complete, and by which terminals.

A state has kernel items (rules under way). Always completing the cheapest one may loop: in `sum: left "+"
NAME` with `left: sum | NAME`, after `NAME` the cheapest is `left`, and the next sum begins. So the cost of an
item is that of all symbols until an item continues that began below its first symbol. Then fewer symbols are
on the stack: the completion makes progress (`RankedItems`).

The cheapest item is checked against the table and the lexer (`ItemCompletions`). If lark has dropped an
action in a conflict, the rule may not be reduced before the next terminal; then the next cheapest valid item
is taken. If the separator does not end a terminal (a newline, to which more blanks may be added), other
terminals are used if there are any (a semicolon)."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import chain, islice, pairwise
from typing import Final

import numpy as np

from structgen.language.remarks import Conflict
from structgen.lark_grammars.compiled.registers import INSEPARABLE
from structgen.lark_grammars.parser.lalr_parser import Parser, ShortestDerivations
from structgen.lark_grammars.reading.loaded_grammar import END, UNREACHABLE, ParserTables

_MOST_PREDECESSORS: Final = 64
"""The most predecessors of a state that are considered; if they differ, no item may be right for all."""
_PENALTY: Final = 1 << 20
"""Added to the cost of a terminal that the separator does not end."""
_MOST_FAILED: Final = 2
"""After so many terminals that no others can replace, replacements are no longer tried."""
_MOST_FOLLOWED: Final = 1 << 12
"""The most pairs of a state and a nonterminal that are visited to find what follows a rule."""
Completion = tuple[int, int, list[int]]
"""An item (a rule and a dot), and the terminals that complete it."""
_Item = tuple[int, int, int]
"""The bytes that an item itself still needs, its rule, and its dot."""
_Cost = tuple[int, int]
"""Bytes, and reductions."""
_NOTHING: Final = UNREACHABLE, 0


class RankedItems:
    """The items of parser states, ranked by the cost of their completions. Cost: about 20 us for a state the
    first time, and 0.1 ms for each new nonterminal."""

    def __init__(self, parser: Parser, texts: ShortestDerivations, before: RankedItems | None = None) -> None:
        """`texts`: the costs of symbols; `before`: an earlier object for the same grammar, whose predecessors
        are reused."""
        self._parser, self._tables, self.texts = parser, parser.tables, texts
        self.careful: ShortestDerivations | None = None
        """As `texts`, avoiding rules that lark may not reduce; None if there are none."""
        self.doubtful: set[int] | None = None
        """Nonterminals, as symbols, whose shortest texts use such a rule."""
        self._nearest: dict[int, Completion] = {}
        self._corners: dict[int, list[tuple[int, int]]] = {}
        """For each nonterminal, its left corners: nonterminals with which its rules begin, and the bytes that
        the rule needs after that."""
        self._predecessors: list[list[int]] | None = None if before is None else before._predecessors
        """The predecessors of each state."""
        self._end_costs: dict[int, dict[int, _Cost]] = {}
        self._waiting: dict[int, list[tuple[int, int]]] = {}
        self._around: dict[tuple[int, int], _Cost] = {}
        self._leading: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._at: dict[tuple[tuple[int, ...], int], _Cost] = {}

    def nearest(self, state: int) -> Completion:
        """Return the cheapest completion of a parser state."""
        known = self._nearest.get(state)
        if known is None:
            known = self._nearest[state] = self._completion(self._find_nearest(state))
        return known

    def _find_nearest(self, state: int) -> _Item:
        """Return the first item of `ranked`. Items that need too many bytes themselves are skipped."""
        items = self.texts.cheapest_items(state)
        chosen, least, cost_of = items[0], (4 * UNREACHABLE, 0), self._needs(state)
        for item in items if len(items) > 1 else []:
            if (item[0], 0) >= least:
                break
            needed = cost_of(item)
            if needed < least:
                chosen, least = item, needed
        return chosen

    def ranked(self, state: int) -> Iterator[Completion]:
        """Yield the completions of a parser state, the cheapest first."""
        yield from map(self._completion, sorted(self.texts.cheapest_items(state), key=self._needs(state)))

    def _completion(self, item: _Item) -> Completion:
        _cost, rule, dot = item
        return rule, dot, self.texts.terminals_of(self._tables.rules[rule].symbols[dot:])

    def _needs(self, state: int) -> Callable[[_Item], _Cost]:
        """Return the cost of each item of a state: that of all symbols until an item continues that began
        below its first symbol."""
        before: list[tuple[int, ...]] = [(state,)]

        def needed(item: _Item) -> _Cost:
            cost, rule, dot = item
            if dot == 0 or self._parser.is_root(rule):
                return cost, 0
            while len(before) <= dot:
                before.append(self._before(before[-1]))
            around = self._needed_at(before[dot], self._tables.rules[rule].origin)
            # with dot > 1, the surrounding item began below the last symbol, and continues from there
            if dot == 1:
                return cost + around[0], around[1]
            return cost + (around[0] if around[0] >= UNREACHABLE else 0), 0

        return needed

    def _before(self, states: tuple[int, ...]) -> tuple[int, ...]:
        """Return predecessors of some states."""
        known = self._leading.get(states)
        if known is None:
            found = dict.fromkeys(one for state in states for one in self.predecessors(state))
            known = self._leading[states] = tuple(islice(found, _MOST_PREDECESSORS))
        return known

    def predecessors(self, state: int) -> list[int]:
        """Return the predecessors of a state: those from which a symbol leads to it."""
        if self._predecessors is None:
            self._predecessors = self._find_predecessors()
        return self._predecessors[state]

    def _needed_at(self, states: tuple[int, ...], nonterminal: int) -> _Cost:
        """Return the largest cost around a nonterminal in some states (`_needed`); UNREACHABLE if the table
        has an error in all of them."""
        key = states, nonterminal
        known = self._at.get(key)
        if known is None:
            known = self._at[key] = max((self._needed(one, nonterminal) for one in states), default=_NOTHING)
        return known

    def _find_predecessors(self) -> list[list[int]]:
        tables, count = self._tables, len(self._tables.kernels)
        gotos, shifts = np.flatnonzero(tables.gotos >= 0), np.flatnonzero(tables.actions > 0)
        sources = np.concatenate([gotos // tables.gotos.shape[1], shifts // tables.actions.shape[1]])
        targets = np.concatenate([tables.gotos.reshape(-1)[gotos], tables.actions.reshape(-1)[shifts] - 1])
        order = np.argsort(targets, kind="stable")
        ends = np.searchsorted(targets[order], np.arange(count + 1)).tolist()
        ordered: list[int] = sources[order].tolist()
        return [ordered[first:last] for first, last in pairwise(ends)]

    def _needed(self, state: int, nonterminal: int) -> _Cost:
        """Return the cost between a nonterminal that was read from a state and the next symbol of a kernel
        item of that state."""
        key = state, nonterminal
        known = self._around.get(key)
        if known is None:
            known = _NOTHING
            for under_way, least in self._after_dots(state):
                cost = self._costs_to_end(under_way).get(nonterminal)
                if cost is not None:
                    known = min(known, (cost[0] + least, cost[1]))
            self._around[key] = known
        return known

    def _after_dots(self, state: int) -> list[tuple[int, int]]:
        """Return the nonterminals after the dots of a state's kernel items, and the least bytes that such an
        item needs after that."""
        known = self._waiting.get(state)
        if known is None:
            texts, rules = self.texts, self._tables.rules
            least: dict[int, int] = {}
            for rule, dot in self._tables.kernels[state]:
                symbols = rules[rule].symbols[dot:]
                if symbols and symbols[0] < 0 and not texts.is_loose(rule):
                    nonterminal = -1 - symbols[0]
                    least[nonterminal] = min(
                        least.get(nonterminal, 2 * UNREACHABLE), texts.least(symbols[1:])
                    )
            known = self._waiting[state] = list(least.items())
        return known

    def _costs_to_end(self, nonterminal: int) -> dict[int, _Cost]:
        """Return, for each left corner of a nonterminal (transitively), the cost from its end to the end of
        the nonterminal."""
        known = self._end_costs.get(nonterminal)
        if known is None:
            known = self._end_costs[nonterminal] = {}
            queue: list[tuple[int, int, int]] = [(0, 0, nonterminal)]
            while queue:
                cost, steps, here = heapq.heappop(queue)
                if here in known:
                    continue
                known[here] = cost, steps
                for part, least in self._left_corners(here):
                    if part not in known:
                        heapq.heappush(queue, (cost + least, steps + 1, part))
        return known

    def _left_corners(self, nonterminal: int) -> list[tuple[int, int]]:
        """Return the direct left corners of a nonterminal, and the bytes that its rules need after them."""
        if not self._corners:
            texts = self.texts
            for number, rule in enumerate(self._tables.rules):
                parts = self._corners.setdefault(rule.origin, [])
                if rule.symbols and rule.symbols[0] < 0 and not texts.is_loose(number):
                    parts.append((-1 - rule.symbols[0], texts.least(rule.symbols[1:])))
        return self._corners.get(nonterminal, [])


class ItemCompletions:
    """The shortest completions of one grammar. Cost: besides `RankedItems`, 30 us for a state with conflicts,
    some milliseconds if they affect its completion, and some for a terminal that is avoided."""

    def __init__(self, parser: Parser, separability: Callable[[int, int], int]) -> None:
        """`separability`: of `ContextualLanguage`."""
        self._parser, self._tables, self._separability = parser, parser.tables, separability
        self._found: dict[int, Completion] = {}
        self._below_of: dict[tuple[int, int], list[int]] = {}
        self._successors_of: dict[tuple[int, int, int], list[int]] = {}
        self._dropped = _dropped(parser.tables.remarks.conflicts, parser.tables)
        """For each rule that lost a reduction in a conflict: the terminals before which it did."""
        self._avoided: set[int] = set()
        self._failed = 0

    @cached_property
    def _ranked(self) -> RankedItems:
        return RankedItems(self._parser, self._parser.texts)

    def of(self, state: int) -> Completion:
        """Return the shortest completion of a parser state."""
        known = self._found.get(state)
        if known is None:
            known = self._found[state] = self._find(self._ranked, state)
        return known

    def _find(self, ranked: RankedItems, state: int) -> Completion:
        nearest = ranked.nearest(state)
        if not (self._dropped and self._is_doubtful(ranked, nearest)) or self._is_read(
            ranked, state, nearest
        ):
            return nearest
        for completion in chain(ranked.ranked(state), self._careful(ranked, state)):
            rule, dot, _terminals = completion
            # an item that leads back to its own state would be chosen again
            is_circular = dot == 1 and state in self._successors(state, rule, dot)
            if not is_circular and self._is_read(ranked, state, completion):
                return completion
        return nearest

    def _careful(self, ranked: RankedItems, state: int) -> Iterator[Completion]:
        """Yield completions whose terminals avoid, if possible, rules that lark may not reduce."""
        if ranked.careful is None:
            ranked.careful = ShortestDerivations(self._tables, ranked.texts.terminals, self._dropped)
        texts = ranked.careful
        for rule, dot, _terminals in ranked.ranked(state):
            yield rule, dot, texts.terminals_of(self._tables.rules[rule].symbols[dot:])

    # --- checked against the lexer --------------------------------------------------------------------------

    def avoid(self, terminal: int) -> list[int]:
        """Replace a terminal that the separator does not end, if others can stand for it. Return the states
        whose completions were changed."""
        if terminal in self._avoided or self._failed == _MOST_FAILED:
            return []
        using = [
            state
            for state, completion in self._found.items()
            if terminal in completion[2] and not self._is_separated(state, completion)
        ]
        if not using:
            return []
        self._avoided.add(terminal)
        costs = list(self._ranked.texts.terminals)
        costs[terminal] += _PENALTY
        ranked = RankedItems(self._parser, ShortestDerivations(self._tables, costs), self._ranked)
        if not any(self._is_separated(state, self._find(ranked, state)) for state in using):
            self._failed += 1
            return []
        self._ranked = ranked
        for state in using:
            del self._found[state]
        return using

    def _is_separated(self, state: int, completion: Completion) -> bool:
        """Return whether the separator ends the terminals of a completion."""
        indentation, stack = self._tables.indentation, [state]
        made = () if indentation is None else (indentation.indent, indentation.dedent)
        for terminal in completion[2]:
            if terminal == END:
                break
            context = int(self._tables.context_of[stack[-1]])
            if terminal not in made and self._separability(context, terminal) == INSEPARABLE:
                return False
            if not self._shift(stack, terminal):
                return False
        return True

    # --- checked against the table --------------------------------------------------------------------------

    def _is_doubtful(self, ranked: RankedItems, completion: Completion) -> bool:
        """Return whether a completion reduces by a rule that lost a reduction."""
        rule, dot, _terminals = completion
        if ranked.doubtful is None:
            rules = [self._tables.rules[one] for one in self._dropped]
            ranked.doubtful = ranked.texts.using({(one.origin, one.symbols) for one in rules})
        return rule in self._dropped or not ranked.doubtful.isdisjoint(self._tables.rules[rule].symbols[dot:])

    def _is_read(self, ranked: RankedItems, state: int, completion: Completion) -> bool:
        """Return whether the parser takes the terminals of a completion, and reduces its rule before every
        first terminal of the shortest completions around it."""
        rule, dot, terminals = completion
        if self._parser.is_root(rule):
            return True
        stack = [state]
        if not all(self._shift(stack, terminal) for terminal in terminals):
            return False
        left = len(self._tables.rules[rule].symbols) - dot
        actions = self._parser.actions[stack[-1]]
        before = (terminal for terminal, action in enumerate(actions) if action < 0)
        ended = next(filter(None, (self._ended(stack, rule, left, one) for one in before)), None)
        if ended is None:
            return False
        dropped = set[int]().union(*(self._dropped[one] for one in ended if one in self._dropped))
        stuck = {one for one in dropped if not self._ended(stack, rule, left, one)}
        return not (stuck and self._is_followed(ranked, state, rule, dot, stuck))

    def _is_followed(self, ranked: RankedItems, state: int, rule: int, dot: int, terminals: set[int]) -> bool:
        """Return whether one of some terminals may follow an item of a state, on some stack."""
        tables, gotos = self._tables, self._parser.gotos
        if not self._may_follow(ranked, self._successors(state, rule, dot), terminals):
            return False
        # `_may_follow` merges states below; here each pair of a state below and a nonterminal is separate
        pending = [(below, tables.rules[rule].origin) for below in self._below(state, dot)]
        seen = set(pending)
        for below, nonterminal in pending:
            after = gotos[below][nonterminal]
            if after < 0:
                continue
            rule, dot, needed = self._found.get(after) or ranked.nearest(after)
            if needed:
                if needed[0] in terminals:
                    return True
            elif len(seen) < _MOST_FOLLOWED:
                origin = tables.rules[rule].origin
                further = {(one, origin) for one in self._below(below, dot - 1)} - seen
                seen |= further
                pending += further
        return False

    def _may_follow(self, ranked: RankedItems, states: list[int], terminals: set[int]) -> bool:
        """Return whether completions from some states may begin with one of some terminals."""
        pending = states.copy()
        seen = set(pending)
        for state in pending:
            rule, dot, needed = self._found.get(state) or ranked.nearest(state)
            if needed:
                if needed[0] in terminals:
                    return True
            else:
                further = set(self._successors(state, rule, dot)) - seen
                seen |= further
                pending += further
        return False

    def _successors(self, state: int, rule: int, dot: int) -> list[int]:
        """Return the states to which an item of a state leads, over all stacks."""
        key = state, rule, dot
        known = self._successors_of.get(key)
        if known is None:
            origin = self._tables.rules[rule].origin
            found = {self._parser.gotos[below][origin] for below in self._below(state, dot)} - {-1}
            known = self._successors_of[key] = list(found)
        return known

    def _below(self, state: int, count: int) -> list[int]:
        """Return the states that may be so many symbols below a state."""
        if count == 0:
            return [state]
        key = state, count
        known = self._below_of.get(key)
        if known is None:
            under = dict.fromkeys(
                one for above in self._below(state, count - 1) for one in self._ranked.predecessors(above)
            )
            known = self._below_of[key] = list(under)
        return known

    def _shift(self, stack: list[int], terminal: int) -> bool:
        """Feed a terminal; return whether the parser takes it without looking below the stack."""
        while True:
            action = self._parser.actions[stack[-1]][terminal]
            if action > 0:
                stack.append(action - 1)
            if action >= 0:
                return action > 0
            if not self._reduce(stack, action):
                return False

    def _reduce(self, stack: list[int], action: int) -> bool:
        rule = self._tables.rules[-1 - action]
        size = len(rule.symbols)
        if size >= len(stack):
            return False
        del stack[len(stack) - size :]
        stack.append(self._parser.gotos[stack[-1]][rule.origin])
        return stack[-1] >= 0

    def _ended(self, stack: list[int], rule: int, left: int, terminal: int) -> list[int] | None:
        """Return the rules that the parser reduces before a terminal, up to a rule with so many symbols above
        the bottom of the stack; None if it does not reduce that rule."""
        stack, ended = stack.copy(), []
        while True:
            action = self._parser.actions[stack[-1]][terminal]
            if action >= 0:
                return None
            ended.append(-1 - action)
            if ended[-1] == rule and len(stack) - 1 == left:
                return ended
            if not self._reduce(stack, action):
                return None


def _dropped(conflicts: Iterable[Conflict], tables: ParserTables) -> dict[int, set[int]]:
    """Return for each rule that lost a reduction in a conflict the terminals before which it did."""
    if not conflicts:
        return {}
    rules: dict[str, list[int]] = {}
    for number, rule in enumerate(tables.rules):
        rules.setdefault(rule.text, []).append(number)
    terminals: dict[str, list[int]] = {}
    for number, terminal in enumerate(tables.terminals):
        terminals.setdefault(terminal.name, []).append(number)
    found: dict[int, set[int]] = {}
    for one in conflicts:
        for text in one.dropped:
            for number in rules.get(text.removesuffix("\u2022").rstrip(), ()):
                found.setdefault(number, set()).update(terminals[one.terminal])
    return found
