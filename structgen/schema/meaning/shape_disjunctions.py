"""Demands on objects and arrays as disjunctions of shapes: conjunctions of facts, negations pushed inward.

A disjunction of schemas that a single member or item can settle (the negation of `properties`, `items`,
`required`, bounds) does not multiply shapes: it becomes an *obligation*, a set of alternatives of which at
least one must come true while the value is written. Choices that must be split (anyOf, oneOf, if) are split
last, and branches that contradict known facts are dropped at once.
"""

from __future__ import annotations

from structgen.errors import LimitError
from structgen.limits import Limits
from structgen.schema.meaning.assertions import Assertions
from structgen.schema.meaning.facts import (
    Choice,
    FactConjunction,
    Forbid,
    Hold,
    LeaveOut,
    Obligate,
    Rank,
    Require,
    Step,
    Watch,
)
from structgen.schema.meaning.key_cases import KeyCases
from structgen.schema.meaning.key_clauses import ClauseReader
from structgen.schema.meaning.obligations import Known, Obligations
from structgen.schema.meaning.overlapping_branches import OverlappingBranches
from structgen.schema.meaning.place import ALWAYS, ARRAY, NEVER, OBJECT, PlaceTables
from structgen.schema.meaning.scalars import Scalars
from structgen.schema.meaning.shape import ArrayShape, Counter, Differs, DiffersList, ObjectShape
from structgen.schema.reading.model import Schema
from structgen.system.public_calls import THIS_CALL

_WANTED = "What may stand here"


class Shapes:
    """Expands demands at the two container types; memoised by demand."""

    def __init__(
        self, tables: PlaceTables, scalars: Scalars, limits: Limits, most_items: int | None = None
    ) -> None:
        """`most_items`: items of arrays for which the schema has no bound (max_items)."""
        self.most_items = most_items
        self.tables = tables
        self.scalars = scalars
        self.limits = limits
        self._objects: dict[int, tuple[ObjectShape, ...]] = {}
        self._arrays: dict[int, tuple[ArrayShape, ...]] = {}
        self._count = 0
        self.overlaps = OverlappingBranches(tables, scalars, limits)
        self.clauses = ClauseReader(tables, self.overlaps)
        self.assertions = Assertions(tables, self.overlaps, self.clauses)
        self.obligations = Obligations(tables, scalars)
        self.key_cases = KeyCases(tables)

    def objects(self, demand: int) -> tuple[ObjectShape, ...]:
        """Return the shapes of the objects that meet a demand; LimitError past `limits.alternatives`."""
        found = self._objects.get(demand)
        if found is None:
            literals = self.tables.demands[demand]
            quick = self._quick(literals, OBJECT)
            if quick is not None:
                found = tuple(self._plain_object(schema) for schema in quick)
            else:
                found = tuple(map(self._object_shape, self._expand(demand, OBJECT)))
            self._objects[demand] = found
        return found

    def arrays(self, demand: int) -> tuple[ArrayShape, ...]:
        """Return the shapes of the arrays that meet a demand; LimitError past `limits.alternatives`."""
        found = self._arrays.get(demand)
        if found is None:
            literals = self.tables.demands[demand]
            quick = self._quick(literals, ARRAY)
            if quick is not None:
                found = tuple(self._plain_array(schema) for schema in quick)
            else:
                found = tuple(map(self._array_shape, self._expand(demand, ARRAY)))
            if self.most_items is not None:
                for shape in found:
                    shape.hi = max(self.most_items, shape.need) if shape.hi is None else shape.hi
            self._arrays[demand] = found
        return found

    def _quick(self, literals: tuple[int, ...], kind: int) -> tuple[Schema | None, ...] | None:
        """Return the facets of the (at most one) shape of a demand that is one plain schema, else None."""
        if not literals:
            return (None,)
        if len(literals) > 1 or literals[0] & 1:
            return None
        info = self.tables.infos[literals[0] >> 1]
        if not info.types & kind:
            return ()
        schema = info.schema
        if info.combined or info.values is not None:
            return None
        if kind == OBJECT:
            if schema.dependent_schemas or schema.property_names is not None:
                return None
            if schema.unevaluated_properties is not None:
                return None
            return (schema,) if info.objects else (None,)
        if schema.contains is not None or schema.unevaluated_items is not None:
            return None
        return (schema,) if info.arrays else (None,)

    def _plain_object(self, schema: Schema | None) -> ObjectShape:
        self._count += 1
        if schema is None:
            return ObjectShape(self._count, (), (), {}, 0, None, (), (), ())
        has_facet = schema.properties or schema.pattern_properties or schema.additional is not None
        required = schema.required
        if len(required) > 1:
            required = tuple(dict.fromkeys(required))
        return ObjectShape(
            self._count,
            (schema,) if has_facet else (),
            required,
            {},
            schema.min_properties,
            schema.max_properties,
            (),
            tuple(schema.dependent_required.items()) if schema.dependent_required else (),
            (),
        )

    def _plain_array(self, schema: Schema | None) -> ArrayShape:
        self._count += 1
        if schema is None:
            return ArrayShape(self._count, (), {}, 0, None, (), ())
        return ArrayShape(
            self._count, (schema,), {}, schema.min_items, schema.max_items, (), (), schema.unique_items
        )

    def _object_shape(self, facts: FactConjunction) -> ObjectShape:
        self._count += 1
        facts.facets.sort(key=_by_rank)
        rests = frozenset(rest for rest in facts.different if isinstance(rest, frozenset))
        if rests:
            facts.obligations.append((Differs(rests),))
        return ObjectShape(
            self._count,
            tuple(schema for _, schema in facts.facets),
            tuple(facts.required),
            {key: literals for key, literals in facts.values.items() if isinstance(key, str)},
            facts.lo,
            facts.hi,
            tuple(dict.fromkeys(facts.key_literals)),
            tuple(dict.fromkeys(facts.conditional)),
            tuple(dict.fromkeys(facts.obligations)),
        )

    def _array_shape(self, facts: FactConjunction) -> ArrayShape:
        self._count += 1
        facts.facets.sort(key=_by_rank)
        rests = frozenset(rest for rest in facts.different if isinstance(rest, tuple))
        if rests:
            facts.obligations.append((DiffersList(rests),))
        return ArrayShape(
            self._count,
            tuple(schema for _, schema in facts.facets),
            {index: literals for index, literals in facts.values.items() if isinstance(index, int)},
            facts.lo,
            facts.hi,
            tuple(dict.fromkeys(facts.counters)),
            tuple(dict.fromkeys(facts.obligations)),
            facts.unique,
        )

    def _expand(self, demand: int, kind: int) -> list[FactConjunction]:
        first = FactConjunction()
        first.pending = [Hold(literal, (place,)) for place, literal in enumerate(self.tables.demands[demand])]
        first.pending.reverse()
        queue = [first]
        done: list[FactConjunction] = []
        steps = 0
        while queue:
            facts = queue.pop()
            steps += 1
            if steps > self.limits.oracle_steps:
                raise self._too_many(demand, "oracle_steps", steps)
            size = len(facts.asserted) // 2 + len(facts.choices) + len(facts.facets) + len(facts.conditional)
            self.tables.spend(4 + size // 12, self.limits, _WANTED, (demand,))
            if not self._settle(facts, kind):
                continue
            of_members = kind == OBJECT and not facts.watching
            choice = self.key_cases.divide(facts) if of_members else None
            if choice is None:
                if of_members and self.clauses.convert(facts) and not self._settle(facts, kind):
                    continue
                if not facts.choices:
                    done.append(facts)
                    if len(done) > self.limits.alternatives:
                        raise self._too_many(demand, "alternatives", len(done))
                    continue
                choice = facts.choices.pop(_first_to_split(facts.choices))
            for steps_of_branch in reversed(choice):
                branch = facts.copy()
                branch.pending = list(reversed(steps_of_branch))
                queue.append(branch)
        return done

    def _too_many(self, demand: int, limit: str, count: int) -> LimitError:
        sources = self.tables.sources((demand,))
        return LimitError(
            f"the alternatives of this place multiply past {count:,}.",
            limit=limit,
            where=sources[0] if sources else "",
        )

    def _settle(self, facts: FactConjunction, kind: int) -> bool:
        """Take up everything that needs no choice; return False where it contradicts itself."""
        while True:
            while facts.pending:
                step = facts.pending.pop()
                match step:
                    case Hold(literal, rank):
                        if literal == ALWAYS or literal in facts.asserted:
                            continue
                        if literal == NEVER or literal ^ 1 in facts.asserted or literal in facts.left_out:
                            return False
                        facts.asserted.add(literal)
                        info = self.tables.infos[literal >> 1]
                        take = self.assertions.negative if literal & 1 else self.assertions.positive
                        if not take(facts, info, rank, kind):
                            return False
                    case Require(key):
                        facts.required[key] = None
                    case Forbid(key):
                        facts.add_value(key, (NEVER,))
                    case Obligate(alternatives):
                        facts.obligations.append(alternatives)
                    case Counter():
                        facts.counters.append(step)
                    case LeaveOut(literal):
                        if literal in facts.asserted or literal ^ 1 in facts.left_out:
                            return False
                        facts.left_out |= {literal}
                    case Watch():
                        facts.watching.append(step)
            if self.assertions.divide_unions(facts, kind) and facts.pending:
                continue
            held = (
                self.obligations.simplify_object(facts)
                if kind == OBJECT
                else self.obligations.simplify_array(facts)
            )
            if not held:
                return False
            if not self._prune(facts, kind):
                return False
            if facts.pending:
                continue
            if not facts.watching or not self.assertions.evaluation.settle(facts, kind, self._known):
                return True

    def _prune(self, facts: FactConjunction, kind: int) -> bool:
        """Drop branches of choices that contradict known facts; add the last branch of a choice."""
        if not facts.choices:
            return True
        known = Known(self.obligations, facts) if kind == OBJECT else None
        left: list[Choice] = []
        for choice in facts.choices:
            kept: Choice = []
            held = False
            for branch in choice:
                open_steps: list[Step] = []
                dead = False
                for step in branch:
                    if isinstance(step, Hold):
                        if step.literal in facts.left_out:
                            dead = True
                            break
                        truth = self._truth(facts, step.literal, known)
                        if truth is False:
                            dead = True
                            break
                        if truth:
                            continue
                    elif known is not None and isinstance(step, Obligate):
                        # Of twenty `not` that one constant settles none is to be split.
                        truths = [known.truth(alternative) for alternative in step.alternatives]
                        if True in truths:
                            continue
                        dead = None not in truths
                        if dead:
                            break
                    open_steps.append(step)
                if dead:
                    continue
                if not open_steps:
                    held = True
                    break
                kept.append(tuple(open_steps))
            if held:
                continue
            if not kept:
                return False
            if len(kept) == 1:
                facts.pending.extend(reversed(kept[0]))
            else:
                left.append(kept)
        facts.choices = left
        return True

    def _truth(self, facts: FactConjunction, literal: int, known: Known | None) -> bool | None:
        """Return whether a literal follows from known facts, or its negation does; None where no cheap proof
        is found.

        A schema with a constant under a required key that cannot have it is false; so long lists of `if` on
        one key are not split again in every branch. `known`: the facts as they are now, of an object.
        """
        if literal < 0:
            return literal == ALWAYS
        if literal in facts.asserted:
            return True
        if literal ^ 1 in facts.asserted:
            return False
        if known is not None:
            for key, value in self.overlaps.pinned(literal & ~1).items():
                if key in facts.required and known.excludes(key, value):
                    return bool(literal & 1)
        return None

    def _known(self, facts: FactConjunction, literal: int) -> bool | None:
        """Return the truth of a literal about an object, as `_truth` does."""
        THIS_CALL.spend(1, self.limits, _WANTED, lambda: self.tables.infos[literal >> 1].schema.pointer)
        return self._truth(facts, literal, Known(self.obligations, facts))


def _first_to_split(choices: list[Choice]) -> int:
    """Return the index of the choice that is split first: one of the fewest branches.

    A choice that one obligation can settle waits for the others: what they say mostly settles it, or leaves
    one branch; split before, it would double them all.
    """
    sizes = [(any(_only_obliges(branch) for branch in choice), len(choice)) for choice in choices]
    return min(range(len(sizes)), key=sizes.__getitem__)


def _only_obliges(branch: tuple[Step, ...]) -> bool:
    return len(branch) == 1 and isinstance(branch[0], Obligate)


def _by_rank(entry: tuple[Rank, Schema]) -> Rank:
    return entry[0]
