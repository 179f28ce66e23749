"""A lattice of slots and automaton states, with exact inference.

What comes in: an automaton over token classes, slots that are fixed or masked, and the logits of the masked
ones. What goes out:

- the tokens that each slot may hold in some valid filling (`token_mask`);
- the probability that independent draws from the slots' logits are valid (`log_z`), and each slot's
  distribution given that they are (`marginals`, `token_marginals`);
- the k most probable valid fillings (`best`);
- exact samples of the joint law (`sample`).

The law is the product of the slots' softmax distributions, given validity. It is exact for one step of a
masked-diffusion model. It is not the model's joint distribution over several steps.

There is a layer before each masked slot and one after the last; a node is a layer, a state and a flag
(`token_automaton`). Between masked slots a path has no choice: fixed and empty slots, and the resets of flags
at the ends of holes, are joined to one *jump* from nodes to nodes. A step takes values of nodes over a masked
slot from right to left, in one of three semirings. In Booleans it says which nodes have a way to the end, and
with those reached from the start it gives the masks. Sums of weights (their logarithms) say how likely each
edge is once a path is at its source, so that marginals and samples follow from left to right. Maxima lead
`best`. Weights are taken over a slot by compiled loops (`lattice_loops`).
"""

from __future__ import annotations

import copy
import heapq
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import count as numbers
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from structgen.errors import OptionError, StructgenError
from structgen.infilling.lattice_loops import (
    class_scores,
    drawn_logit,
    find_chances,
    find_leads,
    find_live,
    find_reached,
    find_weights,
)
from structgen.infilling.token_automaton import DEAD, Groups, Numbers, TokenAutomaton

OPEN: Final = -1
"""Marks a slot as masked."""
NULL: Final = -2
"""Marks a slot as empty."""
_NOWHERE: Final = -3
"""In place of a class: the slot is fixed to a token that stands in no text."""

_MOST_BYTES: Final = 4 << 30
"""The most memory of one lattice."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Tokens = npt.NDArray[np.int32]


def _log_sums(terms: Floats, runs: Groups) -> Floats:
    """Return the logarithm of the sum of exponentials of each run along the last axis. No term overflows or
    vanishes: each is taken relative to the greatest of its run."""
    top = np.maximum.reduceat(terms, runs.first, axis=-1)
    top[top == -math.inf] = 0.0
    with np.errstate(divide="ignore"):  # the logarithm of 0
        found: Floats = top + np.log(np.add.reduceat(np.exp(terms - top[..., runs.of]), runs.first, axis=-1))
    return found


def _maxima(terms: Floats, runs: Groups) -> Floats:
    """Return the greatest term of each run along the last axis."""
    found: Floats = np.maximum.reduceat(terms, runs.first, axis=-1)
    return found


def _any(terms: Bools, runs: Groups) -> Bools:
    """Return whether some term of each run along the last axis is true."""
    found: Bools = np.logical_or.reduceat(terms, runs.first, axis=-1)
    return found


@dataclass(frozen=True)
class _Weights:
    """The weights of a lattice, a row for each masked slot, and with them those of all ways to the end."""

    labels: Floats
    """[rows, labels]: of class sets and of nulls; minus infinity for a null where none may be."""
    ahead: Floats
    """[rows + 1, nodes + 1]: of all ways from a node to the end; minus infinity in the last column."""


class Lattice:
    """One part of a canvas, read by one automaton. Slots are committed, never released.

    All is computed when it is asked for, and kept until there are a commit or new logits; sets of nodes are
    kept up to the layers that a commit changed.
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
        columns: Sequence[int] | Tokens | None = None,
    ) -> None:
        """`tokens`: for each slot its token, OPEN for a masked one. `nullable`: slots that may stay empty;
        `closes`: the last slots of holes with such slots; no token of the hole comes after a null.
        `end_token`: the token whose logit stands for a hole's first null, `pad_token` (default: the same) for
        its later ones. `columns`: for each slot its column of the automaton's table, or -1; for marks, which
        are no tokens (`intersection`). Such a slot is not masked.

        Raises OptionError if it needs more memory than _MOST_BYTES.
        """
        count = len(tokens)
        self.automaton = automaton
        self._end, self._pad = end_token, end_token if pad_token is None else pad_token
        self._tokens = np.array(tokens, np.int32)
        column = automaton.token_class[np.maximum(self._tokens, 0)]
        self._column = np.where(self._tokens < 0, self._tokens, np.where(column < 0, _NOWHERE, column))
        if columns is not None:
            self._column = np.where(np.asarray(columns) < 0, self._column, columns)
        self._nullable = np.zeros(count, np.bool_) if nullable is None else np.array(nullable, np.bool_)
        self._closes = np.zeros(count, np.bool_) if closes is None else np.array(closes, np.bool_)
        if count and self._nullable[-1] and not self._closes[-1]:
            raise OptionError("The last slot may be empty and closes no hole.", where="closes")
        # Values of nodes and of edges in some semirings, and scores for two temperatures.
        room = count * (automaton.states * 96 + automaton.classes * 64 + len(automaton.source) * 2)
        if room > _MOST_BYTES:
            raise OptionError(
                f"{count:,} slots times {automaton.states:,} states and {automaton.classes:,} token classes "
                f"need about {room >> 20:,} MiB, more than {_MOST_BYTES >> 20:,}.",
                where="slots",
                cure="Give the holes fewer slots, bound the grammar, or lower depth=.",
            )
        self.open_slots = np.flatnonzero(self._column == OPEN)
        """The masked slots, ascending."""
        nodes = np.arange(2 * automaton.states)
        # The node before the next masked slot: of each node at the start, and after each masked slot. No path
        # is at the node -1, the last element. Equal arrays are shared.
        self._same = np.append(nodes, DEAD)
        self._reset = np.append(nodes % automaton.states, DEAD)
        self._jumps = [self._same, *(self._reset if one else self._same for one in self._closes)]
        for slot in np.flatnonzero(self._column != OPEN).tolist():
            self._join(slot)
        # [slots + 1, nodes + 1]: which nodes of a masked slot's layer (or of the end's) are reached from the
        # start, known up to a slot; and which have a way to the end, known from a slot on.
        self._reached = np.zeros((count + 1, len(nodes) + 1), np.bool_)
        self._reached_to = -1
        self._leads = np.zeros((count + 1, len(nodes) + 1), np.bool_)
        self._leads[-1, : automaton.states] = automaton.accepting
        self._leads_from = count
        # Logits are zeros before there are others.
        self._rows = [np.zeros(len(automaton.token_class), np.float32)] * count
        self._nulls = np.where(self._nullable, 0.0, -math.inf)[:, None] * np.ones(2)
        """The logit of a hole's first null, and of a later one."""
        self._scores: list[dict[float, Floats]] = [{} for _ in range(count)]
        """Of each slot, by scale: what `class_scores` says."""
        self._weights: dict[tuple[str, float], _Weights] = {}
        """By semiring and scale."""

    def __len__(self) -> int:
        return len(self._tokens)

    def copy(self) -> Lattice:
        """Return an independent copy; the automaton and the rows of logits are shared."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, np.ndarray | list | dict):
                setattr(other, name, value.copy())
        other._scores = [dict(one) for one in self._scores]
        return other

    # --- slots ----------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> Bools:
        """[slots]: which slots are masked."""
        masked: Bools = self._column == OPEN
        return masked

    @property
    def tokens(self) -> Tokens:
        """[slots]: a token, NULL or OPEN."""
        return self._tokens.copy()

    def commit(self, slot: int, token: int) -> None:
        """Write a token, or NULL, into a masked slot. Does not check that a valid filling is left: that holds
        for any slots of one valid assignment, and for one slot by its mask."""
        if self._column[slot] != OPEN:
            raise OptionError(f"Slot {slot} is not masked.", where="slot")
        column = NULL if token == NULL else int(self.automaton.token_class[token])
        if column == DEAD:
            raise OptionError(f"Token {token} stands in no text of the grammar.", where="token")
        self._column[slot], self._tokens[slot] = column, token
        self.open_slots = self.open_slots[self.open_slots != slot]
        self._join(slot)
        self._reached_to = min(self._reached_to, slot - 1)
        self._leads_from = max(self._leads_from, slot + 1)
        self._weights.clear()

    def set_logits(self, slot: int, row: npt.NDArray[np.float32]) -> None:
        """Give a masked slot new logits: float32 [V], kept without a copy.

        Raises StructgenError for NaN or plus infinity; minus infinity excludes a token.
        """
        if self._column[slot] != OPEN:
            return
        row = np.ascontiguousarray(row, np.float32)
        if not row.max() < math.inf:
            raise StructgenError(
                f"The model gave {'NaN' if np.isnan(row).any() else 'infinity'} as a logit.",
                where=f"slot {slot}",
                cure="Look at the model: its weights, or its precision (try float32).",
            )
        self._rows[slot] = row
        if self._nullable[slot]:
            self._nulls[slot] = (row[self._end], row[self._pad]) if self._end >= 0 else -math.inf
        self._scores[slot] = {}
        self._weights.clear()

    def _moved(self, slot: int) -> Numbers:
        """Return the node after a slot that is not masked, of each node before it, flags not reset."""
        moved, column, states = np.full_like(self._same, DEAD), int(self._column[slot]), self.automaton.states
        if column == NULL:
            moved[:-1] = self._reset[:-1] + states
        elif column >= 0:
            moved[:states] = self.automaton.transitions[:, column]
        return moved

    def _join(self, slot: int) -> None:
        """Put a slot that is not masked into the jump before it."""
        at = int(np.searchsorted(self.open_slots, slot))
        before = int(self.open_slots[at - 1]) + 1 if at else 0
        self._jumps[before] = self._jumps[slot + 1][self._moved(slot)[self._jumps[before]]]

    # --- which tokens fit -----------------------------------------------------------------------------------

    def _edges(self, slot: int) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Return the edges of a masked slot, for compiled loops: `Edges`, and the jump behind the slot."""
        return *self.automaton.edges, self._jumps[slot + 1]

    def _usable(self, slot: int) -> int:
        """Return how many labels the edges of a masked slot have: the last two are those of nulls."""
        return self.automaton.sets + (2 if self._nullable[slot] else 0)

    def _lead(self, slot: int) -> None:
        """Find out which nodes have a way to the end, from a masked slot on (`_leads`)."""
        first, end = np.searchsorted(self.open_slots, (slot, self._leads_from))
        after = self._layer(int(end))
        for one in self.open_slots[first:end][::-1].tolist():
            find_leads(*self._edges(one), self._usable(one), self._leads[after], self._leads[one])
            after = one
        self._leads_from = min(self._leads_from, slot)

    def _reach(self, slot: int) -> None:
        """Find out which nodes are reached from the start, up to a masked slot (`_reached`)."""
        first, end = np.searchsorted(self.open_slots, (self._reached_to, slot), side="right")
        for at in range(first, end):
            here = self._reached[self.open_slots[at]]
            here[:] = False
            if at:
                before = int(self.open_slots[at - 1])
                find_reached(*self._edges(before), self._usable(before), self._reached[before], here)
            else:
                here[self._jumps[0][self.automaton.start]] = True
                here[-1] = False
        self._reached_to = max(self._reached_to, slot)

    def _layer(self, row: int) -> int:
        """Return the slot of a masked slot's layer, by its number; after the last, that of the end."""
        return int(self.open_slots[row]) if row < len(self.open_slots) else len(self)

    @property
    def is_feasible(self) -> bool:
        """Whether some filling of the masked slots is valid."""
        self._lead(0)
        return bool(self._leads[self._layer(0), self._jumps[0][self.automaton.start]])

    def first_obstacle(self) -> int | None:
        """Return the first slot after which no path from the start continues; `len(self)` if paths reach the
        end but none accepts; None if the canvas is feasible."""
        if self.is_feasible:
            return None
        unknown = np.flatnonzero(self._column == _NOWHERE)
        if len(unknown):
            return int(unknown[0])
        here = np.array([self.automaton.start])
        for slot in range(len(self)):
            if self._column[slot] == OPEN:
                to = self.automaton.target[
                    np.isin(self.automaton.source, here) & (self.automaton.label < self._usable(slot))
                ]
            else:
                to = self._moved(slot)[here]
            here = np.setdiff1d((self._reset if self._closes[slot] else self._same)[to], [DEAD])
            if not len(here):
                return slot
        return len(self)

    def _labels(self, slots: Sequence[int] | Numbers) -> Bools:
        """Return which labels of edges masked slots have in some valid filling: [slots, labels]."""
        a, at = self.automaton, np.asarray(slots, np.int64)
        if not len(at):
            return np.zeros((0, a.sets + 2), np.bool_)
        self._reach(int(at[-1]))
        self._lead(int(at[0]) + 1)
        found = np.zeros((len(at), a.sets + 2), np.bool_)
        for row, slot in enumerate(at.tolist()):
            after = self._leads[self._layer(int(np.searchsorted(self.open_slots, slot)) + 1)]
            find_live(*self._edges(slot), self._usable(slot), self._reached[slot], after, found[row])
        return found

    def _class_masks(self, labels: Bools) -> Bools:
        """Return which token classes are in one of some labels: [slots, classes]."""
        mask = np.zeros((len(labels), self.automaton.classes), np.bool_)
        sets, runs = self.automaton.sets_by_class
        if len(sets):
            mask[:, : len(runs.first)] = _any(labels[:, sets], runs)
        return mask

    def class_mask(self, slot: int) -> Bools:
        """Return which token classes a masked slot may hold: bool [classes]."""
        found = self._class_masks(self._labels([slot] if self._column[slot] == OPEN else []))
        return np.asarray(found.any(axis=0))

    def null_allowed(self, slot: int) -> bool:
        """Return whether a masked slot may stay empty."""
        return bool(self._column[slot] == OPEN and self._labels([slot])[0, -2:].any())

    def token_mask(self, slot: int) -> Bools:
        """Return which tokens a masked slot holds in some valid filling: bool [V of the tokenizer]."""
        # the last element answers for DEAD
        mask: Bools = np.append(self.class_mask(slot), False)[self.automaton.token_class]
        return mask

    def allowed_law(self, slot: int, scale: float = 1.0) -> tuple[Floats, float]:
        """Return the probability of each token [V of the tokenizer], and of a null, at a masked slot by its
        own logits, times `scale`, among those of some valid filling. Cost: one read of the logits.

        Unlike `token_marginals` it ignores the other slots' logits. A null has the logit of the end token;
        after an empty slot of its hole, that of the padding token.
        """
        allowed = self.token_mask(slot)
        scores = self._rows[slot][: len(allowed)].astype(np.float64) * scale
        scores[~allowed] = -math.inf
        null = -math.inf
        if self.null_allowed(slot):
            is_first = slot == 0 or self._tokens[slot - 1] != NULL or bool(self._closes[slot - 1])
            null = float(self._nulls[slot, 0 if is_first else 1]) * scale
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
        slots = self.open_slots
        labels = self._labels(slots)
        masks, nulls = self._class_masks(labels), labels[:, -2:].any(axis=1)
        column = masks.argmax(axis=1)
        is_token = (masks.sum(axis=1) == 1) & ~nulls & (np.diff(self.automaton.class_start)[column] == 1)
        is_null = nulls & ~masks.any(axis=1)
        token = np.where(is_null, NULL, self.automaton.class_tokens[self.automaton.class_start[column]])
        found = is_token | is_null
        return list(zip(slots[found].tolist(), token[found].tolist(), strict=True))

    # --- sums of weights ------------------------------------------------------------------------------------

    def _class_scores(self, scale: float) -> Floats:
        """Return what `class_scores` says of each masked slot: [3, rows, classes]."""
        new = [slot for slot in self.open_slots.tolist() if scale not in self._scores[slot]]
        for slot, mask in zip(new, self._class_masks(self._labels(new)), strict=True):
            self._scores[slot][scale] = class_scores(self.automaton, self._rows[slot], scale, mask)
        each = [self._scores[slot][scale] for slot in self.open_slots.tolist()]
        return np.stack(each, axis=1) if each else np.zeros((3, 0, self.automaton.classes))

    def _weighed(self, scores: Floats, scale: float, *, is_sum: bool) -> _Weights:
        """Return the weights from scores of classes [rows, classes]: of sums, or of maxima."""
        a = self.automaton
        sets = scores[:, :0]
        if a.sets:
            sets = (_log_sums if is_sum else _maxima)(scores[:, a.set_classes], a.classes_by_set)
        labels = np.concatenate((sets, self._nulls[self.open_slots] * scale), axis=1)
        ahead = np.full((len(labels) + 1, 2 * a.states + 1), -math.inf)
        ahead[-1, : a.states][a.accepting] = 0.0
        for row in range(len(labels) - 1, -1, -1):
            edges = self._edges(int(self.open_slots[row]))
            find_weights(*edges, labels[row], ahead[row + 1], is_sum, ahead[row])
        return _Weights(labels, ahead)

    def _sums(self, scale: float = 1.0) -> _Weights:
        """Return the weights whose `ahead` is the logarithm of the summed weight of all ways."""
        key = "sums", scale
        if key not in self._weights:
            self._weights[key] = self._weighed(self._class_scores(scale)[0], scale, is_sum=True)
        return self._weights[key]

    def _maxima(self) -> _Weights:
        """Return the weights whose `ahead` is the greatest sum of logits of all ways."""
        key = "maxima", 1.0
        if key not in self._weights:
            self._weights[key] = self._weighed(self._class_scores(1.0)[2], 1.0, is_sum=False)
        return self._weights[key]

    def log_z(self) -> float:
        """Return the logarithm of the summed weight of all valid fillings. A filling's weight is the
        exponential of the sum of its masked slots' logits. Minus infinity if there is none.

        exp(log_z - log_total) is the probability that independent draws are valid.
        """
        if not self.is_feasible:
            return -math.inf
        return float(self._sums().ahead[0, self._jumps[0][self.automaton.start]])

    def log_total(self) -> float:
        """Return the same over all fillings, valid or not: the sum of the slots' log-sum-exp over the whole
        vocabulary."""
        rows = [self._rows[slot].astype(np.float64) for slot in self.open_slots.tolist()]
        return math.fsum(float(one.max() + np.log(np.exp(one - one.max()).sum())) for one in rows)

    def _checked_log_z(self) -> float:
        found = self.log_z()
        if found == -math.inf:
            raise StructgenError(
                "No filling is valid that the model gives any probability.",
                cure="Look at the slots that are fixed, and at logits of minus infinity.",
            )
        return found

    def marginals(self) -> tuple[Floats, Floats]:
        """Return the probability of each class, and of a null, at each masked slot, given that the whole is
        valid: [slots, classes] and [slots]; zeros at other slots."""
        self._checked_log_z()
        a, w = self.automaton, self._sums()
        chances, nulls = np.zeros((len(self), a.classes)), np.zeros(len(self))
        labels = np.zeros_like(w.labels)
        here: Floats = np.zeros(2 * a.states + 1)
        here[self._jumps[0][a.start]] = 1.0
        for row, slot in enumerate(self.open_slots.tolist()):
            there = np.zeros_like(here)
            find_chances(*self._edges(slot), w.labels[row], w.ahead[row : row + 2], here, there, labels[row])
            here = there
        nulls[self.open_slots] = np.minimum(labels[:, -2:].sum(axis=1), 1.0)
        sets, runs = a.sets_by_class
        if len(sets):
            whole = np.where(w.labels == -math.inf, 0.0, w.labels)[:, sets]
            each = np.exp(np.minimum(self._class_scores(1.0)[0][:, runs.of] - whole, 0.0)) * labels[:, sets]
            chances[self.open_slots, : len(runs.first)] = np.add.reduceat(each, runs.first, axis=1)
        return chances, nulls

    def token_marginals(self, slot: int, found: tuple[Floats, Floats]) -> tuple[Floats, float]:
        """Return the probability of each token [V of the tokenizer], and of a null, at one masked slot;
        `found` is what `marginals` says."""
        chances, nulls = found
        column = self.automaton.token_class
        row, scores = self._rows[slot][: len(column)], self._scores[slot][1.0][0]
        return _shares(np.where(column == DEAD, 0.0, chances[slot, column]), row, scores[column]), nulls[slot]

    def probabilities(self, assignment: Tokens, found: tuple[Floats, Floats]) -> Floats:
        """Return the constrained probability of an assignment's token at each masked slot, 1 at the others;
        `found` is what `marginals` says."""
        chances, nulls = found
        slots, rows = self.open_slots, np.arange(len(self.open_slots))
        tokens, chosen = np.maximum(assignment[slots], 0), np.ones(len(self))
        column = self.automaton.token_class[tokens]
        logits = np.array([self._rows[slot][token] for slot, token in zip(slots, tokens, strict=True)])
        shares = _shares(chances[slots, column], logits, self._class_scores(1.0)[0][rows, column])
        chosen[slots] = np.where(assignment[slots] == NULL, nulls[slots], shares)
        return chosen

    def entropies(self, found: tuple[Floats, Floats]) -> Floats:
        """Return the entropy of the constrained distribution over tokens at each slot, in nats, 0 at fixed
        ones; `found` is what `marginals` says."""
        scores, means = self._class_scores(1.0)[:2]
        chances, nulls = (one[self.open_slots] for one in found)
        with np.errstate(divide="ignore", invalid="ignore"):
            # A token's probability is that of its class times e^(logit - the class's score).
            each = np.where(chances > 0.0, chances * (np.log(chances) + means - scores), 0.0)
            null = np.where(nulls > 0.0, nulls * np.log(nulls), 0.0)
        total = np.zeros(len(self))
        total[self.open_slots] = np.maximum(-each.sum(axis=1) - null, 0.0)
        return total

    # --- sampling -------------------------------------------------------------------------------------------

    def sample(self, uniforms: Floats, scale: float = 1.0) -> Tokens:
        """Return one exact draw from the joint law of valid fillings, with logits times `scale`: a token or
        NULL for each slot.

        `uniforms`: float64 [slots, 3] of independent uniform numbers from 0 to 1, in which a seed counts: for
        an edge or a null, for a class of the edge, for a token of the class.
        """
        self._checked_log_z()
        a, w = self.automaton, self._sums(scale)
        drawn, node = self._tokens.copy(), self._jumps[0][a.start]
        for row, slot in enumerate(self.open_slots.tolist()):
            first, end = np.searchsorted(a.source, (node, node + 1))
            targets = self._jumps[slot + 1][a.target[first:end]]
            edge = _drawn(w.labels[row, a.label[first:end]] + w.ahead[row + 1, targets], uniforms[slot, 0])
            node, label = targets[edge], int(a.label[first + edge])
            if label >= a.sets:
                drawn[slot] = NULL
                continue
            classes = a.set_classes[a.set_start[label] : a.set_start[label + 1]]
            scores = self._scores[slot][scale][0, classes]
            tokens = a.tokens_of(int(classes[_drawn(scores, uniforms[slot, 1])]))
            drawn[slot] = tokens[drawn_logit(self._rows[slot][tokens], scale, uniforms[slot, 2])]
        return drawn

    # --- the most probable fillings -------------------------------------------------------------------------

    def best(self, k: int = 1) -> list[tuple[float, Tokens]]:
        """Return the k most probable valid fillings, or as many as there are, best first: the sum of the
        masked slots' logits, and a token or NULL for each slot. The order of equal ones is deterministic.

        Known maxima of all ways to the end lead straight to the best filling. The next one leaves a known one
        at some slot (Lawler, 1972): all fillings but the known ones are kept in parts, each with its best
        value. Cost beside the maxima: for each filling, some microseconds a slot.

        Raises StructgenError if no valid filling has a positive probability.
        """
        w = self._maxima()
        start = int(self._jumps[0][self.automaton.start])
        value = float(w.ahead[0, start])
        if value == -math.inf:
            self._checked_log_z()
        found: list[tuple[float, Tokens]] = []
        order = numbers()
        # A part: its best value, the tokens that it begins with, the node after them, their weight, and the
        # tokens that do not come next.
        nothing: frozenset[int] = frozenset()
        parts: list[tuple[float, int, list[int], int, float, frozenset[int]]]
        parts = [(-value, next(order), [], start, 0.0, nothing)]
        while parts and len(found) < k:
            negative, _, begun, node, weight, banned = heapq.heappop(parts)
            tokens = list(begun)
            for row in range(len(begun), len(self.open_slots)):
                value, token, after = self._best_way(w, row, node, banned)
                if len(found) + 1 < k:
                    others = banned | {token}
                    rest, _, _ = self._best_way(w, row, node, others)
                    if rest > -math.inf:
                        part = (-(weight + rest), next(order), list(tokens), node, weight, others)
                        heapq.heappush(parts, part)
                tokens.append(token)
                weight += value - float(w.ahead[row + 1, after])
                node, banned = after, nothing
            filling = self._tokens.copy()
            filling[self.open_slots] = tokens
            found.append((-negative, filling))
        return found

    def _best_way(self, w: _Weights, row: int, node: int, banned: Collection[int]) -> tuple[float, int, int]:
        """Return the best token or NULL of a masked slot after a node, none of those that are banned: the
        value of its best way to the end, itself, and the node of the next layer."""
        a, slot, ahead = self.automaton, int(self.open_slots[row]), w.ahead[row + 1]
        flag, state = divmod(node, a.states)
        jump, value, after = self._jumps[slot + 1], -math.inf, DEAD
        if NULL not in banned:
            after = int(jump[state + a.states])
            value = float(ahead[after] + w.labels[row, a.sets + flag])
        if flag == 0:
            to = jump[a.transitions[state]]
            ways = self._scores[slot][1.0][2] + ahead[to]
            for one in {int(a.token_class[one]) for one in banned if one != NULL}:
                ways[one] = self._best_token(slot, one, banned)[0] + ahead[to[one]]
            best = int(ways.argmax())
            if ways[best] >= value and ways[best] > -math.inf:
                return float(ways[best]), self._best_token(slot, best, banned)[1], int(to[best])
        return value, NULL, after

    def _best_token(self, slot: int, column: int, banned: Collection[int]) -> tuple[float, int]:
        """Return the best token of a class that is not banned, after its logit; the lowest of equal ones."""
        tokens = self.automaton.tokens_of(column)
        logits = self._rows[slot][tokens]
        for one in banned:
            logits[tokens == one] = -math.inf
        at = int(logits.argmax())
        return float(logits[at]), int(tokens[at])


def _shares(chances: Floats, logits: npt.NDArray[Any], scores: Floats) -> Floats:
    """Return the probability of tokens: that of its class times e^(logit - the class's score)."""
    with np.errstate(invalid="ignore", over="ignore"):
        found = chances * np.exp(logits.astype(np.float64) - scores)
    return np.where(chances > 0.0, np.minimum(found, 1.0), 0.0)


def _drawn(logs: Floats, uniform: float) -> int:
    """Return a number drawn by the weights e^logs: where their running sum passes `uniform` of the whole."""
    shares = np.exp(logs - logs.max())
    ends = np.cumsum(shares)
    at = int(np.searchsorted(ends, uniform * ends[-1], side="right"))
    return min(at, int(np.flatnonzero(shares)[-1]))
