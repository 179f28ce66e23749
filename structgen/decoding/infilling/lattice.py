"""A lattice of slots and automaton states: which tokens each slot may hold in some valid filling.

What comes in: an automaton over token classes, slots that are fixed or masked, and the logits of the masked
ones. What goes out: the tokens that each slot may hold (`token_mask`), and the probabilities of these by the
slot's own logits (`allowed_law`).

There is a layer before each slot and one after the last; a node is a layer, a state and a flag
(`token_automaton`). A step takes sets of nodes over a slot: from right to left those that have a way to the
end, and from left to right those that are reached. Both give the masks. Sets are taken over a masked slot by
compiled loops (`lattice_loops`); over any other a path has no choice (`Lattice.nodes_after`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.base.errors import OptionError, StructgenError
from structgen.base.limits import CACHE_BYTES
from structgen.decoding.infilling.lattice_loops import find_leads, find_live, find_reached
from structgen.decoding.infilling.token_automaton import DEAD, Bools, Ints, Numbers, TokenAutomaton

OPEN: Final = -1
"""Marks a slot as masked."""
NULL: Final = -2
"""Marks a slot as empty."""
NOWHERE: Final = -3
"""In place of a class: the slot is fixed to a token that stands in no text."""

_MOST_BYTES: Final = 8 * CACHE_BYTES
"""The most memory of one lattice: 4 GiB."""

Floats = npt.NDArray[np.float64]


class LatticeSlot(NamedTuple):
    """A slot of a new lattice."""

    token: int = OPEN
    """Its token; OPEN: it is masked."""
    is_nullable: bool = False
    """Whether it may stay empty."""
    closes: bool = False
    """Whether it is the last slot of a hole that has such slots; no token of the hole comes after a null."""
    column: int = DEAD
    """Of a mark, which is no token and not masked, its column of the automaton's table (`intersection`)."""


class Lattice:
    """One part of a canvas, read by one automaton. Slots are committed, never released.

    Sets of nodes are computed when they are asked for, and kept up to the layers that a commit changed.
    """

    def __init__(
        self,
        automaton: TokenAutomaton,
        slots: Sequence[LatticeSlot],
        *,
        end_token: int = OPEN,
        pad_token: int = OPEN,
    ) -> None:
        """`end_token`: the token whose logit stands for a hole's first null, `pad_token` for its later ones.

        Raises OptionError if it needs more memory than _MOST_BYTES.
        """
        count = len(slots)
        self.automaton = automaton
        self._end = end_token
        self._pad = pad_token
        # An array for each field of `LatticeSlot`.
        tokens, self._nullable, self._closes, mark_columns = map(np.array, zip(*slots, strict=True))
        self._tokens = tokens.astype(np.int32)
        # Of each slot its column in the automaton's table: that of its token's class, or of its mark; OPEN,
        # NULL or NOWHERE in place of one. The class of a slot without a token is looked up in vain.
        classes = automaton.token_class[np.maximum(tokens, 0)]
        token_columns = np.where(classes < 0, NOWHERE, classes)
        columns = np.where(tokens < 0, tokens, token_columns)
        self._column = np.where(mark_columns < 0, columns, mark_columns)
        # Two sets of nodes, and classes.
        room = count * (4 * automaton.states + automaton.classes)
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
        self._node_numbers = np.append(nodes, DEAD)
        self._reset_nodes = np.append(nodes % automaton.states, DEAD)
        # [slots + 1, nodes + 1]: which nodes of a slot's layer (or of the end's) are reached from the start,
        # known up to a slot; and which have a way to the end, known from a slot on. No path is at the node
        # -1, the last element.
        self._reached_nodes = np.zeros((count + 1, len(nodes) + 1), np.bool_)
        self._reached_nodes[0, automaton.start] = True
        self._reached_to = 0
        self._leads = np.zeros((count + 1, len(nodes) + 1), np.bool_)
        self._leads[-1, : automaton.states] = automaton.accepting
        self._leads_from = count
        self.logits = [np.zeros(len(automaton.token_class), np.float32)] * count
        """Of each slot, float32 [V or more]: zeros before there are others."""
        self.null_logits = np.where(self._nullable, 0.0, -math.inf)[:, None] * np.ones(2)
        """float64 [slots, 2]: the logit of a hole's first null, and of a later one; minus infinity where the
        slot may not stay empty."""

    def __len__(self) -> int:
        return len(self._tokens)

    # --- slots ----------------------------------------------------------------------------------------------

    @property
    def tokens(self) -> Ints:
        """[slots]: a token, NULL or OPEN."""
        return self._tokens.copy()

    def commit_token(self, slot: int, token: int) -> None:
        """Write a token, or NULL, into a masked slot. Does not check that a valid filling is left: that holds
        for any slots of one valid assignment, and for one slot by its mask."""
        if self._column[slot] != OPEN:
            raise OptionError(f"Slot {slot} is not masked.", where="slot")
        column = NULL if token == NULL else int(self.automaton.token_class[token])
        if column == DEAD:
            raise OptionError(f"Token {token} stands in no text of the grammar.", where="token")
        self._column[slot] = column
        self._tokens[slot] = token
        self.open_slots = self.open_slots[self.open_slots != slot]
        # The sets of other layers stay: reached ones up to the slot, leads from after it on.
        self._reached_to = min(self._reached_to, slot)
        self._leads_from = max(self._leads_from, slot + 1)

    def set_logits(self, slot: int, row: npt.NDArray[np.float32]) -> None:
        """Give a masked slot new logits: float32 [V], kept without a copy.

        Raises StructgenError for NaN or plus infinity; minus infinity excludes a token.
        """
        if self._column[slot] != OPEN:
            return
        row = np.ascontiguousarray(row, np.float32)
        # The maximum of a row with NaN is NaN, and a comparison with it is false.
        if not row.max() < math.inf:
            raise StructgenError(
                f"The model gave {'NaN' if np.isnan(row).any() else 'infinity'} as a logit.",
                where=f"slot {slot}",
                cure="Look at the model: its weights, or its precision (try float32).",
            )
        self.logits[slot] = row
        if self._nullable[slot]:
            has_end = self._end >= 0
            self.null_logits[slot] = (row[self._end], row[self._pad]) if has_end else -math.inf

    def nodes_behind(self, slot: int) -> Numbers:
        """Return the node after a slot of each node that its token, or null, leads to: the flag is reset
        where the slot closes a hole."""
        return self._reset_nodes if self._closes[slot] else self._node_numbers

    def nodes_after(self, slot: int, nodes: Numbers) -> Numbers:
        """Return, of each node before a slot that is not masked, the node after the slot; -1 where there is
        none."""
        targets = np.full_like(nodes, DEAD)
        column = int(self._column[slot])
        states = self.automaton.states
        if column == NULL:
            # A null keeps the state and sets the flag.
            targets = states + nodes % states
        elif column >= 0:
            # No token follows a null: only nodes without the flag go on.
            is_unflagged = nodes < states
            targets[is_unflagged] = self.automaton.transitions[nodes[is_unflagged], column]
        return self.nodes_behind(slot)[targets]

    # --- which tokens fit -----------------------------------------------------------------------------------

    def _loop_arguments(self, slot: int) -> tuple[Numbers, Numbers, Numbers, bool]:
        """Return the first arguments of compiled loops for a masked slot: `Successors`, the nodes after the
        slot, and whether it may stay empty."""
        return *self.automaton.successors, self.nodes_behind(slot), bool(self._nullable[slot])

    def _find_leads(self, slot: int) -> None:
        """Find out which nodes have a way to the end, from a slot on (`_leads`)."""
        # From right to left, down from the last layer that is known. Both rows are views into `_leads`.
        for at in range(self._leads_from - 1, slot - 1, -1):
            leads, after = self._leads[at : at + 2]
            if self._column[at] == OPEN:
                find_leads(*self._loop_arguments(at), after, leads)
            else:
                leads[:-1] = after[self.nodes_after(at, self._node_numbers[:-1])]
        self._leads_from = min(self._leads_from, slot)

    def _find_reached(self, slot: int) -> None:
        """Find out which nodes are reached from the start, up to a slot (`_reached_nodes`)."""
        for at in range(self._reached_to, slot):
            here, there = self._reached_nodes[at : at + 2]
            there[:] = False  # the loop only adds nodes, and old ones may be from before a commit
            if self._column[at] == OPEN:
                find_reached(*self._loop_arguments(at), here, there)
            else:
                there[self.nodes_after(at, np.flatnonzero(here))] = True
                there[-1] = False
        self._reached_to = max(self._reached_to, slot)

    @property
    def is_feasible(self) -> bool:
        """Whether some filling of the masked slots is valid."""
        self._find_leads(0)
        return bool(self._leads[0, self.automaton.start])

    def first_obstacle(self) -> int | None:
        """Return the first slot after which no path from the start continues; `len(self)` if paths reach the
        end but none accepts; None if the canvas is feasible."""
        if self.is_feasible:
            return None
        self._find_reached(len(self))
        unknown = self._column == NOWHERE
        dead = ~self._reached_nodes[1:].any(axis=1)
        # A token that no text has is the reason, wherever paths end. The last True stands for the end.
        obstacles = unknown if unknown.any() else dead
        return int(np.append(obstacles, True).argmax())

    def find_masks(self, slots: Sequence[int] | Numbers) -> tuple[Bools, Bools]:
        """Return which token classes masked slots, ascending, hold in some valid filling: [slots, classes];
        and which of them may stay empty: [slots]."""
        automaton = self.automaton
        slot_numbers = np.asarray(slots, np.int64)
        masks = np.zeros((len(slot_numbers), automaton.classes), np.bool_)
        nulls = np.zeros(len(slot_numbers), np.bool_)
        if len(slot_numbers):
            self._find_reached(int(slot_numbers[-1]))
            self._find_leads(int(slot_numbers[0]) + 1)
        for row, slot in enumerate(slot_numbers.tolist()):
            here = self._reached_nodes[slot]
            after = self._leads[slot + 1]
            # The loop writes into these views. Classes of marks, the last ones, are never in a mask.
            mask = masks[row, : automaton.token_class_count]
            null = nulls[row : row + 1]
            _, _, nodes_behind, is_nullable = self._loop_arguments(slot)
            find_live(automaton.transitions, nodes_behind, is_nullable, here, after, mask, null)
        return masks, nulls

    def token_mask(self, slot: int) -> Bools:
        """Return which tokens a masked slot holds in some valid filling, and last whether it may stay empty:
        bool [V of the tokenizer + 1]."""
        (classes,), nulls = self.find_masks([slot])
        # the last element answers for DEAD
        return np.append(np.append(classes, False)[self.automaton.token_class], nulls)

    def allows_token(self, slot: int, token: int) -> bool:
        """Return whether a slot is masked and holds a token, or NULL, in some valid filling."""
        is_token = token >= 0 or token == NULL
        if not is_token or self._column[slot] != OPEN:
            return False
        # The last element, -1, is that of NULL.
        return bool(self.token_mask(slot)[max(token, -1)])

    def allowed_law(self, slot: int, scale: float = 1.0) -> Floats:
        """Return the probability of each token [V of the tokenizer], and last that of a null, at a masked
        slot by its own logits, times `scale`, among those of some valid filling. The other slots' logits have
        no part in it. Cost: one read of the logits.

        A null has the logit of the end token; after a null of its hole it has no choice. Raises
        StructgenError if no valid filling has a positive probability here.
        """
        is_allowed = self.token_mask(slot)
        # A model may have more logits than the tokenizer has tokens.
        token_logits = self.logits[slot][: len(is_allowed) - 1]
        scores: Floats = np.append(token_logits, self.null_logits[slot, 0]) * scale
        scores[~is_allowed] = -math.inf
        top = float(scores.max())
        if top == -math.inf:
            raise StructgenError(
                "No filling is valid that the model gives any probability.",
                where=f"slot {slot}",
                cure="Look at the slots that are fixed, and at logits of minus infinity.",
            )
        chances: Floats = np.exp(scores - top)
        chances /= chances.sum()
        return chances

    def forced_slots(self) -> list[tuple[int, int]]:
        """Return the masked slots that are the same in every valid filling, with their token or NULL."""
        if not self.is_feasible:
            return []
        slots = self.open_slots
        masks, nulls = self.find_masks(slots)
        # One class alone is not enough: it must have one token alone, else the model still has a choice.
        only_tokens = self.automaton.only_token[masks.argmax(axis=1)]
        is_token = (masks.sum(axis=1) == 1) & ~nulls & (only_tokens >= 0)
        is_null = nulls & ~masks.any(axis=1)
        tokens = np.where(is_null, NULL, only_tokens)
        is_forced = is_token | is_null
        return list(zip(slots[is_forced].tolist(), tokens[is_forced].tolist(), strict=True))
