"""The slow twin of the string automata: formulas decided on whole strings, all matches followed at once."""

from __future__ import annotations

import calendar
import re

import formula_twin

from structgen.automata.regex import syntax_tree as x
from structgen.automata.regex.ecma_syntax import parse_ecma
from structgen.automata.unicode.charsets import Ranges
from structgen.base.language import ir


def _in(char: str, ranges: Ranges) -> bool:
    return any(low <= ord(char) <= high for low, high in ranges)


def ends(node: x.Node, text: str, begins: set[int]) -> set[int]:
    """Return where matches of a node end that begin in some places."""
    match node:
        case x.CharacterClass(ranges):
            return {at + 1 for at in begins if at < len(text) and _in(text[at], ranges)}
        case x.Concatenation(parts):
            for part in parts:
                begins = ends(part, text, begins)
            return begins
        case x.Alternation(parts):
            return set().union(*(ends(part, text, begins) for part in parts))
        case x.Repetition(of, least, most):
            found: set[int] = set()
            for copy in range((least + len(text) + 1 if most is None else most) + 1):
                found |= begins if copy >= least else set()
                after = ends(of, text, begins)
                if after == begins or (copy >= least and after <= found):
                    return found | begins
                begins = after
            return found
    return {at for at in begins if _is_met(node, text, at)}


def _is_met(node: x.Node, text: str, at: int) -> bool:
    """Return whether an assertion holds at a place."""
    match node:
        case x.LookAround(True, holds, of):
            return bool(ends(of, text, {at})) == holds
        case x.LookAround(False, holds, of):
            return (at in ends(of, text, set(range(at + 1)))) == holds
    return at == (0 if isinstance(node, x.TextStart) else len(text))


def matches(source: str, text: str) -> bool:
    """Return whether a search for the pattern finds it in the text."""
    return bool(ends(parse_ecma(source), text, set(range(len(text) + 1))))


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
