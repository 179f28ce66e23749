"""Finds the arguments of one tool, with their names and values, for formats that write them one by one.

The *network* of a schema answers which keys and values may come, so a keyword has the same meaning as in
JSON. A *place* is the set of demands on one value, at least one of which must come true. An *outcome* is the
set of demands that a finished value has met. A *residue* is what an object or an array still has to fulfil. A
*menu* lists the kinds of values that may come at a place. A *row* is the set of arguments of one call.

For example, if `days` is required where `city` is given, there are two rows: (`city`, `days`), and `days` as
an optional argument alone. A schema that demands more than names and values (such as "at least two
arguments") is refused, with the place in the schema. In methods, `where` is a place in the schema, for
errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any, Final, NamedTuple, TypeAlias

from structgen.base.errors import UnsatisfiableSchema, UnsupportedError
from structgen.base.json_text.exact_json import escape
from structgen.base.language.ir import All, Any_, Formula, Not, Spec, ValueMenu
from structgen.grammars.json_grammars.plain_network import network_of
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar, json_schema
from structgen.grammars.text_grammars.composition.argument_roots import (
    Schema,
    all_of,
    always_named,
    as_list,
    copy_shared_keywords,
    is_local,
    named_properties,
    of_objects,
    root_of,
)
from structgen.grammars.text_grammars.regular_formulas import containing_words

Options: TypeAlias = "Mapping[str, Any]"
"""Policies: options of `sg.json_schema`, by name."""
_OPENING: Final = "additionalProperties", "patternProperties", "unevaluatedProperties"
"""Keywords that allow keys without naming them."""
_COMBINING: Final = (
    *("$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas", "dependentRequired"),
    *("dependencies", "propertyNames", "minProperties", "maxProperties", "enum", "const", "extends"),
)
"""Keywords that may restrict several arguments together."""
_ITEMS: Final = 10_000
"""The most items of an array that are followed one by one."""
_ROWS: Final = 64
"""The most rows, which are written as alternatives. There are several rows where the presence or the values
of arguments depend on one another."""


class KnownMember(NamedTuple):
    """One argument, or one key of an object in them."""

    key: str
    place: int
    """The place of its value in the network. `ArgumentPlan.value_menu` returns the values there."""
    is_required: bool
    outcomes: frozenset[int] | None = None
    """The outcomes that the value may have; None: any."""


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
        self.written = grammar.policies
        self.limits = grammar.limits
        # white space is the style's own: the network need not have any
        document = grammar.document(policies=grammar.policies.widen_options("whitespace"))
        document.require_handled()
        self.network = network_of(document)
        self.loose: frozenset[str] = frozenset()
        """The names of the arguments that may come in any order among themselves."""
        self.rows = self._argument_rows()
        """All rows. Each call has the arguments of one of them."""
        self.root = self._all_members()
        """Every argument of the rows once, for those that read calls."""
        _, root = root_of(self.schema)
        self.is_open = "properties" not in root and self._takes_any()
        """Whether the schema names no argument, and allows any."""

    def _check_root(self) -> None:
        """Raise `UnsupportedError` for a root that is not an object, or allows keys that it does not name."""
        where, root = root_of(self.schema)
        kinds = as_list(root.get("type", "object"))
        if not any(isinstance(kind, Mapping) or kind == "object" for kind in kinds):
            raise unsupported_error("Arguments must be an object.", f"{where}/type")
        for keyword in _OPENING:
            keyword_value = root.get(keyword, False)
            if keyword_value is False:
                continue
            if keyword_value or keyword != "patternProperties":  # an empty schema allows any value
                fault = "Arguments that the schema does not name are allowed."
                raise unsupported_error(fault, f"{where}/{keyword}", keyword)

    def _argument_rows(self) -> tuple[Row, ...]:
        """Return the rows: the sets of arguments that a call may have. There are several (`_ROWS` at most)
        where the presence or the values of arguments depend on one another."""
        residue = self.value_menu(self.network.root, "#").object
        assert residue is not None, "the root is an object"
        if self.network.simple(residue) is not None:
            return (self.object_members(residue, "#", is_root=True),)
        names, ordered_names = self.network.key_names(residue)
        self.loose = frozenset(names[ordered_names:])
        rows = _Rows(self, names).rows_after(0, residue)
        if not rows:
            raise self.dependence_error("Only arguments that the schema does not name satisfy it.")
        return rows

    def _takes_any(self) -> bool:
        """Return whether any argument is allowed, with any value."""
        residue = self.network.entry(self.network.root).object
        if residue is None:
            return False
        plain = self.network.simple(residue)
        if plain is None or plain.names or plain.extra < 0:
            return False
        return not self.network.sources(plain.extra)

    def dependence_error(self, fault: str) -> UnsupportedError:
        """Return the error for arguments that the schema restricts together. `fault`: the message. The place
        is that of the first keyword in `_COMBINING` at the root."""
        where, root = root_of(self.schema)
        keyword = next((keyword for keyword in _COMBINING if keyword in root), "type")
        if keyword in root:
            where = f"{where}/{keyword}"
        return unsupported_error(fault, where, keyword)

    def _all_members(self) -> Row:
        """Return each argument of the rows once. Errors: `UnsupportedError` where the text of a value does
        not tell whether it is a string."""
        members: dict[str, KnownMember] = {}
        for row in self.rows:
            for member in row:
                first = members.setdefault(member.key, member._replace(outcomes=None))
                if member.place != first.place:
                    self._check_kinds(first, member)
        return tuple(members.values())

    def _check_kinds(self, first: KnownMember, second: KnownMember) -> None:
        """Raise `UnsupportedError` where an argument is a string in one row, and may be another value in
        another row: a reader of the text could not know which. `first`, `second`: the argument in two
        rows."""
        first_kinds = set(kinds_of(self.network.entry(first.place)))
        second_kinds = set(kinds_of(self.network.entry(second.place)))
        is_string_once = ("string" in first_kinds) != ("string" in second_kinds)
        is_string_or_other = "string" in first_kinds and len(first_kinds | second_kinds) > 1
        if is_string_once or is_string_or_other:
            fault = f"Whether {first.key!r} is a string depends on the other arguments."
            raise self.dependence_error(fault)

    def value_menu(self, place: int, where: str, outcomes: frozenset[int] | None = None) -> ValueMenu:
        """Return the menu of a place, restricted to values with one of `outcomes` (None: any). Raises
        `UnsupportedError` where the outcome of an object or an array matters."""
        menu = self.network.entry(place)
        if len(self.network.tables.places[place]) == 1:  # one demand, and each value meets it
            return menu
        if menu.object is not None or menu.array is not None:
            raise unsupported_error("The schema constrains this value together with its neighbours.", where)
        constants: dict[str, int] = {}
        for kind in ("true", "false", "null"):
            outcome = getattr(menu, kind)
            if outcomes is None or outcome in outcomes:
                constants[kind] = outcome
        return ValueMenu(
            string=menu.string and Spec((self.value_formula(menu.string, outcomes),)),
            number=menu.number and Spec((self.value_formula(menu.number, outcomes),)),
            **constants,
        )

    def value_formula(self, of: Spec, outcomes: frozenset[int] | None) -> Formula:
        """Return the formula of the strings or numbers with one of `outcomes` (None: any). `of`: the formulas
        of the place's demands."""
        if outcomes is None:
            return Any_(of.formulas)
        alternatives: list[Formula] = []
        for outcome in sorted(outcomes):
            # an outcome is the set of the demands that are met; all others are not
            met_demands = self.network.outcomes.values[outcome]
            literals = [
                formula if index in met_demands else Not(formula) for index, formula in enumerate(of.formulas)
            ]
            alternatives.append(All(tuple(literals)))
        return Any_(tuple(alternatives))

    def value_outcomes(self, place: int, where: str) -> Iterator[int]:
        """Yield the outcomes that a value of a place may have."""
        demand_count = len(self.network.tables.places[place])
        if demand_count == 1:
            yield 0
            return
        whole = self.value_menu(place, where, None)
        constant_outcomes = whole.true, whole.false, whole.null
        # each set of demands that is not empty: a value that meets none is not allowed
        for met_count in range(1, demand_count + 1):
            for met_demands in combinations(range(demand_count), met_count):
                outcome = self.network.outcomes(frozenset(met_demands))
                menu = self.value_menu(place, where, frozenset((outcome,)))
                if outcome in constant_outcomes or self.has_string(menu) or self.has_number(menu):
                    yield outcome

    def has_string(self, menu: ValueMenu, stops: tuple[str, ...] = ()) -> bool:
        """Return whether a value of a menu may be a string that contains none of `stops`."""
        if menu.string is None:
            return False
        conditions: list[Formula] = [menu.string.formulas[0]]
        if stops:
            conditions.append(Not(containing_words(stops)))
        return self.network.scalars.strings.exists(All(tuple(conditions)))

    def has_number(self, menu: ValueMenu) -> bool:
        """Return whether a value of a menu may be a number."""
        if menu.number is None:
            return False
        return bool(self.network.scalars.numbers.shortest(menu.number))

    def schema_place(self, place: int, otherwise: str) -> str:
        """Return the place in the schema of the first keyword that restricts a value; `otherwise` if there is
        none."""
        return next(iter(self.network.sources(place)), otherwise)

    def object_members(self, residue: int, where: str, *, is_root: bool = False) -> Row:
        """Return the keys of an object by its residue, in their order. The root, and an object that names
        some keys, get no other keys. Raises `UnsupportedError` for keys that depend on one another, and for
        an object that has only keys without a name in the schema."""
        plain = self.network.simple(residue)
        if plain is None:
            raise unsupported_error("The keys of an object depend on its values or on one another.", where)
        is_open = plain.extra >= 0 and not is_root
        if is_open and (not plain.names or self.network.sources(plain.extra)):
            raise unsupported_error(
                "The object may have keys that the schema does not name.", where, "additionalProperties"
            )
        members = map(KnownMember, plain.names, plain.places, plain.required)
        # below 0: no value is allowed, so the key never occurs
        return tuple(member for member in members if member.place >= 0)

    def array_items(self, residue: int, where: str) -> tuple[list[int], list[bool], bool]:
        """Return three things for the array with a residue: the places of its items; whether the array may
        end before each item and after the last; and whether the last item repeats without end."""
        places: list[int] = []
        ends: list[bool] = []
        while len(places) <= _ITEMS:
            menu = self.network.items(residue)
            if menu.values:
                raise unsupported_error(
                    "The type of an item depends on the other items.", where, "uniqueItems"
                )
            ends.append(menu.close is not None)
            if menu.item is None:
                return places, ends, False
            places.append(menu.item)
            if len(self.network.tables.places[menu.item]) > 1:
                raise unsupported_error("The type of an item depends on the other items.", where, "contains")
            after = self.network.after(residue, None, 0)
            if after == residue:  # the residue stays the same: all further items are like this one
                return places, ends, True
            residue = after
        raise unsupported_error(
            f"An array may have more than {_ITEMS:,} items, but not any number.", where, "maxItems"
        )

    def subschema_of(self, place: int, where: str) -> dict[str, Any] | bool:
        """Return a schema of the values of a place, with the definitions that its references need."""
        can_copy = is_local(self.schema)
        around = copy_shared_keywords(self.schema)
        base = ""
        if not can_copy:  # references begin at the root of the whole schema, which an identifier says
            identifiers = (self.schema[key] for key in ("$id", "id") if key in self.schema)
            base = next(identifiers, "arguments:")
            whole = {**dict.fromkeys(("id", "$id"), base), **self.schema}
            around = copy_shared_keywords(self.schema, ("$schema",))
            around["definitions"] = {"arguments": whole}
        parts: list[Any] = []
        for schema, is_negated in self.network.schemas_of(place):
            if schema is None:
                raise unsupported_error("No keyword of a single schema describes the value.", where)
            part = schema.raw if can_copy else {"$ref": base.rstrip("#") + schema.pointer}
            parts.append({"not": part} if is_negated else part)
        if not parts:
            return True
        if len(parts) == 1 and can_copy:
            return {**around, **parts[0]}
        return {**around, all_of(self.schema): parts}


def plan_of(schema: Schema, policies: Options) -> ArgumentPlan:
    """Return the plan of a schema. `policies`: options of `sg.json_schema`. The last 512 plans are kept.
    Errors: `UnsupportedError` with the place in the schema, and those of `sg.json_schema`."""
    options = sorted(policies.items(), key=lambda option: option[0])
    plan_key = _PlanKey(repr((schema, options)))
    plan_key.schema = schema
    plan_key.policies = policies
    return _make_plan(plan_key)


class _PlanKey(str):
    """A key for a schema with policies: the text of both. Dicts themselves cannot be keys of a cache."""

    schema: Schema
    policies: Options


@lru_cache(maxsize=512)
def _make_plan(plan_key: _PlanKey) -> ArgumentPlan:
    return ArgumentPlan(plan_key.schema, plan_key.policies)


def takes_nothing(schema: Schema, policies: Options) -> bool:
    """Return whether a call may have no arguments. Errors: those of `sg.json_schema`."""
    network = network_of(json_schema(of_objects(schema), **policies).document())
    residue = network.entry(network.root).object
    return residue is not None and network.menu(residue).close is not None


class _Rows:
    """Enumerates the rows of a plan. `names`: the names of all arguments, in their order."""

    def __init__(self, plan: ArgumentPlan, names: Sequence[str]) -> None:
        self.plan = plan
        self.names = names
        self._sometimes_named = set(named_properties(plan.schema)) - set(always_named(plan.schema))
        """The arguments that the schema names only under a condition. Other calls may have them only because
        the schema allows keys that it does not name."""
        self._known_rows: dict[tuple[int, int], tuple[Row, ...]] = {}
        """The known answers of `rows_after`, by (index, residue)."""

    def rows_after(self, index: int, residue: int) -> tuple[Row, ...]:
        """Return the ends of rows: the sets of arguments, from the name at `index` on, that may follow at a
        residue. A name that may be present or absent whatever else comes is an optional argument of one row,
        and does not make two rows."""
        rows = self._known_rows.get((index, residue))
        if rows is None:
            rows = self._find_rows(index, residue)
            if len(rows) > _ROWS or len(self._known_rows) > _ROWS * len(self.names):
                raise self.plan.dependence_error(f"The arguments form more than {_ROWS} sets.")
            self._known_rows[index, residue] = rows
        return rows

    def _find_rows(self, index: int, residue: int) -> tuple[Row, ...]:
        """Compute `rows_after` from the rows after the next name: those without the name at `index`, and
        those with it, for each outcome of its value."""
        network = self.plan.network
        if index == len(self.names):
            return () if network.menu(residue).close is None else ((),)
        name = self.names[index]
        rows_without = self.rows_after(index + 1, residue)
        place = network.menu(residue).names.get(name)
        if place is None:
            return rows_without
        if rows_without and name in self._sometimes_named and not network.sources(place):
            return rows_without
        outcomes_by_row: dict[Row, set[int]] = {}
        """For each row after the name, the outcomes of its value with which the row may follow."""
        member_place = self.plan.schema_place(place, f"#/properties/{escape(name)}")
        possible = set(self.plan.value_outcomes(place, member_place))
        for outcome in possible:
            residue_after = network.after(residue, name, outcome)
            for row in self.rows_after(index + 1, residue_after):
                outcomes_by_row.setdefault(row, set()).add(outcome)
        # a row that follows whatever the value is, and without it too, is in the result once: optional
        rows = [row for row in rows_without if outcomes_by_row.get(row) != possible]
        for row, outcomes in outcomes_by_row.items():
            allowed = None if outcomes == possible else frozenset(outcomes)
            is_required = allowed is not None or row not in rows_without
            member = KnownMember(name, place, is_required, allowed)
            rows.append((member, *row))
        return tuple(rows)


def has_documents(of: JsonSchemaGrammar) -> bool:
    """Return whether a schema has a document."""
    try:
        network_of(of.document())
    except UnsatisfiableSchema:
        return False
    return True


def kinds_of(menu: ValueMenu, *, with_strings: bool = True) -> list[str]:
    """Return the JSON types of the values of a menu. `with_strings`: "string" may be among them."""
    parts = {
        "object": menu.object,
        "array": menu.array,
        "number": menu.number,
        "boolean": menu.true if menu.true is not None else menu.false,
        "null": menu.null,
        "string": menu.string if with_strings else None,
    }
    return [kind for kind, part in parts.items() if part is not None]


def unsupported_error(fault: str, where: str, keyword: str = "type") -> UnsupportedError:
    """Return the error for arguments that cannot be described one by one. `where`: the place of `keyword` in
    the schema."""
    return UnsupportedError(
        fault,
        keyword=keyword,
        where=where,
        cure="Describe each argument separately, or use a format whose arguments are JSON.",
    )
