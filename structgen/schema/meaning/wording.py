"""Formulas of strings and numbers in words, for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import pairwise

from structgen.automata.strings.banned_patterns import texts_of
from structgen.automata.strings.live_strings import name_texts
from structgen.base.json_text.exact_json import Json, write_canonical
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


def describe_formulas(formulas: Iterable[Formula], describe: Callable[[Formula], str]) -> list[str]:
    """Return the different descriptions of formulas and of their few alternatives, sorted, each once."""
    descriptions: set[str] = set()
    for formula in formulas:
        parts = _split_alternatives(formula)
        parts = parts if len(parts) <= _MOST_ALTERNATIVES else [formula]
        descriptions.update(describe(part) for part in parts if part != FALSE)
    return sorted(descriptions)


def describe_kinds(entry: ValueMenu, an_object: str = "an object", an_array: str = "an array") -> list[str]:
    """Return what may stand at a place, kind by kind."""
    words = [an_object] * (entry.object is not None) + [an_array] * (entry.array is not None)
    literals = [name for name in ("true", "false") if getattr(entry, name) is not None]
    words += [
        *string_descriptions(entry),
        *number_descriptions(entry),
        *filter(None, [" or ".join(literals)]),
    ]
    return words + ["null"] * (entry.null is not None)


def string_descriptions(entry: ValueMenu) -> list[str]:
    """Return the strings of a place in words, alternative by alternative."""
    return [] if entry.string is None else describe_formulas(entry.string.formulas, describe_strings)


def number_descriptions(entry: ValueMenu) -> list[str]:
    """Return the numbers of a place in words, alternative by alternative."""
    return [] if entry.number is None else describe_formulas(entry.number.formulas, describe_numbers)


def join_words(words: Sequence[str], joint: str = " and ") -> str:
    """Return some words in a row, the last one behind a joint."""
    return joint.join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else "".join(words)


def describe_strings(formula: Formula, some: str = "a string") -> str:
    """Return a description of strings, which says so where it is not complete."""
    if isinstance(formula, Words):
        return list_words(quote_text(word) for word in sorted(formula.of))
    size, further = "", False
    clauses: list[str] = []
    for part in conjuncts(formula):
        match part:
            case Length(min_length, max_length):
                size = describe_count(min_length, max_length, "character")
            case Pattern(source):
                clauses.append(f"that matches {quote_text(source)}")
            case Texts():
                clauses.append(f"that is {name_texts(part)}")
            case Format(name):
                clauses.append(f"in the format {name}")
            case Not(Words(words)):
                clauses.append(f"other than {list_words(map(quote_text, sorted(words)), ' and ')}")
            case Not(Pattern(source)) if len(source) > MOST_SHOWN and texts_of(source):
                clauses.append(f"without {list_words(map(quote_text, texts_of(source) or ()), ' and ')}")
            case Not(Pattern(source)):
                clauses.append(f"that does not match {quote_text(source)}")
            case _:
                further = True
    if len(clauses) > MOST_TOLD:
        clauses, further = clauses[:MOST_TOLD], True
    if clauses and some.startswith("a key") and not clauses[0].startswith("that does not"):
        some = "a key"
    head = f"{some} of {size}" if size else some
    return f"{head} {' and '.join(clauses)}".rstrip() + (_FURTHER if further else "")


def describe_numbers(formula: Formula) -> str:
    """Return a description of numbers, which says so where it is not complete."""
    some, bounds, clauses, further = "", "", "", False
    divisors: list[Decimal] = []
    excluded_numbers: list[str] = []
    for part in conjuncts(formula):
        match part:
            case Multiple(of) if not some:
                divisors.append(of)
            case Ranges() if not divisors and (listed_values := part.finite_numbers()) is not None:
                some = list_words(show_decimal(Decimal(value)) for value in listed_values)
            case Ranges():
                ends = list(part.ends())
                gaps = [(end[0], begin[0]) for (_, end), (begin, _) in pairwise(ends) if end and begin]
                if any(end != begin for end, begin in gaps):
                    further = True
                    continue
                excluded_numbers = [show_decimal(Decimal(value)) for value, _ in gaps]
                bounds = _describe_bounds(ends[0][0], ends[-1][1])
            case PlainInteger():
                clauses += ", as digits alone"
            case Not(Multiple(of)):
                clauses += f", not {_describe_multiple(of)}"
            case _:
                further = True
    if excluded_numbers:
        clauses += f" other than {list_words(excluded_numbers, ' and ')}"
    if divisors:
        least_divisors = [
            of
            for of in divisors
            if not any(is_multiple(divisor, of) for divisor in divisors if divisor != of)
        ]
        some = join_words(list(dict.fromkeys(map(_describe_multiple, least_divisors))))
    return (some or "a number") + bounds + clauses + (_FURTHER if further else "")


def _describe_multiple(of: Decimal) -> str:
    return "an integer" if of == 1 else f"a multiple of {show_decimal(of)}"


def _split_alternatives(formula: Formula) -> Sequence[Formula]:
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


def _describe_bounds(low: Cut | None, high: Cut | None) -> str:
    if low and high and not low[1] and high[1]:
        return f" from {show_decimal(Decimal(low[0]))} to {show_decimal(Decimal(high[0]))}"
    parts = []
    if low:
        parts.append(f"{'greater than' if low[1] else 'at least'} {show_decimal(Decimal(low[0]))}")
    if high:
        parts.append(f"{'at most' if high[1] else 'less than'} {show_decimal(Decimal(high[0]))}")
    return ", " + " and ".join(parts) if parts else ""


def show_decimal(value: Decimal) -> str:
    """Return a number as a person writes it: without zeros at the end of its fraction."""
    text = f"{value:f}" if -20 < value.adjusted() < 20 else str(value)
    if "." in text and "E" not in text:
        text = text.rstrip("0").rstrip(".")
    return _cut_text(text)


def _cut_text(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…"


def describe_count(minimum: int, maximum: int | None, unit: str) -> str:
    """Return a number of things in words; empty where it is not bounded."""
    if maximum is None and not minimum:
        return ""
    last = minimum if maximum is None else maximum
    size = (
        f"at least {minimum}"
        if maximum is None
        else f"{minimum} to {maximum}"
        if minimum
        else f"at most {maximum}"
    )
    return f"{f'exactly {maximum}' if minimum == maximum else size} {unit}{'' if last == 1 else 's'}"


def quote_text(text: str) -> str:
    """Return a text between quotes, cut short."""
    return json_string(_cut_text(text)).decode()


def show_value(json_value: Json) -> str:
    """Return a value as JSON, cut short."""
    return _cut_text(write_canonical(json_value))


def list_words(words: Iterable[str], joint: str = "") -> str:
    """Return `"a"`, or `one of "a", "b" (and 12 more)`; with a joint, `"a", "b"<joint>"c"`."""
    all_words: Sequence[str] = list(words)
    first_words = all_words[:MOST_TOLD]
    rest_note = (
        f" (and {len(all_words) - len(first_words):,} more)" if len(all_words) > len(first_words) else ""
    )
    if len(all_words) == 1:
        return all_words[0]
    if joint and not rest_note:
        return ", ".join(first_words[:-1]) + joint + first_words[-1]
    return ("" if joint else "one of ") + ", ".join(first_words) + rest_note
