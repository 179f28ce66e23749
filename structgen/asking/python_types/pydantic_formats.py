"""Patterns of the strings that pydantic takes for dates, times and the like.

They stand in place of the formats of JSON Schema, which allow other strings. Each is a pattern for
`custom_formats`, and every string that it allows validates. pydantic takes many spellings. These patterns
allow those that ISO 8601 and RFC 3339 have in common, and times without seconds, as people write them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from structgen.base.errors import UnsupportedError

_LEAP = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
# 0000 is no year of Python's
_YEAR = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_DATE = (
    f"(?:{_YEAR}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|"
    f"02-(?:0[1-9]|1[0-9]|2[0-8]))|{_LEAP}-02-29)"
)
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
_ZONE = "(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
NAIVE = "^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}T)?[0-9:.]*$"
"""A `pattern` beside the formats time and date-time: values without a zone match it."""
AWARE = "(?:Z|[+-][0-9]{2}:[0-9]{2})$"
"""A `pattern` beside the formats time and date-time: values with a zone match it."""

_COUNT = "[0-9]{1,6}"
_SECONDS = rf"{_COUNT}(?:\.[0-9]{{1,6}})?S"
# at least one of the three
_CLOCK = f"T(?:{_COUNT}H(?:{_COUNT}M)?(?:{_SECONDS})?|{_COUNT}M(?:{_SECONDS})?|{_SECONDS})"

_ATOM = (
    r"(?:[A-Za-z0-9 _,;:<>=!@#%&~\"'/-]|\\[dDwWsSnrt.^$|?*+()\[\]{}\\]|\.|"
    r"\[\^?(?:[A-Za-z0-9_ ,;:.]|a-z|A-Z|0-9)+\])(?:[*+?]\??|\{[1-9][0-9]?,?\})?"
)
_FLAT = rf"(?:{_ATOM}|[|^$])*"
_GROUPED = rf"(?:{_ATOM}|[|^$]|\((?:\?:)?{_FLAT}\)(?:[*+?]\??|\{{[1-9][0-9]?,?\}})?)*"

_BASE64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?"
# of bytes below 128, three of which are four characters
_ASCII64 = (
    "(?:[A-Za-f][A-HQ-Xg-nw-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][A-Za-z0-9+/])*"
    "(?:[A-Za-f](?:[AQgw]=|[A-HQ-Xg-nw-z0-3][AEIMQUYcgkosw048])=)?"
)

# email-validator's addresses without quotes; names of special use are none of its top-level domains.
_WORD = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}"
_LABEL = "[A-Za-z0-9]{1,15}(?:-[A-Za-z0-9]{1,15}){0,2}"
_EMAIL = (
    rf"{_WORD}(?:\.{_WORD}){{0,2}}@(?:{_LABEL}\.){{1,3}}"
    "(?!(?i:arpa|invalid|local|localhost|onion|test)>?$)[A-Za-z]{2,15}"
)


_UUID = "^[0-9a-f]{{8}}-[0-9a-f]{{4}}-{}[0-9a-f]{{3}}-[89ab][0-9a-f]{{3}}-[0-9a-f]{{12}}$"
"""Of a version."""

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        # datetime.date: the years 0001 to 9999.
        "date": f"^{_DATE}$",
        # datetime.time, datetime.datetime: seconds or none, microseconds, no leap second, a zone or none.
        "time": f"^{_TIME}{_ZONE}?$",
        "date-time": f"^{_DATE}T{_TIME}{_ZONE}?$",
        # datetime.timedelta: ISO 8601 without years and months, which are no fixed time.
        "duration": f"^P(?:{_COUNT}W|{_COUNT}D(?:{_CLOCK})?|{_CLOCK})$",
        # re.Pattern: literals, classes, quantifiers, alternatives, groups two deep: Python has these in
        # common with most other dialects.
        "regex": f"^{_GROUPED}$",
        "base64": f"^{_BASE64}$",
        "base64url": f"^{_BASE64}$".replace("+/", "_-"),
        "base64-text": f"^{_ASCII64}$",
        "base64url-text": f"^{_ASCII64}$".replace("+/", "_-"),
        "email": f"^{_EMAIL}$",
        "name-email": f"^(?:{_EMAIL}|[A-Za-z]+(?: [A-Za-z]+)* <{_EMAIL}>)$",
        "color": "^(?:#[0-9A-Fa-f]{3,4}|#(?:[0-9A-Fa-f]{2}){3,4}|aqua|black|blue|fuchsia|gray|green|lime|"
        "maroon|navy|olive|orange|purple|red|silver|teal|white|yellow)$",
        "binary": "",
        "password": "",
        "fraction": "^-?[0-9]{1,18}(?:/[1-9][0-9]{0,17})?$",
        **{f"uuid{version}": _UUID.format(version) for version in (1, 3, 4, 5, 6, 7, 8)},
    }
)
"""`custom_formats` of the grammars of types. Fields of these formats are annotated so in the schema, which
other readers take in the standard's meaning."""

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "ipv4network": "a network whose host bits must be zero",
        "ipv6network": "a network whose host bits must be zero",
        "ipv4interface": "an address with a network",
        "ipv6interface": "an address with a network",
        "ipvanynetwork": "a network whose host bits must be zero",
        "ipvanyinterface": "an address with a network",
        "zoneinfo": "the name of a time zone of this machine",
        "multi-host-uri": "a URL of several hosts",
        "json-string": "JSON inside a string",
    }
)
"""Formats of pydantic's types for which there is no pattern here, and what they are."""


def make_refusal(fault: str, kind: str, cure: str, where: str = "type") -> UnsupportedError:
    """Return the error of a type that is not taken here. `kind`: what it is, or has."""
    return UnsupportedError(fault, keyword=kind, where=where, cure=cure)
