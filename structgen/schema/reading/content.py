"""Strings that hold other content: `contentEncoding`, `contentMediaType` and `contentSchema`.

They are annotations (2020-12 Validation, section 8.1), and asserted under the policy content="assert". An
encoding is then the regular language of what an encoder writes: padded, pad bits zero, so that no decoder
objects. A JSON text in a string may be any (`automata/json_texts`), also in base64, base32 or base16. Beside
it other keywords for the string are refused, since they would have to be searched together with its nesting:
another encoding, `contentSchema`, a length, a pattern, a format.

Sources: RFC 8259 for JSON; RFC 4648 for base16, base32 and base64; RFC 2045, sections 2.7 and 6.7, for 7bit
and quoted-printable.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from structgen.schema.reading.keywords import FORMATS
from structgen.schema.reading.schema_place import Reading, SchemaPlace

_BESIDE = ("contentEncoding", "contentSchema", "pattern", "format", "minLength", "maxLength")
_IDENTITIES = ("8bit", "binary")
"""Encodings that leave a text as it is (RFC 2045, section 6.2)."""
_DIGITS = ("base64", "base64url", "base32", "base32hex", "base16")
"""Encodings of bytes in digits, through which a JSON text is read (`automata/encoded`)."""

_64, _64URL, _32, _32HEX = "[A-Za-z0-9+/]", "[A-Za-z0-9_-]", "[A-Z2-7]", "[0-9A-V]"
_QUOTED = r"(?:[ \t]*(?:[!-<>-~]|=[0-9A-F]{2}))*"


def _base32(one: str, fours: str, sixteens: str, twos: str, eights: str) -> str:
    """Return the pattern of base32 over the digits `one`; the last digit has 2, 4, 1 or 3 bits of zero."""
    ends = (
        f"{one}{fours}={{6}}",
        f"{one}{{3}}{sixteens}={{4}}",
        f"{one}{{4}}{twos}={{3}}",
        f"{one}{{6}}{eights}=",
    )
    return f"^(?:{one}{{8}})*(?:{'|'.join(ends)})?$"


ENCODINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "base64": (f"^(?:{_64}{{4}})*(?:{_64}[AQgw]==|{_64}{{2}}[AEIMQUYcgkosw048]=)?$",),
        # Its padding may be left out (RFC 4648, section 5).
        "base64url": (f"^(?:{_64URL}{{4}})*(?:{_64URL}[AQgw](?:==)?|{_64URL}{{2}}[AEIMQUYcgkosw048]=?)?$",),
        "base32": (_base32(_32, "[AEIMQUY4]", "[AQ]", "[ACEGIKMOQSUWY246]", "[AIQY]"),),
        "base32hex": (_base32(_32HEX, "[048CGKOS]", "[0G]", "[02468ACEGIKMOQSU]", "[08GO]"),),
        "base16": ("^(?:[0-9A-Fa-f]{2})*$",),
        "7bit": (r"^(?:[\x01-\x09\x0b\x0c\x0e-\x7f]|\r\n)*$", r"^[^\r\n]{0,998}(?:\r\n[^\r\n]{0,998})*$"),
        "quoted-printable": (
            rf"^(?:{_QUOTED}(?:[ \t]*=)?\r\n)*{_QUOTED}$",
            r"^[^\r\n]{0,76}(?:\r\n[^\r\n]{0,76})*$",
        ),
    }
)
"""Encoding -> the patterns that its texts match, all of them. A name may be in upper case (RFC 2045, 6.1)."""


def read_encoding(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if document.policies.content != "assert":
        return
    if value.__class__ is not str:
        raise document.wrong(place, "contentEncoding", "takes the name of an encoding in a string")
    if value.lower() in ENCODINGS and not _holds_json(raw):
        place.all_of += tuple(
            document.derived(f"{place.pointer}/contentEncoding", pattern=pattern)
            for pattern in ENCODINGS[value.lower()]
        )


def read_media_type(document: Reading, place: SchemaPlace, raw: dict[str, Any], value: Any) -> None:
    if document.policies.content != "assert":
        return
    if value.__class__ is not str:
        raise document.wrong(place, "contentMediaType", "takes a media type in a string")
    if not is_json(value) or not _is_plain(raw):
        return
    beside = next((keyword for keyword in _BESIDE if _asks(document, place, raw, keyword)), None)
    if beside is not None:
        document.refuse(
            place,
            "contentMediaType",
            f"{value!r} inside a string is not handled beside {beside}: it nests, and both are not searched "
            "together.",
            'Make it a value, not a string, or pass content="annotate" and check the finished document.',
        )
        return
    # start-up: automata are needed for few schemas
    from structgen.automata.formats.json_content import JSON_TEXT

    encoding = _encoding(raw)
    name = f"{JSON_TEXT} in {encoding}" if encoding in _DIGITS else JSON_TEXT
    place.all_of += (document.derived(f"{place.pointer}/contentMediaType", format=name),)


def _encoding(raw: dict[str, Any]) -> str:
    """Return how the content is encoded, "" where that is not the name of anything."""
    encoding = raw.get("contentEncoding", "8bit")
    return encoding.lower() if isinstance(encoding, str) else ""


def _is_plain(raw: dict[str, Any]) -> bool:
    """Return whether it is known how the content is encoded, if at all."""
    return _encoding(raw) in (*ENCODINGS, *_IDENTITIES)


def _holds_json(raw: dict[str, Any]) -> bool:
    """Return whether a string holds a JSON text in digits; its encoding then adds nothing."""
    return _encoding(raw) in _DIGITS and is_json(str(raw.get("contentMediaType", "")))


def _asks(document: Reading, place: SchemaPlace, raw: dict[str, Any], keyword: str) -> bool:
    """Return whether a keyword beside a JSON text restricts it."""
    if keyword not in raw:
        return False
    value, known = raw[keyword], place.scope.dialect
    if keyword == "contentEncoding":
        return _encoding(raw) not in (*_DIGITS, *_IDENTITIES)
    if keyword == "contentSchema":
        return keyword in known.locations and value is not True and value != {}
    if keyword == "format":
        policies = document.policies
        asserted = policies.formats == "assert" or known.asserts_formats
        return asserted and (value in FORMATS or value in dict(policies.custom_formats))
    return keyword != "minLength" or value != 0


def is_json(media_type: str) -> bool:
    """Return whether a media type is JSON (RFC 6839, section 3.1: the suffix +json)."""
    name = media_type.partition(";")[0].strip().lower()
    return name == "application/json" or name.endswith("+json")


def idle(document: Reading, raw: dict[str, Any], keyword: str, value: Any) -> str:
    """Return why a keyword about content has no effect, or "" where it has one."""
    if document.policies.content != "assert":
        return f"content={document.policies.content!r}"
    if keyword == "contentEncoding":
        known = isinstance(value, str) and value.lower() in ENCODINGS
        return "" if known else f"{value!r} does not restrict strings, or is not known"
    if keyword == "contentMediaType" and is_json(str(value)):
        return "" if _is_plain(raw) else f"how {raw['contentEncoding']!r} is decoded is not known"
    return f"whether a string is {value!r} is not checked"
