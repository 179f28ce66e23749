"""Quick answers about the simple ECMA-262 patterns that most schemas use;
None sends the question to the automata."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_SPACE = "\\t\\n\\x0b\\x0c\\r \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff"
_CLASSES = {"d": "0-9", "w": "A-Za-z0-9_", "s": _SPACE}
_CONTROLS = {"n": "\\n", "r": "\\r", "t": "\\t", "f": "\\x0c", "v": "\\x0b"}
_QUANTIFIER = re.compile(r"[*+?]|\{[0-9]+(?:,[0-9]*)?\}")
_LONGEST = 10_000
"""Characters of a pattern that Python's `re` compiles, in some 5 us each."""


@dataclass(frozen=True, slots=True)
class Simple:
    """A pattern of the plain kind: no look-around, no word boundaries, no repeated groups."""

    search: re.Pattern[str]
    """The same pattern as Python writes it; to be used with `search`."""
    inhabited: bool
    """Some string matches for sure (anchors stand only at the ends)."""
    infinite: bool
    """Infinitely many strings match for sure."""
    anywhere: bool
    """No anchor: a string with a match still has it after any continuation."""


@lru_cache(maxsize=4096)
def simple(source: str) -> Simple | None:
    """Return the pattern read as a simple one, or None where it is not.

    Groups may not be repeated, so that Python's matcher stays polynomial in the length of the key.
    """
    if len(source) > _LONGEST:
        return None
    out: list[str] = []
    at, size = 0, len(source)
    inhabited, unbounded = True, False
    starts = ends = False
    alternatives = False
    while at < size:
        char = source[at]
        at += 1
        if char == "\\":
            if at >= size:
                return None
            piece = _escape(source[at])
            at += 1
            if piece is None:
                return None
            out.append(piece)
        elif char == "[":
            found = _class(source, at)
            if found is None:
                return None
            piece, at = found
            out.append(piece)
        elif char == "(":
            if source.startswith("?:", at):
                at += 2
            elif source.startswith("?", at):
                return None
            out.append("(?:")
            continue
        elif char == ")":
            out.append(")")
            if at < size and source[at] in "*+{":
                return None
            if at < size and source[at] == "?":
                at += 1
                out.append("?")
            continue
        elif char == "|":
            out.append("|")
            alternatives = True
            continue
        elif char == "^":
            starts = starts or at == 1
            inhabited = inhabited and at == 1
            out.append("^")
            continue
        elif char == "$":
            ends = ends or at == size
            inhabited = inhabited and at == size
            out.append("\\Z")
            continue
        elif char == ".":
            out.append("[^\\n\\r\\u2028\\u2029]")
        elif char in "*+?{}]":
            return None
        else:
            out.append(re.escape(char))
        repeat = _QUANTIFIER.match(source, at)
        if repeat is not None:
            text = repeat.group()
            at = repeat.end()
            unbounded = unbounded or text in "*+" or text.endswith(",}")
            if text[0] == "{" and "," in text[:-2]:
                least, most = text[1:-1].split(",")
                if int(least) > int(most):
                    return None
            out.append(text)
            if source.startswith("?", at):
                at += 1
                out.append("?")
            if at < size and source[at] in "*+?{":
                return None
    try:
        compiled = re.compile("".join(out))
    except (re.error, OverflowError):
        return None
    infinite = inhabited and not alternatives and (unbounded or not (starts and ends))
    return Simple(compiled, inhabited, infinite, "^" not in out and "\\Z" not in out)


def is_bounded(source: str) -> bool:
    """Return whether a pattern bounds the length of strings on its face: each of its alternatives stands
    between ^ and $, and nothing in it is repeated without a bound. Linear."""
    alternatives: list[list[str]] = [[]]
    depth, at, size = 0, 0, len(source)
    while at < size:
        char = source[at]
        if char == "\\":
            token = source[at : at + 2]
        elif char == "[":
            end = at + 1
            while end < size and source[end] != "]":
                end += 2 if source[end] == "\\" else 1
            token = source[at : end + 1]
        elif char == "{" and (quantifier := _QUANTIFIER.match(source, at)) is not None:
            token = quantifier.group()
            if token.endswith(",}"):
                return False
        else:
            token = char
            if char in "*+":
                return False
        at += len(token)
        depth += (token == "(") - (token == ")")
        if token == "|" and not depth:
            alternatives.append([])
        else:
            alternatives[-1].append(token)
    return all(len(one) > 1 and (one[0], one[-1]) == ("^", "$") for one in alternatives)


def _escape(char: str) -> str | None:
    if char in _CLASSES:
        return f"[{_CLASSES[char]}]"
    if char in "DWS":
        return f"[^{_CLASSES[char.lower()]}]"
    if char in _CONTROLS:
        return _CONTROLS[char]
    if char.isalnum() or not char.isascii():
        return None
    return re.escape(char)


def _class(source: str, at: int) -> tuple[str, int] | None:
    out = ["["]
    if source.startswith("^", at):
        out.append("^")
        at += 1
    begin = at
    while at < len(source):
        char = source[at]
        at += 1
        if char == "]":
            if at - 1 == begin:
                return None
            out.append("]")
            return "".join(out), at
        if char == "\\":
            if at >= len(source):
                return None
            escaped = source[at]
            at += 1
            if escaped in _CLASSES:
                # A class beside a dash is read in two ways (Annex B); leave it to the automata.
                if source.startswith("-", at) and not source.startswith("-]", at):
                    return None
                if out[-1] == "-" and len(out) > 2:
                    return None
                out.append(_CLASSES[escaped])
            elif escaped in _CONTROLS:
                out.append(_CONTROLS[escaped])
            elif escaped.isalnum() or not escaped.isascii():
                return None
            else:
                out.append("\\" + escaped)
        elif char == "-":
            if source.startswith("-", at):
                return None  # Python means to give two of them another sense
            out.append("-" if not source.startswith("]", at) and at - 1 != begin else "\\-")
        elif char in "[&~|^":
            out.append("\\" + char)
        else:
            out.append(char)
    return None


@lru_cache(maxsize=4096)
def literal_prefix(source: str) -> str | None:
    """Return the text with which every match of an anchored pattern begins,
    or None where that is not plain."""
    found = re.match(r"\^([A-Za-z0-9_:@/ -]+)", source)
    if found is None or "|" in source:
        return None
    text = found.group(1)
    following = source[found.end() : found.end() + 1]
    if following in ("*", "?", "{"):
        text = text[:-1]
    return text or None


_WORD = r"[A-Za-z0-9_:@/ -]+"
_WORDS = re.compile(rf"\^(?:({_WORD})|\((?:\?:)?({_WORD}(?:\|{_WORD})*)\))\$")


@lru_cache(maxsize=4096)
def words(source: str) -> frozenset[str] | None:
    """Return the strings that match a pattern of the form ^word$ or ^(word|word)$, else None."""
    found = _WORDS.fullmatch(source)
    return None if found is None else frozenset((found.group(1) or found.group(2)).split("|"))
