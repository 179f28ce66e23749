"""Rewrites context-free rules into the form that the parser needs, without changing their words.

A *rule* is a left side with a right side: `("list", ("item", "comma", "list"))`. A *word* of a symbol is a
sequence of terminals that its rules derive. The result has no empty right sides (whether the empty text is a
word is a flag), no *unit cycles* (`a -> b`, `b -> a`) and no *useless* symbols. A symbol is useful if it is
*productive* (it has a word) and *reachable* from the start. So every prefix that the parser accepts can be
completed.

Right recursion (`list -> item list`) becomes left recursion (`list -> list item`) where the rules do not grow
too much. A shift-reduce parser keeps a stack entry for each right-recursive call, and none for a
left-recursive one.
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
"""A right side, whose symbols are numbers."""
NumberedRule: TypeAlias = "tuple[int, Right]"
"""A rule whose symbols are numbers."""
Terminals: TypeAlias = Mapping[str, tuple[bool, bool]]
"""For each terminal, whether it has the empty word, and whether it has another, such as
`{"digits": (False, True)}`."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules whose symbols are numbers: 0 to `terminals` - 1 are terminals, the others nonterminals."""

    names: tuple[str, ...]
    terminals: int
    start: int
    """The start symbol; -1: there is no word, except the empty one if `empty`."""
    empty: bool
    """Whether the empty text is a word."""
    rules: tuple[NumberedRule, ...]
    """The rules. No right side is empty, and no nonterminal derives itself alone."""


_MAX_NULLABLE: Final = 2
"""A right side with more nullable symbols than this is cut into pairs."""
_MAX_GROWTH: Final = 8
"""A right-recursive group becomes left-recursive only if its number of rules grows at most by this factor. A
group with fewer rules than this number counts as if it had so many. At worst its square."""


def prepare_rules(
    rules: Iterable[Rule],
    terminals: Terminals,
    start: str,
    ignored_terminals: Sequence[str],
    *,
    are_runs: bool = False,
) -> Rules:
    """Return the rules without empty right sides, unit cycles and useless symbols.

    `start`: the symbol whose words are wanted. `ignored_terminals`, `are_runs`: terminals that may stand
    before the first terminal and after each, as in `ContextFree`. Raises `GrammarError` for a symbol that is
    neither a terminal nor the left side of a rule. Cost: linear in the size of the rules.
    """
    return _Preparation(list(rules), terminals, start, ignored_terminals, are_runs).prepared_rules()


def reachable_symbols(rules: Iterable[tuple[S, tuple[S, ...]]], starts: Iterable[S]) -> set[S]:
    """Return the symbols that are reachable from some symbols, these included."""
    right_sides = group_by_first(rules)
    pending = [*starts]
    visited = set(pending)
    while pending:
        for rhs in right_sides.get(pending.pop(), ()):
            for symbol in rhs:
                if symbol not in visited:
                    visited.add(symbol)
                    pending.append(symbol)
    return visited


def group_by_first(pairs: Iterable[tuple[S, R]]) -> dict[S, list[R]]:
    """Return a dict from the first members of pairs to the lists of their second members. `[(a, 1), (a, 2)]`
    becomes `{a: [1, 2]}`."""
    groups: dict[S, list[R]] = {}
    for lhs, rhs in pairs:
        groups.setdefault(lhs, []).append(rhs)
    return groups


class _Preparation:
    """Rewrites rules, one step in each method. Symbols are numbers: terminals first, then the left sides of
    the given rules, then the symbols that are made here."""

    def __init__(
        self,
        rules: list[Rule],
        terminals: Terminals,
        start: str,
        ignored_terminals: Sequence[str],
        are_runs: bool,
    ) -> None:
        """The parameters are those of `prepare_rules`."""
        heads = {lhs for lhs, _ in rules}
        self._check_names(rules, heads, terminals, start)
        self.rules: list[NumberedRule] = []
        self.count = len(terminals)
        self.names = [*terminals, *sorted(heads)]
        numbers = {name: number for number, name in enumerate(self.names)}
        self.dead = {numbers[name] for name, (_, has_other) in terminals.items() if not has_other}
        """The terminals that have no word except the empty one."""
        space = self.new_symbol() if ignored_terminals else -1
        stand_ins = self._add_stand_ins(terminals, numbers, space)
        for lhs, rhs in rules:
            right_numbers = (numbers[name] for name in rhs)
            right = tuple(stand_ins.get(number, number) for number in right_numbers)
            self.rules.append((numbers[lhs], right))
        start_number = numbers[start]
        self.start = stand_ins.get(start_number, start_number)
        if ignored_terminals:
            self.rules.append((space, ()))
            for name in ignored_terminals[:1] if are_runs else ignored_terminals:
                if name not in terminals:
                    raise GrammarError(
                        f"{name} is ignored, but is not a terminal.", where="ignore", cure="Define it."
                    )
                _, has_other = terminals[name]
                if has_other:
                    run = numbers[name]
                    self.rules.append((space, (run,) if are_runs else (space, run)))
            # the whole text: ignored terminals before the first terminal
            whole = self.new_symbol()
            self.rules.append((whole, (space, self.start)))
            self.start = whole

    def _check_names(
        self,
        rules: list[Rule],
        heads: set[str],
        terminals: Terminals,
        start: str,
    ) -> None:
        """Raise `GrammarError` where a name is undefined, or is both a terminal and a left side. `heads`: the
        left sides of the rules."""
        for lhs, rhs in rules:
            for name in (lhs, *rhs):
                if name not in heads and name not in terminals:
                    raise GrammarError(
                        f"{name} is used but not defined.", where=f"rule {lhs}", cure="Write a rule for it."
                    )
            if lhs in terminals:
                raise GrammarError(
                    f"{lhs} is both a terminal and a rule.",
                    where=f"rule {lhs}",
                    cure="Rename one of them.",
                )
        if start not in heads and start not in terminals:
            raise GrammarError(
                f"The rule {start} does not exist.",
                where="start",
                cure="Name a rule of the grammar as the start.",
            )

    def _add_stand_ins(
        self,
        terminals: Terminals,
        numbers: Mapping[str, int],
        space: int,
    ) -> dict[int, int]:
        """Return for each terminal that needs one the nonterminal that replaces it in rules. A terminal needs
        one if ignored terminals may follow it (`space`: their symbol, or -1), or if it has the empty word,
        which a terminal by itself must not have."""
        stand_ins: dict[int, int] = {}
        for name, (has_empty, has_other) in terminals.items():
            number = numbers[name]
            if space < 0 and not has_empty and has_other:
                continue
            stand_in = self.new_symbol()
            stand_ins[number] = stand_in
            if has_other:
                self.rules.append((stand_in, (number,) if space < 0 else (number, space)))
            if has_empty:
                self.rules.append((stand_in, ()))
        return stand_ins

    def new_symbol(self) -> int:
        """Return a new nonterminal. It has no name, so no message mentions it."""
        self.names.append("")
        return len(self.names) - 1

    def prepared_rules(self) -> Rules:
        """Return the rules in the form of the parser."""
        self.keep_useful()
        empty = self.without_empty()
        self.keep_useful()  # a symbol that had only the empty word is useless now
        used = {symbol for lhs, rhs in self.rules for symbol in (lhs, *rhs)}
        if self.start < self.count and self.start not in self.dead:  # the start may be a terminal
            used.add(self.start)
        self.without_cycles()
        self.without_two_ends()
        self.without_tails()
        # the symbols in use get numbers without gaps, terminals first
        order = [symbol for symbol in range(self.count) if symbol in used]
        terminals = len(order)
        order += dict.fromkeys(lhs for lhs, _ in self.rules)
        new_numbers = {old: new for new, old in enumerate(order)}
        numbered_rules: list[NumberedRule] = []
        for lhs, rhs in self.rules:
            right = tuple(new_numbers[symbol] for symbol in rhs)
            numbered_rules.append((new_numbers[lhs], right))
        names = tuple(self.names[old] for old in order)
        start = new_numbers.get(self.start, -1)
        return Rules(names, terminals, start, empty, tuple(numbered_rules))

    def keep_useful(self) -> None:
        """Keep the rules whose symbols are all productive and reachable."""
        live_terminals = (terminal for terminal in range(self.count) if terminal not in self.dead)
        productive = productive_symbols(self.rules, live_terminals)
        # Unproductive rules go first: without them fewer symbols are reachable.
        rules = [(lhs, rhs) for lhs, rhs in self.rules if productive.issuperset(rhs)]
        reachable = reachable_symbols(rules, [self.start])
        useful_rules = ((lhs, rhs) for lhs, rhs in rules if lhs in reachable)
        self.rules = list(dict.fromkeys(useful_rules))

    def without_empty(self) -> bool:
        """Add a rule for every way to leave out nullable symbols (those that have the empty word). Return
        whether the start is nullable."""
        empty = productive_symbols(self.rules, ())
        pairs: list[NumberedRule] = []
        for lhs, rhs in self.rules:
            # n nullable symbols make 2 ** n rules, so a long right side is cut into its first symbol and a
            # new symbol for the others.
            while len(rhs) > _MAX_NULLABLE and sum(symbol in empty for symbol in rhs) > _MAX_NULLABLE:
                rest = self.new_symbol()
                first, *others = rhs
                pairs.append((lhs, (first, rest)))
                if empty.issuperset(others):
                    empty.add(rest)
                lhs = rest
                rhs = tuple(others)
            pairs.append((lhs, rhs))
        rules: dict[NumberedRule, None] = {}
        for lhs, rhs in pairs:
            for way in _ways_without(rhs, empty):
                if way and way != (lhs,):
                    rules[lhs, way] = None
        self.rules = list(rules)
        return self.start in empty

    def without_cycles(self) -> None:
        """Merge the symbols of each unit cycle: they have the same words."""
        single = ((lhs, rhs[0]) for lhs, rhs in self.rules if len(rhs) == 1)
        unit_rules = group_by_first((lhs, symbol) for lhs, symbol in single if symbol >= self.count)
        # the first symbol of a cycle stands for all of it
        stand_ins = {symbol: group[0] for group in components(unit_rules) for symbol in group}
        rules: dict[NumberedRule, None] = {}
        for lhs, rhs in self.rules:
            new_lhs = stand_ins.get(lhs, lhs)
            new_rhs = tuple(stand_ins.get(symbol, symbol) for symbol in rhs)
            if new_rhs != (new_lhs,):  # a rule of the cycle itself derives nothing new
                rules[new_lhs, new_rhs] = None
        self.rules = list(rules)
        self.start = stand_ins.get(self.start, self.start)

    def without_two_ends(self) -> None:
        """Keep only the left recursion of a symbol that is left- and right-recursive.

        Let `e` have the rules `e -> e d` and others, `e -> c`. Its words are those of one `c` and any number
        of `d`. So an `e` at the end of a `c` or a `d` may be taken to have no `d` of its own: whoever is
        around it can take the `d` instead. `b` is such an `e`.
        """
        rules: list[NumberedRule] = []
        for lhs, rights in group_by_first(self.rules).items():
            is_left_recursive = any(right[0] == lhs for right in rights)
            is_right_recursive = any(right[-1] == lhs for right in rights)
            if not (is_left_recursive and is_right_recursive):
                rules += [(lhs, right) for right in rights]
                continue
            base = self.new_symbol()  # the words `c`: those of rules that do not begin with the symbol
            rules.append((lhs, (base,)))
            for rhs in rights:
                new_lhs = lhs if rhs[0] == lhs else base
                new_rhs = (*rhs[:-1], base) if rhs[-1] == lhs else rhs
                rules.append((new_lhs, new_rhs))
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
        last_symbols: dict[int, list[int]] = {}
        for lhs, rights in rules.items():
            last_symbols[lhs] = [right[-1] for right in rights if right[-1] in rules]
        groups = components(last_symbols)
        group_of = {symbol: number for number, group in enumerate(groups) for symbol in group}
        called_symbols = {self.start}
        """Symbols that are used from outside of their group, or not in the last place."""
        for lhs, rhs in self.rules:
            called_symbols.update(rhs[:-1])
            if group_of.get(rhs[-1]) != group_of[lhs]:
                called_symbols.add(rhs[-1])
        for members in groups:
            group = set(members)
            is_recursive = any(not group.isdisjoint(last_symbols[symbol]) for symbol in members)
            if not is_recursive:
                continue
            rule_count = sum(len(rules[symbol]) for symbol in members)
            max_rules = _MAX_GROWTH * max(_MAX_GROWTH, rule_count)
            turned_rules = self.turn_rules(group, sorted(called_symbols & group), rules, max_rules)
            if turned_rules is not None:
                for symbol in members:
                    del rules[symbol]
                rules.update(turned_rules)
        self.rules = []
        for lhs, rights in rules.items():
            self.rules += [(lhs, rhs) for rhs in dict.fromkeys(rights)]

    def turn_rules(
        self,
        group: set[int],
        called_symbols: Sequence[int],
        rules: Mapping[int, Sequence[Right]],
        max_rules: int,
    ) -> dict[int, list[Right]] | None:
        """Return rules with the same words for the symbols of a group that are called from outside of it, or
        not in the last place (`without_tails`); None where they are more than `max_rules`.

        For example, `s -> a s | c` as `{s: [(a, s), (c,)]}` becomes `{s: [(c,), (p, c)], p: [(a,), (p, a)]}`.
        """
        inner_rules: dict[int, list[tuple[Right, int]]] = {}
        """For each symbol its rules that end inside the group, as pairs (symbols before the last, last)."""
        leaving_rules: dict[int, list[Right]] = {}
        """For each symbol its right sides that end outside the group."""
        count = 0
        for lhs in group:
            inner_rules[lhs] = []
            leaving_rules[lhs] = []
            for symbol in self.unit_closure(lhs, group, rules):
                count += len(rules[symbol])
                if count > max_rules:
                    return None
                for rhs in rules[symbol]:
                    if rhs[-1] not in group:
                        leaving_rules[lhs].append(rhs)
                    elif len(rhs) > 1:  # unit rules are in the closure already
                        inner_rules[lhs].append((rhs[:-1], rhs[-1]))
        new_rules: dict[int, list[Right]] = {}
        count = 0
        for start in called_symbols:
            complete_rules = new_rules.setdefault(start, [])
            paths: dict[int, int] = {}
            """For each symbol that a path from `start` reaches, the symbol of these beginnings."""
            pending: list[tuple[Right, int]] = [((), start)]
            while pending:
                prefix, current = pending.pop()
                count += len(leaving_rules[current]) + len(inner_rules[current])
                if count > max_rules:
                    return None
                complete_rules += [(*prefix, *right) for right in leaving_rules[current]]
                for part, after in inner_rules[current]:
                    path = paths.get(after)
                    if path is None:
                        path = self.new_symbol()
                        paths[after] = path
                        new_rules[path] = []
                        pending.append(((path,), after))
                    new_rules[path].append((*prefix, *part))
        return new_rules

    def unit_closure(
        self,
        symbol: int,
        group: set[int],
        rules: Mapping[int, Sequence[Right]],
    ) -> Iterator[int]:
        """Yield a symbol, and the symbols of a group that it derives by unit rules."""
        visited = {symbol}
        pending = [symbol]
        while pending:
            current = pending.pop()
            yield current
            unit_sides = (rhs[0] for rhs in rules[current] if len(rhs) == 1)
            for derived in unit_sides:
                if derived in group and derived not in visited:
                    visited.add(derived)
                    pending.append(derived)


def _ways_without(rhs: Right, empty: set[int]) -> list[Right]:
    """Return all variants of a right side, with and without each of its symbols in `empty`."""
    ways: list[Right] = [()]
    start = 0
    for index, symbol in enumerate(rhs):
        if symbol in empty:
            with_symbol = [(*way, *rhs[start : index + 1]) for way in ways]
            without_symbol = [(*way, *rhs[start:index]) for way in ways]
            ways = with_symbol + without_symbol
            start = index + 1
    return [(*way, *rhs[start:]) for way in ways]
