"""Finds numbers in figures, as seven languages write them, and figures that are not a number.

A *figure* is a digit; *figures* are digits with the signs between them, such as `1,234.5`. A *numeral* is
figures that state a number. "1,234.5" and "1.234,5" may be one number in two languages. A *reading*
(`Reading`) is a number with its place in the text. It is a *part* if its figures may belong to something else
and so are not surely a number of the text: 204 in `1,204`, or 17 in the order code "A-17". A *mark*
(`reading.PART`) notes that a character belongs to something else. `marks` has one for each character, 0 for
none. A *folded* text is a text whose unusual digits and signs were replaced by usual ones (`readings`).
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Context, Decimal
from typing import Any

from structgen.asking.grounding.reading import CJK, PART, RANGE, Reading, mark_span
from structgen.asking.grounding.signs import TOUCHING, Signs, read_negative

_EXACT = Context(prec=2000)
"""A context of so many digits that no numeral is rounded, nor its product with a word's factor."""
_LONGEST = _EXACT.prec // 2
"""The length of the longest numeral that is read, in characters."""
_ADDRESS = re.compile(
    r"(?P<email>(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,9})"
    r"|(?P<uri>\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.)(?:[^\s<>\"()]|\([^\s<>\"()]*\))*"
    r"(?:[^\s<>\".,;:!?'\]()]|\([^\s<>\"()]*\)))"
    r"|(?P<uuid>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)"
    r"|(?P<ip>(?:(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)"
    r"|(?<![\w:.])(?=[0-9a-f]{0,4}:[0-9a-f]{0,4}:)[0-9a-f:.]{2,44}[0-9a-f:](?![\w:])))"
    r"|(?<![\w.,-])(?:\+\d(?:[ \xa0()/.-]{0,2}\d){7,15}"  # +49 30 123456
    r"|\(\d{2,5}\)[ \xa0-]?\d(?:[ \xa0-]?\d){4,9}"  # (030) 123456
    r"|0\d{1,4}[ \xa0/-]\d(?:[ \xa0/.-]?\d){4,10}"  # 030/123456
    r"|\d++(?:-\d++){2,}+"  # 978-3-16-148410-0, an ISBN
    r"|\d{4}(?:[ -]\d{4}){3}"  # 4111 1111 1111 1111, a card
    r"|\d{2,9}-0\d{2,9}|\d{3}-\d{3}[1-9]|\d\d[1-9]-\d{4}"  # 1234-0567, 555-1234: no round numbers
    r"|[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?)(?!\w)",  # DE89 3704 0044 0532 0130 00, an IBAN
    re.I,
)
"""Addresses, in named groups; then identifiers, in no group. Those are phone numbers with a country's code,
with a town's code and with none; ISBNs; and numbers of cards and accounts. Two round numbers with a hyphen
between them are not an identifier but a range."""
_FRACTION = re.compile(
    r"(?<![\w/.,])(?:(\d{1,4})(?:[ -]|(?=[¼-¾⅐-⅞])))?(?:(\d{1,4})/([1-9]\d{0,3})|([¼-¾⅐-⅞]))(?![\w/])"
)
"""Fractions: `3/4`, `¾`, `1 3/4`, `1¾`. Its groups: the whole, numerator, denominator, the sign `¾`."""
_FIGURES = re.compile(
    rf"(?=[-.\d])(?P<sign>{TOUCHING}[$€£¥]?)?"
    r"(?P<figures>(?:(?<![\w.,])\.)?\d++(?:[.,']\d++|[ \xa0]\d{3}(?!\d))*+(?:e[+-]?\d{1,3}(?![\w.,]))?)",
    re.I,
)
"""Figures with the signs before and between them: `-$1,204.50`, `.5`, `2e3`. `_GROUPED` and `_PLAIN` read
them."""
_GROUPED = re.compile(
    r"([1-9]\d{0,2}(?P<mark>[.,' \xa0])\d{3}(?:(?P=mark)\d{3})*|[1-9]\d?(?:,\d\d)+,\d{3})"
    r"(?P<tail>(?!(?P=mark)|(?<=,\d{3}),)[.,]\d+)?"
)
"""Figures in groups of thousands (`1,204,500.5`, `1.204,5`, `1 204`, `1'204`) or of lakhs (`12,34,567`). The
group `mark` is the sign between the groups of digits, `tail` the fraction with its sign."""
_PLAIN = re.compile(r"\d*[.,]?\d+(?:e[+-]?\d+)?", re.I)
_APART = "x \u00d7 no nr rs kr us fr eur usd gbp chf jpy cny inr cad aud sek nok dkk pln czk brl mxn".split()
"""Words that may touch the number after them without making it an identifier: `EUR5`, `x3`."""
_GLUED_BEFORE = re.compile(
    rf"(?:(?<=[^\W\d_{CJK}])|(?<=[-/_])(?<!--)(?:(?<=_)|"
    + "|".join(rf"(?<=[A-Z][\w-]{{{length}}}.)" for length in range(16))
    + "))"
    + "".join(rf"(?<!(?<![^\W\d_])(?i:{word}))" for word in _APART)
    + "".join(rf"(?<!(?<![^\W\d_])(?i:{word})-)" for word in _APART if len(word) == 3)
)
"""A pattern that matches, at the beginning of figures, if they belong to a name: `A4`, `B-12`, but not `EUR5`
and `EUR-5`. It looks behind only, at 17 characters at most."""
# Matches after figures if they belong to a name that goes on: `5B2`, `12A-3`; but not in `2h30`.
_GLUED_BEHIND = re.compile(rf"(?!(?i:x|h|hrs?|min|m|s|d)\d)[^\W\d_{CJK}]{{1,8}}\d|[A-Z]{{1,8}}[-_/]\d")
_BEHIND = re.compile(
    rf"(?:{RANGE})?"
    r"[\s-]{0,2}(?:(?:of\s)?an?\s)?"
    r"([%‰]|(?:per|pour|por)\s(?:cent|ciento|cento)\b|mil\s(?:millones|milhões)\b|[^\W\d_]{2,})"
    r"|([kmbtKMBT])(?!\w)"
)
"""The word or sign after a number that multiplies it: `%`, `per cent`, `million`, `mil millones`, `k`. Group
1 is the word or sign, and group 2 a letter that stands without a blank."""
# The words after a number that add a half to it.
_AND_A_HALF = re.compile(r"\s(?:and a half|et demie?|y medi[oa]|e mezz[oa]|e mei[oa]|en een halve?)(?!\w)")


_POWER = re.compile(
    rf"(?P<sign>{TOUCHING})?(?<![\w.,^])(?:(?P<base>\d+(?:[.,]\d+)?)\s?(?P<times>[x×·⋅*])\s?)?10"
    r"(?:\^\(?(?P<exponent>[-+]?\d\d?)\)?|(?P<raised>[⁻⁺]?[⁰¹²³⁴-⁹]{1,2})|(?P<low>-\d\d?)(?<=[.,]\d[\s×·⋅]10..))"
    r"(?![\w^])",
    re.I,
)
"""Powers of ten: `1.5 x 10^3`, `1.5 × 10³`, `10^3`."""
_LOWERED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺", "0123456789-+")
_DENOMINATORS = {
    "half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10,
}  # fmt: skip
_FRACTION_WORD = re.compile(
    r"[\s-](?:(halves|third|quarter|fourth|fifth|sixth|seventh|eighth|ninth|tenth)(s?)|"
    r"(drittel|tiers|tercios|terzi|ter\u00e7os|derde)|(viertel|quarts|cuartos|quarti|quartos))(?!\w|\s?-)",
    re.I,
)
"""The word after a number that divides it: "two thirds"."""


def addresses_of(text: str, marks: bytearray) -> Iterator[Reading]:
    """Yield the e-mail addresses, URIs, IP addresses and UUIDs of a folded text.

    In `marks` their characters, and those of phone numbers and other identifiers, become `PART`: their
    figures are not numbers of the text. Cost: linear.
    """
    for match in _ADDRESS.finditer(text):
        kind: Any = match.lastgroup
        with suppress(ValueError):  # not an IP address: passed over
            if kind == "ip":
                ipaddress.ip_address(match[0])
            if kind is not None:
                yield Reading(kind, match[0], *match.span())
            if kind is not None or not marks[match.start()]:
                mark_span(marks, *match.span())


def numerals_of(signs: Signs, marks: bytearray) -> Iterator[Reading]:
    """Yield the numbers that figures of a folded text state.

    `1.204` may state two numbers (1204 and 1.204), and `1 204` three (1204, 1 and 204). Readings of the
    figures of an identifier or a version are parts; so are those of marked figures, and 5 of `-5`. A numeral
    of over 1,000 characters is cut at the signs in it; a piece that is still longer is not a number. Cost:
    linear.
    """
    text = signs.text
    for match in _FRACTION.finditer(text):
        whole, numerator, denominator, sign = match.groups()
        fraction = unicodedata.numeric(sign) if sign else int(numerator) / int(denominator)
        mixed_number = Decimal(str(int(whole or 0) + fraction))
        yield Reading("number", mixed_number, *match.span(), marks[match.start()] == PART)
        # The figures of 3/4 are marked. Those of 7/10 and 85/100 are not: they may be counts, too.
        if sign or int(denominator) < 10:
            mark_span(marks, *match.span())
    for match in _POWER.finditer(text):
        exponent = match["exponent"] or match["low"] or match["raised"].translate(_LOWERED)
        value = Decimal((match["base"] or "1").replace(",", ".")).scaleb(int(exponent))
        yield Reading("number", value.copy_negate() if match["sign"] else value, *match.span())
        mark_span(marks, *match.span())
    for match in _FIGURES.finditer(text):
        first, end = match.span("figures")
        is_signed = text[signs.sign_starts.get(first, first)].isalpha()  # a word is the sign: `minus 5`
        is_name = not is_signed and _GLUED_BEFORE.match(text, first) is not None
        is_glued = is_name or _GLUED_BEHIND.match(text, end) is not None
        for value, start, end, is_part in _possible_values(match["figures"], first, is_glued):
            is_part |= marks[start] == PART
            is_negative = start == first and match["sign"] is not None
            if is_negative:
                yield Reading("number", value.copy_negate(), match.start(), end, is_part)
            yield Reading("number", value, start, end, is_part or is_negative)


def _possible_values(
    figures: str,
    start: int,
    is_part: bool,
) -> Iterator[tuple[Decimal, int, int, bool]]:
    """Yield the numbers that a run of figures may state: value, start, end, and whether it is a part.

    `figures` are the text of the run, and `start` its offset in the whole text. `is_part`: whether the run is
    a part of something else; then all its numbers are parts.
    """
    end = start + len(figures)
    is_short = len(figures) <= _LONGEST
    is_whole = figures.isdecimal()
    groups = _GROUPED.fullmatch(figures) if is_short and not is_whole else None
    is_plain = is_short and (is_whole or _PLAIN.fullmatch(figures) is not None)
    if groups is not None:
        tail = (groups["tail"] or "").replace(",", ".")
        yield Decimal(re.sub(r"\D", "", groups[1]) + tail), start, end, is_part
    if is_plain:
        yield Decimal(figures.replace(",", ".")), start, end, is_part
    # The run is cut at the first of these signs that it has, and each piece is read in turn.
    mark = next((mark for mark in "\xa0 ,'." if mark in figures), "")
    if groups is not None and mark in "\xa0 ":  # 12 300 may be two numbers; 1 204,50 hardly is
        is_part = is_part or mark == "\xa0" or bool(groups["tail"]) or mark + "0" in figures
    elif not mark or groups is not None or is_plain:
        return
    for piece in re.finditer(f"[^{mark}]+", figures):
        yield from _possible_values(piece[0], start + piece.start(), is_part or mark == ".")


def multiples_of(
    signs: Signs, marks: bytearray, numbers: Iterable[Reading], factors: Mapping[str, list[Decimal]]
) -> Iterator[Reading]:
    """Yield the numbers of a folded text, and the numbers that the signs and words around them make of these.

    `numbers` are the readings to begin with. `19 %` states 19 and 0.19; `1.2 million` states 1.2 and 1200000;
    `two and a half` states 2 and 2.5; `minus five` and `(5)` state the number and its negative
    (`read_negative`). The words become `PART` in `marks`. A single letter must touch the number (`3k`). Cost:
    linear.
    """
    text = signs.text
    for base in numbers:
        # The forms of one number: itself and, with "and a half" after it, a half more.
        forms = [base]
        if (half := _AND_A_HALF.match(text, base.end)) is not None:
            value = _EXACT.add(Decimal(str(base.value)), Decimal("0.5"))
            forms.append(replace(base, value=value, end=half.end()))
        if (divisor := _FRACTION_WORD.match(text, base.end)) and isinstance(base.value, Decimal):
            denominator = 3 if divisor[3] else 4 if divisor[4] else _DENOMINATORS[divisor[1].lower()]
            if 0 < base.value < 100 and (base.value == 1) != (divisor[2] == "s"):
                fraction = Decimal(str(float(base.value) / denominator))
                yield Reading("number", fraction, base.start, divisor.end())
                # a quarter may be one of a year
                forms = [replace(form, is_part=form.is_part or denominator != 4) for form in forms]
        if text[base.start - 1 : base.start] == "%" and text[max(base.start - 2, 0)] in "% (":
            share = _EXACT.multiply(Decimal(str(base.value)), Decimal("0.01"))
            yield Reading("number", share, base.start - 1, base.end, base.is_part)
        for form in forms:
            yield form
            signed_forms = [form]
            if negative := read_negative(signs, marks, form):
                yield negative
                # `(5) %`: the bracket closes before the word, so the negative is multiplied as well.
                signed_forms += [negative] * (negative.end > form.end)
            for number in signed_forms:
                match = _BEHIND.match(text, number.end)
                if match is None or marks[base.start] == PART:
                    continue
                group = match.lastindex or 0
                word = re.sub(r"\s", "", match[group].lower())
                for factor in factors.get(word, ()):
                    value = _EXACT.multiply(Decimal(str(form.value)), factor)
                    # `a` may be an article and is a part as a number, but `a dozen` is not.
                    is_part = form.is_part and text[base.start].isdecimal()
                    multiple = Reading("number", value, number.start, match.end(), is_part)
                    yield multiple
                    if number is negative:
                        yield replace(
                            multiple, value=value.copy_negate(), unsigned_span=(number.start, match.end())
                        )
                    elif negative and (opposite := read_negative(signs, marks, multiple)):
                        yield opposite
                    mark_span(marks, match.start(group), match.end())
