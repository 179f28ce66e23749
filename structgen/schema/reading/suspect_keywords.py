"""Parts of a schema that look like a constraint which was meant and is not read: unknown keywords, patterns
with anchors of other dialects, misspelt formats and required keys.

A keyword that JSON Schema does not know says nothing (Core 2020-12, section 6.5), so a misspelt `maxLenght`
bounds no string. Reported are unknown keywords whose value is of a kind that the likely keyword takes, and
that are one of these:

- a keyword of another draft that restricts values (`const` in draft 4, `divisibleBy` in draft 7);
- a keyword in another spelling: other capitals, or with `_`, `-`, `$`, blanks or a colon in it (`anyof`,
  `min_length`, `type:`);
- a keyword after one or two slips (a letter left out, added, replaced, or two neighbours swapped): two where
  the unknown keyword has eight letters or more, one where it has five or more, and in shorter ones a swap
  alone;
- a word for it in other languages of schemas (`nullable`, `regex`, `min`).

Not looked at are keywords that begin with `x-`, `_`, `@`, `$$`, `/` or `#`, which are extensions or were
disabled on purpose; a known keyword behind another word (`axPattern`); and keywords that would say nothing
about which values are valid if they were spelt right (`descripton`, `example`, and OpenAPI's `xml` and
`discriminator`, which changes no verdict there either).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from structgen.schema.reading.dialects import dialect
from structgen.schema.reading.draft_names import DRAFTS
from structgen.schema.reading.format_names import is_known
from structgen.schema.reading.json_text import escape
from structgen.schema.reading.keywords import FORMATS

if TYPE_CHECKING:
    from structgen.schema.reading.document import Document
    from structgen.schema.reading.schema_place import Dialect

_OWN_USE: Final = ("x-", "_", "@", "$$", "/", "#")
"""How keywords begin that somebody added, or disabled, on purpose."""
_NO_LOSS: Final = frozenset(
    (
        *("$recursiveRef", "additionalItems", "contentEncoding", "contentMediaType", "else", "then"),
        *("if", "propertyDependencies"),
    )
)
"""Keywords of other drafts that are not reported where the draft does not know them, because they say
nothing by themselves, restrict nothing by default, or are an old name whose use is an error anyway."""
_ELSEWHERE: Final = MappingProxyType(
    {
        "inclusivemaximum": ("number", "maximum", ""),
        "inclusiveminimum": ("number", "minimum", ""),
        "max": ("number", "maximum", "Write maximum, maxLength or maxItems, whichever is meant."),
        "maxvalue": ("number", "maximum", ""),
        "min": ("number", "minimum", "Write minimum, minLength or minItems, whichever is meant."),
        "minvalue": ("number", "minimum", ""),
        "nullable": (
            "true",
            "type",
            'It is OpenAPI 3.0\'s: here null is not allowed by it. Write "type": [..., "null"].',
        ),
        "ref": ("string", "$ref", ""),
        "regex": ("string", "pattern", ""),
        "regexp": ("string", "pattern", ""),
    }
)
"""Words of other languages of schemas, in small letters: the kind of their value, the keyword, what to do."""
_KINDS: Final = MappingProxyType(
    {
        **dict.fromkeys(("properties", "patternProperties", "dependencies"), "dict"),
        **dict.fromkeys(("dependentRequired", "dependentSchemas"), "dict"),
        **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems", "enum"), "list"),
        **dict.fromkeys(("not", "contains", "propertyNames", "additionalProperties"), "schema"),
        **dict.fromkeys(("unevaluatedItems", "unevaluatedProperties", "additionalItems"), "schema"),
        **dict.fromkeys(("if", "then", "else"), "schema"),
        **dict.fromkeys(("items", "extends"), "schemas"),
        **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), "bound"),
        **dict.fromkeys(("minimum", "maximum", "multipleOf", "divisibleBy"), "number"),
        **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), "number"),
        **dict.fromkeys(("minProperties", "maxProperties", "minContains", "maxContains"), "number"),
        **dict.fromkeys(("pattern", "format", "$ref", "$dynamicRef"), "string"),
        "uniqueItems": "flag",
        "required": "names",
        "type": "type",
        "disallow": "type",
        "const": "any",
    }
)
"""The kind of value that a keyword takes (`_takes`), for those that restrict values."""
_FOREIGN_ANCHOR: Final = re.compile(r"(?:[^\\]|\\[^AZz])*?\\([AZz])", re.DOTALL)
_DIGITS: Final = re.compile("[0-9]+")
_LONGEST: Final = 40
"""Longer names are not compared with others."""
_MOST_COMPARED: Final = 4_000
"""Pairs of names that are compared in one document, for its formats and for its required keys: 0.1 s."""
_TYPES: Final = frozenset(("object", "array", "string", "number", "integer", "boolean", "null", "any"))


@dataclass(frozen=True, slots=True)
class Suspect:
    """An unknown keyword that is probably not what its author meant."""

    pointer: str
    """The JSON pointer of the place where it stands."""
    keyword: str
    likely: str
    """The keyword that was probably meant."""
    what: str
    """What is wrong with it, in a sentence."""
    cure: str

    @property
    def where(self) -> str:
        """The JSON pointer of the keyword itself."""
        return f"{self.pointer}/{escape(self.keyword)}"


@dataclass(frozen=True, slots=True)
class SuspectNotice:
    """One thing that a reader of a schema is told: where, what is wrong, how to mend it."""

    where: str
    what: str
    cure: str
    likely: str = ""


def told(document: Document) -> tuple[SuspectNotice, ...]:
    """Return what is said of a document: that none of its keys restricts anything, and its suspects."""
    suspected = suspects(document)
    found = [SuspectNotice(one.where, one.what, one.cure, one.likely) for one in suspected]
    nothing = "" if any(one.pointer == "#" for one in suspected) else nothing_known(document)
    if nothing:
        cure = (
            "Pass the schema itself, without what is wrapped around it; {} or true is the schema that allows "
            "every value."
        )
        found.insert(0, SuspectNotice("#", nothing, cure))
    return (*found, *foreign_anchors(document), *misspelt_formats(document), *misspelt_keys(document))


def foreign_anchors(document: Document) -> Iterator[SuspectNotice]:
    r"""Yield what is said of patterns with `\A`, `\Z` or `\z`: anchors in Python and other dialects, and the
    letters themselves in ECMA-262, which JSON Schema's patterns are written in."""
    for source, schema in document.patterns.items():
        if slip := _FOREIGN_ANCHOR.match(source):
            keyword = "pattern" if schema.pattern == source else f"patternProperties/{escape(source)}"
            anchor = "^" if slip[1] == "A" else "$"
            yield SuspectNotice(
                f"{schema.pointer}/{keyword}",
                f"\\{slip[1]} is the letter {slip[1]} in ECMA-262, not an anchor.",
                f"Write {anchor} for the {'beginning' if anchor == '^' else 'end'}, "
                f"or {slip[1]} where the letter is meant.",
            )


def misspelt_formats(document: Document) -> Iterator[SuspectNotice]:
    """Yield what is said of unknown formats that are one slip, or another spelling, away from a known one."""
    known = (*dict(document.policies.custom_formats), *sorted(FORMATS))
    likely: dict[str, str | None] = {}
    for pointer, name in {(place.pointer, name): None for place, name in document.unknown_formats}:
        if name not in likely and not is_known(name) and len(likely) * len(known) < _MOST_COMPARED:
            likely[name] = _nearest(name, known, least=5)
        if meant := likely.get(name):
            yield SuspectNotice(
                f"{pointer}/format",
                f"{name!r} is an unknown format and restricts nothing.",
                f"Write {meant}, if that is meant.",
                meant,
            )


def misspelt_keys(document: Document) -> Iterator[SuspectNotice]:
    """Yield what is said of required keys that `properties` lack, beside a similar property that is not
    required. Such a key is left alone where any other place of the document has a property of its name.

    No more than `_MOST_COMPARED` pairs of names are compared.
    """
    if not document.undeclared:
        return
    declared = {key for schema in document.schemas for key in schema.properties}
    left = _MOST_COMPARED
    for place in {one.pointer: one for one in document.undeclared}.values():
        optional = place.properties.keys() - set(place.required)
        for key in place.required:
            if key in declared:
                continue
            left -= len(optional)
            if left < 0:
                return
            meant = _nearest(key, [one for one in place.properties if one in optional], least=3)
            if meant:
                yield SuspectNotice(
                    f"{place.pointer}/required",
                    f"{key!r} is no key of properties.",
                    f"Write {meant if meant.isidentifier() else repr(meant)}, if that is meant.",
                    meant,
                )


def _nearest(name: str, known: Iterable[str], *, least: int) -> str | None:
    """Return the known name that is another spelling of a name, or else one slip away; None for no such one.

    Slips count in names of at least `least` letters, and not among digits (`line1`, `line2`).
    """
    if len(name) > _LONGEST:
        return None
    plain = _plain(name)
    similar = [(one, _plain(one)) for one in known if abs(len(one) - len(name)) < 5 and len(one) <= _LONGEST]
    for one, other in similar:
        if other == plain:
            return one
    for one, other in similar:
        if min(len(plain), len(other)) < least or _slips(plain, other) > 1:
            continue
        if _DIGITS.sub("", plain) != _DIGITS.sub("", other):
            return one
    return None


def _plain(name: str) -> str:
    """Return a name in small letters, without the marks between its words."""
    return "".join(char for char in name if char not in "_-$ :").casefold()


def suspects(document: Document) -> tuple[Suspect, ...]:
    """Return the unknown keywords of a document that look like a constraint that was meant, each place once.

    Cost: some microseconds for each unknown keyword; the answer for a name is kept.
    """
    found: dict[tuple[str, str], Suspect] = {}
    for place, keyword in document.unknown:
        assert isinstance(place.raw, dict)
        known = place.scope.dialect
        one = _likely(keyword, known.draft)
        if one is None or not _takes(one[0], place.raw[keyword]) or _said(one[1], keyword, place.raw):
            continue
        _kind, likely, why, cure = one
        what = f"{keyword} {why}."
        found.setdefault((place.pointer, keyword), Suspect(place.pointer, keyword, likely, what, cure))
    return tuple(sorted(found.values(), key=lambda one: one.where))


@lru_cache(maxsize=1)
def _of_all_drafts() -> tuple[frozenset[str], frozenset[str]]:
    """Return the keywords that restrict values in some draft, and those that are annotations in one."""
    drafts = [dialect(draft) for draft in DRAFTS]
    return (
        frozenset(key for known in drafts for key in known.keywords),
        frozenset(key for known in drafts for key in known.annotations),
    )


def looks_like_schema(raw: Mapping[str, Any]) -> bool:
    """Return whether one of the keys restricts values in some draft, or all are keywords; {} does."""
    restricting, annotations = _of_all_drafts()
    return any(key in restricting for key in raw) or all(key in annotations for key in raw)


def nothing_known(document: Document) -> str:
    """Return why a schema restricts nothing at all on its face: it does not look like one; "" where it
    does."""
    raw = document.value
    if not isinstance(raw, dict) or looks_like_schema(raw):
        return ""
    unknown = [key for key in raw if key not in _of_all_drafts()[1]]
    listed = ", ".join(map(repr, unknown[:4])) + (", ..." if len(unknown) > 4 else "")
    return f"No key of it restricts anything in JSON Schema: {listed}."


def _said(likely: str, keyword: str, raw: dict[str, Any]) -> bool:
    """Return whether the likely keyword stands there as well, so that the unknown one is somebody's own."""
    return likely in raw and likely not in (keyword, "type")


@lru_cache(maxsize=4096)
def _likely(keyword: str, draft: str) -> tuple[str, str, str, str] | None:
    """Return the kind of value, the keyword that was probably meant, what is wrong, and how to mend it;
    None where nothing is alike."""
    if keyword.startswith(_OWN_USE) or len(keyword) > _LONGEST:
        return None
    known = dialect(draft)
    if keyword in known.keywords or (draft == "3" and keyword == "required"):
        # a vocabulary that the meta-schema leaves out; what `properties` of draft 3 reads in its properties
        return None
    if keyword == "id" and known.id_key != "id":
        why = f"is draft 4's and unknown in draft {draft}, where it is no base for references"
        return "uri", "$id", why, "Write $id, or name draft 4 in $schema."
    other = next((one for one in (*DRAFTS[-2::-1], DRAFTS[-1]) if keyword in dialect(one).keywords), None)
    if other is not None:
        if keyword in _NO_LOSS or keyword not in _KINDS:
            return None
        cure = f"Name a draft that knows it in $schema (draft {other} does), or write it in draft {draft}."
        return _KINDS[keyword], keyword, f"is unknown in draft {draft} and restricts nothing", cure
    plain = _plain(keyword)
    unknown = f"is unknown in draft {draft} and restricts nothing"
    if plain in _ELSEWHERE:
        kind, likely, cure = _ELSEWHERE[plain]
        return kind, likely, unknown, cure or f"Write {likely}."
    for likely in _candidates(known):
        if likely.casefold() == plain:
            return _KINDS[likely], likely, unknown, f"Write {likely}."
    best: tuple[int, str] | None = None
    for likely in _candidates(known):
        most = _allowed(keyword, likely)
        if abs(len(keyword) - len(likely)) > most or not most:
            continue  # the slips need not be counted
        slips = _slips(keyword.casefold(), likely.casefold())
        if slips <= most and (best is None or slips < best[0]):
            best = slips, likely
    if best is None:
        return None
    return _KINDS[best[1]], best[1], unknown, f"Write {best[1]}, if that is meant."


def _candidates(known: Dialect) -> Iterable[str]:
    """Return the keywords of a draft that restrict values."""
    return (keyword for keyword in known.keywords if keyword in _KINDS)


def _allowed(keyword: str, likely: str) -> int:
    """Return how many slips may lie between an unknown keyword and a known one."""
    if keyword.casefold().endswith(likely.casefold()):
        return 0  # a word of its own, made of another one and a keyword
    if min(len(keyword), len(likely)) >= 5:
        return 2 if len(keyword) >= 8 else 1
    # `note`, `types`, `when` are words of their own; two letters swapped are not
    return 1 if sorted(keyword.casefold()) == sorted(likely.casefold()) else 0


def _slips(one: str, other: str) -> int:
    """Return the Damerau-Levenshtein distance (optimal string alignment); 3 for any above 2."""
    if abs(len(one) - len(other)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, char in enumerate(one, 1):
        last, before, row = before, row, [i]
        for j, letter in enumerate(other, 1):
            least = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (char != letter))
            if i > 1 and j > 1 and char == other[j - 2] and one[i - 2] == letter:
                least = min(least, last[j - 2] + 1)
            row.append(least)
    return min(row[-1], 3)


def _takes(kind: str, value: Any) -> bool:
    """Return whether a value is of a kind."""
    number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    match kind:
        case "any":
            return True
        case "dict":
            return isinstance(value, dict)
        case "list":
            return isinstance(value, list) and bool(value)
        case "schema":
            return isinstance(value, (dict, bool))
        case "schemas":
            return isinstance(value, (dict, list))
        case "number":
            return number
        case "bound":
            return number or isinstance(value, bool)
        case "flag":
            return isinstance(value, bool)
        case "true":
            return value is True
        case "string":
            return isinstance(value, str)
        case "names":
            return isinstance(value, bool) or (
                isinstance(value, list) and all(isinstance(one, str) for one in value)
            )
        case "uri":
            # "#/definitions/a" is what some tools write there, and says where it stands
            return isinstance(value, str) and (
                ":" in value or (value.startswith("#") and not value.startswith("#/"))
            )
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(one, str) and one in _TYPES for one in names)
