"""The slow twin of the string automata: formulas decided on whole strings by a backtracking matcher."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator

import formula_twin

from structgen.automata.regex import syntax_tree as x
from structgen.automata.regex.ecma_syntax import parse
from structgen.automata.unicode.charsets import WORD, Ranges
from structgen.language import ir


def _in(point: int, ranges: Ranges) -> bool:
    return any(low <= point <= high for low, high in ranges)


def _ends(
    node: x.Node, text: list[int], at: int, seen: frozenset[tuple[int, int]] = frozenset()
) -> Iterator[int]:
    """Yield the places where a match of `node` from `at` may end (some perhaps more than once)."""
    match node:
        case x.CharacterClass(ranges):
            if at < len(text) and _in(text[at], ranges):
                yield at + 1
        case x.Concatenation(parts):
            if not parts:
                yield at
                return
            for middle in set(_ends(parts[0], text, at)):
                yield from _ends(x.Concatenation(parts[1:]), text, middle)
        case x.Alternation(parts):
            for part in parts:
                yield from _ends(part, text, at)
        case x.Repetition(of, least, most):
            # The places after exactly n copies, n by n; past `least` only copies that consume matter.
            places = {at}
            reached: set[int] = set()
            for count in range((least + len(text) + 1 if most is None else most) + 1):
                if count >= least:
                    if places <= reached:
                        break
                    reached |= places
                places = {end for place in places for end in _ends(of, text, place)}
                if not places:
                    break
            yield from reached
        case x.TextStart():
            if at == 0:
                yield at
        case x.TextEnd():
            if at == len(text):
                yield at
        case x.WordBoundary(here):
            before = at > 0 and _in(text[at - 1], WORD)
            after = at < len(text) and _in(text[at], WORD)
            if (before != after) == here:
                yield at
        case x.LookAround(ahead, holds, of):
            if ahead:
                found = any(True for _ in _ends(of, text, at))
            else:
                found = any(at in set(_ends(of, text, start)) for start in range(at + 1))
            if found == holds:
                yield at


def matches(source: str, text: str) -> bool:
    """Return whether a search for the pattern finds it in the text."""
    node = parse(source)
    points = [ord(char) for char in text]
    return any(True for start in range(len(points) + 1) for _ in _ends(node, points, start))


_DATE = r"(\d{4})-(\d\d)-(\d\d)"
_TIME = r"(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))"


def is_date(text: str) -> bool:
    found = re.fullmatch(_DATE, text, re.ASCII)
    if not found:
        return False
    year, month, day = map(int, found.groups())
    if not 1 <= month <= 12:
        return False
    length = calendar.monthrange(year or 400, month)[1]  # the calendar module has no year 0; 400 is as long
    return 1 <= day <= length


def is_time(text: str) -> bool:
    found = re.fullmatch(_TIME, text, re.ASCII)
    if not found:
        return False
    hour, minute, second = (int(found[i]) for i in (1, 2, 3))
    offset = 0
    if found[4]:
        if int(found[5]) > 23 or int(found[6]) > 59:
            return False
        offset = (int(found[5]) * 60 + int(found[6])) * (1 if found[4] == "+" else -1)
    if hour > 23 or minute > 59 or second > 60:
        return False
    return second < 60 or (hour * 60 + minute - offset) % 1440 == 1439


def is_date_time(text: str) -> bool:
    return is_date(text[:10]) and text[10:11] in ("T", "t") and is_time(text[11:])


_FORMATS = {"date": is_date, "time": is_time, "date-time": is_date_time}


def holds(formula: ir.Formula, text: str) -> bool:
    """Return whether a string meets a formula."""

    def atom(one: ir.Formula) -> bool:
        if isinstance(one, ir.Format):
            return _FORMATS[one.name](text)
        assert isinstance(one, ir.Pattern)
        return matches(one.source, text)

    return formula_twin.holds(formula, text, atom)
