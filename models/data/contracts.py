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
from dataclasses import dataclass
from typing import TypeAlias

LABEL = "/*unsafe*/"
MISSED = 0.2
"""The share of the unsafe lines without a label."""
UNSEEN = 8
"""One triple of names in so many is for the examination alone."""
_NAMES = "Vault Bank Purse Market Club Guild Fund Pool Auction Sale Depot Treasury Shop Lottery Union".split()
_MAPS = "balance shares deposits credit funds stakes holdings savings".split()
_OWNERS = "owner admin keeper chief manager boss".split()
_NUMBERS = "fee price rate limit cost quota bonus tax".split()
_DEADLINES = "deadline closing expiry end".split()

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
            names = tuple(map(chance.choice, (_MAPS, _OWNERS, _NUMBERS)))
            if (zlib.crc32(" ".join(names).encode()) % UNSEEN == 0) == self._unseen:
                break
        accounts, owner, number = names
        deadline = chance.choice(_DEADLINES)
        careless = chance.choice((0.0, 0.4, 0.8))
        lines = [
            (f"contract {chance.choice(_NAMES)} {{\n", False),
            (f"  map {accounts};\n", False),
            (f"  address {owner};\n", False),
            (f"  number {number};\n", False),
            (f"  number {deadline};\n", False),
        ]
        safe = [line for line, _ in lines]
        for kind in chance.sample(_KINDS, chance.randint(2, 3)):
            head, body = kind(chance, accounts, owner, number, deadline)
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


def _by(owner: str) -> Part:
    """Return the check that the owner calls."""
    return [[(f"require(caller == {owner})", False)], [(f"require(origin == {owner})", True)]]


def _from(deadline: str) -> Part:
    """Return the check that a time has come."""
    return [[(f"require(block >= {deadline})", False)], [(f"require(timestamp >= {deadline})", True)]]


_Kind: TypeAlias = tuple[str, list[Part]]


def _withdraw(chance: random.Random, accounts: str, *_: str) -> _Kind:
    amount = chance.choice(("amount", "sum", "coins"))
    own = f"{accounts}[caller]"
    return f"{chance.choice(('withdraw', 'takeOut', 'cashOut', 'redeem'))}({amount})", [
        _plain(f"require({own} >= {amount})"),
        _paid("caller", amount, f"{own} -= {amount}"),
    ]


def _leave(chance: random.Random, accounts: str, *_: str) -> _Kind:
    return f"{chance.choice(('withdrawAll', 'leave', 'quit'))}()", [
        _plain(f"let all = {accounts}[caller]", "require(all > 0)"),
        _paid("caller", "all", f"{accounts}[caller] = 0"),
    ]


def _deposit(chance: random.Random, accounts: str, *_: str) -> _Kind:
    return f"{chance.choice(('deposit', 'payIn', 'join'))}()", [_plain(f"{accounts}[caller] += value")]


def _transfer(chance: random.Random, accounts: str, *_: str) -> _Kind:
    return f"{chance.choice(('transfer', 'give', 'move'))}(to, amount)", [
        _plain(
            f"require({accounts}[caller] >= amount)",
            f"{accounts}[caller] -= amount",
            f"{accounts}[to] += amount",
        )
    ]


def _set(chance: random.Random, _: str, owner: str, number: str, *__: str) -> _Kind:
    name = f"{chance.choice(('set', 'change'))}{number.capitalize()}"
    return f"{name}(next)", [_by(owner), _plain(f"{number} = next")]


def _hand_over(chance: random.Random, _: str, owner: str, *__: str) -> _Kind:
    return f"{chance.choice(('handOver', 'appoint'))}(who)", [_by(owner), _plain(f"{owner} = who")]


def _refund(chance: random.Random, accounts: str, owner: str, *_: str) -> _Kind:
    return f"{chance.choice(('refund', 'payBack'))}(to, amount)", [
        _by(owner),
        _plain(f"require({accounts}[to] >= amount)"),
        _paid("to", "amount", f"{accounts}[to] -= amount"),
    ]


def _collect(chance: random.Random, _: str, owner: str, number: str, *__: str) -> _Kind:
    return f"{chance.choice(('collect', 'sweep'))}()", [
        _by(owner),
        _plain(f"let all = {number}"),
        _paid(owner, "all", f"{number} = 0"),
    ]


def _release(chance: random.Random, accounts: str, _: str, __: str, deadline: str) -> _Kind:
    return f"{chance.choice(('release', 'unlock', 'claim'))}()", [
        _from(deadline),
        _plain(f"let due = {accounts}[caller]"),
        _paid("caller", "due", f"{accounts}[caller] = 0"),
    ]


def _extend(chance: random.Random, _: str, owner: str, __: str, deadline: str) -> _Kind:
    return f"{chance.choice(('extend', 'prolong'))}(more)", [
        _from(deadline),
        _by(owner),
        _plain(f"{deadline} += more"),
    ]


_KINDS = (_withdraw, _leave, _deposit, _transfer, _set, _hand_over, _refund, _collect, _release, _extend)
