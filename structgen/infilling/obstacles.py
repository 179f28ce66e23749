"""Why a canvas has no valid filling: which fixed text prevents it, and what would help."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from structgen.infilling.canvas import Piece
from structgen.infilling.lattice import OPEN, Lattice
from structgen.infilling.no_filling import NoFillingError
from structgen.infilling.token_automaton import TokenAutomaton

_SHOWN = 40
_MORE = 256
"""Slots that a hole is given to see whether more of them would help."""


def refuse(pieces: Sequence[Piece], whole: TokenAutomaton | None, holes: dict[str, TokenAutomaton]) -> None:
    """Raise NoFillingError for a canvas without a valid filling, which says what prevents it."""
    if whole is not None:
        raise _of_whole(pieces, whole)
    for name, automaton in holes.items():
        piece = next(one for one in pieces if one.name == name)
        if not _is_feasible([piece], automaton):
            raise _too_short(name, piece, _least_slots([piece], 0, automaton))
    raise AssertionError("every hole has a filling")


def _of_whole(pieces: Sequence[Piece], automaton: TokenAutomaton) -> NoFillingError:
    lattice = _lattice(pieces, automaton)
    at = lattice.first_obstacle()
    assert at is not None
    for number, piece in enumerate(pieces):
        if piece.name:
            more = _least_slots(pieces, number, automaton)
            if more is not None:
                return _too_short(piece.name, piece, more)
    several = [Piece(name=one.name, slots=_MORE) if one.name else one for one in pieces]
    grown = _lattice(several, automaton)
    if grown.is_feasible:
        return NoFillingError(
            "The holes have too few slots together for any text of the grammar.",
            where="slots",
            cure="Give them more slots.",
        )
    at, pieces = grown.first_obstacle() or at, several
    start = 0
    for piece in pieces:
        if at < start + len(piece):
            break
        start += len(piece)
    else:
        fixed = next((one.text for one in reversed(pieces) if one.text), "")
        return NoFillingError(
            f"No text of the grammar ends with {_shown(fixed[-_SHOWN:])}.",
            fixed=fixed,
            where="template",
            cure="Add what is missing behind it, or put a hole there.",
        )
    if piece.name:
        before = _before(pieces, piece)
        return NoFillingError(
            f"Behind {_shown(before[-_SHOWN:])} the grammar has no text that fills the hole {piece.name!r}.",
            fixed=before,
            where="template",
            cure="Change the text before the hole.",
        )
    return NoFillingError(
        f"The fixed text {_shown(piece.text)} prevents every filling: no text of the grammar has it there"
        + (f" behind {_shown(_before(pieces, piece)[-_SHOWN:])}." if start else "."),
        fixed=piece.text,
        where="template",
        cure="Change it, or put a hole in its place; tokens do not cross the edges of holes.",
    )


def _before(pieces: Sequence[Piece], piece: Piece) -> str:
    """Return what stands before a piece, holes by their names."""
    at = next(number for number, one in enumerate(pieces) if one is piece)
    return "".join(f"{{{one.name}}}" if one.name else one.text for one in pieces[:at])


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "...")


def _too_short(name: str, piece: Piece, least: int | None) -> NoFillingError:
    if least is None:
        return NoFillingError(
            f"The hole {name!r} cannot be filled with {piece.slots} slots, nor with up to {_MORE}.",
            where=name,
            cure="Look at its grammar: its texts may be longer, or have other lengths in tokens.",
        )
    if least < piece.slots:
        return NoFillingError(
            f"No text of the hole {name!r} has exactly {piece.slots} tokens; one has {least}.",
            where=name,
            cure='Say length="at most", or another number of slots.',
        )
    return NoFillingError(
        f"The hole {name!r} has {piece.slots} slots and needs {least}.",
        where=name,
        cure=f"Give it at least {least}: slots={{{name!r}: {least}}}.",
    )


def _least_slots(pieces: Sequence[Piece], number: int, automaton: TokenAutomaton) -> int | None:
    """Return the fewest slots with which one hole, all others as they are, has a filling; None: with
    `_MORE` there is none."""
    name = pieces[number].name

    def feasible(slots: int) -> bool:
        return _is_feasible(
            [*pieces[:number], Piece(name=name, slots=slots), *pieces[number + 1 :]], automaton
        )

    if not feasible(_MORE):
        return None
    low, high = 1, _MORE
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if feasible(middle) else (middle + 1, high)
    return low


def _is_feasible(pieces: Sequence[Piece], automaton: TokenAutomaton) -> bool:
    return _lattice(pieces, automaton).is_feasible


def _lattice(pieces: Sequence[Piece], automaton: TokenAutomaton) -> Lattice:
    tokens = np.array([token for one in pieces for token in (one.tokens or (OPEN,) * one.slots)], np.int32)
    nullable, closes = np.zeros(len(tokens), np.bool_), np.zeros(len(tokens), np.bool_)
    start = 0
    for piece in pieces:
        if piece.name and piece.least < piece.slots:
            nullable[start + piece.least : start + piece.slots] = True
            closes[start + piece.slots - 1] = True
        start += len(piece)
    return Lattice(automaton, tokens, nullable=nullable, closes=closes)
