"""Read the *shipped* automata: those that come ready-made in a file of the package.

They are the automata of formats, and of the formulas on numbers that schemas have most often. The *meaning*
of an automaton is what it is made from, such as a formula. An automaton is found by a digest of its meaning.
If the meaning has changed, nothing is found, and the automaton is made in the usual way.
`scripts/make_shipped_automata.py` writes the file.

The file begins with a digest of all its other bytes. Then each automaton has a HEAD and its numbers, which
are compressed (zlib). The numbers have 16 bits, little-endian: the table, the outcomes, the classes of the
ranges of characters, and the first code points of these ranges. Of the code points, the lower 16 bits of all
come first, and then the upper bits of all.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import blake2b
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

import numpy as np

from structgen.automata.strings.alphabets import Alphabet
from structgen.automata.strings.automata import Automaton
from structgen.base.system.cache import warn_of_file
from structgen.base.system.public_calls import NUMBERS, THIS_CALL

FILE: Final = Path(__file__).with_name("shipped_automata.bin")
HEAD: Final = Struct("<16sIIIII")
"""The digest of the meaning; the numbers of compressed bytes, steps, states, classes, and ranges."""
DIGEST_BYTES: Final = 16


class ShippedAutomaton(NamedTuple):
    """An automaton in the form of the file."""

    data: bytes
    """The numbers of the automaton, compressed."""
    steps: int
    """The steps that making the automaton costs (`public_calls`). A call that reads it is charged as many."""
    states: int
    classes: int
    runs: int
    """The number of ranges of characters."""

    @classmethod
    def pack_automaton(cls, automaton: Automaton, steps: int) -> ShippedAutomaton:
        """Return an automaton in the form of the file. `steps`: the steps that making it has cost."""
        starts = automaton.alphabet.starts
        kinds = automaton.alphabet.kinds
        # A code point has 21 bits, and a number of the file 16: it is written as two halves.
        arrays = (automaton.trans.ravel(), automaton.accept, kinds, starts & 0xFFFF, starts >> 16)
        numbers = b"".join([array.astype("<u2").tobytes() for array in arrays])
        data = zlib.compress(numbers, 9)
        states, classes = automaton.trans.shape
        return cls(data, steps, states, classes, len(starts))

    def unpack_automaton(self) -> Automaton:
        """Return the automaton. Cost: 0.1 ms."""
        _, _, states, classes, runs = self
        # Signed numbers, so that DEAD is -1 again; the mask undoes that for the halves of code points.
        numbers = np.frombuffer(zlib.decompress(self.data), "<i2").astype(np.int32)
        ends = np.cumsum([states * classes, states, runs, runs])
        trans, accept, kinds, low, high = np.split(numbers, ends)
        low_bits = low.astype(np.int64) & 0xFFFF
        high_bits = high.astype(np.int64) << 16
        starts = low_bits | high_bits
        alphabet = Alphabet(starts, kinds, classes)
        return Automaton(alphabet, trans.reshape(states, classes), accept)


def digest_of(meaning: object) -> bytes:
    """Return 16 bytes that name a meaning: a formula, or a specification and a policy.

    For formulas without sets, they are the same in every process and under every version of Python.
    """
    return blake2b(ascii(meaning).encode(), digest_size=DIGEST_BYTES).digest()


def write_entries(entries: Iterable[tuple[bytes, ShippedAutomaton]]) -> bytes:
    """Return the bytes of the file. `entries`: pairs (digest of the meaning, automaton)."""
    packed_entries = b"".join(
        [HEAD.pack(name, len(entry.data), *entry[1:]) + entry.data for name, entry in entries]
    )
    return blake2b(packed_entries, digest_size=DIGEST_BYTES).digest() + packed_entries


def read_entries(file: bytes) -> dict[bytes, ShippedAutomaton] | None:
    """Return the automata of a file, by the digests of their meanings; None where it is damaged. Cost: 0.1
    ms."""
    digest = blake2b(file[DIGEST_BYTES:], digest_size=DIGEST_BYTES).digest()
    if digest != file[:DIGEST_BYTES]:
        return None
    at = DIGEST_BYTES
    entries = dict[bytes, ShippedAutomaton]()
    while at < len(file):
        name, size, *numbers = HEAD.unpack_from(file, at)
        at += HEAD.size
        entries[name] = ShippedAutomaton(file[at : at + size], *numbers)
        at += size
    return entries


@cache
def shipped_entries() -> Mapping[bytes, ShippedAutomaton]:
    """Return the shipped automata, by the digests of their meanings. Where the file is damaged, issue a
    StoreWarning and return an empty mapping."""
    try:
        entries = read_entries(FILE.read_bytes())
    except OSError:
        entries = None
    if entries is None:
        warn_of_file(
            f"{FILE} is damaged or missing: its content is built again.", cure="Install structgen again."
        )
    return entries or {}


def shipped_automaton(meaning: object) -> Automaton | None:
    """Return the shipped automaton of a meaning, or None where there is none.

    `meaning`: a formula, or a pair of a specification of numbers and a policy. The present call is charged
    the steps of making the automaton. Errors: those of `THIS_CALL.count_work`.
    """
    entry = shipped_entries().get(digest_of(meaning))
    if entry is None:
        return None
    # A call is charged the same whether the automaton is read or made, so limits do not depend on the file.
    THIS_CALL.count_work(NUMBERS * (entry.steps - 1))
    return entry.unpack_automaton()
