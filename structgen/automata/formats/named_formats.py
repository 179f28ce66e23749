"""Formats by name: the formula or program of each. A new format is an entry in `_PATTERNS`, or a module."""

from __future__ import annotations

import functools
from types import MappingProxyType

from structgen.automata.formats import alabels, idna
from structgen.automata.formats.mailbox import local_part
from structgen.automata.programs.instructions import EOL, MATCH, Program
from structgen.automata.programs.thompson_construction import ProgramBuilder, compile_clock, compile_regex
from structgen.automata.regex.ecma_syntax import parse
from structgen.automata.regex.syntax_tree import CharacterClass
from structgen.errors import UnsupportedError
from structgen.language.ir import TRUE, All, Format, Formula, Length, Not, Pattern

# RFC 3339 section 5.6, full-date: the days of each month, 29 February in leap years (section 5.7, appendix
# C).
_DATE = (
    "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
)

# RFC 3339 appendix A.
_TIME_PART = "T(?:[0-9]+H(?:[0-9]+M(?:[0-9]+S)?)?|[0-9]+M(?:[0-9]+S)?|[0-9]+S)"
_DATE_PART = "(?:[0-9]+D|[0-9]+M(?:[0-9]+D)?|[0-9]+Y(?:[0-9]+M(?:[0-9]+D)?)?)"
_DURATION = f"P(?:{_DATE_PART}(?:{_TIME_PART})?|{_TIME_PART}|[0-9]+W)"

# RFC 3986 section 3.2.2 (dec-octet has no leading zeros; RFC 2673 section 3.2 for `ipv4` says the same of
# values).
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_GROUP = "[0-9A-Fa-f]{1,4}"


def _ipv6(least_hidden: int, octets: str) -> str:
    """Return RFC 4291 section 2.2's addresses, `::` standing for at least `least_hidden` groups."""
    last = f"(?:{_GROUP}:{_GROUP}|{octets})"
    forms = [f"(?:{_GROUP}:){{6}}{last}"]
    for before in range(9 - least_hidden):
        head = f"{_GROUP}(?::{_GROUP}){{{before - 1}}}" if before else ""
        room = 8 - least_hidden - before
        tails = ["", f"{_GROUP}(?::{_GROUP}){{0,{room - 1}}}"] if room else [""]
        if room >= 2:
            tails.append(f"(?:{_GROUP}:){{0,{room - 2}}}{octets}")
        forms.append(f"{head}::(?:{'|'.join(tails)})")
    return f"(?:{'|'.join(forms)})"


_IPV6 = _ipv6(1, _IPV4)

# RFC 1123 section 2.1 and RFC 1034 section 3.1: labels of 1 to 63 letters, digits and inner hyphens, 253 in
# all.
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = All((Pattern(rf"^{_LABEL}(?:\.{_LABEL})*$"), Length(1, 253)))

# RFC 5321 section 4.1.2, Mailbox; 4.5.3.1.1 for the octets of a local part; 2.3.5 for domains, which are
# names of the DNS (RFC 1035, section 2.3.4); 4.1.3 for address literals, whose numbers may have leading zeros
# and whose `::` stands for two groups or more.
_ATOM = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+"
_SNUM = "(?:25[0-5]|2[0-4][0-9]|[01]?[0-9]{1,2})"
_LITERAL_V4 = rf"{_SNUM}(?:\.{_SNUM}){{3}}"
_ADDRESS = rf"\[(?:{_LITERAL_V4}|[Ii][Pp][Vv]6:{_ipv6(2, _LITERAL_V4)})\]"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|{_ADDRESS})"
_LONG_DOMAIN = r"@[A-Za-z0-9.\-]{254}"  # no quotation before the @ of the domain is so long
_MAILBOX = "email mailbox"
"""The name of a part of `email` in `format_meaning`."""
# RFC 6531 section 3.3: any character beyond ASCII in the local part, U-labels in the domain.
_BEYOND = r"\u{80}-\u{D7FF}\u{E000}-\u{10FFFF}"
_IDN_ATOM = _ATOM.replace("~]", f"~{_BEYOND}]")


def _idn_email(part: str) -> str:
    return (
        rf'(?:{_IDN_ATOM}(?:\.{_IDN_ATOM})*|"(?:[ !#-\[\]-~{_BEYOND}]|\\[ -~])*")'
        rf"@(?:{part}(?:\.{part})*|{_ADDRESS})"
    )


# RFC 3987 section 2.2.
_UCSCHAR = (
    r"\u{A0}-\u{D7FF}\u{F900}-\u{FDCF}\u{FDF0}-\u{FFEF}"
    + "".join(rf"\u{{{plane:X}0000}}-\u{{{plane:X}FFFD}}" for plane in range(1, 14))
    + r"\u{E1000}-\u{EFFFD}"
).replace(r"\u{E0000}-\u{EFFFD}", "")
_IPRIVATE = r"\u{E000}-\u{F8FF}\u{F0000}-\u{FFFFD}\u{100000}-\u{10FFFD}"


def _reference(extra: str, private: str, *, relative: bool) -> str:
    """Return the URI or URI-reference of RFC 3986 appendix A; of RFC 3987 with its additional characters."""
    escaped = "%[0-9A-Fa-f]{2}"
    unreserved = rf"A-Za-z0-9\-._~{extra}"
    sub_delims = "!$&'()*+,;="
    char = f"(?:[{unreserved}{sub_delims}:@]|{escaped})"
    no_colon = f"(?:[{unreserved}{sub_delims}@]|{escaped})"
    name = f"(?:[{unreserved}{sub_delims}]|{escaped})*"
    user = f"(?:[{unreserved}{sub_delims}:]|{escaped})*"
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
    "duration": _DURATION,
    "ipv4": _IPV4,
    "ipv6": _IPV6,
    "iri": _reference(_UCSCHAR, _IPRIVATE, relative=False),
    "iri-reference": _reference(_UCSCHAR, _IPRIVATE, relative=True),
    "json-pointer": _POINTER,
    "relative-json-pointer": f"{_INTEGER}(?:#|{_POINTER})",
    "uri": _reference("", "", relative=False),
    "uri-reference": _reference("", "", relative=True),
    "uri-template": _TEMPLATE,
    "uuid": "[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}",  # RFC 4122 section 3
}
_CLOCKS = {"date-time": f"^{_DATE}[Tt]", "time": "^"}
# The formats that OpenAPI adds are annotations in JSON Schema, as in other validators; `sg.OPENAPI_FORMATS`
# asserts them.
_SILENT = frozenset(("int32", "int64", "float", "double", "byte", "binary", "password"))

_OWN = ("email", "hostname", "regex", "idn-hostname", "idn-email")
CUTS = MappingProxyType(
    {
        "hostname": "beside a pattern, or another format, labels that begin with xn-- are left out",
        "idn-hostname": "labels that begin with xn-- are left out, and mixed ones that may pass 63 octets",
        "idn-email": "labels that begin with xn-- are left out, and those that may pass 63 octets",
        "regex": "deep nesting, late back-references and some names of groups are left out",
    }
)
"""The valid strings that a format leaves out; docs/json-schema.md has the details."""
KNOWN = frozenset((*_PATTERNS, *_CLOCKS, *_SILENT, *_OWN))
"""The formats with a meaning here; every other is an annotation."""


@functools.lru_cache(maxsize=64)
def format_meaning(name: str) -> Formula | Program:
    """Return the strings of a format as a formula, or as a program.

    Raises `UnsupportedError` for an unknown format.
    """
    if name in _PATTERNS:
        return Pattern(f"^{_PATTERNS[name]}$")
    if name in _CLOCKS:
        return compile_clock(_CLOCKS[name])
    if name == "email":
        return All((Format(_MAILBOX), Not(Pattern(_LONG_DOMAIN))))
    if name == _MAILBOX:
        return _mailbox()
    if name == "hostname":
        return All((Format(alabels.HOST_LABELS), Length(1, 253)))
    if name == alabels.HOST_LABELS:
        return alabels.host_name(True)
    if name == "regex":
        return compile_regex()
    if name == "idn-hostname":
        return idna.host_name(long=True)
    if name == "idn-email":
        return All((Pattern(f"^{_idn_email(idna.label())}$"), idna.mail_domain()))
    if name in (idna.NAME_LENGTHS, idna.SHORT_LENGTHS, idna.MAIL_LENGTHS, idna.LOCAL_LENGTHS):
        return idna.lengths(name)
    if name in _SILENT:
        return TRUE
    raise UnsupportedError(
        f"The format {name!r} cannot be asserted. It is not a format of JSON Schema or OpenAPI.",
        keyword="format",
        cure='Leave it out, give its pattern, or compile with formats="annotate".',
    )


def _mailbox() -> Program:
    """Return the program of RFC 5321's mailboxes: a local part of at most 64 octets, labels of at most 63."""
    builder = ProgramBuilder()
    domain = builder.emit(parse(_DOMAIN), builder.put(EOL, builder.put(MATCH)))
    atom, quoted = parse(_ATOM.removesuffix("+")), parse(r"[ !#-\[\]-~]")
    assert isinstance(atom, CharacterClass) and isinstance(quoted, CharacterClass)
    start = local_part(builder, atom.ranges, quoted.ranges, domain)
    return Program(tuple(builder.code), tuple(builder.sets), start, tuple(builder.outer), True)


def format_beside(name: str) -> Formula | Program:
    """Return the meaning of a format for strings that must meet other patterns or formats too.

    A-labels and long labels are left out: their automata have about as many states as texts, so no product
    with another automaton is searched. Errors: those of `format_meaning`.
    """
    if name == "idn-hostname":
        return idna.host_name(long=False)
    return alabels.host_name(False) if name == alabels.HOST_LABELS else format_meaning(name)


def format_bound(name: str) -> Formula | Program:
    """Return a formula that every string of the format meets; its negation stands for `not` of the format.

    If a format leaves strings out, so does its negation: neither accepts a wrong string.
    """
    if name == "hostname":
        return _HOST_NAME
    if name == "regex":
        return compile_regex(bound=True)
    if name == "idn-hostname":
        return idna.host_name_bound()
    if name == "idn-email":
        return All((Pattern(f"^{_idn_email(idna.label_bound())}$"), idna.mail_domain_bound()))
    return format_meaning(name)
