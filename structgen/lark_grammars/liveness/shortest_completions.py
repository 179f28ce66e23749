"""Which of the rules under way a plan ends, so that it comes to the end of what is around them.

A rule that needs nothing more may lead back to where it was: behind `NAME`, in `sum: left "+" NAME`,
`left: sum | NAME`, `left` is the cheapest to end, and the next sum begins. So what counts is not what a rule
needs by itself, but what is needed until one goes on that was under way before its first symbol: that has
fewer symbols on the stack, and no plan goes round there.

What needs the least is held to the table and to the lexer. Where lark has lost an action to a conflict, a
rule may not end before what comes next: the next best is taken that does. Where the separator does not make
sure of a terminal (of a line break, to which more blanks may be added), others are taken where there are any
(a semicolon).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import chain, islice, pairwise
from typing import Final

import numpy as np

from structgen.language.remarks import Conflict
from structgen.lark_grammars.compiled.registers import SOILED
from structgen.lark_grammars.parser.lalr_parser import Parser, ShortestDerivations
from structgen.lark_grammars.reading.loaded_grammar import END, UNREACHABLE, ParserTables

_BEFORE: Final = 64
"""States before one that are looked at; where they differ no rule may be right in all."""
_DEAR: Final = 1 << 20
"""What a terminal costs more of whose end the separator does not make sure."""
_VAIN: Final = 2
"""Such terminals of which it is found out that no others stand for them; then it is no longer asked."""
_MOST_FOLLOWED: Final = 1 << 12
"""Nonterminals, each over a state, that are gone through for what comes next behind a rule."""
Plan = tuple[int, int, list[int]]
"""A rule under way, how many of its symbols are there, and the terminals that it still needs."""
_Way = tuple[int, int, int]
"""The bytes that a rule under way still needs at least, the rule, and how many of its symbols are there."""
_Need = tuple[int, int]
"""The bytes that are needed, and the rules that are ended."""
_NOTHING: Final = UNREACHABLE, 0


class RankedItems:
    """The rules under way, ranked by what they need, of one grammar. Cost: some 20 us for a state the first
    time, and 0.1 ms for each nonterminal that is met."""

    def __init__(self, parser: Parser, texts: ShortestDerivations, before: RankedItems | None = None) -> None:
        """`texts`: by which it is told what symbols need; `before`: others of the grammar."""
        self._parser, self._tables, self.texts = parser, parser.tables, texts
        self.careful: ShortestDerivations | None = None
        """The same without rules that lark may not end, where there are others."""
        self.doubtful: set[int] | None = None
        """Nonterminals whose texts are made by such a rule, as symbols."""
        self._nearest: dict[int, Plan] = {}
        self._of: dict[int, list[tuple[int, int]]] = {}
        """For each nonterminal, the nonterminals that its rules begin with, and the bytes that the rule needs
        behind that."""
        self._leads: list[list[int]] | None = None if before is None else before._leads
        """For each state, those from which a symbol leads to it."""
        self._ends: dict[int, dict[int, _Need]] = {}
        self._waiting: dict[int, list[tuple[int, int]]] = {}
        self._around: dict[tuple[int, int], _Need] = {}
        self._leading: dict[tuple[int, ...], tuple[int, ...]] = {}
        self._at: dict[tuple[tuple[int, ...], int], _Need] = {}

    def nearest(self, state: int) -> Plan:
        """Return the plan of a parser state that needs the least."""
        known = self._nearest.get(state)
        if known is None:
            known = self._nearest[state] = self._plan(self._find_nearest(state))
        return known

    def _find_nearest(self, state: int) -> _Way:
        """Return the first way of `ranked`. Those that need too much by themselves are not looked at."""
        ways = self.texts.exits(state)
        chosen, least, need = ways[0], (4 * UNREACHABLE, 0), self._needs(state)
        for way in ways if len(ways) > 1 else []:
            if (way[0], 0) >= least:
                break
            needed = need(way)
            if needed < least:
                chosen, least = way, needed
        return chosen

    def ranked(self, state: int) -> Iterator[Plan]:
        """Yield the plans of a parser state, that which needs the least first."""
        yield from map(self._plan, sorted(self.texts.exits(state), key=self._needs(state)))

    def _plan(self, way: _Way) -> Plan:
        _cost, rule, dot = way
        return rule, dot, self.texts.spelled(self._tables.rules[rule].symbols[dot:])

    def _needs(self, state: int) -> Callable[[_Way], _Need]:
        """Return what tells of each way out of a state what is needed until a rule goes on that was under way
        before its first symbol."""
        before: list[tuple[int, ...]] = [(state,)]

        def needed(way: _Way) -> _Need:
            cost, rule, dot = way
            if dot == 0 or self._parser.is_root(rule):
                return cost, 0
            while len(before) <= dot:
                before.append(self._before(before[-1]))
            around = self._needed_at(before[dot], self._tables.rules[rule].origin)
            # with more symbols it was under way before the last of them, and goes on from there
            return cost + (around[0] if dot == 1 or around[0] >= UNREACHABLE else 0), around[
                1
            ] if dot == 1 else 0

        return needed

    def _before(self, states: tuple[int, ...]) -> tuple[int, ...]:
        """Return states from which a symbol leads to one of some states."""
        known = self._leading.get(states)
        if known is None:
            found = dict.fromkeys(one for state in states for one in self.led_from(state))
            known = self._leading[states] = tuple(islice(found, _BEFORE))
        return known

    def led_from(self, state: int) -> list[int]:
        """Return the states from which a symbol leads to one."""
        if self._leads is None:
            self._leads = self._all_leads()
        return self._leads[state]

    def _needed_at(self, states: tuple[int, ...], nonterminal: int) -> _Need:
        """Return the most that is needed around a nonterminal in any of some states (`_needed`): none where
        all that led to what comes behind it was an error of the table."""
        key = states, nonterminal
        known = self._at.get(key)
        if known is None:
            known = self._at[key] = max((self._needed(one, nonterminal) for one in states), default=_NOTHING)
        return known

    def _all_leads(self) -> list[list[int]]:
        tables, count = self._tables, len(self._tables.kernels)
        gotos, shifts = np.flatnonzero(tables.gotos >= 0), np.flatnonzero(tables.actions > 0)
        sources = np.concatenate([gotos // tables.gotos.shape[1], shifts // tables.actions.shape[1]])
        targets = np.concatenate([tables.gotos.reshape(-1)[gotos], tables.actions.reshape(-1)[shifts] - 1])
        order = np.argsort(targets, kind="stable")
        ends = np.searchsorted(targets[order], np.arange(count + 1)).tolist()
        ordered: list[int] = sources[order].tolist()
        return [ordered[first:last] for first, last in pairwise(ends)]

    def _needed(self, state: int, nonterminal: int) -> _Need:
        """Return what is needed between a nonterminal that was read from a state and the next symbol of a
        rule with which that state begins."""
        key = state, nonterminal
        known = self._around.get(key)
        if known is None:
            known = _NOTHING
            for under_way, least in self._awaited(state):
                need = self._ends_of(under_way).get(nonterminal)
                if need is not None:
                    known = min(known, (need[0] + least, need[1]))
            self._around[key] = known
        return known

    def _awaited(self, state: int) -> list[tuple[int, int]]:
        """Return the nonterminals that the rules with which a state begins go on with, and the bytes that
        such a rule needs at least behind that."""
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

    def _ends_of(self, nonterminal: int) -> dict[int, _Need]:
        """Return for each nonterminal that the texts of one begin with what is needed from its end to that of
        the one."""
        known = self._ends.get(nonterminal)
        if known is None:
            known = self._ends[nonterminal] = {}
            queue: list[tuple[int, int, int]] = [(0, 0, nonterminal)]
            while queue:
                cost, steps, here = heapq.heappop(queue)
                if here in known:
                    continue
                known[here] = cost, steps
                for part, least in self._parts(here):
                    if part not in known:
                        heapq.heappush(queue, (cost + least, steps + 1, part))
        return known

    def _parts(self, nonterminal: int) -> list[tuple[int, int]]:
        """Return what the rules of a nonterminal begin with, and the bytes that they need behind that."""
        if not self._of:
            texts = self.texts
            for number, rule in enumerate(self._tables.rules):
                parts = self._of.setdefault(rule.origin, [])
                if rule.symbols and rule.symbols[0] < 0 and not texts.is_loose(number):
                    parts.append((-1 - rule.symbols[0], texts.least(rule.symbols[1:])))
        return self._of.get(nonterminal, [])


class ShortestCompletions:
    """The completions of one grammar. Cost: besides `RankedItems`, 30 us a state where there are conflicts;
    up to some milliseconds where they touch its plan; and some milliseconds for a terminal avoided."""

    def __init__(self, parser: Parser, cleanness: Callable[[int, int], int]) -> None:
        """`cleanness`: of `ContextualLanguage`."""
        self._parser, self._tables, self._cleanness = parser, parser.tables, cleanness
        self._found: dict[int, Plan] = {}
        self._unders: dict[tuple[int, int], list[int]] = {}
        self._behinds: dict[tuple[int, int, int], list[int]] = {}
        self._lost = _lost(parser.tables.remarks.conflicts, parser.tables)
        """For each rule that lark does not end where it might, the terminals before which it does not."""
        self._avoided: set[int] = set()
        self._vain = 0

    @cached_property
    def _ranks(self) -> RankedItems:
        return RankedItems(self._parser, self._parser.texts)

    def of(self, state: int) -> Plan:
        """Return the plan of a parser state."""
        known = self._found.get(state)
        if known is None:
            known = self._found[state] = self._find(self._ranks, state)
        return known

    def _find(self, ranks: RankedItems, state: int) -> Plan:
        nearest = ranks.nearest(state)
        if not self._lost or not self._is_doubtful(ranks, nearest) or self._is_read(ranks, state, nearest):
            return nearest
        for plan in chain(ranks.ranked(state), self._careful(ranks, state)):
            rule, dot, _terminals = plan
            # one that leads to where it was would be taken again
            goes_round = dot == 1 and state in self._behind(state, rule, dot)
            if not goes_round and self._is_read(ranks, state, plan):
                return plan
        return nearest

    def _careful(self, ranks: RankedItems, state: int) -> Iterator[Plan]:
        """Yield plans whose terminals are, where they can be, not of rules that lark may not end."""
        if ranks.careful is None:
            ranks.careful = ShortestDerivations(self._tables, ranks.texts.terminals, self._lost)
        texts = ranks.careful
        for rule, dot, _terminals in ranks.ranked(state):
            yield rule, dot, texts.spelled(self._tables.rules[rule].symbols[dot:])

    # --- what the lexer makes of plans ----------------------------------------------------------------------

    def avoid(self, terminal: int) -> list[int]:
        """Have others stand for a terminal of which the separator does not make sure, where there are others.
        Return the states whose plans hold no longer."""
        if terminal in self._avoided or self._vain == _VAIN:
            return []
        using = [
            state
            for state, plan in self._found.items()
            if terminal in plan[2] and not self._is_clean(state, plan)
        ]
        if not using:
            return []
        self._avoided.add(terminal)
        costs = list(self._ranks.texts.terminals)
        costs[terminal] += _DEAR
        ranks = RankedItems(self._parser, ShortestDerivations(self._tables, costs), self._ranks)
        if not any(self._is_clean(state, self._find(ranks, state)) for state in using):
            self._vain += 1
            return []
        self._ranks = ranks
        for state in using:
            del self._found[state]
        return using

    def _is_clean(self, state: int, plan: Plan) -> bool:
        """Return whether the separator makes sure of the terminals of a plan."""
        indentation, stack = self._tables.indentation, [state]
        made = () if indentation is None else (indentation.indent, indentation.dedent)
        for terminal in plan[2]:
            if terminal == END:
                break
            context = int(self._tables.context_of[stack[-1]])
            if terminal not in made and self._cleanness(context, terminal) == SOILED:
                return False
            if not self._shift(stack, terminal):
                return False
        return True

    # --- what the table makes of plans ----------------------------------------------------------------------

    def _is_doubtful(self, ranks: RankedItems, plan: Plan) -> bool:
        """Return whether a plan ends a rule that lark may not end."""
        rule, dot, _terminals = plan
        if ranks.doubtful is None:
            rules = [self._tables.rules[one] for one in self._lost]
            ranks.doubtful = ranks.texts.made_of({(one.origin, one.symbols) for one in rules})
        return rule in self._lost or not ranks.doubtful.isdisjoint(self._tables.rules[rule].symbols[dot:])

    def _is_read(self, ranks: RankedItems, state: int, plan: Plan) -> bool:
        """Return whether the parser takes a plan's terminals, and its rule ends before all that comes next
        where the plans around it are those that need the least."""
        rule, dot, terminals = plan
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
        lost = set[int]().union(*(self._lost[one] for one in ended if one in self._lost))
        stuck = {one for one in lost if not self._ended(stack, rule, left, one)}
        return not (stuck and self._is_followed(ranks, state, rule, dot, stuck))

    def _is_followed(self, ranks: RankedItems, state: int, rule: int, dot: int, terminals: set[int]) -> bool:
        """Return whether one of some terminals comes next behind a rule under way in a state, whatever lies
        below it."""
        tables, gotos = self._tables, self._parser.gotos
        if not self._may_follow(ranks, self._behind(state, rule, dot), terminals):
            return False
        # states that are reached from other states, too, lead there; so each with what lies below it
        pending = [(below, tables.rules[rule].origin) for below in self._under(state, dot)]
        seen = set(pending)
        for below, nonterminal in pending:
            after = gotos[below][nonterminal]
            if after < 0:
                continue
            rule, dot, needed = self._found.get(after) or ranks.nearest(after)
            if needed:
                if needed[0] in terminals:
                    return True
            elif len(seen) < _MOST_FOLLOWED:
                origin = tables.rules[rule].origin
                further = {(one, origin) for one in self._under(below, dot - 1)} - seen
                seen |= further
                pending += further
        return False

    def _may_follow(self, ranks: RankedItems, states: list[int], terminals: set[int]) -> bool:
        """Return whether plans from some states on may begin with one of some terminals."""
        pending = states.copy()
        seen = set(pending)
        for state in pending:
            rule, dot, needed = self._found.get(state) or ranks.nearest(state)
            if needed:
                if needed[0] in terminals:
                    return True
            else:
                further = set(self._behind(state, rule, dot)) - seen
                seen |= further
                pending += further
        return False

    def _behind(self, state: int, rule: int, dot: int) -> list[int]:
        """Return the states that a rule under way in a state leads to, whatever lies below."""
        key = state, rule, dot
        known = self._behinds.get(key)
        if known is None:
            origin = self._tables.rules[rule].origin
            found = {self._parser.gotos[below][origin] for below in self._under(state, dot)} - {-1}
            known = self._behinds[key] = list(found)
        return known

    def _under(self, state: int, count: int) -> list[int]:
        """Return the states that may lie under so many symbols, with a state on top."""
        if count == 0:
            return [state]
        key = state, count
        known = self._unders.get(key)
        if known is None:
            under = dict.fromkeys(
                one for above in self._under(state, count - 1) for one in self._ranks.led_from(above)
            )
            known = self._unders[key] = list(under)
        return known

    def _shift(self, stack: list[int], terminal: int) -> bool:
        """Feed a terminal; return whether the parser takes it without a look below the stack."""
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
        """Return the rules that are ended up to one before a terminal, which has so many symbols above the
        bottom of a stack; None where it does not end there."""
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


def _lost(conflicts: Iterable[Conflict], tables: ParserTables) -> dict[int, set[int]]:
    """Return for each rule that some conflicts keep from its end the terminals before which they do."""
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
