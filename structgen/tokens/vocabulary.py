"""A tokenizer's tokens as the arrays that the compiled walk reads: made once, then read from a file."""

from __future__ import annotations

import os
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from structgen.native.array_file import ArrayFile
from structgen.native.cache_entries import CacheEntries, entry_key
from structgen.system.cache import cache_folder
from structgen.tokens.array_checks import Bounds, are_shaped, has_tokens
from structgen.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from structgen.tokens.trie import TrieArrays

KIND: Final = "vocabulary-8"
"""The layout of the file and of the arrays; a change of either takes the next number."""
_MOST: Final = 1 << 30
"""Bytes of all files; past it those go that were used the longest ago."""
_RECENT: Final = 4
"""Vocabularies held though no one holds them, with the masks that stores keep for them: a server whose last
grammar ends before the next begins would otherwise read them again (13 MB, 8 ms)."""
_WORTH_A_FILE: Final = 1 << 16
"""Bytes of all tokens below which the arrays are made again in a millisecond: no file is worth it."""


@dataclass(frozen=True, eq=False, slots=True, weakref_slot=True)
class Vocabulary:
    """One tokenizer's tokens for masks. Special tokens, holes and empty tokens are not in the trie.

    The arrays are C-contiguous and stay where they are for the life of the object, so that their addresses
    can be kept. They are shared by everyone: read them only. `nodes`, `sig`, `slot_start`, `slot_ids`,
    `slot_sig`, `slot_chars`, `slot_len` and `first` are those of `structgen.tokens.trie.TrieArrays`, where
    the layout is written.
    """

    fingerprint: str
    """The tokenizer's."""
    vocab_size: int
    """V: token ids are 0 to V - 1."""
    max_token_bytes: int
    max_token_chars: int
    nodes: npt.NDArray[np.uint64]
    """[n]: byte, depth, slot plus one, skip."""
    sig: npt.NDArray[np.uint64]
    """[n, 2]: signature of each subtree."""
    first: npt.NDArray[np.int32]
    """[257]: the root's child for each byte, or -1; last, n."""
    slots_before: npt.NDArray[np.int32]
    """[n + 1]: slots of the nodes before each node, so that a subtree's slots are a range."""
    subtree_chars: npt.NDArray[np.int32]
    """[n]: the most characters begun from a node's own byte on, over all tokens in its subtree."""
    child_start: npt.NDArray[np.int32]
    """[n + 2]: node i's children are children[child_start[i] : child_start[i + 1]], the root's those of node
    n, so that a walk finds one byte among many children without a hop to each."""
    children: npt.NDArray[np.int64]
    """[n, 2]: records of `structgen.tokens.trie.children`."""
    slot_start: npt.NDArray[np.int32]
    """[slots + 1]"""
    slot_ids: npt.NDArray[np.int32]
    """The token ids of each slot, ascending: tokens of equal bytes share a slot."""
    slot_sig: npt.NDArray[np.uint64]
    """[slots, 2]"""
    slot_chars: npt.NDArray[np.int32]
    """[slots]"""
    slot_len: npt.NDArray[np.int32]
    """[slots]"""
    token_slot: npt.NDArray[np.int32]
    """[V]: the slot of a token, -1 for special and empty ones."""
    token_offset: npt.NDArray[np.int64]
    """[V + 1]: token t's bytes are token_data[token_offset[t] : token_offset[t + 1]]."""
    token_data: npt.NDArray[np.uint8]
    """All tokens' bytes in order of id; special tokens have none."""

    _pointers: list[npt.NDArray[np.int64]] = field(default_factory=list, init=False, repr=False)
    _first_bytes: list[npt.NDArray[np.uint8]] = field(default_factory=list, init=False, repr=False)
    _first_text: list[bytes] = field(default_factory=list, init=False, repr=False)

    _open: ClassVar[WeakValueDictionary[str, Vocabulary]] = WeakValueDictionary()
    _recent: ClassVar[deque[Vocabulary]] = deque(maxlen=_RECENT)
    _building: ClassVar[tuple[int, threading.Lock]] = (0, threading.Lock())

    @property
    def words(self) -> int:
        """32-bit words of a mask row: ceil(V / 32)."""
        return -(-self.vocab_size // 32)

    @property
    def slots(self) -> int:
        """Distinct byte strings among the tokens."""
        return len(self.slot_len)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self._arrays().values())

    def pointers(self) -> npt.NDArray[np.int64]:
        """Return the words that compiled code reads, in the order of `machine_core.layout.VocabularyWords`.

        They are addresses of arrays and sizes, computed once.
        """
        if not self._pointers:
            arrays = (
                self.first,
                self.sig,
                self.slots_before,
                self.subtree_chars,
                self.child_start,
                self.children,
            )
            tokens = (self.slot_start, self.slot_ids, self.token_slot, self.token_offset, self.token_data)
            addresses = [int(array.__array_interface__["data"][0]) for array in (*arrays, *tokens)]
            trie = [int(self.nodes.__array_interface__["data"][0]), len(self.nodes)]
            sizes = [self.vocab_size, self.words, self.max_token_chars]
            signatures = int(self.slot_sig.__array_interface__["data"][0])
            self._pointers.append(np.array([*trie, *addresses, *sizes, signatures], np.int64))
        return self._pointers[0]

    def first_bytes(self) -> npt.NDArray[np.uint8]:
        """[V]: the first byte of each token, of those without bytes 0. Worked out once, in 1 ms."""
        if not self._first_bytes:
            found = np.zeros(self.vocab_size, np.uint8)
            written = np.diff(self.token_offset) > 0
            found[written] = self.token_data[self.token_offset[:-1][written]]
            self._first_bytes.append(found)
        return self._first_bytes[0]

    def beginning(self, firsts: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
        """Return the row of bits (int32 words) of the tokens whose first byte is among some ([256]), of those
        without bytes if 0 is. Cost: 0.1 ms."""
        if not self._first_text:
            self._first_text.append(self.first_bytes().tobytes().ljust(32 * self.words, b"\0"))
        bits = np.frombuffer(self._first_text[0].translate(firsts.tobytes()), np.uint8)
        return np.packbits(bits, bitorder="little").view(np.int32)

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Vocabulary:
        """The vocabulary of a tokenizer: the same object while somebody holds it, for equal tokenizers too.
        The last ones asked for, two to four, are held anyway.

        The first call for a tokenizer builds the arrays (Llama-3's 128,000 tokens: 0.1 s) and leaves them in
        the cache folder, from where other processes read and check them (10 ms, 21 MB). Any number of
        threads and processes may call it at once. A damaged file is built again; a folder that cannot be
        written leaves the arrays in memory; both say so by a StoreWarning. Raises TokenizerError for what the
        layout cannot hold: a token of more than 4,095 bytes, more than 1,048,575 distinct tokens, more than
        16,777,215 nodes.
        """
        found = cls._open.get(tokenizer.fingerprint)
        if found is None:
            with cls._lock():
                found = cls._open.get(tokenizer.fingerprint)
                if found is None:
                    found = cls._read_or_build(tokenizer)
                    cls._open[tokenizer.fingerprint] = found
        recent = cls._recent
        if not recent or recent[-1] is not found:
            recent.append(found)  # one that is there twice goes twice
        return found

    @classmethod
    def _lock(cls) -> threading.Lock:
        # A fork copies a lock that some thread of the parent holds, and nobody opens it: each process has its
        # own.
        process, lock = cls._building
        if process != os.getpid():
            lock = threading.Lock()
            cls._building = (os.getpid(), lock)
        return lock

    @classmethod
    def _read_or_build(cls, tokenizer: Tokenizer) -> Vocabulary:
        text = b"".join(filter(None, tokenizer.token_bytes))
        if len(text) < _WORTH_A_FILE:
            return cls._build(tokenizer)
        entries, key = _entries(), entry_key(KIND, tokenizer.fingerprint)
        file = entries.read(KIND, key)
        if file is not None:
            found = cls._from_file(tokenizer, text, file)
            if found is not None:
                return found
            entries.drop(key, "holds numbers that are out of range")
        built = cls._build(tokenizer)
        entries.write(KIND, key, built._arrays(), {name: getattr(built, name) for name in _NUMBERS})
        return built

    @classmethod
    def _build(cls, tokenizer: Tokenizer) -> Vocabulary:
        from structgen.tokens.trie import build_trie, children, deepest_characters
        from structgen.tokens.trie_nodes import fields_of

        tokens = [token or b"" for token in tokenizer.token_bytes]
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        offsets = np.zeros(len(tokens) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        data = np.frombuffer(bytearray(b"".join(tokens)), np.uint8)
        trie: TrieArrays = build_trie(data, offsets, np.arange(len(tokens), dtype=np.int32))
        token_slot = np.full(len(tokens), -1, np.int32)
        token_slot[trie.slot_ids] = np.repeat(
            np.arange(len(trie.slot_len), dtype=np.int32), np.diff(trie.slot_start)
        )
        slots_before = np.zeros(len(trie.nodes) + 1, np.int32)
        np.cumsum(fields_of(trie.nodes.view(np.int64)).slot > 0, out=slots_before[1:])
        child_start, records = children(trie.nodes, trie.slot_start, trie.slot_ids)
        return cls(
            child_start=child_start,
            children=records,
            slots_before=slots_before,
            subtree_chars=deepest_characters(trie.nodes),
            fingerprint=tokenizer.fingerprint,
            vocab_size=len(tokens),
            max_token_bytes=int(lengths.max()),
            max_token_chars=int(trie.slot_chars.max(initial=0)),
            token_slot=token_slot,
            token_offset=offsets,
            token_data=data,
            **trie._asdict(),
        )

    @classmethod
    def _from_file(cls, tokenizer: Tokenizer, text: bytes, file: ArrayFile) -> Vocabulary | None:
        """Return what a file holds; None where it is not what compiled code takes it for. `text`: the bytes
        of all tokens, one after another. Cost: 8 ms for 128,000 tokens."""
        if not file.numbers.keys() >= set(_NUMBERS) or not file.arrays.keys() >= set(_ARRAYS):
            return None
        values: dict[str, Any] = {name: file.numbers[name] for name in _NUMBERS}
        values |= {name: file.arrays[name] for name in _ARRAYS}
        found = cls(fingerprint=tokenizer.fingerprint, **values)
        return found if found._is_valid(tokenizer, text) else None

    def _is_valid(self, tokenizer: Tokenizer, text: bytes) -> bool:
        """Return whether all numbers are those of the tokenizer's tokens, but for the signatures, which lead
        nowhere."""
        from structgen.tokens.trie import TrieArrays, deepest_characters

        tokens = len(tokenizer.token_bytes)
        if self.vocab_size != tokens or len(self.token_slot) != tokens:
            return False
        trie = TrieArrays(*(getattr(self, name) for name in TrieArrays._fields))
        derived = self.slots_before, self.child_start, self.children
        return (
            Bounds(tokens).is_trie(trie)
            and has_tokens(trie, self.token_slot, self.token_offset, self.token_data, derived)
            and self.token_data.tobytes() == text
            and are_shaped([self.subtree_chars], [("<i4", (len(self.nodes),))])
            and np.array_equal(self.subtree_chars, deepest_characters(self.nodes))
            and self.max_token_bytes == int(self.slot_len.max(initial=0))
            and self.max_token_chars == int(self.slot_chars.max(initial=0))
        )

    def _arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        return {name: getattr(self, name) for name in _ARRAYS}


_NUMBERS: Final = ("vocab_size", "max_token_bytes", "max_token_chars")
_ARRAYS: Final = (
    "nodes",
    "sig",
    "first",
    "slots_before",
    "subtree_chars",
    "child_start",
    "children",
    "slot_start",
    "slot_ids",
    "slot_sig",
    "slot_chars",
    "slot_len",
    "token_slot",
    "token_offset",
    "token_data",
)


def vocabulary_path(tokenizer: Tokenizer) -> Path:
    """Return the path of a tokenizer's vocabulary in the cache folder; small vocabularies have no file."""
    return _entries().path(entry_key(KIND, tokenizer.fingerprint))


def _entries() -> CacheEntries:
    return CacheEntries(cache_folder() / "vocabularies", ".arrays", _MOST)
