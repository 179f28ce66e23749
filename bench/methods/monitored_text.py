"""Monitor-guided decoding: advice of static analysis on the next identifiers (Agrawal et al., "Monitor-Guided
Decoding of Code LMs with Static Analysis of Repository Context", 2023).

`Monitored` is a grammar around another one. After each token a monitor is asked whether the text has reached
a *trigger*, such as a dot behind an expression. If so, `suggest` names the texts that may follow. Until one
of them is spelled, a token is masked unless it is a beginning of a suggestion, or spells a suggestion whole
and goes on with a character that ends an identifier. Several monitors stand one around the other.

A state is the grammar's state, the text, and what of a suggestion is spelled (`Spelling`). So whatever holds
states works with monitors: rollback, forks, batches, draft trees and budgets. Suggestions are a compiled
grammar too: one of them, and behind it any text.

A mask is advice on top of the grammar's mask. A token that the grammar allows and a monitor does not is still
taken, and the monitor then leaves its suggestion. So a monitor that would leave no token of the grammar, or
none within a budget, leaves the mask as it is. Monitors answer in this process, without a time limit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, ClassVar, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

import structgen as sg
from structgen.core import NarrowedText, State, TokenMask
from structgen.errors import OptionError

Bits = npt.NDArray[np.int32]
"""A mask: a row of bits, one for each token."""
Tokens = npt.NDArray[np.int64]
_MOST_TEXTS: Final = 5_000
"""Suggestions of one call, at most: they take about a second to compile."""
_LONGEST: Final = 1_000
"""Characters of one suggestion, at most."""
_LONGEST_SPELLING: Final = 64
"""Tokens that a suggestion takes, at most, for a budget to be known to suffice without looking."""
_HIGHEST: Final = 1 << 10
"""How many grammars of suggestions stand one in the other, at most."""
_KEPT: Final = 64
"""Texts that are remembered; and pairs of a tokenizer and trigger characters of which the tokens that pass a
trigger are kept."""
_ANYTHING: Final = sg.regex("(?s:.)*")
_BOUNDARY: Final = sg.regex(r"(?u)(?:\W(?s:.)*)?")
"""The end of a text that is suggested, or a character that ends an identifier and any text."""


class Monitor(ABC):
    """Advice for the texts of a grammar. Both methods are functions of the text alone, so that a text that is
    forked, taken back or begun anew has the same advice."""

    name: ClassVar[str] = ""
    """The monitor's name in what it is told to have done; "": the name of its class."""
    trigger_characters: ClassVar[str] = ""
    """The last characters that a text at a trigger can have. A token that has one of them and goes on is
    masked where the text up to that character is a trigger: else the token would pass the trigger. With ""
    triggers inside of tokens are not seen."""

    @abstractmethod
    def trigger(self, text: str) -> bool:
        """Return whether suggestions apply behind a text. Cost: it is called once a token, and once for each
        distinct beginning of allowed tokens that ends in a trigger character: some microseconds at most."""

    @abstractmethod
    def suggest(self, text: str) -> Iterable[str] | sg.Grammar | None:
        """Return the texts that may follow: a collection of texts, or a grammar, which itself says where it
        ends and needs no boundary. None, or no text: anything may follow. An error counts as no advice."""


@dataclass(frozen=True, slots=True)
class MonitorUse:
    """What one monitor did for a text."""

    name: str
    triggers: int = 0
    """How often the text reached a trigger."""
    suggested: int = 0
    """At how many triggers there were suggestions that the grammar takes."""
    yielded: int = 0
    """How many suggestions the text left: no token was both of the grammar, or of its budget, and of the
    monitor."""
    failed: int = 0
    """How many calls raised an error; the text went on without advice."""
    error: str = ""
    """The last error."""

    def __str__(self) -> str:
        told = f"{self.name}: {self.suggested} of {self.triggers} triggers had suggestions"
        for count, what in ((self.yielded, "left"), (self.failed, "failed")):
            told += f", {count} {what}" if count else ""
        return told


class Monitored(sg.Grammar):
    """A grammar under monitors: each narrows the masks that those before it leave."""

    def __init__(self, grammar: sg.Grammar, *monitors: Monitor) -> None:
        """Raise OptionError for what is no grammar, or no monitor."""
        if not isinstance(grammar, sg.Grammar):
            what, cure = f"A {type(grammar).__name__} is no grammar", "sg.text() is the grammar of any text."
            raise OptionError(f"{what}.", where="grammar", cure=cure)
        for one in monitors:
            if not isinstance(one, Monitor):
                what = f"{one!r:.60} is no monitor."
                raise OptionError(what, where="monitors", cure="Give an object of a class of Monitor.")
        self.around, self.monitors = grammar, monitors

    @property
    def canonical(self) -> str:
        """The grammar's canonical form, and the monitors: each is itself alone, or what its `repr` says."""
        return f"{self.monitors!r} {self.around.canonical}"

    @property
    def limits(self) -> sg.Limits:
        """The grammar's limits."""
        return self.around.limits

    def compiled(
        self, tokenizer: sg.Tokenizer, limits: sg.Limits | None, store: sg.MaskStore | Literal[False] | None
    ) -> sg.CompiledGrammar:
        """Return the grammar compiled, under its monitors."""
        found = sg.compile(self.around, tokenizer, limits=limits, store=store)
        for one in self.monitors:
            found = MonitoredText(found, one, self)
        return found


class Spelling(NamedTuple):
    """A text behind a trigger, inside a suggestion."""

    compiled: sg.CompiledGrammar
    """A suggestion, and any text behind it."""
    texts: frozenset[bytes]
    """The suggestions that are texts: they end at a boundary, which `compiled` has behind them."""
    state: int
    """The state of what may follow at the trigger."""
    written: bytes = b""
    """What is spelled of it."""

    def may_end(self) -> bool:
        """Return whether a suggestion is whole, so that the text may end."""
        return self.compiled.may_end(self.state)

    def is_over(self) -> bool:
        """Return whether anything may follow."""
        return self.may_end() and self.written not in self.texts

    def after(self, data: bytes) -> Spelling | None:
        """Return the spelling behind the bytes of a token; None where they are refused. A token without bytes
        is refused unless the text may end."""
        state = self.compiled.bytes_index(self.state, data) if data or self.may_end() else -1
        return None if state < 0 else self._replace(state=state, written=self.written + data)


class Advice(NamedTuple):
    """The answer of one call of `suggest`, and what of it the grammar takes."""

    spelling: Spelling | None = None
    """Nothing of the suggestions spelled; None: anything may follow."""
    error: str = ""
    """The error of a call that failed."""


class MonitoredPlace(NamedTuple):
    """A state of the text under a monitor."""

    state: int
    """The state of the grammar."""
    before: int
    """The place before the last bytes, by its number; -1 at the start."""
    data: bytes
    """The last bytes."""
    watch: Spelling | Literal["trigger"] | None
    """None where anything may follow; "trigger" where the monitor is to be asked."""


class MonitoredText(NarrowedText[MonitoredPlace]):
    """A compiled grammar under a monitor (see the module).

    Advice is kept for each text, so a text that comes again is not analysed again. Cost: some 10 us a token,
    two masks for one under suggestions; at a trigger a call of the monitor, and 10 ms and 1 MB for 60
    suggestions.
    """

    def __init__(self, inner: sg.CompiledGrammar, monitor: Monitor, grammar: sg.Grammar) -> None:
        super().__init__(inner, besides=_HIGHEST)
        self.monitor, self.grammar = monitor, grammar
        self._crossings = _crossings(inner.tokenizer, monitor.trigger_characters)
        known = enumerate(inner.tokenizer.token_bytes)
        silent = [token for token, data in known if not data or token in inner.end_tokens]
        self._without_bytes = _row(np.array(silent, np.int64), self._words)
        """End tokens and other tokens without bytes."""
        self._advice: dict[bytes, Advice] = {}
        """A text -> the monitor's answer."""
        self._texts = {-1: b""}
        """Of some places the whole text."""
        self._answers: dict[int, Advice] = {}
        """A place -> the monitor's answer."""
        self._begun: dict[sg.Grammar | frozenset[bytes], Spelling] = {}
        """Suggestions -> nothing of them spelled: the same come again behind many texts."""
        self._marks = tuple(map(str.encode, monitor.trigger_characters))
        self._start = self._number_of(MonitoredPlace(inner.start.index, -1, b"", self._reached(b"")))

    # --- texts and advice -----------------------------------------------------------------------------------

    def _text(self, index: int, more: bytes = b"") -> bytes:
        """Return the text of a place and some more bytes. Cost: a step for each token since a text that is
        remembered."""
        at, pieces = index, list[bytes]()
        while at not in self._texts:
            place = self.place(at)
            pieces.append(place.data)
            at = place.before
        text = self._texts[at] + b"".join(reversed(pieces))
        if len(self._texts) > _KEPT:
            self._texts = {-1: b""}
        self._texts[index] = text
        return text + more

    def _reached(self, text: bytes) -> Literal["trigger"] | None:
        """Return whether a text has reached a trigger."""
        try:
            return "trigger" if self.monitor.trigger(text.decode("utf-8", "replace")) else None
        except Exception as error:  # any error of a monitor becomes one of this text
            raise OptionError(
                f"trigger of {name_of(self.monitor)} failed: {type(error).__name__}: {error}",
                where="monitors",
                cure="Mend the monitor: trigger(text) returns True or False.",
            ) from error

    def _asked(self, index: int) -> Advice:
        """Return the answer of the monitor at a trigger. Cost: the first time, a call of the monitor."""
        if index not in self._answers:
            text = self._text(index)
            if text not in self._advice:
                try:
                    found = self.monitor.suggest(text.decode("utf-8", "replace"))
                    self._advice[text] = Advice(self._taken(index, found))
                except Exception as error:  # any error of code that is not ours
                    self._advice[text] = Advice(error=f"{type(error).__name__}: {error}")
            self._answers[index] = self._advice[text]
        return self._answers[index]

    def _taken(self, index: int, suggested: Any) -> Spelling | None:
        """Return what the grammar takes of suggestions, nothing of it spelled. Raises OptionError for what is
        no suggestion, and the errors of a grammar that cannot be compiled."""
        if isinstance(suggested, sg.Grammar):
            return self._spelling(suggested, frozenset(), suggested + _ANYTHING)
        inner, state = self.unwatched(index)
        written = (text.encode("utf-8", "surrogatepass") for text in _checked(suggested))
        texts = frozenset(text for text in written if inner.bytes_index(state, text) >= 0)
        if not texts:
            return None
        words = sg.choice(one.decode("utf-8", "surrogatepass") for one in sorted(texts))
        return self._spelling(texts, texts, words + _BOUNDARY)

    def _spelling(
        self, key: sg.Grammar | frozenset[bytes], texts: frozenset[bytes], grammar: sg.Grammar
    ) -> Spelling:
        if key not in self._begun:
            compiled = sg.compile(grammar, self.tokenizer, store=self.store)
            self._begun[key] = Spelling(compiled, texts, compiled.start.index)
        return self._begun[key]

    def unwatched(self, index: int) -> tuple[sg.CompiledGrammar, int]:
        """Return the grammar under no monitor, and its state, by its number."""
        inner, state = self.inner, self.place(index).state
        return inner.unwatched(state) if isinstance(inner, MonitoredText) else (inner, state)

    def advised(self, index: int) -> Spelling | None:
        """Return what may follow by the monitor in a state; None: anything."""
        watch = self.place(index).watch
        return self._asked(index).spelling if watch == "trigger" else watch

    def uses(self, tokens: Sequence[int]) -> tuple[MonitorUse, ...]:
        """Return what each monitor did for a text, by its tokens. Raises OptionError where the grammar
        refuses one."""
        counts, error, index = (
            dict.fromkeys(("triggers", "suggested", "yielded", "failed"), 0),
            "",
            self._start,
        )
        for at, token in enumerate(tokens):
            spelling = self.advised(index)
            if self.place(index).watch == "trigger":
                failure = self._asked(index).error
                counts["triggers"] += 1
                counts["suggested"] += spelling is not None
                counts["failed"] += failure != ""
                error = failure or error
            if spelling is not None:
                counts["yielded"] += spelling.after(self._data(token)) is None
            index = self.next_index(index, token)
            if index < 0:
                what, cure = (
                    f"Token {at} is none of the grammar's",
                    "Give the tokens of a text from its start.",
                )
                raise OptionError(f"{what}.", where="tokens", cure=cure)
        others = self.inner.uses(tokens) if isinstance(self.inner, MonitoredText) else ()
        return *others, MonitorUse(name_of(self.monitor), **counts, error=error)

    # --- the machine ----------------------------------------------------------------------------------------

    def _data(self, token: int) -> bytes:
        return b"" if token in self.end_tokens else self.tokenizer.token_bytes[token] or b""

    def _moved(self, index: int, data: bytes, state: int) -> int:
        """Return the place after bytes that lead the grammar to a state, by its number; below 0, -1."""
        if state < 0:
            return -1
        spelling = self.advised(index) if data else None
        after = None if spelling is None else spelling.after(data)
        if not data or (after is not None and not after.is_over()):
            return self._number_of(MonitoredPlace(state, index, data, after))
        return self._number_of(MonitoredPlace(state, index, data, self._reached(self._text(index, data))))

    def _after_token(self, index: int, token: int) -> int:
        place = self._places[index]
        after = -1 if place is None else self.inner.next_index(place.state, token)
        return self._moved(index, self._data(token), after)

    def bytes_index(self, index: int, data: bytes) -> int:
        """Return the number of the state after bytes, or -1."""
        place = self._places[index]
        return -1 if place is None else self._moved(index, data, self.inner.bytes_index(place.state, data))

    def token_end(self, index: int) -> int:
        """Return the number of the state in which a token ends whose bytes lead to a state, or -1."""
        place = self.place(index)
        end = self.inner.token_end(place.state)
        return end if end < 0 else self._number_of(place._replace(state=end))

    # --- masks ----------------------------------------------------------------------------------------------

    def compute(self, index: int, target: int = 0) -> bool:
        """Work out the mask of a state, as `CompiledGrammar.compute`; monitors are asked before the lock is
        taken, so that texts of the same grammar do not wait for them."""
        place = self._places[index]
        if place is not None:
            self.inner.compute(place.state)
            self.advised(index)
        return super().compute(index, target)

    def _narrow_mask(self, index: int, bits: Bits) -> Bits:
        """Return a mask under the advice of the monitor; the mask itself where no token would be left."""
        spelling, narrower = self.advised(index), bits
        if spelling is not None:
            allowed = spelling.compiled.bits(spelling.state)
            if spelling.may_end():
                allowed |= self._without_bytes
            narrower = bits & allowed
        for beginning, tokens in self._crossings:
            if (narrower[tokens >> 5] >> (tokens & 31) & 1).any():
                after = None if spelling is None else spelling.after(beginning)
                is_free = spelling is None or (after is not None and after.is_over())
                if is_free and self._reached(self._text(index, beginning)):
                    narrower = narrower & ~_row(tokens, self._words)
        return narrower if narrower.any() else bits

    # --- budgets --------------------------------------------------------------------------------------------

    def fill_within(self, index: int, mask: TokenMask, row: int, budget: int) -> None:
        """Write the mask of the tokens after which the document can still be completed within the budget; a
        monitor that would leave none changes nothing."""
        self.check_mask(mask)
        if self.budget_suffices(index, budget):
            self.fill_index(index, mask, row)
            return
        self.inner.fill_within(self.place(index).state, mask, row, budget)
        with self.lock:
            bits = self._narrow_mask(index, mask.array[row, : self._words].copy())
            late = self.completions.too_long(index, _tokens_of(bits), budget - 1)
            kept = bits & ~_row(late, self._words)
            mask.array[row, : self._words] = kept if kept.any() else bits

    def tokens(self, index: int, enough: int = 0) -> int:
        """Return how many tokens spell the rest of the shortest suggestion, and complete the document behind
        it; without suggestions, and at the start, those of the grammar alone: the budget of a request comes
        before advice."""
        state = self.place(index).state
        fewest = self.inner.cost(state, enough)
        spelling = None if index == self._start else self.advised(index)
        if spelling is None:
            return fewest
        rest = spelling.compiled.completion(State(spelling.compiled, spelling.state))
        after = self.inner.bytes_index(state, rest)
        behind = 0 if after < 0 else spelling.compiled.cost(spelling.state) + self.inner.cost(after)
        return max(fewest, behind)

    def sufficient(self, index: int) -> int | None:
        """Return the budget that suffices for the grammar, and the tokens of a suggestion besides."""
        found = super().sufficient(index)
        return None if found is None else found + _LONGEST_SPELLING

    def too_long(self, index: int, tokens: Tokens, left: int) -> Tokens:
        """Return those of some tokens behind which the grammar needs no more than `left` tokens, and the rest
        of a suggestion does."""
        is_watched, found = self.place(index).watch is not None, []
        for token in tokens.tolist():
            data = self._data(token)
            if data and (is_watched or data.endswith(self._marks)):
                after = self.next_index(index, token)
                if after >= 0 and self.cost(after) > left:
                    found.append(token)
        return np.array(found, np.int64)

    def anew(self) -> MonitoredText:
        """Return the same for the grammar compiled anew; a monitor answers a text as before."""
        return MonitoredText(self.inner.generation.replace(self.inner), self.monitor, self.grammar)

    @property
    def nbytes(self) -> int:
        """Bytes of its own tables, of its places, and of suggestions."""
        return super().nbytes + sum(one.compiled.nbytes for one in self._begun.values())

    @property
    def sizes(self) -> dict[str, int]:
        """How far the grammar is expanded."""
        return {**super().sizes, "advice": len(self._advice)}

    def __reduce__(self) -> tuple[Any, ...]:
        return MonitoredText, (self.inner, self.monitor, self.grammar)


def name_of(monitor: Monitor) -> str:
    """Return the name of a monitor in messages and results."""
    return monitor.name or type(monitor).__name__


def _checked(found: Any) -> tuple[str, ...]:
    """Return suggestions as a tuple. Raises OptionError for anything but texts, and for too many."""
    found = () if found is None else found
    is_listed = isinstance(found, Iterable) and not isinstance(found, str | bytes)
    texts = tuple(islice(found, _MOST_TEXTS + 1)) if is_listed else ()
    wrong = [text for text in texts if not isinstance(text, str) or not 0 < len(text) <= _LONGEST]
    if is_listed and not wrong and len(texts) <= _MOST_TEXTS:
        return texts
    what = f"{wrong[0]!r:.60} is one" if wrong else f"they are a {type(found).__name__} of {len(texts):,}"
    raise OptionError(
        f"Suggestions are up to {_MOST_TEXTS:,} texts of 1 to {_LONGEST:,} characters; {what}.",
        where="suggest",
        cure="Return texts, or a grammar, such as sg.regex(pattern).",
    )


@lru_cache(maxsize=_KEPT)
def _crossings(tokenizer: sg.Tokenizer, characters: str) -> list[tuple[bytes, Tokens]]:
    """Return the distinct beginnings of tokens that end in one of some characters and have more bytes behind
    it, each with its tokens."""
    found: dict[bytes, list[int]] = {}
    for token, data in enumerate(tokenizer.token_bytes):
        for mark in map(str.encode, dict.fromkeys(characters)):
            at = data.find(mark) if data else -1
            while data and 0 <= at < len(data) - len(mark):
                found.setdefault(data[: at + len(mark)], []).append(token)
                at = data.find(mark, at + 1)
    return [(beginning, np.array(tokens, np.int64)) for beginning, tokens in found.items()]


def _row(tokens: Tokens, words: int) -> Bits:
    """Return some tokens as a row of bits."""
    flags = np.zeros(32 * words, np.bool_)
    flags[tokens] = True
    return np.packbits(flags, bitorder="little").view(np.int32)


def _tokens_of(bits: Bits) -> Tokens:
    """Return the tokens of a row of bits."""
    return np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little"))
