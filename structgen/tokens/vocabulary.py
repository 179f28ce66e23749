"""`Vocabulary`: the tokens of a tokenizer as arrays for compiled code, made once and then read from a file.

The arrays hold a *trie*, a tree of the bytes of all tokens (`trie`). A *node* stands for a beginning of
tokens; a *slot* is the number of a distinct string of bytes; tokens of equal bytes share a slot. V is the
number of tokens, n the number of nodes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final
from weakref import WeakValueDictionary

import numpy as np

from structgen.base.native.addresses import address_of
from structgen.base.native.array_file import ArrayFile
from structgen.base.native.array_types import Array, ByteArray, Int32Array, Int64Array, UInt64Array
from structgen.base.native.cache_entries import CacheEntries, entry_key
from structgen.base.system.cache import cache_folder
from structgen.base.system.fork_locks import STORES, new_lock
from structgen.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from structgen.tokens.trie import TrieArrays

KIND: Final = "vocabulary-9"
"""The version of the layout of the file and the arrays; increase the number with each change."""
MOST_ON_DISK: Final = 1 << 30
"""The most bytes of all files of a folder; the least recently used are deleted first."""
_RECENT: Final = 4
"""How many recent vocabularies stay in memory, with their masks in stores, after their last user: a server
that drops one grammar before it makes the next would otherwise read them again (13 MB, 8 ms)."""
_WORTH_A_FILE: Final = 1 << 16
"""The least number of bytes in all tokens for which a file is written. Fewer take a millisecond without
one."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """One tokenizer's tokens for masks. Special tokens, unused ids and empty tokens are not in the trie.

    The arrays are C-contiguous and do not move during the life of the object, so that their addresses can be
    stored. They are shared and read-only. `nodes`, `sig`, `slot_start`, `slot_ids`, `slot_len`
    and `first` are those of `structgen.tokens.trie.TrieArrays`, which documents the layout.
    """

    fingerprint: str
    """The tokenizer's fingerprint."""
    vocab_size: int
    """V: token ids are 0 to V - 1."""
    max_token_bytes: int
    max_token_chars: int
    nodes: UInt64Array
    """[n]: byte, depth, slot plus one, end (`trie_nodes`)."""
    sig: UInt64Array
    """[n, 2]: signature of each subtree."""
    first: Int32Array
    """[257]: the root's child for each byte, or -1; last, n."""
    subtree_chars: Int32Array
    """[n]: the most characters that begin at a node's own byte or later, over all tokens in its subtree."""
    slot_start: Int32Array
    """[slots + 1]"""
    slot_ids: Int32Array
    """The token ids of each slot, ascending: tokens of equal bytes share a slot."""
    slot_len: Int32Array
    """[slots]"""
    token_slot: Int32Array
    """[V]: the slot of a token, -1 for special and empty ones."""
    token_offset: Int64Array
    """[V + 1]: token t's bytes are token_data[token_offset[t] : token_offset[t + 1]]."""
    token_data: ByteArray
    """All tokens' bytes in order of id; special tokens have none."""

    _open: ClassVar[WeakValueDictionary[str, Vocabulary]] = WeakValueDictionary()
    _recent: ClassVar[deque[Vocabulary]] = deque(maxlen=_RECENT)
    _building: ClassVar[Any] = new_lock(STORES)

    @property
    def words(self) -> int:
        """32-bit words of a mask row: ceil(V / 32)."""
        return -(-self.vocab_size // 32)

    @cached_property
    def pointers(self) -> Int64Array:
        """The addresses and sizes of the arrays for compiled code, in the order of
        `machine_core.layout.VocabularyWords`."""
        arrays = (self.first, self.sig, self.subtree_chars)
        tokens = (self.slot_start, self.slot_ids, self.token_slot, self.token_offset, self.token_data)
        addresses = [address_of(array) for array in (*arrays, *tokens)]
        trie = [address_of(self.nodes), len(self.nodes)]
        sizes = [self.vocab_size, self.words, self.max_token_chars]
        return np.array([*trie, *addresses, *sizes], np.int64)

    @classmethod
    def of_tokenizer(cls, tokenizer: Tokenizer) -> Vocabulary:
        """Return the vocabulary of a tokenizer. Equal tokenizers share one object while it is in use; the two
        to four most recent ones stay in memory.

        The first call for a tokenizer builds the arrays (Llama-3's 128,000 tokens: 0.1 s) and writes them to
        the cache folder, from where other processes read them (5 ms, 21 MB). Safe for threads and
        processes. A damaged file is built again; without a writable folder the arrays stay in memory; both
        cause a StoreWarning. Raises TokenizerError beyond the limits of the layout: a token of more than
        4,095 bytes, more than 1,048,575 distinct tokens, more than 16,777,215 nodes.
        """
        vocabulary = cls._open.get(tokenizer.fingerprint)
        if vocabulary is None:
            with cls._building:
                # again, now that the lock is held: another thread may have made it meanwhile
                vocabulary = cls._open.get(tokenizer.fingerprint)
                if vocabulary is None:
                    vocabulary = cls._read_or_build(tokenizer)
                    cls._open[tokenizer.fingerprint] = vocabulary
        recent = cls._recent
        if not recent or recent[-1] is not vocabulary:
            recent.append(vocabulary)  # a vocabulary may be in the list twice
        return vocabulary

    @classmethod
    def _read_or_build(cls, tokenizer: Tokenizer) -> Vocabulary:
        """Return the vocabulary from its file. If there is no usable file, make the arrays and write one."""
        text = b"".join(filter(None, tokenizer.token_bytes))
        if len(text) < _WORTH_A_FILE:
            return cls._build_arrays(tokenizer)
        entries = _cache_entries()
        key = entry_key(KIND, tokenizer.fingerprint)
        file = entries.read(KIND, key)
        if file is not None:
            vocabulary = cls._from_file(tokenizer, file)
            if vocabulary is not None:
                return vocabulary
            entries.drop(key, "lacks an array or belongs to another tokenizer")
        built = cls._build_arrays(tokenizer)
        numbers = {name: getattr(built, name) for name in _NUMBERS}
        entries.write(KIND, key, built._named_arrays(), numbers)
        return built

    @classmethod
    def _build_arrays(cls, tokenizer: Tokenizer) -> Vocabulary:
        """Return the vocabulary with all arrays made from the tokens."""
        # start-up: most processes read the arrays from a file, and need no compiled code for them
        from structgen.tokens.trie import build_trie, deepest_characters

        tokens = [token or b"" for token in tokenizer.token_bytes]
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        offsets = np.zeros(len(tokens) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        # `bytearray`: arrays over bytes are read-only, and the kernel's type is not
        data = np.frombuffer(bytearray(b"".join(tokens)), np.uint8)
        trie: TrieArrays = build_trie(data, offsets)
        token_slot = np.full(len(tokens), -1, np.int32)
        # `slot_ids` has the tokens slot by slot: each slot's number comes as often as it has tokens.
        slots = np.arange(len(trie.slot_len), dtype=np.int32)
        token_slot[trie.slot_ids] = np.repeat(slots, np.diff(trie.slot_start))
        subtree_chars = deepest_characters(trie.nodes)
        return cls(
            subtree_chars=subtree_chars,
            fingerprint=tokenizer.fingerprint,
            vocab_size=len(tokens),
            max_token_bytes=int(lengths.max()),
            max_token_chars=int(subtree_chars.max(initial=0)),
            token_slot=token_slot,
            token_offset=offsets,
            token_data=data,
            **trie._asdict(),
        )

    @classmethod
    def _from_file(cls, tokenizer: Tokenizer, file: ArrayFile) -> Vocabulary | None:
        """Return the vocabulary in a file. None: an array is missing, or the number of tokens differs.

        The owner and the checksum of the file have been checked. Cost: 10 us.
        """
        if not file.numbers.keys() >= set(_NUMBERS) or not file.arrays.keys() >= set(_ARRAYS):
            return None
        if file.numbers["vocab_size"] != len(tokenizer.token_bytes):
            return None
        values: dict[str, Any] = {name: file.numbers[name] for name in _NUMBERS}
        values |= {name: file.arrays[name] for name in _ARRAYS}
        return cls(fingerprint=tokenizer.fingerprint, **values)

    def _named_arrays(self) -> dict[str, Array]:
        return {name: getattr(self, name) for name in _ARRAYS}


_NUMBERS: Final = ("vocab_size", "max_token_bytes", "max_token_chars")
_ARRAYS: Final = (
    "nodes",
    "sig",
    "first",
    "subtree_chars",
    "slot_start",
    "slot_ids",
    "slot_len",
    "token_slot",
    "token_offset",
    "token_data",
)


def _cache_entries() -> CacheEntries:
    return CacheEntries(cache_folder() / "vocabularies", ".arrays", MOST_ON_DISK)
