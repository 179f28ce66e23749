"""Of grammars drawn at random, with terminals that are ignored: each allowed byte begins a text that lark accepts,
and each text that lark accepts is allowed.

A room of Lark grammars is what stands in `ROOM`. Seeds in `KNOWN` break the law today: behind an ignored
terminal that takes in what must come, a byte is allowed that begins no text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lark
import pytest
from lark_reference import build, takes, texts
from random_lark import Drawn, drawn

import structgen as sg

ROOM: Callable[..., sg.Grammar] = sg.lark
"""A compiler of grammars, called as `sg.lark` is."""
SEEDS = {"plain": 2400, "lines": 600}
"""How many grammars are drawn of each family."""
LONGEST = {3: 7, 4: 6, 5: 5}
"""Letters of an alphabet -> letters of the texts that lark is asked about: some 5,000 texts, 0.2 s of lark's time.
No text is left out for what its beginning is: what lark refuses at one place it may take where more follows."""
FURTHER = 4
"""Letters of allowed texts that are followed where no text of `LONGEST` begins so."""
_ENOUGH = 2
"""Faults of a grammar that are looked for: each may cost today's room a second."""
BLOCK = 40
"""Grammars of one test."""
BYTES = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)
END = 256


def faults(room: Callable[..., sg.Grammar], one: Drawn) -> list[str]:
    """Return where the law does not hold for a grammar, in words."""
    accepted = {
        text.encode()
        for text in texts(one.alphabet, LONGEST[len(one.alphabet)])
        if takes(one.reference, text)
    }
    beginnings = {text[:size] for text in accepted for size in range(len(text) + 1)}
    compiled = sg.compile(room(one.text, **one.options), BYTES, store=False)
    found: list[str] = []
    pending = [(b"", compiled.start)]
    for text, state in pending:
        if len(found) > _ENOUGH:
            break
        allowed = set(compiled.allowed(state))
        if (END in allowed) != (text in accepted):
            found.append(f"lark {'takes' if text in accepted else 'refuses'} {text!r}")
        for byte in one.alphabet.encode():
            further = text + bytes((byte,))
            if byte not in allowed:
                found += [f"{further!r} is not allowed, and begins a text"] if further in beginnings else []
                continue
            after = compiled.step(state, byte)
            assert after is not None
            if further not in beginnings:
                found += _dead_end(one, compiled, after, further)
            if further in beginnings or len(further) < FURTHER:
                pending.append((further, after))
    return found


def _dead_end(one: Drawn, compiled: sg.CompiledGrammar, state: sg.State, text: bytes) -> list[str]:
    """Return what is wrong with the completion of a text that no short text begins with."""
    try:
        whole = text + compiled.completion(state)
    except AssertionError as error:
        return [f"{text!r} is allowed: {error}"]
    return (
        [] if takes(one.reference, whole.decode()) else [f"{text!r} is allowed, and lark refuses {whole!r}"]
    )
