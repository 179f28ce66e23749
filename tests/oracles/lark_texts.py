"""Texts that are nearly of a Lark grammar, made out of those that are; and our verdict on them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import lark
from lark.lexer import PatternStr

from structgen.grammars.text_grammars.machine.language import Config, Language


def accepted(ours: Language, text: str) -> bool:
    """Return our verdict."""
    config: Config | None = ours.start()
    for byte in text.encode():
        config = None if config is None else ours.step(config, byte)
    return config is not None and ours.accepts(config)


def keywords(reference: lark.Lark) -> list[str]:
    """Return the words among the strings of a grammar."""
    patterns = [terminal.pattern for terminal in reference.terminals]
    return sorted({one.value for one in patterns if isinstance(one, PatternStr) and one.value.isidentifier()})


def tokens(reference: lark.Lark, text: str) -> list[tuple[int, int]]:
    """Return where the tokens of an accepted text begin and end."""
    found = reference.parse_interactive(text).exhaust_lexer()
    spans = [(one.start_pos, one.end_pos) for one in found if one.start_pos is not None]
    return [(start, end) for start, end in spans if end is not None and end > start]


def mutants(reference: lark.Lark, text: str, source: random.Random, count: int) -> Iterator[str]:
    """Yield texts that differ from an accepted one by a token dropped, doubled, swapped with the next, a
    keyword in a word's place, a line's indentation, a character."""
    spans = tokens(reference, text)
    words = keywords(reference)
    for _ in range(count):
        kind = source.randrange(6)
        at = source.randrange(len(spans)) if spans else 0
        start, end = spans[at] if spans else (0, 0)
        token = text[start:end]
        if kind == 0:
            yield text[:start] + text[end:]
        elif kind == 1:
            yield text[:end] + source.choice(("", " ")) + token + text[end:]
        elif kind == 2 and at + 1 < len(spans):
            low, high = spans[at + 1]
            yield text[:start] + text[low:high] + text[end:low] + token + text[high:]
        elif kind == 3 and words:
            named = [span for span in spans if text[span[0] : span[1]].isidentifier()] or [(start, end)]
            start, end = source.choice(named)
            yield text[:start] + source.choice(words) + text[end:]
        elif kind == 4:
            lines = text.split("\n")
            line = source.randrange(len(lines))
            bare = lines[line].lstrip(" \t")
            lead = source.choice((" ", "  ", "\t", "    ", ""))
            lines[line] = source.choice((lead + bare, lead + lines[line]))
            yield "\n".join(lines)
        else:
            place = source.randrange(len(text) + 1)
            put = source.choice(" \n\t()[]{}:;,.'\"#/*\\=ax0é") if source.randrange(3) else ""
            yield text[:place] + put + text[place + source.randrange(2) :]
