"""Which tokens each slot may hold, as a scheduler is told it: against all texts that fit, listed. Tokens span
terminals and holes' ends, characters span slots, and holes have types of their own under a grammar."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from for_each import for_each
from toy_models import Toy

import structgen as sg
from structgen.decoding.infilling.lattice import NULL, OPEN
from structgen.decoding.infilling.schedulers import CanvasStep

TEXTS = (
    *(b'"', b"a", b'a"', b'": ', b'":', b" ", b"1", b": 1"),
    *(b"\xc3", b"\xa9", b'\xa9"', b'1, "', b"\xa9a", b":", b","),
)
"""Tokens that end in the midst of a character, or reach from a string into what stands behind it."""
PATTERNS = (
    r'"[aé]{1,3}": ?1?',
    r'("a*é?": 1(, )?)+',
    r'a|é|"[é1 ]*"',
)


@cache
def tokenizer() -> sg.Tokenizer:
    """Return a tokenizer of these, of all other single bytes, which no pattern takes, end, pad and mask."""
    rest = [bytes((byte,)) for byte in range(256) if bytes((byte,)) not in TEXTS]
    return sg.Tokenizer.from_bytes([*TEXTS, *rest, None, None, None], eos_token_id=len(TEXTS) + len(rest))


def fits(pattern: str, filling: tuple[int, ...]) -> bool:
    """Return what Python's re says of the text of some tokens."""
    try:
        return re.fullmatch(pattern, b"".join(TEXTS[one] for one in filling).decode()) is not None
    except UnicodeDecodeError:
        return False


CASES = {
    **{name: ("{a}", PATTERNS[at], (4,), ()) for at, name in enumerate(("member", "list", "choice"))},
    "fixed text": ('"{a}é{b}', PATTERNS[0], (2, 2), ()),
    "half a character before": ("é{a}", PATTERNS[2], (2,), ()),
    "typed": ("{a}1{b}", '[a" 1]*', (2, 2), (("a", 'a*"?'), ("b", "[ 1]*"))),
    "adjacent": ("{a}{b} ", r"[a1: ]*", (2, 2), (("a", "a*1?"), ("b", "[a:]*"))),
    "typed and free": (":{a}{any}", ":[a1, ]*", (2, 2), (("a", "1*"),)),
}
"""Template, grammar, slots of the holes, and types of holes."""


def fillings(name: str, is_exact: bool) -> Iterator[tuple[int, ...]]:
    """Yield what the slots of the canvas may hold, by trying everything."""
    template, grammar, slots, types = CASES[name]
    parts = re.split(r"\{(\w+)\}", template)
    choices = []
    for at, part in enumerate(parts):
        if not at % 2:
            choices.append([tuple(tokenizer().encode(part.encode()))])
            continue
        size = slots[at // 2]
        own = dict(types).get(part, "(?s:.*)")
        tried = itertools.product(range(len(TEXTS)), repeat=size)
        texts = list(tried) if is_exact else [*tried, *_shorter(size)]
        choices.append([one for one in texts if own == "(?s:.*)" or fits(own, one)])
    for texts in itertools.product(*choices):
        if fits(grammar, tuple(itertools.chain(*texts))):
            yield tuple(
                token
                for at, text in enumerate(texts)
                for token in (*text, *[NULL] * ((slots[at // 2] if at % 2 else len(text)) - len(text)))
            )


def _shorter(size: int) -> Iterator[tuple[int, ...]]:
    for length in range(size):
        yield from itertools.product(range(len(TEXTS)), repeat=length)


class Judge:
    """Fills one slot a step, any of them by any token that fits, and compares what it is told with a list."""

    def __init__(self, left: list[tuple[int, ...]], seed: int) -> None:
        self.left, self.chance, self.asked = left, np.random.default_rng(seed), 0

    def fill(self, step: CanvasStep) -> None:
        canvas = step.canvas.tokens.tolist()
        self.left = [
            one for one in self.left if all(a in (OPEN, b) for a, b in zip(canvas, one, strict=True))
        ]
        held = {place: {one[place.position] for one in self.left} for place in step.masked()}
        for place, tokens in held.items():
            law = step.law(place)
            told = np.flatnonzero(law).tolist()
            assert {NULL if one == len(law) - 1 else one for one in told} == tokens
            assert len(tokens) > 1 and law.sum() == pytest.approx(1.0)  # a slot without a choice is filled
            lattice = step.canvas.parts[place.part].lattice
            assert {
                one for one in (NULL, *range(len(law) - 1)) if lattice.allows_token(place.slot, one)
            } == tokens
            self.asked += 1
        place = [*held][int(self.chance.integers(len(held)))]
        step.write(place, sorted(held[place])[int(self.chance.integers(len(held[place])))], 1.0)


@for_each("is_exact", [False, True])
@for_each("name", CASES)
def test_a_lattice_says_what_the_list_of_all_fillings_says(name: str, is_exact: bool) -> None:
    template, grammar, slots, types = CASES[name]
    every = list(fillings(name, is_exact))
    options: dict[str, Any] = {
        "grammar": grammar,
        "holes": dict(types),
        "slots": dict(zip(re.findall(r"\{(\w+)\}", template), slots, strict=True)),
        "length": "exact" if is_exact else "at most",
        "tokenizer": tokenizer(),
        "prompt": "a",
    }
    if not every:
        with pytest.raises(sg.errors.NoFillingError):
            sg.infill(Toy(tokenizer()), template, **options)
        return
    for seed in range(4):
        judge = Judge(every, seed)
        found = sg.infill(Toy(tokenizer()), template, scheduler=judge, **options)
        assert not found.usage.scheduler
        assert found.steps[-1].canvas in every
    assert judge.asked or len(every) == 1


def test_some_text_has_a_character_in_two_slots_and_a_token_over_two_terminals() -> None:
    split, spanning = TEXTS.index(b"\xc3"), TEXTS.index(b'\xa9"')
    assert fits(PATTERNS[0], (0, split, spanning, TEXTS.index(b": 1")))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("token", [0, 7, 200])
def test_a_logit_that_is_no_number_is_found_whatever_its_token(value: float, token: int) -> None:
    class Broken(Toy):
        def forward(self, ids: np.ndarray) -> np.ndarray:
            logits = super().forward(ids)
            logits[1, token] = value
            return logits

    with pytest.raises(sg.StructgenError, match="as a logit"):
        sg.infill(Broken(tokenizer()), "{a: /[a1]*/, 2}", tokenizer=tokenizer(), prompt="a")


def test_logits_that_exclude_all_tokens_that_fit_are_an_error_that_names_the_slot() -> None:
    class Never(Toy):
        def forward(self, ids: np.ndarray) -> np.ndarray:
            return np.full((len(ids), self.vocab_size), -math.inf, np.float32)

    with pytest.raises(sg.StructgenError, match="slot 0: All valid fillings have the probability 0"):
        sg.infill(Never(tokenizer()), "{a: /[a1]*/, 2}", tokenizer=tokenizer(), prompt="a")
