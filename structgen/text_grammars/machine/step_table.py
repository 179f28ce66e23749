"""`StepTable`: the transition table that `stepping` reads, filled as configurations are reached."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from structgen.machine_core.layout import REFUSED
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import word_of
from structgen.text_grammars.machine.language import Language
from structgen.text_grammars.machine.stepping import (
    BOUNDARY,
    OUTSIDE,
    UNKNOWN,
    TextContext,
)

_SPECIALS, _CLASSES = (word_of(TextContext, one) for one in ("specials", "classes"))
_ROW_WORDS = [word_of(TextContext, name) for name in ("row_count", "cells", "may_end", "inside")]
_LEXER = [word_of(TextContext, "moves"), word_of(TextContext, "like")]
_BOUNDARIES = word_of(TextContext, "token_ends")

_ROWS = 256
"""Rows for which there is room at first: the states of a short document. Memory is taken as they are used."""


@lru_cache(16)
def _representatives(classes: bytes) -> list[int]:
    """Return a byte of each class, in the order of the classes."""
    width = len(set(classes))
    if set(classes) != set(range(width)):
        raise AssertionError("classes of bytes are numbered from 0 on")
    return [classes.index(column) for column in range(width)]


class StepTable:
    """The rows of configurations that `stepping` reads."""

    __slots__ = (
        "_boundaries",
        "_classes",
        "_context",
        "_final",
        "_inside",
        "_is_lexer",
        "_kept",
        "_language",
        "_like",
        "_outer_classes",
        "_specials",
        "_table",
        "_words",
        "representative",
    )

    def __init__(self, context: npt.NDArray[np.int64], language: Language) -> None:
        self.representative = _representatives(language.classes)
        """A byte of each class."""
        width = len(self.representative)
        self._classes = classes = np.frombuffer(language.classes, np.uint8)
        self._language = language
        self._outer_classes: npt.NDArray[np.uint8] | None = None
        """Classes with the same number here have the same effect outside parts."""
        self._context = context
        self._specials = np.zeros(len(language.specials), np.int32)
        self._kept: list[npt.NDArray[Any]] = [classes]
        self._table: npt.NDArray[np.int32] = np.empty((_ROWS, width), np.int32)
        self._final: npt.NDArray[np.uint8] = np.empty(_ROWS, np.uint8)
        self._inside: npt.NDArray[np.uint8] = np.empty(_ROWS, np.uint8)
        self._boundaries: npt.NDArray[np.int32] = np.empty(_ROWS, np.int32)
        self._like: npt.NDArray[np.int32] = np.empty(_ROWS, np.int32)
        """Of each state what records know of it, where it is one of the lexer too."""
        self._is_lexer = False
        self._words = _ROW_WORDS + [_BOUNDARIES] * language.counts_tokens
        """Words of the context: how many rows there are, and where they lie; 0 for boundaries that are not
        read."""
        context[TextContext.class_count] = context[TextContext.width] = width
        context[_CLASSES] = address_of(classes)
        context[_SPECIALS] = address_of(self._specials) if language.specials else 0
        context[_BOUNDARIES] = 0
        self._tell()

    def _tell(self) -> None:
        rows = self._table, self._final, self._inside, self._boundaries, self._like
        self._context[self._words] = self._addresses(rows)

    def serve_lexer(self) -> None:
        """Have records be made of these rows."""
        self._is_lexer, self._words = True, _LEXER + self._words
        self._tell()

    def _addresses(self, arrays: Sequence[npt.NDArray[Any]]) -> list[int]:
        """Return what `_words` hold, where the rows lie in some arrays."""
        table, final, inside, boundaries, like = (address_of(one) for one in arrays)
        lexer = [table, like] if self._is_lexer else []
        counted = [boundaries] * self._language.counts_tokens
        return [*lexer, len(arrays[0]), table, final, inside, *counted]

    def grow(self, rows: int) -> None:
        """Make room for so many rows in all."""
        used = len(self._final)
        if rows <= used:
            return
        rows = max(rows, 2 * used)
        old = self._table, self._final, self._inside, self._boundaries, self._like
        new = [np.empty((rows, *one.shape[1:]), one.dtype) for one in old]
        for one, before in zip(new, old, strict=True):
            one[:used] = before
        self._kept += old  # a reader may still hold their addresses
        at, words, values = self._context, self._words, self._addresses(new)
        # in one statement: Python and compiled code must never read different arrays
        self._table, self._final, self._inside, self._boundaries, self._like, at[words] = *new, values

    def put(self, number: int, standing: int, where: int) -> None:
        """Add the row of a configuration, or overwrite the row that an interrupted call has added.
        `standing`: how the text stands there; `where`: its places are (OUTSIDE, INSIDE, BOTH)."""
        self.grow(number + 1)
        self._table[number] = self._boundaries[number] = self._like[number] = UNKNOWN
        self._final[number], self._inside[number] = standing, where

    def stand(self, number: int, standing: int) -> None:
        """Set how the text stands in a configuration."""
        self._final[number] = standing

    def refuse(self, number: int) -> None:
        """Refuse every byte in a configuration."""
        self._table[number] = REFUSED

    def keep(self, array: npt.NDArray[Any]) -> None:
        """Keep an array of which a reader may still hold the address."""
        self._kept.append(array)

    def answer(self, number: int, column: int, after: int) -> None:
        """Fill the cell of a class of bytes, and of the classes that have the same effect there."""
        if column == BOUNDARY:
            self._boundaries[number] = after
        elif self._inside[number] == OUTSIDE:
            if self._outer_classes is None:
                outer = self._language.outer_classes or self._language.classes
                self._outer_classes = np.frombuffer(outer, np.uint8)[self.representative]
            self._table[number, self._outer_classes == self._outer_classes[column]] = after
        else:
            self._table[number, column] = after

    def put_row(self, number: int, data: bytes, after: list[int]) -> None:
        """Fill the row of a configuration: the states after some bytes; the others are refused."""
        self._table[number] = REFUSED
        self._table[number, self._classes[np.frombuffer(data, np.uint8)]] = after

    def is_known(self, number: int, column: int) -> bool:
        """Return whether the cell of a class of bytes is filled."""
        return column != BOUNDARY and self._table[number, column] > UNKNOWN

    def row(self, number: int) -> npt.NDArray[np.int32]:
        """Return the cells of a configuration, one for each class of bytes: the number after it, REFUSED, or
        a smaller number where the cell is unknown."""
        found: npt.NDArray[np.int32] = self._table[number]
        return found

    def is_outside(self, number: int) -> bool:
        """Return whether no place of a configuration is inside a part."""
        return int(self._inside[number]) == OUTSIDE

    def standing(self, number: int) -> int:
        """Return how the text stands in a configuration: 0 where it may not end."""
        return int(self._final[number])

    def allow(self, tokens: list[int]) -> None:
        """Set the special tokens that are allowed in the state whose mask is worked out next."""
        self._specials[: len(tokens)] = tokens
        self._context[TextContext.special_count] = len(tokens)

    @property
    def nbytes(self) -> int:
        """Bytes of all tables, the outgrown ones included."""
        arrays: list[npt.NDArray[Any]] = [self._table, self._final, self._inside, *self._kept]
        return sum(int(array.nbytes) for array in arrays)
