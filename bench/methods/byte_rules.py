"""A context-free grammar over bytes, one byte after another (`token_pushdown`, `context_free_fill`).

A grammar is plain: each name has alternatives, each a sequence of names and of sets of bytes (b"01" is a
set of two). No alternative is empty, and no name begins with itself.

A configuration is a stack of *rests*: what is left of an alternative. A byte is taken by the top one. Names
and alternatives that cannot come back to themselves but at their ends are regular: they are written into the
rest. Only others are called, and leave a rest behind where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

Rest = tuple["str | frozenset[int]", ...]
Stack = tuple[Rest, ...]
Grammar = dict[str, Sequence[Sequence["str | bytes"]]]


class Rules:
    """The grammar, byte by byte."""

    def __init__(self, grammar: Grammar, start: str) -> None:
        """Raise ValueError for an empty alternative, an unknown name, and a name that begins with itself."""
        self.of: dict[str, list[Rest]] = {
            name: [tuple(one if isinstance(one, str) else frozenset(one) for one in some) for some in each]
            for name, each in grammar.items()
        }
        self.start: Rest = (start,)
        firsts, names, inner = ({name: set[str]() for name in self.of} for _ in range(3))
        for name, rests in self.of.items():
            if not all(rests):
                raise ValueError(f"{name} has an empty alternative.")
            for rest in rests:
                said = [one for one in rest if isinstance(one, str)]
                if unknown := set(said) - set(self.of):
                    raise ValueError(f"{name} names {unknown.pop()}, which has no rule.")
                firsts[name].update(said[:1] if said and rest[0] == said[0] else ())
                names[name].update(said)
                inner[name].update(one for one in rest[:-1] if isinstance(one, str))
        if found := [name for name in self.of if name in _reached(firsts, firsts[name])]:
            raise ValueError(f"{found[0]} begins with itself.")
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


def _word(text: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in text]


JSON: Grammar = {
    "value": [
        [b"{", "object"], [b"[", "array"], [b'"', "string"], ["number"],
        _word(b"true"), _word(b"false"), _word(b"null"),
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
