"""The language itself: which texts belong to it, and, for finite sets of values, an explicit automaton of
its words.

The automaton is made from the value side: every value of a finite universe that the schema accepts, in
every order of keys, with every spelling of its strings and numbers and every run of white space that the
policies allow. All of its states lie on the way to a word, so a text is a prefix of a word exactly when the
automaton survives it.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from re import _constants as syntax
from re import _parser as parser
from typing import Any

from json_text import parse
from policy_oracle import BASE_CAPS, Answer, Caps, Options, canonical, gap_pattern, judge, layout
from schema_text import (
    Part,
    Source,
    child,
    draft_of,
    in_place,
    key_order,
    kind_of,
    numbers_in,
    possible_roots,
)
from validator import Validator

Json = Any


class Unclear(ValueError):
    """The policies leave open, for this schema, whether some word belongs to the language."""


class Language:
    """Membership in the language of one schema under one set of policies."""

    def __init__(self, schema: Json, options: Options, draft: str | None = None) -> None:
        self.schema, self.options, self.draft = schema, options, draft
        self.validator = Validator(schema, draft, options.formats)

    def holds(self, text: bytes) -> Answer:
        """Return whether the text is a word of the language (UNSURE: see `policy_oracle`)."""
        judgement = judge(text, self.schema, self.options, self.draft)
        if judgement.answer is Answer.NO:
            return Answer.NO
        if not self.validator.valid(parse(text)[0].value):
            return Answer.NO
        return judgement.answer


class Nfa:
    """A non-deterministic automaton over bytes, of regular expressions; equal ones after equal states are
    shared.
    """

    def __init__(self) -> None:
        self.edges: list[dict[int, set[int]]] = [{}]
        self.silent: list[set[int]] = [set()]
        self.final: set[int] = set()
        self._shared: dict[tuple[int, object], int] = {}

    def state(self) -> int:
        """Return a new state."""
        self.edges.append({})
        self.silent.append(set())
        return len(self.edges) - 1

    def piece(self, start: int, pattern: bytes) -> int:
        """Return the state after any text of a pattern: literals, sets, groups, alternatives, counts."""
        key = (start, pattern)
        if key not in self._shared:
            self._shared[key] = self._after(start, _parsed(pattern))
        return self._shared[key]

    def _after(self, start: int, nodes: Iterable[tuple[Any, Any]]) -> int:
        for kind, of in nodes:
            if kind is syntax.LITERAL:
                start = self._by(start, (of,))
            elif kind is syntax.IN:
                spans = [(of, of) if kind is syntax.LITERAL else of for kind, of in of]
                start = self._by(start, [byte for low, high in spans for byte in range(low, high + 1)])
            elif kind is syntax.SUBPATTERN:
                start = self._after(start, of[-1])
            elif kind is syntax.BRANCH:
                start = self._joined([self._after(start, way) for way in of[1]])
            else:
                least, most, body = of
                assert kind is syntax.MAX_REPEAT
                for _ in range(least):
                    start = self._after(start, body)
                if most == syntax.MAXREPEAT:
                    start = self._joined([start])
                    self.silent[self._after(start, body)].add(start)
                    continue
                ends = [start]
                for _ in range(most - least):
                    ends.append(self._after(ends[-1], body))
                start = self._joined(ends)
        return start

    def _by(self, start: int, some: Sequence[int]) -> int:
        """Return the state after one of some bytes: no other path leads there."""
        key = (start, tuple(some))
        if key not in self._shared:
            self._shared[key] = self.state()
            for byte in some:
                self.edges[start].setdefault(byte, set()).add(self._shared[key])
        return self._shared[key]

    def _joined(self, states: Iterable[int]) -> int:
        end = self.state()
        for state in states:
            self.silent[state].add(end)
        return end

    def closed(self, states: Iterable[int]) -> frozenset[int]:
        """Return the states with all that is reached in silence."""
        found, stack = set(states), list(states)
        while stack:
            for target in self.silent[stack.pop()] - found:
                found.add(target)
                stack.append(target)
        return frozenset(found)


@lru_cache(4096)
def _parsed(pattern: bytes) -> Any:
    return parser.parse(pattern)


def character_spellings(character: str) -> Iterator[str]:
    """Yield each way in which a string may write a character: raw, by its short escape, by \\u in either
    case.
    """
    code = ord(character)
    if code >= 0x20 and character not in '"\\' and not 0xD800 <= code < 0xE000:
        yield character
    short = {'"': '"', "\\": "\\", "/": "/", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t"}
    if character in short:
        yield "\\" + short[character]
    units = [code] if code < 0x10000 else [0xD800 + (code - 0x10000 >> 10), 0xDC00 + (code - 0x10000 & 0x3FF)]
    digits = "".join(f"{unit:04x}" for unit in units)
    cases = [sorted({d, d.upper()}) for d in digits]
    for chosen in itertools.product(*cases):
        text = "".join(chosen)
        yield "".join("\\u" + text[i : i + 4] for i in range(0, len(text), 4))


def either(ways: Iterable[str]) -> str:
    """Return a pattern of one of some texts."""
    return f"(?:{'|'.join(map(re.escape, ways))})"


def string_pattern(value: str) -> bytes:
    """Return a pattern of a string in every legal spelling, quotes included."""
    return f'"{"".join(either(character_spellings(one)) for one in value)}"'.encode()


def numeral_pattern(value: Decimal, policy: str, caps: Caps = BASE_CAPS) -> bytes:
    """Return a pattern of a number in every spelling that a policy allows ("plain" or "bounded")."""
    mantissas: dict[int | None, list[str]] = {}
    for mantissa, exponent in numerals(abs(value), policy, caps):
        mantissas.setdefault(exponent, []).append(mantissa)
    ways = []
    for exponent, some in mantissas.items():
        tail = "" if exponent is None else either(exponents(exponent, caps.exponent))
        if value == 0 and policy != "plain" and caps.exponent:  # it stays zero
            tail = f"(?:[eE][-+]?[0-9]{{1,{caps.exponent}}})?"
        ways.append(either(some) + tail)
    sign = "-" if value < 0 else "-?" if value == 0 and policy != "plain" else ""
    return f"{sign}(?:{'|'.join(ways)})".encode()


@lru_cache(256)
def exponents(value: int, digits: int) -> tuple[str, ...]:
    """Return the ways of writing an exponent within a number of digits."""
    signs = ("-",) if value < 0 else ("", "+") if value else ("", "+", "-")
    return tuple(
        f"{letter}{sign}{abs(value):0{width}d}"
        for width in range(len(str(abs(value))), digits + 1)
        for sign in signs
        for letter in "eE"
    )


@lru_cache(256)
def numerals(value: Decimal, policy: str, caps: Caps) -> tuple[tuple[str, int | None], ...]:
    """Return (mantissa, exponent or None) for each way of writing a number >= 0 within the caps.

    Zero's exponents are left out: it takes them all.
    """
    _, digit_tuple, _scale = value.as_tuple()
    digits = "".join(map(str, digit_tuple)).strip("0")
    whole = value == value.to_integral_value()
    if digits:
        shift = value.adjusted() - (len(digits) - 1)  # value = digits * 10 ** shift
    mantissas: list[tuple[str, str]] = []
    found: list[tuple[str, int | None]] = []
    if not digits:
        mantissas = [("0", "0" * k) for k in range(caps.fraction + 1)]
    else:
        for zeros in range(caps.fraction + 1):  # 0.000digits000
            for trail in range(caps.fraction - zeros - len(digits) + 1):
                mantissas.append(("0", "0" * zeros + digits + "0" * trail))
        for length in range(len(digits), caps.integer + caps.fraction + 1):
            run = digits + "0" * (length - len(digits))
            for point in range(max(1, length - caps.fraction), min(length, caps.integer) + 1):
                mantissas.append((run[:point], run[point:]))
    for integer, fraction in mantissas:
        text = f"{integer}.{fraction}" if fraction else integer
        if Decimal(text) == value and not (policy == "plain" and whole and fraction):
            found.append((text, None))
        if policy != "plain" and digits:
            exponent = shift - (Decimal(text).adjusted() - (len(digits) - 1))
            if len(str(abs(exponent))) <= caps.exponent:
                found.append((text, exponent))
    return tuple(found)


class Automaton:
    """The subset automaton of an `Nfa`, made as it is asked. A state is an integer; 0 is the start, None is
    dead.
    """

    def __init__(self, nfa: Nfa) -> None:
        self._nfa = nfa
        self._sets = [nfa.closed({0})]
        self._numbers = {self._sets[0]: 0}
        self._steps: list[dict[int, int | None]] = [{}]

    def step(self, state: int | None, data: bytes | bytearray) -> int | None:
        """Return the state after `data`, or None when no word goes on so."""
        for byte in data:
            if state is None:
                return None
            known = self._steps[state]
            if byte not in known:
                targets = set().union(*(self._nfa.edges[s].get(byte, ()) for s in self._sets[state]))
                known[byte] = self._number(self._nfa.closed(targets)) if targets else None
            state = known[byte]
        return state

    def _number(self, states: frozenset[int]) -> int:
        if states not in self._numbers:
            self._numbers[states] = len(self._sets)
            self._sets.append(states)
            self._steps.append({})
        return self._numbers[states]

    def accepts(self, state: int | None) -> bool:
        """Return whether a word ends here."""
        return state is not None and not self._nfa.final.isdisjoint(self._sets[state])

    def followers(self, state: int) -> list[int]:
        """Return the bytes that may come next."""
        found: set[int] = set()
        for s in self._sets[state]:
            found.update(self._nfa.edges[s])
        return sorted(found)

    def tokens_to_finish(self, state: int | None, tokens: Iterable[bytes | None]) -> int:
        """Return the least number of tokens that make what led to a state a word, by breadth-first search."""
        texts, reached, front, count = {text for text in tokens if text}, {state}, {state}, 0
        while not any(map(self.accepts, front)):
            front = {self.step(at, text) for at in front for text in texts} - reached - {None}
            reached |= front
            count += 1
        return count

    def sample(self, chance: random.Random, longest: int = 400) -> bytes:
        """Return a random word, or a prefix of one where `longest` bytes are reached."""
        state, word = 0, bytearray()
        while len(word) < longest:
            followers = self.followers(state)
            if self.accepts(state) and (not followers or chance.random() < 0.3):
                break
            # White space and zeros would otherwise fill nearly every sample.
            dull = [b for b in followers if b in b" \t\r\n0"]
            lively = [b for b in followers if b not in b" \t\r\n0"]
            byte = chance.choice(dull if dull and (not lively or chance.random() < 0.1) else lively)
            after = self.step(state, bytes([byte]))
            assert after is not None
            word.append(byte)
            state = after
        return bytes(word)

    @property
    def empty(self) -> bool:
        """Whether there is no word at all."""
        return not self._nfa.final


def finite_language(
    schema: Json,
    universe: Iterable[Json],
    options: Options,
    draft: str | None = None,
    named_strings: bool | None = None,
    most: int = 3_000,
) -> Automaton:
    """Return the automaton of all words whose value is in `universe`; `Unclear` where a policy leaves a
    word open.

    The caller answers for it that the schema accepts no value outside the universe, and for
    `named_strings`: True where every string comes from an enum or const, False where none does. Numbers
    "any" is not offered.
    """
    validator = Validator(schema, draft, options.formats)
    source = Source(schema, draft_of(schema, draft))
    nfa = Nfa()
    count = 0
    for value in universe:
        if not validator.valid(value):
            continue
        for pieces in documents(value, [Part(schema, True, False)], source, options, named_strings):
            count += 1
            if count > most:
                raise Unclear(f"more than {most} documents")
            at = 0
            for piece in _laid_out(pieces, options):
                at = nfa.piece(at, piece)
            nfa.final.add(at)
    return Automaton(nfa)


def documents(
    value: Json, roots: list[Part], source: Source, options: Options, named: bool | None = None
) -> Iterator[list[bytes]]:
    """Yield the value's tokens as pieces, once for each order of keys that the policy allows."""
    parts = in_place(source, roots, kind_of(value))
    if isinstance(value, dict):
        yield from _objects(value, roots, parts, source, options, named)
    elif isinstance(value, list):
        choices = [
            list(documents(v, child(source, parts, i), source, options, named)) for i, v in enumerate(value)
        ]
        for chosen in itertools.product(*choices):
            yield _listed([[*pieces] for pieces in chosen], "[", "]")
    elif isinstance(value, str):
        yield [_string_piece(value, parts, options, named)]
    elif isinstance(value, bool) or value is None:
        yield [{True: b"true", False: b"false", None: b"null"}[value]]
    else:
        if any(abs(c) > 10**15 or c != round(c, 15) for c in numbers_in(parts, source)):
            raise Unclear("constants that may raise the caps")
        judged = any(numbers_in(parts, source)) or any(
            "integer" in str(members.get("type")) or members.keys() & {"multipleOf", "divisibleBy"}
            for members in (source.members(part.schema) for part in parts)
        )
        yield [numeral_pattern(Decimal(value), options.numbers, Caps(exponent=0) if judged else BASE_CAPS)]


def _objects(
    value: dict[str, Json],
    roots: list[Part],
    parts: list[Part],
    source: Source,
    options: Options,
    named: bool | None,
) -> Iterator[list[bytes]]:
    for keys in itertools.permutations(value):
        if options.property_order == "declared":
            verdicts = set()
            for selection in possible_roots(source, roots):
                order = [*itertools.chain(*key_order(source, selection))]
                places = [order.index(key) if key in order else len(order) for key in keys]
                verdicts.add(places == sorted(places))
            if len(verdicts) != 1:
                raise Unclear("the declared order depends on the branch")
            if verdicts == {False}:
                continue
        choices = [
            list(documents(value[key], child(source, parts, key), source, options, named)) for key in keys
        ]
        for chosen in itertools.product(*choices):
            members = [
                [
                    string_pattern(key) if options.escapes == "any" else escaped(canonical(key)),
                    b":",
                    *pieces,
                ]
                for key, pieces in zip(keys, chosen, strict=True)
            ]
            yield _listed(members, "{", "}")


def escaped(text: str) -> bytes:
    """Return a pattern of one text alone."""
    return re.escape(text.encode())


SIGNS = {escaped(sign): sign for sign in "{}[],:"}


def _listed(members: Sequence[list[bytes]], opener: str, closer: str) -> list[bytes]:
    pieces = [escaped(opener)]
    for index, member in enumerate(members):
        pieces += [b","] * (index > 0) + member
    return [*pieces, escaped(closer)]


def _string_piece(value: str, parts: list[Part], options: Options, named: bool | None) -> bytes:
    if options.escapes != "any" and named is None:
        naming = [p for p in parts if isinstance(p.schema, dict) and _names_strings(p.schema)]
        named = any(p.certain and not p.negated for p in naming)
        if naming and not named:
            raise Unclear("enum or const strings on some branch")
    return escaped(canonical(value)) if options.escapes != "any" and named else string_pattern(value)


def _names_strings(schema: dict[str, Json]) -> bool:
    return any(isinstance(v, str) for v in [schema.get("const"), *schema.get("enum", [])])


def _laid_out(pieces: list[bytes], options: Options) -> Iterator[bytes]:
    """Yield the pieces with white space between them, and before the first and after the last."""
    if options.whitespace in ("bounded", "any"):
        level = 0
        for piece in pieces:
            level += (SIGNS.get(piece, " ") in "{[") - (SIGNS.get(piece, " ") in "}]")
            yield gap_pattern(level, options).encode()
            yield piece
        yield gap_pattern(0, options).encode()
        return
    # A layout's blanks do not depend on what scalars say: mark each by its number and read the marks back.
    signs = [SIGNS.get(piece, f"<{i}>") for i, piece in enumerate(pieces)]
    for part in re.split(r"(<\d+>)", layout(signs, options.whitespace)):
        if mark := re.fullmatch(r"<(\d+)>", part):
            yield pieces[int(mark[1])]
        elif part:
            yield escaped(part)
