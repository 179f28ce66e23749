"""`merged`: the trie of what strings have from some nodes on, beside a dictionary."""

from __future__ import annotations

import random

import numpy as np
import pytest

from structgen.masks.merging import merged
from structgen.masks.trie import TrieArrays, build_trie


def strings_of(nodes: np.ndarray, starts: np.ndarray, ids: np.ndarray) -> dict[bytes, list[int]]:
    """Return the strings of a trie with their ids; check where its subtries end."""
    found: dict[bytes, list[int]] = {}
    path: list[int] = []
    ends: list[int] = []
    for at, word in enumerate(nodes.tolist()):
        depth, slot = (word >> 8) & 0xFFF, (word >> 20) & 0xFFFFF
        while len(ends) >= depth:
            assert ends.pop() == at
        ends.append(word >> 40)
        path[depth - 1 :] = [word & 0xFF]
        if slot:
            found[bytes(path)] = sorted(ids[starts[slot - 1] : starts[slot]].tolist())
    assert set(ends) <= {len(nodes)}
    return found


def paths_of(trie: TrieArrays) -> list[bytes]:
    """Return the text that leads to each node."""
    found, path = [], []
    for word in trie.nodes.tolist():
        path[((word >> 8) & 0xFFF) - 1 :] = [word & 0xFF]
        found.append(bytes(path))
    return found


@pytest.mark.parametrize("below", [False, True])
def test_what_is_left_over_is_put_together(below: bool) -> None:
    rng = random.Random(1)
    for _ in range(300):
        strings = [bytes(rng.choices(b"abc", k=rng.randint(1, 6))) for _ in range(rng.randint(1, 40))]
        offsets = np.cumsum([0, *map(len, strings)]).astype(np.int64)
        data = np.frombuffer(b"".join(strings), np.uint8)
        trie = build_trie(data, offsets, np.arange(len(strings), dtype=np.int32))
        roots, at = [], 0
        while at < len(trie.nodes):
            chosen = rng.random() < 0.3
            roots += [at] if chosen else []
            at = int(trie.nodes[at]) >> 40 if chosen else at + 1
        wanted: dict[bytes, list[int]] = {}
        paths = paths_of(trie)
        for root in roots:
            lead = paths[root]
            for number, string in enumerate(strings):
                rest = string[len(lead) - (not below) :]
                if string.startswith(lead) and rest:
                    wanted.setdefault(rest, []).append(number)
        made = merged(trie.nodes, trie.slot_start, trie.slot_ids, np.array(roots, np.int64), below=below)
        assert strings_of(*made) == {text: sorted(ids) for text, ids in wanted.items()}
