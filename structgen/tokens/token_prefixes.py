"""Tokens by their beginnings: which tokens begin a text, and which go on behind it. Read in the byte trie."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from structgen.tokens.trie_nodes import fields_of
from structgen.tokens.vocabulary import Vocabulary

S = TypeVar("S")


def tokens_along(vocabulary: Vocabulary, data: bytes) -> list[list[int]]:
    """Return for each length from 1 the tokens whose bytes are the first bytes of `data`; the list ends where
    no token begins with so many of them. Cost: 1 us a byte and a sibling in the trie."""
    return [_tokens_at(vocabulary, node) for node in _nodes_along(vocabulary, data)]


def tokens_behind(
    vocabulary: Vocabulary,
    data: bytes,
    start: S,
    step: Callable[[S, int], S | None],
) -> Iterator[tuple[list[int], S]]:
    """Yield the tokens that begin with `data`, have more bytes, and whose further bytes lead from `start` by
    `step` (None: refused): tokens of equal bytes together, with the state after them. Cost: a step for each
    byte that is tried."""
    along = _nodes_along(vocabulary, data)
    if len(along) < len(data) or not data:
        return
    nodes = vocabulary.nodes
    states = [start]
    node = along[-1] + 1
    end = fields_of(int(nodes[along[-1]])).end
    while node < end:
        fields = fields_of(int(nodes[node]))
        depth = fields.depth - len(data)
        after = step(states[depth - 1], fields.byte)
        if after is None:
            node = fields.end
            continue
        states[depth:] = [after]
        if fields.slot:
            yield _tokens_at(vocabulary, node), after
        node += 1


def first_crossing(
    vocabulary: Vocabulary,
    data: bytes,
    start: S,
    step: Callable[[S, int], S | None],
) -> int | None:
    """Return the first place in `data` where a token may begin that reaches beyond its end (as
    `tokens_behind` says); None if there is none. Cost: as there, for each place of the longest token."""
    for at in range(max(len(data) - vocabulary.max_token_bytes + 1, 0), len(data)):
        if next(tokens_behind(vocabulary, data[at:], start, step), None) is not None:
            return at
    return None


def _nodes_along(vocabulary: Vocabulary, data: bytes) -> list[int]:
    """Return the trie's nodes for the first byte of `data`, the first two, and so on, as far as it has
    them."""
    nodes = vocabulary.nodes
    tokens = list[int]()
    for byte in data:
        if not tokens:
            node = int(vocabulary.first[byte])
            end = node + 1
        else:
            node = tokens[-1] + 1
            end = fields_of(int(nodes[tokens[-1]])).end
            while node < end and (fields := fields_of(int(nodes[node]))).byte < byte:
                node = fields.end
        if not 0 <= node < end or int(nodes[node]) & 0xFF != byte:
            break
        tokens.append(node)
    return tokens


def _tokens_at(vocabulary: Vocabulary, node: int) -> list[int]:
    slot = fields_of(int(vocabulary.nodes[node])).slot
    if not slot:
        return []
    first, last = vocabulary.slot_start[slot - 1 : slot + 1].tolist()
    tokens: list[int] = vocabulary.slot_ids[first:last].tolist()
    return tokens
