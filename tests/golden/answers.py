"""What a grammar answers along walks that depend on the case's name alone, as digests, step by step."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

import structgen as sg

from .case import Case, drawn
from .vocabularies import vocabulary

FIRST, SECOND = 14, 9
"""Tokens of the two walks."""
KINDS = ("masks", "budgets", "completions", "expected", "refusals", "second", "texts")
_MARKS = frozenset(b'{}[]",:()<>;=\n')


class Track:
    """The digest of a sequence of answers. After each, a letter says what the digest came to, so that two
    tracks tell at which answer they part."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=8)
        self._letters: list[str] = []

    def note(self, answer: object) -> None:
        """Take the next answer: anything whose repr says all, or bytes."""
        self._hash.update(answer if isinstance(answer, bytes) else repr(answer).encode("utf-8", "replace"))
        self._hash.update(b"\0")
        digest = self._hash.digest()
        self._letters.append(urlsafe_b64encode(digest[:3]).decode()[0])

    def __str__(self) -> str:
        """Return 8 hexadecimal digits for all answers, and a letter for each."""
        return f"{self._hash.hexdigest()[:8]}:{''.join(self._letters)}" if self._letters else "-"


@dataclass
class Answers:
    """What was answered: tracks by their kinds, the tokens of the walks, the texts before each step."""

    tracks: dict[str, str] = field(default_factory=dict)
    walks: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    before: list[str] = field(default_factory=list)
    refused: str = ""
    """The error that the case ended in, where it did."""


def told(error: Exception) -> str:
    """Return what counts of an error, its wording apart: its class, where, and what it names."""
    said = [type(error).__name__]
    for name in ("where", "keyword", "limit", "minimum", "places", "policies"):
        value = getattr(error, name, None)
        if value not in (None, "", ()):
            said.append(f"{name}={value}")
    return quote(",".join(said), safe="".join(map(chr, range(33, 127))).replace("%", ""))


class Walker:
    """Walks through one compiled grammar and notes what it answers."""

    def __init__(self, compiled: sg.CompiledGrammar, key: str) -> None:
        self._compiled, self._key = compiled, key
        self._matcher = sg.Matcher(compiled)
        self._mask = sg.allocate_mask(1, compiled.vocab_size)
        self.tracks = {kind: Track() for kind in KINDS}
        self.before: list[str] = []

    def begin(self, walk: str) -> None:
        """Begin a new document; `walk` names it."""
        self._matcher = sg.Matcher(self._compiled)
        self._walk = f"{self._key} {walk}"

    def masks(self, kind: str | None = "masks") -> Sequence[int]:
        """Note the mask (None: nowhere), and return the allowed tokens."""
        self._matcher.fill_mask(self._mask)
        if kind is not None:
            self.tracks[kind].note(self._mask.array.tobytes())
        return [int(token) for token in self._mask.allowed()]

    def others(self, step: int) -> bytes:
        """Note what is answered besides, and return the shortest completion."""
        matcher, compiled, tracks = self._matcher, self._compiled, self.tracks
        completion = b"" if matcher.is_complete else compiled.completion(matcher.state)
        least = matcher.tokens_to_finish()
        tracks["completions"].note((least, completion, matcher.forced(), matcher.is_complete))
        tracks["expected"].note(sorted((one.sources, one.first) for one in matcher.expected()))
        if drawn(f"{self._walk} {step} budget?", 3) == 0:
            matcher.fill_mask(self._mask, budget=least + drawn(f"{self._walk} {step} budget", 4))
            tracks["budgets"].note(self._mask.array.tobytes())
        if least:
            self._refusal(lambda: matcher.fill_mask(self._mask, budget=least - 1))
        return completion

    def refused_token(self, step: int, allowed: Sequence[int]) -> None:
        """Note how a token that is not allowed is refused."""
        kept = set(allowed)
        for attempt in range(8):
            token = drawn(f"{self._walk} {step} {attempt} refused", self._compiled.vocab_size)
            if token not in kept:
                self._refusal(lambda token=token: self._matcher.advance(token))  # type: ignore[misc]
                return

    def _refusal(self, call: Callable[[], None]) -> None:
        try:
            call()
        except sg.StructgenError as error:
            self.tracks["refusals"].note(told(error))
        else:
            self.tracks["refusals"].note("was not refused")

    def choose(self, step: int, allowed: Sequence[int], completion: bytes, hurry: bool) -> int:
        """Return the token that the walk takes: any, one with a mark of punctuation, or the longest that
        begins the shortest completion."""
        ends = self._compiled.end_tokens
        texts = self._compiled.tokenizer.token_bytes
        way = 3 if hurry else drawn(f"{self._walk} {step} way", 4)
        if way >= 2 and completion:
            fitting = [t for t in allowed if t not in ends and completion.startswith(texts[t] or b"\0\0")]
            if fitting:
                return max(fitting, key=lambda token: (len(texts[token] or b""), -token))
        if way == 1:
            marked = [t for t in allowed if not _MARKS.isdisjoint(texts[t] or b"")]
            allowed = marked or allowed
        if way == 3:
            allowed = [t for t in allowed if t in ends] or allowed
        return allowed[drawn(f"{self._walk} {step} which", len(allowed))]

    def take(self, token: int) -> bool:
        """Take a token; return whether the document goes on. Where it ended, what is asked after the end is
        noted, and another document begins."""
        self._matcher.advance(token)
        if not self._matcher.is_finished:
            return True
        self._refusal(lambda: self._matcher.fill_mask(self._mask))
        self._refusal(lambda: self._matcher.advance(token))
        self._matcher.reset()
        return False

    def text(self) -> str:
        """Return the text so far."""
        return repr(self._compiled.tokenizer.decode(list(self._matcher.tokens)))[2:-1]

    def read(self, texts: Sequence[str]) -> None:
        """Note of each text how many bytes are taken, and whether it may end there."""
        for text in texts:
            state, taken = self._compiled.start, 0
            for byte in text.encode("utf-8", "surrogatepass"):
                after = self._compiled.step_bytes(state, bytes((byte,)))
                if after is None:
                    break
                state, taken = after, taken + 1
            self.tracks["texts"].note((taken, self._compiled.accepts_end(state)))


def cold(case: Case, name: str, store: Any, memory: Any) -> Answers:
    """Return what is answered by a grammar that was never compiled before, in `store`; the second walk is
    that of another one, in `memory`."""
    answers = Answers()
    try:
        grammar, tokenizer = case.build(), vocabulary(name)
        compiled = sg.compile(grammar, tokenizer, limits=case.limits, store=store)
    except Exception as error:
        answers.refused = told(error)
        return answers
    key = f"{case.name} {name}"
    walker = Walker(compiled, key)
    first: list[int] = []
    second: list[int] = []
    answers.walks = (first, second)
    try:
        given = tokenizer.encode(case.texts[0].encode()) if case.texts else []
        walker.begin("first")
        for step in range(FIRST):
            answers.before.append(walker.text())
            allowed = walker.masks()
            walker.refused_token(step, allowed)
            completion = walker.others(step)
            on_text = step < len(given) and given[step] in allowed and first == given[:step]
            token = (
                given[step] if on_text else walker.choose(step, allowed, completion, step > 2 * FIRST // 3)
            )
            first.append(token)
            walker.take(token)
        other = Walker(sg.compile(case.build(), tokenizer, limits=case.limits, store=memory), key)
        other.read(case.texts)  # before anything else is met: the other process reads them after the walk
        walker.tracks["texts"] = other.tracks["texts"]
        other.begin("second")
        for step in range(SECOND):
            allowed = other.masks("second")
            completion = b"" if step % 2 else other.others(step)
            token = other.choose(step, allowed, completion, step > 2 * SECOND // 3)
            second.append(token)
            other.take(token)
        _join(walker, other)
    except Exception as error:
        answers.refused = told(error)
    answers.tracks = {kind: str(track) for kind, track in walker.tracks.items()}
    return answers


def again(case: Case, name: str, store: Any, walks: tuple[list[int], list[int]]) -> Answers:
    """Return what is answered on the same walks by a grammar that another process has left in `store`: first
    all masks of the first walk, then the rest of it, then the second."""
    answers = Answers(walks=walks)
    first, second = walks
    try:
        compiled = sg.compile(case.build(), vocabulary(name), limits=case.limits, store=store)
    except Exception as error:
        answers.refused = told(error)
        return answers
    key = f"{case.name} {name}"
    masked, walker, other = (Walker(compiled, key) for _ in range(3))
    try:
        masked.begin("first")
        walker.begin("first")
        walker.tracks["masks"] = masked.tracks["masks"]
        for token in first:
            masked.masks()
            masked.take(token)
        if len(first) < FIRST:  # the first process met an error here
            with suppress(Exception):
                masked.masks()
        for step in range(FIRST):
            answers.before.append(walker.text())
            walker.refused_token(step, walker.masks(None))
            walker.others(step)
            walker.take(first[step])
        walker.read(case.texts)
        other.begin("second")
        for step in range(SECOND):
            other.masks("second")
            if not step % 2:
                other.others(step)
            other.take(second[step])
        _join(walker, other)
    except Exception as error:
        answers.refused = told(error)
    answers.tracks = {kind: str(track) for kind, track in walker.tracks.items()}
    return answers


def _join(walker: Walker, other: Walker) -> None:
    """Put all that the second walk was told into one track."""
    for kind in ("budgets", "completions", "expected", "refusals"):
        other.tracks["second"].note(str(other.tracks[kind]))
    walker.tracks["second"] = other.tracks["second"]
