"""Numbers in figures, as seven languages write them, and what has figures without being a number."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from decimal import Context, Decimal
from typing import Any

from structgen.asking.grounding.reading import PART, RANGE, Reading, mark_span

_EXACT = Context(prec=2000)
"""Rounds no numeral, and no product of one with the number that a word names."""
_LONGEST = _EXACT.prec // 2
"""The characters of the longest numeral that is read."""
_ADDRESS = re.compile(
    r"(?P<email>(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,9})"
    r"|(?P<uri>\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.)(?:[^\s<>\"()]|\([^\s<>\"()]*\))*"
    r"(?:[^\s<>\".,;:!?'\]()]|\([^\s<>\"()]*\)))"
    r"|(?P<uuid>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)"
    r"|(?P<ip>(?:(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)"
    r"|(?<![\w:.])(?=[0-9a-f]{0,4}:[0-9a-f]{0,4}:)[0-9a-f:.]{2,44}[0-9a-f:](?![\w:])))"
    r"|(?<![\w.,-])(?:\+\d(?:[ \xa0()/.-]{0,2}\d){7,15}|\(\d{2,5}\)[ \xa0-]?\d(?:[ \xa0-]?\d){4,9}"
    r"|0\d{1,4}[ \xa0/-]\d(?:[ \xa0/.-]?\d){4,10}|\d++(?:-\d++){2,}+|\d{4}(?:[ -]\d{4}){3}"
    r"|\d{2,9}-0\d{2,9}|\d{3}-\d{3}[1-9]|\d\d[1-9]-\d{4}"
    r"|[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?)(?!\w)",
    re.I,
)
"""Addresses; then phone numbers with a country's, a town's, and without; ISBNs, numbers of cards and
accounts. Two round numbers with a hyphen between them are a range."""
_FRACTION = re.compile(
    r"(?<![\w/.,])(?:(\d{1,4})(?:[ -]|(?=[¼-¾⅐-⅞])))?(?:(\d{1,4})/([1-9]\d{0,3})|([¼-¾⅐-⅞]))(?![\w/])"
)
_FIGURES = re.compile(
    r"(?P<sign>(?<![^\s(\[=:,;/])-[$€£¥]?)?"
    r"(?P<figures>(?:(?<![\w.,])\.)?\d++(?:[.,']\d++|[ \xa0]\d{3}(?!\d))*+(?:e[+-]?\d{1,3}(?![\w.,]))?)",
    re.I,
)
_GROUPED = re.compile(
    r"([1-9]\d{0,2}(?P<mark>[.,' \xa0])\d{3}(?:(?P=mark)\d{3})*|[1-9]\d?(?:,\d\d)+,\d{3})"
    r"(?P<tail>(?!(?P=mark)|(?<=,\d{3}),)[.,]\d+)?"
)
_PLAIN = re.compile(r"\d*[.,]?\d+(?:e[+-]?\d+)?", re.I)
_APART = "x \u00d7 no nr rs kr us fr eur usd gbp chf jpy cny inr cad aud sek nok dkk pln czk brl mxn".split()
"""Words that stand before a number without a blank, and make no identifier of it."""
_GLUED_BEFORE = re.compile(
    r"(?:[^\W\d_]|[A-Z][\w-]{0,15}[-/_]|_)$" + "".join(rf"(?<!(?<![^\W\d_])(?i:{word}))" for word in _APART)
)
_GLUED_BEHIND = re.compile(r"(?!(?i:x|h|hrs?|min|m|s|d)\d)[^\W\d_]{1,8}\d|[A-Z]{1,8}[-_/]\d")
_BEHIND = re.compile(
    RANGE + r"[\s-]{0,2}(?:(?:of\s)?an?\s)?"
    r"([%‰]|(?:per|pour|por)\s(?:cent|ciento|cento)\b|mil\s(?:millones|milhões)\b|[^\W\d_]{2,})"
    r"|([kmbtKMBT])(?!\w)"
)
_AND_A_HALF = re.compile(r"\s(?:and a half|et demie?|y medi[oa]|e mezz[oa]|e mei[oa]|en een halve?)(?!\w)")
_MINUS = re.compile(r"(?<!(?:al|au|ou)\s)(?<!o\s)\b(?:minus|moins|menos|meno)\s$", re.I)
"""Not of "al menos", "au moins", "pelo menos", "più o meno"."""
_FACTORS = {
    "0.01": "% percent pourcent porciento porcento percento prozent procent pct",
    "0.001": "‰ promille promil",
    "12": "dozen dutzend douzaines docenas dozzine dúzias dozijn",
    "100": "hundred hundert honderd",
    "1000": "k thousand tsd tausend mille mil mila duizend",
    "100000": "lakh lakhs",
    "1000000": "m mio mln mill million millions millionen millón millones milioni milione milhão milhões "
    "miljoen",
    "10000000": "crore crores",
    "1000000000": "b bn mrd md mia milliard milliards milliarde milliarden miliardo miliardi miljard billion "
    "billions milmillones milmilhões bilhão bilhões",
    "1000000000000": "t tn bio billion billionen billón billones bilioni biljoen trillion trillions trilhão "
    "trilhões",
}
"""Words and signs by what they multiply with; a word of two rows means both."""
_TIMES = {
    word: [Decimal(factor) for factor, words in _FACTORS.items() if word in words.split()]
    for word in " ".join(_FACTORS.values()).split()
}


def addresses_of(text: str, marks: bytearray) -> Iterator[Reading]:
    """Yield the e-mail addresses, URIs, IP addresses and UUIDs of a folded text. Mark their characters, and
    those of phone numbers and other identifiers of several figures, as parts. Cost: linear."""
    for match in _ADDRESS.finditer(text):
        kind: Any = match.lastgroup
        with suppress(ValueError):  # no IP address
            if kind == "ip":
                ipaddress.ip_address(match[0])
            if kind is not None:
                yield Reading(kind, match[0], *match.span())
            if kind is not None or not marks[match.start()]:
                mark_span(marks, *match.span())


def numerals_of(text: str, marks: bytearray) -> Iterator[Reading]:
    """Yield the numbers that figures of a folded text state.

    `1.204` is two numbers, and `1 204` three: the whole, and its parts. The figures of an identifier, of a
    version, and those that are marked are parts, as is 5 of `-5`. A numeral of over 1,000 characters is cut
    at its signs, and longer figures are no number. Cost: linear.
    """
    for match in _FRACTION.finditer(text):
        whole, above, below, sign = match.groups()
        fraction = unicodedata.numeric(sign) if sign else int(above) / int(below)
        stated = Decimal(str(int(whole or 0) + fraction))
        yield Reading("number", stated, *match.span(), marks[match.start()] == PART)
        if sign or int(below) < 10:  # 7/10 and 85/100 are counts as well
            mark_span(marks, *match.span())
    for match in _FIGURES.finditer(text):
        first, end = match.span("figures")
        before = _GLUED_BEFORE.search(text[max(0, first - 18) : first])
        is_glued = before is not None or _GLUED_BEHIND.match(text, end) is not None
        for value, start, end, is_part in _values(match["figures"], first, is_glued):
            number = Reading("number", value, start, end, is_part or marks[start] == PART)
            if match["sign"] and start == first:
                yield replace(number, value=value.copy_negate(), start=match.start())
                number = replace(number, is_part=True)
            yield number


def _values(figures: str, start: int, is_part: bool) -> Iterator[tuple[Decimal, int, int, bool]]:
    """Yield what a run of figures and signs between them may state: value, start, end, whether it is a
    part."""
    end = start + len(figures)
    grouped = _GROUPED.fullmatch(figures) if len(figures) <= _LONGEST else None
    is_plain = len(figures) <= _LONGEST and _PLAIN.fullmatch(figures) is not None
    if grouped is not None:
        tail = (grouped["tail"] or "").replace(",", ".")
        yield Decimal(re.sub(r"\D", "", grouped[1]) + tail), start, end, is_part
    if is_plain:
        yield Decimal(figures.replace(",", ".")), start, end, is_part
    mark = next((mark for mark in "\xa0 ,'." if mark in figures), "")
    if grouped is not None and mark in "\xa0 ":  # 12 300 may be two numbers; 1 204,50 hardly is
        is_part = is_part or mark == "\xa0" or bool(grouped["tail"]) or mark + "0" in figures
    elif not mark or grouped is not None or is_plain:
        return
    for piece in re.finditer(f"[^{mark}]+", figures):
        yield from _values(piece[0], start + piece.start(), is_part or mark == ".")


def multiples_of(text: str, marks: bytearray, numbers: Iterable[Reading]) -> Iterator[Reading]:
    """Yield numbers of a folded text, and what the word behind each makes of it.

    `19 %` is 19 and 0.19, `1.2 million` is 1.2 and 1200000, `two and a half` 2 and 2.5, `minus five` 5
    and -5. The words are marked as parts. A letter alone must stand without a blank (`3k`). Cost: linear.
    """
    for stated in numbers:
        forms = [stated]
        if (half := _AND_A_HALF.match(text, stated.end)) is not None:
            value = _EXACT.add(Decimal(str(stated.value)), Decimal("0.5"))
            forms.append(replace(stated, value=value, end=half.end()))
        if (sign := _MINUS.search(text, max(0, stated.start - 8), stated.start)) is not None:
            forms.append(replace(stated, value=-Decimal(str(stated.value)), start=sign.start()))
        for form in forms:
            yield form
            match = _BEHIND.match(text, form.end)
            if match is None or marks[stated.start] == PART:
                continue
            group = match.lastindex or 0
            for factor in _TIMES.get(re.sub(r"\s", "", match[group].lower()), ()):
                value = _EXACT.multiply(Decimal(str(form.value)), factor)
                is_part = form.is_part and text[stated.start].isdecimal()  # a dozen is no article
                yield Reading("number", value, form.start, match.end(), is_part)
                mark_span(marks, match.start(group), match.end())
