"""A lattice of slots and automaton states: which tokens each slot may hold in some valid filling.

What comes in: an automaton over token classes, slots that are fixed or masked, and the logits of the masked
slots. What goes out: the tokens that each slot may hold (`token_mask`), and their probabilities by the slot's
own logits (`allowed_law`).

A *slot* holds one token, or a *null*: then it is empty. A *layer* is a place before a slot, or after the last
one. A *node* is a state of the automaton in a layer, with a flag: 0, or 1 after the first null of a hole
(`token_automaton`). A *path* leads from the start through one node of each layer. It is valid if the state in
the last layer accepts. A token fits a slot if some valid path reads it there. With the grammar `ab|ac` and
two masked slots of one letter each, the first slot may hold `a`, the second `b` or `c`.

A search moves sets of nodes over one slot after another. From right to left it finds the nodes from which a
path leads to the end (`_leads`), from left to right the nodes that are reached. A token fits if it leads from
a node of the second set to a node of the first. Compiled loops move sets over a masked slot
(`lattice_loops`). Over any other slot a path has no choice (`Lattice.nodes_after`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from structgen.base.errors import OptionError, StructgenError
from structgen.base.limits import CACHE_BYTES
from structgen.base.native.array_types import Float32Array, Float64Array
from structgen.decoding.infilling.lattice_loops import find_leads, find_live, find_reached
from structgen.decoding.infilling.token_automaton import DEAD, Bools, Ints, Numbers, TokenAutomaton

OPEN: Final = -1
"""The content of a masked slot, in place of a token."""
NULL: Final = -2
"""The content of an empty slot, in place of a token."""
NOWHERE: Final = -3
"""The column of a slot that is fixed to a token which occurs in no text of the grammar."""

_MOST_BYTES: Final = 8 * CACHE_BYTES
"""The most bytes of one lattice: 4 GiB."""

Floats = Float64Array


class LatticeSlot(NamedTuple):
    """A slot of a new lattice."""

    token: int = OPEN
    """The token that it is fixed to; OPEN: it is masked."""
    is_nullable: bool = False
    """Whether it may stay empty."""
    closes: bool = False
    """Whether it is the last slot of a hole with slots that may stay empty. Inside such a hole no token comes
    after a null; after this slot tokens may come again."""
    column: int = DEAD
    """For a slot that holds a mark instead of a token: the mark's column of the automaton's table
    (`intersection`). DEAD for any other slot."""


class Lattice:
    """A part of a canvas that one automaton reads. A slot that was committed (filled) stays so.

    Sets of nodes are computed when they are needed. They are kept for the layers that later commits do not
    change.
    """

    def __init__(
        self,
        automaton: TokenAutomaton,
        slots: Sequence[LatticeSlot],
        *,
        end_token: int = OPEN,
        pad_token: int = OPEN,
    ) -> None:
        """Make the lattice of some slots.

        `end_token`: the token whose logit counts as that of a hole's first null. `pad_token`: the same for
        its later nulls. Raises OptionError if the lattice needs more than _MOST_BYTES.
        """
        count = len(slots)
        self.automaton = automaton
        self._end = end_token
        self._pad = pad_token
        # An array for each field of `LatticeSlot`.
        tokens, self._nullable, self._closes, mark_columns = map(np.array, zip(*slots, strict=True))
        self._tokens = tokens.astype(np.int32)
        # The column of each slot in the automaton's table: its token's class, or its mark's column. OPEN,
        # NULL or NOWHERE stand in place of a column. A slot without a token looks up token 0 here, and the
        # result is not used.
        classes = automaton.token_class[np.maximum(tokens, 0)]
        token_columns = np.where(classes < 0, NOWHERE, classes)
        columns = np.where(tokens < 0, tokens, token_columns)
        self._column = np.where(mark_columns < 0, columns, mark_columns)
        # The bytes of two sets of nodes (each of 2 * states) for each layer, and of a mask of classes.
        room = count * (4 * automaton.states + automaton.classes)
        if room > _MOST_BYTES:
            raise OptionError(
                f"{count:,} slots times {automaton.states:,} states and {automaton.classes:,} token classes "
                f"need about {room >> 20:,} MiB, more than {_MOST_BYTES >> 20:,}.",
                where="slots",
                cure="Reduce the slots of the holes, bound the grammar, or reduce depth=.",
            )
        self.open_slots = np.flatnonzero(self._column == OPEN)
        """The masked slots, ascending."""
        nodes = np.arange(2 * automaton.states)
        self._node_numbers = np.append(nodes, DEAD)
        self._reset_nodes = np.append(nodes % automaton.states, DEAD)
        # Two arrays of bool [slots + 1, nodes + 1], a row for each layer. `_reached_nodes`: which nodes are
        # reached from the start; known up to the layer `_reached_to`. `_leads`: from which nodes a path leads
        # to the end; known from the layer `_leads_from` on. The last element is for the node -1 (none), and
        # always False.
        self._reached_nodes = np.zeros((count + 1, len(nodes) + 1), np.bool_)
        self._reached_nodes[0, automaton.start] = True
        self._reached_to = 0
        self._leads = np.zeros((count + 1, len(nodes) + 1), np.bool_)
        self._leads[-1, : automaton.states] = automaton.accepting
        self._leads_from = count
        self.logits = [np.zeros(len(automaton.token_class), np.float32)] * count
        """The logits of each slot: float32 [V or more]; zeros until the model has given others."""
        self.null_logits = np.where(self._nullable, 0.0, -math.inf)[:, None] * np.ones(2)
        """float64 [slots, 2]: for each slot the logit of a null that is the first of its hole, and of a later
        null; minus infinity where the slot may not stay empty."""

    def __len__(self) -> int:
        return len(self._tokens)

    # --- slots ----------------------------------------------------------------------------------------------

    @property
    def tokens(self) -> Ints:
        """The content of each slot: int [slots], a token, NULL or OPEN."""
        return self._tokens.copy()

    def commit_token(self, slot: int, token: int) -> None:
        """Write a token, or NULL, into a masked slot.

        This does not check that a valid filling is left. The caller knows it: the token is in the slot's
        mask, or several slots are filled from one valid filling. Raises OptionError for a slot that is not
        masked, and for a token outside the grammar.
        """
        if self._column[slot] != OPEN:
            raise OptionError(f"Slot {slot} is not masked.", where="slot")
        column = NULL if token == NULL else int(self.automaton.token_class[token])
        if column == DEAD:
            raise OptionError(f"Token {token} is in no text of the grammar.", where="token")
        self._column[slot] = column
        self._tokens[slot] = token
        self.open_slots = self.open_slots[self.open_slots != slot]
        # The sets of the other layers stay valid: the reached nodes up to the slot, and the leads after it.
        self._reached_to = min(self._reached_to, slot)
        self._leads_from = max(self._leads_from, slot + 1)

    def set_logits(self, slot: int, row: Float32Array) -> None:
        """Give a masked slot new logits: float32 [V], kept without a copy.

        Raises StructgenError for NaN or plus infinity; minus infinity excludes a token.
        """
        if self._column[slot] != OPEN:
            return
        row = np.ascontiguousarray(row, np.float32)
        # A row with NaN has the maximum NaN, and any comparison with NaN is false.
        if not row.max() < math.inf:
            raise StructgenError(
                f"The model gave {'NaN' if np.isnan(row).any() else 'infinity'} as a logit.",
                where=f"slot {slot}",
                cure="Check the model: its weights, or its precision (try float32).",
            )
        self.logits[slot] = row
        if self._nullable[slot]:
            has_end = self._end >= 0
            self.null_logits[slot] = (row[self._end], row[self._pad]) if has_end else -math.inf

    def nodes_behind(self, slot: int) -> Numbers:
        """Return a table from the node that a token or a null leads to, to the node in the next layer.

        They differ only where the slot closes a hole: there the flag is reset, so the node state + states
        becomes the node state. The last element is for the node -1.
        """
        return self._reset_nodes if self._closes[slot] else self._node_numbers

    def nodes_after(self, slot: int, nodes: Numbers) -> Numbers:
        """Return for each of the `nodes` before a slot the node after the slot; -1 where there is none. The
        slot is not masked, so there is at most one."""
        targets = np.full_like(nodes, DEAD)
        column = int(self._column[slot])
        states = self.automaton.states
        if column == NULL:
            # A null keeps the state and sets the flag.
            targets = states + nodes % states
        elif column >= 0:
            # In a hole no token follows a null, so only nodes without the flag have a next node.
            is_unflagged = nodes < states
            targets[is_unflagged] = self.automaton.transitions[nodes[is_unflagged], column]
        return self.nodes_behind(slot)[targets]

    # --- which tokens fit -----------------------------------------------------------------------------------

    def _loop_arguments(self, slot: int) -> tuple[Numbers, Numbers, Numbers, bool]:
        """Return the first four arguments of the compiled loops for a masked slot: the two arrays of
        `Successors`, `nodes_behind` of the slot, and whether the slot may stay empty."""
        return *self.automaton.successors, self.nodes_behind(slot), bool(self._nullable[slot])

    def _find_leads(self, slot: int) -> None:
        """Compute from which nodes a path leads to the end, for all layers from a slot on (`_leads`)."""
        # From right to left, beginning before the leftmost layer that is known. Both rows are views.
        for at in range(self._leads_from - 1, slot - 1, -1):
            leads, after = self._leads[at : at + 2]
            if self._column[at] == OPEN:
                find_leads(*self._loop_arguments(at), after, leads)
            else:
                leads[:-1] = after[self.nodes_after(at, self._node_numbers[:-1])]
        self._leads_from = min(self._leads_from, slot)

    def _find_reached(self, slot: int) -> None:
        """Compute which nodes are reached from the start, for all layers up to a slot (`_reached_nodes`)."""
        for at in range(self._reached_to, slot):
            here, there = self._reached_nodes[at : at + 2]
            there[:] = False  # the loop only adds nodes, and the row may hold nodes from before a commit
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
        """Return the first slot that no path from the start gets past. Return `len(self)` if paths reach the
        end but none accepts, and None if there is a valid filling."""
        if self.is_feasible:
            return None
        self._find_reached(len(self))
        unknown = self._column == NOWHERE
        dead = ~self._reached_nodes[1:].any(axis=1)
        # A token that occurs in no text is the reason, wherever paths end. The True that is appended stands
        # for the end of the lattice.
        obstacles = unknown if unknown.any() else dead
        return int(np.append(obstacles, True).argmax())

    def find_masks(self, slots: Sequence[int] | Numbers) -> tuple[Bools, Bools]:
        """Return the masks of some masked slots, whose numbers are ascending.

        The first array is bool [slots, classes]: whether a slot holds a token of this class in some valid
        filling. The second is bool [slots]: whether the slot may stay empty.
        """
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
            # The loop writes into these views. The last columns are those of marks, which no mask has.
            mask = masks[row, : automaton.token_class_count]
            null = nulls[row : row + 1]
            _, _, nodes_behind, is_nullable = self._loop_arguments(slot)
            find_live(automaton.transitions, nodes_behind, is_nullable, here, after, mask, null)
        return masks, nulls

    def token_mask(self, slot: int) -> Bools:
        """Return the mask of a masked slot: bool [V + 1], with the tokenizer's V. Element i is whether the
        slot holds token i in some valid filling, the last one whether it may stay empty."""
        (classes,), nulls = self.find_masks([slot])
        # A token without a class has DEAD (-1), so it looks up the last element, False.
        return np.append(np.append(classes, False)[self.automaton.token_class], nulls)

    def allows_token(self, slot: int, token: int) -> bool:
        """Return whether a slot is masked and holds a given token, or NULL, in some valid filling."""
        is_token = token >= 0 or token == NULL
        if not is_token or self._column[slot] != OPEN:
            return False
        # The last element, -1, is that of NULL.
        return bool(self.token_mask(slot)[max(token, -1)])

    def allowed_law(self, slot: int, scale: float = 1.0) -> Floats:
        """Return the law of a masked slot: the probability of each token, and last that of a null.

        The array is float64 [V + 1], with the tokenizer's V. The law is the softmax of the slot's own logits
        times `scale`, over the tokens that the slot holds in some valid filling. The logits of other slots
        have no part in it. A null has the logit of the end token. After another null of its hole, a null is
        the only choice. Raises StructgenError if no valid filling has a positive probability here.
        Cost: one read of the logits.
        """
        is_allowed = self.token_mask(slot)
        # A model may have more logits than the tokenizer has tokens.
        token_logits = self.logits[slot][: len(is_allowed) - 1]
        scores: Floats = np.append(token_logits, self.null_logits[slot, 0]) * scale
        scores[~is_allowed] = -math.inf
        top = float(scores.max())
        if top == -math.inf:
            raise StructgenError(
                "All valid fillings have the probability 0.",
                where=f"slot {slot}",
                cure="Check the fixed slots, and logits of minus infinity.",
            )
        chances: Floats = np.exp(scores - top)
        chances /= chances.sum()
        return chances

    def forced_slots(self) -> list[tuple[int, int]]:
        """Return the masked slots that have the same content in every valid filling, each with its token or
        NULL. For example [(3, 17)]: slot 3 must hold token 17."""
        if not self.is_feasible:
            return []
        slots = self.open_slots
        masks, nulls = self.find_masks(slots)
        # A single class is not enough. It must have a single token, otherwise the model still has a choice.
        only_tokens = self.automaton.only_token[masks.argmax(axis=1)]
        is_token = (masks.sum(axis=1) == 1) & ~nulls & (only_tokens >= 0)
        is_null = nulls & ~masks.any(axis=1)
        tokens = np.where(is_null, NULL, only_tokens)
        is_forced = is_token | is_null
        return list(zip(slots[is_forced].tolist(), tokens[is_forced].tolist(), strict=True))
