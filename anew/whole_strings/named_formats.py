"""Formats by name as formulas over patterns. What no plain pattern can say is left out, never let in.

A format has up to three meanings. *Alone*, it may hold a length, which is counted beside the automaton.
Beside other patterns a length would multiply their states, so texts are counted in portions (`_portions`).
*Denied*, it is a formula that every text of the format meets: `not` of that holds no text of the format.
"""

from __future__ import annotations

import functools
from types import MappingProxyType
from typing import Final

from structgen.automata.formats.idna import _DOTS, _TIERS, _chars, _fits, _joined, _set, _table, _without
from structgen.automata.formats.named_formats import (
    _ADDRESS,
    _ATOM,
    _BEYOND,
    _DATE,
    _IDN_ATOM,
    _LABEL,
    _PATTERNS,
    _SILENT,
)
from structgen.automata.unicode.charsets import complement
from structgen.errors import UnsupportedError
from structgen.language.ir import TRUE, All, Formula, Length, Not, Pattern

CUTS: Final = MappingProxyType(
    {
        "date-time": "leap seconds are left out, but for 23:59:60 in UTC",
        "time": "leap seconds are left out, but for 23:59:60 in UTC",
        "hostname": "labels that begin with xn-- are left out, and beside another pattern some names of more "
        "than 15 labels or of long ones",
        "idn-hostname": "labels that begin with xn-- are left out, letters that are written from right to "
        "left, marks, letters with rules about their neighbours, hyphens in labels beyond ASCII, long ones, "
        "and names beyond ASCII of more than three labels",
        "email": "domains of more than 15 labels, or of long ones, are left out, and quoted local parts of "
        "more than 31 characters",
        "idn-email": "of the domain what `idn-hostname` leaves out, and local parts beyond ASCII of more "
        "than 16 characters, quoted ones of more than 7",
        "regex": "patterns with more than three groups in one another are left out, back-references, named "
        "groups, and most ranges and properties",
    }
)
"""The valid strings that a format leaves out; docs/json-schema.md has the details."""
OWN: Final = ("date-time", "time", "hostname", "email", "idn-hostname", "idn-email", "regex")
KNOWN: Final = frozenset((*_PATTERNS, *_SILENT, *OWN))
"""The formats with a meaning here; every other is an annotation."""

_HOUR = "(?:[01][0-9]|2[0-3])"
_OFFSET = f"(?:[Zz]|[+-]{_HOUR}:[0-5][0-9])"
# RFC 3339, section 5.6 and appendix D: a leap second is the last second of a day in UTC.
_TIME = (
    rf"(?:{_HOUR}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?{_OFFSET}"
    r"|23:59:60(?:\.[0-9]+)?(?:[Zz]|[+-]00:00))"
)
_ANY_TIME = rf"{_HOUR}:[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?{_OFFSET}"
_HOST_LABEL = f"(?![Xx][Nn]--){_LABEL}"
_LDH_LABEL = f"(?![A-Za-z0-9]{{2}}--){_LABEL}"
_QUOTED = r'"(?:[ !#-\[\]-~]|\\[ -~])*"'


def _portions(dots: str, others: str = "") -> str:
    """Return a pattern of names within 253 characters: 15 portions, each of 16 characters of a label, or of
    the last 15 or fewer with the dot, and 13 characters; or 14 of them and 15.

    `dots`, `others`: what a class of characters holds, the dots and what the characters of labels are not.
    """
    inner = f"[^{dots}{others}]"
    portion = f"(?:{inner}{{16}}|{inner}{{0,15}}[{dots}])"
    return f"(?:{portion}{{0,15}}{inner}{{0,13}}|{portion}{{0,14}}{inner}{{0,15}})"


def _host_name(alone: bool) -> Formula:
    """Return RFC 1123, section 2.1: labels of 1 to 63 letters, digits and inner hyphens, 253 in all."""
    labels = Pattern(rf"^{_HOST_LABEL}(?:\.{_HOST_LABEL})*$")
    return All((labels, Length(1, 253) if alone else Pattern(f"^{_portions('.')}$")))


def _email() -> Formula:
    """Return RFC 5321's mailboxes: a local part of at most 64 octets, and a domain within 253."""
    domain = rf"(?:{_LABEL}(?:\.{_LABEL})*|{_ADDRESS})"
    name = _portions(".", r'@"\[')
    return All(
        (
            Pattern(rf"^(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})@{domain}$"),
            Pattern(rf'^(?:[^"@]{{1,64}}|"(?:[^"\\]|\\[^]){{0,31}}")@(?:{name}|\[[^@"]*)$'),
        )
    )


@functools.lru_cache(maxsize=1)
def _label() -> str:
    """Return a pattern of the labels of IDNA 2008 (RFC 5890 to 5893) that need no rule but their length.

    Letters are PVALID, written from left to right, no marks, and compose with no letter before them. In each
    tier of code points a label is so short that Punycode cannot make it longer than 63 octets.
    """
    table = _table()
    seconds = _joined(*(_point(name) for name in table if name.startswith("composes ")))
    left = _without(table["PVALID"], _joined(complement(table["bidi L"]), table["mark"], seconds))
    beyond = _without(left, ((0, 0x7F),))
    ways = [_LDH_LABEL]
    for end in _TIERS:
        most = 1
        while all(_fits(others, most + 1 - others, end) for others in range(1, most + 2)):
            most += 1
        letters = _joined(_without(beyond, ((end, 0x10FFFF),)) if end < 0x10FFFF else beyond, _LOWER)
        ways.append(f"{_set(letters)}{{1,{most}}}")
    return f"(?:{'|'.join(ways)})"


_NO_LABEL: Final = r"@\[\u{80}-\u{10ffff}"
_LOWER: Final = ((0x30, 0x39), (0x61, 0x7A))


def _point(name: str) -> tuple[tuple[int, int], ...]:
    """Return the character that a row of the table of compositions is about."""
    point = int(name.split(" ")[1], 16)
    return ((point, point),)


def _few_labels(dots: str) -> str:
    """Return a pattern of names within 253 octets: in ASCII, or three labels of 63 octets."""
    any_ = f"[^{dots}@\\[]+"
    return f"(?:{_portions(dots, _NO_LABEL)}|{any_}(?:[{dots}]{any_}){{0,2}})"


def _idn_host_name() -> Formula:
    dots = _set(_chars(_DOTS))[1:-1]
    part = _label()
    return All((Pattern(f"^{part}(?:[{dots}]{part})*$"), Pattern(f"^{_few_labels(dots)}$")))


def _idn_email() -> Formula:
    """Return RFC 6531's mailboxes: any character beyond ASCII in the local part, U-labels in the domain."""
    quoted = rf'"(?:[ !#-\[\]-~{_BEYOND}]|\\[ -~])*"'
    part = _label()
    domain = rf"(?:{part}(?:\.{part})*|{_ADDRESS})"
    ascii_ = r'[^"@\u{80}-\u{10ffff}]{1,64}|"(?:[^"\\\u{80}-\u{10ffff}]|\\[ -~]){0,31}"'
    beyond = r'[^"@]{1,16}|"(?:[^"\\]|\\[ -~]){0,7}"'
    return All(
        (
            Pattern(rf"^(?:{_IDN_ATOM}(?:\.{_IDN_ATOM})*|{quoted})@{domain}$"),
            Pattern(rf"^(?:{ascii_}|{beyond})@(?:{_few_labels('.')}|\[[^@]*)$"),
        )
    )


def _regex(depth: int = 3) -> str:
    """Return ECMA-262's patterns in Unicode mode, groups up to a depth in one another."""
    escape = (
        r"\\(?:[dDsSwWfnrtv^$\\.*+?()\[\]{}|/]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}"
        r"|u\{0{0,3}[0-9A-Fa-f]{1,5}\}|c[A-Za-z]|[pP]\{(?:L|Lu|Ll|Lt|Lm|Lo|M|Mn|N|Nd|P|S|Z|C|Letter|ASCII)\})"
    )
    ranges = "a-[a-z]|[a-z]-z|A-[A-Z]|[A-Z]-Z|0-[0-9]|[0-9]-9"
    inside = rf"\[\^?(?:-?(?:{ranges}|[^\]\\\-\^]|\\-|{escape})*-?)\]"
    least = "|".join(rf"{low},(?:[{low}-9]|[1-9][0-9])" for low in range(10))
    quantifier = rf"(?:(?:[*+?]|\{{(?:[0-9]{{1,3}},?|{least})\}})\??)?"
    term = rf"(?:[^\\()\[\]{{}}*+?|^$]|{escape}|{inside})"
    body = ""
    for level in range(depth + 1):
        groups = rf"|\((?:\?:)?{body}\){quantifier}|\(\?<?[=!]{body}\)" if level else ""
        body = rf"(?:[\^$|]|\\[bB]|{term}{quantifier}{groups})*"
    return body


_NO_REGEX: Final = "|".join(
    (
        r"^[*+?)]",  # nothing to repeat, no group to close
        r"^[^\\(\[]*\)",
        r"^[^\\\[)]*\([^\\\[)]*$",  # a group that is not closed
        r"^[^\\\[\]]*\[[^\\\]]*$",  # a class that is not closed
        r"^[^\\]*\\$",
    )
)
"""Strings that are no patterns."""


@functools.lru_cache(maxsize=64)
def meaning_of(name: str, *, denied: bool, alone: bool) -> Formula:
    """Return the strings of a format as a formula. `alone`: beside it nothing is asked but lengths and
    excluded words. `denied`: the formula holds every string of the format, perhaps with others.

    Raises `UnsupportedError` for an unknown format.
    """
    if name in _PATTERNS:
        return Pattern(f"^{_PATTERNS[name]}$")
    if name in _SILENT:
        return TRUE
    if name not in OWN:
        raise UnsupportedError(
            f"The format {name!r} cannot be asserted. It is not a format of JSON Schema or OpenAPI.",
            keyword="format",
            cure='Leave it out, give its pattern, or compile with formats="annotate".',
        )
    return _denied(name) if denied else _held(name, alone)


def _held(name: str, alone: bool) -> Formula:
    if name == "date-time":
        return Pattern(f"^{_DATE}[Tt]{_TIME}$")
    if name == "time":
        return Pattern(f"^{_TIME}$")
    if name == "hostname":
        return _host_name(alone)
    if name == "email":
        return _email()
    if name == "idn-hostname":
        return _idn_host_name()
    return _idn_email() if name == "idn-email" else Pattern(f"^{_regex()}$")


def _denied(name: str) -> Formula:
    """Return a formula that every string of a format meets."""
    if name == "date-time":
        return Pattern(f"^{_DATE}[Tt]{_ANY_TIME}$")
    if name == "time":
        return Pattern(f"^{_ANY_TIME}$")
    if name == "hostname":
        return Pattern(rf"^{_LABEL}(?:\.{_LABEL})*$")
    if name == "email":
        return Pattern(rf"^(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})@(?:{_LABEL}(?:\.{_LABEL})*|{_ADDRESS})$")
    if name == "idn-hostname":
        return Pattern(r"^[A-Za-z0-9.\-\u{80}-\u{10ffff}]+$")
    return Pattern("^[^]+@[^]+$") if name == "idn-email" else Not(Pattern(_NO_REGEX))
