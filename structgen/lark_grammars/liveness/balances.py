"""What of the indenter the parser's stack alone tells: the open brackets, and that no block is closed too
often.

The indenter counts brackets and keeps the widths of open blocks. If each nonterminal opens as many more
brackets than it closes in all its texts, the stack tells how many are open; the same of blocks. What
matters of the brackets of a cell is whether one is open there, and above it (`mode`): exact up to the most
that one rule opens, beyond which some are open at every place of the rule.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from structgen.lark_grammars.reading.loaded_grammar import ParserTables, Rule


class Brackets:
    """The open brackets of stacks. A *cell* is a state of the parser and the mode of its brackets, as a
    number."""

    def __init__(self, tables: ParserTables, rules: Sequence[Rule], follow: bool = True) -> None:
        """`rules`: those that are used (`usable_rules`). `follow`: False if brackets do not matter."""
        indentation = tables.indentation
        self._terminals: dict[int, int] = {}
        if indentation is not None and follow:
            self._terminals = dict.fromkeys(indentation.opening, 1) | dict.fromkeys(indentation.closing, -1)
        balances: dict[int, int] | None = {}
        if self._terminals:
            balances = balances_of(rules, self._terminals)
        self._balances = self._terminals | (balances or {})
        self.is_exact = balances is not None and (not balances or lowest(rules, self._balances) >= 0)
        """Whether the stack tells which brackets are open."""
        self._most = 0
        if self._terminals:
            self._most = 1 + max(max(_prefixes(rule, self._balances)) for rule in rules)
        self.modes = self._most + 1
        """How many modes are told apart."""
        self.first = tables.start * self.modes
        """The cell at the bottom of each stack."""
        self.steps = [0] * len(tables.kernels)
        """By state: how many more brackets the symbol before it opens than it closes."""
        for state, kernel in enumerate(tables.kernels):
            for rule, dot in kernel[:1]:
                if dot:
                    self.steps[state] = self._balances.get(tables.rules[rule].symbols[dot - 1], 0)

    def state(self, cell: int) -> int:
        """Return the state of a cell."""
        return cell // self.modes

    def is_open(self, cell: int) -> bool:
        """Return whether a bracket is open at a cell."""
        return cell % self.modes > 0

    def after(self, cell: int, state: int) -> int:
        """Return the cell of a state over another cell; -1 if the symbol between closes what is not open."""
        mode = cell % self.modes
        if mode < self._most:
            mode = min(self._most, mode + self.steps[state])
        return state * self.modes + mode if mode >= 0 else -1


def usable_rules(tables: ParserTables, terminals: Collection[int]) -> list[Rule]:
    """Return the rules that occur in a derivation of a whole text, if only some terminals have a lexeme."""
    productive, left, before = set[int](), list(tables.rules), -1
    usable: list[Rule] = []
    while len(left) != before:
        before, waiting = len(left), list[Rule]()
        for rule in left:
            if all(one in terminals if one >= 0 else one in productive for one in rule.symbols):
                productive.add(-1 - rule.origin)
                usable.append(rule)
            else:
                waiting.append(rule)
        left = waiting
    by_origin: dict[int, list[Rule]] = {}
    for rule in usable:
        by_origin.setdefault(-1 - rule.origin, []).append(rule)
    reached = [one for one in by_origin if tables.nonterminals[-1 - one].startswith("$root_")]
    met = set(reached)
    for origin in reached:
        inner = {one for rule in by_origin[origin] for one in rule.symbols if one < 0} - met
        met |= inner
        reached += inner
    return [rule for rule in usable if -1 - rule.origin in met]


def are_blocks_balanced(tables: ParserTables, rules: Sequence[Rule]) -> bool:
    """Return whether each nonterminal opens as many more blocks than it closes in all its texts, a whole
    text none, and none of its beginnings closes more than it opens. `rules`: those that are used."""
    indentation = tables.indentation
    if indentation is None:
        return True
    terminals = {indentation.indent: 1, indentation.dedent: -1}
    balances = balances_of(rules, terminals)
    roots = {-1 - rule.origin for rule in rules if tables.nonterminals[rule.origin].startswith("$root_")}
    return balances is not None and all(
        balances.get(root, 0) == 0 and lowest(rules, terminals | balances, root) >= 0 for root in roots
    )


def balances_of(rules: Sequence[Rule], terminals: dict[int, int]) -> dict[int, int] | None:
    """Return for each nonterminal (-1 - its number) how many more brackets each of its texts opens than it
    closes, for those that derive a text; None if that differs."""
    found: dict[int, int] = {}
    left, before = list(rules), -1
    while len(left) != before:
        before, unknown = len(left), list[Rule]()
        for rule in left:
            if any(one < 0 and one not in found for one in rule.symbols):
                unknown.append(rule)
                continue
            total = sum(found[one] if one < 0 else terminals.get(one, 0) for one in rule.symbols)
            if found.setdefault(-1 - rule.origin, total) != total:
                return None
        left = unknown
    return found


def lowest(rules: Sequence[Rule], balances: dict[int, int], root: int | None = None) -> int:
    """Return the least balance of a beginning of a nonterminal's texts (0 at most), of `root` or of all."""
    least: dict[int, int] = {}
    for _ in range(len(rules) + 2):
        before = dict(least)
        for rule in rules:
            here = 0
            for symbol in rule.symbols:
                below = least.get(symbol, 0) if symbol < 0 else min(0, balances.get(symbol, 0))
                origin = -1 - rule.origin
                least[origin] = min(least.get(origin, 0), here + below)
                here += balances.get(symbol, 0)
        if least == before:
            return min(least.values(), default=0) if root is None else least.get(root, 0)
    return -len(rules)  # each round finds deeper ones


def _prefixes(rule: Rule, balances: dict[int, int]) -> list[int]:
    """Return the balances of all beginnings of a rule."""
    found = [0]
    for symbol in rule.symbols:
        found.append(found[-1] + balances.get(symbol, 0))
    return found
