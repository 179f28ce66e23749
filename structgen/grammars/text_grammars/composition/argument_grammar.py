"""The grammar of arguments that stand one by one: `<parameter=city>Oslo</parameter>`.

Strings are the texts of the network's formula (`argument_plan`), without the text that ends them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, cast

from structgen.automata.numbers.written_forms import only_integers
from structgen.automata.strings.live_strings import ways_of
from structgen.base.errors import OptionError, UnsupportedError
from structgen.base.json_text.exact_json import escape
from structgen.base.language.ir import (
    TRUE,
    All,
    Any_,
    Formula,
    Multiple,
    Not,
    Pattern,
    PlainInteger,
    ValueMenu,
)
from structgen.base.language.number_ranges import Cut, Ranges
from structgen.base.limits import Limits
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar, json_schema
from structgen.grammars.text_grammars.composition.argument_plan import (
    ArgumentPlan,
    KnownMember,
    Options,
    Row,
    has_documents,
    kinds_of,
    plan_of,
    unsupported_error,
)
from structgen.grammars.text_grammars.composition.argument_roots import Schema, copy_shared_keywords
from structgen.grammars.text_grammars.composition.argument_styles import ArgumentStyle
from structgen.grammars.text_grammars.composition.bans import without
from structgen.grammars.text_grammars.composition.quoted_values import quoted_values, writes_as_json
from structgen.grammars.text_grammars.composition.templates import TEXT, fill_template, template_pieces
from structgen.grammars.text_grammars.context_free.rules import group_by_first
from structgen.grammars.text_grammars.regular import RegularGrammar, literal, regex
from structgen.grammars.text_grammars.regular_formulas import containing_words, show_words
from structgen.grammars.text_grammars.text_grammar import TextGrammar, as_text, either, in_any_order, sequence

_NO_TEXTS: Final[Mapping[str, TextGrammar]] = MappingProxyType({})


def argument_grammar(
    schema: Schema,
    policies: Options,
    style: ArgumentStyle,
    excludes: Sequence[str] = (),
    texts: Mapping[str, TextGrammar] = _NO_TEXTS,
) -> TextGrammar:
    """Return the grammar of the arguments of one tool, in a style whose `member` says how each stands.

    `excludes`: texts that no string and no name of an argument holds. `texts`: grammars of arguments that are
    strings.
    """
    try:
        plan = plan_of(schema, policies)
        if len(plan.rows) > 1 and writes_as_json(style):
            raise plan.dependence_error("It says of all arguments together what they are.")
        return _Writer(plan, style, tuple(excludes), texts).write_arguments()
    except UnsupportedError:
        if not writes_as_json(style):
            raise
        return quoted_values(schema, policies, style, excludes)


class _Writer:
    """Builds the grammar of arguments from a plan."""

    def __init__(
        self,
        plan: ArgumentPlan,
        style: ArgumentStyle,
        excludes: tuple[str, ...],
        texts: Mapping[str, TextGrammar],
    ) -> None:
        self.plan, self.style, self.excludes, self.texts = plan, style, excludes, texts
        self.blank = blank_of(plan.written.whitespace)
        self.open: list[int] = []

    def write_arguments(self) -> TextGrammar:
        rows = [self.write_members(row, "#", nested=False) for row in self.plan.rows]
        return self.put_brackets(either(*rows), 0)

    def write_members(self, members: Row, where: str, *, nested: bool) -> TextGrammar:
        parts = []
        is_loose = not nested and sum(member.key in self.plan.loose for member in members) > 1
        for member in members:
            there = self.plan.schema_place(member.place, f"{where}/properties/{escape(member.key)}")
            excluded_text = next((text for text in self.excludes if text in member.key), None)
            if excluded_text is not None:
                if not member.is_required:
                    continue
                raise OptionError(
                    f"{member.key!r} is required, and holds {excluded_text!r}, which is excluded.",
                    where=there,
                    cure="Rename it, or exclude something else.",
                )
            if re.fullmatch(self.style.keys, member.key) is None:
                raise UnsupportedError(
                    f"{self.style.name} cannot write the name {member.key!r}.",
                    keyword="properties",
                    where=there,
                    cure="Rename the argument.",
                )
            key = None if nested else member.key
            part = self.write_element(self.style.member, member, there, key)
            if part is not None:
                parts.append((part, member.is_required))
            elif member.is_required:
                raise self.unwritable_error(there)
        return self.any_order(parts) if is_loose else self.join_row(parts)

    def unwritable_error(self, where: str) -> UnsupportedError:
        """Return the error for values each of which holds a text that ends it."""
        return unsupported_error(
            f"{self.style.name} can write none of the values that it may be.", where, "const"
        )

    def join_row(self, parts: Sequence[tuple[TextGrammar, bool]]) -> TextGrammar:
        """Return parts one after another, with what separates them; those that need not be may be absent."""
        if self.plan.written.property_order == "any":
            return self.any_order(parts)
        if self.style.spaced and self.blank is not None:
            blank = self.blank
            return sequence(*(blank + of if needed else (blank + of).optional() for of, needed in parts))
        later: TextGrammar = literal("")
        first = self.empty_text()
        for of, is_required in reversed(parts):
            first = of + later if is_required else (of + later) | first
            another = sequence(self.style.between, of)
            later = (another if is_required else another.optional()) + later
        return first

    def any_order(self, parts: Sequence[tuple[TextGrammar, bool]]) -> TextGrammar:
        """Return parts in any order, with what separates them."""
        blank = self.blank if self.style.spaced else None
        of = [(part if blank is None else blank + part, needed) for part, needed in parts]
        separator = self.style.between if blank is None else ""
        is_required = [part for part, is_needed in of if is_needed]
        members = in_any_order(is_required, [part for part, is_needed in of if not is_needed], separator)
        return members if is_required else members | self.empty_text()

    def empty_text(self) -> TextGrammar:
        """Return the text that may stand in an empty object or array."""
        return (self.blank if self.style.padded else None) or literal("")

    def put_brackets(self, inside: TextGrammar, at: int) -> TextGrammar:
        brackets = self.style.brackets
        return sequence(brackets[at], inside, brackets[at + 1]) if brackets else inside

    def write_element(
        self, template: str, member: KnownMember, where: str, key: str | None
    ) -> TextGrammar | None:
        """Return the grammar of an argument or an item between its texts, None where no value can be written;
        `key` where it is an argument of the tool itself."""
        head, _, tail = template.partition("$value")
        values = {"key": member.key}
        end = fill_template(tail, values)
        pairs = list(self.value_grammars(member, where, key, self.stop_texts(end)))
        words = group_by_first((self.style.types.get(kind, ""), grammar) for kind, grammar in pairs)
        if not words:
            return None
        if len({kind for kind, _ in pairs}) > 1 and member.outcomes is None:
            for kind, word in self.style.open_types.items():
                if (json_grammar := self.json_of([kind], member.place, where)) is not None:
                    words[word] = [json_grammar]
        return either(
            *(
                sequence(*self.write_literal(head, {**values, "type": word}), either(*of), end)
                for word, of in words.items()
            )
        )

    def write_item(self, place: int, where: str) -> TextGrammar:
        """Return the grammar of an item of an array. Raises `UnsupportedError` where none can be written."""
        element = self.write_element(self.style.item, KnownMember("", place, True), f"{where}/items", None)
        if element is None:
            raise self.unwritable_error(f"{where}/items")
        return element

    def has_written(self, member: KnownMember, menu: ValueMenu, stops: tuple[str, ...]) -> bool:
        """Tell whether a value may be a string without some texts. Most often its shortest value shows it."""
        if menu.string is None or menu.string.formulas[0] == TRUE:
            return menu.string is not None
        shortest = self.plan.network.finish_place(member.place)[0].decode()
        is_plain = member.outcomes is None and shortest[0] == '"'
        if is_plain and not any(text in json.loads(shortest) for text in stops):
            return True
        return self.plan.has_string(menu, stops)

    def stop_texts(self, end: str) -> tuple[str, ...]:
        """Return what a string that `end` follows does not hold."""
        return (*(self.style.stops or (self.style.quote or end, *self.style.ends)), *self.excludes)

    def write_literal(self, template: str, values: Mapping[str, str]) -> Iterator[TextGrammar]:
        for kind, text in template_pieces(template):
            if kind in ("gap", "line"):
                yield gap_grammar(kind, self.blank)
            else:
                text_grammar = literal(text if kind == TEXT else values[kind])
                yield self.with_padding(text_grammar) if kind == "key" and self.style.padded else text_grammar

    def value_grammars(
        self, member: KnownMember, where: str, key: str | None, stops: tuple[str, ...]
    ) -> Iterator[tuple[str, TextGrammar]]:
        """Yield what a value may be, with its type; with what may stand around it."""
        menu = self.plan.value_menu(member.place, where, member.outcomes)
        if key is not None and key in self.texts:
            around = self.style.quote or self.style.frame
            yield "string", sequence(around, without(self.texts[key], stops), around)
            return
        if self.has_written(member, menu, stops):
            yield "string", self.write_strings(menu, stops)
        if menu.object is not None or menu.array is not None:
            if key is not None and not self.style.nested:
                yield from self.json_grammars(member.place, menu, where)
                return
            try:
                yield from list(self.nested_grammars(member.place, menu, where))
            except UnsupportedError:
                if key is None or self.style.quote:
                    raise
                yield from self.json_grammars(member.place, menu, where)
                return
        for kind, word, outcome in (
            ("boolean", "true", menu.true),
            ("boolean", "false", menu.false),
            ("null", "null", menu.null),
        ):
            if outcome is not None:
                yield kind, self.with_padding(literal(word))
        if menu.number is not None:
            formula = menu.number.formulas[0]
            kind = "integer" if only_integers(formula) else "number"
            policies = {**self.plan.policies, "whitespace": "compact"}
            yield kind, self.with_padding(as_text(json_schema(number_schema(formula), **policies)))

    def nested_grammars(self, place: int, menu: ValueMenu, where: str) -> Iterator[tuple[str, TextGrammar]]:
        """Yield the objects and arrays that a value may be, written as the arguments are. Raises
        `UnsupportedError` where that cannot be said of each of their values, or read back."""
        if place in self.open:
            raise unsupported_error(
                f"A value holds others of its own kind, which {self.style.name} writes without end.", where
            )
        tells_type = self.style.types or self.style.quote
        if not tells_type and (
            menu.string is not None or (menu.object is not None and menu.array is not None)
        ):
            raise unsupported_error("Nothing tells an empty one of its kinds from another.", where)
        self.open.append(place)
        try:
            if menu.object is not None:
                members = self.plan.object_members(menu.object, where)
                yield "object", self.with_padding(self.write_members(members, where, nested=True), 0)
            if menu.array is not None:
                yield "array", self.with_padding(self.write_array(menu.array, where), 2)
        finally:
            self.open.pop()

    def json_grammars(self, place: int, menu: ValueMenu, where: str) -> Iterator[tuple[str, TextGrammar]]:
        """Yield the values of an argument that are no strings, as JSON; those of each word apart."""
        types, nested = self.style.types, self.style.nested
        # where objects are usually not JSON, the word for JSON is that of numbers
        groups = group_by_first(
            (types.get("number" if nested else kind, ""), kind) for kind in kinds_of(menu, with_strings=False)
        )
        for of in groups.values():
            is_all = len(groups) == 1 and menu.string is None
            grammar = self.json_of(None if is_all else of, place, where)
            if grammar is not None:
                yield "number" if nested else of[0], grammar

    def json_of(self, kinds: Sequence[str] | None, place: int, where: str) -> TextGrammar | None:
        """Return the values of an argument that have some types (None: all) as JSON, None where there are
        none."""
        schema = self.plan.subschema_of(place, where)
        part = (
            schema if kinds is None else {**copy_shared_keywords(schema), "allOf": [schema], "type": [*kinds]}
        )
        stops = (*self.style.stops, *self.excludes)
        grammar = without(json_schema(part, **{**self.plan.policies, "strict": None}), stops)
        if (stops or kinds) and not has_documents(cast(JsonSchemaGrammar, grammar)):
            return None
        as_written = as_text(grammar)
        return (
            self.with_padding(as_written) if self.blank is None else as_written
        )  # else JSON has it in itself

    def write_array(self, residue: int, where: str) -> TextGrammar:
        places, ends, repeats = self.plan.array_items(residue, where)
        if not places:
            return self.empty_text()
        if len(set(places)) == 1:
            of, min_items = self.write_item(places[0], where), ends.index(True)
            further_items = self.with_separator(of).repeat(
                max(0, min_items - 1), None if repeats else len(places) - 1
            )
            whole = self.with_separator(of, first=True) + further_items
            return whole if min_items else whole | self.empty_text()
        rest: TextGrammar = literal("")
        for index in range(len(places) - 1, -1, -1):
            element = self.with_separator(self.write_item(places[index], where), first=not index)
            element = element.repeat(1) if repeats and index == len(places) - 1 else element
            none = literal("") if index else self.empty_text()
            rest = (element + rest) | none if ends[index] else element + rest
        return rest

    def with_separator(self, of: TextGrammar, *, first: bool = False) -> TextGrammar:
        """Return the grammar of one part in a row, with what stands before it."""
        if self.style.spaced and self.blank is not None:
            return self.blank + of
        return of if first else sequence(self.style.between, of)

    def with_padding(self, of: TextGrammar, brackets: int | None = None) -> TextGrammar:
        """Return a value that is no string with the white space around it; `brackets`: the first of those
        that belong to it, where it holds others."""
        whole = of if brackets is None else self.put_brackets(of, brackets)
        if not self.style.blanks:
            ends = self.blank if brackets is not None and self.style.spaced else None
            return whole if ends is None else whole + ends
        if self.blank is None:
            return sequence(self.style.frame, whole, self.style.frame)
        return self.blank + whole + self.blank

    def write_strings(self, menu: ValueMenu, stops: tuple[str, ...]) -> TextGrammar:
        """Return the strings of a value as they stand. They hold none of `stop_texts`; where other values may
        stand in the same place, none is written like an object or an array."""
        assert menu.string is not None
        beside: list[Formula] = [Not(containing_words(stops))]
        if not (self.style.quote or self.style.types) and (menu.object is not None or menu.array is not None):
            beside.append(Not(Pattern(r"^[ \t\n\r]*[{\[]")))
        description = f"a string without {show_words(stops)}"
        of = strings_of(menu.string.formulas[0], beside, description, self.plan.limits)
        if self.style.quote:
            quoted_string = sequence(self.style.quote, of, self.style.quote)
            return self.with_padding(quoted_string) if self.style.padded else quoted_string
        return frame_strings(of, self.style.frame, exact=self.blank is None) if self.style.frame else of


def strings_of(of: Formula, beside: Sequence[Formula], description: str, limits: Limits) -> TextGrammar:
    """Return the grammar of the strings of a formula, in which grammars may stand, and of others that are
    regular. Raises `UnsupportedError` for grammars that hold together, or are denied."""
    return either(
        *(
            RegularGrammar(All((regular, *beside)), description, limits=limits)
            if texts is None
            else texts.of.narrowed(All((regular, *beside)))
            for texts, regular in ways_of(of)
        )
    )


def frame_strings(of: TextGrammar, frame: str, *, exact: bool) -> TextGrammar:
    """Return raw strings with what usually stands on both sides of them. Whoever reads takes one `frame`
    away on each side, if it is there; a string that has one itself is therefore written with another."""
    whole = sequence(frame, of, frame)
    if exact:
        return whole
    without_start = of - regex(re.escape(frame) + r"[\s\S]*")
    with_end = regex(r"[\s\S]*" + re.escape(frame))
    return either(whole, frame + (of - with_end), without_start + frame, without_start - with_end)


def blank_of(whitespace: str) -> TextGrammar | None:
    """Return the grammar of white space between arguments under a policy; None: exactly what is usual."""
    kind, _, count = whitespace.partition(":")
    if kind not in ("any", "bounded"):
        return None
    count = "8" if kind == "bounded" else count
    return regex(rf"[ \t\n\r]{{0,{count}}}" if count else r"[ \t\n\r]*")


def gap_grammar(kind: str, blank: TextGrammar | None) -> TextGrammar:
    """Return the grammar of `$gap` or `$line`."""
    if blank is not None:
        return blank
    return literal("\n" if kind == "line" else "")


def number_schema(formula: Formula) -> dict[str, Any]:
    """Return the schema of the numbers of a formula."""
    match formula:
        case All(parts):
            schemas = [number_schema(part) for part in parts]
            return {"type": "number", "allOf": schemas} if schemas else {"type": "number"}
        case Any_():
            return {"type": "number", "anyOf": [number_schema(part) for part in formula.of]}
        case Not():
            return {"type": "number", "not": number_schema(formula.of)}
        case Multiple(of):
            return {"type": "integer"} if of == 1 else {"type": "number", "multipleOf": _plain_schema(of)}
        case PlainInteger():
            return {"type": "integer"}
        case Ranges():
            numbers = formula.finite_numbers()
            if numbers is not None:
                return {"enum": [_plain_schema(Decimal(value)) for value in numbers]}
            ranges = [_range_schema(low, high) for low, high in formula.ends()]
            return ranges[0] if len(ranges) == 1 else {"type": "number", "anyOf": ranges}
    raise AssertionError(f"{type(formula).__name__} is no formula of numbers")


def _range_schema(low: Cut | None, high: Cut | None) -> dict[str, Any]:
    """Return the schema of the numbers between two cuts."""
    bounds: dict[str, Any] = {"type": "number"}
    if low:
        bounds["exclusiveMinimum" if low[1] else "minimum"] = _plain_schema(Decimal(low[0]))
    if high:
        bounds["maximum" if high[1] else "exclusiveMaximum"] = _plain_schema(Decimal(high[0]))
    return bounds


def _plain_schema(number: Decimal) -> int | Decimal:
    return int(number) if number == number.to_integral_value() else number
