"""`merged`: the trie of what strings have from some nodes on, beside a dictionary."""

from __future__ import annotations

import random

import numpy as np

from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.compiled.lexeme_records import Merged, merged
from structgen.native.raw_memory import address_of
from structgen.native.typed_blocks import word_of
from structgen.tokens.trie import TrieArrays, build_trie


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


def read(made: Merged, at: int) -> tuple[dict[bytes, list[int]], list[int]]:
    """Return the strings of one of several tries, and the tokens that end at its roots."""
    words = made.words[at].tolist()
    begin = (words[word_of(K.LeftoverTrie, "nodes")] - address_of(made.nodes)) // 8
    starts, ids, ends = (
        (where - address_of(made.numbers)) // 4
        for where in (
            words[word_of(K.LeftoverTrie, "starts")],
            words[word_of(K.LeftoverTrie, "ids")],
            int(made.ended[at, 0]),
        )
    )
    strings = strings_of(
        made.nodes[begin : begin + words[K.LeftoverTrie.count]],
        made.numbers[starts : starts + words[K.LeftoverTrie.slot_count]],
        made.numbers[ids : ids + words[K.LeftoverTrie.token_count]],
    )
    return strings, made.numbers[ends : ends + int(made.ended[at, 1])].tolist()


def test_what_is_left_over_is_put_together() -> None:
    rng = random.Random(1)
    for _ in range(300):
        strings = [bytes(rng.choices(b"abc", k=rng.randint(1, 6))) for _ in range(rng.randint(1, 40))]
        offsets = np.cumsum([0, *map(len, strings)]).astype(np.int64)
        data = np.frombuffer(b"".join(strings), np.uint8)
        trie = build_trie(data, offsets, np.arange(len(strings), dtype=np.int32))
        paths = paths_of(trie)
        wanted, expected = [], []
        for _ in range(rng.randint(1, 4)):
            roots, at, below = [], 0, rng.randint(0, 1)
            while at < len(trie.nodes):
                chosen = rng.random() < 0.3
                roots += [at] if chosen else []
                at = int(trie.nodes[at]) >> 40 if chosen else at + 1
            left: dict[bytes, list[int]] = {}
            ended = []
            for root in roots:
                lead = paths[root]
                for number, string in enumerate(strings):
                    rest = string[len(lead) - 1 + below :]
                    if string.startswith(lead) and rest:
                        left.setdefault(rest, []).append(number)
                    elif string == lead:
                        ended.append(number)
            wanted.append((np.array(roots, np.int64), below))
            expected.append(({text: sorted(ids) for text, ids in left.items()}, ended))
        addresses = address_of(trie.nodes), address_of(trie.slot_start), address_of(trie.slot_ids)
        made = merged(addresses, wanted)
        assert [read(made, at) for at in range(len(wanted))] == expected
