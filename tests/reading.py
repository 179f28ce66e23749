"""What a compiled grammar makes of a text: steps that must go on, and whether a text is taken."""

from __future__ import annotations

from typing import Any

import structgen as sg


def reached(compiled: Any, read: str | bytes | int, state: Any = None) -> Any:
    """Return the state behind a text, or a token, that must go on from a state, the first one without it."""
    state = compiled.start if state is None else state
    data = read.encode() if isinstance(read, str) else read
    after = compiled.step(state, data) if isinstance(data, int) else compiled.step_bytes(state, data)
    assert after is not None, read
    return after


def takes(compiled: sg.CompiledGrammar, text: str | bytes) -> bool:
    """Return whether a text is one of the grammar's."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    state = compiled.step_bytes(compiled.start, data)
    return state is not None and compiled.accepts_end(state)
