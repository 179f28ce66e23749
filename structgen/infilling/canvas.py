"""The canvas: what the model reads, and the lattices that say what may stand in it.

A canvas is a prompt, then the pieces of a template: fixed text, tokenised by itself, and holes of some slots.
With a grammar of the whole, one lattice goes over all pieces; holes with a type of their own stand between
marks there (`intersection`). Where each hole has a grammar of its own, each
name has a lattice, and holes with the same name share it: their logits are added, which is exact for slots
that must hold the same token.

A token never crosses the edge of a hole.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from structgen.infilling.lattice import NULL, OPEN, Bools, Floats, Lattice, Tokens
from structgen.infilling.token_automaton import TokenAutomaton

if TYPE_CHECKING:
    from structgen.infilling.intersection import Marks


@dataclass(frozen=True)
class Piece:
    """A stretch of the canvas: fixed tokens, or a hole."""

    tokens: tuple[int, ...] = ()
    text: str = ""
    name: str = ""
    """Of a hole; "": this is fixed text."""
    slots: int = 0
    """Of a hole: how many."""
    least: int = 0
    """Of a hole: how many at least hold a token. The rest may stay empty, at the hole's end."""

    def __len__(self) -> int:
        return self.slots if self.name else len(self.tokens)


@dataclass(frozen=True)
class Conventions:
    """How the model reads a canvas."""

    mask_id: int
    end_id: int
    """Stands after the canvas, and in the first empty slot of a hole at its end."""
    pad_id: int
    """Stands in the other empty slots there."""
    shift: bool


@dataclass
class LatticePart:
    """A lattice and where its slots are in the canvas: [occurrences, slots]."""

    lattice: Lattice
    at: npt.NDArray[np.int64]
    plain: Lattice | None = None
    """The same at temperature 1, where the lattice is at another."""

    @property
    def told(self) -> Lattice:
        """The lattice at temperature 1, brought up to date: of it schedulers are told. How sure the model is
        does not depend on the temperature at which fillings are drawn."""
        if self.plain is None:
            return self.lattice
        tokens, rows = self.lattice.tokens, self.lattice._rows
        for slot in np.flatnonzero(self.plain.is_open).tolist():
            row = rows[slot]
            if tokens[slot] != OPEN:
                self.plain.commit(slot, int(tokens[slot]))
            elif row is not None and row is not self.plain._rows[slot]:
                self.plain.set_logits(slot, row)
        return self.plain


@dataclass
class Canvas:
    """Slots and what stands in them. `tokens` has a token, NULL or OPEN for each slot of the template."""

    prompt: tuple[int, ...]
    pieces: tuple[Piece, ...]
    conventions: Conventions
    parts: list[LatticePart]
    tokens: Tokens
    tail: int
    """The first slot of a hole at the very end that may have empty slots; without one, how many slots there
    are."""
    seconds: float = field(default=0.0, compare=False)

    @classmethod
    def of(
        cls,
        prompt: Sequence[int],
        pieces: Sequence[Piece],
        conventions: Conventions,
        whole: TokenAutomaton | None,
        holes: dict[str, TokenAutomaton],
        scale: float,
        marks: Marks | None = None,
    ) -> Canvas:
        """Return a new canvas: under one automaton for the whole, which has `marks` where some holes have
        types of their own, or under one automaton for each hole's name."""
        tokens = np.array(
            [token for one in pieces for token in (one.tokens or (OPEN,) * one.slots)], np.int32
        )
        starts = np.cumsum([0, *map(len, pieces)])
        parts = []
        ends = {"end_token": conventions.end_id, "pad_token": conventions.pad_id, "scale": scale}
        if whole is not None:
            parts.append(whole_part(pieces, whole, marks, **ends))
        else:
            for name in dict.fromkeys(one.name for one in pieces if one.name):
                same = [at for at, one in enumerate(pieces) if one.name == name]
                piece = pieces[same[0]]
                nullable = np.arange(piece.slots) >= piece.least
                closes = nullable & (np.arange(piece.slots) == piece.slots - 1)
                lattice = Lattice(
                    holes[name],
                    [OPEN] * piece.slots,
                    nullable=nullable,
                    closes=closes,
                    **ends,  # type: ignore[arg-type]
                )
                at = np.stack([np.arange(starts[one], starts[one] + piece.slots) for one in same])
                parts.append(LatticePart(lattice, at))
        if scale != 1.0:
            for part in parts:
                part.plain = copied(part.lattice)
                part.plain.scale = 1.0
        last = pieces[-1]
        tail = len(tokens) - last.slots if last.name and last.least < last.slots else len(tokens)
        return cls(tuple(prompt), tuple(pieces), conventions, parts, tokens, tail)

    def copy(self) -> Canvas:
        """Return another canvas that goes on from here by itself; logits are shared."""
        return Canvas(
            self.prompt,
            self.pieces,
            self.conventions,
            [
                LatticePart(copied(one.lattice), one.at, None if one.plain is None else copied(one.plain))
                for one in self.parts
            ],
            self.tokens.copy(),
            self.tail,
        )

    # --- for the model --------------------------------------------------------------------------------------

    def ids(self) -> npt.NDArray[np.int64]:
        """Return what the model reads: the prompt, then the slots, masked ones with the mask's id.

        Slots that are known to be empty are left out, but for those at the very end, where the end token and
        pads stand. An end token stands after a canvas whose end is not of that kind.
        """
        kept = self._kept()
        said = self.tokens[kept].astype(np.int64)
        said[said == OPEN] = self.conventions.mask_id
        nulls = np.flatnonzero(said == NULL)
        said[nulls] = self.conventions.pad_id
        said[nulls[:1]] = self.conventions.end_id
        behind = [self.conventions.end_id] if self.tail == len(self.tokens) else []
        return np.concatenate([np.array(self.prompt, np.int64), said, np.array(behind, np.int64)])

    def _kept(self) -> npt.NDArray[np.int64]:
        """Return the slots that the model is shown."""
        shown = (self.tokens != NULL) | (np.arange(len(self.tokens)) >= self.tail)
        return np.flatnonzero(shown)

    def rows(self) -> npt.NDArray[np.int64]:
        """Return the rows of the model's logits that predict masked slots, ascending."""
        row_of = self._row_of()
        wanted: npt.NDArray[np.int64] = np.unique(row_of[self.tokens == OPEN])
        return wanted

    def read(self, logits: npt.NDArray[np.float32], rows: npt.NDArray[np.int64]) -> None:
        """Take the model's logits [len(rows), V] of the rows `rows()`. Raises StructgenError for NaN."""
        row_of = self._row_of()
        for part in self.parts:
            for slot in np.flatnonzero(part.lattice.is_open).tolist():
                found = np.searchsorted(rows, row_of[part.at[:, slot]])
                row = logits[found[0]]
                for other in found[1:]:
                    row = row + logits[other]
                part.lattice.set_logits(slot, row)

    def _row_of(self) -> npt.NDArray[np.int64]:
        """Return the row of the logits that predicts each slot; for hidden slots, nothing of use."""
        kept = self._kept()
        row_of = np.full(len(self.tokens), -1)
        row_of[kept] = np.arange(len(kept)) + len(self.prompt) - int(self.conventions.shift)
        return row_of

    # --- for the loop ---------------------------------------------------------------------------------------

    def open_slots(self) -> list[tuple[int, int]]:
        """Return the masked slots as (part, slot), each name's once, in the order of the canvas."""
        found = [
            (int(part.at[0, slot]), number, slot)
            for number, part in enumerate(self.parts)
            for slot in np.flatnonzero(part.lattice.is_open).tolist()
        ]
        return [(number, slot) for _, number, slot in sorted(found)]

    def commit(self, part: int, slot: int, token: int) -> None:
        """Write a token or NULL into a masked slot, in every hole of that name."""
        self.parts[part].lattice.commit(slot, token)
        self.tokens[self.parts[part].at[:, slot]] = token

    def commit_forced(self) -> list[tuple[int, int]]:
        """Write what every valid filling has in common; return (position, token) of each slot."""
        written = []
        for number, part in enumerate(self.parts):
            for slot, token in part.lattice.forced():
                self.commit(number, slot, token)
                written.append((int(part.at[0, slot]), token))
        return written

    def best(self, k: int = 1) -> list[tuple[float, list[Tokens]]]:
        """Return the most probable valid filling, an assignment for each part; with k = 2 the second, too,
        if there is one: it differs from the best in one part."""
        found = [part.told.best(k) for part in self.parts]
        value = math.fsum(one[0][0] for one in found)
        first = [one[0][1] for one in found]
        result = [(value, first)]
        behind = [(one[0][0] - one[1][0], at) for at, one in enumerate(found) if len(one) > 1]
        if behind:
            gap, at = min(behind)
            result.append((value - gap, [*first[:at], found[at][1][1], *first[at + 1 :]]))
        return result

    def sample(self, chance: np.random.Generator) -> list[Tokens]:
        """Return an exact draw of a valid filling, an assignment for each part."""
        return [part.lattice.sample(chance.random((len(part.lattice), 3))) for part in self.parts]

    def marginals(self) -> list[tuple[Floats, Floats]]:
        """Return each part's constrained marginals, at temperature 1."""
        return [part.told.marginals() for part in self.parts]

    def log_validity(self) -> float:
        """Return the logarithm of the probability that independent draws from the model's logits are valid,
        divided by the number of masked slots: without that, few slots would win for being few."""
        total = math.fsum(one.lattice.log_z() - one.lattice.log_total() for one in self.parts)
        return total / max(len(self.open_slots()), 1)

    @property
    def is_open(self) -> Bools:
        """[slots]: which are masked."""
        masked: Bools = self.tokens == OPEN
        return masked

    def hole_tokens(self, piece: int) -> list[int]:
        """Return what stands in a piece, empty slots left out."""
        start = sum(map(len, self.pieces[:piece]))
        return [
            token for token in self.tokens[start : start + len(self.pieces[piece])].tolist() if token >= 0
        ]


def whole_part(
    pieces: Sequence[Piece], automaton: TokenAutomaton, marks: Marks | None = None, **options: Any
) -> LatticePart:
    """Return one lattice over all pieces; a mark's slot is nowhere in the canvas (-1)."""
    tokens: list[int] = []
    columns: list[int] = []
    at: list[int] = []
    nullable: list[bool] = []
    closes: list[bool] = []

    def put(piece: Piece, token: int, number: int, column: int = -1) -> None:
        tokens.append(token)
        columns.append(column)
        at.append(start + number if column < 0 else -1)
        nullable.append(bool(piece.name) and column < 0 and number >= piece.least)
        closes.append(nullable[-1] and number == piece.slots - 1)

    start = 0
    for piece in pieces:
        is_marked = marks is not None and piece.name in marks.before
        if marks is not None and is_marked:
            put(piece, NULL, 0, marks.before[piece.name])
        for number, token in enumerate(piece.tokens or (OPEN,) * piece.slots):
            put(piece, token, number)
        if marks is not None and is_marked:
            put(piece, NULL, 0, marks.behind)
        start += len(piece)
    lattice = Lattice(automaton, tokens, nullable=nullable, closes=closes, columns=columns, **options)
    return LatticePart(lattice, np.array(at, np.int64).reshape(1, -1))


def copied(lattice: Lattice) -> Lattice:
    """Return a lattice that goes on by itself; the automaton and the rows of logits are shared."""
    other = copy.copy(lattice)
    for name, value in vars(lattice).items():
        if isinstance(value, np.ndarray):
            setattr(other, name, value.copy())
    other._rows = list(lattice._rows)
    return other
