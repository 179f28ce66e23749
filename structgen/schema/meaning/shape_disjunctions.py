"""Turns demands on objects and arrays into disjunctions of shapes.

A *demand* is a conjunction of schemas and denied schemas on one value. A *shape* is a conjunction of plain
facts about one object or one array. An object meets the demand where it has one of the shapes. For example
`{"anyOf": [{"required": ["a"]}, {"maxProperties": 3}]}` may become two shapes.

Some disjunctions can be settled by a single member or item: the negations of `properties`, `items`,
`required` and bounds. They do not multiply shapes. Each becomes an *obligation*: a set of alternatives of
which at least one must come true while the value is written. Choices that must be split (anyOf, oneOf, if)
are split last. Branches that contradict known facts are dropped at once.
"""

from __future__ import annotations

from itertools import count
from operator import itemgetter
from typing import Any

from structgen.base.errors import LimitError
from structgen.base.limits import Limits
from structgen.schema.meaning.assertions import Assertions
from structgen.schema.meaning.branch_facts import BranchReader
from structgen.schema.meaning.denials import Denials
from structgen.schema.meaning.evaluated import Evaluation
from structgen.schema.meaning.facts import (
    EXPANDED,
    Choice,
    FactConjunction,
    Hold,
    KnownFacts,
    Obligate,
    Obligations,
    Watch,
)
from structgen.schema.meaning.key_clauses import ClauseReader
from structgen.schema.meaning.literals import ALWAYS, ARRAY, NEVER, OBJECT, Literals
from structgen.schema.meaning.overlapping_branches import OverlappingBranches
from structgen.schema.meaning.place import PlaceTables
from structgen.schema.meaning.scalars import Scalars
from structgen.schema.meaning.shape import (
    ArrayShape,
    Differs,
    ItemCounter,
    ObjectShape,
)
from structgen.schema.reading.model import Schema


class Shapes:
    """Turns demands into the shapes of objects and of arrays; remembers them by demand."""

    def __init__(
        self,
        tables: PlaceTables,
        scalars: Scalars,
        limits: Limits,
        max_items: int | None,
    ) -> None:
        """`max_items` is the most items of arrays that the schema does not bound (max_items); None: no
        bound."""
        self.max_items = max_items
        self.tables = tables
        self.scalars = scalars
        self.limits = limits
        self._objects: dict[int, tuple[ObjectShape, ...]] = {}
        self._arrays: dict[int, tuple[ArrayShape, ...]] = {}
        self._numbers = count(1)
        self.obligations = Obligations(tables, scalars)
        self.assertions = Assertions(tables)
        self.branches = BranchReader(self.assertions, self.obligations)
        self.overlaps = OverlappingBranches(self.branches, limits)
        self.clauses = ClauseReader(self.branches)
        self.evaluation = Evaluation(self.clauses, limits)
        self.denials = Denials(self.overlaps)

    def object_shapes(self, demand: int) -> tuple[ObjectShape, ...]:
        """Return the shapes of the objects that meet a demand; LimitError past `limits.alternatives`."""
        shapes = self._objects.get(demand)
        if shapes is None:
            plain = self._plain_schema(self.tables.demands[demand], OBJECT)
            if plain is None:
                shapes = tuple(map(self._object_shape, self._expand_demand(demand, OBJECT)))
            else:
                # the same as `_object_shape` gives, 8 us faster
                has_facet = plain.properties or plain.pattern_properties or plain.additional is not None
                shapes = (
                    ObjectShape(
                        next(self._numbers),
                        (plain,) if has_facet else (),
                        plain.required,
                        lo=plain.min_properties,
                        hi=plain.max_properties,
                        conditional=tuple(plain.dependent_required.items()),
                    ),
                )
            self._objects[demand] = shapes
        return shapes

    def array_shapes(self, demand: int) -> tuple[ArrayShape, ...]:
        """Return the shapes of the arrays that meet a demand; LimitError past `limits.alternatives`."""
        shapes = self._arrays.get(demand)
        if shapes is None:
            plain = self._plain_schema(self.tables.demands[demand], ARRAY)
            if plain is None:
                shapes = tuple(map(self._array_shape, self._expand_demand(demand, ARRAY)))
            else:
                facets = (plain,) if plain.prefix or plain.items is not None else ()
                shapes = (
                    ArrayShape(
                        next(self._numbers),
                        facets,
                        lo=plain.min_items,
                        hi=plain.max_items,
                        unique=plain.unique_items,
                    ),
                )
            if self.max_items is not None:
                for shape in shapes:
                    if shape.hi is None:
                        # Never below the length that the shape needs, so that no place becomes empty.
                        shape.hi = max(self.max_items, shape.need)
            self._arrays[demand] = shapes
        return shapes

    def _plain_schema(
        self,
        literals: Literals,
        kind: int,
    ) -> Schema | None:
        """Return the schema of a demand whose keywords give its only shape; None where the demand is not so
        plain."""
        if not literals:
            return self.tables.anything
        first = literals[0]
        schema = first.schema
        if len(literals) > 1 or first.is_negated or schema.has_combinators or schema.values is not None:
            return None
        if kind == OBJECT:
            is_complex = schema.unevaluated_properties or schema.dependent_schemas or schema.property_names
        else:
            is_complex = schema.unevaluated_items or schema.contains
        if is_complex or not schema.kinds & kind:
            return None
        return schema

    def _object_shape(self, facts: FactConjunction) -> ObjectShape:
        return ObjectShape(
            required_keys=tuple(facts.required_keys),
            key_literals=tuple(dict.fromkeys(facts.key_literals)),
            conditional=tuple(dict.fromkeys(facts.conditional)),
            **self._of_both_kinds(facts),
        )

    def _array_shape(self, facts: FactConjunction) -> ArrayShape:
        counters = tuple(dict.fromkeys(facts.counters))
        return ArrayShape(counters=counters, unique=facts.unique, **self._of_both_kinds(facts))

    def _of_both_kinds(self, facts: FactConjunction) -> dict[str, Any]:
        """Return the fields that shapes of objects and of arrays have."""
        # Sorted by rank: in the order of the text.
        ranked_facets = sorted(facts.facets, key=itemgetter(0))
        return {
            "id": next(self._numbers),
            "facets": tuple([schema for _, schema in ranked_facets]),
            "values": facts.values,
            "lo": facts.lo,
            "hi": facts.hi,
            "obligations": tuple(dict.fromkeys(facts.obligations)),
        }

    def _expand_demand(self, demand: int, kind: int) -> list[FactConjunction]:
        """Return conjunctions of facts, in the order of the text. A value that meets the demand meets one of
        them.

        Raises `LimitError` where they are too many.
        """
        literals = self.tables.demands[demand]
        first_steps = [Hold(literal, (position,)) for position, literal in enumerate(literals)]
        queue = [FactConjunction().make_branch(first_steps)]
        done: list[FactConjunction] = []
        steps = 0
        while queue:
            facts = queue.pop()
            steps += 1
            if steps > self.limits.oracle_steps:
                raise self._too_many(demand, "oracle_steps", steps)
            size = (
                len(facts.true_literals) // 2
                + len(facts.choices)
                + len(facts.facets)
                + len(facts.conditional)
            )
            # Steps stand for time: a large conjunction costs more of them.
            self.tables.spend_steps(4 + size // 12, self.limits, EXPANDED, (demand,))
            if not self._apply_steps(facts, kind):
                continue
            # Clauses are about keys, and a watched `unevaluated*` does not read them.
            may_have_clauses = kind == OBJECT and not facts.watching
            choice = self.clauses.divide_choices(facts) if may_have_clauses else None
            if choice is None:
                if may_have_clauses and self.clauses.convert_choices(facts):
                    if not self._apply_steps(facts, kind):
                        continue
                if not facts.choices:
                    if facts.different:
                        facts.obligations.append((Differs(frozenset(facts.different)),))
                    done.append(facts)
                    if len(done) > self.limits.alternatives:
                        raise self._too_many(demand, "alternatives", len(done))
                    continue
                # The choice with the fewest branches is split first: its facts may decide the others.
                sizes = [*map(len, facts.choices)]
                choice = facts.choices.pop(sizes.index(min(sizes)))
            # A stack: the first branch is expanded before the second.
            queue.extend(map(facts.make_branch, reversed(choice)))
        return done

    def _too_many(self, demand: int, limit: str, count: int) -> LimitError:
        fault = f"the alternatives at this place multiply to more than {count:,}."
        return self.tables.too_many(fault, limit, (demand,))

    def _apply_steps(self, facts: FactConjunction, kind: int) -> bool:
        """Apply pending steps until only choices are left; return False where they contradict each other."""
        while True:
            while facts.pending:
                step = facts.pending.pop()
                match step:
                    case Hold(literal, rank):
                        if literal is ALWAYS or literal in facts.true_literals:
                            continue
                        if literal is NEVER or self.tables.negate_literal(literal) in facts.true_literals:
                            return False
                        facts.true_literals[literal] = None
                        add = self.denials.add_negation if literal.is_negated else self.assertions.add_schema
                        if not add(facts, literal.schema, rank, kind):
                            return False
                    case Obligate(alternatives):
                        if not self.obligations.take_obligation(facts, alternatives):
                            facts.obligations.append(alternatives)
                    case ItemCounter():
                        facts.count_items(step)
                    case Watch():
                        facts.watching.append(step)
            # `oneOf` after all steps: the keys that are required by then tell its branches apart.
            unions = facts.unions
            facts.unions = []
            for schema, rank in unions:
                required_keys = frozenset(facts.required_keys)
                facts.take_choice([*self.overlaps.cases_of(schema, rank, kind, required_keys)])
            # A choice with one case has become steps.
            if facts.pending:
                continue
            if not self.obligations.simplify_facts(facts) or not self._prune_choices(facts):
                return False
            if facts.pending:
                continue
            if not facts.watching or not self.evaluation.settle_watched(facts, kind):
                return True

    def _prune_choices(self, facts: FactConjunction) -> bool:
        """Drop branches of choices that contradict known facts; add the last branch of a choice."""
        if not facts.choices:
            return True
        known_facts = KnownFacts(self.obligations, facts)
        open_choices: list[Choice] = []
        for choice in facts.choices:
            open_branches: Choice = []
            for branch in choice:
                truths = list(map(known_facts.truth_of_step, branch))
                # A branch that holds anyway decides the choice, which is then dropped.
                if all(truths):
                    break
                if False not in truths:
                    open_branches.append(branch)
            else:
                if not open_branches:
                    return False
                if len(open_branches) == 1:
                    facts.pending.extend(reversed(open_branches[0]))
                else:
                    open_choices.append(open_branches)
        facts.choices = open_choices
        return True
