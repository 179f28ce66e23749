"""Infinite languages that are regular, with their explicit automata: free strings and numbers in containers.

Each shape knows its schema and how to add all of its texts to an automaton. Every state that it adds lies on
the way to a word, so these languages too have exact masks by brute force.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from language import Automaton, Nfa
from policy_oracle import Options, canonical, gap_pattern

Json = Any
_TAIL = r"[\x80-\xbf]"
_RAW = (
    r"[\x20!#-\[\]-\x7f]", rf"[\xc2-\xdf]{_TAIL}", rf"\xe0[\xa0-\xbf]{_TAIL}", rf"\xed[\x80-\x9f]{_TAIL}",
    rf"[\xe1-\xec\xee\xef]{_TAIL}{{2}}", rf"\xf0[\x90-\xbf]{_TAIL}{{2}}", rf"[\xf1-\xf3]{_TAIL}{{3}}",
    rf"\xf4[\x80-\x8f]{_TAIL}{{2}}",
)  # fmt: skip
"""Characters as they are: RFC 3629 section 4, without the two that must be escaped and the controls."""
_HEX = "[0-9a-fA-F]"
_HIGH, _LOW = rf"\\u[dD][89abAB]{_HEX}{{2}}", rf"\\u[dD][c-fC-F]{_HEX}{{2}}"
_ESCAPED = (
    r'\\["\\/bfnrt]', rf"\\u[0-9abcefABCEF]{_HEX}{{3}}", rf"\\u[dD][0-7]{_HEX}{{2}}", _HIGH + _LOW,
)  # fmt: skip
_EXPONENT = r"[eE](?:-[0-9]{1,3}|\+?(?:[0-9]{1,2}|[01][0-9]{2}|2[0-7][0-9]|28[0-7]))"


class Shape:
    """A schema whose language is regular."""

    def schema(self) -> Json:
        """Return the schema."""
        raise NotImplementedError

    def pattern(self, level: int, options: Options) -> str:
        """Return a pattern of every text; `level` brackets are open around it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Text(Shape):
    """A free string. With lone surrogates `least` is at most 1: two halves that meet are one character."""

    least: int
    most: int | None

    def schema(self) -> Json:
        """Return the schema."""
        found: Json = {"type": "string"}
        if self.least:
            found["minLength"] = self.least
        return found if self.most is None else {**found, "maxLength": self.most}

    def pattern(self, level: int, options: Options) -> str:
        """Return characters in every spelling, so many."""
        lone = (_HIGH, _LOW) if options.escapes == "any" else ()
        return f'"(?:{"|".join((*_RAW, *_ESCAPED, *lone))})' + _count(self.least, self.most) + '"'


@dataclass(frozen=True)
class Number(Shape):
    """A free number, or (under "plain" alone, where it is regular without arithmetic) an integer."""

    integer: bool

    def schema(self) -> Json:
        """Return the schema."""
        return {"type": "integer" if self.integer else "number"}

    def pattern(self, level: int, options: Options) -> str:
        """Return numerals: at most 20 integer and 20 fraction digits, 3 exponent digits, 287 at most."""
        whole = "[1-9][0-9]{0,19}"
        if options.numbers != "plain":
            return rf"-?(?:0|{whole})(?:\.[0-9]{{1,20}})?(?:{_EXPONENT})?"
        integer = f"0|-?{whole}"
        # a fraction is never zero
        broken = "|".join(f"0{{{zeros}}}[1-9][0-9]{{0,{19 - zeros}}}" for zeros in range(20))
        return f"(?:{integer})" if self.integer else rf"(?:{integer}|-?(?:0|{whole})\.(?:{broken}))"


@dataclass(frozen=True)
class Array(Shape):
    """An array of one shape."""

    item: Shape
    least: int
    most: int | None

    def schema(self) -> Json:
        """Return the schema."""
        found: Json = {"type": "array", "items": self.item.schema()}
        if self.least:
            found["minItems"] = self.least
        return found if self.most is None else {**found, "maxItems": self.most}

    def pattern(self, level: int, options: Options) -> str:
        """Return the first item and others, so many, or none."""
        level += 1
        item, opens = self.item.pattern(level, options), _opens(self.item)
        others = f"(?:{_begin(level, False, opens, options)}{item})"
        others += _count(max(self.least, 1) - 1, None if self.most is None else self.most - 1)
        some = _begin(level, True, opens, options) + item + others + _close("]", level, False, options)
        return rf"\[(?:{some}{'' if self.least else '|' + _close(']', level, True, options)})"


@dataclass(frozen=True)
class Object(Shape):
    """An object of named members alone, in declared order: (key, shape, required)."""

    members: tuple[tuple[str, Shape, bool], ...]

    def schema(self) -> Json:
        """Return the schema."""
        required = [key for key, _, needed in self.members if needed]
        return {
            "type": "object",
            "properties": {key: shape.schema() for key, shape, _ in self.members},
            "additionalProperties": False,
            **({"required": required} if required else {}),
        }

    def pattern(self, level: int, options: Options) -> str:
        """Return the members in turn, with a way past each that is optional."""
        level += 1
        first, later = _close("}", level, True, options), _close("}", level, False, options)
        for key, shape, needed in reversed(self.members):
            blank = " " if isinstance(options.whitespace, int) or options.whitespace == "oneline" else ""
            member = re.escape(canonical(key)) + _gap(level, options) + ":" + blank
            member += _gap(level + _opens(shape), options) + shape.pattern(level, options)
            here = _begin(level, True, False, options) + member + later
            later = f"(?:{_begin(level, False, False, options)}{member}){'' if needed else '?'}{later}"
            first = here if needed else f"(?:{here}|{first})"
        return rf"\{{{first}"


def _count(least: int, most: int | None) -> str:
    return f"{{{least},{'' if most is None else most}}}"


def _opens(shape: Shape) -> bool:
    return isinstance(shape, (Array, Object))


def _gap(level: int, options: Options) -> str:
    """Return white space before a token that leaves `level` brackets open."""
    return gap_pattern(level, options) if options.whitespace in ("bounded", "any") else ""


def _line(level: int, options: Options) -> str:
    return "\n" + " " * (options.whitespace * level) if isinstance(options.whitespace, int) else ""


def _begin(level: int, first: bool, opens: bool, options: Options) -> str:
    """Return what stands before a member or an item: a comma, but for the first, and white space."""
    comma = "" if first else _gap(level, options) + "," + " " * (options.whitespace == "oneline")
    return comma + _line(level, options) + _gap(level + opens, options)


def _close(closer: str, level: int, empty: bool, options: Options) -> str:
    return ("" if empty else _line(level - 1, options)) + _gap(level - 1, options) + "\\" + closer


def automaton_of(shape: Shape, options: Options) -> Automaton:
    """Return the automaton of a shape's documents."""
    nfa = Nfa()
    whole = _gap(int(_opens(shape)), options) + shape.pattern(0, options) + _gap(0, options)
    nfa.final.add(nfa.piece(0, whole.encode()))
    return Automaton(nfa)


SHAPE_OPTIONS = (
    Options("compact", numbers="plain"),
    Options(),
    Options("any", escapes="any"),
    Options("oneline", numbers="plain"),
    Options(2, numbers="plain"),
)


def shapes(options: Options) -> st.SearchStrategy[Shape]:
    """Return random shapes for some policies."""
    least = st.integers(0, 1 if options.escapes == "any" else 2)
    texts = st.tuples(least, st.sampled_from([None, 2, 3, 7])).map(lambda t: Text(*t))
    plain = options.numbers == "plain"
    leaves = st.one_of(texts, texts, st.booleans().map(lambda i: Number(i and plain)))
    return st.recursive(
        leaves, lambda inner: st.one_of(_arrays(inner), _objects(inner, options)), max_leaves=4
    )


def _arrays(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    return st.tuples(inner, st.integers(0, 2), st.sampled_from([None, 2, 3])).map(lambda t: Array(*t))


def _objects(inner: st.SearchStrategy[Shape], options: Options) -> st.SearchStrategy[Shape]:
    # Under escapes "any" keys have spellings that the explicit automata of finite languages look at.
    if options.escapes == "any":
        return _arrays(inner)
    keys = st.lists(st.sampled_from(["a", "ab", 'q"', "é", "long name", ""]), max_size=3, unique=True)
    return keys.flatmap(
        lambda names: st.tuples(*(st.tuples(st.just(name), inner, st.booleans()) for name in names)).map(
            Object
        )
    )
