"""Reads programs of the toy language of contracts: which lines are unsafe, and what the functions do.

It shares nothing with the generator of the programs (models/data/contracts.py) but the grammar: a program is
parsed by lark, and the rules look at the tree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from lark import Lark, Token, Tree

GRAMMAR = Path(__file__).parent.parent / "models" / "data" / "contracts.lark"


@cache
def _parser() -> Lark:
    return Lark(
        GRAMMAR.read_text(encoding="utf-8"), parser="lalr", propagate_positions=True, maybe_placeholders=False
    )


@dataclass(frozen=True)
class Finding:
    """An unsafe line."""

    rule: str
    """unchecked, reentrant, origin or timestamp."""
    at: int
    """The place in the text at which the statement begins."""
    is_labelled: bool
    """Whether a label stands before it."""


def findings(text: str) -> list[Finding]:
    """Return the unsafe lines of a program, in order. Raises lark's errors for a text that is no program."""
    found = []
    for function in _parser().parse(text).find_data("function"):
        lines = list(function.find_data("line"))
        lines.sort(key=lambda line: line.meta.start_pos)
        local = {str(one) for one in function.children if isinstance(one, Token)}
        local |= {str(let.children[0]) for let in function.find_data("let")}
        for number, line in enumerate(lines):
            statement = line.children[-1]
            for rule in _rules(statement, [one.children[-1] for one in lines[number + 1 :]], local):
                is_labelled = isinstance(line.children[0], Token)
                found.append(Finding(rule, statement.meta.start_pos, is_labelled))
    return found


def _rules(statement: Any, later: Sequence[Any], local: set[str]) -> list[str]:
    """Return the rules that a statement breaks, given the statements behind it and the names that are no
    accounts."""
    found = []
    if any(True for _ in statement.find_data("pay")):
        if statement.data == "statement":
            found.append("unchecked")
        if any(one.data == "assign" and str(one.children[0].children[0]) not in local for one in later):
            found.append("reentrant")
    if statement.data == "require":
        known = {str(one.children[0]) for one in statement.find_data("known")}
        found += sorted(known & {"origin", "timestamp"})
    return found


class _Reverted(Exception):
    """A call that changes nothing."""


@dataclass
class Machine:
    """Runs the functions of a program. All addresses are honest: payments arrive, callers begin their chains
    of calls, and one block is one unit of time."""

    text: str
    accounts: dict[str, Any] = field(default_factory=dict)
    paid: list[tuple[int, int]] = field(default_factory=list)
    """Payments: to whom, and how much."""

    def __post_init__(self) -> None:
        tree = _parser().parse(self.text)
        self._functions = {}
        for one in tree.find_data("declaration"):
            kind, name = map(str, one.children)
            self.accounts[name] = defaultdict(int) if kind == "map" else 0
        for one in tree.find_data("function"):
            names = [str(child) for child in one.children if isinstance(child, Token)]
            lines = [child.children[-1] for child in one.children if isinstance(child, Tree)]
            self._functions[names[0]] = names[1:], lines

    def call(self, name: str, inputs: Sequence[int], caller: int, value: int, block: int) -> bool:
        """Call a function; returns whether it went through. A call that does not changes nothing."""
        names, lines = self._functions[name]
        known = {"caller": caller, "origin": caller, "value": value, "block": block, "timestamp": block}
        before = {key: dict(one) if isinstance(one, dict) else one for key, one in self.accounts.items()}
        paid = len(self.paid)
        local = dict(zip(names, inputs, strict=True))
        try:
            for line in lines:
                self._run(line, local, known)
        except _Reverted:
            del self.paid[paid:]
            self.accounts = {
                key: defaultdict(int, one) if isinstance(one, dict) else one for key, one in before.items()
            }
            return False
        return True

    def state(self) -> tuple[Any, ...]:
        """Return what can be seen of the accounts and the payments."""
        accounts = {
            key: {place: count for place, count in one.items() if count} if isinstance(one, dict) else one
            for key, one in self.accounts.items()
        }
        return accounts, self.paid

    def _run(self, line: Any, local: dict[str, int], known: dict[str, int]) -> None:
        parts = line.children
        if line.data == "let":
            local[str(parts[0])] = self._sum(parts[2], local, known)
        elif line.data == "assign":
            self._assign(parts[0], str(parts[1]), self._sum(parts[2], local, known), local, known)
        elif line.data == "statement":
            self._pay(parts[0], local, known)
        elif parts[0].children[0].data == "pay":
            self._pay(parts[0].children[0], local, known)
        else:
            left, sign, right = parts[0].children[0].children
            one, other = self._sum(left, local, known), self._sum(right, local, known)
            if not {"==": one == other, ">=": one >= other, ">": one > other}[str(sign)]:
                raise _Reverted

    def _pay(self, pay: Any, local: dict[str, int], known: dict[str, int]) -> None:
        to, amount = (self._sum(one, local, known) for one in pay.children)
        self.paid.append((to, amount))

    def _sum(self, expression: Any, local: dict[str, int], known: dict[str, int]) -> int:
        total, sign = 0, 1
        for part in expression.children:
            if isinstance(part, Token):
                sign = 1 if part == "+" else -1
            else:
                total += sign * self._term(part.children[0], local, known)
        return total

    def _term(self, term: Any, local: dict[str, int], known: dict[str, int]) -> int:
        if isinstance(term, Token):
            return int(term)
        name = str(term.children[0])
        if term.data == "known":
            return known[name]
        if len(term.children) > 1:
            where = self._sum(term.children[1], local, known)
            return int(self._account(name, dict)[where])
        return local[name] if name in local else int(self._account(name, int))

    def _assign(
        self, place: Any, sign: str, value: int, local: dict[str, int], known: dict[str, int]
    ) -> None:
        name = str(place.children[0])
        if len(place.children) > 1:
            key: Any = self._sum(place.children[1], local, known)
            holder = self._account(name, dict)
        else:
            key, holder = name, local if name in local else self.accounts
            if holder is self.accounts:
                self._account(name, int)
        holder[key] = value if sign == "=" else holder[key] + (value if sign == "+=" else -value)

    def _account(self, name: str, kind: type) -> Any:
        """Return an account. Raises KeyError for one that is not declared so."""
        if not isinstance(self.accounts.get(name), kind):
            raise KeyError(name)
        return self.accounts[name]
