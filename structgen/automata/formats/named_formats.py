"""Makes the formula of a format of JSON Schema, such as `date` or `email`.

A *format* is a named set of strings. A *formula* is a condition on a string: a pattern, a length, or a
combination of formulas. Strings that no pattern of a moderate size can describe are left out: a formula never
accepts a string outside the format. A *portion* is a part of a name, of which a limited number is allowed.

A format has up to three meanings. *Alone*, it may hold a length, which is counted beside the automaton.
Beside other patterns a length would multiply their states, so texts are counted in portions
(`_portions_pattern`). *Denied*, it is a formula that every text of the format meets: `not` of that holds no
text of the format.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from structgen.automata.formats import idna
from structgen.base.errors import UnsupportedError
from structgen.base.language.ir import TRUE, All, Formula, Length, Not, Pattern

# RFC 3339 section 5.6, full-date: the days of each month, 29 February in leap years (section 5.7, appendix
# C).
_DATE = (
    "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
)

_HOUR = "(?:[01][0-9]|2[0-3])"
_OFFSET = f"(?:[Zz]|[+-]{_HOUR}:[0-5][0-9])"
# RFC 3339, section 5.6 and appendix D: a leap second is the last second of a day in UTC.
_TIME = (
    rf"(?:{_HOUR}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?{_OFFSET}"
    r"|23:59:60(?:\.[0-9]+)?(?:[Zz]|[+-]00:00))"
)
_ANY_TIME = rf"{_HOUR}:[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?{_OFFSET}"

# RFC 3339 appendix A.
_TIME_PART = "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)"
_DATE_PART = "(?:[0-9]+D|[0-9]+M(?:[0-9]+D)?|[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?)"
_DURATION = f"P(?:{_DATE_PART}(?:{_TIME_PART})?|{_TIME_PART}|[0-9]+W)"

# RFC 3986 section 3.2.2 (dec-octet has no leading zeros; RFC 2673 section 3.2 for `ipv4` says the same of
# values).
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_GROUP = "[0-9A-Fa-f]{1,4}"


def _ipv6_pattern(least_hidden: int, octets: str) -> str:
    """Return a pattern of the addresses of RFC 4291, section 2.2.

    `least_hidden`: the least number of groups that `::` replaces. `octets`: the pattern of an IPv4 address.
    """
    last = f"(?:{_GROUP}:{_GROUP}|{octets})"
    forms = [f"(?:{_GROUP}:){{6}}{last}"]
    # One form for each number of groups before `::`; after it there are at most `room` groups.
    for groups_before in range(9 - least_hidden):
        head = f"{_GROUP}(?::{_GROUP}){{{groups_before - 1}}}" if groups_before else ""
        room = 8 - least_hidden - groups_before
        tails = ["", f"{_GROUP}(?::{_GROUP}){{0,{room - 1}}}"] if room else [""]
        if room >= 2:
            tails.append(f"(?:{_GROUP}:){{0,{room - 2}}}{octets}")
        forms.append(f"{head}::(?:{'|'.join(tails)})")
    return f"(?:{'|'.join(forms)})"


_IPV6 = _ipv6_pattern(1, _IPV4)

# RFC 1123 section 2.1 and RFC 1034 section 3.1: 1 to 63 letters, digits and inner hyphens.
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

# RFC 5321 section 4.1.2, Mailbox; 4.5.3.1.1 for the octets of a local part; 2.3.5 for domains, which are
# names of the DNS (RFC 1035, section 2.3.4); 4.1.3 for address literals, whose numbers may have leading zeros
# and whose `::` stands for two groups or more.
_ATOM = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+"
_SNUM = "(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})"
_LITERAL_V4 = rf"{_SNUM}(?:\.{_SNUM}){{3}}"
_ADDRESS = rf"\[(?:{_LITERAL_V4}|[Ii][Pp][Vv]6:{_ipv6_pattern(2, _LITERAL_V4)})\]"
# RFC 6531 section 3.3: any character beyond ASCII in the local part, U-labels in the domain.
_BEYOND = r"\u{80}-\u{D7FF}\u{E000}-\u{10FFFF}"
_IDN_ATOM = _ATOM.replace("~]", f"~{_BEYOND}]")


# RFC 3987 section 2.2.
_UCSCHAR = (
    r"\u{A0}-\u{D7FF}\u{F900}-\u{FDCF}\u{FDF0}-\u{FFEF}"
    + "".join(rf"\u{{{plane:X}0000}}-\u{{{plane:X}FFFD}}" for plane in range(1, 14))
    + r"\u{E1000}-\u{EFFFD}"
).replace(r"\u{E0000}-\u{EFFFD}", "")
_IPRIVATE = r"\u{E000}-\u{F8FF}\u{F0000}-\u{FFFFD}\u{100000}-\u{10FFFD}"


def _reference_pattern(extra: str, private: str, *, relative: bool) -> str:
    """Return a pattern of the URIs of RFC 3986, appendix A, or of the IRIs of RFC 3987.

    `extra`, `private`: the additional characters of RFC 3987 in general and in queries, or "". `relative`:
    whether references without a scheme are accepted, too.
    """
    percent_escape = "%[0-9A-Fa-f]{2}"
    unreserved_characters = rf"A-Za-z0-9\-._~{extra}"
    sub_delims = "!$&'()*+,;="
    char = f"(?:[{unreserved_characters}{sub_delims}:@]|{percent_escape})"
    no_colon = f"(?:[{unreserved_characters}{sub_delims}@]|{percent_escape})"
    name = f"(?:[{unreserved_characters}{sub_delims}]|{percent_escape})*"
    user = f"(?:[{unreserved_characters}{sub_delims}:]|{percent_escape})*"
    future = rf"[Vv][0-9A-Fa-f]+\.[A-Za-z0-9\-._~{sub_delims}:]+"
    host = rf"(?:\[(?:{_IPV6}|{future})\]|{name})"
    authority = f"(?:{user}@)?{host}(?::[0-9]*)?"
    segments = f"(?:/{char}*)*"
    rootless = f"{char}+{segments}"
    absolute = f"/(?:{rootless})?"
    tail = rf"(?:\?(?:{char}|[/?{private}])*)?(?:#(?:{char}|[/?])*)?"
    with_scheme = rf"[A-Za-z][A-Za-z0-9+\-.]*:(?://{authority}{segments}|{absolute}|{rootless}|){tail}"
    if not relative:
        return with_scheme
    without = f"(?://{authority}{segments}|{absolute}|{no_colon}+{segments}|){tail}"
    return f"(?:{with_scheme}|{without})"


# RFC 6570 section 2; "'" is a literal since erratum 6937.
_VARCHAR = "(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})"
_VARSPEC = rf"{_VARCHAR}(?:\.?{_VARCHAR})*(?::[1-9][0-9]{{0,3}}|\*)?"
_TEMPLATE = (
    rf"(?:[!#$&'(-;=?-\[\]_a-z~{_UCSCHAR}{_IPRIVATE}]|%[0-9A-Fa-f]{{2}}"
    rf"|\{{[+#./;?&=,!@|]?{_VARSPEC}(?:,{_VARSPEC})*\}})*"
)

# RFC 6901 section 3; draft-bhutton-relative-json-pointer-00 section 3.
_POINTER = "(?:/(?:[^~/]|~[01])*)*"
_INTEGER = "(?:0|[1-9][0-9]*)"

_PATTERNS = {
    "date": _DATE,
    "date-time": f"{_DATE}[Tt]{_TIME}",
    "duration": _DURATION,
    "ipv4": _IPV4,
    "ipv6": _IPV6,
    "iri": _reference_pattern(_UCSCHAR, _IPRIVATE, relative=False),
    "iri-reference": _reference_pattern(_UCSCHAR, _IPRIVATE, relative=True),
    "json-pointer": _POINTER,
    "relative-json-pointer": f"{_INTEGER}(?:#|{_POINTER})",
    "time": _TIME,
    "uri": _reference_pattern("", "", relative=False),
    "uri-reference": _reference_pattern("", "", relative=True),
    "uri-template": _TEMPLATE,
    "uuid": "[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}",  # RFC 4122 section 3
}
# The formats that OpenAPI adds are annotations in JSON Schema, as in other validators; `sg.OPENAPI_FORMATS`
# asserts them.
_SILENT = frozenset(("int32", "int64", "float", "double", "byte", "binary", "password"))

CUTS: Final = MappingProxyType(
    {
        "date-time": "leap seconds are left out, but for 23:59:60 in UTC",
        "time": "leap seconds are left out, but for 23:59:60 in UTC",
        "hostname": "labels that begin with xn-- are omitted, and with another pattern some names of more "
        "than 15 labels or of long ones",
        "idn-hostname": "labels that begin with xn-- are omitted, letters that are written from right to "
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
KNOWN: Final = frozenset((*_PATTERNS, *_SILENT, *CUTS))
"""The formats with a meaning here. A schema asserts those that `FORMATS` in schema/reading/keywords names."""
_HOST_LABEL = f"(?![Xx][Nn]--){_LABEL}"
_QUOTED = r'"(?:[ !#-\[\]-~]|\\[ -~])*"'


def _portions_pattern(dots: str, others: str = "") -> str:
    """Return a pattern of names of at most 253 characters: 15 portions, each of 16 characters of a label, or
    of the last 15 or fewer with the dot, and 13 characters; or 14 of them and 15.

    `dots`: the characters that separate labels. `others`: further characters that labels do not have. Both
    are written as inside a class of characters.
    """
    inner = f"[^{dots}{others}]"
    portion = f"(?:{inner}{{16}}|{inner}{{0,15}}[{dots}])"
    return f"(?:{portion}{{0,15}}{inner}{{0,13}}|{portion}{{0,14}}{inner}{{0,15}})"


def _host_name(alone: bool) -> Formula:
    """Return RFC 1123, section 2.1: labels of 1 to 63 letters, digits and inner hyphens, 253 in all."""
    labels = Pattern(rf"^{_HOST_LABEL}(?:\.{_HOST_LABEL})*$")
    # A length beside other patterns would multiply their states (the module's docstring).
    length = Length(1, 253) if alone else Pattern(f"^{_portions_pattern('.')}$")
    return All((labels, length))


def _email_pattern() -> Formula:
    """Return RFC 5321's mailboxes: a local part of at most 64 octets, and a domain within 253."""
    domain = rf"(?:{_LABEL}(?:\.{_LABEL})*|{_ADDRESS})"
    name = _portions_pattern(".", r'@"\[')
    return All(
        (
            Pattern(rf"^(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})@{domain}$"),
            Pattern(rf'^(?:[^"@]{{1,64}}|"(?:[^"\\]|\\[^]){{0,31}}")@(?:{name}|\[[^@"]*)$'),
        )
    )


_NO_LABEL: Final = r"@\[\u{80}-\u{10ffff}"


def _few_labels(dots: str) -> str:
    """Return a pattern of names within 253 octets: in ASCII, or three labels of 63 octets."""
    any_ = f"[^{dots}@\\[]+"
    return f"(?:{_portions_pattern(dots, _NO_LABEL)}|{any_}(?:[{dots}]{any_}){{0,2}})"


def _idn_host_name() -> Formula:
    """Return RFC 5890's host names: labels of IDNA 2008, or of ASCII, between any of four dots."""
    dots = idna.DOTS
    part = idna.label_pattern()
    return All((Pattern(f"^{part}(?:[{dots}]{part})*$"), Pattern(f"^{_few_labels(dots)}$")))


def _idn_email() -> Formula:
    """Return RFC 6531's mailboxes: any character beyond ASCII in the local part, U-labels in the domain."""
    quoted_string = rf'"(?:[ !#-\[\]-~{_BEYOND}]|\\[ -~])*"'
    part = idna.label_pattern()
    domain = rf"(?:{part}(?:\.{part})*|{_ADDRESS})"
    ascii_ = r'[^"@\u{80}-\u{10ffff}]{1,64}|"(?:[^"\\\u{80}-\u{10ffff}]|\\[ -~]){0,31}"'
    beyond = r'[^"@]{1,16}|"(?:[^"\\]|\\[ -~]){0,7}"'
    return All(
        (
            Pattern(rf"^(?:{_IDN_ATOM}(?:\.{_IDN_ATOM})*|{quoted_string})@{domain}$"),
            Pattern(rf"^(?:{ascii_}|{beyond})@(?:{_few_labels('.')}|\[[^@]*)$"),
        )
    )


def _regex_pattern(depth: int = 3) -> Formula:
    """Return ECMA-262's patterns in Unicode mode, with groups nested up to a depth."""
    escape = (
        r"\\(?:[dDsSwWfnrtv^$\\.*+?()\[\]{}|/]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}"
        r"|u\{0{0,3}[0-9A-Fa-f]{1,5}\}|c[A-Za-z]|[pP]\{(?:L|Lu|Ll|Lt|Lm|Lo|M|Mn|N|Nd|P|S|Z|C|Letter|ASCII)\})"
    )
    ranges = "a-[a-z]|[a-z]-z|A-[A-Z]|[A-Z]-Z|0-[0-9]|[0-9]-9"
    inside = rf"\[\^?(?:-?(?:{ranges}|[^\]\\\-\^]|\\-|{escape})*-?)\]"
    ordered_counts = "|".join(rf"{low},(?:[{low}-9]|[1-9][0-9])" for low in range(10))
    quantifier = rf"(?:(?:[*+?]|\{{(?:[0-9]{{1,3}},?|{ordered_counts})\}})\??)?"
    term = rf"(?:[^\\()\[\]{{}}*+?|^$]|{escape}|{inside})"
    # A regular pattern cannot count brackets: each level holds the one before in its groups.
    body = ""
    for level in range(depth + 1):
        groups = rf"|\((?:\?:)?{body}\){quantifier}|\(\?<?[=!]{body}\)" if level else ""
        body = rf"(?:[\^$|]|\\[bB]|{term}{quantifier}{groups})*"
    return Pattern(f"^{body}$")


_NO_REGEX: Final = "|".join(
    (
        r"^[*+?)]",  # nothing to repeat, no group to close
        r"^[^\\(\[]*\)",
        r"^[^\\\[)]*\([^\\\[)]*$",  # a group that is not closed
        r"^[^\\\[\]]*\[[^\\\]]*$",  # a class that is not closed
        r"^[^\\]*\\$",
    )
)
"""Strings that are not patterns."""
_FORMULA_MAKERS: Final[dict[str, Callable[[], Formula]]] = {
    "email": _email_pattern,
    "idn-hostname": _idn_host_name,
    "idn-email": _idn_email,
    "regex": _regex_pattern,
}
"""Functions that make the formulas of formats when they are first needed."""
_DENIED: Final[dict[str, Formula]] = {
    "date-time": Pattern(f"^{_DATE}[Tt]{_ANY_TIME}$"),
    "time": Pattern(f"^{_ANY_TIME}$"),
    "hostname": Pattern(rf"^{_LABEL}(?:\.{_LABEL})*$"),
    "email": Pattern(rf"^(?:{_ATOM}(?:\.{_ATOM})*|{_QUOTED})@(?:{_LABEL}(?:\.{_LABEL})*|{_ADDRESS})$"),
    "idn-hostname": Pattern(r"^[A-Za-z0-9.\-\u{80}-\u{10ffff}]+$"),
    "idn-email": Pattern("^[^]+@[^]+$"),
    "regex": Not(Pattern(_NO_REGEX)),
}
"""For formats whose formula leaves strings out: a formula that every string of the format meets."""


def require_known(name: str) -> None:
    """Raise `UnsupportedError` for a format without a meaning here."""
    if name not in KNOWN:
        raise UnsupportedError(
            f"The format {name!r} cannot be asserted: it is not a format of JSON Schema or OpenAPI.",
            keyword="format",
            cure='Remove it, use its pattern, or compile with formats="annotate".',
        )


@functools.lru_cache(maxsize=64)
def meaning_of(name: str, *, is_denied: bool, alone: bool) -> Formula:
    """Return the formula of a format.

    `alone`: whether the string has no other conditions than lengths and excluded words. `is_denied`: whether
    the formula is negated afterwards; then it must accept every string of the format, perhaps with others.

    Raises `UnsupportedError` for an unknown format.
    """
    require_known(name)
    if name in _SILENT:
        return TRUE
    if is_denied and name in _DENIED:
        return _DENIED[name]
    if name in _PATTERNS:
        return Pattern(f"^{_PATTERNS[name]}$")
    if name == "hostname":
        return _host_name(alone)
    return _FORMULA_MAKERS[name]()
