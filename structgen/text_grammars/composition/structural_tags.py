"""`sg.structural_tag`: XGrammar's structural tags, which vLLM takes too, as grammars of texts.

A tag is a tree of formats: texts, schemas, patterns and rules, sequences and choices of them, and free text
with tags that begin with a trigger. The source of their meaning is XGrammar's page "Structural Tag Usage"
(0.2.6), and its release 0.2.8 where the page is silent. Tokens that are not special have no format of their
own: their text has. Unknown fields are refused; XGrammar ignores them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Final, TypeAlias

from structgen.errors import OptionError, UnsupportedError, options_named, within
from structgen.json_grammars.schema_grammar import json_schema
from structgen.json_text.exact_json import exact, read
from structgen.language.ir import All, Formula, Not, Pattern
from structgen.schema.reading.keywords import TYPES
from structgen.system.garbage import uncollected
from structgen.text_grammars.composition.argument_grammar import (
    argument_grammar,
    blank_of,
    less_spaced,
    plan_of,
)
from structgen.text_grammars.composition.argument_styles import ARGUMENT_STYLES, ArgumentStyle
from structgen.text_grammars.composition.bans import without
from structgen.text_grammars.composition.dispatching import (
    dispatched,
    free_of,
    interrupted,
    triggered,
)
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
)
from structgen.text_grammars.ebnf_grammar import ebnf
from structgen.text_grammars.free_text import text
from structgen.text_grammars.regular import RegularGrammar, choice, literal, regex
from structgen.text_grammars.regular_formulas import holding, shown
from structgen.text_grammars.special_tokens import SpecialToken, special
from structgen.text_grammars.text_grammar import TextGrammar, as_text, either, sequence

Ends: TypeAlias = "tuple[str, ...]"
"""Texts that end the tag around a format: free text at the end of the tag contains none of them."""

MOST_NESTED: Final = 64
"""The deepest nesting of formats."""


@options_named('sg.structural_tag({"type": "structural_tag", "format": {...}})')
def structural_tag(
    tag: str | Mapping[str, Any], *, specials: Mapping[str, int] | None = None, **policies: Any
) -> TextGrammar:
    """Return the grammar of a structural tag: a dict, or its JSON text.

    Taken are `{"type": "structural_tag", "format": {...}}`, and the older `{"structures": [{"begin",
    "schema", "end"}, ...], "triggers": [...]}`, to which SGLang adds `at_least_one`. `specials`: the ids of
    special tokens by their texts, for formats that name tokens so. `policies` are options of `sg.json_schema`
    for the schemas in it.

    Errors, each with its place: `SchemaError` for text that is not JSON, `OptionError` for a wrong shape,
    `UnsupportedError` for a format that is not supported, and the errors of the parts. Cost: that of reading
    the parts; nothing is compiled yet.
    """
    if not isinstance(tag, str | Mapping):
        raise OptionError(
            f"A structural tag is not given as a {type(tag).__name__}.",
            where="structural_tag",
            cure="Pass a dict, or its JSON text.",
        )
    value = read(tag) if isinstance(tag, str) else dict(tag)
    reader, place = _Reader(specials or {}, policies), "structural_tag"
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
    with uncollected():
        return reader.read(whole["format"], f"{place}/format", (), 0)


class _Reader:
    """Reads formats; the schemas in them under its policies, and tokens by its list of special ones."""

    def __init__(self, specials: Mapping[str, int], policies: Mapping[str, Any]) -> None:
        self.specials, self.policies = specials, policies
        self.kinds: dict[str, Callable[[Format, str, Ends, int], TextGrammar]] = {
            "any_text": self.any_text,
            "any_tokens": self.any_tokens,
            "const_string": self.const_string,
            "dispatch": self.dispatch,
            "exclude_token": self.exclude_token,
            "grammar": self.grammar,
            "json_schema": self.json_schema,
            "optional": self.optional,
            "or": self.either,
            "plus": self.plus,
            "qwen_xml_parameter": self.qwen_xml_parameter,
            "regex": self.regex,
            "repeat": self.repeat,
            "sequence": self.sequence,
            "star": self.star,
            "tag": self.tag,
            "tags_with_separator": self.tags_with_separator,
            "token": self.token,
            "token_dispatch": self.token_dispatch,
            "token_triggered_tags": self.token_triggered_tags,
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
        known = {"type", "json_schema", "style", "any_order", "max_whitespace_cnt", "excludes"}
        fields(value, known, place)
        style = value.get("style", "json")
        if style != "json" and (not isinstance(style, str) or style not in ARGUMENT_STYLES):
            raise UnsupportedError(
                f"style={style!r} is not offered.",
                keyword="style",
                where=f"{place}/style",
                cure=f"Offered are json, {', '.join(ARGUMENT_STYLES)}.",
            )
        return self.styled(value, style, place)

    def qwen_xml_parameter(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        fields(value, {"type", "json_schema"}, place)
        return self.styled(value, "qwen_xml", place)

    def styled(self, value: Format, style: str, place: str) -> TextGrammar:
        """Return the grammar of a schema's values, as JSON or as arguments one by one."""
        most, excludes = count_of(value, "max_whitespace_cnt", place), texts_of(value, "excludes", place)
        policies = {**({} if most is None else {"whitespace": "any"}), **self.policies}
        if flag_of(value, "any_order", place):
            policies["property_order"] = "any"
        schema, there = member(value, "json_schema", place), f"{place}/json_schema"
        with within(there):
            if style != "json" or not isinstance(schema, dict):
                schema = exact(schema)  # `json_schema` copies a dict itself
            if style == "json":
                grammar = json_schema(schema, **policies)
                return less_spaced(as_text(without(grammar, excludes)), grammar.policies.whitespace, most)
            if not isinstance(schema, dict):
                raise OptionError(
                    "It names no arguments.", where="#", cure="Give an object that describes them."
                )
            row = ArgumentStyle(style, **ARGUMENT_STYLES[style])
            blank = blank_of(plan_of(schema, policies).written.whitespace, most)
            return argument_grammar(schema, policies, row, excludes, most) + (blank or "")

    # --- tokens ---------------------------------------------------------------------------------------------

    def token(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        return self.bound(value, place)

    def special(self, token: Any, place: str) -> SpecialToken:
        """Return the grammar of a special token, which is named by its id or its text."""
        if isinstance(token, str) and token not in self.specials:
            raise UnsupportedError(
                f"The token {token!r} is named by its text.",
                keyword="token",
                where=place,
                cure=f"Give its id, or pass specials={{{token!r}: its id}}.",
            )
        with within(place):
            return special(self.specials[token] if isinstance(token, str) else token)

    def any_tokens(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        fields(value, {"type", "exclude_tokens", "max_tokens"}, place)
        self.check_excluded(value, place)
        return self.any_text({"max_tokens": value.get("max_tokens")}, place, ends, depth)

    def exclude_token(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        fields(value, {"type", "exclude_tokens"}, place)
        self.check_excluded(value, place)
        return self.any_text({"max_tokens": 1}, place, ends, depth) & regex(r"[\s\S]+")

    def check_excluded(self, value: Format, place: str) -> None:
        """Check that the excluded tokens are special: no free text has any, they need no grammar."""
        for index, one in enumerate(
            some_of(value, "exclude_tokens", place) if value.get("exclude_tokens") else ()
        ):
            there = f"{place}/exclude_tokens/{index}"
            self.special(one, there)
            if one not in self.specials and one not in self.specials.values():
                raise UnsupportedError(
                    f"Nothing says that the token {one} is special.",
                    keyword="exclude_tokens",
                    where=there,
                    cure=f'Pass specials={{"its text": {one}}}, or exclude a text: any_text has excludes.',
                )

    def token_triggered_tags(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        known = {"trigger_tokens", "tags", "at_least_one", "stop_after_first", "exclude_tokens"}
        fields(value, {"type", *known}, place)
        self.check_excluded(value, place)
        listed = enumerate(some_of(value, "trigger_tokens", place))
        triggers = {self.special(one, f"{place}/trigger_tokens/{index}").token for index, one in listed}
        begins, tags = set(), []
        for index, one in dicts_of(some_of(value, "tags", place), f"{place}/tags"):
            there = f"{place}/tags/{index}"
            begin = self.bound(member(one, "begin", there), f"{there}/begin")
            begins.add(begin.token)
            tags.append(begin + self.after(one, there, depth + 1))
        if begins != triggers:
            raise OptionError(
                f"The tags begin with the tokens {sorted(begins)}, and the triggers are {sorted(triggers)}.",
                where=f"{place}/trigger_tokens",
                cure="Have each tag begin with a trigger, and each trigger begin a tag.",
            )
        tag, free, stops = either(*tags), free_of(ends), flag_of(value, "stop_after_first", place)
        if not flag_of(value, "at_least_one", place):
            return interrupted(free + tag, free, 1 if stops else None)
        return tag if stops else tag + interrupted(free + tag, free, None)

    def token_dispatch(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        fields(value, {"type", "rules", "loop", "exclude_tokens"}, place)
        self.check_excluded(value, place)
        bodies = [
            self.special(token, f"{there}/0") + self.read(of, f"{there}/1", (), depth + 1)
            for there, token, of in self.rules(value, place, (str, int))
        ]
        loops = flag_of(value, "loop", place, unsaid=True)
        return interrupted(text() + either(*bodies), text(), None if loops else 1)

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

    def schema(self, value: Any, place: str) -> TextGrammar:
        with within(place):
            value = value if isinstance(value, dict) else exact(value)
            return as_text(json_schema(value, **self.policies))

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

    def bound(self, value: Any, place: str) -> SpecialToken:
        """Return the grammar of a token at the beginning or the end of a tag."""
        if not isinstance(value, dict) or value.get("type") != "token":
            raise OptionError("It is neither a text nor a token.", where=place, cure="Give a text.")
        fields(value, {"type", "token"}, place)
        return self.special(member(value, "token", place), f"{place}/token")

    def tags_with_separator(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        fields(value, {"type", "tags", "separator", "at_least_one", "stop_after_first"}, place)
        tags = some_of(value, "tags", place)
        one = either(*(self.tag(tag, f"{place}/tags/{i}", (), depth + 1) for i, tag in dicts_of(tags, place)))
        if not flag_of(value, "stop_after_first", place):
            one = one + (text_of(value, "separator", place) + one).repeat()
        return one if flag_of(value, "at_least_one", place) else one.optional()

    def legacy(self, value: Format, place: str) -> TextGrammar:
        """Return the grammar of the older form: free text, and in it schemas between tags."""
        fields(value, {"type", "structures", "triggers", "at_least_one"}, place)
        found = []
        for index, one in dicts_of(some_of(value, "structures", place), f"{place}/structures"):
            there = f"{place}/structures/{index}"
            fields(one, {"begin", "schema", "end"}, there)
            of = self.schema(member(one, "schema", there), f"{there}/schema")
            found.append((text_of(one, "begin", there), of + text_of(one, "end", there)))
        return self.among_text(value, found, place)

    def triggered_tags(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        fields(value, {"type", "triggers", "tags", "at_least_one", "stop_after_first", "excludes"}, place)
        found = [
            (text_of(one, "begin", f"{place}/tags/{i}"), self.after(one, f"{place}/tags/{i}", depth + 1))
            for i, one in dicts_of(some_of(value, "tags", place), f"{place}/tags")
        ]
        avoided = (*texts_of(value, "excludes", place), *ends)
        return self.among_text(value, found, place, avoided, flag_of(value, "stop_after_first", place))

    def among_text(
        self,
        value: Format,
        found: list[tuple[str, TextGrammar]],
        place: str,
        avoided: Ends = (),
        stops: bool = False,
    ) -> TextGrammar:
        """Return free text with tags at triggers; with `at_least_one` it begins with a tag."""
        triggers = texts_of(value, "triggers", place)
        if not flag_of(value, "at_least_one", place):
            return triggered(found, triggers, place, avoided, 1 if stops else None)
        first = either(*(begin + rest for begin, rest in found))
        return first if stops else first + triggered(found, triggers, place, avoided)

    def dispatch(self, value: Format, place: str, ends: Ends, depth: int) -> TextGrammar:
        fields(value, {"type", "rules", "loop", "excludes"}, place)
        rules = {
            begin: self.read(of, f"{there}/1", (), depth + 1)
            for there, begin, of in self.rules(value, place, (str,))
        }
        loops = flag_of(value, "loop", place, unsaid=True)
        return dispatched(rules, place, texts_of(value, "excludes", place), None if loops else 1)

    def rules(self, value: Format, place: str, kinds: tuple[type, ...]) -> Iterator[tuple[str, Any, Any]]:
        """Yield for each rule its place, what begins it, and its format. `kinds`: what may begin it."""
        known: list[Any] = []
        for index, rule in enumerate(some_of(value, "rules", place)):
            there = f"{place}/rules/{index}"
            if (
                not isinstance(rule, list)
                or len(rule) != 2
                or not isinstance(rule[0], kinds)
                or rule[0] == ""
            ):
                raise OptionError("It is no rule.", where=there, cure='Write ["a text", {"type": ...}].')
            if rule[0] in known:
                raise OptionError(f"{rule[0]!r} has two rules.", where=there, cure="Leave one out.")
            known.append(rule[0])
            yield there, rule[0], rule[1]
