"""`StepTable`: the transition table that the compiled code of `stepping` reads.

It has a row for each *configuration* (by number) and a *cell* for each class of bytes: the number of the
configuration after such a byte, REFUSED, or UNKNOWN. Cells are filled when texts reach them.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from structgen.base.native.array_types import Array, ByteArray, Int32Array, Int64Array
from structgen.base.native.raw_memory import address_of
from structgen.base.native.typed_blocks import word_of
from structgen.grammars.text_grammars.machine.language import Language, class_representatives
from structgen.grammars.text_grammars.machine.stepping import (
    BOUNDARY,
    OUTSIDE,
    UNKNOWN,
    TextContext,
)
from structgen.machines.machine_core.layout import REFUSED
from structgen.machines.machine_core.lexeme_tables import GrownArray


def _word_of_field(name: str) -> int:
    return word_of(TextContext, name)


_ROW_COUNT: Final = _word_of_field("row_count")


class StepTable:
    """The rows of configurations that `stepping` reads."""

    def __init__(self, context: Int64Array, language: Language) -> None:
        self.representative = class_representatives(language.classes)
        """One byte of each class."""
        width = len(self.representative)
        assert max(language.classes) < width, "classes of bytes are numbered from 0 on"
        self._classes = np.frombuffer(language.classes, np.uint8)
        self._language = language
        self._outer_classes: ByteArray | None = None
        """A number for each class. Classes with the same number have the same effect outside of parts."""
        self._context = context
        self._specials = np.zeros(len(language.specials), np.int32)
        self.arrays: list[Array] = [self._classes]
        """The arrays whose addresses compiled code may still hold, so they must stay alive."""
        # without a count of tokens compiled code finds no array of token ends, and asks nothing of it
        token_words = [_word_of_field("token_ends")] if language.counts_tokens else []
        self._table = GrownArray(context, [_word_of_field("cells")], width, np.int32, None)
        self._final = GrownArray(context, [_word_of_field("may_end")], 1, np.uint8, None)
        self._inside = GrownArray(context, [_word_of_field("inside")], 1, np.uint8, None)
        self._token_ends = GrownArray(context, token_words, 1, np.int32, None)
        self._like = GrownArray(context, [], 1, np.int32, UNKNOWN)
        """For each state, if it is also a state of the lexer, a number that records write for themselves."""
        self._arrays = self._table, self._final, self._inside, self._token_ends, self._like
        context[TextContext.class_count] = width
        context[TextContext.width] = width
        context[_ROW_COUNT] = len(self._table.rows)
        context[_word_of_field("classes")] = address_of(self._classes)
        context[_word_of_field("specials")] = address_of(self._specials) if language.specials else 0

    def serve_lexer(self) -> None:
        """Have records be made of these rows."""
        self._table.write_addresses([_word_of_field("cells"), _word_of_field("moves")])
        self._like.write_addresses([_word_of_field("like")])

    def make_room(self, rows: int) -> None:
        """Make room for so many rows in all."""
        if rows > self._context[_ROW_COUNT]:
            for array in self._arrays:
                array.reserve(rows, keeps=True)
            # last: compiled code may use so many rows of each array
            self._context[_ROW_COUNT] = len(self._like.rows)

    def add_row(self, number: int, status: int, where: int) -> None:
        """Add the row of a configuration, or overwrite the row that an interrupted call has added. `status`:
        whether the text may end there (NEVER, STOPS, WORD); `where`: whether its places are inside parts
        (OUTSIDE, INSIDE, BOTH)."""
        self.make_room(number + 1)
        for array in (self._table, self._token_ends, self._like):
            array.rows[number] = UNKNOWN
        self._final.rows[number] = status
        self._inside.rows[number] = where

    def set_status(self, number: int, status: int) -> None:
        """Set how the text stands in a configuration."""
        self._final.rows[number] = status

    def fill_cell(self, number: int, column: int, after: int) -> None:
        """Fill the cell of a class of bytes, and of the classes that have the same effect there."""
        if column == BOUNDARY:
            self._token_ends.rows[number] = after
        elif self.is_outside(number):
            if self._outer_classes is None:
                outer = self._language.outer_classes or self._language.classes
                self._outer_classes = np.frombuffer(outer, np.uint8)[self.representative]
            # one question of the language fills all cells of the same effect
            same_effect = self._outer_classes == self._outer_classes[column]
            self._table.rows[number, same_effect] = after
        else:
            self._table.rows[number, column] = after

    def put_row(self, number: int, data: bytes, after: list[int]) -> None:
        """Fill the row of a configuration: the states after some bytes; the others are refused."""
        row = np.full(len(self.representative), REFUSED, np.int32)
        columns = self._classes[np.frombuffer(data, np.uint8)]
        row[columns] = after
        # the whole row at once: an interrupted call leaves none that is half filled
        self._table.rows[number] = row

    def is_known(self, number: int, column: int) -> bool:
        """Return whether the cell of a class of bytes is filled."""
        return column != BOUNDARY and self._table.rows[number, column] > UNKNOWN

    def cells_of(self, number: int) -> Int32Array:
        """Return the cells of a configuration, one for each class of bytes: the number after it, REFUSED, or
        a smaller number where the cell is unknown."""
        cells: Int32Array = self._table.rows[number]
        return cells

    def is_outside(self, number: int) -> bool:
        """Return whether no place of a configuration is inside a part."""
        return int(self._inside.rows[number, 0]) == OUTSIDE

    def text_status(self, number: int) -> int:
        """Return how the text stands in a configuration: 0 where it may not end."""
        return int(self._final.rows[number, 0])

    def allow_specials(self, tokens: list[int]) -> None:
        """Set the special tokens that are allowed in the state whose mask is worked out next."""
        self._specials[: len(tokens)] = tokens
        self._context[TextContext.special_count] = len(tokens)

    @property
    def nbytes(self) -> int:
        """Bytes of all tables, the outgrown ones included."""
        arrays = [*self.arrays]
        for grown in (self._table, self._final, self._inside):
            arrays += [grown.rows, *grown.outgrown]
        return sum(int(array.nbytes) for array in arrays)
