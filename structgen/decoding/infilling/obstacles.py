"""Why a canvas has no valid filling: which fixed text prevents it, and what would help."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NoReturn

from structgen.base.errors import NoFillingError
from structgen.base.printable import short_repr
from structgen.decoding.infilling.canvas import SLOTS, Piece, whole_part
from structgen.decoding.infilling.intersection import NO_MARKS, Marks
from structgen.decoding.infilling.token_automaton import TokenAutomaton

_MORE = 4 * SLOTS
"""With so many slots for a hole we test whether more slots would help."""


def refuse(
    pieces: Sequence[Piece],
    whole: TokenAutomaton | None,
    holes: dict[str, TokenAutomaton],
    marks: Marks = NO_MARKS,
) -> NoReturn:
    """Raise NoFillingError, with the reason, for a canvas without a valid filling."""
    for name, automaton in holes.items():
        piece = next(piece for piece in pieces if piece.name == name)
        if not _is_feasible([piece], automaton):
            raise _too_short(piece, _least_slots([piece], 0, automaton))
    if whole is not None:
        raise _of_whole(pieces, whole, marks)
    raise AssertionError("every hole has a filling")


def _of_whole(pieces: Sequence[Piece], automaton: TokenAutomaton, marks: Marks) -> NoFillingError:
    for number, piece in enumerate(pieces):
        if piece.name:
            more = _least_slots(pieces, number, automaton, marks)
            if more is not None:
                return _too_short(piece, more)
    pieces = [Piece(name=piece.name, slots=_MORE) if piece.name else piece for piece in pieces]
    grown = whole_part(pieces, automaton, marks).lattice
    at = grown.first_obstacle()
    if at is None:
        return NoFillingError(
            "The holes have too few slots together for any text of the grammar.",
            where="slots",
            cure="Give them more slots.",
        )
    start = 0
    for piece in pieces:
        is_typed = piece.name in marks.before
        size = len(piece) + 2 * is_typed
        if at < start + size:
            break
        start += size
    else:
        fixed = next((piece.text for piece in reversed(pieces) if piece.text), "")
        return NoFillingError(
            f"No text of the grammar ends with {short_repr(fixed)}.",
            fixed=fixed,
            where="template",
            cure="Add what is missing behind it, or put a hole there.",
        )
    if piece.name:
        before = _before(pieces, piece)
        behind = f"Behind {short_repr(before)} the" if before else "The"
        return NoFillingError(
            f"{behind} grammar has no text that fills the hole {piece.name!r}"
            + (" and is of the hole's type." if is_typed else "."),
            fixed=before,
            where="template",
            cure="Change the hole's type, or the text before it."
            if is_typed
            else "Change the text before the hole.",
        )
    return NoFillingError(
        f"The fixed text {short_repr(piece.text)} prevents every filling: no text of the grammar "
        "there" + (f" behind {short_repr(_before(pieces, piece))}." if start else "."),
        fixed=piece.text,
        where="template",
        cure="Change it, or put a hole in its place; tokens do not cross the edges of holes.",
    )


def _before(pieces: Sequence[Piece], piece: Piece) -> str:
    """Return the text before a part, with holes by their names."""
    at = next(number for number, other in enumerate(pieces) if other is piece)
    return "".join(f"{{{piece.name}}}" if piece.name else piece.text for piece in pieces[:at])


def _too_short(piece: Piece, least: int | None) -> NoFillingError:
    name, slots = piece.name, piece.slots - piece.more
    if least is None:
        return NoFillingError(
            f"The hole {name!r} cannot be filled with {slots} slots, nor with up to {_MORE}.",
            where=name,
            cure="Look at its grammar: its texts may be longer, or have other lengths in tokens.",
        )
    if least < piece.slots:
        return NoFillingError(
            f"No text of the hole {name!r} has exactly {piece.slots} tokens; one has {least}.",
            where=name,
            cure='Say length="at most", or another number of slots.',
        )
    least -= piece.more
    return NoFillingError(
        f"The hole {name!r} has {slots} slots and needs {least}.",
        slots=least,
        where=name,
        cure=f"Give it at least {least}: slots={{{name!r}: {least}}}; in the shell --slots {name}={least}.",
    )


def _least_slots(
    pieces: Sequence[Piece], number: int, automaton: TokenAutomaton, marks: Marks = NO_MARKS
) -> int | None:
    """Return the fewest slots of one hole, all others unchanged, with which there is a filling; None if
    `_MORE` slots are not enough."""
    name = pieces[number].name

    def feasible(slots: int) -> bool:
        several = [*pieces[:number], Piece(name=name, slots=slots), *pieces[number + 1 :]]
        return _is_feasible(several, automaton, marks)

    return 1 + bisect_left(range(1, _MORE), True, key=feasible) if feasible(_MORE) else None


def _is_feasible(pieces: Sequence[Piece], automaton: TokenAutomaton, marks: Marks = NO_MARKS) -> bool:
    return whole_part(pieces, automaton, marks).lattice.is_feasible
