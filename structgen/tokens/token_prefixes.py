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
    path = _nodes_along(vocabulary, data)
    if len(path) < len(data) or not data:
        return
    nodes = vocabulary.nodes
    # The nodes below the last one, in order. `states` has the state at each depth of the present node.
    states = [start]
    last_node = path[-1]
    node = last_node + 1
    end = fields_of(int(nodes[last_node])).end
    while node < end:
        fields = fields_of(int(nodes[node]))
        depth = fields.depth - len(data)
        after = step(states[depth - 1], fields.byte)
        if after is None:
            node = fields.end  # the whole subtree begins with bytes that are refused
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
    # A token that begins earlier cannot reach the end.
    first_place = max(len(data) - vocabulary.max_token_bytes + 1, 0)
    for at in range(first_place, len(data)):
        crossings = tokens_behind(vocabulary, data[at:], start, step)
        if next(crossings, None) is not None:
            return at
    return None


def _nodes_along(vocabulary: Vocabulary, data: bytes) -> list[int]:
    """Return the trie's nodes for the first byte of `data`, the first two, and so on, as far as it has
    them."""
    nodes = vocabulary.nodes
    path = list[int]()
    for byte in data:
        if not path:
            node = int(vocabulary.first[byte])
            end = node + 1
        else:
            parent = path[-1]
            node = parent + 1
            end = fields_of(int(nodes[parent])).end
            # Children ascend by byte, and the next one stands behind the subtree of this one.
            while node < end and (fields := fields_of(int(nodes[node]))).byte < byte:
                node = fields.end
        if not 0 <= node < end or int(nodes[node]) & 0xFF != byte:
            break
        path.append(node)
    return path


def _tokens_at(vocabulary: Vocabulary, node: int) -> list[int]:
    """Return the tokens whose bytes lead exactly to a node."""
    slot = fields_of(int(vocabulary.nodes[node])).slot
    if not slot:
        return []
    first, last = vocabulary.slot_start[slot - 1 : slot + 1].tolist()
    tokens: list[int] = vocabulary.slot_ids[first:last].tolist()
    return tokens
