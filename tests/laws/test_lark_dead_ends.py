"""Of grammars with ignored terminals: each allowed byte begins a text that lark accepts, and each text that
lark accepts is allowed. Some grammars are named, the others drawn at random. What answers is `ROOM`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from lark_reference import build, takes, texts
from random_lark import Drawn, Lines, drawn

import structgen as sg

ROOM: Callable[..., sg.Grammar] = sg.lark
"""A compiler of grammars, called as `sg.lark` is."""
SEEDS = {"plain": 2400, "lines": 600}
"""How many grammars are drawn of each family."""
LONGEST = {3: 7, 4: 6, 5: 5}
"""Letters of an alphabet -> letters of the texts that lark is asked about: some 5,000 texts, 0.2 s of lark's
time. No text is left out for what its beginning is: what lark refuses it may take where more follows, as the
lexeme may become longer."""
RULES = 400
"""Rules that lark may end in such a text: in some grammars it ends them for ever, which took most of the
time."""
FURTHER = 4
"""Letters of allowed texts that are followed where no text of `LONGEST` begins so."""
_ENOUGH = 2
"""Faults of a grammar that are looked for."""
BLOCK = 10
"""Grammars of one test. Two of them may end in a limit."""
BYTES = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)
END = 256
NAMED = {
    "a comment": ("start: A+\nA: /a/\n%ignore /#[^\\n]*/\n", "a#\n"),
    "a comment of any characters": ("start: A+\nA: /a/\n%ignore /#.*/\n", "a#\n"),
    "a comment behind blanks": ("start: A+\nA: /a/\n%ignore / *#[^\\n]*/\n", "a #\n"),
    "comments of two kinds": ("start: A+\nA: /a/\n%ignore /#[^\\n]*|;.*/\n", "a#;\n"),
    "blanks that take a line's end": (
        'start: x+\nx: W NL | W ":" NL INDENT x+ DEDENT\nW: "c"\nNL: /(\\n *)+/\nOPEN: "("\nCLOSE: ")"\n'
        "%declare INDENT DEDENT\n%ignore /\\s+/\n",
        "c\n :",
    ),
}
"""Grammars with their letters. Comments alone are ignored, or an ignored terminal takes in a line's end."""


def faults(room: Callable[..., sg.Grammar], one: Drawn) -> list[str]:
    """Return where the law does not hold for a grammar, in words."""
    longest = LONGEST[len(one.alphabet)]
    accepted = {text.encode() for text in texts(one.alphabet, longest) if takes(one.reference, text, RULES)}
    beginnings = {text[:size] for text in accepted for size in range(len(text) + 1)}
    compiled = sg.compile(room(one.text, **one.options), BYTES, store=False)
    found: list[str] = []
    mask = sg.allocate_mask(1, compiled.vocab_size)
    pending = [(b"", compiled.start)]
    for text, state in pending:
        if len(found) > _ENOUGH:
            break
        compiled.fill(state, mask)
        words = mask.array[0].tolist()
        if words[END >> 5] >> (END & 31) & 1 != (text in accepted):
            found.append(f"lark {'takes' if text in accepted else 'refuses'} {text!r}")
        for byte in one.alphabet.encode():
            further = text + bytes((byte,))
            if not words[byte >> 5] >> (byte & 31) & 1:
                found += [f"{further!r} is not allowed, and begins a text"] if further in beginnings else []
                continue
            after = compiled.step(state, byte)
            assert after is not None
            if further not in beginnings:
                found += _dead_end(one, compiled, after, further)
            if further in beginnings or len(further) < FURTHER:
                pending.append((further, after))
    return found


def _dead_end(one: Drawn, compiled: sg.CompiledGrammar, state: sg.core.State, text: bytes) -> list[str]:
    """Return what is wrong with the completion of a text that no short text begins with."""
    try:
        whole = text + compiled.completion(state)
    except AssertionError as error:
        return [f"{text!r} is allowed: {error}"]
    return (
        []
        if takes(one.reference, whole.decode(), RULES)
        else [f"{text!r} is allowed, and lark refuses {whole!r}"]
    )


def _grammar(name: str) -> Drawn:
    text, alphabet = NAMED[name]
    options = {"postlex": Lines()} if "INDENT" in text else {}
    return Drawn(text, alphabet, options, build(text, **options))


def _blocks() -> Iterator[object]:
    """Yield a family and the seeds of a block; all but one are slow (the first of lines meets a limit)."""
    for family, count in SEEDS.items():
        for first in range(0, count, BLOCK):
            seeds = [*range(first, first + BLOCK)]
            marks = [] if first == BLOCK else [pytest.mark.slow]
            yield pytest.param(family, seeds, marks=marks, id=f"{family}-{first}")


@pytest.mark.parametrize("name", NAMED)
def test_no_allowed_byte_is_a_dead_end_behind_what_is_ignored(name: str) -> None:
    assert faults(ROOM, _grammar(name)) == []


@pytest.mark.parametrize(("family", "seeds"), list(_blocks()))
def test_allowed_is_what_begins_a_text_of_whatever_lark_builds(family: str, seeds: list[int]) -> None:
    found: dict[int, list[str]] = {}
    limits: list[int] = []
    for seed in seeds:
        try:
            found[seed] = faults(ROOM, drawn(family, seed))
        except sg.errors.LimitError:
            limits.append(seed)
    assert {seed: said for seed, said in found.items() if said} == {}
    assert len(limits) <= 2, limits
