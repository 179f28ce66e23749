"""The transition network of a JSON Schema: which values, keys and items may come next in a document.

A *demand* is a conjunction of schemas on one value. A *place* is a tuple of demands, of which the value must
meet one. An *outcome* is the set of demands that a finished value has met. A *residue* is how far an object
or an array has come, and what it still owes. A *rest* is the text that completes it. All but rests are small
integers, which mean something to this network alone. For example `{"properties": {"a": {"type": "null"}}}`
has a place for the document, a residue after `{`, and a place for the value of "a".

`objects` and `arrays` find the next keys and items, and `scalars` the formulas of strings and numbers.
`schema_liveness` decides whether a document can be completed. Everything is computed when it is first asked
for, and remembered. `Network` in `base/language/ir.py` is the protocol that this class implements.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from functools import partial
from typing import Any

from structgen.automata.formats.named_formats import CUTS
from structgen.base.errors import UnsatisfiableSchema, UnsatisfiableUnderPolicy
from structgen.base.language.ir import (
    FALSE,
    FREE,
    TRUE,
    ArrayMenu,
    Demands,
    Formula,
    Key,
    ObjectMenu,
    SimpleObject,
    Spec,
    ValueMenu,
)
from structgen.schema.meaning.formulas import disjunction
from structgen.schema.meaning.literals import ARRAY, BOOLEAN, NULL, NUMBER, OBJECT, STRING
from structgen.schema.meaning.place import PlaceTables
from structgen.schema.meaning.scalars import NumberOracle, Scalars, StringOracle
from structgen.schema.meaning.shape import asks_for_any_key
from structgen.schema.meaning.shape_disjunctions import Shapes
from structgen.schema.reading.document import Document
from structgen.schema.reading.json_values import JsonPieces
from structgen.schema.reading.model import Schema
from structgen.schema.reading.policies import DEMANDING, Policies
from structgen.schema.recogniser.array_progress import needs_repeat
from structgen.schema.recogniser.arrays import CLOSE, Arrays, ArrayState
from structgen.schema.recogniser.object_keys import MemberKey, MembersSoFar
from structgen.schema.recogniser.objects import Objects, ObjectState
from structgen.schema.recogniser.schema_liveness import Oracle
from structgen.schema.recogniser.smallest_contradiction import find_contradiction

_AVOIDING_SEARCHES = 8
"""The most searches for a rest that avoid only the names that the previous rest repeated. After them all used
names are avoided."""


class SchemaNetwork:
    """The network of the documents that a JSON Schema accepts, within the policies (`ir.Network`). `root` is
    the place of the whole document."""

    root: int

    def __init__(
        self,
        document: Document,
        strings: StringOracle,
        numbers: NumberOracle,
        *,
        widest: Callable[[], NumberOracle] | None = None,
    ) -> None:
        """Make the network of a document. Raises UnsatisfiableSchema where no document is accepted.

        `strings` and `numbers` answer questions about sets of strings and numbers. `widest` makes the number
        oracle of the widest policies. It tells a contradiction in the schema from one with the policies.
        """
        self.document = document
        policies = document.policies
        limits = document.limits
        digits_alone = policies.numbers in ("bounded", "decimal")
        tables = self.tables = PlaceTables(policies.any_value, digits_alone=digits_alone)
        self.scalars = Scalars(
            tables,
            limits,
            strings,
            numbers,
            document.quoting,
            max_length=policies.max_string,
            lacks_numerals=policies.numbers == "python",
        )
        self.shapes = Shapes(tables, self.scalars, limits, policies.max_items)
        # Objects and arrays number their residues together: both add to this list.
        self._residues: list[ObjectState | ArrayState] = []
        self._entries: dict[int, ValueMenu] = {}
        self._menus: dict[int, ObjectMenu] = {}
        self.outcomes = strings.outcomes
        self._finishes: dict[int, Demands] = {}
        self.objects = Objects(
            tables,
            self.scalars,
            self.shapes,
            limits,
            any_order=policies.property_order == "any",
            residues=self._residues,
        )
        self.arrays = Arrays(
            tables,
            self.shapes,
            limits,
            residues=self._residues,
            scalars=self.scalars,
            member=self.objects.frames.value_demand,
        )
        self.oracle = Oracle(tables, self.scalars, self.shapes, self.objects, self.arrays, limits)
        # Objects, arrays and the oracle ask each other: their references to the oracle can be set only now.
        self.arrays.distinct.text = self.oracle.some_text
        self.arrays.distinct.of_point = policies.of_point
        self.objects.is_alive = self.oracle.is_alive
        self.objects.wide_unions.is_alive = self.oracle.is_alive
        self.arrays.is_alive = self.oracle.is_alive
        self.objects.ask_alive = self.arrays.ask_alive = self.oracle.alive_text
        schemas = (document.root, *self._writable_schemas(*policies.space))
        demand = tables.of_value(tables.intern_demand(map(tables.literal_of, schemas)))
        # Before the first token: a schema without documents is refused here.
        if not self.oracle.is_alive(demand):
            raise self._empty_error(strings, widest)
        self.root = tables.place((demand,))

    @property
    def may_dead_end(self) -> tuple[str, ...]:
        """Return the pointers of places whose liveness could not be decided (limits.liveness = "flag")."""
        return tuple(self.oracle.undecided_pointers)

    # ir.Network

    def entry(self, place: int) -> ValueMenu:
        """Return the menu of the values that may stand at `place`. Every listed type has a live value."""
        menu = self._entries.get(place)
        if menu is None:
            menu = self._entries[place] = self._make_menu(self.tables.places[place])
        return menu

    def keys(self, residue: int) -> Sequence[str]:
        """Return every key that any residue of this object may name, sorted by their bytes
        (`unicode.decoded_text`)."""
        return self._object_state(residue).frame.sorted_names()

    def menu(self, residue: int) -> ObjectMenu:
        """Return the menu of the object: its next keys, and whether it may close."""
        menu = self._menus.get(residue)
        if menu is None:
            state = self._object_state(residue)
            closing = self.objects.demands_if_closed(state)
            close = self.outcomes(closing) if closing else None
            named_places = self.objects.named_places(state)
            extra = self.objects.extra_moves(state)
            spec = None
            if extra:
                spec = self.objects.frames.make_spec(state.frame, [classes for classes, _ in extra])
            # The outcome of an unnamed key is the number of its group of classes.
            extra_places = {frozenset((index,)): moves[0] for index, (_, moves) in enumerate(extra)}
            menu = ObjectMenu(named_places, spec, extra_places, close)
            self._menus[residue] = menu
        return menu

    def member_places(self, residue: int) -> tuple[dict[Key, int], bool]:
        """Return the places of the values that may come next, by their keys (None: an item), and whether
        later values depend on the texts of these values."""
        if isinstance(self._residues[residue], ArrayState):
            items = self.items(residue)
            return {} if items.item is None else {None: items.item}, items.values
        menu = self.menu(residue)
        return dict((*menu.names.items(), *menu.extra_places.items())), False

    def items(self, residue: int) -> ArrayMenu:
        """Return the menu of the array: its next item, and whether it may close."""
        state = self._array_state(residue)
        moves = self.arrays.find_moves(state)
        closing = self.arrays.demands_if_closed(state)
        place = None if moves is None else moves[0]
        close = self.outcomes(closing) if closing else None
        depends_on_values = state.values_so_far is not None
        return ArrayMenu(place, close, depends_on_values, self.arrays.closes_next(state), state.unread)

    def read_as(self, residue: int, text: bytes) -> int:
        """Return the residue of an array after the text of its unknown item (`after_unread`) has become
        known."""
        value = self.arrays.distinct.literal_of_text(text)
        return self.arrays.read_as(self._array_state(residue), value).id

    def after_unread(self, residue: int, outcome: int) -> int | None:
        """Return the residue after an item that closed with `outcome`, its value unknown; None where the next
        items depend on it. Of the residue's next item only the beginning may be known."""
        state = self._array_state(residue)
        moves = self.arrays.find_moves(state)
        assert moves is not None, "an item that the menu does not offer"
        # At most one item is unknown: the next item is compared with its value.
        if state.unread:
            return None
        state_after = self.arrays.after_unread(state, moves, self.outcomes.values[outcome])
        return None if state_after is None else state_after.id

    def may_differ(self, residue: int) -> bool:
        """Return whether two or more objects or arrays are still possible from a residue, whichever key comes
        next and until its value is read. False: unknown."""
        state = self._residues[residue]
        if isinstance(state, ArrayState):
            return self.arrays.may_differ(state)
        distinct = self.arrays.distinct
        ask_alive = self.arrays.ask_alive
        return self.objects.may_differ(
            state, lambda demand, need: distinct.has_values(demand, need, ask_alive, True)
        )

    def after(
        self,
        residue: int,
        key: Key,
        outcome: int,
        text: bytes = b"",
    ) -> int:
        """Return the residue after a value under `key` has closed with `outcome`; it is live.

        `key` is a name, the outcome of an unnamed key, or None for an item; `outcome` is the number of the
        demands that the value met, and `text` the item, where the menu says that its value matters. For
        example `after(residue, "name", outcome)`.
        """
        return self._state_after(self._residues[residue], key, self.outcomes.values[outcome], text).id

    def simple(self, residue: int) -> SimpleObject | None:
        """Return the residue of a plain object in a form in which the engine can go on by itself, else None.

        Cost: linear in the number of names for the first residue of an object, constant for its others.
        """
        state = self._object_state(residue)
        if len(state.threads) != 1:
            return None
        j, shape, unmet = state.threads[0]
        frame = state.frame
        # Each key must be decided alone: there is no obligation, and no pattern that a key may match.
        if not (shape.simple or shape.loose) or unmet or frame.predicates:
            return None
        shared_parts = frame.simple.get(shape.id)
        if shared_parts is None:
            place_of = self._live_place
            frames = self.objects.frames
            places = tuple(place_of(frames.value_demand(shape, name)) for name in frame.names)
            standing = frames.standing_of(frame, shape)
            # Required keys with a position in the order are a list, all others a bit set.
            required_set = set(standing.required_indices)
            are_required = tuple(
                index in required_set or bool(standing.free_required >> index & 1)
                for index in range(len(frame.names))
            )
            extra = place_of(frames.extra_demand(frame, shape, frames.classes_of(frame)[0]))
            shared_parts = frame.simple[shape.id] = (places, are_required, extra)
        places, are_required, extra = shared_parts
        if extra >= 0 and self.scalars.max_length is not None:
            return None  # the length of keys is bounded, so that not every key may come
        return SimpleObject(
            frame.names,
            places,
            are_required,
            frame.ordered_count,
            extra,
            state.members_so_far.pos,
            0 if j == 0 else self.outcomes(frozenset((j,))),
        )

    def simple_after(self, residue: int, index: int) -> int:
        """Return the residue of a plain object after a member whose key has an index among its names.

        `index` is -1 for a key that is not named. The residue must be one for which `simple` is not None; the
        answer is the same as that of `after`.
        """
        state = self._object_state(residue)
        frame = state.frame
        pos, mask, _ = frame.after_index(state.members_so_far, index)
        # For ordered keys the position is enough: the two shifts clear their bits, so that more residues are
        # equal.
        free_mask = mask >> frame.ordered_count << frame.ordered_count
        members_so_far = MembersSoFar(pos, free_mask, 0)
        return self.objects.intern_state(frame, members_so_far, True, state.threads).id

    def simple_array(self, residue: int) -> tuple[ArrayMenu, int] | None:
        """Return the menu (`items`) and the residue after an item (`after`) of an array whose items are all
        alike, at a third of their cost; else None."""
        state = self._array_state(residue)
        if len(state.threads) != 1 or state.cap > 1:
            return None
        j, shape, _ = state.threads[0]
        if not shape.plain or shape.uniform_from or shape.hi is not None:
            return None
        item = self.arrays.progress.item_demand(shape, 0)
        place = self.tables.place((item,)) if self.oracle.is_alive(item) else None
        close = self.outcomes(frozenset((j,))) if state.index >= shape.lo else None
        after = self.arrays.intern_state(state.demands, state.cap, 1, state.threads)
        return ArrayMenu(place, close, closes_next=place is not None), after.id

    def owes_keys(self, residue: int) -> bool:
        """Return whether the object may still need keys that `keys` does not list."""
        state = self._object_state(residue)
        return any(
            shape.lo > state.members_so_far.size or any(map(asks_for_any_key, unmet))
            for _, shape, unmet in state.threads
        )

    @property
    def looked_for(self) -> Collection[bytes]:
        """The texts of the values of items on which rests of arrays have depended so far."""
        return self.arrays.distinct.looked_for.values()

    def look_for(self, texts: Iterable[bytes]) -> None:
        """Add texts of items on which rests depend to `looked_for`."""
        distinct = self.arrays.distinct
        for text in texts:
            distinct.looked_for.setdefault(distinct.literal_of_text(text), text)

    @property
    def rests_shorten(self) -> bool:
        """Return whether some rest of an array may become shorter by more than the text that is written."""
        return self.arrays.progress.singly

    def wants_again(self, residue: int) -> bool:
        """Return whether the array must still repeat some item, whichever it is."""
        return any(needs_repeat(progress) for _, _, progress in self._array_state(residue).threads)

    def finish_place(self, place: int) -> Demands:
        """Return, for each demand, the shortest compact value that meets it."""
        finishes = self._finishes.get(place)
        if finishes is None:
            finishes = {}
            for j, demand in enumerate(self.tables.places[place]):
                text = self.oracle.shortest_text(demand)
                if text is not None:
                    finishes[j] = text.to_bytes()
            self._finishes[place] = finishes
        return finishes

    def finish_bracketed(self, place: int) -> Demands:
        """Return, for each demand, the shortest compact object or array that meets it."""
        demands = self.tables.places[place]
        shortest = self.finish_place(place)
        if all(text[0] in b"{[" for text in shortest.values()):
            return shortest
        types = 0
        best = dict[int, JsonPieces]()
        for demand in demands:
            types |= self.scalars.possible_types(demand)
        for kind, bracket, container in ((OBJECT, b"{", self.objects), (ARRAY, b"[", self.arrays)):
            state = container.start(demands) if types & kind else None
            if state is not None:
                _keep_better(best, bracket, self._shortest_rests(state, ()))
        return _texts_as_bytes(best)

    def finish(self, residue: int, used_keys: Collection[str] = ()) -> Demands:
        """Return the shortest rest of the object or array for each demand of its place, closing bracket
        included. The text so far ends just after a member, an item or the opening bracket. The rest begins
        with "," where more must be written after a member or an item.

        `used_keys`: the keys that the object holds and `keys` does not list. They matter only to an object
        that still needs such keys (minProperties, or an obligation on them).
        """
        return _texts_as_bytes(self._shortest_rests(self._residues[residue], used_keys))

    def finish_with(
        self,
        residue: int,
        key: Key,
        value: Demands,
        used_keys: Collection[str] = (),
        text_so_far: bytes = b"",
    ) -> Demands:
        """Return the shortest rest while a value under `key` is written.

        `value` has the rests of that value by the demands of its place, for example `{0: b'"'}`; `used_keys`
        are as in `finish`, and `text_so_far` is the text so far of an item whose value matters.
        """
        state = self._residues[residue]
        threads_by_demand: dict[int, list[Any]] = {}
        for index, thread in self._moves_under(state, key)[1]:
            if index in value:
                threads_by_demand.setdefault(index, []).append(thread)
        best: dict[int, JsonPieces] = {}
        # Each rest of the value meets a different demand, and leads to a different rest of the container.
        for index, threads in threads_by_demand.items():
            if isinstance(state, ArrayState) and all(
                self.arrays.closes_after(state, thread) for thread in threads
            ):
                rests = {j: CLOSE for j, _, _ in threads}
            else:
                after = self._state_after(state, key, frozenset((index,)), text_so_far + value[index])
                rests = self._shortest_rests(after, used_keys)
            _keep_better(best, value[index], rests)
        return _texts_as_bytes(best)

    def first_of_alike(
        self,
        residue: int,
        heads: Mapping[str, bytes],
    ) -> Iterable[str]:
        """Return the named keys of an object that a shortest rest may begin with.

        `heads` has the keys that may come, each with the part of its text that is not written yet. Keys with
        equal signatures, places and lengths of heads can change places in any rest: the key with the smallest
        head stands for the others. Cost: some microseconds a key and obligation.
        """
        state = self._residues[residue]
        assert isinstance(state, ObjectState)
        places = self.menu(residue).names
        firsts: dict[object, str] = {}
        for key in sorted(heads, key=heads.__getitem__):
            signature = self.objects.key_signature(state, key)
            firsts.setdefault((signature, places[key], len(heads[key])), key)
        return firsts.values()

    def owed_keys(self, residue: int) -> tuple[Sequence[str], int]:
        """Return the keys that must still come, and how many more members or items there must be at least."""
        state = self._residues[residue]
        if isinstance(state, ArrayState):
            return (), self.arrays.least_more(state)
        return self.objects.least_more(state)

    def unnamed_keys(self, residue: int) -> Iterator[tuple[Formula, int]]:
        """Yield the keys that may come next and that the object does not name, each kind with the place of
        its values."""
        state = self._object_state(residue)
        frames = self.objects.frames
        for classes, moves in self.objects.extra_moves(state):
            # All classes together are all unnamed keys: plainer than the union of their formulas.
            are_all = len(classes) == len(frames.classes_of(state.frame))
            union = disjunction([frames.class_formula(state.frame, key_class) for key_class in classes])
            yield self.scalars.key_formula(TRUE) if are_all else union, moves[0]

    def sources(self, place: int) -> Sequence[str]:
        """Return the JSON pointers of the schemas that a place stands for, for messages."""
        return self.tables.source_pointers(self.tables.places[place])

    def key_names(self, residue: int) -> tuple[Sequence[str], int]:
        """Return the keys that the object may name, and how many of them, the first, have an order."""
        frame = self._object_state(residue).frame
        return frame.names, frame.ordered_count

    def schemas_of(self, place: int) -> Iterator[tuple[Schema | None, bool]]:
        """Yield the schemas that a place's first demand asks for, each with whether it is negated; None for
        one that does not stand in the document."""
        for literal in self.tables.demands[self.tables.places[place][0]]:
            schema = literal.schema
            yield None if schema.raw is None else schema, literal.is_negated

    # Inside

    def _object_state(self, residue: int) -> ObjectState:
        state = self._residues[residue]
        assert isinstance(state, ObjectState), "not the residue of an object"
        return state

    def _array_state(self, residue: int) -> ArrayState:
        state = self._residues[residue]
        assert isinstance(state, ArrayState), "not the residue of an array"
        return state

    def _moves_under(self, state: ObjectState | ArrayState, key: Key) -> Any:
        """Return the moves of an object or an array under a key that its menu offers."""
        if isinstance(state, ArrayState):
            moves = self.arrays.find_moves(state)
            assert key is None and moves is not None, "an item that the menu does not offer"
            return moves
        if isinstance(key, str):
            key_moves = self.objects.find_moves(state, key)
            assert key_moves is not None, "a key that the menu does not offer"
            return key_moves
        # The outcome of an unnamed key: the number of a group of classes, as `menu` gave it.
        assert key is not None and len(key) == 1
        _, group_moves = self.objects.extra_moves(state)[next(iter(key))]
        return group_moves

    def _state_after(
        self,
        state: ObjectState | ArrayState,
        key: Key,
        met: frozenset[int],
        text: bytes,
    ) -> ObjectState | ArrayState:
        """Return the residue after a value under `key` that met these demands of its place, for example
        `frozenset({0})`; `text` is as in `after`."""
        moves = self._moves_under(state, key)
        if isinstance(state, ArrayState):
            value = None if state.values_so_far is None else self.arrays.distinct.literal_of_text(text)
            return self.arrays.state_after(state, moves, met, value)
        # Any class stands for an unnamed key: the members so far are the same for each class.
        member_key: MemberKey
        if isinstance(key, str):
            member_key = key
        else:
            member_key = self.objects.frames.classes_of(state.frame)[0]
        return self.objects.state_after(state, moves, member_key, met)

    def _live_place(self, demand: int) -> int:
        """Return the place of a demand, or -1 where no value meets the demand."""
        if not self.oracle.is_alive(demand):
            return -1
        return self.tables.place((demand,))

    def _make_menu(self, demands: tuple[int, ...]) -> ValueMenu:
        types = 0
        for demand in demands:
            types |= self.scalars.possible_types(demand)
        string = self._make_spec(demands, STRING) if types & STRING else None
        number = self._make_spec(demands, NUMBER) if types & NUMBER else None
        # True is BOOLEAN, and false is -BOOLEAN (`Scalars`).
        true, false, null = (
            self._constant_outcome(demands, kind) if types & abs(kind) else None
            for kind in (BOOLEAN, -BOOLEAN, NULL)
        )
        obj = self.objects.start(demands) if types & OBJECT else None
        array = self.arrays.start(demands) if types & ARRAY else None
        object_id = None if obj is None else obj.id
        array_id = None if array is None else array.id
        return ValueMenu(object_id, array_id, string, number, true, false, null)

    def _make_spec(
        self,
        demands: tuple[int, ...],
        kind: int,
    ) -> Spec | None:
        formulas: list[Formula] = []
        for demand in demands:
            formula = self.scalars.demand_formula(demand, kind)
            # Empty formulas become FALSE: no value may begin that cannot end.
            formulas.append(formula if self.scalars.is_satisfiable(formula, kind) else FALSE)
        if all(formula == FALSE for formula in formulas):
            return None
        if formulas == [TRUE]:
            return FREE
        return Spec(tuple(formulas))

    def _constant_outcome(
        self,
        demands: tuple[int, ...],
        kind: int,
    ) -> int | None:
        met = frozenset(
            j for j, demand in enumerate(demands) if self.scalars.demand_formula(demand, kind) == TRUE
        )
        return self.outcomes(met) if met else None

    def _shortest_rests(
        self,
        state: ObjectState | ArrayState,
        used_keys: Collection[str],
    ) -> dict[int, JsonPieces]:
        """Return, for each demand, the shortest rest of a residue.

        The first search ignores the used keys. Its rest is right unless it writes one of them again. So the
        next search avoids only these repeated keys, and not all keys of the object.
        """
        avoided_keys: frozenset[str] = frozenset()
        for turn in itertools.count():
            rests = self._rests_without(state, avoided_keys)
            if not used_keys or isinstance(state, ArrayState):
                return rests
            repeated_keys = {key for key in self.objects.new_keys(state, rests) if key in used_keys}
            if not repeated_keys:
                return rests
            avoided_keys = avoided_keys | repeated_keys if turn < _AVOIDING_SEARCHES else frozenset(used_keys)
        raise AssertionError("counting ends")

    def _rests_without(
        self,
        state: ObjectState | ArrayState,
        avoided_keys: frozenset[str],
    ) -> dict[int, JsonPieces]:
        """Return, for each demand, the shortest rest that writes none of the avoided keys."""
        if not avoided_keys and state.rests is not None:
            return state.rests
        rests: dict[int, JsonPieces] = {}
        ask = self.oracle.shortest_text
        texts: Iterator[JsonPieces | None]
        if isinstance(state, ArrayState):
            texts = (self.arrays.shortest_rest(state, thread, ask) for thread in state.threads)
        else:
            texts = (self.objects.shortest_rest(state, thread, ask, avoided_keys) for thread in state.threads)
        # Several threads may come from one demand: the shortest of their rests is the demand's.
        for thread, text in zip(state.threads, texts, strict=True):
            if text is not None and text.is_before(rests.get(thread[0])):
                rests[thread[0]] = text
        if not avoided_keys:
            state.rests = rests
        return rests

    def _writable_schemas(
        self,
        kind: str,
        indent: str,
        max_blanks: int | None,
    ) -> Sequence[Schema]:
        """Return a schema of the documents that a policy of white space can write, () where it can write all.

        The parameters are the parts of `Policies.space`. For example an indent with a bound on blanks limits
        how deep objects and arrays that are not empty can be nested.
        """
        if max_blanks is None or kind not in DEMANDING:
            return ()
        make = partial(self.tables.make_schema, "", bans=True)
        # The innermost container. On one line a second item or a member needs a blank, which is missing.
        schema = make(max_properties=0, max_items=int(kind == "oneline"))
        if kind == "oneline":
            schema.items = schema
        # An indented line needs a line break and the blanks of its depth.
        levels = (max_blanks - 1) // max(len(indent), 1)
        for _ in range(min(levels, self.document.limits.depth)):
            schema = make(additional=schema, items=schema)
        return (schema,)

    # No document at all

    def _empty_error(
        self,
        strings: StringOracle,
        widest: Callable[[], NumberOracle] | None,
    ) -> UnsatisfiableSchema:
        """Return the error for a schema without documents. It names the policies that exclude all documents,
        or the keywords that exclude each other."""
        document = self.document
        contradiction = find_contradiction(self.oracle, [self.tables.signed_literal(document.root)])
        policies = document.policies
        narrow = policies.narrow_options
        if narrow and widest is not None:
            wide = widest()
            if self._has_documents(policies.widen_options(*narrow), strings, wide):
                # Policies are named of which widening one alone is enough; if there is none, all are named.
                blamed_policies: tuple[str, ...] = ()
                for name in narrow:
                    name_numbers = wide if name == "numbers" else self.scalars.numbers
                    if self._has_documents(policies.widen_options(name), strings, name_numbers):
                        blamed_policies += (name,)
                choice = "one of " if blamed_policies else ""
                named_policies = blamed_policies or narrow
                names = ", ".join(named_policies)
                return UnsatisfiableUnderPolicy(
                    f"documents satisfy the schema, but none under these policies: {names}.",
                    policies=named_policies,
                    places=contradiction.places,
                    where=contradiction.places[-1],
                    cure=f"Widen {choice}them (sg.WIDEST is the widest).",
                )
        # Some formats are read more strictly than the standard: that may be why no document is left.
        used_formats = {schema.format for schema in self.tables.schemas.values()}
        custom_formats = dict(policies.custom_formats)
        cut = sorted(name for name in CUTS if name in used_formats and name not in custom_formats)
        but = f" (except for texts removed from the format {' and '.join(cut)})" if cut else ""
        cure = contradiction.cure
        if document.banned_texts:
            cure = cure.removesuffix(".") + ", or ban fewer texts."
        return UnsatisfiableSchema(
            f"no document satisfies the schema{but}: {contradiction.explanation}.",
            keywords=contradiction.keywords,
            places=contradiction.places,
            where=contradiction.places[-1],
            cure=cure,
        )

    def _has_documents(
        self,
        policies: Policies,
        strings: StringOracle,
        numbers: NumberOracle,
    ) -> bool:
        # A shallow copy: the schemas are read already, and policies are asked when the network is made.
        document = copy(self.document)
        document.policies = policies
        document.banned_texts = ()
        try:
            SchemaNetwork(document, strings, numbers)
        except UnsatisfiableSchema:
            return False
        return True


def _texts_as_bytes(texts: Mapping[int, JsonPieces]) -> Demands:
    return {j: text.to_bytes() for j, text in texts.items()}


def _keep_better(
    best: dict[int, JsonPieces],
    head: bytes,
    rests: Mapping[int, JsonPieces],
) -> None:
    for j, rest in rests.items():
        text = JsonPieces((head, rest))
        if text.is_before(best.get(j)):
            best[j] = text
