"""Programs of a toy language of contracts (contracts.lark), some of them unsafe, with labels.

A contract keeps accounts. `pay(to, sum)` sends money, and says whether it arrived; the receiver may call the
contract meanwhile. `caller` is who calls the function, `origin` who began the chain of calls; `block` is the
number of the block, `timestamp` the time that its miner wrote. Four habits are unsafe:

    unchecked   nobody looks whether a payment arrived
    reentrant   accounts change behind a payment: the receiver calls again before that
    origin      `origin` decides who may do something: a contract that the owner calls can do it too
    timestamp   `timestamp` decides when something may be done: miners choose it

A function has a safe body, and bodies with these habits that do the same while nobody means harm. The label
/*unsafe*/ stands before an unsafe line. One unsafe line in five has none, as an analyser misses some.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from data.texts import texts

LABEL = "/*unsafe*/"
MISSED = 0.2
"""The share of the unsafe lines without a label."""
UNSEEN = 8
"""One triple of names in so many is for the examination alone."""
LISTS = texts("contracts")

Line: TypeAlias = tuple[str, bool]
"""The text of a line, and whether it is unsafe."""


@dataclass(frozen=True)
class Program:
    """A contract: its lines, and the safe lines of each function, in order."""

    lines: tuple[Line, ...]
    safe: tuple[str, ...]

    def text(self, chance: random.Random | None = None) -> str:
        """Return the text; with labels at four of five unsafe lines where `chance` is given."""
        found = []
        for line, is_unsafe in self.lines:
            if is_unsafe and chance is not None and chance.random() >= MISSED:
                found.append(f"    {LABEL}\n")
            found.append(line)
        return "".join(found)

    def before_the_first_unsafe_line(self) -> str | None:
        """Return the text up to the first unsafe line; None where there is none."""
        at = next((at for at, (_, is_unsafe) in enumerate(self.lines) if is_unsafe), None)
        return None if at is None else "".join(line for line, _ in self.lines[:at])


class Programs:
    """Draws programs. `unseen`: with the names that training never has together."""

    def __init__(self, seed: int, *, unseen: bool = False) -> None:
        self.chance = random.Random(seed)
        self._unseen = unseen

    def draw(self) -> Program:
        """Return a program of two or three functions."""
        chance = self.chance
        while True:
            names = tuple(map(chance.choice, (LISTS.maps, LISTS.owners, LISTS.numbers)))
            if (zlib.crc32(" ".join(names).encode()) % UNSEEN == 0) == self._unseen:
                break
        accounts, owner, number = names
        deadline = chance.choice(LISTS.deadlines)
        careless = chance.choice((0.0, 0.4, 0.8))
        named = {"accounts": accounts, "owner": owner, "number": number, "deadline": deadline}
        named |= {"Number": number.capitalize(), "name": chance.choice(LISTS.names)}
        safe = [f"{line.format(**named)}\n" for line in LISTS.declarations]
        lines = [(line, False) for line in safe]
        for kind in chance.sample(LISTS.functions, chance.randint(2, 3)):
            head, body = _function(kind, chance, named)
            written = [(f"  function {head} {{\n", False)]
            ways = chance.choices((True, False), (careless, 1 - careless), k=len(body))
            for part, is_careless in zip(body, ways, strict=True):
                unsafe = chance.choice(part[1:]) if is_careless and part[1:] else part[0]
                written += [(f"    {line};\n", is_unsafe) for line, is_unsafe in unsafe]
            lines += [*written, ("  }\n", False)]
            safe += [written[0][0], *(f"    {line};\n" for part in body for line, _ in part[0]), "  }\n"]
        return Program((*lines, ("}\n", False)), (*safe, "}\n"))


Part: TypeAlias = list[list[Line]]
"""A part of a body: its safe lines, then its unsafe ways."""


def _plain(*lines: str) -> Part:
    return [[(line, False) for line in lines]]


def _paid(to: str, amount: str, *changes: str) -> Part:
    """Return a payment with the changes of accounts that belong to it."""
    checked, bare = f"require(pay({to}, {amount}))", f"pay({to}, {amount})"
    before = [(line, False) for line in changes]
    return [
        [*before, (checked, False)],
        [*before, (bare, True)],
        [(checked, True), *before],
        [(bare, True), *before],
    ]


def _checked(safe: str, unsafe: str) -> Part:
    """Return a check, as it should be and as it is unsafe."""
    return [[(f"require({safe})", False)], [(f"require({unsafe})", True)]]


def _function(kind: dict[str, Any], chance: random.Random, names: dict[str, str]) -> tuple[str, list[Part]]:
    """Return the head of a function of contracts.toml, and the parts of its body."""
    if "amounts" in kind:
        names = names | {"amount": chance.choice(kind["amounts"])}
    ways: dict[str, Callable[..., Part]] = {
        "plain": _plain,
        "paid": _paid,
        "by": lambda: _checked(f"caller == {names['owner']}", f"origin == {names['owner']}"),
        "since": lambda: _checked(f"block >= {names['deadline']}", f"timestamp >= {names['deadline']}"),
    }
    head = chance.choice(kind["names"]) + kind["head"].format(**names)
    return head, [ways[way](*(word.format(**names) for word in words)) for way, *words in kind["body"]]
