"""What lark says of the answers of one room, or of two, at a place where a digest differs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import partial

from golden.case import drawn
from lark_reference import takes

import structgen as sg

from .answers import Place, Room
from .cases import Case

Faults = dict[str, list[str]]
_MOST = 48
"""Allowed tokens that are asked about where no second room says which of them differ."""
_REST = 3
"""Letters behind a refused token with which it is tried as the beginning of a text, and of the token."""


class _Asked:
    """What one room answers at one place."""

    allowed: frozenset[int] = frozenset()
    compiled: sg.CompiledGrammar | None = None
    state: sg.core.State | None = None
    whole: bytes | str = ""
    """The text that the completion makes; what is wrong with it; nothing where the text so far is refused."""

    def __init__(self, case: Case, room: Room, tokenizer: sg.Tokenizer, place: Place) -> None:
        try:
            self.compiled = room(case.source, tokenizer, **case.options)
            self.state = self.compiled.start
            for token in place.tokens or ():
                self.state = None if self.state is None else self.compiled.step(self.state, token)
            if place.tokens is None:
                self.state = self.compiled.step_bytes(self.state, place.read)
            if self.state is not None:
                self.allowed = frozenset(self.compiled.allowed(self.state))
                self.whole = place.read + self.compiled.completion(self.state)
        except Exception as error:
            self.whole = f"{type(error).__name__}: {error}"

    def behind(self, token: int, text: bytes) -> bytes | str:
        """Return `text` behind an allowed token, completed; or what is wrong with it."""
        assert self.compiled is not None and self.state is not None
        try:
            after = self.compiled.step(self.state, token)
            return "which it does not take" if after is None else text + self.compiled.completion(after)
        except Exception as error:
            return f"{type(error).__name__}: {error}"


def faults(case: Case, rooms: Mapping[str, Room], tokenizer: sg.Tokenizer, place: Place) -> Faults:
    """Return for each room what lark says against its answers at a place, in words.

    A token is allowed rightly where lark takes the text that the room itself completes behind it, and refused
    wrongly where another room's text, or a short one of the case's letters, is taken. Where there are two
    rooms, tokens are asked about that one of them allows alone.
    """
    asked = {name: _Asked(case, room, tokenizer, place) for name, room in rooms.items()}
    found: Faults = {name: [] for name in rooms}
    everywhere = frozenset.intersection(*(one.allowed for one in asked.values()))
    ends = frozenset(tokenizer.eos_token_ids)
    texts, is_text = tokenizer.token_bytes, _takes(case, place.read)
    taken = dict(_tried(case, tokenizer, place, everywhere))
    right = [one.whole for one in asked.values() if isinstance(one.whole, bytes) and _takes(case, one.whole)]
    least = min(map(len, right), default=0)
    for name, one in asked.items():
        if bool(one.allowed & ends) != is_text:
            found[name].append(f"lark {'takes' if is_text else 'refuses'} {place.read!r}")
        if one.whole not in right and (one.whole or right):
            found[name].append(f"completes: {one.whole!r}")
        elif len(one.whole) > least:
            found[name].append(f"completes with {len(one.whole) - least} bytes more than are needed")
        wanted = one.allowed - ends - (everywhere if len(rooms) > 1 else frozenset())
        for token in sorted(wanted, key=lambda token: drawn(f"{token}", 1 << 30))[:_MOST]:
            whole = one.behind(token, place.read + (texts[token] or b""))
            if isinstance(whole, bytes) and _takes(case, whole):
                taken[token] = whole
            else:
                found[name].append(f"allows {texts[token]!r}, completed: {whole!r}")
    for name, one in asked.items():
        missing = sorted(taken.keys() - one.allowed)
        found[name] += [f"refuses {texts[token]!r}, lark takes {taken[token]!r}" for token in missing]
    return found


def _tried(
    case: Case, tokenizer: sg.Tokenizer, place: Place, allowed: frozenset[int]
) -> Iterator[tuple[int, bytes]]:
    """Yield tokens of the case's letters that not all rooms allow, each with a text that lark takes."""
    letters = frozenset(case.alphabet.encode())
    rests = [
        "".join(one) for size in range(_REST + 1) for one in itertools.product(case.alphabet, repeat=size)
    ]
    for token, text in enumerate(tokenizer.token_bytes):
        if text and len(text) <= _REST and token not in allowed and letters.issuperset(text):
            wholes = (place.read + text + rest.encode() for rest in rests)
            yield from (
                (token, whole) for whole in itertools.islice(filter(partial(_takes, case), wholes), 1)
            )


def _takes(case: Case, text: bytes | str) -> bool:
    try:
        return isinstance(text, bytes) and takes(case.reference, text.decode())
    except UnicodeDecodeError:
        return False
