"""Random words of a language, of bytes alone."""

from __future__ import annotations

import random

from structgen.grammars.text_grammars.machine.language import TOKEN, Config, Language

_REST = 4
"""A text that no rule asks for (an ignored terminal) is written one time in so many that it may be."""
_STOP = 8
"""A word that may end does so one time in so many."""
_PRINTABLE = range(0x20, 0x7F)


def random_word(language: Language, source: random.Random, max_length: int = 80) -> bytes:
    """Return a word: at each byte one of the things that may come is drawn, then one of its bytes; after
    `max_length` bytes it is ended by the shortest way. The same source gives the same word.

    Cost: `expected` at each byte, about a millisecond. Raises GrammarError where there is no word.
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
        # an item first: else the item with the most bytes, such as "any character", would come mostly
        first = source.choice(choices).first
        printable = [byte for byte in first if byte in _PRINTABLE]
        byte = source.choice(printable or list(first))
        after = language.step(config, byte)
        assert after is not None, "an expected byte that is refused"
        word.append(byte)
        config = after
    word += bytes(symbol for symbol in language.shortest_rest(config) if symbol < TOKEN)
    return bytes(word)
