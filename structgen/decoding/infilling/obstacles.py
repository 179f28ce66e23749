"""Why a canvas has no valid filling: which fixed text prevents it, and what would help.

A *piece* is a part of the template: fixed text, or a hole with its slots. A *filling* gives each slot a token
or leaves it empty; it is valid if the text belongs to the grammar. An *obstacle* is a hole with too few
slots, or fixed text that no text of the grammar has at this place.
"""

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
"""The number of slots with which we test whether more slots would help a hole."""


def raise_obstacle(
    pieces: Sequence[Piece],
    whole: TokenAutomaton | None,
    holes: dict[str, TokenAutomaton],
    marks: Marks = NO_MARKS,
) -> NoReturn:
    """Raise NoFillingError, with the reason, for a canvas without a valid filling.

    `pieces`: the parts of the template. `whole`: the automaton of the whole text, or None. `holes`: the
    automata of typed holes, by name. `marks`: the marks around typed holes. For example, for the hole "age"
    of one slot and a type of two digits the message says that it needs two. Cost: some lattices of up to 256
    slots.
    """
    # Holes are tested first: that a hole has too few slots is the simpler reason.
    for name, automaton in holes.items():
        piece = next(piece for piece in pieces if piece.name == name)
        if not _is_feasible([piece], automaton):
            raise _too_short(piece, _fewest_slots([piece], 0, automaton))
    if whole is not None:
        raise _of_whole(pieces, whole, marks)
    raise AssertionError("every hole has a filling")


def _of_whole(pieces: Sequence[Piece], automaton: TokenAutomaton, marks: Marks) -> NoFillingError:
    """Return the error for a template that has no filling under the grammar of the whole text. It names a
    hole with too few slots, or the first part after which nothing fits."""
    for number, piece in enumerate(pieces):
        if piece.name:
            needed_slots = _fewest_slots(pieces, number, automaton, marks)
            if needed_slots is not None:
                return _too_short(piece, needed_slots)
    # With long holes, what stops the paths is not a lack of slots.
    pieces = [Piece(name=piece.name, slots=_MORE) if piece.name else piece for piece in pieces]
    long_lattice = whole_part(pieces, automaton, marks).lattice
    at = long_lattice.first_obstacle()
    if at is None:
        return NoFillingError(
            "The holes together have too few slots for any text of the grammar.",
            where="slots",
            cure="Increase the slots.",
        )
    start = 0
    for piece in pieces:
        is_typed = piece.name in marks.columns_before
        size = len(piece) + 2 * is_typed
        if at < start + size:
            break
        start += size
    else:
        # Paths reach the end of the canvas, but no state there accepts.
        fixed_text = next((piece.text for piece in reversed(pieces) if piece.text), "")
        return NoFillingError(
            f"No text of the grammar ends with {short_repr(fixed_text)}.",
            fixed=fixed_text,
            where="template",
            cure="Add the missing text after it, or put a hole there.",
        )
    text_before = _text_before(pieces, piece)
    if piece.name:
        message_start = f"After {short_repr(text_before)} the" if text_before else "The"
        of_type = " and is of the hole's type" if is_typed else ""
        cure = "Change the text before the hole."
        if is_typed:
            cure = "Change the hole's type, or the text before it."
        return NoFillingError(
            f"{message_start} grammar has no text that fills the hole {piece.name!r}{of_type}.",
            fixed=text_before,
            where="template",
            cure=cure,
        )
    context = f" after {short_repr(text_before)}" if start else ""
    return NoFillingError(
        f"The fixed text {short_repr(piece.text)} prevents every filling: no text of the grammar "
        f"there{context}.",
        fixed=piece.text,
        where="template",
        cure="Change it, or put a hole in its place; tokens do not cross the edges of holes.",
    )


def _text_before(pieces: Sequence[Piece], piece: Piece) -> str:
    """Return the text before a part, with holes by their names."""
    at = next(number for number, candidate in enumerate(pieces) if candidate is piece)
    return "".join(f"{{{piece.name}}}" if piece.name else piece.text for piece in pieces[:at])


def _too_short(piece: Piece, needed_slots: int | None) -> NoFillingError:
    """Return the error for a hole that has too few slots for any text. `needed_slots`: the fewest slots that
    are enough; None: even _MORE are not."""
    name = piece.name
    # The caller does not count the slots for punctuation after the hole.
    slots = piece.slots - piece.suffix_slots
    if needed_slots is None:
        return NoFillingError(
            f"The hole {name!r} cannot be filled with {slots} slots, nor with up to {_MORE}.",
            where=name,
            cure="Check its grammar: its texts may be longer, or have other lengths in tokens.",
        )
    if needed_slots < piece.slots:
        return NoFillingError(
            f"No text of the hole {name!r} has exactly {piece.slots} tokens; one has {needed_slots}.",
            where=name,
            cure='Set length="at most", or another number of slots.',
        )
    needed_slots -= piece.suffix_slots
    return NoFillingError(
        f"The hole {name!r} has {slots} slots and needs {needed_slots}.",
        slots=needed_slots,
        where=name,
        cure=f"Increase it to at least {needed_slots}: slots={{{name!r}: {needed_slots}}}; in the "
        f"shell --slots {name}={needed_slots}.",
    )


def _fewest_slots(
    pieces: Sequence[Piece], number: int, automaton: TokenAutomaton, marks: Marks = NO_MARKS
) -> int | None:
    """Return the fewest slots of one hole, all others unchanged, with which there is a filling; None if
    `_MORE` slots are not enough. `number`: the index of the hole in `pieces`; `marks`: the marks around typed
    holes."""
    name = pieces[number].name

    def is_enough(slots: int) -> bool:
        """Return whether so many slots of the hole leave a filling."""
        changed_pieces = [*pieces[:number], Piece(name=name, slots=slots), *pieces[number + 1 :]]
        return _is_feasible(changed_pieces, automaton, marks)

    if not is_enough(_MORE):
        return None
    # Slots may stay empty, so more slots never do harm. So a binary search finds the fewest.
    return 1 + bisect_left(range(1, _MORE), True, key=is_enough)


def _is_feasible(pieces: Sequence[Piece], automaton: TokenAutomaton, marks: Marks = NO_MARKS) -> bool:
    """Return whether parts have a valid filling under an automaton."""
    return whole_part(pieces, automaton, marks).lattice.is_feasible
