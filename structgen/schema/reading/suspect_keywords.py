"""Parts of a schema that look like a constraint which was meant and is not read: unknown keywords, patterns
with anchors of other dialects, misspelt formats and required keys.

A keyword that JSON Schema does not know says nothing (Core 2020-12, section 6.5), so a misspelt `maxLenght`
bounds no string. Reported are unknown keywords whose value is of a kind that the likely keyword takes, and
that are one of these:

- a keyword of another draft that restricts values (`const` in draft 4, `divisibleBy` in draft 7);
- a keyword in another spelling: other capitals, or with `_`, `-`, `$`, blanks or a colon in it (`anyof`,
  `min_length`, `type:`);
- a keyword after a slip (a letter left out, added, replaced, or two neighbours swapped): in names of fewer
  than five letters a swap alone, and in names of eight letters or more whatever is as much alike;
- a word for it in other languages of schemas (`nullable`, `regex`, `min`).

Not looked at are keywords that begin with `x-`, `_`, `@`, `$$`, `/` or `#` and are not like `x-grammar`: they
are extensions or were disabled on purpose; a known keyword behind another word (`axPattern`); and keywords
that would say nothing about which values are valid if they were spelt right (`descripton`, `example`, and
OpenAPI's `xml` and `discriminator`, which changes no verdict there either).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from structgen.automata.formats.named_formats import KNOWN
from structgen.base.errors import CLOSE, SchemaError
from structgen.base.json_text.exact_json import escape
from structgen.schema.reading.dialects import dialect_of
from structgen.schema.reading.draft_names import DRAFTS
from structgen.schema.reading.keywords import FORMATS, idle_keywords
from structgen.schema.reading.string_grammars import GRAMMAR

if TYPE_CHECKING:
    from structgen.schema.reading.document import Document

_OWN_USE: Final = ("x-", "_", "@", "$$", "/", "#")
"""The beginnings of keywords that somebody added, or disabled, on purpose."""
_NO_LOSS: Final = frozenset(
    ("$recursiveRef", "additionalItems", "else", "then", "if", "propertyDependencies")
)
"""Keywords of other drafts that are not reported where the draft does not know them, because they say
nothing by themselves, restrict nothing by default, or are an old name whose use is an error anyway."""
_ELSEWHERE: Final = MappingProxyType(
    {
        "inclusivemaximum": ("maximum", ""),
        "inclusiveminimum": ("minimum", ""),
        "max": ("maximum", "Did you mean maximum, maxLength or maxItems?"),
        "maxvalue": ("maximum", ""),
        "min": ("minimum", "Did you mean minimum, minLength or minItems?"),
        "minvalue": ("minimum", ""),
        "options": ("enum", ""),
        "optional": ("required", 'A key is optional unless "required" of its object lists it.'),
        "nullable": (
            "type",
            'The keyword belongs to OpenAPI 3.0 and does not allow null here. Write "type": [..., "null"].',
        ),
        "property": ("properties", ""),
        "ref": ("$ref", ""),
        "regex": ("pattern", ""),
        "regexp": ("pattern", ""),
        "schema": ("allOf", "Replace it by its content."),
    }
)
"""Words of other schema languages, in small letters, each with the keyword and the advice for it."""
_FOREIGN: Final = MappingProxyType(
    {
        # Whole escapes are skipped before the piece: in `\\A` the backslash is escaped, and A is a letter.
        re.compile(rf"(?:[^\\]|\\.)*?(?:{piece})", re.DOTALL): advice
        for piece, advice in (
            (r"\\A", ("\\A is the letter A in ECMA-262, not an anchor.", "Write ^ for the beginning, or A")),
            (r"\\Z", ("\\Z is the letter Z in ECMA-262, not an anchor.", "Write $ for the end, or Z")),
            (r"\\z", ("\\z is the letter z in ECMA-262, not an anchor.", "Write $ for the end, or z")),
            (r"\\h", ("\\h is the letter h in ECMA-262, not a blank.", "Write [ \\t] for a blank, or h")),
            (
                r"\[:[a-z]{5,6}:\]",
                ("[[:alpha:]] is not a class in ECMA-262.", "Write [A-Za-z], or escape the inner bracket"),
            ),
            (r"\{,[0-9]+\}", ("{,n} is not a count in ECMA-262.", "Write {0,n}, or escape the brace")),
            (
                r"^/\^|\$/[a-z]*$|^/(?:[^/\\]|\\.)+/(?:i|g|gi|ig|gm|im)$",
                ("A pattern must not be written between slashes.", "Leave them out, or escape ^ and $"),
            ),
        )
    }
)
"""Constructs of other dialects that ECMA-262 reads as something else: each with the fault and the advice."""
_BOUNDS: Final = MappingProxyType(
    {"string": "Length", "array": "Items", "object": "Properties", "number": "imum", "integer": "imum"}
)
"""The second part of keywords that begin with `min` and `max`, by the type that they restrict."""
_DIGITS: Final = re.compile("[0-9]+")
_LONGEST: Final = 40
"""The longest name, in characters, that is compared with others."""
_MOST_COMPARED: Final = 4_000
"""The most pairs of names that are compared in one document, for formats and for required keys: 0.1 s."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A remark for the author of a schema: a keyword that looks like a constraint and is not read."""

    where: str
    """The JSON pointer of the keyword."""
    fault: str
    """What is wrong with it, in a sentence."""
    cure: str
    likely: str = ""
    """The name that was probably meant."""


def all_suspects(document: Document) -> tuple[Suspect, ...]:
    """Return all remarks on a document: that none of its keys restricts anything, and its suspects."""
    remarks = list(find_suspects(document))
    raw = document.value
    # A remark on a key of the root says more than that no key is known.
    no_root_key = all(suspect.where.count("/") > 1 for suspect in remarks)
    if isinstance(raw, dict) and not looks_like_schema(raw) and no_root_key:
        unknown = [key for key in raw if key not in _of_all_drafts()[1]]
        first_keys = ", ".join(map(repr, unknown[:4]))
        if len(unknown) > 4:
            first_keys += ", ..."
        fault = f"None of its keys restricts anything in JSON Schema: {first_keys}."
        cure = (
            "Pass the schema itself, without its wrapper; {} or true is the schema that allows every value."
        )
        remarks.insert(0, Suspect("#", fault, cure))
    remarks += (*foreign_constructs(document), *misspelt_formats(document), *misspelt_keys(document))
    return tuple(dict.fromkeys((*remarks, *misplaced_keywords(document))))


def misplaced_keywords(document: Document) -> Iterator[Suspect]:
    """Yield remarks on keywords for types that the `type` beside them excludes: `minLength` of an array."""
    for schema in document.schemas:
        for keyword in idle_keywords(schema):
            kinds = " or ".join(sorted(schema.types or ()))
            side = keyword[:3]
            bound = _BOUNDS.get(kinds) if side in ("min", "max") else None
            # The bound of the same side for the type that stands there: minLength of an array is minItems.
            likely = f"{side}{bound}" if bound else ""
            yield Suspect(
                f"{schema.pointer}/{keyword}",
                f'"{keyword}" is ignored: it has no effect on values of the type {kinds}.',
                f'Did you mean "{likely}"?' if likely else 'Remove it, or correct "type".',
                likely,
            )


def foreign_constructs(document: Document) -> Iterator[Suspect]:
    r"""Yield remarks on patterns of other dialects than ECMA-262, in which JSON Schema writes patterns:
    the anchors `\A`, `\Z` and `\z`, and `\h`, `[[:alpha:]]`, `a{,3}`, `/a/i`."""
    for source, schema in document.patterns.items():
        keyword = "pattern" if schema.pattern == source else f"patternProperties/{escape(source)}"
        matches = (advice for pattern, advice in _FOREIGN.items() if pattern.match(source))
        advice = next(matches, None)
        if advice is not None:
            fault, cure = advice
            yield Suspect(f"{schema.pointer}/{keyword}", fault, f"{cure} where this is intended.")


def misspelt_formats(document: Document) -> Iterator[Suspect]:
    """Yield remarks on unknown formats that are one slip, or another spelling, away from a known one."""
    known_formats = (*dict(document.policies.custom_formats), *sorted(FORMATS))
    likely: dict[str, str | None] = {}
    # Each place once: one text may be several schemas (`Document._add_subschema`).
    places = dict.fromkeys((schema.pointer, name) for schema, name in document.unknown_formats)
    for pointer, name in places:
        is_new = name not in likely and name not in KNOWN
        if is_new and len(likely) * len(known_formats) < _MOST_COMPARED:
            likely[name] = _nearest_name(name, known_formats)
        if meant := likely.get(name):
            yield Suspect(
                f"{pointer}/format",
                f"Unknown format {name!r} is ignored.",
                f"Did you mean {meant}?",
                meant,
            )


def misspelt_keys(document: Document) -> Iterator[Suspect]:
    """Yield remarks on required keys that `properties` lack, beside a similar property that is not
    required. There is no remark where any other schema of the document has a property of that name.

    No more than `_MOST_COMPARED` pairs of names are compared.
    """
    if not document.undeclared_schemas:
        return
    declared_keys = {key for schema in document.schemas for key in schema.properties}
    comparisons_left = _MOST_COMPARED
    places = {schema.pointer: schema for schema in document.undeclared_schemas}
    for asking in places.values():
        optional = asking.properties.keys() - set(asking.required)
        for key in asking.required:
            if key in declared_keys:
                continue
            comparisons_left -= len(optional)
            if comparisons_left < 0:
                return
            # In the order of the text, which a set does not have.
            candidates = [name for name in asking.properties if name in optional]
            meant = _nearest_name(key, candidates, 3)
            if meant:
                yield Suspect(
                    f"{asking.pointer}/required",
                    f"{key!r} is not a key of properties.",
                    f"Did you mean {(meant if meant.isidentifier() else repr(meant))}?",
                    meant,
                )


def _nearest_name(name: str, known_names: Iterable[str], min_letters: int = 5) -> str | None:
    """Return the known name that is another spelling of a name, or else one slip away: a letter left out,
    added or replaced, or two neighbours swapped. None for no such one.

    Slips count in names of at least `min_letters` letters, and not among digits (`line1`, `line2`).
    """
    if len(name) > _LONGEST:
        return None
    plain = _plain_name(name)
    similar = [
        (candidate, _plain_name(candidate))
        for candidate in known_names
        if abs(len(candidate) - len(name)) < 5 and len(candidate) <= _LONGEST
    ]
    # Another spelling of any name is likelier than a slip in one: the first loop ends before the second.
    for near, plain_candidate in similar:
        if plain_candidate == plain:
            return near
    letters = _DIGITS.sub("", plain)
    for near, plain_candidate in similar:
        differ_in_letters = letters != _DIGITS.sub("", plain_candidate)
        if differ_in_letters and _is_slip(plain, plain_candidate, min_letters):
            return near
    return None


def _is_slip(name: str, other_name: str, min_letters: int) -> bool:
    """Return whether one letter is left out, added or replaced between names of at least `min_letters`
    letters, or two neighbours are swapped."""
    shorter = min(len(name), len(other_name))
    both = zip(name, other_name, strict=False)
    differences = (index for index, (mine, theirs) in enumerate(both) if mine != theirs)
    first_difference = next(differences, shorter)
    name_rest = name[first_difference:]
    other_rest = other_name[first_difference:]
    # Two letters swapped, and the same from there on.
    if name_rest[2:] == other_rest[2:] and name_rest[:2] == other_rest[1::-1]:
        return len(name) > 2
    # A letter too many in the name, in the other name, or another letter in its place.
    slips = (name_rest[1:], other_rest), (name_rest, other_rest[1:]), (name_rest[1:], other_rest[1:])
    return shorter >= min_letters and any(mine == theirs for mine, theirs in slips)


@lru_cache(maxsize=4096)
def _plain_name(name: str) -> str:
    """Return a name in small letters, without the marks between its words."""
    return "".join(char for char in name if char not in "_-$ :").casefold()


def find_suspects(document: Document) -> tuple[Suspect, ...]:
    """Return the unknown keywords of a document that look like a constraint that was meant, each schema once.

    Cost: some microseconds for each unknown keyword, more where its value is tried as that of another one;
    the answer for a name is kept.
    """
    suspects: dict[str, Suspect] = {}
    for schema, keyword in document.unknown:
        assert isinstance(schema.raw, dict)
        finding = _likely_keyword(keyword, schema.scope.dialect.draft)
        if finding is None:
            continue
        draft, likely, why, cure = finding
        if not _takes_value(draft, likely, schema.raw[keyword], keyword):
            continue
        if likely in schema.raw and likely not in (keyword, "type", "required"):
            continue  # the likely keyword stands there as well, so that the unknown one is somebody's own
        where = f"{schema.pointer}/{escape(keyword)}"
        suspects.setdefault(where, Suspect(where, why, cure, likely))
    return tuple(sorted(suspects.values(), key=lambda suspect: suspect.where))


@lru_cache(maxsize=1)
def _of_all_drafts() -> tuple[frozenset[str], frozenset[str]]:
    """Return the keywords that restrict values in some draft, and those that are annotations in one."""
    drafts = [dialect_of(draft) for draft in DRAFTS]
    return (
        frozenset(key for draft_dialect in drafts for key in draft_dialect.keywords),
        frozenset(key for draft_dialect in drafts for key in draft_dialect.annotations),
    )


def looks_like_schema(raw: Mapping[str, Any]) -> bool:
    """Return whether one of the keys restricts values in some draft, or all are keywords; {} does."""
    restricting, annotations = _of_all_drafts()
    return any(key in restricting for key in raw) or all(key in annotations for key in raw)


@lru_cache(maxsize=4096)
def _likely_keyword(keyword: str, draft: str) -> tuple[str, str, str, str] | None:
    """Return a draft and its keyword that was probably meant, what is wrong, and how to mend it; None where
    nothing is alike."""
    if len(keyword) > _LONGEST:
        return None
    # An extension of somebody, unless it looks like `x-grammar`.
    if keyword.startswith(_OWN_USE) and not _nearest_name(keyword, (GRAMMAR,)):
        return None
    draft_dialect = dialect_of(draft)
    if keyword in draft_dialect.keywords or (draft == "3" and keyword == "required"):
        # a vocabulary that the meta-schema leaves out; what `properties` of draft 3 reads in its properties
        return None
    if keyword == "id" and draft_dialect.id_key != "id":
        why = f'"id" is a keyword of draft 4, and is ignored in draft {draft}.'
        return draft, "$id", why, "Write $id, or name draft 4 in $schema."
    unknown = f'Unknown keyword "{keyword}" is ignored (draft {draft}).'
    # The newest draft that knows it; the coming release ("v1") is asked last.
    newest_first = (*DRAFTS[-2::-1], DRAFTS[-1])
    knowing_drafts = (name for name in newest_first if keyword in dialect_of(name).keywords)
    other_draft = next(knowing_drafts, None)
    if other_draft is not None:
        if keyword in _NO_LOSS:
            return None
        cure = (
            f"Name a draft that knows it in $schema (draft {other_draft} does), or write it in draft {draft}."
        )
        return other_draft, keyword, unknown, cure
    plain = _plain_name(keyword)
    if plain in _ELSEWHERE:
        likely, cure = _ELSEWHERE[plain]
        return draft, likely, unknown, cure or f'Did you mean "{likely}"?'
    # A known keyword behind another word (`axPattern`) is a word of its own.
    names = [
        name
        for name in draft_dialect.keywords
        if not plain.endswith(name.casefold()) or _plain_name(name) == plain
    ]
    # First the same word with or without the s of a plural: `item` for `items`.
    singular = plain.rstrip("s")
    meant = next((name for name in names if _plain_name(name).rstrip("s") == singular), None)
    meant = meant or _nearest_name(keyword, names)
    if meant is None:
        # Short names are alike by chance: more than one slip counts in names of eight letters or more.
        similar_names = [name for name in names if abs(len(name) - len(keyword)) <= 2]
        by_plain = {name.casefold(): name for name in similar_names}
        close = get_close_matches(plain, by_plain, 1, CLOSE) if len(plain) >= 8 else []
        meant = by_plain[close[0]] if close else None
    if meant is None:
        return None
    return draft, meant, unknown, f'Did you mean "{meant}"?'


def _takes_value(
    draft: str,
    likely: str,
    value: Any,
    keyword: str,
) -> bool:
    """Return whether the likely keyword may have a value that stands at another keyword.

    `draft` is a draft that knows `likely`. For example `("7", "maxLength", 5, "maxLenght")` is true: 5 is a
    length.
    """
    if likely == "$id":
        if not isinstance(value, str):
            return False
        # "#/definitions/a" is what some tools write there, and says where it stands
        is_anchor = value.startswith("#") and not value.startswith("#/")
        return ":" in value or is_anchor
    if likely in ("$ref", "$dynamicRef"):
        return isinstance(value, str)
    if _plain_name(keyword) == "nullable":
        return value is True
    if likely == "required" and isinstance(value, bool):
        return True  # draft 3 has it so
    if likely == GRAMMAR:
        return isinstance(value, dict) and "definition" in value
    if keyword == "schema":
        return isinstance(value, dict) and not _of_all_drafts()[0].isdisjoint(value)
    # start-up: whoever reads a schema without such keywords needs no more
    from structgen.schema.reading.document import Document

    # The reader of the likely keyword decides: a schema of this keyword alone is read.
    try:
        Document({likely: value}, draft=draft)
    except SchemaError as error:
        return error.where.count("/") > 1  # what the schemas in it say is not looked at
    return bool(value != [])
