"""Find tokens by their beginnings in the byte trie of a vocabulary.

Two questions are answered: which tokens are a prefix of a text, and which tokens begin with a whole text and
go on after it. With the tokens "a", "ab" and "abc" and the text "ab", the former are "a" and "ab", the latter
is "abc". A *node* of the trie stands for a beginning of tokens (`trie`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from structgen.tokens.trie_nodes import fields_of
from structgen.tokens.vocabulary import Vocabulary

S = TypeVar("S")


def tokens_along(vocabulary: Vocabulary, data: bytes) -> list[list[int]]:
    """Return the tokens that `data` begins with: at index `n - 1` the list of those with `n` bytes.

    The list ends at the first length at which no token begins with so many bytes of `data`. Cost: 1 us for
    each byte and for each sibling in the trie.
    """
    return [_tokens_at(vocabulary, node) for node in _nodes_along(vocabulary, data)]


def tokens_behind(
    vocabulary: Vocabulary,
    data: bytes,
    start: S,
    step: Callable[[S, int], S | None],
) -> Iterator[tuple[list[int], S]]:
    """Yield (tokens of equal bytes, state after them) for the tokens that begin with `data` and go on.

    The further bytes of a token must be accepted: `step(state, byte)` returns the next state, or None where
    the byte is refused. `start`: the state after `data`. Cost: one call of `step` for each byte that is
    tried.
    """
    path = _nodes_along(vocabulary, data)
    if len(path) < len(data) or not data:
        return
    nodes = vocabulary.nodes
    # Visit the nodes below the last one, in order. `states`: the state after each byte of the present node.
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
    """Return the first index in `data` from which a token may reach beyond the end of `data`; None if there
    is none.

    `start`, `step`: as in `tokens_behind`, which decides whether the bytes after `data` are accepted. Cost:
    that of `tokens_behind` for each index from which the longest token would reach the end.
    """
    # A token that begins earlier is too short to reach beyond the end.
    first_place = max(len(data) - vocabulary.max_token_bytes + 1, 0)
    for at in range(first_place, len(data)):
        crossings = tokens_behind(vocabulary, data[at:], start, step)
        if next(crossings, None) is not None:
            return at
    return None


def _nodes_along(vocabulary: Vocabulary, data: bytes) -> list[int]:
    """Return the nodes for the first byte of `data`, for the first two bytes, and so on. The list ends where
    the trie has no node."""
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
            # Children ascend by byte. The next child comes after the subtree of the present one.
            while node < end and (fields := fields_of(int(nodes[node]))).byte < byte:
                node = fields.end
        if not 0 <= node < end or int(nodes[node]) & 0xFF != byte:
            break
        path.append(node)
    return path


def _tokens_at(vocabulary: Vocabulary, node: int) -> list[int]:
    """Return the tokens whose bytes are exactly the beginning that a node stands for."""
    slot = fields_of(int(vocabulary.nodes[node])).slot
    if not slot:
        return []
    first, last = vocabulary.slot_start[slot - 1 : slot + 1].tolist()
    tokens: list[int] = vocabulary.slot_ids[first:last].tolist()
    return tokens
