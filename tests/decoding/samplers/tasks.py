"""Small tasks for the samplers, each with its exact law."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from exact import TOKENIZER, Automaton, Exact, Ngram

import structgen as sg
from structgen.decoding.samplers.methods.smc import Cloud, Propose, propose_masked
from structgen.decoding.samplers.rows import FunctionRows
from structgen.decoding.samplers.target import Target

PROMPT = (97,)


class Even:
    """Texts of an even number of bytes; a prefix tells nothing."""

    fingerprint = "even"

    def viable(self, prefix: bytes) -> bool:
        return True

    def final(self, text: str) -> bool:
        return len(text) % 2 == 0


class Without:
    """Texts without some bytes in a row: a prefix that has them is refused at once."""

    def __init__(self, banned: bytes) -> None:
        self.banned, self.fingerprint = banned, banned.decode()

    def viable(self, prefix: bytes) -> bool:
        return self.banned not in prefix

    def final(self, text: str) -> bool:
        return self.banned not in text.encode()


class WithoutState:
    """As `Without` of two bytes, by what it remembers: the last byte, and how many it has read."""

    def __init__(self, banned: bytes) -> None:
        self.banned, self.fingerprint = banned, f"state {banned.decode()}"
        self.last, self.read = b"", 0

    def viable(self, prefix: bytes) -> bool:
        more = self.last + prefix[self.read :]
        self.last, self.read = more[-1:], len(prefix)
        return self.banned not in more

    def allows(self, text: str) -> bool:
        return self.banned not in text.encode()


@cache
def texts_of(pattern: str, longest: int = 7) -> tuple[str, ...]:
    """Return the texts over a, b, c that match a pattern, by trying all."""
    words = (map("".join, itertools.product("abc", repeat=length)) for length in range(longest + 1))
    return tuple(text for text in itertools.chain(*words) if re.fullmatch(pattern, text))


@cache
def _compiled(pattern: str) -> sg.CompiledGrammar:
    return sg.compile(sg.regex(pattern), TOKENIZER)


@dataclass(frozen=True)
class Task:
    """A model, a language, a length, a temperature and a checker."""

    name: str
    pattern: str
    max_tokens: int
    alive: tuple[bytes, ...] = (b"a", b"b", b"ab")
    seed: int = 0
    order: int = 1
    sharp: float = 1.0
    temperature: float = 1.0
    checker: Even | Without | WithoutState | None = None
    favour: tuple[tuple[bytes, float], ...] = ()

    def model(self) -> Ngram:
        return Ngram(self.seed, self.alive, order=self.order, sharp=self.sharp, favour=dict(self.favour))

    @cached_property
    def compiled(self) -> sg.CompiledGrammar:
        return _compiled(self.pattern)

    @property
    def texts(self) -> list[str]:
        """The valid texts."""
        checker, texts = self.checker, texts_of(self.pattern)
        if checker is None:
            return [*texts]
        passes = checker.allows if isinstance(checker, WithoutState) else checker.final
        return [text for text in texts if passes(text)]

    @cached_property
    def exact(self) -> Exact:
        return Exact(
            self.model(),
            Automaton.of_texts(self.texts),
            self.max_tokens,
            prompt=PROMPT,
            temperature=self.temperature,
        )

    @cached_property
    def law(self) -> dict[tuple[int, ...], float]:
        return self.exact.law()

    @property
    def checkers(self) -> list[Even | Without | WithoutState]:
        return [self.checker] if self.checker else []

    def target(self) -> Target:
        rows = FunctionRows(self.model(), PROMPT, TOKENIZER.vocab_size, "ngram")
        return Target(
            rows,
            self.compiled,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            checkers=self.checkers,
        )

    def sample(self, n: int, method: str, model: Ngram | None = None, **options: object) -> sg.Samples:
        """Draw by `sg.sample`."""
        settings = {
            "tokenizer": TOKENIZER,
            "name": "ngram",
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "checkers": self.checkers,
        }
        return sg.sample(
            model or self.model(), list(PROMPT), self.compiled, n, method=method, **(settings | options)
        )

    def __str__(self) -> str:
        return self.name


# Each is small enough for all draws of two walks to be listed. "aa" + "b" and "a" + "ab" are two outcomes of
# one text. In the third, "a" + "a" has no end within three tokens: the bytes leave a way on, the tokens do
# not. Z of the last one is under 1e-7.
SMALL = (
    Task("tight", "aab|b", 2, (b"a", b"b", b"ab", b"aa"), seed=1),
    Task("tight at three", "aab|b", 3, (b"a", b"b", b"ab"), seed=2),
    Task("dead ends", "aaaab|b", 3, (b"a", b"b", b"ab", b"aa"), seed=7),
    Task("cold", "ab?|b", 2, seed=3, temperature=0.5),
    Task("checker at the end", "ab?b?", 3, seed=4, checker=Even()),
    Task("checker of prefixes", "a?b?a|b", 3, (b"a", b"b", b"ba"), seed=5, checker=Without(b"ba")),
    Task("checker with state", "a?b?a|b", 3, (b"a", b"b"), seed=8, checker=WithoutState(b"ba")),
    Task("second order", "(ab|b)a?", 3, (b"a", b"b", b"ab"), seed=6, order=2),
    Task("hardly ever", "ab|b", 2, (b"a", b"b", b"ab", b"c"), seed=9, favour=((b"c", 9.0), (b"", -1.0))),
)


def cloud_of(
    target: Target,
    count: int,
    source: Any,
    forced: int = 0,
    propose: Propose = propose_masked,
) -> Cloud:
    """Return a cloud that has come to its end; it is resampled after each of the first `forced` tokens, and
    else where it wants to be."""
    cloud = Cloud(target, count, source, propose)
    for step in itertools.count():
        if not cloud.active:
            return cloud
        prefixes = list(dict.fromkeys(cloud.prefixes[i] for i in cloud.active))
        cloud.step(dict(zip(prefixes, target.read_steps(prefixes), strict=True)))
        weights = np.exp(cloud.log_weights)
        if step < forced and weights.sum() > 0:
            cloud._resample_particles(weights / weights.sum(), float(weights.mean()))
    raise AssertionError
