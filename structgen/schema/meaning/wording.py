"""Formulas of strings and numbers in words, for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import pairwise

from structgen.automata.strings.banned_patterns import texts_of
from structgen.automata.strings.live_strings import named
from structgen.base.json_text.exact_json import Json, write
from structgen.base.language.checks import MOST_SHOWN
from structgen.base.language.ir import (
    FALSE,
    All,
    Any_,
    Format,
    Formula,
    Length,
    Multiple,
    Not,
    Pattern,
    PlainInteger,
    Texts,
    ValueMenu,
    Words,
    conjuncts,
)
from structgen.base.language.number_ranges import Cut, Ranges
from structgen.schema.meaning.formulas import is_multiple
from structgen.schema.reading.json_values import json_string

MOST_TOLD = 8
"""Words, clauses, conditions and places that one line tells of one thing."""
_MOST_ALTERNATIVES = 3  # that are described one by one in a line
_FURTHER = " (with further conditions)"


def describe(formulas: Iterable[Formula], describe: Callable[[Formula], str]) -> list[str]:
    """Return the different descriptions of formulas and of their few alternatives, sorted, each once."""
    told: set[str] = set()
    for formula in formulas:
        parts = _alternatives(formula)
        parts = parts if len(parts) <= _MOST_ALTERNATIVES else [formula]
        told.update(describe(part) for part in parts if part != FALSE)
    return sorted(told)


def kinds(entry: ValueMenu, an_object: str = "an object", an_array: str = "an array") -> list[str]:
    """Return what may stand at a place, kind by kind."""
    words = [an_object] * (entry.object is not None) + [an_array] * (entry.array is not None)
    literals = [name for name in ("true", "false") if getattr(entry, name) is not None]
    words += [*strings(entry), *numbers(entry), *filter(None, [" or ".join(literals)])]
    return words + ["null"] * (entry.null is not None)


def strings(entry: ValueMenu) -> list[str]:
    """Return the strings of a place in words, alternative by alternative."""
    return [] if entry.string is None else describe(entry.string.formulas, string)


def numbers(entry: ValueMenu) -> list[str]:
    """Return the numbers of a place in words, alternative by alternative."""
    return [] if entry.number is None else describe(entry.number.formulas, number)


def joined(words: Sequence[str], joint: str = " and ") -> str:
    """Return some words in a row, the last one behind a joint."""
    return joint.join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)


def string(formula: Formula, some: str = "a string") -> str:
    """Return a description of strings, which says so where it is not complete."""
    if isinstance(formula, Words):
        return listing(quoted(word) for word in sorted(formula.of))
    size, further = "", False
    clauses: list[str] = []
    for part in conjuncts(formula):
        match part:
            case Length(least, most):
                size = count(least, most, "character")
            case Pattern(source):
                clauses.append(f"that matches {quoted(source)}")
            case Texts():
                clauses.append(f"that is {named(part)}")
            case Format(name):
                clauses.append(f"in the format {name}")
            case Not(Words(words)):
                clauses.append(f"other than {listing(map(quoted, sorted(words)), ' and ')}")
            case Not(Pattern(source)) if len(source) > MOST_SHOWN and texts_of(source):
                clauses.append(f"without {listing(map(quoted, texts_of(source) or ()), ' and ')}")
            case Not(Pattern(source)):
                clauses.append(f"that does not match {quoted(source)}")
            case _:
                further = True
    if len(clauses) > MOST_TOLD:
        clauses, further = clauses[:MOST_TOLD], True
    if clauses and some.startswith("a key") and not clauses[0].startswith("that does not"):
        some = "a key"
    head = f"{some} of {size}" if size else some
    return f"{head} {' and '.join(clauses)}".rstrip() + (_FURTHER if further else "")


def number(formula: Formula) -> str:
    """Return a description of numbers, which says so where it is not complete."""
    some, bounds, clauses, further = "", "", "", False
    divisors: list[Decimal] = []
    excluded: list[str] = []
    for part in conjuncts(formula):
        match part:
            case Multiple(of) if not some:
                divisors.append(of)
            case Ranges() if not divisors and (listed := part.listed()) is not None:
                some = listing(decimal(Decimal(value)) for value in listed)
            case Ranges():
                ends = list(part.ends())
                gaps = [(end[0], begin[0]) for (_, end), (begin, _) in pairwise(ends) if end and begin]
                if any(end != begin for end, begin in gaps):
                    further = True
                    continue
                excluded = [decimal(Decimal(value)) for value, _ in gaps]
                bounds = _bounds(ends[0][0], ends[-1][1])
            case PlainInteger():
                clauses += ", as digits alone"
            case Not(Multiple(of)):
                clauses += f", not {_multiple(of)}"
            case _:
                further = True
    if excluded:
        clauses += f" other than {listing(excluded, ' and ')}"
    if divisors:
        told = [
            of
            for of in divisors
            if not any(is_multiple(divisor, of) for divisor in divisors if divisor != of)
        ]
        some = joined(list(dict.fromkeys(map(_multiple, told))))
    return (some or "a number") + bounds + clauses + (_FURTHER if further else "")


def _multiple(of: Decimal) -> str:
    return "an integer" if of == 1 else f"a multiple of {decimal(of)}"


def _alternatives(formula: Formula) -> Sequence[Formula]:
    """Return the parts of a disjunction: of numbers, ranges that single numbers part are one."""
    if isinstance(formula, Any_):
        return formula.of
    alternatives: list[Formula] = []
    others = [part for part in conjuncts(formula) if not isinstance(part, Ranges)]
    for part in conjuncts(formula):
        if isinstance(part, Ranges):
            alone: list[Cut] = []
            runs: list[list[Cut | None]] = []
            for low, high in part.ends():
                if low and high and low[0] == high[0]:
                    alone += low, high
                elif runs and low and (last := runs[-1][-1]) and last[0] == low[0]:
                    runs[-1] += low, high
                else:
                    runs.append([low, high])
            sets = [Ranges(tuple(filter(None, run)), run[0] is None) for run in runs]
            sets += [Ranges(tuple(alone))] if alone else []
            alternatives += [All((*others, part)) if others else part for part in sets]
    return alternatives or [formula]


def _bounds(low: Cut | None, high: Cut | None) -> str:
    if low and high and not low[1] and high[1]:
        return f" from {decimal(Decimal(low[0]))} to {decimal(Decimal(high[0]))}"
    parts = []
    if low:
        parts.append(f"{'greater than' if low[1] else 'at least'} {decimal(Decimal(low[0]))}")
    if high:
        parts.append(f"{'at most' if high[1] else 'less than'} {decimal(Decimal(high[0]))}")
    return ", " + " and ".join(parts) if parts else ""


def decimal(value: Decimal) -> str:
    """Return a number as a person writes it: without zeros at the end of its fraction."""
    written = f"{value:f}" if -20 < value.adjusted() < 20 else str(value)
    if "." in written and "E" not in written:
        written = written.rstrip("0").rstrip(".")
    return _cut(written)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…"


def count(least: int, most: int | None, unit: str) -> str:
    """Return a number of things in words; empty where it is not bounded."""
    if most is None and not least:
        return ""
    last = least if most is None else most
    size = f"at least {least}" if most is None else f"{least} to {most}" if least else f"at most {most}"
    return f"{f'exactly {most}' if least == most else size} {unit}{'' if last == 1 else 's'}"


def quoted(text: str) -> str:
    """Return a text between quotes, cut short."""
    return json_string(_cut(text)).decode()


def value(given: Json) -> str:
    """Return a value as JSON, cut short."""
    return _cut(write(given))


def listing(words: Iterable[str], joint: str = "") -> str:
    """Return `"a"`, or `one of "a", "b" (and 12 more)`; with a joint, `"a", "b"<joint>"c"`."""
    listed: Sequence[str] = list(words)
    shown = listed[:MOST_TOLD]
    more = f" (and {len(listed) - len(shown):,} more)" if len(listed) > len(shown) else ""
    if len(listed) == 1:
        return listed[0]
    if joint and not more:
        return ", ".join(shown[:-1]) + joint + shown[-1]
    return ("" if joint else "one of ") + ", ".join(shown) + more
