"""Describes formulas of strings and numbers in words, for people.

A *formula* is a condition on a string or a number, such as a length, a pattern or ranges of numbers. A
*clause* is the part of a description that comes from one such condition. An *entry* (`ValueMenu`) lists what
may stand at a place: formulas of strings and numbers, objects, arrays, booleans and null. A *cut* is a point
between numbers: a pair of a number and a flag. The cut lies just before the number, or after it if the flag
is set.

For example `All((Length(1, 5), Pattern("^a")))` becomes `a string of 1 to 5 characters that matches "^a"`.
"""

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
"""The most words, clauses, conditions or places that one line names for one thing."""
_MOST_ALTERNATIVES = 3
"""The most alternatives that a line describes one by one. A formula with more is described as a whole."""
_FURTHER = " (with further conditions)"
"""The end of a description that leaves conditions out."""


def describe_formulas(formulas: Iterable[Formula], describe: Callable[[Formula], str]) -> list[str]:
    """Return the descriptions of formulas, sorted, each once. A formula of few alternatives gives one
    description for each of them.

    `describe` puts one formula into words: `describe_strings` or `describe_numbers`.
    """
    descriptions: set[str] = set()
    for formula in formulas:
        parts = _split_alternatives(formula)
        if len(parts) > _MOST_ALTERNATIVES:
            parts = [formula]
        descriptions.update(describe(part) for part in parts if part != FALSE)
    return sorted(descriptions)


def describe_kinds(
    entry: ValueMenu,
    an_object: str = "an object",
    an_array: str = "an array",
) -> list[str]:
    """Return descriptions of the values that may stand at a place, kind by kind.

    `an_object` and `an_array` are the words for an object and for an array. For example `["an object", "true
    or false", "null"]` may come back.
    """
    words: list[str] = []
    if entry.object is not None:
        words.append(an_object)
    if entry.array is not None:
        words.append(an_array)
    words += string_descriptions(entry)
    words += number_descriptions(entry)
    booleans = [name for name in ("true", "false") if getattr(entry, name) is not None]
    if booleans:
        words.append(" or ".join(booleans))
    if entry.null is not None:
        words.append("null")
    return words


def string_descriptions(entry: ValueMenu) -> list[str]:
    """Return descriptions of the strings that `entry` allows; an empty list where it allows none."""
    if entry.string is None:
        return []
    return describe_formulas(entry.string.formulas, describe_strings)


def number_descriptions(entry: ValueMenu) -> list[str]:
    """Return descriptions of the numbers that `entry` allows; an empty list where it allows none."""
    if entry.number is None:
        return []
    return describe_formulas(entry.number.formulas, describe_numbers)


def join_words(words: Sequence[str], joint: str = " and ") -> str:
    """Return the words in a row, with `joint` before the last one: `["a", "b", "c"]` -> `a, b and c`."""
    if len(words) > 1:
        return joint.join((", ".join(words[:-1]), words[-1]))
    return "".join(words)


def describe_strings(formula: Formula, some: str = "a string") -> str:
    """Return a description of the strings that meet a formula. It ends with `_FURTHER` where it leaves
    conditions out.

    `some` is the noun at its beginning, such as "a string" or "a key".
    """
    if isinstance(formula, Words):
        return list_words(quote_text(word) for word in sorted(formula.of))
    size = ""
    further = False
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
            # A long pattern that was made from banned texts is described by these texts.
            case Not(Pattern(source)) if len(source) > MOST_SHOWN and texts_of(source):
                clauses.append(f"without {list_words(map(quote_text, texts_of(source) or ()), ' and ')}")
            case Not(Pattern(source)):
                clauses.append(f"that does not match {quote_text(source)}")
            case _:
                further = True
    if len(clauses) > MOST_TOLD:
        clauses = clauses[:MOST_TOLD]
        further = True
    # "a key that the schema does not name" becomes "a key": the clauses describe the key better.
    if clauses and some.startswith("a key") and not clauses[0].startswith("that does not"):
        some = "a key"
    head = f"{some} of {size}" if size else some
    text = f"{head} {' and '.join(clauses)}".rstrip()
    return text + _FURTHER if further else text


def describe_numbers(formula: Formula) -> str:
    """Return a description of the numbers that meet a formula, such as `an integer from 1 to 5`. It ends with
    `_FURTHER` where it leaves conditions out."""
    subject = ""
    bounds = ""
    clauses = ""
    further = False
    divisors: list[Decimal] = []
    excluded_numbers: list[str] = []
    for part in conjuncts(formula):
        match part:
            case Multiple(of) if not subject:
                divisors.append(of)
            case Ranges() if not divisors and (listed_values := part.finite_numbers()) is not None:
                subject = list_words(show_decimal(Decimal(value)) for value in listed_values)
            case Ranges():
                ends = list(part.ends())
                # The gaps between two runs of numbers: where one run ends and where the next begins.
                gaps = [(end[0], begin[0]) for (_, end), (begin, _) in pairwise(ends) if end and begin]
                # A line can name single numbers that are left out, but not longer gaps.
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
        # A multiple of 6 is a multiple of 3: naming the larger divisor is enough.
        largest_divisors = [
            of
            for of in divisors
            if not any(is_multiple(divisor, of) for divisor in divisors if divisor != of)
        ]
        subject = join_words(list(dict.fromkeys(map(_describe_multiple, largest_divisors))))
    text = (subject or "a number") + bounds + clauses
    return text + _FURTHER if further else text


def _describe_multiple(of: Decimal) -> str:
    return "an integer" if of == 1 else f"a multiple of {show_decimal(of)}"


def _split_alternatives(formula: Formula) -> Sequence[Formula]:
    """Return the alternatives of a formula, or the formula alone.

    The alternatives of ranges of numbers are: all single numbers together; and each run of numbers. Runs with
    only single numbers between them count as one run: "from 1 to 9 other than 5".
    """
    if isinstance(formula, Any_):
        return formula.of
    alternatives: list[Formula] = []
    other_parts = [part for part in conjuncts(formula) if not isinstance(part, Ranges)]
    for part in conjuncts(formula):
        if isinstance(part, Ranges):
            single_numbers: list[Cut] = []
            runs: list[list[Cut | None]] = []
            for low, high in part.ends():
                if low and high and low[0] == high[0]:
                    single_numbers += low, high
                elif runs and low and (last := runs[-1][-1]) and last[0] == low[0]:
                    # This run begins at the number where the last one ends: only that number is left out.
                    runs[-1] += low, high
                else:
                    runs.append([low, high])
            sets = [Ranges(tuple(filter(None, run)), run[0] is None) for run in runs]
            if single_numbers:
                sets.append(Ranges(tuple(single_numbers)))
            alternatives += [All((*other_parts, numbers)) if other_parts else numbers for numbers in sets]
    return alternatives or [formula]


def _describe_bounds(low: Cut | None, high: Cut | None) -> str:
    if low and high and not low[1] and high[1]:
        return f" from {show_decimal(Decimal(low[0]))} to {show_decimal(Decimal(high[0]))}"
    parts = []
    # A cut lies before its number or, where its flag is set, after it.
    if low:
        relation = "greater than" if low[1] else "at least"
        parts.append(f"{relation} {show_decimal(Decimal(low[0]))}")
    if high:
        relation = "at most" if high[1] else "less than"
        parts.append(f"{relation} {show_decimal(Decimal(high[0]))}")
    if parts:
        return ", " + " and ".join(parts)
    return ""


def show_decimal(value: Decimal) -> str:
    """Return a number as a person writes it: without zeros at the end of its fraction."""
    text = f"{value:f}" if -20 < value.adjusted() < 20 else str(value)
    if "." in text and "E" not in text:
        text = text.rstrip("0").rstrip(".")
    return _cut_text(text)


def _cut_text(text: str) -> str:
    if len(text) <= MOST_SHOWN:
        return text
    return text[:MOST_SHOWN] + "…"


def describe_count(minimum: int, maximum: int | None, unit: str) -> str:
    """Return a range of counts in words, such as `1 to 5 characters`; an empty text without bounds.

    `maximum` is None where there is no upper bound. `unit` is the noun in the singular.
    """
    if maximum is None and not minimum:
        return ""
    if minimum == maximum:
        size = f"exactly {maximum}"
    elif maximum is None:
        size = f"at least {minimum}"
    elif minimum:
        size = f"{minimum} to {maximum}"
    else:
        size = f"at most {maximum}"
    # The last number of the phrase decides about the plural.
    last = minimum if maximum is None else maximum
    plural = "" if last == 1 else "s"
    return f"{size} {unit}{plural}"


def quote_text(text: str) -> str:
    """Return a text as a JSON string in quotes, cut to MOST_SHOWN characters."""
    return json_string(_cut_text(text)).decode()


def show_value(json_value: Json) -> str:
    """Return a value as JSON text, cut to MOST_SHOWN characters."""
    return _cut_text(write_canonical(json_value))


def list_words(words: Iterable[str], joint: str = "") -> str:
    """Return a list in words: `"a"` for one word, else `one of "a", "b" (and 12 more)`.

    With `joint` the text is `"a", "b"<joint>"c"`. At most MOST_TOLD words are named.
    """
    all_words: Sequence[str] = list(words)
    first_words = all_words[:MOST_TOLD]
    rest = len(all_words) - len(first_words)
    if len(all_words) == 1:
        return all_words[0]
    if joint and not rest:
        return join_words(first_words, joint)
    head = "" if joint else "one of "
    text = head + ", ".join(first_words)
    return f"{text} (and {rest:,} more)" if rest else text
