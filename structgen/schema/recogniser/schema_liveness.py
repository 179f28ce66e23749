"""The liveness oracle: is there a value that meets a demand, and which is the shortest.

Both are least fixpoints over demands: a value is finite, so a smallest witness never repeats a demand on one
path, and a recursion that nothing ends is empty. The questions are answered lazily (only demands on which the
answer may rest are opened), iteratively (a chain of 10,000 schemas is no deeper for Python than one), and
remembered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from weakref import proxy

from structgen.errors import LimitError
from structgen.json_text.exact_json import Json
from structgen.language.ir import TRUE
from structgen.limits import Limits
from structgen.schema.meaning.formulas import has_few_digits
from structgen.schema.meaning.place import (
    ANYTHING,
    ARRAY,
    BOOLEAN,
    EVERY,
    NEVER,
    NULL,
    NUMBER,
    OBJECT,
    STRING,
    Info,
    PlaceTables,
    type_bit,
)
from structgen.schema.meaning.scalars import Scalars
from structgen.schema.meaning.shape_disjunctions import Shapes
from structgen.schema.reading.json_values import EMPTY, JsonPieces
from structgen.schema.reading.model import Schema
from structgen.schema.recogniser.arrays import Arrays
from structgen.schema.recogniser.object_search import Ask
from structgen.schema.recogniser.objects import Objects

_NULL, _TRUE, _FALSE = JsonPieces((b"null",)), JsonPieces((b"true",)), JsonPieces((b"false",))


class Oracle:
    """Answers for the demands of one network; every answer is remembered."""

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
        # they ask this oracle, and the network holds them: a network is gone when it is dropped
        self.objects: Objects = proxy(objects)
        self.arrays: Arrays = proxy(arrays)
        self.limits = limits
        self.undecided: dict[str, None] = {}
        """Pointers of places that were taken to be live without an answer (limits.liveness = "flag")."""
        self._alive: dict[int, bool] = {ANYTHING: True, NEVER: False}
        self._texts: dict[int, JsonPieces | None] = {ANYTHING: scalars.shortest(TRUE, NUMBER), NEVER: None}

    # Is there a value?

    def alive(self, demand: int) -> bool:
        """Return whether some value meets a demand; LimitError past `limits.oracle_steps`."""
        found = self._alive.get(demand)
        if found is None:
            found = self._quick(demand)
            if found is None:
                try:
                    found = self._search_alive(demand)
                except LimitError:
                    if self.limits.liveness != "flag":
                        raise
                    found = True
                    for pointer in self.tables.sources((demand,))[:1]:
                        self.undecided[pointer] = None
            self._alive[demand] = found
        return found

    def _quick(self, demand: int) -> bool | None:
        """Return the answer for a demand that is one plain schema with an obvious value, else None."""
        literals = self.tables.demands[demand]
        if len(literals) != 1 or literals[0] & 1 or self.scalars.is_narrow:
            return None
        info = self.tables.infos[literals[0] >> 1]
        if info.combined:
            return True if info.union and self._quick_branch(info) else None
        return self._quick_plain(info)

    def _quick_branch(self, info: Info) -> bool:
        for part in info.schema.any_of:
            branch = self.tables.info(part)
            if branch.verdict is not None:
                if branch.verdict:
                    return True
            elif not branch.combined and self._quick_plain(branch):
                return True
        return False

    def _quick_plain(self, info: Info) -> bool | None:
        types, schema = info.types, info.schema
        if info.values is not None:
            plain = not (info.strings or info.numbers or info.objects or info.arrays)
            # Strings that cannot be written (lone surrogates) need a closer look.
            if plain and types & ~(STRING | ARRAY | OBJECT):
                return True
            listed = schema.enum if plain and types else None
            return any(type_bit(one) & types and self._can_be_written(one) for one in listed or ()) or None
        if types & (NULL | BOOLEAN):
            return True
        if types & NUMBER and (not info.numbers or _is_half_open(schema)):
            return True
        if types & STRING and (not info.strings or _has_string(schema)):
            return True
        if types & OBJECT and not schema.required and not schema.min_properties:
            return True
        if types & ARRAY and not schema.min_items and (schema.contains is None or not schema.min_contains):
            return True
        return None

    def _can_be_written(self, value: Json) -> bool:
        """Return whether all strings and keys of a string, an array or an object can be written. Linear."""
        stack: list[Json] = [value] if isinstance(value, (str, list, dict)) else []
        found = bool(stack)
        while stack and found:
            node = stack.pop()
            if isinstance(node, dict):
                found = all(map(self.scalars.can_be_written, node))
                stack.extend(node.values())
            elif isinstance(node, list):
                stack.extend(node)
            elif isinstance(node, str):
                found = self.scalars.can_be_written(node)
        return found

    def _search_alive(self, root: int) -> bool:
        known = self._alive
        opened: dict[int, None] = {}
        waiting: dict[int, set[int]] = {}
        blockers: list[int] = []

        def ask(demand: int) -> JsonPieces | None:
            found = known.get(demand)
            if found is None:
                found = self._quick(demand)
                if found is None:
                    blockers.append(demand)
                    return None
                known[demand] = found
            return EMPTY if found else None

        stack = [root]
        steps = 0
        while stack:
            demand = stack.pop()
            if demand in known:
                continue
            steps += 1
            if steps > self.limits.oracle_steps:
                raise self._too_long(root)
            self.tables.spend(3, self.limits, "Which values are possible", (root,))
            blockers.clear()
            opened[demand] = None
            if self._has_value(demand, ask):
                known[demand] = True
                if demand == root:
                    return True
                stack.extend(waiting.pop(demand, ()))
                continue
            for blocker in blockers:
                waiting.setdefault(blocker, set()).add(demand)
                if blocker not in opened:
                    stack.append(blocker)
        for demand in opened:
            known.setdefault(demand, False)
        return known[root]

    def _has_value(self, demand: int, ask: Ask) -> bool:
        """Return whether a demand has a value, given what is known of other demands."""
        mask = EVERY
        for literal in self.tables.demands[demand]:
            mask &= self.tables.mask(literal)
        if not mask:
            return False
        scalars = self.scalars
        for kind, bits in ((NULL, NULL), (BOOLEAN, BOOLEAN), (-BOOLEAN, BOOLEAN)):
            if mask & bits and scalars.demand(demand, kind) == TRUE:
                return True
        try:
            for kind in (NUMBER, STRING):
                if mask & kind and scalars.satisfiable(scalars.demand(demand, kind), kind):
                    return True
        except LimitError as error:
            error.name_schemas(self.tables.sources((demand,)))
            raise
        if mask & OBJECT:
            for shape in self.shapes.objects(demand):
                if shape.plain and not shape.lo and shape.hi is None:
                    for key in shape.required:
                        child = self.objects.frames.value(shape, key)
                        if child == NEVER or ask(child) is None:
                            break
                    else:
                        return True
                    continue
                frame = self.objects.frames.frame((demand,))
                if shape.loose and shape.obligations:
                    members = (self.objects.frames.value(shape, key) for key in shape.required)
                    if all(child != NEVER and ask(child) is not None for child in members) and (
                        self.objects.differs(frame, shape, shape.obligations, 0, 0, ask)
                    ):
                        return True
                if (
                    self.objects.members.complete(frame, shape, shape.obligations, 0, 0, 0, False, ask, False)
                    is not None
                ):
                    return True
        if mask & ARRAY:
            for array in self.shapes.arrays(demand):
                begin, cap = self.arrays.progress.begin(array), self.arrays.progress.cap(array)
                if self.arrays.complete(array, begin, 0, cap, ask, False) is not None:
                    return True
        return False

    def _too_long(self, demand: int) -> LimitError:
        sources = self.tables.sources((demand,))
        return LimitError(
            "whether any value is possible here could not be decided.",
            limit="oracle_steps",
            where=sources[0] if sources else "",
        )

    # Which is the shortest?

    def text(self, demand: int) -> JsonPieces | None:
        """Return the shortest compact JSON text that meets a demand (ties: the smaller bytes), or None."""
        if demand not in self._texts:
            leaf = self._leaf(demand)
            if leaf is None:
                self._search_text(demand)
            else:
                self._texts[demand] = leaf
        return self._texts[demand]

    def _search_text(self, root: int) -> None:
        settled = self._texts
        best: dict[int, JsonPieces | None] = {}
        waiting: dict[int, set[int]] = {}
        lookups: list[int] = []

        def ask(demand: int) -> JsonPieces | None:
            if demand in settled:
                return settled[demand]
            if not self.alive(demand):
                settled[demand] = None
                return None
            leaf = self._leaf(demand)
            if leaf is not None:
                settled[demand] = leaf
                return leaf
            lookups.append(demand)
            return best.get(demand)

        # Who asked is asked again when what is on the stack has been answered: not after each of many
        # members.
        stack = deque([root])
        queued = {root}
        steps = 0
        while stack:
            demand = stack.pop()
            queued.discard(demand)
            steps += 1
            if steps > self.limits.oracle_steps:
                raise self._too_long(root)
            self.tables.spend(3, self.limits, "Which values are possible", (root,))
            lookups.clear()
            found = self._shortest(demand, best.get(demand), ask)
            fresh = demand not in best
            improved = found is not None and (fresh or found is not best[demand])
            if fresh or improved:
                best[demand] = found
            for child in lookups:
                waiting.setdefault(child, set()).add(demand)
            if improved:
                for parent in waiting.get(demand, ()):
                    if parent not in queued:
                        queued.add(parent)
                        stack.appendleft(parent)
            for child in lookups:
                if child not in best and child not in queued:
                    queued.add(child)
                    stack.append(child)
        for demand, found in best.items():
            settled[demand] = found

    def _leaf(self, demand: int) -> JsonPieces | None:
        """Return the shortest text where no object or array can be shorter, else None."""
        mask = EVERY
        for literal in self.tables.demands[demand]:
            mask &= self.tables.mask(literal)
        best = self._scalar(demand, mask)
        if best is None:
            return None
        # "" is smaller than [] and {}, and nothing else has two bytes or fewer.
        return best if best.length <= 2 or not mask & (OBJECT | ARRAY) else None

    def _scalar(self, demand: int, mask: int) -> JsonPieces | None:
        scalars = self.scalars
        best: JsonPieces | None = None
        for kind in (NUMBER, STRING):
            if mask & kind:
                found = scalars.shortest(scalars.demand(demand, kind), kind)
                if found is not None and found.before(best):
                    best = found
        for kind, bits, text in (
            (NULL, NULL, _NULL),
            (BOOLEAN, BOOLEAN, _TRUE),
            (-BOOLEAN, BOOLEAN, _FALSE),
        ):
            if mask & bits and text.before(best) and scalars.demand(demand, kind) == TRUE:
                best = text
        return best

    def _shortest(
        self, demand: int, best: JsonPieces | None, ask: Callable[[int], JsonPieces | None]
    ) -> JsonPieces | None:
        """Return the shortest text of a demand, given those of others; `best` where none is shorter."""
        mask = EVERY
        for literal in self.tables.demands[demand]:
            mask &= self.tables.mask(literal)
        scalar = self._scalar(demand, mask)
        if scalar is not None and scalar.before(best):
            best = scalar
        if mask & ARRAY:
            for array in self.shapes.arrays(demand):
                if best is not None and best.length < 2 * max(array.lo, 1):
                    continue
                begin, cap = self.arrays.progress.begin(array), self.arrays.progress.cap(array)
                rest = self.arrays.complete(array, begin, 0, cap, ask, True)
                if rest is not None:
                    whole = JsonPieces((b"[", rest))
                    if whole.before(best):
                        best = whole
        if mask & OBJECT:
            frame = None
            for shape in self.shapes.objects(demand):
                if best is not None and best.length < 1 + 5 * max(len(shape.required), shape.lo):
                    continue
                if frame is None:
                    frame = self.objects.frames.frame((demand,))
                rest = self.objects.members.complete(
                    frame, shape, shape.obligations, 0, 0, 0, False, ask, True
                )
                if rest is not None:
                    whole = JsonPieces((b"{", rest))
                    if whole.before(best):
                        best = whole
        return best


def _is_half_open(schema: Schema) -> bool:
    """Return whether at most one side of the numbers is bounded: multiples lie on the other."""
    ends = (schema.minimum, schema.maximum, schema.exclusive_minimum, schema.exclusive_maximum)
    if not has_few_digits(ends, schema.multiple_of):
        return False
    return (schema.minimum is None and schema.exclusive_minimum is None) or (
        schema.maximum is None and schema.exclusive_maximum is None
    )


def _has_string(schema: Schema) -> bool:
    """Return whether some string meets the string keywords, where that shows at once."""
    if schema.pattern is None and schema.format is None:
        return schema.max_length is None or schema.min_length <= schema.max_length
    if schema.min_length or schema.max_length is not None or (schema.pattern and schema.format):
        return False
    return schema.pattern is None
