"""A context-free grammar over bytes, one byte after another (`token_pushdown`, `context_free_fill`).

A grammar is plain: each name has alternatives, each a sequence of names and of sets of bytes (b"01" is a
set of two). No alternative is empty, and no name begins with itself.

A configuration is a stack of *rests*: what is left of an alternative. A byte is taken by the top one. Names
and alternatives that cannot come back to themselves but at their ends are regular: they are written into the
rest. Only others are called, and leave a rest behind where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
from lark.common import ParserConf
from lark.exceptions import GrammarError as LarkError
from lark.grammar import NonTerminal, Rule, Terminal
from lark.parsers.lalr_analysis import LALR_Analyzer

from structgen.errors import GrammarError

Rest = tuple["str | frozenset[int]", ...]
Stack = tuple[Rest, ...]
Grammar = dict[str, Sequence[Sequence["str | bytes"]]]
_CURE = "Write its alternatives anew, so that each begins with a byte, or with a name that leads to one."


class Rules:
    """The grammar, byte by byte."""

    def __init__(self, grammar: Grammar, start: str, *, one_derivation: bool = False) -> None:
        """Raise GrammarError for an empty alternative, an unknown name, and a name that begins with itself.
        `one_derivation`: the caller knows that no text has two, though the grammar is not LALR(1)."""
        self.one_derivation = one_derivation
        self.of: dict[str, list[Rest]] = {
            name: [tuple(one if isinstance(one, str) else frozenset(one) for one in some) for some in each]
            for name, each in grammar.items()
        }
        self.start: Rest = (start,)
        firsts, names, inner = ({name: set[str]() for name in self.of} for _ in range(3))
        for name, rests in self.of.items():
            if not all(rests):
                raise GrammarError(f"{name} has an empty alternative.", where=name, cure=_CURE)
            for rest in rests:
                said = [one for one in rest if isinstance(one, str)]
                if unknown := set(said) - set(self.of):
                    what = f"{name} names {unknown.pop()}, which has no rule."
                    raise GrammarError(what, where=name, cure="Write a rule for it.")
                firsts[name].update(said[:1] if said and rest[0] == said[0] else ())
                names[name].update(said)
                inner[name].update(one for one in rest[:-1] if isinstance(one, str))
        if found := [name for name in self.of if name in _reached(firsts, firsts[name])]:
            raise GrammarError(f"{found[0]} begins with itself.", where=found[0], cure=_CURE)
        nested = {a for a in self.of for b in inner[a] if a in {b, *_reached(names, names[b])}}
        self.flat = {a for a in self.of if not ({a, *_reached(names, names[a])} & nested)}
        self.moves = lru_cache(None)(self._moves)

    def _moves(self, top: Rest, byte: int) -> list[Stack]:
        """Return the stacks that a rest becomes by a byte; the empty one if it is used up."""
        first, rest = top[0], top[1:]
        below: Stack = (rest,) if rest else ()
        if not isinstance(first, str):
            return [below] if byte in first else []
        found = []
        for one in self.of[first]:
            if all(symbol in self.flat or not isinstance(symbol, str) for symbol in one):
                found += self.moves(one + rest, byte)
            else:
                found += [below + deeper for deeper in self.moves(one, byte)]
        return found

    def run(self, rest: Rest, token: bytes) -> tuple[list[Stack], list[bytes]]:
        """Return the stacks that a rest becomes by a token, and the remainders behind which it was used up;
        one for each derivation."""
        stacks: list[Stack] = [(rest,)]
        pops: list[bytes] = []
        for at, byte in enumerate(token):
            new = [stack[:-1] + found for stack in stacks for found in self.moves(stack[-1], byte)]
            stacks = [one for one in new if one]
            pops += [token[at + 1 :]] * (len(new) - len(stacks))
        return stacks, pops

    @cached_property
    def conflict(self) -> str | None:
        """What keeps the grammar from being LALR(1) over bytes, in lark's words. None if nothing does: then
        each text has one derivation (Knuth, On the Translation of Languages from Left to Right, 1965)."""
        symbols = dict.fromkeys(one for rests in self.of.values() for rest in rests for one in rest)
        sets = [one for one in symbols if not isinstance(one, str)]
        alike: dict[tuple[bool, ...], list[int]] = {}  # bytes that no set tells apart
        for byte in range(256):
            alike.setdefault(tuple(byte in one for one in sets), []).append(byte)
        rules = [
            Rule(NonTerminal(f"set {n}"), [Terminal(repr(bytes(some)))])
            for holds, some in alike.items()
            for n in np.flatnonzero(holds)
        ]
        for name, rests in self.of.items():
            for rest in rests:
                said = [one if isinstance(one, str) else f"set {sets.index(one)}" for one in rest]
                rules.append(Rule(NonTerminal(name), [NonTerminal(one) for one in said]))
        try:
            LALR_Analyzer(ParserConf(rules, {}, [self.start[0]]), strict=True).compute_lalr()
        except LarkError as error:
            return " ".join(str(error).split())
        return None

    def require_one_derivation(self) -> None:
        """Raise GrammarError if a text may have several derivations."""
        if not self.one_derivation and self.conflict:
            raise GrammarError(
                f"Sums count derivations, and a text may have several: not LALR(1), {self.conflict}",
                where="rules",
                cure="Ask for masks or the best filling; or say one_derivation=True, if you know better.",
            )


def _reached(edges: dict[str, set[str]], some: set[str]) -> set[str]:
    """Return the names that are reached from some, with those."""
    seen: set[str] = set()
    left = set(some)
    while left:
        seen |= left
        left = {deeper for one in left for deeper in edges[one]} - seen
    return seen


PLAIN = bytes(byte for byte in range(32, 256) if byte not in b'"\\')
DIGITS = b"0123456789"
JSON: Grammar = {
    "value": [
        [b"{", "object"], [b"[", "array"], [b'"', "string"], ["number"],
        [b"t", b"r", b"u", b"e"], [b"f", b"a", b"l", b"s", b"e"], [b"n", b"u", b"l", b"l"],
    ],
    "object": [[b"}"], [b'"', "string", b":", b" ", "value", "members"]],
    "members": [[b"}"], [b",", b" ", b'"', "string", b":", b" ", "value", "members"]],
    "array": [[b"]"], ["value", "items"]],
    "items": [[b"]"], [b",", b" ", "value", "items"]],
    "string": [[b'"'], [PLAIN, "string"], [b"\\", b'"\\/bfnrt', "string"]],
    "number": [[b"-", "natural"], ["natural"]],
    "natural": [
        [b"0"], [b"123456789"], [b"123456789", "digits"],
        [b"0", b".", "digits"], [b"123456789", b".", "digits"], [b"123456789", "digits", b".", "digits"],
    ],
    "digits": [[DIGITS], [DIGITS, "digits"]],
}  # fmt: skip
"""Any JSON value as json.dumps writes it, without exponents."""
