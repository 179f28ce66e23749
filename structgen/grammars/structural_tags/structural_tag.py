"""`sg.structural_tag`: XGrammar's structural tags, which vLLM takes too, as grammars of texts.

A tag is a tree of formats: texts, schemas, patterns and rules, sequences and choices of them, and free text
with tags that begin with a trigger. The source of their meaning is XGrammar's page "Structural Tag Usage"
(0.2.6), and its release 0.2.9 where the page is silent. Tokens that are not special have no format of their
own: their text has. Unknown fields are refused; XGrammar ignores them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from structgen.base.errors import OptionError, UnsupportedError, options_named, prefix_place
from structgen.base.json_text.exact_json import exact_copy, read_exact
from structgen.base.language import checks
from structgen.base.language.ir import All, Formula, Not, Pattern
from structgen.base.language.shapes import JsonShapes
from structgen.base.system.garbage import pause_collection
from structgen.grammars.json_grammars.schema_grammar import json_schema
from structgen.grammars.lark_grammars.llguidance_text import llguidance_grammar
from structgen.grammars.structural_tags.any_arguments import any_arguments
from structgen.grammars.text_grammars.composition.argument_grammar import argument_grammar, blank_of
from structgen.grammars.text_grammars.composition.argument_plan import plan_of
from structgen.grammars.text_grammars.composition.argument_styles import ARGUMENT_STYLES, ArgumentStyle
from structgen.grammars.text_grammars.composition.bans import without
from structgen.grammars.text_grammars.composition.dispatching import (
    dispatch_grammar,
    free_of,
    interrupted_text,
    make_triggered_tags,
)
from structgen.grammars.text_grammars.ebnf_grammar import ebnf
from structgen.grammars.text_grammars.free_text import text
from structgen.grammars.text_grammars.regular import RegularGrammar, choice, literal, regex
from structgen.grammars.text_grammars.regular_formulas import containing_words, show_words
from structgen.grammars.text_grammars.special_tokens import SpecialToken, special
from structgen.grammars.text_grammars.text_grammar import (
    TextGrammar,
    as_text,
    either,
    intersect_grammars,
    sequence,
)
from structgen.schema.reading.model import TYPES
from structgen.schema.reading.policies import counted_space

_SHAPES: Final = JsonShapes("""
whole: any type format
structure: text begin! end!; any schema!
structures: any type; [structure+] structures!; [word] triggers; flag at_least_one
token: 'token' type!; integer|text token!
behind: 'tag' type; object content!; text|[text+]|token end!
tag: +behind; text|token begin!
begun: +behind; text begin!
bound: +behind; token begin!

format by type
any_text: [word] excludes; count max_tokens max_chars
any_tokens: list exclude_tokens; count max_tokens
const_string: text value!
dispatch: [any+] rules!; flag loop; [word] excludes
exclude_token: list exclude_tokens
grammar: text grammar!; 'ebnf'|'lark' syntax
json_schema: any json_schema! style; flag any_order; count max_whitespace_cnt; [word] excludes
optional plus star: object content!
or sequence: [any+] elements!
qwen_xml_parameter: any json_schema!
regex: text pattern!
repeat: object content!; integer min! max!
tag: +tag
tags_with_separator: [tag+] tags!; text separator; flag at_least_one stop_after_first
token: integer|text token!
token_dispatch: [any+] rules!; flag loop; list exclude_tokens
token_triggered_tags: [any+] trigger_tokens!; [bound+] tags!; flag at_least_one stop_after_first;
    list exclude_tokens
triggered_tags: [word] triggers excludes; [begun+] tags!; flag at_least_one stop_after_first
""")
"""The fields of each type of format, by their types: `text begin! end!` are two texts, and `!` marks required
fields. A format inside a format is only checked to be an object here; its fields are checked when it is
read."""
Format: TypeAlias = "dict[str, Any]"
Ends: TypeAlias = "tuple[str, ...]"
"""The texts that end the tag around a format. Free text at the end of the tag contains none of them."""

_COUNTS: Final = MappingProxyType({"optional": (0, 1), "plus": (1, None), "star": (0, None)})
_METHODS: Final = MappingProxyType(
    {"any_tokens": "any_text", "or": "either", **dict.fromkeys(_COUNTS, "some")}
)
"""The methods that read formats, where they have other names than these."""
_KINDS: Final = MappingProxyType(
    {kind: _METHODS.get(kind, kind) for kind in sorted(_SHAPES.unions["format"].shapes)}
)
"""The types of formats, each with the method that reads it."""
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
    checks.InstanceCheck(str | Mapping, "Pass a dict, or its JSON text.")("structural_tag", tag)
    # Exact: numbers in a schema keep all their digits.
    value: Any = read_exact(tag) if isinstance(tag, str) else dict(tag)
    reader = _Reader(specials or {}, policies)
    place = "structural_tag"
    if isinstance(value, dict) and "structures" in value:
        return reader.legacy_tags(value, place)
    # A format without the tag around it is a common mistake, with a cure of its own.
    kind = value.get("type") if isinstance(value, dict) and "format" not in value else None
    if isinstance(kind, str) and kind in _KINDS:
        raise OptionError(
            f"The value is only the format {kind}.",
            where=place,
            cure='Wrap it: {"type": "structural_tag", "format": {...}}.',
        )
    _SHAPES.check(value, "whole", place)
    if value.get("type", "structural_tag") != "structural_tag" or "format" not in value:
        raise OptionError(
            "The format is missing.",
            where=place,
            cure='Write {"type": "structural_tag", "format": {"type": "triggered_tags", ...}}.',
        )
    # Many small objects that all stay: a collection in between would find nothing.
    with pause_collection():
        return reader.read_format(value["format"], f"{place}/format")


class _Reader:
    """Reads formats; the schemas in them under its policies, and tokens by its list of special ones."""

    # Each method below that is named after a format, or in _METHODS, takes the format and its place (a JSON
    # pointer, for errors), and returns its grammar.

    def __init__(self, specials: Mapping[str, int], policies: Mapping[str, Any]) -> None:
        self.specials = specials
        self.policies = policies
        self.depth = 0
        self.ends: Ends = ()
        """The end texts of the tag around the format that is being read, if the tag's end follows it."""

    def read_format(self, value: object, place: str, ends: Ends = ()) -> TextGrammar:
        """Return the grammar of a format. `place`: the JSON pointer of the format, for errors; `ends`: the
        end texts of the tag around it, if the tag's end follows it."""
        if not isinstance(value, dict):
            raise OptionError("The value is not a format.", where=place, cure='Write {"type": ...}.')
        kind = value.get("type")
        if not isinstance(kind, str) or kind not in _KINDS:
            raise UnsupportedError(
                f"The format {kind!r} is not supported.",
                keyword=str(kind),
                where=f"{place}/type",
                cure=self._suggest_cure(value),
            )
        if self.depth > MOST_NESTED:
            raise OptionError(
                f"More than {MOST_NESTED} formats are nested.", where=place, cure="Reduce the nesting."
            )
        _SHAPES.check(value, "format", place)
        self.check_excluded(value, place)
        # It is not restored after an error, since the whole tag is refused then.
        outer_ends = self.ends
        self.ends = ends
        self.depth += 1
        grammar: TextGrammar = getattr(self, _KINDS[kind])(value, place)
        self.ends = outer_ends
        self.depth -= 1
        return grammar

    def _suggest_cure(self, value: Format) -> str:
        """Return how to mend a format of an unknown type: the schema, or the type, that is probably meant."""
        kind = value.get("type")
        names = kind if isinstance(kind, list) else [kind]
        if names and all(isinstance(name, str) and name in TYPES for name in names):
            return 'Write {"type": "json_schema", "json_schema": {...}} around a schema.'
        close = get_close_matches(kind, _KINDS, 1, 0.8) if isinstance(kind, str) else []
        return f"Did you mean {close[0]}?" if close else f"The supported ones are {', '.join(_KINDS)}."

    # --- texts ----------------------------------------------------------------------------------------------

    def const_string(self, value: Format, place: str) -> TextGrammar:
        return literal(value["value"])

    def regex(self, value: Format, place: str) -> TextGrammar:
        with prefix_place(f"{place}/pattern"):
            return regex(value["pattern"])

    def grammar(self, value: Format, place: str) -> TextGrammar:
        limits = self.policies.get("limits")
        with prefix_place(f"{place}/grammar"):
            if value.get("syntax") == "lark":
                return as_text(
                    llguidance_grammar(value["grammar"], limits, self.specials, self.policies, "characters")
                )
            return ebnf(value["grammar"], limits=limits)

    def json_schema(self, value: Format, place: str) -> TextGrammar:
        style = value.get("style") or "json"
        if style not in ("json", *ARGUMENT_STYLES):
            raise UnsupportedError(
                f"style={style!r} is not supported.",
                keyword="style",
                where=f"{place}/style",
                cure=f"The styles are json, {', '.join(ARGUMENT_STYLES)}.",
            )
        return self.styled_values(value, style, place)

    def qwen_xml_parameter(self, value: Format, place: str) -> TextGrammar:
        return self.styled_values(value, "qwen_xml", place)

    def styled_values(
        self,
        value: Format,
        style: str,
        place: str,
        key: str = "json_schema",
    ) -> TextGrammar:
        """Return the grammar of the values of the schema at a `key` of a format, as JSON (`style="json"`) or
        as arguments one by one, in a style of `ARGUMENT_STYLES`. `place`: of the format, for errors."""
        max_blanks = value.get("max_whitespace_cnt")
        excludes = _text_list(value, "excludes")
        policies = {**self.policies}
        if value.get("any_order"):
            policies["property_order"] = "any"
        schema = value[key]
        with prefix_place(f"{place}/{key}"):
            if max_blanks is not None:
                policies["whitespace"] = counted_space(policies.get("whitespace", "any"), max_blanks)
            if style != "json" or not isinstance(schema, dict):
                schema = exact_copy(schema)  # `json_schema` copies a dict itself
            if style == "json":
                return as_text(without(json_schema(schema, **policies), excludes))
            return self._styled_arguments(schema, policies, style, excludes)

    def _styled_arguments(
        self,
        schema: Any,
        policies: dict[str, Any],
        style: str,
        excludes: list[str],
    ) -> TextGrammar:
        """Return the grammar of the arguments that a `schema` describes, one by one, with blanks after them.
        `policies` are those of the schema; `style` is a name of `ARGUMENT_STYLES`, such as `"qwen_xml"`; no
        string holds one of `excludes`. Raises OptionError for a schema that is no object."""
        row = ArgumentStyle(style, **ARGUMENT_STYLES[style])
        # Else a string could not be distinguished from an object without members.
        takes_any = not row.nested or bool(row.types or row.quote)
        if schema is True and takes_any:
            schema = {}
        if not isinstance(schema, dict):
            raise OptionError(
                "The schema names no arguments.", where="#", cure="Pass an object that describes them."
            )
        # `additionalProperties: true` says nothing: without properties that is a schema of any arguments.
        if "properties" not in schema and schema.get("additionalProperties") is True:
            schema = {name: subschema for name, subschema in schema.items() if name != "additionalProperties"}
        plan = plan_of(schema, policies)
        blank = blank_of(plan.written.whitespace)
        if plan.is_open and takes_any:
            arguments = any_arguments(schema, policies, row, excludes)
        else:
            arguments = argument_grammar(schema, policies, row, excludes)
        return arguments + (blank or "")

    # --- tokens ---------------------------------------------------------------------------------------------

    def token(self, value: Format, place: str) -> SpecialToken:
        return self.special_token(value["token"], f"{place}/token")

    def special_token(self, token: Any, place: str) -> SpecialToken:
        """Return the grammar of a special token, which is named by its id or its text."""
        if isinstance(token, str) and token not in self.specials:
            raise UnsupportedError(
                f"The token {token!r} is given by its text.",
                keyword="token",
                where=place,
                cure=f"Pass its id, or specials={{{token!r}: its id}}.",
            )
        with prefix_place(place):
            return special(self.specials[token] if isinstance(token, str) else token)

    def exclude_token(self, value: Format, place: str) -> TextGrammar:
        # One token, whichever: `any_text` has the empty text, too, and the pattern takes it away.
        return intersect_grammars(self.any_text({"max_tokens": 1}, place), regex(r"[\s\S]+"))

    def check_excluded(self, value: Format, place: str) -> None:
        """Check that the excluded tokens are special: no free text has any, they need no grammar."""
        for index, token in enumerate(value.get("exclude_tokens") or ()):
            token_place = f"{place}/exclude_tokens/{index}"
            self.special_token(token, token_place)
            if token not in self.specials and token not in self.specials.values():
                raise UnsupportedError(
                    f"The token {token} is not declared as special.",
                    keyword="exclude_tokens",
                    where=token_place,
                    cure=f'Pass specials={{"its text": {token}}}, or exclude a text: any_text has excludes.',
                )

    def token_triggered_tags(self, value: Format, place: str) -> TextGrammar:
        triggers = {
            self.special_token(token, f"{place}/trigger_tokens/{index}").token
            for index, token in enumerate(value["trigger_tokens"])
        }
        begins = set()
        tags = []
        for index, element in enumerate(value["tags"]):
            tag_place = f"{place}/tags/{index}"
            begin = self.token(element["begin"], f"{tag_place}/begin")
            begins.add(begin.token)
            tags.append(begin + self.rest_of_tag(element, tag_place))
        if begins != triggers:
            raise OptionError(
                f"The tags begin with the tokens {sorted(begins)}, and the triggers are {sorted(triggers)}.",
                where=f"{place}/trigger_tokens",
                cure="Begin each tag with a trigger, and use each trigger in a tag.",
            )
        tag = either(*tags)
        free = free_of(self.ends)
        stops = value.get("stop_after_first")
        if not value.get("at_least_one"):
            return interrupted_text(free + tag, free, 1 if stops else None)
        return tag if stops else tag + interrupted_text(free + tag, free, None)

    def token_dispatch(self, value: Format, place: str) -> TextGrammar:
        bodies = []
        for rule_place, token, body in self.read_rules(value, place, (str, int)):
            begin = self.special_token(token, f"{rule_place}/0")
            bodies.append(begin + self.read_format(body, f"{rule_place}/1"))
        max_bodies = 1 if value.get("loop") is False else None
        return interrupted_text(text() + either(*bodies), text(), max_bodies)

    def any_text(self, value: Format, place: str) -> TextGrammar:
        tokens = value.get("max_tokens")
        chars = value.get("max_chars")
        if 0 in (tokens, chars):
            return literal("")
        avoided_texts = (*_text_list(value, "excludes"), *self.ends)
        description = "any text"
        formulas: list[Formula] = []
        if chars is not None:
            formulas.append(Pattern(rf"^[\s\S]{{0,{chars}}}$"))
        if avoided_texts:
            description = f"any text without {show_words(avoided_texts)}"
            formulas.append(Not(containing_words(avoided_texts)))
        if not formulas:
            return text(max_tokens=tokens)
        formula = formulas[0] if len(formulas) == 1 else All(tuple(formulas))
        bounded_text = RegularGrammar(formula, description)
        return bounded_text if tokens is None else text(max_tokens=tokens) & bounded_text

    # --- made of others -------------------------------------------------------------------------------------

    def sequence(self, value: Format, place: str) -> TextGrammar:
        # Only after the last element does the end of the tag follow.
        last = len(value["elements"]) - 1
        elements = [
            self.read_format(element, f"{place}/elements/{index}", self.ends if index == last else ())
            for index, element in enumerate(value["elements"])
        ]
        return sequence(*elements)

    def either(self, value: Format, place: str) -> TextGrammar:
        return either(
            *(
                self.read_format(element, f"{place}/elements/{index}", self.ends)
                for index, element in enumerate(value["elements"])
            )
        )

    def some(self, value: Format, place: str) -> TextGrammar:
        """Return the grammar of so many texts of a format as its type says."""
        return self.read_content(value, place, self.ends).repeat(*_COUNTS[value["type"]])

    def repeat(self, value: Format, place: str) -> TextGrammar:
        minimum = checks.check_whole(f"{place}/min", value["min"], 0)
        maximum = value["max"]
        # -1: without a bound, as in XGrammar.
        maximum = None if maximum == -1 else checks.check_whole(f"{place}/max", maximum, minimum)
        return self.read_content(value, place, self.ends).repeat(minimum, maximum)

    def read_content(self, value: Format, place: str, ends: Ends) -> TextGrammar:
        """Return the grammar of the format inside another one. `ends`: as of `read_format`."""
        return self.read_format(value["content"], f"{place}/content", ends)

    # --- tags -----------------------------------------------------------------------------------------------

    def tag(self, value: Format, place: str) -> TextGrammar:
        return self.edge_of_tag(value["begin"], f"{place}/begin") + self.rest_of_tag(value, place)

    def rest_of_tag(self, value: Format, place: str) -> TextGrammar:
        """Return the grammar of a tag after its beginning."""
        end = value["end"]
        ends: Ends = ()  # for a token, which no free text has: nothing need be kept out
        if isinstance(end, str):
            ends = (end,)
        elif not isinstance(end, dict):
            ends = tuple(dict.fromkeys(end))
        # Every text contains the empty one, so an empty end keeps nothing out.
        inside = self.read_content(value, place, tuple(filter(None, ends)))
        return inside + (choice(ends) if ends else self.edge_of_tag(end, f"{place}/end"))

    def edge_of_tag(self, value: Any, place: str) -> TextGrammar:
        """Return the grammar of a text or a token at the beginning or the end of a tag."""
        return literal(value) if isinstance(value, str) else self.token(value, place)

    def tags_with_separator(self, value: Format, place: str) -> TextGrammar:
        texts = either(*(self.tag(tag, f"{place}/tags/{i}") for i, tag in enumerate(value["tags"])))
        if not value.get("stop_after_first"):
            _SHAPES.check(value.get("separator"), "text", f"{place}/separator")
            texts = texts + (value["separator"] + texts).repeat()
        return texts if value.get("at_least_one") else texts.optional()

    def legacy_tags(self, value: Format, place: str) -> TextGrammar:
        """Return the grammar of the older form: free text, and in it schemas between tags."""
        _SHAPES.check(value, "structures", place)
        tags = []
        for index, tag in enumerate(value["structures"]):
            document = self.styled_values(tag, "json", f"{place}/structures/{index}", "schema")
            tags.append((tag["begin"], document + tag["end"]))
        return self.among_text(value, tags, place)

    def triggered_tags(self, value: Format, place: str) -> TextGrammar:
        tags = [
            (tag["begin"], self.rest_of_tag(tag, f"{place}/tags/{index}"))
            for index, tag in enumerate(value["tags"])
        ]
        return self.among_text(value, tags, place)

    def among_text(
        self,
        value: Format,
        tags: list[tuple[str, TextGrammar]],
        place: str,
    ) -> TextGrammar:
        """Return free text with tags at triggers; with `at_least_one` it begins with a tag. `tags`: for each
        the text that it begins with, and the grammar of the rest."""
        triggers = _text_list(value, "triggers")
        avoided_texts = (*_text_list(value, "excludes"), *self.ends)
        stops = value.get("stop_after_first")
        if not value.get("at_least_one"):
            return make_triggered_tags(tags, triggers, place, avoided_texts, 1 if stops else None)
        first = either(*(begin + rest for begin, rest in tags))
        return first if stops else first + make_triggered_tags(tags, triggers, place, avoided_texts)

    def dispatch(self, value: Format, place: str) -> TextGrammar:
        rules = {
            begin: self.read_format(body, f"{rule_place}/1")
            for rule_place, begin, body in self.read_rules(value, place, (str,))
        }
        max_bodies = 1 if value.get("loop") is False else None
        return dispatch_grammar(rules, place, _text_list(value, "excludes"), max_bodies)

    def read_rules(
        self,
        value: Format,
        place: str,
        kinds: tuple[type, ...],
    ) -> Iterator[tuple[str, Any, Any]]:
        """Yield for each rule its place, the text or token that begins it, and its format. `kinds`: the types
        of beginnings."""
        beginnings: list[Any] = []
        for index, rule in enumerate(value["rules"]):
            rule_place = f"{place}/rules/{index}"
            is_pair = isinstance(rule, list) and len(rule) == 2
            if not is_pair or not isinstance(rule[0], kinds) or rule[0] == "":
                raise OptionError(
                    "The value is not a rule.", where=rule_place, cure='Write ["a text", {"type": ...}].'
                )
            beginning, body = rule
            if beginning in beginnings:
                raise OptionError(
                    f"{beginning!r} has two rules.", where=rule_place, cure="Remove one of them."
                )
            beginnings.append(beginning)
            yield rule_place, beginning, body


def _text_list(value: Format, name: str) -> list[str]:
    """Return a list of texts, each once; [] where there is none."""
    return list(dict.fromkeys(value.get(name) or ()))
