"""Addresses, and what has figures without being a number: phone numbers, identifiers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Final, cast

from structgen.asking.grounding.reading import FREE, Kind, Reading, mark_span

_SHAPES: Final = re.compile(
    r"(?P<email>(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,9})"
    r"|(?P<uri>\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.)[^\s<>\"]+)"
    r"|(?P<uuid>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)"
    r"|(?P<ip>(?<![\w:.])(?:\d{1,3}(?:\.\d{1,3}){3}(?![\w:]|\.\d)|(?=[0-9a-f]{0,4}:[0-9a-f]{0,4}:)[0-9a-f:.]{2,45}(?![\w:])))"
    r"|(?<![\w.,-])(?:\+\d(?:[ \xa0()/.-]{0,2}\d){7,15}"
    r"|\(\d{2,5}\)[ \xa0-]?\d(?:[ \xa0-]?\d){4,9}"
    r"|0\d{1,4}[ \xa0/-]\d(?:[ \xa0/.-]?\d){4,10}"
    r"|\d++(?:-\d++){2,}+"
    r"|\d{4}(?:[ -]\d{4}){3}"
    r"|\d{3}-(?:0\d{3}|\d{3}[1-9])|\d\d[1-9]-\d{4}"
    r"|[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){3,7})(?!\w)",
    re.I,
)
"""Behind the addresses: phone numbers with a country's, a town's, and without; ISBNs and numbers of cards and
accounts. Two round numbers with a hyphen between them are a range."""


def marked_texts(text: str, marks: bytearray) -> Iterator[Reading]:
    """Yield the e-mail addresses, URIs, IP addresses and UUIDs of a folded text. Mark their characters, and
    those of phone numbers and other identifiers of several figures, as parts. Cost: linear."""
    for match in _SHAPES.finditer(text):
        kind, found = match.lastgroup, match[0].rstrip(".,;:!?'")
        if found.endswith(")") and "(" not in found:
            found = found.rstrip(").,;")
        start, end = match.start(), match.start() + len(found)
        if not _is_ip(found) if kind == "ip" else kind is None and marks[start] != FREE:
            continue
        if kind is not None:
            yield Reading(cast("Kind", kind), found, start, end)
        mark_span(marks, start, end)


def _is_ip(found: str) -> bool:
    try:
        ipaddress.ip_address(found)
    except ValueError:
        return False
    return any(one.isalnum() for one in found)
