"""A lattice of slots and automaton states, with exact inference.

What comes in: an automaton over token classes, slots that are fixed or masked, and the logits of the masked
ones. What goes out, each by one forward-backward pass in its semiring:

- Boolean: the tokens that each slot may hold in some valid filling (`token_mask`);
- log-sum: the probability that independent draws from the slots' logits are valid (`log_z`), and each slot's
  distribution given that they are (`marginals`, `token_marginals`);
- max-plus: the k most probable valid fillings (`best`);
- backward sums and draws from left to right: exact samples of the joint law (`sample`).

The law is the product of the slots' softmax distributions, given validity. It is exact for one step of a
masked-diffusion model. It is not the model's joint distribution over several steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.errors import OptionError, StructgenError
from structgen.infilling import lattice_loops as loops
from structgen.infilling.token_automaton import DEAD, TokenAutomaton, packed, unpacked

NULL: Final = loops.NULL_TOKEN
"""Marks a slot in an assignment as empty."""
OPEN: Final = -1
"""Marks a slot as masked."""

_FIRST: Final = 64
"""How many logits are compared first: those of a recomputed row usually differ there."""
_MOST_BYTES: Final = 4 << 30
"""The most memory of one lattice."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Tokens = npt.NDArray[np.int32]
_Ints = npt.NDArray[np.int32]


class Lattice:
    """One part of a canvas, read by one automaton. Slots are committed, never released.

    Updates are incremental. Sets of states are updated from the changed slots outwards until nothing changes;
    only new logits are reduced; sums and best paths are recomputed on demand, after the first changed slot
    (forward) or before the last (backward).
    """

    def __init__(
        self,
        automaton: TokenAutomaton,
        tokens: Sequence[int] | Tokens,
        *,
        nullable: Sequence[bool] | Bools | None = None,
        closes: Sequence[bool] | Bools | None = None,
        end_token: int = OPEN,
        pad_token: int | None = None,
        scale: float = 1.0,
        columns: Sequence[int] | Tokens | None = None,
    ) -> None:
        """`tokens`: for each slot its token, OPEN for a masked one. `nullable`: slots that may stay empty;
        `closes`: the last slots of holes with such slots; no token of the hole comes after a null.
        `end_token`: the token whose logit stands for a hole's first null, `pad_token` (default: the same) for
        its later ones. `scale`: the factor of the logits, 1 / temperature. `columns`: for each slot its
        column of the automaton's table, or -1; for marks, which are no tokens (`intersection`). Such a slot
        is not masked.
        """
        count = len(tokens)
        self.automaton = automaton
        self.scale = float(scale)
        self._end, self._pad = end_token, end_token if pad_token is None else pad_token
        self._tokens = np.array(tokens, np.int32)
        column = np.where(self._tokens < 0, -1, automaton.token_class[self._tokens])
        if columns is not None:
            column = np.where(np.asarray(columns) < 0, column, columns)
        fixed = self._tokens != OPEN
        self._is_void = bool((column[fixed] < 0).any())
        self._slots = np.zeros((count, 4), np.int32)
        self._slots[:, loops.KIND] = np.where(fixed, loops.FIXED, loops.MASKED)
        self._slots[:, loops.COLUMN] = np.where(fixed, np.maximum(column, 0), 0)
        if nullable is not None:
            self._slots[:, loops.NULLABLE] = nullable
        if closes is not None:
            self._slots[:, loops.CLOSES] = closes
        if count and self._nullable[-1] and not self._closes[-1]:
            raise OptionError("The last slot may be empty and closes no hole.", where="closes")
        # The Boolean semiring: which states are live at each layer, and which classes at each slot.
        self._sets = np.zeros((4, count + 1, automaton.state_words), np.uint64)
        self._masks = np.zeros((count, automaton.class_words), np.uint64)
        self._null_allowed = np.zeros(count, np.uint8)
        self._touched = np.ones(count, np.uint8)
        self._first_changed, self._last_changed = 0, count - 1
        if not self._is_void:
            self._sets[loops.F0, 0] = packed(np.arange(automaton.states) == automaton.start)
            self._sets[loops.B0, count] = packed(automaton.accepting)
        # Scores of classes, from logits. Arrays with a size per class or state are allocated when needed.
        self._rows: list[npt.NDArray[np.float32] | None] = [None] * count
        self._ranks = 2
        self._stale = np.ones(count, np.uint8)
        self._nulls, self._base = np.zeros((count, 2)), np.zeros(count)
        self._has_room = False
        self._scores = self._means = self._sums = self._blocks = np.empty((0, 0))
        self._tops, self._top_tokens = np.empty((0, 0, 0)), np.empty((0, 0, 0), np.int32)
        # Sums over paths from the start (a) and to the end (c); the k best paths. Each is valid up to a
        # layer.
        self._forward, self._backward = 0, count
        self._a = self._c = np.empty((0, 0, 0))
        self._best_of = 0
        self._best_forward = 0
        self._values = np.empty((0, 0, 0, 0))
        self._origins, self._chosen = np.empty((0, 0, 0, 0), np.int64), np.empty((0, 0, 0, 0), np.int32)
        self.slots_reduced = 0
        """How many rows of logits were reduced to class scores so far, for tests."""

    def __len__(self) -> int:
        return len(self._slots)

    def check_room(self) -> None:
        """Raise OptionError if the arrays of scores and sums would be too large."""
        a, count = self.automaton, len(self)
        # including those of the two best fillings
        room = count * (a.states * 240 + a.classes * 64 + len(a.set_start) * 8)
        if room > _MOST_BYTES:
            raise OptionError(
                f"{count:,} slots times {a.states:,} states and {a.classes:,} token classes need about "
                f"{room >> 20:,} MiB, more than {_MOST_BYTES >> 20:,}.",
                where="slots",
                cure="Give the holes fewer slots, bound the grammar, or lower depth=.",
            )

    def _make_room(self) -> None:
        """Allocate the arrays of scores and sums, which the Boolean semiring does not need."""
        if self._has_room:
            return
        self.check_room()
        a, count = self.automaton, len(self)
        self._scores, self._means = np.zeros((count, a.classes)), np.zeros((count, a.classes))
        self._tops, self._top_tokens = self._no_tops()
        self._blocks = np.zeros((count, -(-len(a.wide_tokens) // loops.BLOCK)))
        self._sums = np.zeros((count, len(a.set_start) - 1))
        self._a, self._c = (np.full((2, count + 1, a.states), -math.inf) for _ in range(2))
        self._has_room = True

    @property
    def nbytes(self) -> int:
        """Bytes of the lattice's arrays, without logits."""
        return sum(one.nbytes for one in vars(self).values() if isinstance(one, np.ndarray))

    @property
    def _graph(self) -> tuple[_Ints, _Ints, _Ints, _Ints, _Ints]:
        """The arrays of the automaton that the passes read."""
        a = self.automaton
        return a.transitions, a.edge_start, a.edges, a.set_start, a.set_classes

    @property
    def _weights(self) -> tuple[Floats, Floats, Floats, Floats]:
        """The arrays of the logits that the passes of the log-sum semiring read."""
        return self._scores, self._nulls, self._base, self._sums

    # --- slots ----------------------------------------------------------------------------------------------

    @property
    def _kind(self) -> npt.NDArray[np.int32]:
        return self._slots[:, loops.KIND]

    @property
    def _nullable(self) -> npt.NDArray[np.int32]:
        return self._slots[:, loops.NULLABLE]

    @property
    def _closes(self) -> npt.NDArray[np.int32]:
        return self._slots[:, loops.CLOSES]

    @property
    def is_open(self) -> Bools:
        """[slots]: which slots are masked."""
        masked: Bools = self._kind == loops.MASKED
        return masked

    @property
    def tokens(self) -> Tokens:
        """[slots]: a token, NULL or OPEN."""
        return self._tokens.copy()

    def commit(self, slot: int, token: int) -> None:
        """Write a token, or NULL, into a masked slot. Does not check that a valid filling is left: that holds
        for any slots of one valid assignment, and for one slot by its mask."""
        if self._kind[slot] != loops.MASKED:
            raise OptionError(f"Slot {slot} is not masked.", where="slot")
        column = 0
        if token == NULL:
            self._kind[slot] = loops.NULL
        else:
            self._kind[slot] = loops.FIXED
            column = int(self.automaton.token_class[token])
            if column < 0:
                raise OptionError(f"Token {token} stands in no text of the grammar.", where="token")
        self._slots[slot, loops.COLUMN], self._tokens[slot] = column, token
        self._first_changed = min(self._first_changed, slot)
        self._last_changed = max(self._last_changed, slot)
        self._changed(slot)

    def set_logits(self, slot: int, row: npt.NDArray[np.float32]) -> None:
        """Give a masked slot new logits: float32 [V], kept without a copy; unchanged ones are detected. Only
        classes that the slot may hold are scored: commits never allow another.

        Raises StructgenError for NaN or plus infinity; minus infinity excludes a token.
        """
        if self._kind[slot] != loops.MASKED:
            return
        self._make_room()
        row = np.ascontiguousarray(row, np.float32)
        old = self._rows[slot]
        if old is not None and np.array_equal(old[:_FIRST], row[:_FIRST]) and np.array_equal(old, row):
            return
        self._rows[slot] = row
        self._reduce(slot, row)
        self._nulls[slot] = -math.inf
        if self._end >= 0:
            self._nulls[slot] = row[self._end] * self.scale, row[self._pad] * self.scale
        self._stale[slot] = 1
        self._changed(slot)

    def _reduce(self, slot: int, row: npt.NDArray[np.float32]) -> None:
        self._settle()
        self.slots_reduced += 1
        a = self.automaton
        code = loops.reduce_row(
            row,
            self.scale,
            self._masks[slot],
            a.wide_class,
            a.wide_tokens,
            a.class_start,
            a.class_tokens,
            self._scores[slot],
            self._means[slot],
            self._tops[slot],
            self._top_tokens[slot],
            self._blocks[slot],
        )
        if code:
            told = "NaN" if code == loops.NO_NUMBER else "infinity"
            raise StructgenError(
                f"The model gave {told} as a logit.",
                where=f"slot {slot}",
                cure="Look at the model: its weights, or its precision (try float32).",
            )

    def _no_tops(self) -> tuple[Floats, npt.NDArray[np.int32]]:
        """Return the best tokens of each slot and class before there are logits: the first of each class."""
        shape = (len(self), self.automaton.classes, self._ranks)
        tops, tokens = np.full(shape, -math.inf), np.full(shape, -1, np.int32)
        tops[:, :, 0] = 0.0
        first = self.automaton.class_start[:-1]
        has_tokens = first < self.automaton.class_start[1:]  # a mark has none
        tokens[:, has_tokens, 0] = self.automaton.class_tokens[first[has_tokens]]
        return tops, tokens

    def _changed(self, slot: int) -> None:
        self._forward, self._backward = min(self._forward, slot), max(self._backward, slot + 1)
        self._best_forward = min(self._best_forward, slot)

    # --- Boolean --------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Update sets of states and masks."""
        if self._last_changed < self._first_changed:
            return
        a = self.automaton
        loops.reach(
            self._slots,
            self._sets,
            a.transitions,
            a.successors,
            a.predecessors,
            self._touched,
            self._first_changed,
            self._last_changed,
        )
        self._stale |= self._touched
        loops.fill_class_masks(
            self._slots,
            self._sets,
            a.transitions,
            a.edge_start,
            a.edges,
            a.set_bits,
            self._touched,
            self._masks,
            self._null_allowed,
        )
        self._first_changed, self._last_changed = len(self), -1

    @property
    def is_feasible(self) -> bool:
        """Whether some filling of the masked slots is valid."""
        if self._is_void:
            return False
        self._settle()
        return bool((self._sets[loops.F0, -1] & self._sets[loops.B0, -1]).any())

    def first_obstacle(self) -> int | None:
        """Return the first slot after which no path from the start continues; `len(self)` if paths reach the
        end but none accepts; None if the canvas is feasible."""
        if self.is_feasible:
            return None
        if self._is_void:
            fixed = np.flatnonzero(self._kind == loops.FIXED)
            column = self.automaton.token_class
            unknown = [at for at in fixed.tolist() if self._tokens[at] >= 0 > column[self._tokens[at]]]
            return int(unknown[0])
        alive = (self._sets[loops.F0] | self._sets[loops.F1]).any(axis=1)
        return int(np.argmin(alive)) - 1 if not alive.all() else len(self)

    def class_mask(self, slot: int) -> Bools:
        """Return which token classes a slot may hold: bool [classes]."""
        self._settle()
        return unpacked(self._masks[slot], self.automaton.classes)

    def null_allowed(self, slot: int) -> bool:
        """Return whether a slot may stay empty."""
        self._settle()
        return bool(self._null_allowed[slot])

    def token_mask(self, slot: int) -> Bools:
        """Return which tokens a slot holds in some valid filling: bool [V of the tokenizer]."""
        column = self.automaton.token_class
        return np.where(column == DEAD, False, self.class_mask(slot)[column])

    def allowed_law(self, slot: int) -> tuple[Floats, float]:
        """Return the probability of each token [V of the tokenizer], and of a null, at a masked slot by its
        own logits, among those of some valid filling. Cost: one read of the logits.

        Unlike `token_marginals` it ignores the other slots' logits. A null has the logit of the end token;
        after an empty slot of its hole, that of the padding token.
        """
        row = self._rows[slot]
        if row is None:
            raise OptionError("The slot has no logits.", where=f"slot {slot}")
        allowed = self.token_mask(slot)
        scores = row[: len(allowed)].astype(np.float64) * self.scale
        scores[~allowed] = -math.inf
        null = -math.inf
        if self.null_allowed(slot):
            is_first = slot == 0 or self._tokens[slot - 1] != NULL or bool(self._closes[slot - 1])
            null = float(self._nulls[slot, 0 if is_first else 1])
        top = max(float(scores.max()), null)
        if top == -math.inf:
            self._checked_log_z()
        chances = np.exp(scores - top)
        total = float(chances.sum()) + math.exp(null - top)
        return chances / total, math.exp(null - top) / total

    def forced(self) -> list[tuple[int, int]]:
        """Return the masked slots that are the same in every valid filling, with their token or NULL."""
        if not self.is_feasible:
            return []
        found = []
        a = self.automaton
        masked = np.flatnonzero(self._kind == loops.MASKED)
        bits = np.unpackbits(self._masks[masked].view(np.uint8), axis=1)
        few = bits.sum(axis=1)
        for slot, count in zip(masked.tolist(), few.tolist(), strict=True):
            if count == 0 and self._null_allowed[slot]:
                found.append((slot, NULL))
            elif count == 1 and not self._null_allowed[slot]:
                column = int(np.argmax(self.class_mask(slot)))
                first, end = int(a.class_start[column]), int(a.class_start[column + 1])
                if end - first == 1:
                    found.append((slot, int(a.class_tokens[first])))
        return found

    # --- log-sum --------------------------------------------------------------------------------------------

    def _sum(self, *, forward: bool, backward: bool) -> None:
        """Update the sums of the log-sum semiring."""
        self._make_room()
        self._settle()
        a = self.automaton
        loops.sum_sets(
            self._stale,
            self._slots,
            self._masks,
            self._null_allowed,
            a.set_start,
            a.set_classes,
            *self._weights,
        )
        shared = (self._slots, self._sets, *self._graph, *self._weights)
        if (forward and self._forward < len(self)) or not len(self):
            self._a[0, 0] = -math.inf
            self._a[0, 0, a.start] = 0.0
            loops.sum_forward(self._forward, *shared, self._a)
            self._forward = len(self)
        if (backward and self._backward > 0) or not len(self):
            self._c[0, -1] = np.where(a.accepting, 0.0, -math.inf)
            loops.sum_backward(self._backward - 1, *shared, self._c)
            self._backward = 0

    def log_z(self) -> float:
        """Return the logarithm of the summed weight of all valid fillings. A filling's weight is the
        exponential of the sum of its masked slots' logits (times scale). Minus infinity if there is none.

        exp(log_z - log_total) is the probability that independent draws are valid.
        """
        if not self.is_feasible:
            return -math.inf
        self._sum(forward=True, backward=False)
        live = self._a[0, -1][self.automaton.accepting]
        return _log_sum(live)

    def log_total(self) -> float:
        """Return the same over all fillings, valid or not: the sum of the slots' log-sum-exp over the whole
        vocabulary."""
        total = 0.0
        for slot in np.flatnonzero(self.is_open).tolist():
            row = self._rows[slot]
            if row is None:
                raise OptionError("The slot has no logits.", where=f"slot {slot}")
            total += _log_sum(row.astype(np.float64) * self.scale)
        return total

    def _checked_log_z(self) -> float:
        found = self.log_z()
        if found == -math.inf:
            raise StructgenError(
                "No filling is valid that the model gives any probability.",
                cure="Look at the slots that are fixed, and at logits of minus infinity.",
            )
        return found

    def marginals(self, wanted: Bools | None = None) -> tuple[Floats, Floats]:
        """Return the probability of each class, and of a null, at each masked slot, given that the whole is
        valid: [slots, classes] and [slots]; zeros at other slots and where `wanted` is False."""
        log_z = self._checked_log_z()
        self._sum(forward=True, backward=True)
        chances, nulls = np.zeros((len(self), self.automaton.classes)), np.zeros(len(self))
        loops.fill_marginals(
            np.ones(len(self), np.uint8) if wanted is None else wanted.astype(np.uint8),
            self._slots,
            self._sets,
            *self._graph,
            *self._weights,
            self._a,
            self._c,
            log_z,
            chances,
            nulls,
        )
        return chances, nulls

    def token_marginals(self, slot: int) -> tuple[Floats, float]:
        """Return the probability of each token [V of the tokenizer], and of a null, at one masked slot."""
        wanted = np.zeros(len(self), np.bool_)
        wanted[slot] = True
        chances, nulls = self.marginals(wanted)
        row, column = self._rows[slot], self.automaton.token_class
        if row is None:
            raise OptionError("The slot has no logits.", where=f"slot {slot}")
        safe = np.maximum(column, 0)
        with np.errstate(invalid="ignore", over="ignore"):
            share = np.exp(row[: len(column)].astype(np.float64) * self.scale - self._scores[slot][safe])
            found = chances[slot][safe] * share
        return np.where((column == DEAD) | (chances[slot][safe] == 0.0), 0.0, found), float(nulls[slot])

    def probabilities(self, assignment: Tokens, found: tuple[Floats, Floats]) -> Floats:
        """Return the constrained probability of an assignment's token at each masked slot, 1 at the others;
        `found` is what `marginals` says."""
        chances, nulls = found
        chosen = np.ones(len(self))
        for slot in np.flatnonzero(self.is_open).tolist():
            token = int(assignment[slot])
            row = self._rows[slot]
            if token == NULL or row is None:
                chosen[slot] = nulls[slot]
                continue
            column = int(self.automaton.token_class[token])
            if chances[slot, column] == 0.0:
                chosen[slot] = 0.0  # its class may have no score
                continue
            share = math.exp(float(row[token]) * self.scale - self._scores[slot, column])
            chosen[slot] = chances[slot, column] * share
        return np.minimum(chosen, 1.0)

    def entropies(self, found: tuple[Floats, Floats]) -> Floats:
        """Return the entropy of the constrained distribution over tokens at each slot, in nats, 0 at fixed
        ones; `found` is what `marginals` says."""
        chances, nulls = found
        with np.errstate(divide="ignore", invalid="ignore"):
            # A token's probability is that of its class times e^(logit - the class's score).
            each = chances * (np.log(chances) + self._means - self._scores)
            null = nulls * np.log(nulls)
        total: Floats = -np.where(chances > 0.0, each, 0.0).sum(axis=1) - np.where(nulls > 0.0, null, 0.0)
        return np.maximum(np.where(self.is_open, total, 0.0), 0.0)

    # --- sampling -------------------------------------------------------------------------------------------

    def sample(self, uniforms: Floats) -> Tokens:
        """Return one exact draw from the joint law of valid fillings: a token or NULL for each slot.

        `uniforms`: float64 [slots, 3] of independent uniform numbers from 0 to 1, in which a seed counts.
        """
        self._checked_log_z()
        self._sum(forward=False, backward=True)
        a = self.automaton
        drawn = np.full(len(self), NULL, np.int32)
        loops.draw_classes(
            a.start,
            self._slots,
            self._sets,
            *self._graph,
            *self._weights,
            self._c,
            np.ascontiguousarray(uniforms[:, :2]),
            drawn,
        )
        for slot in np.flatnonzero(self.is_open & (drawn != NULL)).tolist():
            drawn[slot] = self._drawn_token(slot, int(drawn[slot]), float(uniforms[slot, 2]))
        fixed = self._kind == loops.FIXED
        drawn[fixed] = self._tokens[fixed]
        return drawn

    def _drawn_token(self, slot: int, column: int, uniform: float) -> int:
        """Draw a token of a class at a slot."""
        a, row = self.automaton, self._rows[slot]
        if row is None:
            raise OptionError("The slot has no logits.", where=f"slot {slot}")
        first, end = int(a.class_start[column]), int(a.class_start[column + 1])
        if end - first == 1:
            return int(a.class_tokens[first])
        if column == a.wide_class:
            top = float(self._tops[slot, column, 0])
            found = loops.draw_wide_token(row, self.scale, top, a.wide_tokens, self._blocks[slot], uniform)
        else:
            score = float(self._scores[slot, column])
            found = loops.draw_token(row, self.scale, score, a.class_tokens, first, end, uniform)
        return int(found)

    # --- max-plus -------------------------------------------------------------------------------------------

    def best(self, k: int = 1) -> list[tuple[float, Tokens]]:
        """Return the k most probable valid fillings, or as many as there are, best first: the sum of the
        masked slots' logits (times scale), and a token or NULL for each slot. The order of equal ones is
        deterministic.

        Raises StructgenError if no valid filling has a positive probability.
        """
        self._make_room()
        self._settle()
        a = self.automaton
        if k > self._ranks:
            self._ranks = k
            self._tops, self._top_tokens = self._no_tops()
            for slot, row in enumerate(self._rows):
                if row is not None and self._kind[slot] == loops.MASKED:
                    self._reduce(slot, row)
        if self._best_of != k:
            shape = (2, len(self) + 1, a.states, k)
            self._values, self._origins = np.full(shape, -math.inf), np.zeros(shape, np.int64)
            self._chosen = np.zeros(shape, np.int32)
            self._best_of, self._best_forward = k, 0
        if self._best_forward < len(self) or not len(self):
            self._values[0, 0, a.start, 0] = 0.0
            loops.best_forward(
                self._best_forward,
                self._slots,
                self._sets,
                *self._graph,
                self._tops,
                self._top_tokens,
                self._nulls,
                self._values,
                self._origins,
                self._chosen,
            )
            self._best_forward = len(self)
        accepting = np.flatnonzero(a.accepting)
        ways = [
            (-float(self._values[0, -1, state, rank]), state, rank)
            for state in accepting.tolist()
            for rank in range(k)
            if self._values[0, -1, state, rank] > -math.inf
        ]
        if self._is_void or not ways:
            self._checked_log_z()
        return [(-value, self._way(state, rank)) for value, state, rank in sorted(ways)[:k]]

    def _way(self, state: int, rank: int) -> Tokens:
        """Return the assignment along the path to a node of the last layer."""
        found = np.full(len(self), NULL, np.int32)
        flag, k = 0, self._best_of
        for layer in range(len(self), 0, -1):
            found[layer - 1] = self._chosen[flag, layer, state, rank]
            origin, rank = divmod(int(self._origins[flag, layer, state, rank]), k)
            state, flag = divmod(origin, 2)
        fixed = self._kind == loops.FIXED
        found[fixed] = self._tokens[fixed]
        return found


def _log_sum(values: Floats) -> float:
    """Return the logarithm of the sum of exponentials."""
    top = float(values.max()) if len(values) else -math.inf
    return top if top == -math.inf else top + math.log(float(np.exp(values - top).sum()))
