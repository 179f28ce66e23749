"""A compiled Lark grammar that another process finds ready: what bytes do to lexemes, what tokens do in them,
the states that were met, and their masks.

What it takes to go on, the grammar's lexer and its states, is made when something is met that was not met
before. The file is one of masks.grammar_files, named by the grammar's tables, the vocabulary, the limits and
our own sources; its arrays are mapped.
"""

from __future__ import annotations

import json
import sys
import threading
import unicodedata
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from structgen.languages.contextual import ContextualLanguage
from structgen.languages.lark_book import Book, Pages
from structgen.languages.lark_files import LarkGrammar
from structgen.languages.lark_image import Image, take
from structgen.limits import Limits
from structgen.machine import layout as L
from structgen.machine.tables import Tables
from structgen.masks.grammar_files import GrammarFiles, WrittenArrays
from structgen.masks.store import VocabularyStore
from structgen.sources import digest_of
from structgen.tokenizer import Tokenizer

KIND: Final = "lark-grammar-3"
_PATIENCE: Final = 5.0
"""Seconds to wait for whoever fills masks, before a grammar is left as it was kept."""
_MOST: Final = 1 << 26
"""Bytes of states and their masks above which they are not kept, and of the rest above which nothing is."""
_STACK: Final = 1000
"""Bytes that the reader takes for a stack of the parser."""
_ROOMS: Final = ("automata", "frontends", "languages", "machine", "masks", "parsing")


@cache
def _code() -> str:
    """Return a digest of all that decides what a file holds; 5 ms, once in a process."""
    package = Path(__file__).parent.parent
    sources = [path for room in _ROOMS for path in (package / room).glob("*.py")]
    return f"{digest_of(sources)} {sys.version_info[:3]} {unicodedata.unidata_version}"


def identity_of(grammar: LarkGrammar, tokenizer: Tokenizer, limits: Limits) -> bytes:
    """Return the name of a compiled grammar's file: 16 bytes."""
    text = "\0".join((_code(), tokenizer.fingerprint, repr(limits), grammar.digest))
    return blake2b(text.encode(), digest_size=16).digest()


class Source:
    """A grammar's language, made when it is asked for; with the states of its lexer that were kept."""

    __slots__ = ("_grammar", "_kept", "_language", "_limits")

    def __init__(self, grammar: LarkGrammar, limits: Limits, kept: bytes | None) -> None:
        """`kept`: the states of its lexer, as `encode` returned them."""
        self._grammar, self._limits, self._kept = grammar, limits, kept
        self._language: ContextualLanguage | None = None

    def __call__(self) -> ContextualLanguage:
        """Return the language. Cost: the first time that of a lexer, up to 0.1 s."""
        if self._language is None:
            lexemes = None if self._kept is None else json.loads(self._kept)
            self._language = ContextualLanguage(self._grammar.tables, self._limits, lexemes)
            self._kept = None
        return self._language

    @property
    def nbytes(self) -> int:
        """Bytes of the parser's stacks and of what is known of them, about."""
        return 0 if self._language is None else _STACK * len(self._language.reader.parser.top)

    def encode(self) -> bytes:
        """Return the states of the lexer, to be kept."""
        if self._kept is not None:
            return self._kept
        return json.dumps(self().lexemes(), separators=(",", ":"), ensure_ascii=False).encode()


class Kept(NamedTuple):
    """What a file holds, as it was read."""

    pages: Pages
    image: Image
    lexemes: bytes


def read(files: GrammarFiles, identity: bytes, masks: VocabularyStore) -> Kept | None:
    """Return what is kept of a grammar; None where nothing is, or the mask store has no room for its dense
    rows. Cost: 0.5 ms, and 0.5 ms for each MB."""
    held = files.read_arrays(identity, KIND)
    if held is None:
        return None
    pages = Pages(**{name: held[name] for name in Pages._fields})
    image = Image(int(held["start"][0]), *(held[f"states.{name}"] for name in Image._fields[1:]))
    numbers = [masks.intern_row(row) for row in held["dense"]]
    if None in numbers:
        return None
    named = np.array(numbers, np.int64)
    pages.made[pages.rows] = named[pages.made[pages.rows]]
    known = image.nodes[:, L.N_ROW] >= 0
    image.nodes[known, L.N_ROW] = named[image.nodes[known, L.N_ROW]]
    return Kept(pages, image, held["lexemes"].tobytes())


class Keeping:
    """What one compiled grammar has that can be kept. It does not hold the grammar: it is asked once that is
    gone."""

    __slots__ = (
        "__weakref__",
        "_before",
        "_book",
        "_identity",
        "_lock",
        "_masks",
        "_source",
        "_start",
        "_tables",
        "files",
    )

    def __init__(
        self,
        files: GrammarFiles,
        identity: bytes,
        lock: threading.RLock,
        parts: tuple[VocabularyStore, Tables, Book, Source],
        start: int,
    ) -> None:
        self.files, self._identity, self._lock, self._start = files, identity, lock, start
        self._masks, self._tables, self._book, self._source = parts
        self._before = self._extent()

    def _extent(self) -> tuple[int, ...]:
        """Return how much is known: masks, lexemes and records."""
        return self._tables.count(L.T_LIST), *self._book.extent

    @property
    def is_new(self) -> bool:
        """Whether something was met that is not written."""
        return self._extent() != self._before

    @property
    def size(self) -> int:
        """Bytes that it takes to keep it, about."""
        return 4 * self._tables.count(L.T_LIST) + 200 * self._tables.count(L.T_NODE) + self._book.nbytes

    def encode(self) -> WrittenArrays | None:
        """Return what is to be written, None where nothing was met since the last time, or it is too much."""
        if not self.is_new or not self._lock.acquire(timeout=_PATIENCE):
            return None
        try:
            self._before = self._extent()
            pages, image = self._book.pages(), take(self._tables, self._start)
            lexemes = np.frombuffer(self._source.encode(), np.uint8)
        finally:
            self._lock.release()
        if image.nbytes > _MOST:
            image = image.emptied()
        if sum(int(one.nbytes) for one in pages) + len(lexemes) > _MOST:
            return None
        known = image.nodes[:, L.N_ROW] >= 0
        named = pages.made[pages.rows]
        numbers = np.unique(np.concatenate((named, image.nodes[known, L.N_ROW])))
        pages.made[pages.rows] = np.searchsorted(numbers, named)
        image.nodes[known, L.N_ROW] = np.searchsorted(numbers, image.nodes[known, L.N_ROW])
        states = {f"states.{name}": getattr(image, name) for name in Image._fields[1:]}
        others = {
            "start": np.array([image.start], np.int64),
            "dense": self._masks.rows[numbers],
            "lexemes": lexemes,
        }
        return WrittenArrays(self._identity, KIND, {**pages._asdict(), **states, **others})
