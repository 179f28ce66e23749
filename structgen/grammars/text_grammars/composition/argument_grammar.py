"""Builds the grammar of a tool's arguments in a format that writes them one by one, not as one JSON object:
`<parameter=city>Oslo</parameter><parameter=days>3</parameter>`.

A *style* describes the format: what is written around each argument (`argument_styles`). The *plan* lists the
arguments and their values, as the schema's network knows them (`argument_plan`). A *row* is the set of
arguments of one call. A *member* is one argument, or one key of an object inside an argument. The *word* of a
value is the text that the style writes for its type. A *stop* is a text that no string may contain. Strings
are written without quotes, and do not contain the text that ends them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    """Return the grammar of the arguments of one tool, in a style that has a `member`.

    `schema`: the schema of the arguments. `policies`: options of `sg.json_schema`. `excludes`: texts that no
    string and no name of an argument contains. `texts`: for some arguments that are strings, the grammar of
    the string. Raises `UnsupportedError` with the place in the schema. For example, `argument_grammar(schema,
    {}, style)`.
    """
    try:
        plan = plan_of(schema, policies)
        if len(plan.rows) > 1 and writes_as_json(style):
            raise plan.dependence_error("The schema constrains all arguments together.")
        return _Writer(plan, style, tuple(excludes), texts).write_arguments()
    except UnsupportedError:
        # a style near to JSON can write any schema: the texts of JSON with other quotes, byte by byte
        if not writes_as_json(style):
            raise
        return quoted_values(schema, policies, style, excludes)


@dataclass(eq=False)
class _Writer:
    """Builds the grammar of arguments from a plan.

    In its methods `where` is a place in the schema, for errors; `place` is one in the schema's network
    (`ArgumentPlan.network`).
    """

    plan: ArgumentPlan
    style: ArgumentStyle
    excludes: tuple[str, ...]
    texts: Mapping[str, TextGrammar]

    def __post_init__(self) -> None:
        self.blank = blank_of(self.plan.written.whitespace)
        self.open_places: list[int] = []
        """The places of the values that are being written now, from the outermost to the innermost."""

    def write_arguments(self) -> TextGrammar:
        """Return the grammar of all arguments."""
        rows = [self.write_members(row, "#", nested=False) for row in self.plan.rows]
        return self.put_brackets(either(*rows), 0)

    def write_members(self, members: Row, where: str, *, nested: bool) -> TextGrammar:
        """Return the grammar of the members of an object. `nested`: the object is inside an argument."""
        parts: list[tuple[TextGrammar, bool]] = []
        loose_count = sum(member.key in self.plan.loose for member in members)
        for member in members:
            member_place = self.plan.schema_place(member.place, f"{where}/properties/{escape(member.key)}")
            if not self.can_name(member, member_place):
                continue
            key = None if nested else member.key
            part = self.write_element(self.style.member, member, member_place, key)
            if part is not None:
                parts.append((part, member.is_required))
            elif member.is_required:
                raise self.unwritable_error(member_place)
        is_loose = not nested and loose_count > 1
        return self.any_order(parts) if is_loose else self.join_row(parts)

    def can_name(self, member: KnownMember, where: str) -> bool:
        """Return whether the name of a member can be written; False: the member is optional, and is left out.
        Raises `OptionError` for a required name with an excluded text, `UnsupportedError` for a name that the
        style cannot write."""
        excluded_text = next((text for text in self.excludes if text in member.key), None)
        if excluded_text is not None:
            if not member.is_required:
                return False
            raise OptionError(
                f"{member.key!r} is required, and contains {excluded_text!r}, which is excluded.",
                where=where,
                cure="Rename it, or exclude something else.",
            )
        if re.fullmatch(self.style.keys, member.key) is None:
            raise UnsupportedError(
                f"{self.style.name} cannot write the name {member.key!r}.",
                keyword="properties",
                where=where,
                cure="Rename the argument.",
            )
        return True

    def unwritable_error(self, where: str) -> UnsupportedError:
        """Return the error for a member each of whose values contains a stop."""
        return unsupported_error(
            f"{self.style.name} cannot write any of the values that are allowed.", where, "const"
        )

    def join_row(self, parts: Sequence[tuple[TextGrammar, bool]]) -> TextGrammar:
        """Return the grammar of parts one after another, with the text or white space between them.
        `parts`: pairs (grammar, whether the part is required)."""
        if self.plan.written.property_order == "any":
            return self.any_order(parts)
        if self.style.spaced and self.blank is not None:
            spaced_parts: list[TextGrammar] = []
            for part, is_required in parts:
                spaced = self.blank + part
                spaced_parts.append(spaced if is_required else spaced.optional())
            return sequence(*spaced_parts)
        # From the last part backwards. `first`: the texts from this part on if no part was written before;
        # `later`: the texts from this part on after another part, with the separators.
        first = self.empty_text()
        later: TextGrammar = literal("")
        for part, is_required in reversed(parts):
            row = part + later
            first = row if is_required else row | first
            another = sequence(self.style.between, part)
            later = (another if is_required else another.optional()) + later
        return first

    def any_order(self, parts: Sequence[tuple[TextGrammar, bool]]) -> TextGrammar:
        """Return the grammar of parts in any order, separated. `parts`: as in `join_row`."""
        blank = self.blank if self.style.spaced else None
        required: list[TextGrammar] = []
        others: list[TextGrammar] = []
        for part, is_required in parts:
            whole = part if blank is None else blank + part
            (required if is_required else others).append(whole)
        separator = self.style.between if blank is None else ""
        members = in_any_order(required, others, separator)
        return members if required else members | self.empty_text()

    def empty_text(self) -> TextGrammar:
        """Return the text that may stand in an empty object or array."""
        return (self.blank if self.style.padded else None) or literal("")

    def put_brackets(self, inside: TextGrammar, opening: int) -> TextGrammar:
        """Return `inside` in brackets of the style. `opening`: the index of the opening bracket in
        `style.brackets`: 0 for an object, 2 for an array."""
        brackets = self.style.brackets
        if not brackets:
            return inside
        return sequence(brackets[opening], inside, brackets[opening + 1])

    def write_element(
        self,
        template: str,
        member: KnownMember,
        where: str,
        key: str | None,
    ) -> TextGrammar | None:
        """Return the grammar of an argument or an item with the texts around it; None where no value can be
        written.

        `template`: such as `<a=$key>$value</a>`. `key`: the name of an argument of the tool itself; None for
        a member inside an argument, and for an item.
        """
        head, _, tail = template.partition("$value")
        values = {"key": member.key}
        end = fill_template(tail, values)
        typed_grammars = list(self.value_grammars(member, where, key, self.stop_texts(end)))
        # one alternative for each word of `$type`: the text before the value has the word
        grammars_by_word = group_by_first(
            (self.style.types.get(kind, ""), grammar) for kind, grammar in typed_grammars
        )
        if not grammars_by_word:
            return None
        kinds = {kind for kind, _ in typed_grammars}
        if len(kinds) > 1 and member.outcomes is None:
            for kind, word in self.style.open_types.items():
                json_grammar = self.json_of([kind], member.place, where)
                if json_grammar is not None:
                    grammars_by_word[word] = [json_grammar]
        alternatives: list[TextGrammar] = []
        for word, grammars in grammars_by_word.items():
            begin = self.write_literal(head, {**values, "type": word})
            alternatives.append(sequence(*begin, either(*grammars), end))
        return either(*alternatives)

    def write_item(self, place: int, where: str) -> TextGrammar:
        """Return the grammar of an item of an array. Raises `UnsupportedError` where no value can be
        written."""
        item = KnownMember("", place, True)
        item_place = f"{where}/items"
        element = self.write_element(self.style.item, item, item_place, None)
        if element is None:
            raise self.unwritable_error(item_place)
        return element

    def has_written(self, member: KnownMember, menu: ValueMenu, stops: tuple[str, ...]) -> bool:
        """Return whether a member may be a string without `stops`. Most often its shortest value shows it."""
        if menu.string is None:
            return False
        if menu.string.formulas[0] == TRUE:
            return True
        first_demand = 0
        shortest_text = self.plan.network.finish_place(member.place)[first_demand].decode()
        if member.outcomes is None and shortest_text[0] == '"':
            string = json.loads(shortest_text)
            if not any(text in string for text in stops):
                return True
        return self.plan.has_string(menu, stops)  # a search in the product of automata

    def stop_texts(self, end: str) -> tuple[str, ...]:
        """Return the stops of a string. `end`: the text after the string."""
        stops = self.style.stops or (self.style.quote or end, *self.style.ends)
        return (*stops, *self.excludes)

    def write_literal(self, template: str, values: Mapping[str, str]) -> Iterator[TextGrammar]:
        """Yield the grammars of a template's pieces. `values`: the text at each place."""
        for kind, text in template_pieces(template):
            if kind in ("gap", "line"):
                yield gap_grammar(kind, self.blank)
                continue
            grammar = literal(text if kind == TEXT else values[kind])
            is_padded_key = kind == "key" and self.style.padded
            yield self.with_padding(grammar) if is_padded_key else grammar

    def value_grammars(
        self,
        member: KnownMember,
        where: str,
        key: str | None,
        stops: tuple[str, ...],
    ) -> Iterator[tuple[str, TextGrammar]]:
        """Yield pairs (type, grammar) for the kinds of values of a member. The grammar includes the white
        space, the frame or the quotes around the value.

        `key`: as in `write_element`; `stops`: the texts that no string contains. For example, a nullable
        string has `("string", ...)` and `("null", ...)`.
        """
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
                # as a list: an error in the second grammar must not leave the first one after
                yield from list(self.nested_grammars(member.place, menu, where))
            except UnsupportedError:
                if key is None or self.style.quote:
                    raise
                yield from self.json_grammars(member.place, menu, where)
                return
        constants = (
            ("boolean", "true", menu.true),
            ("boolean", "false", menu.false),
            ("null", "null", menu.null),
        )
        for kind, word, outcome in constants:
            if outcome is not None:
                yield kind, self.with_padding(literal(word))
        if menu.number is not None:
            formula = menu.number.formulas[0]
            kind = "integer" if only_integers(formula) else "number"
            policies = {**self.plan.policies, "whitespace": "compact"}
            numbers = json_schema(number_schema(formula), **policies)
            yield kind, self.with_padding(as_text(numbers))

    def nested_grammars(self, place: int, menu: ValueMenu, where: str) -> Iterator[tuple[str, TextGrammar]]:
        """Yield pairs (type, grammar) for the objects and arrays at a place, written in the style. Raises
        `UnsupportedError` where the style cannot write them all, or a reader could not tell them apart."""
        if place in self.open_places:
            # the grammar is made of parts, and has no rules that could call themselves
            raise unsupported_error(
                f"A value contains others of its own kind, which {self.style.name} would write without end.",
                where,
            )
        tells_type = self.style.types or self.style.quote
        has_both = menu.object is not None and menu.array is not None
        if not tells_type and (menu.string is not None or has_both):
            raise unsupported_error("An empty value of its kinds is ambiguous.", where)
        self.open_places.append(place)
        try:
            if menu.object is not None:
                members = self.plan.object_members(menu.object, where)
                yield "object", self.with_padding(self.write_members(members, where, nested=True), 0)
            if menu.array is not None:
                yield "array", self.with_padding(self.write_array(menu.array, where), 2)
        finally:
            self.open_places.pop()

    def json_grammars(self, place: int, menu: ValueMenu, where: str) -> Iterator[tuple[str, TextGrammar]]:
        """Yield pairs (type, grammar) for the values of an argument that are not strings, as JSON. There is
        one pair for each word of a type."""
        types = self.style.types
        nested = self.style.nested
        # where objects are usually not JSON, the word for JSON is that of numbers
        kinds_by_word = group_by_first(
            (types.get("number" if nested else kind, ""), kind) for kind in kinds_of(menu, with_strings=False)
        )
        is_all = len(kinds_by_word) == 1 and menu.string is None
        for kinds in kinds_by_word.values():
            grammar = self.json_of(None if is_all else kinds, place, where)
            if grammar is not None:
                yield "number" if nested else kinds[0], grammar

    def json_of(self, kinds: Sequence[str] | None, place: int, where: str) -> TextGrammar | None:
        """Return the grammar of the values at a place as JSON. `kinds`: the allowed types; None: all. The
        result is None where there is no such value."""
        schema = self.plan.subschema_of(place, where)
        if kinds is not None:
            schema = {**copy_shared_keywords(schema), "allOf": [schema], "type": [*kinds]}
        stops = (*self.style.stops, *self.excludes)
        policies = {**self.plan.policies, "strict": None}  # the whole schema was checked already
        grammar = without(json_schema(schema, **policies), stops)
        if (stops or kinds) and not has_documents(cast(JsonSchemaGrammar, grammar)):
            return None
        texts = as_text(grammar)
        # white space around the value: JSON has it in itself, where the policy allows some
        return self.with_padding(texts) if self.blank is None else texts

    def write_array(self, residue: int, where: str) -> TextGrammar:
        """Return the grammar of the items of an array, without brackets. `residue`: its residue in the
        network."""
        places, ends, repeats = self.plan.array_items(residue, where)
        if not places:
            return self.empty_text()
        if len(set(places)) == 1:
            item = self.write_item(places[0], where)
            min_items = ends.index(True)
            max_further = None if repeats else len(places) - 1
            further_items = self.with_separator(item).repeat(max(0, min_items - 1), max_further)
            whole = self.with_separator(item, first=True) + further_items
            return whole if min_items else whole | self.empty_text()
        # from the last item backwards: `rest` is the grammar of the items after the one that is written now
        rest: TextGrammar = literal("")
        last_index = len(places) - 1
        for index in range(last_index, -1, -1):
            element = self.with_separator(self.write_item(places[index], where), first=not index)
            if repeats and index == last_index:
                element = element.repeat(1)
            rest = element + rest
            if ends[index]:  # the array may end before this item
                rest = rest | (literal("") if index else self.empty_text())
        return rest

    def with_separator(self, of: TextGrammar, *, first: bool = False) -> TextGrammar:
        """Return the grammar of one item with the separator before it. `first`: it is the first item."""
        if self.style.spaced and self.blank is not None:
            return self.blank + of
        return of if first else sequence(self.style.between, of)

    def with_padding(self, of: TextGrammar, brackets: int | None = None) -> TextGrammar:
        """Return the grammar of a value that is not a string, with the white space around it. `brackets`: for
        an object or an array the index of its opening bracket (`put_brackets`); None for other values."""
        whole = of if brackets is None else self.put_brackets(of, brackets)
        if not self.style.blanks:
            # a row of members or items has white space before each, and needs it after the last
            is_spaced_row = brackets is not None and self.style.spaced
            return whole + self.blank if is_spaced_row and self.blank is not None else whole
        if self.blank is None:
            return sequence(self.style.frame, whole, self.style.frame)
        return self.blank + whole + self.blank

    def write_strings(self, menu: ValueMenu, stops: tuple[str, ...]) -> TextGrammar:
        """Return the grammar of the strings of a menu, with quotes or frames. They contain none of `stops`.
        If an object or an array may come here too, and nothing shows the type, no string begins like one."""
        assert menu.string is not None
        conditions: list[Formula] = [Not(containing_words(stops))]
        tells_type = self.style.quote or self.style.types
        if not tells_type and (menu.object is not None or menu.array is not None):
            conditions.append(Not(Pattern(r"^[ \t\n\r]*[{\[]")))
        description = f"a string without {show_words(stops)}"
        strings = strings_of(menu.string.formulas[0], conditions, description, self.plan.limits)
        if self.style.quote:
            quoted_string = sequence(self.style.quote, strings, self.style.quote)
            return self.with_padding(quoted_string) if self.style.padded else quoted_string
        if self.style.frame:
            return frame_strings(strings, self.style.frame, exact=self.blank is None)
        return strings


def strings_of(of: Formula, beside: Sequence[Formula], description: str, limits: Limits) -> TextGrammar:
    """Return the grammar of the strings that fulfil a formula and all formulas in `beside`.

    `of` may contain grammars; `beside` are regular. `description`: the name of such a string in messages.
    Raises `UnsupportedError` where two grammars must hold together, or one must not hold. Example:
    `strings_of(TRUE, (), "a string", DEFAULT)`.
    """
    alternatives: list[TextGrammar] = []
    for texts, regular in ways_of(of):
        formula = All((regular, *beside))
        if texts is None:
            alternatives.append(RegularGrammar(formula, description, limits=limits))
        else:
            alternatives.append(texts.of.narrowed(formula))
    return either(*alternatives)


def frame_strings(of: TextGrammar, frame: str, *, exact: bool) -> TextGrammar:
    """Return the grammar of raw strings with a frame, the text that is usually written on both sides.

    A reader removes one frame on each side, if it is there. So a string that begins or ends with the frame
    itself is always written with another frame on that side. `exact`: both frames are always written.
    """
    whole = sequence(frame, of, frame)
    if exact:
        return whole
    # a side may be without the frame only if the string does not begin, or end, with one itself
    without_start = of - regex(re.escape(frame) + r"[\s\S]*")
    with_end = regex(r"[\s\S]*" + re.escape(frame))
    return either(whole, frame + (of - with_end), without_start + frame, without_start - with_end)


def blank_of(whitespace: str) -> TextGrammar | None:
    """Return the grammar of the white space between arguments under a policy, such as "bounded" or "any:3".
    None: only the usual white space is written."""
    kind, _, count = whitespace.partition(":")
    if kind not in ("any", "bounded"):
        return None
    if kind == "bounded":
        count = "8"
    return regex(rf"[ \t\n\r]{{0,{count}}}" if count else r"[ \t\n\r]*")


def gap_grammar(kind: str, blank: TextGrammar | None) -> TextGrammar:
    """Return the grammar of the white space at `$gap` or `$line`. `kind`: "gap" or "line"; `blank`: the
    result of `blank_of`."""
    if blank is not None:
        return blank
    return literal("\n" if kind == "line" else "")


def number_schema(formula: Formula) -> dict[str, Any]:
    """Return a schema of the numbers that fulfil a formula."""
    match formula:
        case All(parts):
            schemas = [number_schema(part) for part in parts]
            return {"type": "number", "allOf": schemas} if schemas else {"type": "number"}
        case Any_():
            return {"type": "number", "anyOf": [number_schema(part) for part in formula.of]}
        case Not():
            return {"type": "number", "not": number_schema(formula.of)}
        case Multiple(of):
            if of == 1:
                return {"type": "integer"}
            return {"type": "number", "multipleOf": _plain_number(of)}
        case PlainInteger():
            return {"type": "integer"}
        case Ranges():
            numbers = formula.finite_numbers()
            if numbers is not None:
                return {"enum": [_plain_number(Decimal(value)) for value in numbers]}
            ranges = [_range_schema(low, high) for low, high in formula.ends()]
            return ranges[0] if len(ranges) == 1 else {"type": "number", "anyOf": ranges}
    raise AssertionError(f"{type(formula).__name__} is not a formula of numbers")


def _range_schema(low: Cut | None, high: Cut | None) -> dict[str, Any]:
    """Return a schema of the numbers between two cuts; None: there is no bound on that side."""
    bounds: dict[str, Any] = {"type": "number"}
    # A cut is a pair (number, whether the cut is after the number). If it is after, the number itself is
    # below the cut.
    if low:
        number, is_behind = low
        bounds["exclusiveMinimum" if is_behind else "minimum"] = _plain_number(Decimal(number))
    if high:
        number, is_behind = high
        bounds["maximum" if is_behind else "exclusiveMaximum"] = _plain_number(Decimal(number))
    return bounds


def _plain_number(number: Decimal) -> int | Decimal:
    """Return a number as an integer where it is one."""
    return int(number) if number == number.to_integral_value() else number
