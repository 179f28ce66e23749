"""The grammar of arguments that stand one by one: `<parameter=city>Oslo</parameter>`.

What the arguments may be is asked of the schema's network, so that a keyword means here what it means in
JSON: strings are the texts of the network's formula, without the text that ends them. Where a schema says
more than which arguments there are and what each may be, it is refused, with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from structgen.errors import OptionError, UnsupportedError
from structgen.json_grammars.plain_network import network_of
from structgen.json_grammars.schema_grammar import JsonSchemaGrammar, json_schema
from structgen.language.ir import (
    All,
    Any_,
    Formula,
    Interval,
    Multiple,
    Network,
    Not,
    Pattern,
    PlainInteger,
    Points,
    ValueMenu,
)
from structgen.text_grammars.composition.argument_styles import ArgumentStyle
from structgen.text_grammars.composition.bans import without
from structgen.text_grammars.composition.quoted_values import quoted_values, writes_as_json
from structgen.text_grammars.composition.templates import TEXT, filled, pieces
from structgen.text_grammars.regular import RegularGrammar, literal, regex
from structgen.text_grammars.regular_formulas import holding, shown
from structgen.text_grammars.text_grammar import TextGrammar, as_text, either, in_any_order, sequence

_COMBINING: Final = (
    "$dynamicRef allOf anyOf oneOf not if then else dependentSchemas dependentRequired dependencies "
    "patternProperties propertyNames minProperties maxProperties unevaluatedProperties enum const extends"
).split()
_NO_TEXTS: Final[Mapping[str, TextGrammar]] = MappingProxyType({})
_ITEMS: Final = 10_000
"""The longest array that is followed item by item."""


class KnownMember(NamedTuple):
    """One argument, or one key of an object in them."""

    key: str
    place: int
    """Its place in the network; what its value may be: `ArgumentPlan.menu`."""
    required: bool


class ArgumentPlan:
    """The arguments of one tool, in a format that writes them one by one. Made by `plan_of`."""

    def __init__(self, schema: Mapping[str, Any], policies: Mapping[str, Any]) -> None:
        self.policies = dict(policies)
        self.schema = _root_object(dict(schema))
        grammar: JsonSchemaGrammar = json_schema(dict(self.schema), **policies)
        self.written, self.limits = grammar.policies, grammar.limits
        self.network: Network = network_of(grammar.document())
        root = self.menu(self.network.root, "#")
        assert root.object is not None
        self.root = self.members(root.object, "#")

    def menu(self, place: int, where: str) -> ValueMenu:
        """Return what a value may be. Raises `UnsupportedError` where that depends on its neighbours."""
        menu = self.network.entry(place)
        specs = [spec for spec in (menu.string, menu.number) if spec is not None]
        if any(len(spec.formulas) != 1 for spec in specs):
            raise _refused("It is said of this value and of its neighbours together what they are.", where)
        return menu

    def members(self, residue: int, where: str) -> tuple[KnownMember, ...]:
        """Return the keys of an object, in their order; of one that names some, none but those."""
        plain = self.network.simple(residue)
        if plain is None:
            raise _refused("Which keys an object has depends on their values or on one another.", where)
        if plain.extra >= 0 and (not plain.names or self.network.sources(plain.extra)):
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
            self.menu(menu.item, where)
            after = self.network.after(residue, None, 0)
            if after == residue:
                return places, ends, True
            residue = after
        raise _refused(
            f"An array may have more than {_ITEMS:,} items, and not any number.", where, "maxItems"
        )

    def subschema(self, key: str) -> dict[str, Any] | bool:
        """Return the schema of one argument, with the definitions that it may refer to."""
        found = self.schema["properties"][key]
        if not isinstance(found, Mapping):
            return bool(found)
        kept = ("$schema", "$id", "id", "$defs", "definitions")
        return {**{name: self.schema[name] for name in kept if name in self.schema}, **found}


def plan_of(schema: Mapping[str, Any], policies: Mapping[str, Any]) -> ArgumentPlan:
    """Return the plan of a schema; the last ones are kept. Errors: `UnsupportedError` with the place, and
    those of `sg.json_schema`."""
    return _plan(_Given(schema, policies))


class _Given:
    """A schema and policies, equal where they are written alike."""

    def __init__(self, schema: Mapping[str, Any], policies: Mapping[str, Any]) -> None:
        self.schema, self.policies = schema, policies
        self._written = repr((schema, sorted(policies.items(), key=lambda one: one[0])))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Given) and self._written == other._written

    def __hash__(self) -> int:
        return hash(self._written)


@lru_cache(maxsize=512)
def _plan(given: _Given) -> ArgumentPlan:
    return ArgumentPlan(given.schema, given.policies)


def argument_grammar(
    schema: Mapping[str, Any],
    policies: Mapping[str, Any],
    style: ArgumentStyle,
    excludes: Sequence[str] = (),
    most_blanks: int | None = None,
    texts: Mapping[str, TextGrammar] = _NO_TEXTS,
) -> TextGrammar:
    """Return the grammar of the arguments of one tool, in a style whose `member` says how each stands.

    `excludes`: texts that no string and no name of an argument holds. `most_blanks`: characters of white
    space that stand together at most, outside of strings. `texts`: grammars of arguments that are strings.
    """
    try:
        return _Writer(plan_of(schema, policies), style, tuple(excludes), most_blanks, texts).arguments()
    except UnsupportedError:
        if not writes_as_json(style):
            raise
        return quoted_values(schema, policies, style, excludes)


def has_no_arguments(schema: Mapping[str, Any]) -> bool:
    """Tell whether a call without arguments is allowed by `required`."""
    return not _root_object(dict(schema)).get("required")


class _Writer:
    """Builds the grammar of arguments from a plan."""

    def __init__(
        self,
        plan: ArgumentPlan,
        style: ArgumentStyle,
        excludes: tuple[str, ...],
        most_blanks: int | None,
        texts: Mapping[str, TextGrammar],
    ) -> None:
        self.plan, self.style, self.excludes, self.most_blanks = plan, style, excludes, most_blanks
        self.texts = texts
        self.blank = blank_of(plan.written.whitespace, most_blanks)
        self.open: list[int] = []

    def arguments(self) -> TextGrammar:
        return self.bracketed(self.members(self.plan.root, "#", nested=False), 0)

    def members(self, members: Sequence[KnownMember], where: str, *, nested: bool) -> TextGrammar:
        parts = []
        for member in members:
            there = f"{where}/properties/{_pointer(member.key)}"
            excluded = next((one for one in self.excludes if one in member.key), None)
            if excluded is not None and not member.required:
                continue
            if excluded is not None:
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
            parts.append((self.element(self.style.member, member, there, key), member.required))
        return self.row(parts)

    def row(self, parts: Sequence[tuple[TextGrammar, bool]]) -> TextGrammar:
        """Return parts one after another, with what separates them; those that need not be may be absent."""
        if self.plan.written.property_order == "any":
            return self.shuffled(parts)
        if self.style.spaced and self.blank is not None:
            blank = self.blank
            return sequence(*(blank + of if needed else (blank + of).optional() for of, needed in parts))
        later: TextGrammar = literal("")
        first: TextGrammar = literal("")
        for of, needed in reversed(parts):
            first = of + later if needed else (of + later) | first
            later = (
                self.style.between + of + later if needed else (self.style.between + of).optional() + later
            )
        return first

    def shuffled(self, parts: Sequence[tuple[TextGrammar, bool]]) -> TextGrammar:
        """Return parts in any order, with what separates them."""
        blank = self.blank if self.style.spaced else None
        of = [(part if blank is None else blank + part, needed) for part, needed in parts]
        between = self.style.between if blank is None else ""
        return in_any_order([p for p, needed in of if needed], [p for p, needed in of if not needed], between)

    def bracketed(self, inside: TextGrammar, at: int) -> TextGrammar:
        brackets = self.style.brackets
        return sequence(brackets[at], inside, brackets[at + 1]) if brackets else inside

    def element(self, template: str, member: KnownMember, where: str, key: str | None) -> TextGrammar:
        """Return the grammar of an argument or an item between its texts; `key` where it is an argument of
        the tool itself."""
        head, _, tail = template.partition("$value")
        values = {"key": member.key}
        words: dict[str, list[TextGrammar]] = {}
        end = filled(tail, values)
        for kind, grammar in self.values(member, where, key, self.stops(end)):
            words.setdefault(self.style.types.get(kind, ""), []).append(grammar)
        return either(
            *(
                sequence(*self.spelled(head, {**values, "type": word}), either(*of), end)
                for word, of in words.items()
            )
        )

    def stops(self, end: str) -> tuple[str, ...]:
        """Return what a string that `end` follows does not hold."""
        return (*(self.style.stops or (self.style.quote or end, *self.style.ends)), *self.excludes)

    def spelled(self, template: str, values: Mapping[str, str]) -> Iterator[TextGrammar]:
        for kind, text in pieces(template):
            if kind in ("gap", "line"):
                yield gap(kind, self.blank)
            else:
                yield literal(text if kind == TEXT else values[kind])

    def values(
        self, member: KnownMember, where: str, key: str | None, stops: tuple[str, ...]
    ) -> Iterator[tuple[str, TextGrammar]]:
        """Yield what a value may be, with its type; with what may stand around it."""
        menu = self.plan.menu(member.place, where)
        if key is not None and key in self.texts:
            around = self.style.quote or self.style.frame
            yield "string", sequence(around, without(self.texts[key], stops), around)
            return
        if menu.string is not None:
            yield "string", self.strings(menu, stops)
        if menu.object is not None or menu.array is not None:
            if key is not None and not self.style.nested:
                yield from self.json(menu, key, where)
                return
            try:
                yield from list(self.nested(member.place, menu, where))
            except UnsupportedError:
                if key is None or self.style.quote:
                    raise
                yield from self.json(menu, key, where)
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

    def json(self, menu: ValueMenu, key: str, where: str) -> Iterator[tuple[str, TextGrammar]]:
        """Yield the values of an argument that are no strings, as JSON; those of each word apart."""
        schema = self.plan.subschema(key)
        kinds = {
            "object": menu.object,
            "array": menu.array,
            "number": menu.number,
            "boolean": menu.true if menu.true is not None else menu.false,
            "null": menu.null,
        }
        there = [kind for kind, found in kinds.items() if found is not None]
        groups: dict[str, list[str]] = {}
        for kind in there:
            # where objects are usually not JSON, the word for JSON is that of numbers
            word = "number" if self.style.nested else kind
            groups.setdefault(self.style.types.get(word, ""), []).append(kind)
        for of in groups.values():
            one = (
                schema
                if len(groups) == 1 and menu.string is None
                else {**_own(schema), "allOf": [schema], "type": of}
            )
            grammar = json_schema(one, **{**self.plan.policies, "strict": None})
            said = as_text(without(grammar, (*self.style.stops, *self.excludes)))
            said = less_spaced(said, self.plan.written.whitespace, self.most_blanks)
            kind = "number" if self.style.nested else of[0]
            yield kind, self.padded(said) if self.blank is None else said  # else JSON has it in itself

    def array(self, residue: int, where: str) -> TextGrammar:
        places, ends, repeats = self.plan.items(residue, where)
        item = self.style.item
        if len(set(places)) <= 1:
            if not places:
                return literal("")
            of = self.element(item, KnownMember("", places[0], True), f"{where}/items", None)
            least, most = ends.index(True), None if repeats else len(places)
            return self.repeated(of, least, most)
        of_each = [
            self.element(item, KnownMember("", place, True), f"{where}/items", None) for place in places
        ]
        first = of_each[0]
        rest: TextGrammar = literal("")
        for index in range(len(places) - 1, 0, -1):
            one = self.separated(of_each[index])
            one = one.repeat(1) if repeats and index == len(places) - 1 else one
            rest = (one + rest).optional() if ends[index] else one + rest
        first = self.separated(first, first=True) + rest
        return first.optional() if ends[0] else first

    def repeated(self, of: TextGrammar, least: int, most: int | None) -> TextGrammar:
        if most == 0:
            return literal("")
        more = self.separated(of).repeat(max(0, least - 1), None if most is None else most - 1)
        whole = self.separated(of, first=True) + more
        return whole if least else whole.optional()

    def separated(self, of: TextGrammar, *, first: bool = False) -> TextGrammar:
        """Return the grammar of one part in a row, with what stands before it."""
        if self.style.spaced and self.blank is not None:
            return self.blank + of
        return of if first else self.style.between + of

    def padded(self, of: TextGrammar, brackets: int | None = None) -> TextGrammar:
        """Return a value that is no string with the white space around it; `brackets`: the first of those
        that belong to it, where it holds others."""
        whole = of if brackets is None else self.bracketed(of, brackets)
        if not self.style.blanks:
            ends = self.blank if brackets is not None and self.style.spaced else None
            return whole if ends is None else whole + ends
        if self.blank is None:
            return self.style.frame + whole + self.style.frame
        return self.blank + whole + self.blank

    def strings(self, menu: ValueMenu, stops: tuple[str, ...]) -> TextGrammar:
        """Return the strings of a value as they stand. They hold none of `stops`; where other values may
        stand in the same place, none is written like an object or an array."""
        assert menu.string is not None
        what = f"a string without {shown(stops)}"
        formula: Formula = All((menu.string.formulas[0], Not(holding(stops))))
        of = RegularGrammar(formula, what, limits=self.plan.limits)
        if self.style.quote:
            return self.style.quote + of + self.style.quote
        if not self.style.types and (menu.object is not None or menu.array is not None):
            formula = All((formula, Not(Pattern(r"^[ \t\n\r]*[{\[]"))))
            of = RegularGrammar(formula, what, limits=self.plan.limits)
        return framed(of, self.style.frame, exact=self.blank is None) if self.style.frame else of


def framed(of: RegularGrammar, frame: str, *, exact: bool) -> TextGrammar:
    """Return raw strings with what usually stands on both sides of them. Whoever reads takes one `frame`
    away on each side, if it is there; a string that has one itself is therefore written with another."""
    whole = frame + of + frame
    if exact:
        return whole
    begun = of - regex(re.escape(frame) + r"[\s\S]*")
    ended = regex(r"[\s\S]*" + re.escape(frame))
    return either(whole, frame + (of - ended), begun + frame, begun - ended)


def blank_of(whitespace: str, most: int | None = None) -> TextGrammar | None:
    """Return the grammar of white space between arguments under a policy, of `most` characters at most; None:
    exactly what is usual."""
    if whitespace not in ("any", "bounded"):
        return None
    counts = [one for one in (8 if whitespace == "bounded" else None, most) if one is not None]
    return regex(rf"[ \t\n\r]{{0,{min(counts)}}}" if counts else r"[ \t\n\r]*")


def less_spaced(of: TextGrammar, whitespace: str, most: int | None) -> TextGrammar:
    """Return the texts of JSON, written under a policy, in which `most` characters of white space stand
    together at most, those inside strings not counted. Cost: masks are made byte by byte, unless the policy
    writes no more anyway."""
    if most is None or whitespace == "compact" or (whitespace == "oneline" and most):
        return of
    blanks = rf"[ \t\n\r]{{0,{most}}}"
    return of & regex(rf'(?:{blanks}(?:"(?:[^"\\]|\\[\s\S])*"|[^" \t\n\r]))*{blanks}')


def gap(kind: str, blank: TextGrammar | None) -> TextGrammar:
    """Return the grammar of `$gap` or `$line`."""
    if blank is not None:
        return blank
    return literal("\n" if kind == "line" else "")


def is_integer(formula: Formula) -> bool:
    """Tell whether a formula of numbers says that they are integers."""
    if isinstance(formula, All):
        return any(map(is_integer, formula.of))
    return isinstance(formula, PlainInteger) or (isinstance(formula, Multiple) and formula.of % 1 == 0)


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
        case Points(of):
            return {"enum": [_plain(Decimal(value)) for value in sorted(of)]}
        case Interval():
            bounds: dict[str, Any] = {"type": "number"}
            if formula.low is not None:
                bounds["exclusiveMinimum" if formula.open_low else "minimum"] = _plain(formula.low)
            if formula.high is not None:
                bounds["exclusiveMaximum" if formula.open_high else "maximum"] = _plain(formula.high)
            return bounds
    raise AssertionError(f"{type(formula).__name__} is no formula of numbers")


def _plain(number: Decimal) -> int | Decimal:
    return int(number) if number == number.to_integral_value() else number


def _own(schema: dict[str, Any] | bool) -> dict[str, Any]:
    """Return what a schema around another one needs of it, for its references."""
    kept = ("$schema", "$defs", "definitions")
    return {name: schema[name] for name in kept if name in schema} if isinstance(schema, dict) else {}


def _root_object(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of the arguments, the references at its root followed; one that has nothing but
    `properties` and `required` to say. Errors: `UnsupportedError`."""
    seen: set[str] = set()
    while isinstance(schema.get("$ref"), str):
        reference = schema["$ref"]
        target: Any = schema
        for part in reference.removeprefix("#").split("/")[1:]:
            part = part.replace("~1", "/").replace("~0", "~")
            target = target.get(part) if isinstance(target, dict) else None
        if not reference.startswith("#") or not isinstance(target, dict) or reference in seen:
            raise _refused(f"The reference {reference!r} is not followed.", "#", "$ref")
        seen.add(reference)
        kept = ("$schema", "$defs", "definitions")
        schema = {**{name: schema[name] for name in kept if name in schema}, **target}
    for keyword in _COMBINING:
        if keyword in schema:
            raise _refused("The schema combines schemas of all arguments.", f"#/{keyword}", keyword)
    if "object" not in (kinds if isinstance(kinds := schema.get("type", "object"), list) else [kinds]):
        raise _refused("Arguments are an object.", "#/type")
    schema.setdefault("properties", {})
    if schema.get("additionalProperties") not in (None, False):
        raise _refused(
            "Arguments that the schema does not name may be given.",
            "#/additionalProperties",
            "additionalProperties",
        )
    return {**schema, "type": "object", "additionalProperties": False}


def _pointer(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _refused(what: str, where: str, keyword: str = "type") -> UnsupportedError:
    return UnsupportedError(
        what,
        keyword=keyword,
        where=where,
        cure="Describe each argument by itself, or use a format whose arguments are JSON.",
    )
