"""The canvas: the model's input, and the lattices of its valid fillings.

A canvas is a prompt, then the *pieces* of a template: fixed text, tokenised by itself, and holes. A hole is a
row of *slots*, each a position for one token, which may stay empty at the end of the hole. A *lattice*
(`lattice`) tells which tokens each slot may hold in some valid filling. For example, `{"age": {age: int, 4}}`
is a piece of fixed tokens, a hole of 4 slots and again fixed tokens.

A grammar of the whole text has one lattice over all pieces. Holes with types of their own are then enclosed
in marks (`intersection`). Without such a grammar, each name of a hole has a lattice. Holes with the same name
share it: their logits are added, which is exact for slots that must hold the same token.

A token never crosses the edge of a hole; a typed hole takes over the punctuation after it (`text_behind`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from structgen.base.native.array_types import Float32Array
from structgen.decoding.infilling.intersection import NO_MARKS, Marks
from structgen.decoding.infilling.lattice import NULL, OPEN, Lattice, LatticeSlot
from structgen.decoding.infilling.token_automaton import Ints, Numbers, TokenAutomaton
from structgen.decoding.speculation.drafts.model_rows import Tokens

SLOTS: Final = 64
"""The number of slots of a hole, unless the caller gives one. It is less where the model's context leaves
less."""


@dataclass(frozen=True)
class Piece:
    """A part of the canvas: fixed tokens, or a hole."""

    tokens: Tokens = ()
    text: str = ""
    name: str = ""
    """The hole's name; "": fixed text."""
    slots: int = 0
    """The number of slots of a hole."""
    min_tokens: int = 0
    """The least number of tokens of a hole. The remaining slots may stay empty, at its end."""
    suffix: str = ""
    """The template's text that the hole took over (`text_behind`)."""
    suffix_slots: int = 0
    """How many of the `slots` are for the suffix."""

    def __len__(self) -> int:
        return self.slots if self.name else len(self.tokens)


@dataclass(frozen=True)
class Conventions:
    """The special tokens of a model's canvas."""

    mask_id: int
    end_id: int
    """The token that ends the canvas. The first empty slot of a hole at the very end holds it, too."""
    pad_id: int
    """The token in the other empty slots of such a hole."""
    shift: bool
    """Whether the logits of a position predict the token after it, as in autoregressive models."""


class MaskedSlot(NamedTuple):
    """A masked slot of a canvas."""

    position: int
    """The number of the slot in the canvas, without the prompt. If several holes share a name: the slot in
    the first of them."""
    part: int
    """The number of its lattice among those of the canvas (`Canvas.parts`)."""
    slot: int
    """The number of the slot in that lattice."""


class FilledSlot(NamedTuple):
    """A slot that was filled."""

    position: int
    """The number of the slot in the canvas, without the prompt."""
    token: int | None
    """The token that was written; None: the slot stays empty."""
    probability: float = 1.0
    """The probability of the token at its slot, among the tokens that leave a valid filling; 1 if the token
    was forced."""


@dataclass
class LatticePart:
    """A lattice, and the positions of its slots in the canvas: int [occurrences, slots]. A hole whose name
    occurs twice in the template has two occurrences."""

    lattice: Lattice
    positions: Numbers


@dataclass
class Canvas:
    """Slots and their contents. `tokens` has for each slot of the template a token, NULL (empty) or OPEN
    (masked)."""

    prompt: Tokens
    pieces: tuple[Piece, ...]
    conventions: Conventions
    parts: list[LatticePart]
    tokens: Ints
    tail: int
    """The first slot of the last hole, if this hole ends the canvas and may have empty slots; otherwise the
    number of all slots."""

    @classmethod
    def from_pieces(
        cls,
        prompt: Sequence[int],
        pieces: Sequence[Piece],
        conventions: Conventions,
        whole: TokenAutomaton | None,
        holes: dict[str, TokenAutomaton],
        marks: Marks = NO_MARKS,
    ) -> Canvas:
        """Return a new canvas, whose slots are masked or fixed.

        `prompt`: the tokens before the canvas. `pieces`: the parts of the template, with tokens and slots.
        `whole`: the automaton of the whole text, with `marks` if some holes have types of their own. If it is
        None, `holes` has an automaton for each name of a hole, for example {"age": automaton}.
        """
        contents: list[int] = []
        for piece in pieces:
            contents += piece.tokens or (OPEN,) * piece.slots
        tokens = np.array(contents, np.int32)
        ends = {"end_token": conventions.end_id, "pad_token": conventions.pad_id}
        parts = []
        if whole is not None:
            parts.append(whole_part(pieces, whole, marks, **ends))
        # The first position of each piece in the canvas.
        starts = np.cumsum([0, *map(len, pieces)])
        for name in dict.fromkeys(piece.name for piece in pieces if piece.name and whole is None):
            # Holes with the same name share a lattice. Each of its slots has one position in each hole.
            occurrences = [at for at, piece in enumerate(pieces) if piece.name == name]
            part = whole_part([pieces[occurrences[0]]], holes[name], NO_MARKS, **ends)
            positions = starts[occurrences][:, None] + part.positions
            parts.append(LatticePart(part.lattice, positions))
        last = pieces[-1]
        has_empty_slots = last.name and last.min_tokens < last.slots
        tail = len(tokens) - last.slots if has_empty_slots else len(tokens)
        return cls(tuple(prompt), tuple(pieces), conventions, parts, tokens, tail)

    # --- for the model --------------------------------------------------------------------------------------

    def model_ids(self) -> Numbers:
        """Return the model's input: the prompt, then the slots; masked slots have the mask's id.

        Slots that are known to be empty are left out, except those at the very end. These hold the end token
        and padding. If there are none, an end token follows the canvas.
        """
        input_slots = self._input_slots()
        contents = self.tokens[input_slots].astype(np.int64)
        contents[contents == OPEN] = self.conventions.mask_id
        nulls = np.flatnonzero(contents == NULL)
        # The first empty slot holds the end token, the others padding. `[:1]` is empty if there is none.
        contents[nulls] = self.conventions.pad_id
        contents[nulls[:1]] = self.conventions.end_id
        end_ids = [self.conventions.end_id] if self.tail == len(self.tokens) else []
        parts = (self.prompt, contents, end_ids)
        return np.concatenate([np.array(part, np.int64) for part in parts])

    def _input_slots(self) -> Numbers:
        """Return the slots that are part of the model's input."""
        is_shown = (self.tokens != NULL) | (np.arange(len(self.tokens)) >= self.tail)
        return np.flatnonzero(is_shown)

    def masked_rows(self) -> Numbers:
        """Return the rows of the model's logits that predict masked slots, ascending."""
        row_of = self.row_of()
        return np.unique(row_of[self.tokens == OPEN])

    def take_logits(self, logits: Float32Array, rows: Numbers) -> None:
        """Take the model's logits [len(rows), V] for the rows `masked_rows()`. Raises StructgenError for
        NaN."""
        row_of = self.row_of()
        for part in self.parts:
            for slot in part.lattice.open_slots.tolist():
                # The logits of all holes of one name are added: their slots hold the same token.
                places = np.searchsorted(rows, row_of[part.positions[:, slot]])
                row = logits[places[0]]
                for next_place in places[1:]:
                    row = row + logits[next_place]
                part.lattice.set_logits(slot, row)

    def row_of(self) -> Numbers:
        """Return the row of the logits that predicts each slot; meaningless for slots outside the input."""
        input_slots = self._input_slots()
        row_of = np.full(len(self.tokens), -1)
        row_of[input_slots] = np.arange(len(input_slots)) + len(self.prompt) - int(self.conventions.shift)
        return row_of

    # --- for the loop ---------------------------------------------------------------------------------------

    def open_slots(self) -> list[MaskedSlot]:
        """Return the masked slots, once for each name, in canvas order."""
        return sorted(
            self._masked_slot(number, slot)
            for number, part in enumerate(self.parts)
            for slot in part.lattice.open_slots.tolist()
        )

    def _masked_slot(self, part: int, slot: int) -> MaskedSlot:
        """Return a masked slot. `part`: the number of its lattice; `slot`: its number in the lattice."""
        first_position = int(self.parts[part].positions[0, slot])
        return MaskedSlot(first_position, part, slot)

    def commit_token(self, place: MaskedSlot, token: int, probability: float = 1.0) -> FilledSlot:
        """Write a token or NULL into a masked slot, in every hole of that name."""
        part = self.parts[place.part]
        part.lattice.commit_token(place.slot, token)
        self.tokens[part.positions[:, place.slot]] = token
        return FilledSlot(place.position, None if token == NULL else token, probability)

    def commit_forced(self) -> list[FilledSlot]:
        """Commit the slots that are the same in every valid filling, and return them."""
        return [
            self.commit_token(self._masked_slot(number, slot), token)
            for number, part in enumerate(self.parts)
            for slot, token in part.lattice.forced_slots()
        ]

    def hole_tokens(self, piece: int) -> list[int]:
        """Return the tokens of a piece, by its number, without empty slots."""
        start = sum(map(len, self.pieces[:piece]))
        end = start + len(self.pieces[piece])
        return [token for token in self.tokens[start:end].tolist() if token >= 0]


def whole_part(
    pieces: Sequence[Piece], automaton: TokenAutomaton, marks: Marks = NO_MARKS, **options: Any
) -> LatticePart:
    """Return one lattice over all parts. The slot of a mark has the position -1.

    `automaton`: that of the whole text. `marks`: the marks around typed holes. `options`: the end and the
    padding token of `Lattice`, for example `end_token=2`.
    """
    slots = list[LatticeSlot]()
    positions = list[int]()
    start = 0
    for piece in pieces:
        mark = marks.columns_before.get(piece.name)
        if mark is not None:
            slots.append(LatticeSlot(NULL, column=mark))
            positions.append(-1)
        for number, token in enumerate(piece.tokens or (OPEN,) * piece.slots):
            # Empty slots come last in a hole: no token follows a null.
            may_stay_empty = bool(piece.name) and number >= piece.min_tokens
            is_last = may_stay_empty and number == piece.slots - 1
            slots.append(LatticeSlot(token, may_stay_empty, is_last))
            positions.append(start + number)
        if mark is not None:
            slots.append(LatticeSlot(NULL, column=marks.column_behind))
            positions.append(-1)
        start += len(piece)
    return LatticePart(Lattice(automaton, slots, **options), np.array([positions], np.int64))
