"""`LengthTable`: the tokens of strings of which only the length is bounded, for all lengths at once.

The room that `maxLength` and `minLength` leave is another number after each character, and so each of these
is a terminal of its own. Of a free string the tokens are known for all of them: each needs so many
characters.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from structgen.base.native.array_types import Int32Array, Int64Array
from structgen.base.native.bit_rows import add_tokens


class LengthTable(NamedTuple):
    """The tokens of one state of a free string, by the characters that the string must have room for."""

    ends: Int32Array
    """Where in `tokens` those end that need as many characters as the index says."""
    tokens: Int32Array
    """The tokens that stay inside the string, ascending by the characters that they need."""
    closings: Int64Array
    """[n, 3]: a node of the trie that closes the string, the characters that it needs, and those that the
    string then has."""
    row: Int32Array
    """All of `tokens`, as a row of bits."""

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays: some 4 for each token of the vocabulary."""
        return sum(array.nbytes for array in self)

    def tokens_within(self, max_length: int) -> Int32Array:
        """Return as a row of bits the tokens that stay inside a string with room for `max_length` characters
        (-1: for any number). Nobody may change it. Cost: 1 ns a token, of half of them at most."""
        if not 0 <= max_length < len(self.ends):
            return self.row
        last = int(self.ends[max_length])
        # The smaller half is written: the tokens that fit, or else those that do not, which are taken away.
        is_smaller_half = 2 * last < len(self.tokens)
        row = np.zeros_like(self.row)
        add_tokens(row, self.tokens[:last] if is_smaller_half else self.tokens[last:])
        return row if is_smaller_half else self.row & ~row

    def nodes_that_close(self, min_length: int, max_length: int) -> Int64Array:
        """Return the nodes that close a string which must have `min_length` characters more, and has room for
        `max_length` (-1: for any number)."""
        nodes, needs, characters = self.closings.T
        is_long_enough = characters >= min_length
        has_room = (needs <= max_length) | (max_length < 0)
        closing: Int64Array = nodes[is_long_enough & has_room]
        return closing
