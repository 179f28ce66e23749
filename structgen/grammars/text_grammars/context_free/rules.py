"""Context-free rules in the form that the parser needs: no empty rules, no unit cycles, no useless symbols.

The words stay the same; the empty word is a flag. Every remaining symbol is productive and reachable, so that
every viable prefix can be completed. Right recursion becomes left recursion where that does not grow too
large: a shift-reduce parser keeps a stack entry for each right-recursive call, and none for a left-recursive
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from structgen.base.errors import GrammarError
from structgen.base.language.graphs import components
from structgen.grammars.text_grammars.context_free.productive_symbols import S, productive_symbols

R = TypeVar("R")
Rule: TypeAlias = "tuple[str, tuple[str, ...]]"
"""A rule: the name of the left side, and the names of the right side."""

Right: TypeAlias = "tuple[int, ...]"
"""A right side, of symbols by number."""
NumberedRule: TypeAlias = "tuple[int, Right]"
"""A rule over symbols by number."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules over symbols by number: terminals are 0 to `terminals` - 1, then nonterminals."""

    names: tuple[str, ...]
    terminals: int
    start: int
    """-1: there is no word, except the empty one if `empty`."""
    empty: bool
    """Whether the empty text is a word."""
    rules: tuple[NumberedRule, ...]
    """No right side is empty, and no nonterminal derives itself alone."""


_WIDE: Final = 2
"""A right side with more nullable symbols than this is cut into pairs."""
_TURNED: Final = 8
"""A right-recursive group is turned around if it has at most so many times as many rules afterwards; one of
fewer rules as if it had so many. At worst it grows with its square."""


def prepare_rules(
    rules: Iterable[Rule],
    terminals: Mapping[str, tuple[bool, bool]],
    start: str,
    ignored_terminals: Sequence[str] = (),
) -> Rules:
    """Return the rules without empty right sides, unit cycles and useless symbols.

    `terminals`: of each, whether it has the empty word, and whether it has another. `ignored_terminals`:
    terminals that may stand before the first terminal and after each. Raises `GrammarError` for a symbol that
    is neither a terminal nor the left side of a rule. Cost: linear in the size of the rules.
    """
    return _Preparation(list(rules), terminals, start, ignored_terminals).prepared_rules()


def reachable_symbols(rules: Iterable[tuple[S, tuple[S, ...]]], starts: Iterable[S]) -> set[S]:
    """Return the symbols that are reachable from some, these included."""
    of, todo = group_by_first(rules), [*starts]
    met = set(todo)
    while todo:
        for rhs in of.get(todo.pop(), ()):
            for symbol in rhs:
                if symbol not in met:
                    met.add(symbol)
                    todo.append(symbol)
    return met


def group_by_first(pairs: Iterable[tuple[S, R]]) -> dict[S, list[R]]:
    """Return the second members of pairs by the first, as the right sides of each symbol that has rules."""
    groups: dict[S, list[R]] = {}
    for lhs, rhs in pairs:
        groups.setdefault(lhs, []).append(rhs)
    return groups


class _Preparation:
    def __init__(
        self,
        rules: list[Rule],
        terminals: Mapping[str, tuple[bool, bool]],
        start: str,
        ignored_terminals: Sequence[str],
    ) -> None:
        heads = {left for left, _ in rules}
        for lhs, rhs in rules:
            for name in (lhs, *rhs):
                if name not in heads and name not in terminals:
                    raise GrammarError(
                        f"{name} is used and not defined.", where=f"rule {lhs}", cure="Write a rule for it."
                    )
            if lhs in terminals:
                raise GrammarError(
                    f"{lhs} is a terminal and a rule.",
                    where=f"rule {lhs}",
                    cure="Give one of them another name.",
                )
        if start not in heads and start not in terminals:
            raise GrammarError(
                f"There is no rule {start}.", where="start", cure="Name a rule of the grammar as the start."
            )
        self.rules: list[NumberedRule] = []
        self.count, self.names = len(terminals), [*terminals, *sorted(heads)]
        numbers = {name: number for number, name in enumerate(self.names)}
        space = self.new_symbol() if ignored_terminals else -1
        stands: dict[int, int] = {}
        for name, (empty, non_empty) in terminals.items():
            number = numbers[name]
            if ignored_terminals or empty or not non_empty:
                stands[number] = self.new_symbol()
                if non_empty:
                    self.rules.append((stands[number], (number, space) if ignored_terminals else (number,)))
                if empty:
                    self.rules.append((stands[number], ()))
        for lhs, rhs in rules:
            of = map(numbers.__getitem__, rhs)
            self.rules.append((numbers[lhs], tuple(stands.get(n, n) for n in of)))
        first = numbers[start]
        self.start = stands.get(first, first)
        if ignored_terminals:
            self.rules.append((space, ()))
            for name in ignored_terminals:
                if name not in terminals:
                    raise GrammarError(
                        f"{name} is to be ignored, and is no terminal.", where="ignore", cure="Define it."
                    )
                if terminals[name][1]:
                    self.rules.append((space, (space, numbers[name])))
            whole = self.new_symbol()
            self.rules.append((whole, (space, self.start)))
            self.start = whole
        self.dead = {numbers[name] for name, (_, other) in terminals.items() if not other}

    def new_symbol(self) -> int:
        self.names.append("")
        return len(self.names) - 1

    def prepared_rules(self) -> Rules:
        self.keep_useful()
        empty = self.without_empty()
        self.keep_useful()
        used = {symbol for left, right in self.rules for symbol in (left, *right)}
        if self.start < self.count and self.start not in self.dead:
            used.add(self.start)
        self.without_cycles()
        self.without_two_ends()
        self.without_tails()
        order = [n for n in range(self.count) if n in used]
        terminals = len(order)
        left_sides = dict.fromkeys(left for left, _ in self.rules)
        order += left_sides
        place = {old: new for new, old in enumerate(order)}
        numbered_rules = tuple((place[left], tuple(place[n] for n in right)) for left, right in self.rules)
        return Rules(
            tuple(self.names[old] for old in order),
            terminals,
            place.get(self.start, -1),
            empty,
            numbered_rules,
        )

    def keep_useful(self) -> None:
        """Keep the rules whose symbols are all productive and reachable."""
        made_productive = productive_symbols(self.rules, (n for n in range(self.count) if n not in self.dead))
        rules = [rule for rule in self.rules if made_productive.issuperset(rule[1])]
        led = reachable_symbols(rules, [self.start])
        self.rules = list(dict.fromkeys(rule for rule in rules if rule[0] in led))

    def without_empty(self) -> bool:
        """Add a rule for every way to leave out nullable symbols; return whether the start is nullable."""
        empty = productive_symbols(self.rules, ())
        pairs: list[NumberedRule] = []
        for lhs, rhs in self.rules:
            while len(rhs) > _WIDE and sum(symbol in empty for symbol in rhs) > _WIDE:
                rest = self.new_symbol()
                pairs.append((lhs, (rhs[0], rest)))
                if all(symbol in empty for symbol in rhs[1:]):
                    empty.add(rest)
                lhs, rhs = rest, rhs[1:]
            pairs.append((lhs, rhs))
        rules: dict[NumberedRule, None] = {}
        for lhs, rhs in pairs:
            ways: list[Right] = [()]
            begin = 0
            for at in (at for at, symbol in enumerate(rhs) if symbol in empty):
                ways = [(*way, *rhs[begin:end]) for end in (at + 1, at) for way in ways]
                begin = at + 1
            for way in [(*way, *rhs[begin:]) for way in ways]:
                if way and way != (lhs,):
                    rules[lhs, way] = None
        self.rules = list(rules)
        return self.start in empty

    def without_cycles(self) -> None:
        """Merge the symbols of each unit cycle: they have the same words."""
        alone = ((left, right[0]) for left, right in self.rules if len(right) == 1)
        units = group_by_first((left, right) for left, right in alone if right >= self.count)
        stands = {symbol: group[0] for group in components(units) for symbol in group}
        rules: dict[NumberedRule, None] = {}
        for lhs, rhs in self.rules:
            rule = stands.get(lhs, lhs), tuple(stands.get(symbol, symbol) for symbol in rhs)
            if rule[1] != (rule[0],):
                rules[rule] = None
        self.rules = list(rules)
        self.start = stands.get(self.start, self.start)

    def without_two_ends(self) -> None:
        """Keep only the left recursion of a symbol that is left- and right-recursive.

        Let `e` have the rules `e -> e d` and others, `e -> c`. Its words are those of one `c` and any number
        of `d`. So an `e` at the end of a `c` or a `d` may be taken to have no `d` of its own: whoever is
        around it can take the `d` instead. `b` is such an `e`.
        """
        rules: list[NumberedRule] = []
        for lhs, rights in group_by_first(self.rules).items():
            first = any(right[0] == lhs for right in rights)
            if not (first and any(right[-1] == lhs for right in rights)):
                rules += [(lhs, right) for right in rights]
                continue
            once = self.new_symbol()
            rules.append((lhs, (once,)))
            for rhs in rights:
                new_side = (*rhs[:-1], once) if rhs[-1] == lhs else rhs
                rules.append((lhs if rhs[0] == lhs else once, new_side))
        self.rules = list(dict.fromkeys(rules))

    def without_tails(self) -> None:
        """Turn right recursion into left recursion.

        Symbols that lead to one another by their last symbols form a group. The words of a symbol `s` of the
        group are paths: `s -> a p`, `p -> b q`, ..., and a rule `z -> c` that leaves the group; the word is
        `a b ... c`. For each `s` that is used from outside, and each `q` that a path from `s` reaches, a new
        symbol has the beginnings `a b ...` of such paths, by rules with recursion in the first place:
        `[s, q] -> a | [s, p] b`, and `s -> c | [s, z] c`. A group that would grow too large stays as it is.
        """
        rules = group_by_first(self.rules)
        lasts = {
            left: [right[-1] for right in rights if right[-1] in rules] for left, rights in rules.items()
        }
        groups = components(lasts)
        group_of = {symbol: number for number, group in enumerate(groups) for symbol in group}
        called_symbols = {self.start}
        for lhs, rhs in self.rules:
            called_symbols.update(rhs[:-1])
            if group_of.get(rhs[-1]) != group_of[lhs]:
                called_symbols.add(rhs[-1])
        for names in groups:
            group = set(names)
            if not any(last in group for left in names for last in lasts[left]):
                continue
            max_rules = _TURNED * max(_TURNED, sum(len(rules[left]) for left in names))
            turned_rules = self.turn_rules(group, sorted(called_symbols & group), rules, max_rules)
            if turned_rules is not None:
                for lhs in names:
                    del rules[lhs]
                rules.update(turned_rules)
        self.rules = [(left, right) for left, rights in rules.items() for right in dict.fromkeys(rights)]

    def turn_rules(
        self,
        group: set[int],
        called_symbols: Sequence[int],
        rules: Mapping[int, Sequence[Right]],
        max_rules: int,
    ) -> dict[int, list[Right]] | None:
        """Return rules with the same words for the symbols of a group that are called from outside of it, or
        not in the last place (`without_tails`); None where they are more than `max_rules`."""
        goes: dict[int, list[tuple[Right, int]]] = {}
        leaves: dict[int, list[Right]] = {}
        count = 0
        for lhs in group:
            goes[lhs], leaves[lhs] = [], []
            for symbol in self.unit_closure(lhs, group, rules):
                count += len(rules[symbol])
                if count > max_rules:
                    return None
                for rhs in rules[symbol]:
                    if rhs[-1] not in group:
                        leaves[lhs].append(rhs)
                    elif len(rhs) > 1:
                        goes[lhs].append((rhs[:-1], rhs[-1]))
        new_rules: dict[int, list[Right]] = {}
        count = 0
        for start in called_symbols:
            ends = new_rules.setdefault(start, [])
            paths: dict[int, int] = {}
            pending: list[tuple[Right, int]] = [((), start)]
            while pending:
                prefix, at = pending.pop()
                count += len(leaves[at]) + len(goes[at])
                if count > max_rules:
                    return None
                ends += [(*prefix, *right) for right in leaves[at]]
                for part, after in goes[at]:
                    path = paths.get(after)
                    if path is None:
                        path = paths[after] = self.new_symbol()
                        new_rules[path] = []
                        pending.append(((path,), after))
                    new_rules[path].append((*prefix, *part))
        return new_rules

    def unit_closure(
        self, symbol: int, group: set[int], rules: Mapping[int, Sequence[Right]]
    ) -> Iterator[int]:
        """Yield a symbol, and the symbols of a group that it derives by unit rules."""
        met = {symbol}
        pending = [symbol]
        while pending:
            now = pending.pop()
            yield now
            for rhs in rules[now]:
                if len(rhs) == 1 and rhs[0] in group and rhs[0] not in met:
                    met.add(rhs[0])
                    pending.append(rhs[0])
