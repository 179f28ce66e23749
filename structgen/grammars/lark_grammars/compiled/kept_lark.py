"""Keeps the parts of a compiled Lark grammar that do not depend on the vocabulary: in a file, or for the
grammar that replaces it.

There are two kinds of parts. *Arrays* are tables such as the lexer's moves; compiled code reads them at once.
The *lexer* and the *letters* (what a lexeme may still become) can extend the arrays. They are loaded only
when compiled code asks its first question: for a fact that the arrays do not have. They are stored as plain
values in Python's `marshal` format, and their states keep their numbers.

A *word* is one number of the block that compiled code reads, such as the number of terminals.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from structgen.base.limits import Limits
from structgen.base.native.array_types import Array, ByteArray
from structgen.base.native.cache_entries import CacheEntries, entry_key
from structgen.base.native.typed_blocks import word_of
from structgen.grammars.lark_grammars.machine import lark_layout as L
from structgen.machines.machine_core.growing_tables import NODES, GrowingTables

_KIND: Final = "lark-machine-3"
"""The kind of the files, and the version of their format."""
_WORDS: Final[tuple[str, ...]] = (
    "terminal_count", "nonterminal_count", "end_state", "newline", "indent", "dedent", "tab",
    "keeps_column", "width", "contexts", "boundaries",
)  # fmt: skip
"""The fields of the block that do not depend on the vocabulary."""
_LEXER = "lexer"
_LEXEME = "lexeme"
"""In a file, the names of the array with the lexer, and of the number `KeptParts.lexeme`."""
Arrays = dict[str, Array]


def identity_of(digest: str, limits: Limits) -> str:
    """Return the key of a grammar's file. `digest`: the digest of its tables."""
    # The limits are part of the key: under lower ones the same grammar may be refused.
    return entry_key(_KIND, repr(limits), digest)


class KeptParts(NamedTuple):
    """The parts that a file holds, or that a grammar hands to its replacement."""

    arrays: Arrays
    """The arrays, by the names of their fields."""
    lexer: ByteArray
    """The lexer and the letters, in `marshal` format."""
    words: dict[str, int]
    """Numbers of the block that compiled code reads, by the names in `_WORDS`."""
    lexeme: int
    """The state of the lexer before the first byte of a text."""

    @property
    def classes(self) -> int:
        """The number of classes of endings that were known."""
        return len(self.arrays["class_at"])


def kept_parts(
    arrays: Arrays,
    lexer: ByteArray,
    growing_tables: GrowingTables,
    start: int,
) -> KeptParts:
    """Return the parts of a compiled grammar that are kept. `LarkAnswers.kept_arrays` returns `arrays` and
    `lexer`. `growing_tables`: the tables of the grammar's compiled code; `start`: the number of its first
    state."""
    words = {name: int(growing_tables.context[word_of(L.LarkContext, name)]) for name in _WORDS}
    first_state = growing_tables.rows(NODES)[start]
    return KeptParts(arrays, lexer, words, int(first_state[L.LarkState.lexeme]))


def write_compiled(files: CacheEntries, key: str, parts: KeptParts) -> None:
    """Write the file of a grammar, under its `key` (`identity_of`). A StoreWarning is issued where the folder
    cannot be written."""
    arrays = {**parts.arrays, _LEXER: parts.lexer}
    words = {**parts.words, _LEXEME: parts.lexeme}
    files.write(_KIND, key, arrays, words)


def read_compiled(files: CacheEntries, key: str) -> KeptParts | None:
    """Return the parts in the file of a grammar, under its `key` (`identity_of`); None where there is none.
    A damaged file also gives None, with a StoreWarning. Cost: 0.1 ms, and 0.2 ms a megabyte."""
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
