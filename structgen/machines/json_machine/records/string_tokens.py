"""A vocabulary inside strings of JSON: tokens that stand for themselves, and those that close or escape."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import numpy as np

from structgen.machines.machine_core.wanted_nodes import TargetNodes
from structgen.tokens.tokenizer import Tokenizer
from structgen.tokens.trie_nodes import fields_of
from structgen.tokens.vocabulary import Vocabulary

_SPECIAL: Final = re.compile(rb'["\\\x00-\x1f]')
_SPECIAL_IN_ASCII: Final = re.compile(rb'["\\\x00-\x1f\x7f-\xff]')
"""The bytes that do not stand for themselves in a string: a quote, a backslash, a control character; where
strings are written in ASCII, all beyond it."""
_QUOTE, _BACKSLASH, _OPEN_CHARACTER = b'"', b"\\", b""
"""Marks of tokens: the first special byte; of a token without one, that it may leave a character open."""
_CUT: Final = re.compile(
    rb"(?:\A[\x80-\xbf]+|[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z"
)
"""The end of a text that may be inside a character."""
ROOT: Final = -1
"""In place of the node above a trie's first nodes."""


class StringTokens:
    """The tokens of a vocabulary, by what they do in a string that is held to a grammar."""

    def __init__(self, tokenizer: Tokenizer, is_ascii: bool, lacks_tails: bool) -> None:
        """`is_ascii`: characters beyond ASCII are written as escapes. `lacks_tails`: no token has some byte
        that ends a character, so that not every character can be finished that a token begins. Cost: three
        tries, 0.2 s for 128,000 tokens."""
        special = _SPECIAL_IN_ASCII if is_ascii else _SPECIAL

        def mark_of(data: bytes | None) -> bytes | None:
            match = special.search(data) if data else None
            if match is not None:
                return match[0]
            return _OPEN_CHARACTER if lacks_tails and data and _CUT.search(data) else None

        marks = [mark_of(data) for data in tokenizer.token_bytes]

        def tokens_with(*wanted_marks: bytes | None) -> Tokenizer:
            # Token ids stay: tokens with other marks have no bytes in the new vocabulary.
            texts = [
                data or None if mark in wanted_marks else None
                for data, mark in zip(tokenizer.token_bytes, marks, strict=True)
            ]
            return Tokenizer.from_bytes(texts, tokenizer.eos_token_ids)

        self.plain = tokens_with(None)
        """The vocabulary of the tokens that stand for themselves."""
        self.escaping = Vocabulary.of_tokenizer(tokens_with(_BACKSLASH, _OPEN_CHARACTER))
        """Those with a backslash before any quote, and those that may leave a character open where not every
        one can be finished."""
        self.marked_vocabulary = Vocabulary.of_tokenizer(tokens_with(_BACKSLASH, _OPEN_CHARACTER, _QUOTE))
        """These, and those with a quote."""
        node_of_path = {path: node for path, node, _ in _paths_of_trie(self.marked_vocabulary)}
        paths = [path for path, _, _ in _paths_of_trie(self.escaping)]
        self.places = np.array([node_of_path[path] for path in paths], np.int64)
        """Node of `escaping` -> the same in `marked_vocabulary`."""
        flags = np.zeros(len(self.marked_vocabulary.nodes), np.uint8)
        self.quotes: dict[int, int] = {}
        """Node of `marked_vocabulary` (ROOT: none) -> the node of the first quote after it, no escape being
        there."""
        for path, node, parents in _paths_of_trie(self.marked_vocabulary):
            if path.endswith(_QUOTE) and special.search(path[:-1]) is None:
                self.quotes[parents[-1]] = node
                flags[parents[1:]] |= 1  # on the way to a node with a quote
        flags[[node for node in self.quotes if node != ROOT]] = 2  # a text may end at it
        self.heads = TargetNodes.from_flags(self.marked_vocabulary.nodes, flags)
        """The nodes after which a quote may close the string."""


def _paths_of_trie(vocabulary: Vocabulary) -> Iterator[tuple[bytes, int, list[int]]]:
    """Yield the nodes of a trie, each with its bytes before and the nodes above it, ROOT first."""
    parents = [ROOT]
    text = bytearray()
    for node, word in enumerate(vocabulary.nodes.tolist()):
        byte, depth, _, _ = fields_of(word)
        # Depth first: the path is cut back to the parent of the node.
        del parents[depth:]
        del text[depth - 1 :]
        text.append(byte)
        yield bytes(text), node, parents
        parents.append(node)


string_tokens: Final = lru_cache(maxsize=4)(StringTokens)
"""Returns a tokenizer's vocabulary inside strings, made once."""
