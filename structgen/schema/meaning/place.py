"""Literals, demands and places: what a schema asks of one value, each as a small integer.

A *literal* is a schema that the value meets, or a denied schema that it does not meet. A *demand* is a
conjunction of literals, in the order of the text. A *place* is an ordered tuple of distinct demands: the
value must meet at least one of them. For example a value under `{"allOf": [A, {"not": B}]}` has the place of
one demand, whose literals are A and "not B".

Demands and places are *interned*: equal ones have the same number. They are simplified before that.
References are followed, an `allOf` without other keywords is opened, literals that are always true are
dropped. A *twin* is the first of several literals of scalars that mean the same.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache, reduce
from operator import or_
from typing import Any, TypeAlias, cast
from weakref import proxy

from structgen.base.errors import LimitError
from structgen.base.json_text.exact_json import Json
from structgen.base.language.numbered import Numbered
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.schema.meaning import simple_patterns
from structgen.schema.meaning.literals import (
    ALWAYS,
    ARRAY,
    BOOLEAN,
    EVERY,
    NEVER,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    Literal,
    Literals,
)
from structgen.schema.reading.json_values import Digests, equality_key
from structgen.schema.reading.keywords import SPEAKS_OF
from structgen.schema.reading.model import Schema, in_place, parts_of, with_others

ANYTHING, NOTHING = 0, -1
"""The demand without literals, which every value meets, and the one that no value meets."""

TYPE_BITS = {
    "object": OBJECT,
    "array": ARRAY,
    "string": STRING,
    "number": NUMBER,
    "integer": NUMBER,
    "boolean": BOOLEAN,
    "null": NULL,
}
_OWN_KEYS = {str, int, Decimal}
"""The Python types whose values are their own keys of equality (`equality_key`)."""
_STRINGS = frozenset({"string"})
_ALL_TYPES = frozenset(TYPE_BITS)
_SYNTHETIC = 1 << 40
"""The first id of schemas that are made here; it is far above the ids of a document."""


def type_bit(value: Json) -> int:
    """Return the bit of a JSON value's type."""
    if isinstance(value, str):
        return STRING
    if value is None:
        return NULL
    if isinstance(value, bool):
        return BOOLEAN
    if isinstance(value, dict):
        return OBJECT
    return ARRAY if isinstance(value, list) else NUMBER


@lru_cache(maxsize=256)
def _kinds_of(names: frozenset[str] | None) -> int:
    """Return the types of `type` as bits."""
    if names is None:
        return EVERY
    return reduce(or_, map(TYPE_BITS.__getitem__, names), 0)


def integers_alone(schema: Schema) -> bool:
    """Return whether `type` allows integers and no other numbers."""
    return schema.types is not None and "integer" in schema.types and "number" not in schema.types


def is_conditional(schema: Schema) -> bool:
    """Return whether a schema has an `if` with `then` or `else`, so that it restricts values."""
    return schema.if_ is not None and (schema.then is not None or schema.else_ is not None)


def _typed_fields(schema: Schema) -> dict[str, Any]:
    """Return the fields of a schema that restrict values of one type, for example `{"min_length": 2}`."""
    # `unevaluated*: true` restricts nothing: it only marks members as evaluated for the schemas around.
    return {
        name: value
        for name, value in vars(schema).items()
        if name in SPEAKS_OF
        and value != getattr(Schema, name)
        and not (name.startswith("unevaluated") and value.verdict is True)
    }


def _summarise_schema(schema: Schema, digests: Digests) -> None:
    """Work out the members of a schema that follow from its fields (`Schema.known_verdict` and the members
    after it)."""
    kinds = _kinds_of(schema.types)
    values = None
    if schema.enum is not None:
        # One value of each Python class is enough to find the types of all.
        examples = dict(zip(map(type, schema.enum), schema.enum, strict=True))
        kinds &= reduce(or_, map(type_bit, examples.values()), 0)
        if examples.keys() <= _OWN_KEYS:  # a call for each of a million would take seconds
            values = frozenset(cast("tuple[Hashable, ...]", schema.enum))
        else:
            values = frozenset([equality_key(value, digests) for value in schema.enum])
    # `integer` allows only some numbers: it restricts them as `multipleOf` does.
    spoken_types = NUMBER if integers_alone(schema) else 0
    for name in _typed_fields(schema):
        spoken_types |= TYPE_BITS[SPEAKS_OF[name]]
    is_choice = bool(schema.any_of or schema.one_of or is_conditional(schema))
    schema.has_combinators = (
        is_choice or schema.ref is not None or schema.not_ is not None or bool(schema.all_of)
    )
    schema.only_values = False
    if values is not None and not (schema.has_combinators or spoken_types):
        types = schema.types
        schema.only_values = types is None or all(_has_type(types, kinds, value) for value in values)
    if spoken_types & STRING and values is None and schema.types == _STRINGS and schema.pattern is not None:
        # ^(cat|dog)$ means the same as an enum, and tells branches apart as well.
        values = simple_patterns.words_of(schema.pattern)
    schema.kinds = kinds
    schema.spoken_types = spoken_types
    schema.values = values
    # The schema's own keywords allow every value.
    is_free = kinds == EVERY and schema.enum is None and not spoken_types
    schema.known_verdict = schema.verdict
    schema.lone_all_of = None
    schema.lone_not = None
    if schema.verdict is not None:
        return
    if not kinds:
        schema.known_verdict = False
    elif is_free and not schema.has_combinators:
        schema.known_verdict = True
    elif is_free and not is_choice:
        if schema.not_ is None:
            # In the text's order: `$ref` beside `allOf` comes where the schema has it.
            parts = list(schema.all_of)
            if schema.ref is not None:
                is_first = schema.applicators[:1] == ("$ref",)
                parts.insert(0 if is_first else len(parts), schema.ref)
            schema.lone_all_of = tuple(parts)
        elif schema.ref is None and not schema.all_of:
            schema.lone_not = schema.not_


def _has_type(names: frozenset[str], kinds: int, key: Hashable) -> bool:
    """Return whether the value with a key of equality surely has one of some types (`kinds`: as bits)."""
    # "number" includes every number; for "integer" the value itself would have to be tested.
    bit = bit_of_key(key)
    return bool(kinds & bit) and (bit != NUMBER or "number" in names)


def _scalar_keywords(schema: Schema) -> Hashable | None:
    """Return a key for a schema that only has types, finite sets, and keywords of strings and numbers.
    Schemas with equal keys mean the same. None: the schema has other keywords, too."""
    has_containers = schema.spoken_types & (OBJECT | ARRAY)
    if schema.has_combinators or has_containers or schema.known_verdict is not None or schema.bans:
        return None
    enum_values = None if schema.enum is None else schema.values
    typed_fields = frozenset(_typed_fields(schema).items())
    return schema.kinds, enum_values, integers_alone(schema), schema.plain_integers, typed_fields


class PlaceTables:
    """The interned literals, demands and places of one network."""

    def __init__(
        self,
        any_value: int | None,
        *,
        digits_alone: bool,
    ) -> None:
        """`any_value` is the greatest depth of an unconstrained value; None: no bound. `digits_alone`: where
        only integers are allowed, they are written with digits only (numbers="bounded")."""
        self.digits_alone = digits_alone
        self._judging: dict[int, Schema] = {}
        self.schemas: dict[int, Schema] = {}
        """For each id the resolved schema. For a schema that only refers to another one, it is that other
        one."""
        # The first demand has no literals: it is ANYTHING.
        self._demands = Numbered[Literals](((),))
        self._places = Numbered[tuple[int, ...]]()
        self.demands = self._demands.values
        self.places = self._places.values
        self.place = self._places.number_of
        """A function that returns the place of an ordered tuple of distinct demands."""
        self.digests: Digests = {}
        """The digests of the arrays and objects in `enum` and `const`."""
        self._constants: dict[Hashable, Schema] = {}
        self._members: dict[tuple[int, int], Schema] = {}
        self._literals = {ALWAYS.schema.id: ALWAYS}, {ALWAYS.schema.id: NEVER}
        """Two dictionaries by the ids of schemas: the literals of the schemas, and those of their
        negations."""
        self._twins: dict[Hashable, Schema] = {}
        self._twin_of: dict[int, Schema] = {}
        self._masks: dict[int, int] = {}
        self._demand_of: dict[int, int] = {}
        self.constants = Constants(self)
        self._synthetic = _SYNTHETIC
        self.nothing = self.make_schema(pointer="", verdict=False)
        """A schema that no value meets."""
        self.anything = self.make_schema(pointer="", verdict=True)
        self.free = None if any_value is None else self._make_free_literal(any_value)
        """The literal that bounds the depth of an unconstrained value (policy any_value); None: no bound."""

    def _make_free_literal(self, depth: int) -> Literal:
        scalars = frozenset({"string", "number", "boolean", "null"})
        schema = self.make_schema(pointer="", types=scalars)
        # From the inside out: each schema allows containers of the one before.
        for _ in range(depth):
            schema = self.make_schema(pointer="", types=_ALL_TYPES, additional=schema, items=schema)
        return self.literal_of(schema)

    @property
    def has_bounded_values(self) -> bool:
        """Whether some demand so far has a value that the policy any_value bounds."""
        return any(self.free in demand for demand in self.demands)

    def of_value(self, demand: int) -> int:
        """Return a demand with the bound of the policy any_value, where it leaves the value unconstrained.

        Other demands, and all demands without that policy, are returned as they are.
        """
        if self.free is None or demand == NOTHING:
            return demand
        literals = self.demands[demand]
        if all(map(self._only_excludes, literals)):
            return self.intern_demand((*literals, self.free))
        return demand

    def _only_excludes(self, literal: Literal) -> bool:
        """Return whether a literal only excludes finitely many values, or strings with banned texts."""
        if literal.is_negated:
            return literal.schema.only_values
        return literal.schema.bans

    def judging_literal(self, literal: Literal) -> Literal:
        """Return a literal that the same values meet, however a number is written.

        Some keywords only judge values: they count, test or exclude them (`contains`, `if`, the literals of
        an obligation). They do not say that a place has only integers, and so 1.0 counts as 1 does.
        """
        if not self.digits_alone:
            return literal
        copy = self._by_value(literal.schema)
        if copy is literal.schema:
            return literal
        return self.literal_of(copy, literal.is_negated)

    def add_judging_literals(self, demand: int, literals: Sequence[Literal]) -> int:
        """Return a demand with more literals, which only judge its values (`judging_literal`)."""
        present_literals = self.demands[demand]
        # Checked here: `add_literals` does not see a contradiction with a copy that only judges.
        if any(self.negate_literal(literal) in present_literals for literal in literals):
            return NOTHING
        new_literals = [literal for literal in literals if literal not in present_literals]
        return self.add_literals(demand, map(self.judging_literal, new_literals))

    def _by_value(self, schema: Schema) -> Schema:
        """Return a copy of a schema, and of all schemas that it refers to, which only judges values. It is
        the schema itself where no keyword restricts numbers. Linear in these schemas, once."""
        if schema.by_value:
            return schema
        if schema.id not in self._judging:

            def copy_schema(original: Schema) -> tuple[Schema, Mapping[str, object]]:
                return self.make_variant(original), vars(original)

            copies = self.copy_schemas([schema], copy_schema)
            if not any(map(self._names_numbers, copies.values())):
                # Without numbers the copy would mean the same: it goes, so that literals stay equal.
                copies = {schema.id: schema}
            for original_id, copy in copies.items():
                copy.by_value = copy is not schema
                if original_id in self.constants.sets:
                    self.constants.sets[copy.id] = self.constants.sets[original_id]
            self._judging.update(copies)
        return self._judging[schema.id]

    def _names_numbers(self, schema: Schema) -> bool:
        if self.resolve_schema(schema).spoken_types & NUMBER:
            return True
        # An object or array of `enum` may hold numbers: it counts as one.
        scalars = (str, bool, type(None))
        return not all(isinstance(value, scalars) for value in schema.enum or ())

    def copy_schemas(
        self,
        roots: Iterable[Schema],
        copy_schema: Callable[[Schema], tuple[Schema, Mapping[str, object]]],
    ) -> dict[int, Schema]:
        """Return copies of schemas and of all schemas that they refer to, by the ids of the originals.

        `copy_schema` returns a copy of one schema, and the fields of the copy in which other schemas may
        stand."""
        copies: dict[int, Schema] = {}
        fields_of_copies: dict[int, Mapping[str, object]] = {}
        stack = list(roots)
        while stack:
            schema = stack.pop()
            if schema.id not in copies:
                copy, fields = copy_schema(schema)
                copies[schema.id] = copy
                fields_of_copies[schema.id] = fields
                stack.extend(parts_of(fields.values()))
        # Only now: a schema may refer to itself, so that all copies must exist before they are put in.
        for original, fields in fields_of_copies.items():
            for name, value in fields.items():
                setattr(copies[original], name, with_others(value, copies))
        return copies

    # Schemas made here

    def make_schema(self, pointer: str, **fields: object) -> Schema:
        """Return a new schema with some fields. It stands for a part of the schema at `pointer`."""
        self._synthetic += 1
        synthetic = Schema(self._synthetic, pointer)
        vars(synthetic).update(fields)
        return synthetic

    def make_variant(self, schema: Schema, **others: object) -> Schema:
        """Return a copy of a schema with other values of some fields."""
        return self.make_schema(schema.pointer, **{**vars(schema), **others})

    def constant_schema(self, value: Json, pointer: str) -> Schema:
        """Return the schema of one value; equal values give the same schema."""
        key = equality_key(value, self.digests)
        schema = self._constants.get(key)
        if schema is None:
            schema = self._constants[key] = self.make_schema(pointer=pointer, enum=(value,))
        return schema

    def member_schema(self, schema: Schema, index: int) -> Schema:
        """Return the schema of the object or array `schema.enum[index]`, written with other keywords than
        `enum`."""
        member = self._members.get((schema.id, index))
        if member is None:
            assert schema.enum is not None
            value = schema.enum[index]
            if isinstance(value, dict):
                properties = {
                    key: self.constant_schema(child, schema.pointer) for key, child in value.items()
                }
                member = self.make_schema(
                    pointer=schema.pointer,
                    types=frozenset({"object"}),
                    properties=properties,
                    required=tuple(value),
                    additional=self.nothing,
                )
            else:
                assert isinstance(value, list)
                member = self.make_schema(
                    pointer=schema.pointer,
                    types=frozenset({"array"}),
                    prefix=tuple(self.constant_schema(child, schema.pointer) for child in value),
                    items=self.nothing,
                    min_items=len(value),
                    max_items=len(value),
                )
            if schema.by_value:
                member = self._by_value(member)
            self._members[schema.id, index] = member
        return member

    # Literals

    def resolve_schema(self, schema: Schema) -> Schema:
        """Return the schema to which a schema leads by references without other keywords. Its derived members
        (`Schema.known_verdict` and those after it) are set."""
        resolved = self.schemas.get(schema.id)
        chain: list[int] = []
        while resolved is None:
            chain.append(schema.id)
            _summarise_schema(schema, self.digests)
            if schema.lone_all_of is None or len(schema.lone_all_of) > 1:
                resolved = schema
            else:
                schema = schema.lone_all_of[0]
                resolved = self.schemas.get(schema.id)
        # Each schema of the chain leads to its end: the next call finds it at once.
        for link in chain:
            self.schemas[link] = resolved
        return resolved

    def literal_of(self, schema: Schema, is_negated: bool = False) -> Literal:
        """Return the literal of a schema or of its negation, in its simplest form.

        A schema under `not` never becomes a positive literal, even if it is negated twice: the declared order
        of keys is read from the schemas of positive literals.
        """
        outer_literals: list[Literal] = []
        while True:
            schema = self.resolve_schema(schema)
            if schema.known_verdict is not None:
                return NEVER if schema.known_verdict is is_negated else ALWAYS
            if schema.lone_not is None:
                if outer_literals and not is_negated:
                    # The negations cancel each other out: the literal of the innermost pair stands for them.
                    if len(outer_literals) > 1:
                        return outer_literals[-2]
                    return outer_literals[0]
                return self.signed_literal(schema, is_negated)
            outer_literals.append(self.signed_literal(schema, is_negated))
            schema = schema.lone_not
            is_negated = not is_negated

    def signed_literal(self, schema: Schema, is_negated: bool = False) -> Literal:
        """Return the literal of a schema, or of its negation, without any simplification."""
        literals = self._literals[is_negated]
        literal = literals.get(schema.id)
        if literal is None:
            literal = literals[schema.id] = Literal(schema, is_negated)
        return literal

    def negate_literal(self, literal: Literal) -> Literal:
        """Return the negation of a literal."""
        return self.signed_literal(literal.schema, not literal.is_negated)

    def twin_literal(self, literal: Literal) -> Literal:
        """Return the twin of a literal: the first literal of scalars that means the same. It stands for all
        of them where their position in the text does not matter: in contradictions and exclusions."""
        schema = literal.schema
        twin = self._twin_of.get(schema.id)
        if twin is None:
            twin = schema
            keywords = _scalar_keywords(schema)
            # Sets of values have literals of their own (`Constants.literal_of_set`).
            if keywords is not None and schema.id not in self.constants.sets:
                twin = self._twins.setdefault(keywords, schema)
            self._twin_of[schema.id] = twin
        return self.signed_literal(twin, literal.is_negated)

    # Demands and places

    def demand_of(self, schema: Schema) -> int:
        """Return the demand that consists of one schema, NOTHING if it is false."""
        demand = self._demand_of.get(schema.id)
        if demand is None:
            plain = self.resolve_schema(schema)
            if plain.known_verdict is None and not plain.has_combinators and self.free is None:
                # nothing in it is opened, refused or dropped: `intern_demand` would return the same
                demand = self._demands.number_of((self.signed_literal(plain),))
            else:
                demand = self.intern_demand((self.literal_of(schema),))
            self._demand_of[schema.id] = demand
        return demand

    def intern_demand(self, literals: Iterable[Literal]) -> int:
        """Return the demand of a conjunction of literals, NOTHING where two literals plainly contradict each
        other."""
        kept_literals: dict[Literal, None] = {}
        # Several `allOf` may lead to one schema: it is opened once.
        opened_literals: set[Literal] = set()
        stack = list(literals)
        stack.reverse()
        while stack:
            literal = stack.pop()
            if literal is ALWAYS or literal in kept_literals:
                continue
            if literal is NEVER or (kept_literals and self.negate_literal(literal) in kept_literals):
                return NOTHING
            if not literal.is_negated:
                parts = literal.schema.lone_all_of
                if parts is not None:
                    if literal not in opened_literals:
                        opened_literals.add(literal)
                        stack.extend(self.literal_of(part) for part in reversed(parts))
                    continue
            kept_literals[literal] = None
        if self.free is not None and self.free in kept_literals:
            others = (literal for literal in kept_literals if literal is not self.free)
            if not all(map(self._only_excludes, others)):
                del kept_literals[self.free]  # something is asked of the value now
        return self._demands.number_of(tuple(kept_literals))

    def add_literals(self, demand: int, literals: Iterable[Literal]) -> int:
        """Return a demand with more literals."""
        return self.intern_demand((*self.demands[demand], *literals))

    def spend_steps(
        self,
        steps: int,
        limits: Limits,
        subject: str,
        demands: Iterable[int],
    ) -> None:
        """Count steps of the present call (`THIS_CALL.spend_steps`) that are spent on some demands.

        `subject` begins the sentence of the error, for example `What may stand here`; the first place of the
        demands is its place. Raises `LimitError` past `limits.oracle_steps`.
        """
        THIS_CALL.spend_steps(steps, limits, subject, lambda: self._first_pointer(demands))

    def too_many(self, fault: str, limit: str, demands: Iterable[int]) -> LimitError:
        """Return the error of a limit that was met at some demands."""
        return LimitError(fault, limit=limit, where=self._first_pointer(demands))

    def _first_pointer(self, demands: Iterable[int]) -> str:
        """Return the first of the pointers of `source_pointers`, "" where there is none."""
        return next(iter(self.source_pointers(demands)), "")

    def source_pointers(self, demands: Iterable[int]) -> tuple[str, ...]:
        """Return the JSON pointers of the schemas of demands, in order, each once."""
        pointers: dict[str, None] = {}
        for demand in demands:
            for literal in self.demands[demand]:
                schema = literal.schema
                if schema.bans:
                    continue
                if schema.pointer or schema.id < _SYNTHETIC:  # else a value of the document, of no schema's
                    pointers[schema.pointer] = None
        if self.free is not None:
            pointers.pop("", None)  # the policy's own schemas
        return tuple(pointers)

    # Cheap bounds on what a literal allows

    def type_mask(self, literal: Literal) -> int:
        """Return the types, as bits, of which some value may meet a literal. It is a quick bound: a type in
        it may have no value."""
        schema = literal.schema
        if literal.is_negated:
            return self._negative_mask(schema)
        masks = self._masks
        if schema.id in masks:
            return masks[schema.id]
        for node in self.operands_first(schema, lambda node: node.id in masks):
            mask = node.kinds if node.known_verdict is not False else 0
            if node.has_combinators:
                for part in node.all_of:
                    mask &= self._known_mask(part)
                if node.ref is not None:
                    mask &= self._known_mask(node.ref)
                for group in (node.any_of, node.one_of):
                    if group:
                        mask &= reduce(or_, map(self._known_mask, group))
                if node.not_ is not None:
                    mask &= self._negative_mask(self.resolve_schema(node.not_))
            masks[node.id] = mask
        return masks[schema.id]

    def operands_first(
        self,
        root: Schema,
        is_done: Callable[[Schema], bool],
    ) -> Iterator[Schema]:
        """Yield a schema and the schemas that it combines, each after its operands. Schemas that are done are
        left out, with their operands. No schema leads back to itself at one value: reading refuses that."""
        # A schema is on the stack twice: first to put its operands above it, then to be yielded.
        stack: list[tuple[Schema, bool]] = [(root, False)]
        while stack:
            schema, is_ready = stack.pop()
            if is_done(schema):
                continue
            if is_ready or not schema.has_combinators or schema.known_verdict is not None:
                yield schema
                continue
            stack.append((schema, True))
            operands = in_place(schema)
            if schema.not_ is not None:
                operands.append(schema.not_)
            stack.extend((self.resolve_schema(part), False) for part in operands)

    def _known_mask(self, schema: Schema) -> int:
        schema = self.resolve_schema(schema)
        if schema.known_verdict is not None:
            return EVERY if schema.known_verdict else 0
        # For an operand without an entry its own types are a bound, too.
        return self._masks.get(schema.id, schema.kinds)

    def _negative_mask(self, schema: Schema) -> int:
        if schema.known_verdict is not None:
            return 0 if schema.known_verdict else EVERY
        if schema.has_combinators or schema.enum is not None:
            return EVERY
        return EVERY & ~schema.kinds | schema.spoken_types  # a keyword fails only for values of its type

    def is_hopeless(self, demand: int) -> bool:
        """Return whether clearly no value meets a demand: it is NOTHING, or `has_clash` finds a reason."""
        return demand == NOTHING or self.has_clash(self.demands[demand])

    def has_clash(self, literals: Iterable[Literal]) -> bool:
        """Return whether no value meets a conjunction, for a cheap reason: its types exclude each other, or
        its finite sets have no value in common.

        False: unknown. Linear in the number of literals (with the conjuncts that they stand for) and of the
        smallest finite set.
        """
        mask = EVERY
        finite: list[frozenset[Hashable]] = []
        excluded_sets: list[frozenset[Hashable]] = []
        visited: set[Literal] = set()
        stack = list(literals)
        while stack:
            literal = self.twin_literal(stack.pop())
            if literal in visited:
                continue
            # Twins stand for equal literals, so that equal schemas contradict each other, too.
            if visited and self.negate_literal(literal) in visited:
                return True
            visited.add(literal)
            mask &= self.type_mask(literal)
            if not mask:
                return True
            schema = literal.schema
            if literal.is_negated:
                if schema.values is not None and schema.only_values:
                    excluded_sets.append(schema.values)
                continue
            if schema.values is not None:
                finite.append(schema.values)
            if schema.has_combinators:
                stack.extend(map(self.literal_of, schema.all_of))
                if schema.ref is not None:
                    stack.append(self.literal_of(schema.ref))
                if schema.not_ is not None:
                    stack.append(self.literal_of(schema.not_, True))
        if not finite:
            return False
        # The smallest set first: the cost is its size.
        finite.sort(key=len)
        remaining = finite[0].intersection(*finite[1:]).difference(*excluded_sets)
        return not any(mask & bit_of_key(value) for value in remaining)


Rest: TypeAlias = frozenset[tuple[str, Literal]] | Literals
"""An object as the set of its members, or an array as the tuple of its items. Each value is given by its
literal: `{"a": 1}` is `frozenset({("a", literal of 1)})`."""


class Constants:
    """The literals of single values, and of sets of them; part of `PlaceTables`."""

    def __init__(self, tables: PlaceTables) -> None:
        # The tables hold this object. A weak reference back lets both go with the last user.
        self.tables: PlaceTables = proxy(tables)
        self.sets: dict[int, frozenset[Literal]] = {}
        """For each schema that `literal_of_set` made, by its id, the literals of its values."""
        self._among: dict[frozenset[Literal], Literal] = {}
        self._rests: dict[Literal, Rest | None] = {}

    def literal_of_value(self, value: Json, pointer: str) -> Literal:
        """Return the literal of one value; equal values have equal literals."""
        return self.tables.literal_of(self.tables.constant_schema(value, pointer))

    def literal_of_set(self, values: frozenset[Literal]) -> Literal:
        """Return the literal of a set of values, given by the literals of each."""
        literal = self._among.get(values)
        if literal is None:
            # A schema of its own, also for one value: `sets` must not have the schemas of constants.
            sorted_values = tuple(map(self.value_of, sorted(values)))
            schema = self.tables.make_schema(pointer="", enum=sorted_values)
            self.sets[schema.id] = values
            literal = self._among[values] = self.tables.literal_of(schema)
        return literal

    def none_of(self, values: frozenset[Literal]) -> Literal:
        """Return the literal that excludes a set of values."""
        return self.tables.negate_literal(self.literal_of_set(values))

    def value_of(self, literal: Literal) -> Json:
        """Return the value of a literal that `literal_of_value` made."""
        enum = literal.schema.enum
        assert enum is not None and len(enum) == 1
        return enum[0]

    def members_of(self, schema: Schema, objects: bool) -> list[Rest]:
        """Return the objects, or the arrays, of a set that `literal_of_set` made."""
        container_type = frozenset if objects else tuple
        rests = (self._rest_of(literal) for literal in sorted(self.sets[schema.id]))
        return [rest for rest in rests if isinstance(rest, container_type)]

    def _rest_of(self, literal: Literal) -> Rest | None:
        """Return the object or array of a literal that `literal_of_value` made, None for a scalar."""
        if literal not in self._rests:
            value = self.value_of(literal)
            pointer = literal.schema.pointer
            rest: Rest | None = None
            if isinstance(value, dict):
                rest = frozenset((key, self.literal_of_value(child, pointer)) for key, child in value.items())
            elif isinstance(value, list):
                rest = tuple([self.literal_of_value(child, pointer) for child in value])
            self._rests[literal] = rest
        return self._rests[literal]


def bit_of_key(key: Hashable) -> int:
    """Return the bit of the type of a value, given by its key of equality."""
    if isinstance(key, str):
        return STRING
    if not isinstance(key, tuple):
        return NUMBER
    if key[0] == "literal":
        return NULL if key[1] is None else BOOLEAN
    return OBJECT if key[0] == "object" else ARRAY
