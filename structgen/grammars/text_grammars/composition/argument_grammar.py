"""The grammar of arguments that stand one by one: `<parameter=city>Oslo</parameter>`.

What the arguments may be is asked of the schema's network, so that a keyword means here what it means in
JSON: strings are the texts of the network's formula, without the text that ends them. Where a schema says
more than which arguments there are and what each may be, it is refused, with its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import combinations
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias, cast
from urllib.parse import unquote

from structgen.automata.strings.live_strings import ways_of
from structgen.base.errors import OptionError, UnsatisfiableSchema, UnsupportedError
from structgen.base.json_text.exact_json import escape, target_of, values_in
from structgen.base.language.ir import (
    TRUE,
    All,
    Any_,
    Formula,
    Multiple,
    Not,
    Pattern,
    PlainInteger,
    Spec,
    ValueMenu,
)
from structgen.base.language.number_ranges import Cut, Ranges
from structgen.base.limits import Limits
from structgen.grammars.json_grammars.plain_network import network_of
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar, json_schema
from structgen.grammars.text_grammars.composition.argument_styles import ArgumentStyle
from structgen.grammars.text_grammars.composition.bans import without
from structgen.grammars.text_grammars.composition.quoted_values import quoted_values, writes_as_json
from structgen.grammars.text_grammars.composition.templates import TEXT, filled, pieces
from structgen.grammars.text_grammars.context_free.rules import grouped
from structgen.grammars.text_grammars.regular import RegularGrammar, literal, regex
from structgen.grammars.text_grammars.regular_formulas import holding, shown
from structgen.grammars.text_grammars.text_grammar import (
    TextGrammar,
    as_text,
    either,
    in_any_order,
    language_if_any,
    sequence,
)
from structgen.schema.reading.draft_names import DRAFTS, draft_of

Schema: TypeAlias = "Mapping[str, Any]"
"""A JSON Schema that is an object."""
Options: TypeAlias = "Mapping[str, Any]"
"""Policies: options of `sg.json_schema`, by name."""

_OPENING: Final = "additionalProperties", "patternProperties", "unevaluatedProperties"
"""Keywords that allow keys without naming them."""
_COMBINING: Final = (
    "$dynamicRef allOf anyOf oneOf not if dependentSchemas dependentRequired dependencies "
    "propertyNames minProperties maxProperties enum const extends"
).split()
_NO_TEXTS: Final[Mapping[str, TextGrammar]] = MappingProxyType({})
_ITEMS: Final = 10_000
"""The longest array that is followed item by item."""
_ROWS: Final = 64
"""The most sets of arguments that are written apart, where their presence or values depend on one another."""


class KnownMember(NamedTuple):
    """One argument, or one key of an object in them."""

    key: str
    place: int
    """Its place in the network; what its value may be: `ArgumentPlan.menu`."""
    required: bool
    outcomes: frozenset[int] | None = None
    """Which demands of the place the value meets: the outcomes that are allowed; None: any."""


Row: TypeAlias = tuple[KnownMember, ...]
"""The arguments of one call."""


class ArgumentPlan:
    """The arguments of one tool, in a format that writes them one by one. Made by `plan_of`."""

    def __init__(self, schema: Schema, policies: Options) -> None:
        self.policies = dict(policies)
        self.schema = dict(schema)
        self._check_root()
        self.schema = of_objects(schema)
        grammar: JsonSchemaGrammar = json_schema(dict(self.schema), **policies)
        self.written, self.limits = grammar.policies, grammar.limits
        document = grammar.document(policies=grammar.policies.widened("whitespace"))
        document.require_handled()
        self.network = network_of(document)
        self.loose: frozenset[str] = frozenset()
        """Arguments that have no order among themselves."""
        self.rows = self._rows()
        """The arguments of calls: each call has those of one row."""
        self.root = self._every()
        """Every argument once, for readers."""
        self.is_open = "properties" not in root_of(self.schema)[1] and self._takes_any()
        """Nothing is said of any argument."""

    def _check_root(self) -> None:
        where, root = root_of(self.schema)
        kinds = root.get("type", "object")
        if not any(isinstance(kind, Mapping) or kind == "object" for kind in _listed(kinds)):
            raise _refused("Arguments are an object.", f"{where}/type")
        for keyword in _OPENING:
            said = root.get(keyword, False)
            if said is not False and (said or keyword != "patternProperties"):
                what = "Arguments that the schema does not name may be given."
                raise _refused(what, f"{where}/{keyword}", keyword)

    def _rows(self) -> tuple[Row, ...]:
        """Return the sets of arguments that a call may have. Where their presence or the values of some
        depend on one another, there are several, `_ROWS` at most."""
        residue = self.menu(self.network.root, "#").object
        assert residue is not None, "the root is an object"
        if self.network.simple(residue) is not None:
            return (self.members(residue, "#", is_root=True),)
        names, ordered = self.network.names(residue)
        self.loose = frozenset(names[ordered:])
        found = _Rows(self, names).behind(0, residue)
        if not found:
            raise self.together("Only arguments that the schema does not name satisfy it.")
        return found

    def _takes_any(self) -> bool:
        residue = self.network.entry(self.network.root).object
        plain = None if residue is None else self.network.simple(residue)
        return (
            plain is not None
            and not plain.names
            and plain.extra >= 0
            and not self.network.sources(plain.extra)
        )

    def together(self, what: str) -> UnsupportedError:
        """Return the error for arguments that the schema restricts together."""
        where, root = root_of(self.schema)
        keyword = next((one for one in _COMBINING if one in root), "type")
        return _refused(what, f"{where}/{keyword}" if keyword in root else where, keyword)

    def _every(self) -> Row:
        """Return each argument of the rows once. Errors: `UnsupportedError` where the text of a value does
        not tell whether it is a string."""
        found: dict[str, KnownMember] = {}
        for member in (member for row in self.rows for member in row):
            known = found.setdefault(member.key, member._replace(outcomes=None))
            if member.place != known.place:
                one, other = (set(kinds_of(self.network.entry(at.place))) for at in (known, member))
                if ("string" in one) != ("string" in other) or ("string" in one and len(one | other) > 1):
                    what = f"Whether {member.key!r} is a string depends on the other arguments."
                    raise self.together(what)
        return tuple(found.values())

    def menu(self, place: int, where: str, outcomes: frozenset[int] | None = None) -> ValueMenu:
        """Return what a value may be that has one of some outcomes; None: any. Raises `UnsupportedError`
        where the outcome of an object or an array matters."""
        menu = self.network.entry(place)
        if len(self.network.tables.places[place]) == 1:
            return menu
        if menu.object is not None or menu.array is not None:
            raise _refused("It is said of this value and of its neighbours together what they are.", where)
        words = {kind: getattr(menu, kind) for kind in ("true", "false", "null")}
        return ValueMenu(
            string=menu.string and Spec((self.formula(menu.string, outcomes),)),
            number=menu.number and Spec((self.formula(menu.number, outcomes),)),
            **{kind: one for kind, one in words.items() if outcomes is None or one in outcomes},
        )

    def formula(self, of: Spec, outcomes: frozenset[int] | None) -> Formula:
        """Return the formula of the strings or numbers that have one of some outcomes."""
        if outcomes is None:
            return Any_(of.formulas)
        sets = [self.network.outcomes.values[outcome] for outcome in sorted(outcomes)]
        return Any_(
            tuple(
                All(tuple(one if index in met else Not(one) for index, one in enumerate(of.formulas)))
                for met in sets
            )
        )

    def outcomes(self, place: int, where: str) -> Iterator[int]:
        """Yield the outcomes that a value may have."""
        demands = len(self.network.tables.places[place])
        if demands == 1:
            yield 0
            return
        whole = self.menu(place, where, None)
        listed = whole.true, whole.false, whole.null
        for count in range(1, demands + 1):
            for met in combinations(range(demands), count):
                outcome = self.network.outcomes(frozenset(met))
                menu = self.menu(place, where, frozenset((outcome,)))
                if outcome in listed or self.has_string(menu) or self.has_number(menu):
                    yield outcome

    def has_string(self, menu: ValueMenu, stops: tuple[str, ...] = ()) -> bool:
        """Tell whether a value may be a string that holds none of some texts."""
        if menu.string is None:
            return False
        beside = (Not(holding(stops)),) if stops else ()
        found = strings_of(menu.string.formulas[0], beside, "such a string", self.limits)
        return language_if_any(found, self.limits, {}, None) is not None

    def has_number(self, menu: ValueMenu) -> bool:
        """Tell whether a value may be a number."""
        if menu.number is None:
            return False
        return has_documents(json_schema(number_schema(menu.number.formulas[0]), **self.policies))

    def where(self, place: int, otherwise: str) -> str:
        """Return the place in the schema of what is said of a value first, `otherwise` where nothing is."""
        return next(iter(self.network.sources(place)), otherwise)

    def members(self, residue: int, where: str, *, is_root: bool = False) -> Row:
        """Return the keys of an object, in their order; of one that names some, and of the root, none but
        those."""
        plain = self.network.simple(residue)
        if plain is None:
            raise _refused("Which keys an object has depends on their values or on one another.", where)
        if plain.extra >= 0 and not is_root and (not plain.names or self.network.sources(plain.extra)):
            raise _refused(
                "The object may have keys that the schema does not name.", where, "additionalProperties"
            )
        triples = zip(plain.names, plain.places, plain.required, strict=True)
        return tuple(KnownMember(*one) for one in triples if one[1] >= 0)

    def items(self, residue: int, where: str) -> tuple[list[int], list[bool], bool]:
        """Return the places of an array's items, whether it may end before each and after the last, and
        whether the last repeats for ever."""
        places: list[int] = []
        ends: list[bool] = []
        while len(places) <= _ITEMS:
            menu = self.network.items(residue)
            if menu.values:
                raise _refused("What an item may be depends on the others.", where, "uniqueItems")
            ends.append(menu.close is not None)
            if menu.item is None:
                return places, ends, False
            places.append(menu.item)
            if len(self.network.tables.places[menu.item]) > 1:
                raise _refused("What an item may be depends on the others.", where, "contains")
            after = self.network.after(residue, None, 0)
            if after == residue:
                return places, ends, True
            residue = after
        raise _refused(
            f"An array may have more than {_ITEMS:,} items, and not any number.", where, "maxItems"
        )

    def subschema(self, place: int, where: str) -> dict[str, Any] | bool:
        """Return the schema of the values of a place, with the definitions that it may refer to."""
        is_local = _is_local(self.schema)
        around, base = _own(self.schema), ""
        if not is_local:  # references begin at the root of the whole schema, which an identifier says
            base = next((self.schema[key] for key in ("$id", "id") if key in self.schema), "arguments:")
            whole = {**dict.fromkeys(("id", "$id"), base), **self.schema}
            around = {**_own(self.schema, ("$schema",)), "definitions": {"arguments": whole}}
        parts: list[Any] = []
        for schema, negated in self.network.schemas(place):
            if schema is None:
                raise _refused("No keyword of one schema says what it may be.", where)
            part = schema.raw if is_local else {"$ref": base.rstrip("#") + schema.pointer}
            parts.append({"not": part} if negated else part)
        if len(parts) == 1 and is_local:
            return {**around, **parts[0]}
        return {**around, all_of(self.schema): parts} if parts else True


def plan_of(schema: Schema, policies: Options) -> ArgumentPlan:
    """Return the plan of a schema; the last ones are kept. Errors: `UnsupportedError` with the place, and
    those of `sg.json_schema`."""
    given = _Given(repr((schema, sorted(policies.items(), key=lambda one: one[0]))))
    given.schema, given.policies = schema, policies
    return _plan(given)


class _Given(str):
    """A schema and policies, equal where they are written alike."""

    schema: Schema
    policies: Options


@lru_cache(maxsize=512)
def _plan(given: _Given) -> ArgumentPlan:
    return ArgumentPlan(given.schema, given.policies)


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
            raise plan.together("It says of all arguments together what they are.")
        return _Writer(plan, style, tuple(excludes), texts).arguments()
    except UnsupportedError:
        if not writes_as_json(style):
            raise
        return quoted_values(schema, policies, style, excludes)


def takes_nothing(schema: Schema, policies: Options) -> bool:
    """Tell whether a call may have no arguments. Errors: those of `sg.json_schema`."""
    network = network_of(json_schema(of_objects(schema), **policies).document())
    residue = network.entry(network.root).object
    return residue is not None and network.menu(residue).close is not None


class _Rows:
    """Enumerates the sets of arguments that a call may have."""

    def __init__(self, plan: ArgumentPlan, names: Sequence[str]) -> None:
        self.plan, self.names = plan, names
        self._at_times = set(_named(plan.schema)) - set(_always_named(plan.schema))
        """The arguments that the schema names in some calls, and others may have only because it is open."""
        self._known: dict[tuple[int, int], tuple[Row, ...]] = {}

    def behind(self, at: int, residue: int) -> tuple[Row, ...]:
        """Return the sets of the arguments from the name at an index on that may follow at a residue. Names
        that may be left out whatever else comes are in their rows once."""
        known = self._known.get((at, residue))
        if known is None:
            found = self._behind(at, residue)
            if len(found) > _ROWS or len(self._known) > _ROWS * len(self.names):
                raise self.plan.together(f"The arguments form more than {_ROWS} sets.")
            known = self._known[at, residue] = found
        return known

    def _behind(self, at: int, residue: int) -> tuple[Row, ...]:
        network = self.plan.network
        if at == len(self.names):
            return () if network.menu(residue).close is None else ((),)
        name = self.names[at]
        absent = self.behind(at + 1, residue)
        place = network.menu(residue).named.get(name)
        if place is None or (absent and name in self._at_times and not network.sources(place)):
            return absent
        present: dict[Row, set[int]] = {}
        there = self.plan.where(place, f"#/properties/{escape(name)}")
        listed = set(self.plan.outcomes(place, there))
        for outcome in listed:
            for row in self.behind(at + 1, network.after(residue, name, outcome)):
                present.setdefault(row, set()).add(outcome)
        found = [row for row in absent if present.get(row) != listed]
        for row, outcomes in present.items():
            of = None if outcomes == listed else frozenset(outcomes)
            found.append((KnownMember(name, place, of is not None or row not in absent, of), *row))
        return tuple(found)


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

    def arguments(self) -> TextGrammar:
        rows = [self.members(row, "#", nested=False) for row in self.plan.rows]
        return self.bracketed(either(*rows), 0)

    def members(self, members: Row, where: str, *, nested: bool) -> TextGrammar:
        parts = []
        is_loose = not nested and sum(member.key in self.plan.loose for member in members) > 1
        for member in members:
            there = self.plan.where(member.place, f"{where}/properties/{escape(member.key)}")
            excluded = next((one for one in self.excludes if one in member.key), None)
            if excluded is not None:
                if not member.required:
                    continue
                raise OptionError(
                    f"{member.key!r} is required, and holds {excluded!r}, which is excluded.",
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
            part = self.element(self.style.member, member, there, key)
            if part is not None:
                parts.append((part, member.required))
            elif member.required:
                raise self.unwritable(there)
        return self.shuffled(parts) if is_loose else self.row(parts)

    def unwritable(self, where: str) -> UnsupportedError:
        """Return the error for values each of which holds a text that ends it."""
        return _refused(f"{self.style.name} can write none of the values that it may be.", where, "const")

    def row(self, parts: Sequence[tuple[TextGrammar, bool]]) -> TextGrammar:
        """Return parts one after another, with what separates them; those that need not be may be absent."""
        if self.plan.written.property_order == "any":
            return self.shuffled(parts)
        if self.style.spaced and self.blank is not None:
            blank = self.blank
            return sequence(*(blank + of if needed else (blank + of).optional() for of, needed in parts))
        later: TextGrammar = literal("")
        first = self.nothing()
        for of, needed in reversed(parts):
            first = of + later if needed else (of + later) | first
            another = sequence(self.style.between, of)
            later = (another if needed else another.optional()) + later
        return first

    def shuffled(self, parts: Sequence[tuple[TextGrammar, bool]]) -> TextGrammar:
        """Return parts in any order, with what separates them."""
        blank = self.blank if self.style.spaced else None
        of = [(part if blank is None else blank + part, needed) for part, needed in parts]
        between = self.style.between if blank is None else ""
        needed = [part for part, is_needed in of if is_needed]
        found = in_any_order(needed, [part for part, is_needed in of if not is_needed], between)
        return found if needed else found | self.nothing()

    def nothing(self) -> TextGrammar:
        """Return the text that may stand in an empty object or array."""
        return (self.blank if self.style.padded else None) or literal("")

    def bracketed(self, inside: TextGrammar, at: int) -> TextGrammar:
        brackets = self.style.brackets
        return sequence(brackets[at], inside, brackets[at + 1]) if brackets else inside

    def element(self, template: str, member: KnownMember, where: str, key: str | None) -> TextGrammar | None:
        """Return the grammar of an argument or an item between its texts, None where no value can be written;
        `key` where it is an argument of the tool itself."""
        head, _, tail = template.partition("$value")
        values = {"key": member.key}
        end = filled(tail, values)
        found = self.values(member, where, key, self.stops(end))
        words = grouped((self.style.types.get(kind, ""), grammar) for kind, grammar in found)
        if not words:
            return None
        return either(
            *(
                sequence(*self.spelled(head, {**values, "type": word}), either(*of), end)
                for word, of in words.items()
            )
        )

    def item(self, place: int, where: str) -> TextGrammar:
        """Return the grammar of an item of an array. Raises `UnsupportedError` where none can be written."""
        found = self.element(self.style.item, KnownMember("", place, True), f"{where}/items", None)
        if found is None:
            raise self.unwritable(f"{where}/items")
        return found

    def has_written(self, member: KnownMember, menu: ValueMenu, stops: tuple[str, ...]) -> bool:
        """Tell whether a value may be a string without some texts. Most often its shortest value shows it."""
        if menu.string is None or menu.string.formulas[0] == TRUE:
            return menu.string is not None
        shortest = self.plan.network.finish_place(member.place)[0].decode()
        is_plain = member.outcomes is None and shortest[0] == '"'
        if is_plain and not any(one in json.loads(shortest) for one in stops):
            return True
        return self.plan.has_string(menu, stops)

    def stops(self, end: str) -> tuple[str, ...]:
        """Return what a string that `end` follows does not hold."""
        return (*(self.style.stops or (self.style.quote or end, *self.style.ends)), *self.excludes)

    def spelled(self, template: str, values: Mapping[str, str]) -> Iterator[TextGrammar]:
        for kind, text in pieces(template):
            if kind in ("gap", "line"):
                yield gap(kind, self.blank)
            else:
                said = literal(text if kind == TEXT else values[kind])
                yield self.padded(said) if kind == "key" and self.style.padded else said

    def values(
        self, member: KnownMember, where: str, key: str | None, stops: tuple[str, ...]
    ) -> Iterator[tuple[str, TextGrammar]]:
        """Yield what a value may be, with its type; with what may stand around it."""
        menu = self.plan.menu(member.place, where, member.outcomes)
        if key is not None and key in self.texts:
            around = self.style.quote or self.style.frame
            yield "string", sequence(around, without(self.texts[key], stops), around)
            return
        if self.has_written(member, menu, stops):
            yield "string", self.strings(menu, stops)
        if menu.object is not None or menu.array is not None:
            if key is not None and not self.style.nested:
                yield from self.json(member.place, menu, where)
                return
            try:
                yield from list(self.nested(member.place, menu, where))
            except UnsupportedError:
                if key is None or self.style.quote:
                    raise
                yield from self.json(member.place, menu, where)
                return
        for kind, word, outcome in (
            ("boolean", "true", menu.true),
            ("boolean", "false", menu.false),
            ("null", "null", menu.null),
        ):
            if outcome is not None:
                yield kind, self.padded(literal(word))
        if menu.number is not None:
            formula = menu.number.formulas[0]
            kind = "integer" if is_integer(formula) else "number"
            policies = {**self.plan.policies, "whitespace": "compact"}
            yield kind, self.padded(as_text(json_schema(number_schema(formula), **policies)))

    def nested(self, place: int, menu: ValueMenu, where: str) -> Iterator[tuple[str, TextGrammar]]:
        """Yield the objects and arrays that a value may be, written as the arguments are. Raises
        `UnsupportedError` where that cannot be said of each of their values, or read back."""
        if place in self.open:
            raise _refused(
                f"A value holds others of its own kind, which {self.style.name} writes without end.", where
            )
        told = self.style.types or self.style.quote
        if not told and (menu.string is not None or (menu.object is not None and menu.array is not None)):
            raise _refused("Nothing tells an empty one of its kinds from another.", where)
        self.open.append(place)
        try:
            if menu.object is not None:
                members = self.plan.members(menu.object, where)
                yield "object", self.padded(self.members(members, where, nested=True), 0)
            if menu.array is not None:
                yield "array", self.padded(self.array(menu.array, where), 2)
        finally:
            self.open.pop()

    def json(self, place: int, menu: ValueMenu, where: str) -> Iterator[tuple[str, TextGrammar]]:
        """Yield the values of an argument that are no strings, as JSON; those of each word apart."""
        schema = self.plan.subschema(place, where)
        stops = (*self.style.stops, *self.excludes)
        types, nested = self.style.types, self.style.nested
        # where objects are usually not JSON, the word for JSON is that of numbers
        groups = grouped(
            (types.get("number" if nested else kind, ""), kind) for kind in kinds_of(menu, with_strings=False)
        )
        for of in groups.values():
            is_all = len(groups) == 1 and menu.string is None
            one = schema if is_all else {**_own(schema), "allOf": [schema], "type": of}
            grammar = without(json_schema(one, **{**self.plan.policies, "strict": None}), stops)
            if stops and not has_documents(cast(JsonSchemaGrammar, grammar)):
                continue
            said = as_text(grammar)
            kind = "number" if nested else of[0]
            yield kind, self.padded(said) if self.blank is None else said  # else JSON has it in itself

    def array(self, residue: int, where: str) -> TextGrammar:
        places, ends, repeats = self.plan.items(residue, where)
        if not places:
            return self.nothing()
        if len(set(places)) == 1:
            of, least = self.item(places[0], where), ends.index(True)
            more = self.separated(of).repeat(max(0, least - 1), None if repeats else len(places) - 1)
            whole = self.separated(of, first=True) + more
            return whole if least else whole | self.nothing()
        rest: TextGrammar = literal("")
        for index in range(len(places) - 1, -1, -1):
            one = self.separated(self.item(places[index], where), first=not index)
            one = one.repeat(1) if repeats and index == len(places) - 1 else one
            none = literal("") if index else self.nothing()
            rest = (one + rest) | none if ends[index] else one + rest
        return rest

    def separated(self, of: TextGrammar, *, first: bool = False) -> TextGrammar:
        """Return the grammar of one part in a row, with what stands before it."""
        if self.style.spaced and self.blank is not None:
            return self.blank + of
        return of if first else sequence(self.style.between, of)

    def padded(self, of: TextGrammar, brackets: int | None = None) -> TextGrammar:
        """Return a value that is no string with the white space around it; `brackets`: the first of those
        that belong to it, where it holds others."""
        whole = of if brackets is None else self.bracketed(of, brackets)
        if not self.style.blanks:
            ends = self.blank if brackets is not None and self.style.spaced else None
            return whole if ends is None else whole + ends
        if self.blank is None:
            return sequence(self.style.frame, whole, self.style.frame)
        return self.blank + whole + self.blank

    def strings(self, menu: ValueMenu, stops: tuple[str, ...]) -> TextGrammar:
        """Return the strings of a value as they stand. They hold none of `stops`; where other values may
        stand in the same place, none is written like an object or an array."""
        assert menu.string is not None
        beside: list[Formula] = [Not(holding(stops))]
        if not (self.style.quote or self.style.types) and (menu.object is not None or menu.array is not None):
            beside.append(Not(Pattern(r"^[ \t\n\r]*[{\[]")))
        what = f"a string without {shown(stops)}"
        of = strings_of(menu.string.formulas[0], beside, what, self.plan.limits)
        if self.style.quote:
            quoted = sequence(self.style.quote, of, self.style.quote)
            return self.padded(quoted) if self.style.padded else quoted
        return framed(of, self.style.frame, exact=self.blank is None) if self.style.frame else of


def strings_of(of: Formula, beside: Sequence[Formula], what: str, limits: Limits) -> TextGrammar:
    """Return the grammar of the strings of a formula, in which grammars may stand, and of others that are
    regular. Raises `UnsupportedError` for grammars that hold together, or are denied."""
    return either(
        *(
            RegularGrammar(All((regular, *beside)), what, limits=limits)
            if texts is None
            else texts.of.narrowed(All((regular, *beside)))
            for texts, regular in ways_of(of)
        )
    )


def framed(of: TextGrammar, frame: str, *, exact: bool) -> TextGrammar:
    """Return raw strings with what usually stands on both sides of them. Whoever reads takes one `frame`
    away on each side, if it is there; a string that has one itself is therefore written with another."""
    whole = sequence(frame, of, frame)
    if exact:
        return whole
    begun = of - regex(re.escape(frame) + r"[\s\S]*")
    ended = regex(r"[\s\S]*" + re.escape(frame))
    return either(whole, frame + (of - ended), begun + frame, begun - ended)


def blank_of(whitespace: str) -> TextGrammar | None:
    """Return the grammar of white space between arguments under a policy; None: exactly what is usual."""
    kind, _, count = whitespace.partition(":")
    if kind not in ("any", "bounded"):
        return None
    count = "8" if kind == "bounded" else count
    return regex(rf"[ \t\n\r]{{0,{count}}}" if count else r"[ \t\n\r]*")


def gap(kind: str, blank: TextGrammar | None) -> TextGrammar:
    """Return the grammar of `$gap` or `$line`."""
    if blank is not None:
        return blank
    return literal("\n" if kind == "line" else "")


def is_integer(formula: Formula) -> bool:
    """Tell whether a formula of numbers says that they are integers."""
    if isinstance(formula, All):
        return any(map(is_integer, formula.of))
    return formula == PlainInteger() or (isinstance(formula, Multiple) and formula.of % 1 == 0)


def number_schema(formula: Formula) -> dict[str, Any]:
    """Return the schema of the numbers of a formula."""
    match formula:
        case All(parts):
            said = [number_schema(one) for one in parts]
            return {"type": "number", "allOf": said} if said else {"type": "number"}
        case Any_():
            return {"type": "number", "anyOf": [number_schema(one) for one in formula.of]}
        case Not():
            return {"type": "number", "not": number_schema(formula.of)}
        case Multiple(of):
            return {"type": "integer"} if of == 1 else {"type": "number", "multipleOf": _plain(of)}
        case PlainInteger():
            return {"type": "integer"}
        case Ranges():
            listed = formula.listed()
            if listed is not None:
                return {"enum": [_plain(Decimal(value)) for value in listed]}
            between = [_between(low, high) for low, high in formula.ends()]
            return between[0] if len(between) == 1 else {"type": "number", "anyOf": between}
    raise AssertionError(f"{type(formula).__name__} is no formula of numbers")


def _between(low: Cut | None, high: Cut | None) -> dict[str, Any]:
    """Return the schema of the numbers between two cuts."""
    bounds: dict[str, Any] = {"type": "number"}
    if low:
        bounds["exclusiveMinimum" if low[1] else "minimum"] = _plain(Decimal(low[0]))
    if high:
        bounds["maximum" if high[1] else "exclusiveMaximum"] = _plain(Decimal(high[0]))
    return bounds


def _plain(number: Decimal) -> int | Decimal:
    return int(number) if number == number.to_integral_value() else number


def has_documents(of: JsonSchemaGrammar) -> bool:
    """Tell whether a schema has a document."""
    try:
        network_of(of.document())
    except UnsatisfiableSchema:
        return False
    return True


def _own(
    schema: dict[str, Any] | bool, kept: Sequence[str] = ("$schema", "$id", "id", "$defs", "definitions")
) -> dict[str, Any]:
    """Return what a schema around another one needs of it, for its references."""
    return {name: schema[name] for name in kept if name in schema} if isinstance(schema, dict) else {}


def _mappings(schema: object) -> Iterator[Schema]:
    """Yield the mappings in a schema, itself too."""
    yield from (one for _, one in values_in(schema) if isinstance(one, Mapping))


def _is_local(schema: object) -> bool:
    """Return whether all references in a schema lead to its definitions."""
    asked = (one.get(key) for one in _mappings(schema) for key in ("$ref", "$dynamicRef"))
    return all(one.startswith(("#/$defs/", "#/definitions/")) for one in asked if isinstance(one, str))


def all_of(schema: Schema) -> str:
    """Return the name of `allOf` in the draft of a schema."""
    return "extends" if draft_of(str(schema.get("$schema", ""))) == "3" else "allOf"


def root_of(schema: Schema, begin: Schema | None = None) -> tuple[str, Schema]:
    """Return the schema to which the references at a schema's root lead, or those of a part of it, with its
    place; a reference that is no JSON pointer is not followed."""
    where, found = "#", schema if begin is None else begin
    seen = {where}
    while isinstance(reference := found.get("$ref"), str) and reference.startswith("#/"):
        target = target_of(schema, unquote(reference))
        if not isinstance(target, Mapping) or reference in seen:
            break
        seen.add(reference)
        where, found = reference, target
    return where, found


def _named(schema: object) -> Iterator[str]:
    """Yield the keys of all `properties` in a schema."""
    for one in _mappings(schema):
        properties = one.get("properties")
        yield from properties if isinstance(properties, Mapping) else ()


def _always_named(schema: Schema) -> Iterator[str]:
    """Yield the keys of a schema's `properties`, and of those that it adds whatever a value is."""
    rest: list[Any] = [schema]
    seen = set[int]()
    while rest:
        one = rest.pop()
        if isinstance(one, Mapping) and id(one) not in seen:
            seen.add(id(one))
            yield from one.get("properties", ())
            rest += (*_listed(one.get(all_of(schema), [])), root_of(schema, one)[1])


def of_objects(schema: Schema) -> dict[str, Any]:
    """Return the schema of the objects that a schema accepts: it says so at its root, or where a reference
    there leads."""
    if root_of(schema)[1].get("type") == "object":
        return dict(schema)
    kinds, draft = schema.get("type"), draft_of(str(schema.get("$schema", "")))
    is_void = "$ref" in schema and draft in DRAFTS[:4]  # there nothing counts beside a reference
    moved = {"$ref": schema["$ref"]} if is_void else {}
    if any(isinstance(kind, Mapping) for kind in _listed(kinds)):
        if draft != DRAFTS[0]:  # which alone has schemas there
            return dict(schema)  # refused in its place
        moved["type"] = kinds
    if not moved:
        return {**schema, "type": "object"}
    rest = _own(dict(schema)) if is_void else {key: one for key, one in schema.items() if key not in moved}
    together = all_of(schema)
    return {**rest, "type": "object", together: [*_listed(rest.get(together, [])), moved]}


def _listed(value: Any) -> list[Any]:
    """Return a list as it is, and the list of another value."""
    return value if isinstance(value, list) else [value]


def kinds_of(menu: ValueMenu, *, with_strings: bool = True) -> list[str]:
    """Return the types that a value may have."""
    kinds = {
        "object": menu.object,
        "array": menu.array,
        "number": menu.number,
        "boolean": menu.true if menu.true is not None else menu.false,
        "null": menu.null,
        "string": menu.string if with_strings else None,
    }
    return [kind for kind, found in kinds.items() if found is not None]


def _refused(what: str, where: str, keyword: str = "type") -> UnsupportedError:
    return UnsupportedError(
        what,
        keyword=keyword,
        where=where,
        cure="Describe each argument by itself, or use a format whose arguments are JSON.",
    )
