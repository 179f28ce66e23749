"""`sg.structural_tag`: XGrammar's structural tags, which vLLM takes too, as grammars of texts.

A tag is a tree of formats: texts, schemas, patterns and rules, sequences and choices of them, and free text
with tags that begin with a trigger. The source of their meaning is XGrammar's page "Structural Tag Usage"
(0.2.6), and its release 0.2.8 where the page is silent. Formats that are not about text (tokens that are not
special, any token except some) and JSON as XML are refused by name. Unknown fields are refused too; XGrammar
ignores them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from structgen.errors import OptionError, UnsupportedError, options_named
from structgen.json_grammars.schema_grammar import json_schema
from structgen.language.ir import All, Formula, Not, Pattern
from structgen.schema.reading.json_text import exact, read
from structgen.schema.reading.keywords import TYPES
from structgen.text_grammars.composition.dispatching import dispatched, triggered
from structgen.text_grammars.composition.tag_fields import (
    Format,
    count_of,
    dicts_of,
    fields,
    flag_of,
    member,
    some_of,
    text_of,
    texts_of,
    within,
)
from structgen.text_grammars.ebnf_grammar import ebnf
from structgen.text_grammars.free_text import text
from structgen.text_grammars.regular import RegularGrammar, choice, literal, regex
from structgen.text_grammars.regular_formulas import holding, shown
from structgen.text_grammars.special_tokens import special
from structgen.text_grammars.text_grammar import TextGrammar, as_text, either, sequence

Ends: TypeAlias = "tuple[str, ...]"
"""Texts that end the tag around a format: free text at the end of the tag contains none of them."""

MOST_NESTED: Final = 64
"""The deepest nesting of formats."""
_ONE_OF: Final[Mapping[str, Any]] = MappingProxyType(
    {"any_order": False, "max_whitespace_cnt": None, "excludes": [], "style": "json"}
)
"""Fields of json_schema for which only one value is supported."""


@options_named('sg.structural_tag({"type": "structural_tag", "format": {...}})')
def structural_tag(tag: str | Mapping[str, Any], **policies: Any) -> TextGrammar:
    """Return the grammar of a structural tag: a dict, or its JSON text.

    Taken are `{"type": "structural_tag", "format": {...}}`, and the older `{"structures": [{"begin",
    "schema", "end"}, ...], "triggers": [...]}`. `policies` are options of `sg.json_schema` for the schemas in
    it. Errors, each with its place: `SchemaError` for text that is not JSON, `OptionError` for a wrong shape,
    `UnsupportedError` for a format that is not supported, and the errors of the parts. Cost: that of reading
    the parts; nothing is compiled yet.
    """
    if not isinstance(tag, str | Mapping):
        raise OptionError(
            f"A structural tag is not given as a {type(tag).__name__}.",
            where="structural_tag",
            cure="Pass a dict, or its JSON text.",
        )
    value = read(tag) if isinstance(tag, str) else exact(dict(tag))
    reader, place = _Reader(policies), "structural_tag"
    if isinstance(value, dict) and "structures" in value:
        return reader.legacy(value, place)
    alone = value.get("type") if isinstance(value, dict) and "format" not in value else None
    if isinstance(alone, str) and alone in reader.kinds:
        raise OptionError(
            f"It is the format {alone} alone.",
            where=place,
            cure='Wrap it: {"type": "structural_tag", "format": {...}}.',
        )
    whole = fields(value, {"type", "format"}, place)
    if whole.get("type", "structural_tag") != "structural_tag" or "format" not in whole:
        raise OptionError(
            "There is no format in it.",
            where=place,
            cure='Write {"type": "structural_tag", "format": {"type": "triggered_tags", ...}}.',
        )
    return reader.read(whole["format"], f"{place}/format", (), 0)


class _Reader:
    """Reads formats; the schemas in them under its policies."""

    def __init__(self, policies: Mapping[str, Any]) -> None:
        self.policies = policies
        self.kinds: dict[str, Callable[[Format, str, Ends, int], TextGrammar]] = {
            "any_text": self.any_text,
            "const_string": self.const_string,
            "dispatch": self.dispatch,
            "grammar": self.grammar,
            "json_schema": self.json_schema,
            "optional": self.optional,
            "or": self.either,
            "plus": self.plus,
            "regex": self.regex,
            "repeat": self.repeat,
            "sequence": self.sequence,
            "star": self.star,
            "tag": self.tag,
            "tags_with_separator": self.tags_with_separator,
            "token": self.token,
            "triggered_tags": self.triggered_tags,
        }

    def read(self, value: object, place: str, ends: Ends, depth: int) -> TextGrammar:
        """Return the grammar of a format, `depth` formats inside the first."""
        if not isinstance(value, dict):
            raise OptionError("It is no format.", where=place, cure='Write {"type": ...}.')
        kind = value.get("type")
        known = self.kinds.get(kind) if isinstance(kind, str) else None
        if known is None:
            raise UnsupportedError(
                f"The format {kind!r} is not offered.",
                keyword=str(kind),
                where=f"{place}/type",
                cure=self._likely(value),
            )
        if depth > MOST_NESTED:
            raise OptionError(
                f"More than {MOST_NESTED} formats are inside one another.", where=place, cure="Nest less."
            )
        return known(value, place, ends, depth)

    def _likely(self, value: Format) -> str:
        """Return how to mend a format of an unknown type: the schema, or the type, that is probably meant."""
        kind = value.get("type")
        names = kind if isinstance(kind, list) else [kind]
        if names and all(isinstance(one, str) and one in TYPES for one in names):
            return 'Write {"type": "json_schema", "json_schema": {...}} around a schema.'
        close = get_close_matches(kind, self.kinds, 1, 0.8) if isinstance(kind, str) else []
        return f"Write {close[0]}." if close else f"Offered are {', '.join(self.kinds)}."

    # --- texts ----------------------------------------------------------------------------------------------

    def const_string(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        fields(value, {"type", "value"}, place)
        return literal(text_of(value, "value", place))

    def regex(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        fields(value, {"type", "pattern"}, place)
        with within(f"{place}/pattern"):
            return regex(text_of(value, "pattern", place))

    def grammar(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        fields(value, {"type", "grammar"}, place)
        with within(f"{place}/grammar"):
            return ebnf(text_of(value, "grammar", place))

    def json_schema(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        fields(value, {"type", "json_schema", *_ONE_OF}, place)
        for name, offered in _ONE_OF.items():
            if value.get(name, offered) != offered:
                raise UnsupportedError(
                    f"{name}={value[name]!r} is not offered.",
                    keyword=name,
                    where=f"{place}/{name}",
                    cure="Leave it out.",
                )
        return self.schema(member(value, "json_schema", place), f"{place}/json_schema")

    def schema(self, value: Any, place: str) -> TextGrammar:
        with within(place):
            return as_text(json_schema(value, **self.policies))

    def token(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        fields(value, {"type", "token"}, place)
        token = member(value, "token", place)
        if isinstance(token, str):
            raise UnsupportedError(
                f"The token {token!r} is named by its text.",
                keyword="token",
                where=f"{place}/token",
                cure="Give its id.",
            )
        with within(f"{place}/token"):
            return special(token)

    def any_text(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        fields(value, {"type", "excludes", "max_tokens", "max_chars"}, place)
        tokens, chars = count_of(value, "max_tokens", place), count_of(value, "max_chars", place)
        if 0 in (tokens, chars):
            return literal("")
        avoided = (*texts_of(value, "excludes", place), *ends)
        if tokens is None and chars is None and not avoided:
            return text()
        what = f"any text without {shown(avoided)}" if avoided else "any text"
        of: list[Formula] = [] if chars is None else [Pattern(rf"^[\s\S]{{0,{chars}}}$")]
        of += [Not(holding(avoided))] if avoided else []
        bounded = RegularGrammar(of[0] if len(of) == 1 else All(tuple(of)), what) if of else None
        if tokens is None:
            assert bounded is not None
            return bounded
        counted = text(max_tokens=tokens)
        return counted if bounded is None else counted & bounded

    # --- made of others -------------------------------------------------------------------------------------

    def sequence(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        elements = self.elements(value, place)
        last = len(elements) - 1
        return sequence(
            *(
                self.read(one, f"{place}/elements/{index}", ends if index == last else (), depth + 1)
                for index, one in enumerate(elements)
            )
        )

    def either(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        elements = self.elements(value, place)
        return either(
            *(
                self.read(one, f"{place}/elements/{index}", ends, depth + 1)
                for index, one in enumerate(elements)
            )
        )

    def elements(self, value: Format, place: str) -> list[Any]:
        fields(value, {"type", "elements"}, place)
        return some_of(value, "elements", place)

    def optional(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        return self.content(value, place, ends, depth).optional()

    def plus(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        return self.content(value, place, ends, depth).repeat(1)

    def star(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        return self.content(value, place, ends, depth).repeat()

    def repeat(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        most = member(value, "max", place)
        with within(place):
            of = self.content(value, place, ends, depth, {"min", "max"})
            return of.repeat(member(value, "min", place), None if most == -1 else most)

    def content(
        self, value: Format, place: str, ends: Ends, depth: int, more: set[str] | None = None
    ) -> TextGrammar:
        fields(value, {"type", "content", *(more or ())}, place)
        return self.read(member(value, "content", place), f"{place}/content", ends, depth + 1)

    # --- tags -----------------------------------------------------------------------------------------------

    def tag(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        begin = member(value, "begin", place)
        opening = literal(begin) if isinstance(begin, str) else self.bound(begin, f"{place}/begin")
        return opening + self.after(value, place, depth)

    def after(self, value: Format, place: str, depth: int) -> TextGrammar:
        """Return the grammar of a tag behind its beginning."""
        fields(value, {"type", "begin", "content", "end"}, place)
        if value.get("type", "tag") != "tag":
            raise OptionError("It is no tag.", where=place, cure='Write {"type": "tag", ...}.')
        end = member(value, "end", place)
        if isinstance(end, dict):
            return self.read(value.get("content"), f"{place}/content", (), depth + 1) + self.bound(
                end, f"{place}/end"
            )
        ends = (end,) if isinstance(end, str) else tuple(texts_of(value, "end", place, empty=True))
        if not ends:
            raise OptionError("It has no end.", where=f"{place}/end", cure="Give a text.")
        inside = tuple(one for one in ends if one)
        return self.read(member(value, "content", place), f"{place}/content", inside, depth + 1) + choice(
            ends
        )

    def bound(self, value: Any, place: str) -> TextGrammar:
        """Return the grammar of a token at the beginning or the end of a tag."""
        if not isinstance(value, dict) or value.get("type") != "token":
            raise OptionError("It is neither a text nor a token.", where=place, cure="Give a text.")
        return self.token(value, place, (), 0)

    def tags_with_separator(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        fields(value, {"type", "tags", "separator", "at_least_one", "stop_after_first"}, place)
        tags = some_of(value, "tags", place)
        one = either(*(self.tag(tag, f"{place}/tags/{i}", (), depth + 1) for i, tag in dicts_of(tags, place)))
        if not flag_of(value, "stop_after_first", place):
            one = one + (text_of(value, "separator", place) + one).repeat()
        return one if flag_of(value, "at_least_one", place) else one.optional()

    def legacy(self, value: Format, place: str) -> TextGrammar:
        """Return the grammar of the older form: free text, and in it schemas between tags."""
        fields(value, {"type", "structures", "triggers"}, place)
        found = []
        for index, one in dicts_of(some_of(value, "structures", place), f"{place}/structures"):
            there = f"{place}/structures/{index}"
            fields(one, {"begin", "schema", "end"}, there)
            of = self.schema(member(one, "schema", there), f"{there}/schema")
            found.append((text_of(one, "begin", there), of + text_of(one, "end", there)))
        return triggered(found, texts_of(value, "triggers", place), place, ())

    def triggered_tags(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        fields(value, {"type", "triggers", "tags", "at_least_one", "stop_after_first", "excludes"}, place)
        found = [
            (text_of(one, "begin", f"{place}/tags/{i}"), self.after(one, f"{place}/tags/{i}", depth + 1))
            for i, one in dicts_of(some_of(value, "tags", place), f"{place}/tags")
        ]
        stops = flag_of(value, "stop_after_first", place)
        avoided = (*texts_of(value, "excludes", place), *ends)
        if not flag_of(value, "at_least_one", place):
            return triggered(found, texts_of(value, "triggers", place), place, avoided, 1 if stops else None)
        first = either(*(begin + rest for begin, rest in found))
        more = triggered(found, texts_of(value, "triggers", place), place, avoided)
        return first if stops else first + more

    def dispatch(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        fields(value, {"type", "rules", "loop", "excludes"}, place)
        rules: dict[str, TextGrammar] = {}
        for index, rule in enumerate(some_of(value, "rules", place)):
            there = f"{place}/rules/{index}"
            if not isinstance(rule, list) or len(rule) != 2 or not isinstance(rule[0], str) or not rule[0]:
                raise OptionError("It is no rule.", where=there, cure='Write ["a text", {"type": ...}].')
            if rule[0] in rules:
                raise OptionError(f"{rule[0]!r} has two rules.", where=there, cure="Leave one out.")
            rules[rule[0]] = self.read(rule[1], f"{there}/1", (), depth + 1)
        loops = flag_of(value, "loop", place, unsaid=True)
        return dispatched(rules, place, texts_of(value, "excludes", place), None if loops else 1)
