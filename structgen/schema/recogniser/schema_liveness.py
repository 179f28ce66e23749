"""Decides whether some value meets a demand, and finds the shortest such value.

A *demand* is a conjunction of schemas on one value. It is *alive* where some value meets it. A *witness* is
such a value. For example `{"minimum": 3, "type": "integer"}` is alive, and its shortest text is `3`; the
recursion `{"required": ["a"], "properties": {"a": {"$ref": "#"}}, "type": "object"}` is not alive.

Both answers are least fixpoints over demands. A value is finite, so a smallest witness never repeats a demand
on one path, and a recursion that nothing ends is empty. Only demands on which the answer may rest are opened.
The search does not recurse: a chain of 10,000 schemas takes no more of Python's stack than one. All answers
are remembered.
"""

from __future__ import annotations

from collections import deque
from weakref import proxy

from structgen.base.errors import LimitError, UnsupportedError
from structgen.base.language.ir import TRUE
from structgen.base.limits import Limits
from structgen.schema.meaning.literals import ARRAY, EVERY, NUMBER, OBJECT, STRING
from structgen.schema.meaning.place import ANYTHING, NOTHING, PlaceTables
from structgen.schema.meaning.scalars import Scalars
from structgen.schema.meaning.shape_disjunctions import Shapes
from structgen.schema.reading.json_values import EMPTY, JsonPieces
from structgen.schema.reading.keywords import SPEAKS_OF
from structgen.schema.reading.model import Schema
from structgen.schema.recogniser.arrays import Arrays
from structgen.schema.recogniser.object_search import Ask
from structgen.schema.recogniser.objects import Objects

_NUMBERS = frozenset(field for field, kind in SPEAKS_OF.items() if kind == "number")
"""The fields of a schema that restrict numbers. Without them there always is an integer."""


class Oracle:
    """The liveness of the demands of one network, and their shortest values; every answer is remembered."""

    def __init__(
        self,
        tables: PlaceTables,
        scalars: Scalars,
        shapes: Shapes,
        objects: Objects,
        arrays: Arrays,
        limits: Limits,
    ) -> None:
        self.tables = tables
        self.scalars = scalars
        self.shapes = shapes
        # weak references: objects and arrays refer to this oracle, and a dropped network is freed at once
        self.objects: Objects = proxy(objects)
        self.arrays: Arrays = proxy(arrays)
        self.limits = limits
        self.undecided_pointers: dict[str, None] = {}
        """The pointers of places that count as live although no answer was found (limits.liveness =
        "flag")."""
        self._known_answers: tuple[dict[int, JsonPieces | None], ...] = (
            {ANYTHING: EMPTY, NOTHING: None},
            {ANYTHING: scalars.shortest_text(TRUE, NUMBER), NOTHING: None},
            {NOTHING: None},
        )
        """Three tables of answers: without a text, with the shortest text, with the text of any value."""
        self._any_will_do = False
        """Whether the present search wants any value, and not the shortest text."""

    def is_alive(self, demand: int) -> bool:
        """Return whether some value meets a demand; LimitError past `limits.oracle_steps`."""
        answers = self._known_answers[False]
        if demand not in answers:
            try:
                self._find_any(demand, False)
            except LimitError:
                if self.limits.liveness != "flag":
                    raise
                # It counts as alive: a document may then reach a place where nothing can follow.
                answers[demand] = EMPTY
                for pointer in self.tables.source_pointers((demand,))[:1]:
                    self.undecided_pointers[pointer] = None
        return answers[demand] is not None

    def alive_text(self, demand: int) -> JsonPieces | None:
        """Return an empty text where some value meets a demand, else None."""
        return EMPTY if self.is_alive(demand) else None

    def shortest_text(self, demand: int) -> JsonPieces | None:
        """Return the shortest compact JSON text that meets a demand (ties: the smaller bytes), or None."""
        return self.find_witness(demand, True)

    def some_text(self, demand: int) -> JsonPieces | None:
        """Return the text of some value that meets a demand, or None."""
        return self._find_any(demand, True)

    def _find_any(self, demand: int, with_text: bool) -> JsonPieces | None:
        """Return `find_witness` of any value. The flag is restored, since searches may be nested."""
        outer_flag = self._any_will_do
        try:
            self._any_will_do = True
            return self.find_witness(demand, with_text)
        finally:
            self._any_will_do = outer_flag

    def _answers_for(self, with_text: bool) -> dict[int, JsonPieces | None]:
        if not with_text:
            return self._known_answers[0]
        return self._known_answers[1 + self._any_will_do]

    def find_witness(self, demand: int, with_text: bool) -> JsonPieces | None:
        """Return the shortest text of a value that meets a demand, or None where no value does.

        `with_text` False: an empty text stands for yes. Raises `LimitError` past `limits.oracle_steps`.
        """
        answers = self._answers_for(with_text)
        if demand not in answers and not self._answer_at_once(demand, with_text):
            self._search_answers(demand, with_text)
        return answers[demand]

    def _answer_at_once(self, demand: int, with_text: bool) -> bool:
        """Note the answer for a demand if no search is needed, and return whether it was noted."""
        if with_text:
            # A search that ends with any value may ask for a text, which may rest on its own demand: it does
            # not wait for the answer.
            if self._any_will_do:
                is_alive = self._known_answers[False].get(demand, EMPTY) is not None
            else:
                is_alive = self.is_alive(demand)
            text = self._leaf_text(demand) if is_alive else None
            if is_alive and text is None:
                return False
        elif self._shows_value(demand):
            text = EMPTY
        else:
            return False
        self._answers_for(with_text)[demand] = text
        return True

    def _search_answers(self, root: int, with_text: bool) -> None:
        """Search for the answer for a demand, and note it with those of the demands that it depends on.

        Where any value will do, the search goes down at once, and ends when the root has one. For a shortest
        text, a demand that waits for others is asked again when all on the stack have been answered, and not
        after each of many members.
        """
        answers = self._answers_for(with_text)
        # A work list: when a demand gets a better text, the demands that wait for it are asked again.
        best: dict[int, JsonPieces | None] = {}
        # For each demand the demands whose answers depend on it.
        waiting: dict[int, set[int]] = {}
        # The demands without a final answer that the present question asked for.
        lookups: list[int] = []

        def ask_demand(demand: int) -> JsonPieces | None:
            if demand in answers or self._answer_at_once(demand, with_text):
                return answers[demand]
            lookups.append(demand)
            return best.get(demand)

        stack = deque([root])
        queue_set = {root}
        steps = 0
        while stack:
            demand = stack.pop()
            if demand not in queue_set:
                continue
            queue_set.discard(demand)
            steps += 1
            if steps > self.limits.oracle_steps:
                raise self.tables.too_many(
                    "it could not be determined whether a value exists.", "oracle_steps", (root,)
                )
            self.tables.spend_steps(3, self.limits, "Which values are possible", (root,))
            lookups.clear()
            text = self._best_text(demand, best.get(demand), ask_demand, with_text)
            is_better = text is not None and text is not best.get(demand)
            best[demand] = text
            if text is not None and self._any_will_do:
                answers[demand] = text
                if demand == root:
                    return
            else:
                for child in lookups:
                    waiting.setdefault(child, set()).add(demand)
            if is_better:
                parents = [parent for parent in waiting.get(demand, ()) if parent not in queue_set]
                queue_set.update(parents)
                if self._any_will_do:
                    stack.extend(parents)
                else:
                    stack.extendleft(parents)
            for child in lookups:
                if child not in best:
                    queue_set.add(child)
                    stack.append(child)
        # The fixpoint: a demand that has no text by now has no value.
        for demand, text in best.items():
            answers.setdefault(demand, text)

    def _best_text(
        self,
        demand: int,
        best: JsonPieces | None,
        ask: Ask,
        with_text: bool,
    ) -> JsonPieces | None:
        """Return the shortest text of a demand, or `best` where none is shorter.

        `ask` gives the texts of other demands as far as they are known. `with_text` False: an empty text
        where there is a value. For example `(demand, None, ask, True)` at the first question.
        """
        types = self.scalars.possible_types(demand)
        if with_text:
            scalar = self._shortest_scalar(demand, types)
            if scalar is not None and scalar.is_before(best):
                best = scalar
        elif self._has_scalar(demand, types):
            return EMPTY
        if types & OBJECT:
            for shape in self.shapes.object_shapes(demand):
                if best is not None and self._any_will_do:
                    return best
                best = self.objects.find_object(demand, shape, ask, best, with_text, self._any_will_do)
        if types & ARRAY:
            for array in self.shapes.array_shapes(demand):
                if best is not None and self._any_will_do:
                    return best
                best = self.arrays.find_array(array, ask, best, with_text, self._any_will_do)
        return best

    def _has_scalar(self, demand: int, types: int) -> bool:
        scalars = self.scalars
        if scalars.constant_texts(demand, types):
            return True
        try:
            return any(
                types & kind and scalars.is_satisfiable(scalars.demand_formula(demand, kind), kind)
                for kind in (NUMBER, STRING)
            )
        except (LimitError, UnsupportedError) as error:
            error.name_schemas(self.tables.source_pointers((demand,)))
            raise

    def _leaf_text(self, demand: int) -> JsonPieces | None:
        """Return the shortest text where no object or array can be shorter, else None."""
        types = self.scalars.possible_types(demand)
        best = self._shortest_scalar(demand, types)
        # "" is smaller than [] and {}, and nothing else has two bytes or fewer.
        if best is not None and (best.length <= 2 or not types & (OBJECT | ARRAY)):
            return best
        return None

    def _shortest_scalar(self, demand: int, types: int) -> JsonPieces | None:
        scalars = self.scalars
        best: JsonPieces | None = None
        for kind in (NUMBER, STRING):
            if types & kind:
                scalar_text = scalars.shortest_text(scalars.demand_formula(demand, kind), kind)
                if scalar_text is not None and scalar_text.is_before(best):
                    best = scalar_text
        for text in scalars.constant_texts(demand, types):
            constant = JsonPieces((text,))
            if constant.is_before(best):
                best = constant
        return best

    def _shows_value(self, demand: int) -> bool:
        """Return whether a demand is one plain schema, or a union of plain schemas, that clearly has a
        value."""
        literals = self.tables.demands[demand]
        if len(literals) != 1 or literals[0].is_negated or self.scalars.is_narrow:
            return False
        schema = literals[0].schema
        # `anyOf` alone: one branch that shows a value is enough.
        if schema.kinds == EVERY and vars(schema).keys() - {"applicators"} == {"any_of"}:
            return any(map(self._has_value, map(self.tables.resolve_schema, schema.any_of)))
        return self._has_value(schema)

    def _has_value(self, schema: Schema) -> bool:
        """Return whether a schema clearly has a value: it does not restrict one of its types, or too little
        to exclude all values of the type."""
        if schema.has_combinators or schema.known_verdict is False:
            return False
        if schema.enum is not None:
            if not schema.enum or not schema.only_values:
                return False
            first = schema.enum[0]
            if isinstance(first, str):
                return self.scalars.can_be_written(first)  # lone surrogates need a closer look
            return not isinstance(first, (list, dict))
        kinds = schema.kinds
        if kinds & ~schema.spoken_types & ~(OBJECT | ARRAY):
            return True
        if kinds & NUMBER and _NUMBERS.isdisjoint(vars(schema)):
            return True
        # The empty object, or the empty array.
        if kinds & OBJECT and not (schema.required or schema.min_properties):
            return True
        return bool(kinds & ARRAY and not schema.min_items and schema.contains is None)
