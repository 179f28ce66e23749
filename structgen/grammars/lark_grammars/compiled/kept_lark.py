"""Keeps the parts of a compiled Lark grammar that do not depend on the vocabulary: in a file, or for the
grammar that replaces it.

There are two kinds of parts. Arrays are read by compiled code at once. The lexer and the letters, which
extend the arrays, are loaded only when the first question comes. They are stored as plain values in Python's
`marshal` format, and their states keep their numbers.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.base.limits import Limits
from structgen.base.native.cache_entries import CacheEntries, entry_key
from structgen.base.native.typed_blocks import word_of
from structgen.grammars.lark_grammars.machine import lark_layout as L
from structgen.machines.machine_core.growing_tables import NODES, GrowingTables

_KIND: Final = "lark-machine-3"
_WORDS: Final[tuple[str, ...]] = (
    "terminal_count", "nonterminal_count", "end_state", "newline", "indent", "dedent", "tab",
    "keeps_column", "width", "contexts", "boundaries",
)  # fmt: skip
"""The fields of compiled code that do not depend on the vocabulary."""
_LEXER = "lexer"
_LEXEME = "lexeme"
Arrays = dict[str, npt.NDArray[Any]]


def identity_of(digest: str, limits: Limits) -> str:
    """Return the key of a grammar's file. `digest`: of its tables."""
    # The limits are part of the key: under lower ones the same grammar may be refused.
    return entry_key(_KIND, repr(limits), digest)


class KeptParts(NamedTuple):
    """The parts that a file or a replacement has."""

    arrays: Arrays
    lexer: npt.NDArray[np.uint8]
    """The lexer and the letters, in `marshal` format."""
    words: dict[str, int]
    """Numbers of the block that compiled code reads (`_WORDS`)."""
    lexeme: int
    """The state of the lexer before the first byte of a text."""

    @property
    def classes(self) -> int:
        """How many classes of endings there were."""
        return len(self.arrays["class_at"])


def kept_parts(
    arrays: Arrays,
    lexer: npt.NDArray[np.uint8],
    growing_tables: GrowingTables,
    start: int,
) -> KeptParts:
    """Return the parts of a compiled grammar that are kept. `arrays` and `lexer` are what
    `LarkAnswers.kept_arrays` returns; `growing_tables`: of the grammar; `start`: the number of its first
    state."""
    words = {}
    for name in _WORDS:
        words[name] = int(growing_tables.context[word_of(L.LarkContext, name)])
    first_state = growing_tables.rows(NODES)[start]
    return KeptParts(arrays, lexer, words, int(first_state[L.LarkState.lexeme]))


def write_compiled(files: CacheEntries, key: str, parts: KeptParts) -> None:
    """Write the file of a grammar, with a StoreWarning where the folder does not take it."""
    arrays = {**parts.arrays, _LEXER: parts.lexer}
    words = {**parts.words, _LEXEME: parts.lexeme}
    files.write(_KIND, key, arrays, words)


def read_compiled(files: CacheEntries, key: str) -> KeptParts | None:
    """Return the parts in the file of a grammar; None where there is no file, with a StoreWarning where it
    cannot serve. Cost: 0.1 ms, and 0.2 ms a megabyte."""
    entry = files.read(_KIND, key)
    if entry is None:
        return None
    try:
        arrays = dict(entry.arrays)
        words = dict(entry.numbers)
        return KeptParts(arrays, arrays.pop(_LEXER), words, words.pop(_LEXEME))
    except LookupError:
        files.drop(key, "is damaged or was not made by this version of structgen")
        return None
