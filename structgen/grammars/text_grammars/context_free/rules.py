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
from structgen.grammars.text_grammars.context_free.productive_symbols import S, productive

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


def prepare(
    rules: Iterable[Rule],
    terminals: Mapping[str, tuple[bool, bool]],
    start: str,
    ignored: Sequence[str] = (),
) -> Rules:
    """Return the rules without empty right sides, unit cycles and useless symbols.

    `terminals`: of each, whether it has the empty word, and whether it has another. `ignored`: terminals that
    may stand before the first terminal and after each. Raises `GrammarError` for a symbol that is neither a
    terminal nor the left side of a rule. Cost: linear in the size of the rules.
    """
    return _Preparation(list(rules), terminals, start, ignored).result()


def reached(rules: Iterable[tuple[S, tuple[S, ...]]], starts: Iterable[S]) -> set[S]:
    """Return the symbols that are reachable from some, these included."""
    of, todo = grouped(rules), [*starts]
    met = set(todo)
    while todo:
        for right in of.get(todo.pop(), ()):
            for symbol in right:
                if symbol not in met:
                    met.add(symbol)
                    todo.append(symbol)
    return met


def grouped(pairs: Iterable[tuple[S, R]]) -> dict[S, list[R]]:
    """Return the second members of pairs by the first, as the right sides of each symbol that has rules."""
    groups: dict[S, list[R]] = {}
    for left, right in pairs:
        groups.setdefault(left, []).append(right)
    return groups


class _Preparation:
    def __init__(
        self,
        rules: list[Rule],
        terminals: Mapping[str, tuple[bool, bool]],
        start: str,
        ignored: Sequence[str],
    ) -> None:
        heads = {left for left, _ in rules}
        for left, right in rules:
            for name in (left, *right):
                if name not in heads and name not in terminals:
                    raise GrammarError(
                        f"{name} is used and not defined.", where=f"rule {left}", cure="Write a rule for it."
                    )
            if left in terminals:
                raise GrammarError(
                    f"{left} is a terminal and a rule.",
                    where=f"rule {left}",
                    cure="Give one of them another name.",
                )
        if start not in heads and start not in terminals:
            raise GrammarError(
                f"There is no rule {start}.", where="start", cure="Name a rule of the grammar as the start."
            )
        self.rules: list[NumberedRule] = []
        self.count, self.names = len(terminals), [*terminals, *sorted(heads)]
        numbers = {name: number for number, name in enumerate(self.names)}
        space = self.new() if ignored else -1
        stands: dict[int, int] = {}
        for name, (empty, other) in terminals.items():
            number = numbers[name]
            if ignored or empty or not other:
                stands[number] = self.new()
                if other:
                    self.rules.append((stands[number], (number, space) if ignored else (number,)))
                if empty:
                    self.rules.append((stands[number], ()))
        for left, right in rules:
            of = map(numbers.__getitem__, right)
            self.rules.append((numbers[left], tuple(stands.get(n, n) for n in of)))
        first = numbers[start]
        self.start = stands.get(first, first)
        if ignored:
            self.rules.append((space, ()))
            for name in ignored:
                if name not in terminals:
                    raise GrammarError(
                        f"{name} is to be ignored, and is no terminal.", where="ignore", cure="Define it."
                    )
                if terminals[name][1]:
                    self.rules.append((space, (space, numbers[name])))
            whole = self.new()
            self.rules.append((whole, (space, self.start)))
            self.start = whole
        self.dead = {numbers[name] for name, (_, other) in terminals.items() if not other}

    def new(self) -> int:
        self.names.append("")
        return len(self.names) - 1

    def result(self) -> Rules:
        self.useful()
        empty = self.without_empty()
        self.useful()
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
        kept = tuple((place[left], tuple(place[n] for n in right)) for left, right in self.rules)
        return Rules(
            tuple(self.names[old] for old in order),
            terminals,
            place.get(self.start, -1),
            empty,
            kept,
        )

    def useful(self) -> None:
        """Keep the rules whose symbols are all productive and reachable."""
        made = productive(self.rules, (n for n in range(self.count) if n not in self.dead))
        rules = [rule for rule in self.rules if made.issuperset(rule[1])]
        led = reached(rules, [self.start])
        self.rules = list(dict.fromkeys(rule for rule in rules if rule[0] in led))

    def without_empty(self) -> bool:
        """Add a rule for every way to leave out nullable symbols; return whether the start is nullable."""
        empty = productive(self.rules, ())
        pairs: list[NumberedRule] = []
        for left, right in self.rules:
            while len(right) > _WIDE and sum(symbol in empty for symbol in right) > _WIDE:
                rest = self.new()
                pairs.append((left, (right[0], rest)))
                if all(symbol in empty for symbol in right[1:]):
                    empty.add(rest)
                left, right = rest, right[1:]
            pairs.append((left, right))
        rules: dict[NumberedRule, None] = {}
        for left, right in pairs:
            ways: list[Right] = [()]
            begin = 0
            for at in (at for at, symbol in enumerate(right) if symbol in empty):
                ways = [(*way, *right[begin:end]) for end in (at + 1, at) for way in ways]
                begin = at + 1
            for way in [(*way, *right[begin:]) for way in ways]:
                if way and way != (left,):
                    rules[left, way] = None
        self.rules = list(rules)
        return self.start in empty

    def without_cycles(self) -> None:
        """Merge the symbols of each unit cycle: they have the same words."""
        alone = ((left, right[0]) for left, right in self.rules if len(right) == 1)
        units = grouped((left, right) for left, right in alone if right >= self.count)
        stands = {symbol: group[0] for group in components(units) for symbol in group}
        rules: dict[NumberedRule, None] = {}
        for left, right in self.rules:
            rule = stands.get(left, left), tuple(stands.get(symbol, symbol) for symbol in right)
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
        for left, rights in grouped(self.rules).items():
            first = any(right[0] == left for right in rights)
            if not (first and any(right[-1] == left for right in rights)):
                rules += [(left, right) for right in rights]
                continue
            once = self.new()
            rules.append((left, (once,)))
            for right in rights:
                ended = (*right[:-1], once) if right[-1] == left else right
                rules.append((left if right[0] == left else once, ended))
        self.rules = list(dict.fromkeys(rules))

    def without_tails(self) -> None:
        """Turn right recursion into left recursion.

        Symbols that lead to one another by their last symbols form a group. The words of a symbol `s` of the
        group are paths: `s -> a p`, `p -> b q`, ..., and a rule `z -> c` that leaves the group; the word is
        `a b ... c`. For each `s` that is used from outside, and each `q` that a path from `s` reaches, a new
        symbol has the beginnings `a b ...` of such paths, by rules with recursion in the first place:
        `[s, q] -> a | [s, p] b`, and `s -> c | [s, z] c`. A group that would grow too large stays as it is.
        """
        rules = grouped(self.rules)
        lasts = {
            left: [right[-1] for right in rights if right[-1] in rules] for left, rights in rules.items()
        }
        groups = components(lasts)
        group_of = {symbol: number for number, group in enumerate(groups) for symbol in group}
        called = {self.start}
        for left, right in self.rules:
            called.update(right[:-1])
            if group_of.get(right[-1]) != group_of[left]:
                called.add(right[-1])
        for names in groups:
            group = set(names)
            if not any(last in group for left in names for last in lasts[left]):
                continue
            most = _TURNED * max(_TURNED, sum(len(rules[left]) for left in names))
            turned = self.turned(group, sorted(called & group), rules, most)
            if turned is not None:
                for left in names:
                    del rules[left]
                rules.update(turned)
        self.rules = [(left, right) for left, rights in rules.items() for right in dict.fromkeys(rights)]

    def turned(
        self,
        group: set[int],
        called: Sequence[int],
        rules: Mapping[int, Sequence[Right]],
        most: int,
    ) -> dict[int, list[Right]] | None:
        """Return rules with the same words for the symbols of a group that are called from outside of it, or
        not in the last place (`without_tails`); None where they are more than `most`."""
        goes: dict[int, list[tuple[Right, int]]] = {}
        leaves: dict[int, list[Right]] = {}
        count = 0
        for left in group:
            goes[left], leaves[left] = [], []
            for symbol in self.alone(left, group, rules):
                count += len(rules[symbol])
                if count > most:
                    return None
                for right in rules[symbol]:
                    if right[-1] not in group:
                        leaves[left].append(right)
                    elif len(right) > 1:
                        goes[left].append((right[:-1], right[-1]))
        made: dict[int, list[Right]] = {}
        count = 0
        for start in called:
            ends = made.setdefault(start, [])
            paths: dict[int, int] = {}
            pending: list[tuple[Right, int]] = [((), start)]
            while pending:
                before, at = pending.pop()
                count += len(leaves[at]) + len(goes[at])
                if count > most:
                    return None
                ends += [(*before, *right) for right in leaves[at]]
                for part, after in goes[at]:
                    path = paths.get(after)
                    if path is None:
                        path = paths[after] = self.new()
                        made[path] = []
                        pending.append(((path,), after))
                    made[path].append((*before, *part))
        return made

    def alone(self, symbol: int, group: set[int], rules: Mapping[int, Sequence[Right]]) -> Iterator[int]:
        """Yield a symbol, and the symbols of a group that it derives by unit rules."""
        met = {symbol}
        pending = [symbol]
        while pending:
            now = pending.pop()
            yield now
            for right in rules[now]:
                if len(right) == 1 and right[0] in group and right[0] not in met:
                    met.add(right[0])
                    pending.append(right[0])
