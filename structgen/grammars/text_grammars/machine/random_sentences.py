"""Draws random words of a language, made of bytes only.

An *item* is one thing that may come next, such as a terminal, with the bytes that it may begin with. A word
is drawn byte by byte: first an item, then one of its bytes.
"""

from __future__ import annotations

import random

from structgen.grammars.text_grammars.machine.language import TOKEN, Config, Language

_REST = 4
"""An item that no rule asks for (an ignored terminal) is possible in one of 4 draws on average."""
_STOP = 8
"""A word that may end here does so in one of 8 draws on average."""
_PRINTABLE = range(0x20, 0x7F)
"""The printable characters of ASCII: they are preferred to other bytes."""


def random_word(language: Language, source: random.Random, max_length: int = 80) -> bytes:
    """Return a random word of a language. `source`: the generator; in the same state it gives the same word.

    After `max_length` bytes the shortest completion ends the word. Special tokens of this completion are left
    out. Raises GrammarError where there is no word. Cost: `expected` at each byte, about a millisecond.
    """
    config: Config = language.start()
    word = bytearray()
    while len(word) < max_length:
        if language.accepts(config) and source.randrange(_STOP) == 0 and word:
            return bytes(word)
        choices = [item for item in language.expected_items(config) if item.first]
        # items with a source are those that some rule asks for
        demanded = [item for item in choices if item.sources]
        if demanded and source.randrange(_REST):
            choices = demanded
        if not choices:
            break
        # An item is drawn first. Otherwise the item with the most bytes, such as "any character", would be
        # drawn most of the time.
        first = source.choice(choices).first
        printable = [byte for byte in first if byte in _PRINTABLE]
        byte = source.choice(printable or list(first))
        after = language.step(config, byte)
        assert after is not None, "an expected byte that is refused"
        word.append(byte)
        config = after
    word += bytes(symbol for symbol in language.shortest_rest(config) if symbol < TOKEN)
    return bytes(word)
