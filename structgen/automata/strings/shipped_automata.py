"""Automata that come with the package: those of formats, and of the numbers that schemas ask for most often.

`scripts/make_shipped_automata.py` writes the file. An automaton is found by a digest of what it is made from,
so that one whose meaning has changed since is made as any other.

The file: a digest of all that follows, and then of each automaton a HEAD and its numbers, compressed (zlib).
The numbers have 16 bits, little-endian: the table, the outcomes, the classes of the runs of characters, and
where these begin, first the lower halves of all and then the upper ones.
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
"""The digest of what it is made from, and how many bytes, steps, states, classes, and runs of characters."""
DIGEST_BYTES: Final = 16


class ShippedAutomaton(NamedTuple):
    """An automaton as the file has it."""

    data: bytes
    """Its numbers, compressed."""
    steps: int
    """The steps that making it costs a call (`public_calls`): a call pays as many for reading it."""
    states: int
    classes: int
    runs: int

    @classmethod
    def pack_automaton(cls, automaton: Automaton, steps: int) -> ShippedAutomaton:
        """Return an automaton as the file has it. `steps`: what making it has cost."""
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
    """Return 16 bytes that name a formula, or a specification and a policy. They are the same in every
    process, and under every version of Python, for formulas without sets."""
    return blake2b(ascii(meaning).encode(), digest_size=DIGEST_BYTES).digest()


def write_entries(entries: Iterable[tuple[bytes, ShippedAutomaton]]) -> bytes:
    """Return the file of some automata, each behind the digest of what it is made from."""
    packed_entries = b"".join(
        [HEAD.pack(name, len(entry.data), *entry[1:]) + entry.data for name, entry in entries]
    )
    return blake2b(packed_entries, digest_size=DIGEST_BYTES).digest() + packed_entries


def read_entries(file: bytes) -> dict[bytes, ShippedAutomaton] | None:
    """Return the automata of a file by digest, or None where it is damaged. Cost: 0.1 ms."""
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
    """Return the automata of the package by digest; none, with a StoreWarning, where the file is damaged."""
    try:
        entries = read_entries(FILE.read_bytes())
    except OSError:
        entries = None
    if entries is None:
        warn_of_file(
            f"{FILE} is damaged or missing: what it held is made anew.", cure="Install structgen again."
        )
    return entries or {}


def shipped_automaton(meaning: object) -> Automaton | None:
    """Return the automaton that comes with the package for a formula, or for a specification of numbers and a
    policy; None where none does. The call pays the steps of making it. Errors: `THIS_CALL.count_work`."""
    entry = shipped_entries().get(digest_of(meaning))
    if entry is None:
        return None
    # A call is billed alike, whether the automaton is read or made: limits do not depend on the file.
    THIS_CALL.count_work(NUMBERS * (entry.steps - 1))
    return entry.unpack_automaton()
