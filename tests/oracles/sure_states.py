"""Parser states behind which a text goes on, whatever lies below them on the stack: the slow version, in sets
(`structgen.lark_grammars.liveness.certified_states` has what is shown)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from structgen.lark_grammars.compiled.registers import (
    CERTIFIED_BARE,
    CERTIFIED_LINE,
    CERTIFIED_SEPARATED,
    EXCLUDING,
    INSEPARABLE,
    LAST_RULE,
    SEPARABLE,
    SEPARABLE_BARE,
)
from structgen.lark_grammars.reading.loaded_grammar import END, ParserTables, Rule

_PLAIN, _LINE, _DEEPER, _LESS, _ENDING = range(5)
"""What a plan has come to: a lexeme that is no line's end; the indenter's newline; that with more, and with
less indentation; the end of a block, with no newline before it, as at the text's end."""
_Plan = tuple[int, int, Sequence[int]]
_One = TypeVar("_One", bound=Hashable)


class CertifiedStates:
    """The sure states of one grammar. Cost: some 0.1 ms for each state of the parser, besides its plan."""

    def __init__(
        self,
        tables: ParserTables,
        plan_of: Callable[[int], _Plan],
        cleanness: Callable[[int, int], int],
    ) -> None:
        """`plan_of`, `cleanness`: of `ContextualLanguage`."""
        self._tables, self._cleanness = tables, cleanness
        self._actions: list[list[int]] = tables.actions.tolist()
        self._gotos: list[list[int]] = tables.gotos.tolist()
        self._contexts: list[int] = tables.context_of.tolist()
        indentation = tables.indentation
        self._newline = self._indent = self._dedent = -1
        if indentation is not None:
            self._newline, self._indent = indentation.newline, indentation.indent
            self._dedent = indentation.dedent
        states = range(len(tables.kernels))
        self._plans = [plan_of(state) for state in states]
        self._balance()
        self._leads = self._back(set())
        self.barred = self._entries()
        """States that no stack has in it for which what is sure holds: they begin rules whose plans fail."""
        self._leads = self._back(self.barred)
        self._after = [self._goes_to(state) for state in states]
        """For each state, those that the rule of its plan may lead to, whatever lies below."""
        self._next = self._firsts()
        """For each state, the terminals that plans may begin with there."""

    def find(self) -> npt.NDArray[np.uint8]:
        """Return for each parser state those of CERTIFIED_... that hold, or EXCLUDING."""
        count = len(self._plans)
        found = np.zeros(count, np.uint8)
        found[sorted(self.barred)] = EXCLUDING
        bad = self._ill()
        for state in {self._tables.start} | {one for one in range(count) if self._leads[one]}:
            context = self._contexts[state]
            for flag, mode in ((CERTIFIED_SEPARATED, _PLAIN), (CERTIFIED_LINE, _LINE)):
                if (state, mode) not in bad and self._begins(state, mode, context):
                    found[state] |= flag
            inside = self._next[state] - {self._newline}  # where one ends a line, no bracket is open
            bare = all(self._cleanness(context, one) == SEPARABLE_BARE for one in inside)
            if bare and found[state] & CERTIFIED_SEPARATED:
                found[state] |= CERTIFIED_BARE
        return found

    # --- what lies below ------------------------------------------------------------------------------------

    def _back(self, barred: set[int]) -> list[list[int]]:
        """Return for each state those from which a symbol leads to it; none of those that lie above a barred
        one alone."""
        leads: list[list[int]] = [[] for _ in self._plans]
        pending = [self._tables.start]
        met = set(pending)
        for state in pending:
            actions = (action - 1 for action in self._actions[state] if action > 0)
            for target in {*actions, *self._gotos[state]} - {-1} - barred:
                leads[target].append(state)
                if target not in met:
                    met.add(target)
                    pending.append(target)
        return leads

    def _entries(self) -> set[int]:
        """Return the states behind the first terminals of the rules whose plans fail whatever is around them.
        Only what is in the midst of such a rule has one below it."""
        found: set[int] = set()
        for state, (rule, dot, _terminals) in enumerate(self._plans):
            symbols = self._tables.rules[rule & ~LAST_RULE].symbols
            if dot and symbols[0] >= 0 and self._fails(state):
                found |= self._below(state, dot - 1)
        return found

    def _fails(self, state: int) -> bool:
        if self._plans[state][0] & ~LAST_RULE in self._unequal or self._fed(state) is None:
            return True
        return all(self._mode_after(state, mode, set(), True) is None for mode in range(5))

    def _below(self, state: int, dot: int) -> set[int]:
        """Return the states that may lie under as many symbols."""
        found = {state}
        for _ in range(dot):
            found = {source for one in found for source in self._leads[one]}
        return found

    def _goes_to(self, state: int) -> list[int]:
        rule, dot, _terminals = self._plans[state]
        if rule >= LAST_RULE:
            return []
        origin = self._tables.rules[rule].origin
        return sorted({self._gotos[one][origin] for one in self._below(state, dot)} - {-1})

    def _firsts(self) -> list[set[int]]:
        firsts: list[set[int]] = []
        waiting: dict[int, list[int]] = {}
        pending: list[tuple[int, int]] = []
        for state, (rule, _dot, terminals) in enumerate(self._plans):
            firsts.append(set())
            if terminals:
                pending.append((state, terminals[0]))
            elif rule >= LAST_RULE:
                pending.append((state, END))
            else:
                for after in self._after[state]:
                    waiting.setdefault(after, []).append(state)
        while pending:
            state, terminal = pending.pop()
            if terminal not in firsts[state]:
                firsts[state].add(terminal)
                pending += ((one, terminal) for one in waiting.get(state, ()))
        return firsts

    def _follow(self, state: int, *, exactly: bool = False) -> set[int]:
        """Return the terminals that come next behind the rule of a state's plan; more, where states that are
        reached from other states, too, lead there, unless `exactly`."""
        rule, dot, _terminals = self._plans[state]
        if rule >= LAST_RULE:
            return {END}
        if not exactly:
            return set[int]().union(*(self._next[one] for one in self._after[state]))
        found: set[int] = set()
        origin = self._tables.rules[rule].origin
        pending = [(below, origin) for below in self._below(state, dot)]
        seen = set(pending)
        for below, nonterminal in pending:
            rule, dot, terminals = self._plans[self._gotos[below][nonterminal]]
            if terminals or rule >= LAST_RULE:
                found.add(terminals[0] if terminals else END)
                continue
            origin = self._tables.rules[rule].origin
            further = {(one, origin) for one in self._below(below, dot - 1)} - seen
            seen |= further
            pending += further
        return found

    # --- brackets and indentation ---------------------------------------------------------------------------

    def _balance(self) -> None:
        """Find how many more brackets and blocks each nonterminal opens than it closes. Rules of which
        that is not one number are of no use: what is open at a place is to be what its stack says."""
        indentation = self._tables.indentation
        self._brackets: dict[int, int] = {}
        self._uneven: set[int] = set()
        self._unequal: set[int] = set()
        """Rules whose brackets, and whose blocks, have no such number."""
        if indentation is not None:
            weights = {**dict.fromkeys(indentation.opening, 1), **dict.fromkeys(indentation.closing, -1)}
            self._brackets = self._balances(weights, self._uneven)
            self._balances({self._indent: 1, self._dedent: -1}, self._unequal)
            self._unequal |= self._uneven

    def _balances(self, weights: dict[int, int], without: set[int]) -> dict[int, int]:
        """Return what symbols add up to, by the symbol; note the rules that have no such sum in `without`."""
        rules, names = self._tables.rules, self._tables.nonterminals
        loose: set[int] = set()
        """Nonterminals whose rules add up to different numbers."""
        nets: dict[int, int] = {}

        def sum_of(rule: Rule) -> int | None:
            if any(one < 0 and (one in loose or one not in nets) for one in rule.symbols):
                return None
            return sum(nets[one] if one < 0 else weights.get(one, 0) for one in rule.symbols)

        torn: set[int] | None = None
        while torn is None or torn:
            torn, size = set(), -1
            nets.clear()
            while size != len(nets):
                size = len(nets)
                for rule in rules:
                    total = sum_of(rule)
                    if total is not None and nets.setdefault(-1 - rule.origin, total) != total:
                        torn.add(-1 - rule.origin)
            # what is made of others that are torn may be so by them alone
            torn -= loose
            loose |= {one for one in torn if not self._parts(one) & torn} or torn
        for number, rule in enumerate(rules):
            total = sum_of(rule)
            if total is None or -1 - rule.origin in loose or (names[rule.origin][:6] == "$root_" and total):
                without.add(number)
        return weights | nets

    def _parts(self, nonterminal: int) -> set[int]:
        """Return the other nonterminals that one is made of, as symbols."""
        found = {nonterminal}
        pending = [nonterminal]
        while pending:
            origin = -1 - pending.pop()
            for rule in self._tables.rules:
                if rule.origin == origin:
                    new = {one for one in rule.symbols if one < 0} - found
                    found |= new
                    pending += new
        return found - {nonterminal}

    def _may_be_inside(self) -> set[int]:
        """Return the states that may stand inside brackets."""
        if self._newline < 0:
            return set()
        inside: set[int] = set()
        led: dict[int, list[int]] = {}
        """Where the items of a state began outside, it may stand inside as they do."""
        for state, kernel in enumerate(self._tables.kernels):
            for rule, dot in kernel:
                symbols = self._tables.rules[rule].symbols[:dot]
                if rule in self._uneven or not self._is_even(symbols):
                    inside.add(state)
                elif dot:
                    for one in self._below(state, dot):
                        led.setdefault(one, []).append(state)
        _spread(inside, led)
        return inside

    # --- plans ----------------------------------------------------------------------------------------------

    def _ill(self) -> set[tuple[int, int]]:
        """Return the states, each with what was before its plan, whose plans may fail, or meet such."""
        inside = self._may_be_inside()
        users: dict[tuple[int, int], list[tuple[int, int]]] = {}
        bad: set[tuple[int, int]] = {(state, mode) for state in self._circling() for mode in range(5)}
        for state, (_rule, dot, _terminals) in enumerate(self._plans):
            follow = self._followers(state)
            outside = inside.isdisjoint(self._below(state, dot))
            for mode in range(5):
                after = None if follow is None else self._mode_after(state, mode, follow, outside)
                if after is None:
                    bad.add((state, mode))
                    continue
                for one in self._after[state]:
                    users.setdefault((one, after), []).append((state, mode))
        _spread(bad, users)
        return bad

    def _followers(self, state: int) -> set[int] | None:
        """Return the terminals that come next behind the rule of a state's plan, None where the parser may
        not come there."""
        stack = self._fed(state)
        if stack is None or self._plans[state][0] & ~LAST_RULE in self._unequal:
            return None
        for exactly in (False, True):
            follow = self._follow(state, exactly=exactly)
            if all(self._ends(state, stack, one) for one in follow):
                return follow
        return None

    def _circling(self) -> Iterator[int]:
        """Yield states whose plans may lead from one to the next and never lower."""
        done: set[int] = set()
        for row in self._gotos:
            for state in row:
                seen: dict[int, None] = {}
                here = state
                while here >= 0 and here not in seen:
                    seen[here] = None
                    rule, dot, _terminals = self._plans[here]
                    here = -1 if rule >= LAST_RULE or dot != 1 else row[self._tables.rules[rule].origin]
                if here >= 0:
                    done.update(seen)
        # a rule of which nothing was read begins where it ends
        done |= {state for state, (rule, dot, _) in enumerate(self._plans) if dot == 0 and rule < LAST_RULE}
        yield from done

    def _fed(self, state: int) -> list[int] | None:
        """Return the stack from a state on behind its plan's terminals, None where the parser refuses one or
        looks below."""
        stack = [state]
        for terminal in self._plans[state][2]:
            while True:
                action = self._actions[stack[-1]][terminal]
                if action == 0 or (action < 0 and not self._reduce(stack, action)):
                    return None
                if action > 0:
                    stack.append(action - 1)
                    break
        return stack

    def _reduce(self, stack: list[int], action: int) -> bool:
        rule = self._tables.rules[-1 - action]
        size = len(rule.symbols)
        if size >= len(stack):
            return False
        del stack[len(stack) - size :]
        stack.append(self._gotos[stack[-1]][rule.origin])
        return stack[-1] >= 0

    def _ends(self, state: int, fed: list[int], terminal: int) -> bool:
        """Return whether the rule of a state's plan ends before a terminal."""
        rule, dot, _terminals = self._plans[state]
        stack = fed.copy()
        last = rule >= LAST_RULE
        left = len(self._tables.rules[rule & ~LAST_RULE].symbols) - dot
        while not (last and stack[-1] == self._tables.end):
            action = self._actions[stack[-1]][terminal]
            if action >= 0:
                return False
            if not last and -1 - action == rule and len(stack) - 1 == left:
                return True
            if not self._reduce(stack, action):
                return False
        return True

    def _mode_after(self, state: int, before: int, follow: set[int], outside: bool) -> int | None:
        """Return what the plan of a state comes to, None where the lexer may read it otherwise. What its
        first terminal begins with was seen to by whoever came here. `outside`: its rule began outside
        brackets."""
        rule, dot, terminals = self._plans[state]
        if not terminals:
            return before
        mode, context = before, -1
        stack = [state]
        read = self._tables.rules[rule & ~LAST_RULE].symbols[:dot]
        for at, terminal in enumerate(terminals):
            if at and not self._may_come(mode, context, terminal):
                return None
            turned = None if terminal in self._tables.ignored else self._turned(mode, terminal)
            if turned is None:
                return None
            if terminal == self._newline and not (outside and self._is_even((*read, *terminals[:at]))):
                return None
            mode = turned
            while (action := self._actions[stack[-1]][terminal]) < 0:
                self._reduce(stack, action)
            stack.append(action - 1)
            context = self._contexts[stack[-1]]
        return mode if all(self._may_come(mode, context, one) for one in follow) else None

    def _is_even(self, symbols: Sequence[int]) -> bool:
        """Return whether some symbols close as many brackets as they open."""
        return sum(self._brackets.get(one, 0) for one in symbols) == 0

    def _turned(self, mode: int, terminal: int) -> int | None:
        """Return what a plan has come to with a terminal, None where it cannot stand there."""
        if self._newline < 0:
            return _PLAIN
        if terminal == self._indent:
            return _DEEPER if mode == _LINE else None
        if terminal == self._dedent:
            return {_PLAIN: _ENDING, _ENDING: _ENDING, _LINE: _LESS, _LESS: _LESS}.get(mode)
        if mode == _ENDING:
            return None
        return _LINE if terminal == self._newline else _PLAIN

    def _begins(self, state: int, mode: int, context: int) -> bool:
        return all(self._may_come(mode, context, one) for one in self._next[state])

    def _may_come(self, mode: int, context: int, terminal: int) -> bool:
        """Return whether the lexer tells a terminal in a context, behind what a plan has come to."""
        if terminal in self._tables.ignored:
            return False
        if mode == _ENDING:
            return terminal in (END, self._dedent)
        if self._newline >= 0 and terminal in (self._indent, self._dedent):
            if mode == _PLAIN:
                return terminal == self._dedent and self._cleanness(context, END) != INSEPARABLE
            return self._turned(mode, terminal) is not None
        clean = self._cleanness(context, terminal)
        if terminal == END:
            return clean != INSEPARABLE
        return clean == SEPARABLE_BARE or (clean == SEPARABLE and mode == _PLAIN)


def _spread(found: set[_One], users: Mapping[_One, Sequence[_One]]) -> None:
    """Add to a set all that uses what is in it."""
    pending = list(found)
    while pending:
        for one in users.get(pending.pop(), ()):
            if one not in found:
                found.add(one)
                pending.append(one)
