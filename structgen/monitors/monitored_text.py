"""The texts of a grammar under monitors, as a compiled grammar.

A state is the grammar's state, the text, and for each monitor what of a suggestion is spelled (`Spelling`).
So whatever holds states works with monitors: rollback, forks, batches, draft trees and budgets.

A mask is advice on top of the grammar's mask. A token that the grammar allows and a monitor does not is still
taken, and the monitor then leaves its suggestion. So a monitor that would leave no token of the grammar, or
none within a budget, leaves the mask as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.compilation.compiler import compile
from structgen.core.compiled import CompiledGrammar, Completions
from structgen.core.grammar import Grammar
from structgen.core.matcher import Matcher
from structgen.core.narrowed_text import NarrowedText
from structgen.errors import OptionError
from structgen.language.expectation import Expected
from structgen.machine_core.layout import ENDED, LARGE
from structgen.machine_core.masks import fill
from structgen.monitors.monitor import Advice, Monitor, MonitorUse, advice_of, boundary_of, name_of
from structgen.monitors.suggestions import FREE, GrammarSuggestions, Position, Suggestions, TextSuggestions
from structgen.tokens.token_mask import TokenMask
from structgen.tokens.token_prefixes import tokens_along
from structgen.tokens.tokenizer import Tokenizer

_MOST_LATE: Final = 3
"""Late answers in a row after which a monitor is asked no more in these texts: each holds up the batch."""
_LONGEST_SPELLING: Final = 64
"""Tokens that a suggestion takes, at most, for a budget to be known to suffice without looking."""
_KEPT: Final = 64
"""Texts that are remembered; and pairs of a tokenizer and trigger characters of which the tokens that pass a
trigger are kept."""


class Spelling(NamedTuple):
    """A monitor behind a trigger, inside a suggestion."""

    of: Suggestions
    """What may follow at the trigger."""
    position: Position
    """What is spelled of it."""


class MonitoredPlace(NamedTuple):
    """A state of the text under monitors."""

    state: int
    """The state of the grammar."""
    before: int
    """The place before the last bytes, by its number; -1 at the start."""
    data: bytes
    """The last bytes."""
    watches: tuple[Spelling | Literal["trigger"] | None, ...]
    """For each monitor: None where anything may follow; "trigger" where it is to be asked."""


class MonitoredText(NarrowedText[MonitoredPlace]):
    """A compiled grammar under monitors (see the module).

    `behind`: how many bytes of the texts belong to the prompt, and are not shown to monitors. Advice is kept
    for each text, so a text that comes again is not analysed again. Cost: some 10 us a token, a walk through
    the vocabulary for each mask under suggestions, and at each trigger a call of the monitor.
    """

    def __init__(self, inner: CompiledGrammar, monitors: Sequence[Monitor], behind: int = 0) -> None:
        super().__init__(inner)
        self.monitors, self.behind = tuple(monitors), behind
        self._ask = [advice_of(one) for one in self.monitors]
        self._crossings = [_crossings(inner.tokenizer, one.trigger_characters) for one in self.monitors]
        silent = np.flatnonzero(self.vocabulary.token_slot < 0)
        self._without_bytes = self._masks.dense_row(silent.astype(np.int32))
        """End tokens and other tokens without bytes, as a row of bits."""
        self._late = [0] * len(self.monitors)
        """Late answers in a row."""
        self._advice: dict[tuple[int, bytes], Advice] = {}
        """A monitor and a text -> its answer."""
        self._texts = {-1: b""}
        """Of some places the whole text."""
        self._answers: dict[tuple[int, int], tuple[Advice, Suggestions | None]] = {}
        """A place and a monitor -> its answer, and what of it the grammar takes (None: nothing)."""
        self._completions = _GrammarCompletions(self)
        watches = tuple(self._reached(number, b"") for number in range(len(self.monitors)))
        self._start = self._number(MonitoredPlace(inner.start.index, -1, b"", watches))

    # --- texts and advice -----------------------------------------------------------------------------------

    def _text(self, index: int, more: bytes = b"") -> bytes:
        """Return the text of a place and some more bytes, without those of the prompt. Cost: a step for each
        token since a text that is remembered."""
        known, at, pieces = self._texts, index, list[bytes]()
        while at not in known:
            place = self.place(at)
            pieces.append(place.data)
            at = place.before
        text = known[at] + b"".join(reversed(pieces))
        if len(known) > _KEPT:
            known = self._texts = {-1: b""}
        known[index] = text
        return (text + more)[self.behind :]

    def _reached(self, number: int, text: bytes) -> Literal["trigger"] | None:
        """Return whether a text has reached a trigger of a monitor."""
        try:
            return "trigger" if self.monitors[number].trigger(text.decode("utf-8", "replace")) else None
        except Exception as error:  # any error of a monitor becomes one of this text
            raise OptionError(
                f"trigger of {name_of(self.monitors[number])} failed: {type(error).__name__}: {error}",
                where="monitors",
                cure="Mend the monitor: trigger(text) returns True or False.",
            ) from error

    def _asked(self, index: int, number: int) -> tuple[Advice, Suggestions | None]:
        """Return the answer of a monitor at a trigger, and what of it the grammar takes (None: nothing).
        Cost: the first time, a call of the monitor."""
        if (index, number) not in self._answers:
            text = self._text(index)
            advice = self._advice.get((number, text))
            if advice is None and self._late[number] >= _MOST_LATE:
                advice = Advice(fault="late", error="It was late too often and is asked no more.")
            elif advice is None:
                advice = self._ask[number](text.decode("utf-8", "replace"))
                self._late[number] = self._late[number] + 1 if advice.fault == "late" else 0
            self._advice[number, text] = advice
            self._answers[index, number] = advice, self._taken(index, number, advice)
        return self._answers[index, number]

    def _taken(self, index: int, number: int, advice: Advice) -> Suggestions | None:
        if isinstance(advice.suggested, Grammar):
            return GrammarSuggestions(compile(advice.suggested, self.tokenizer))
        state = self.place(index).state
        texts = (text.encode("utf-8", "surrogatepass") for text in advice.suggested)
        taken = [text for text in texts if self.inner.bytes_index(state, text) >= 0]
        return TextSuggestions(taken, boundary_of(self.monitors[number])) if taken else None

    def advised(self, index: int, number: int) -> Spelling | None:
        """Return what may follow by a monitor in a state; None: anything."""
        watch = self.place(index).watches[number]
        if not isinstance(watch, str):
            return watch
        found = self._asked(index, number)[1]
        return None if found is None else Spelling(found, found.start)

    def uses(self, matcher: Matcher) -> tuple[MonitorUse, ...]:
        """Return what each monitor did for the text of a matcher of this grammar."""
        return tuple(self._use(number, matcher) for number in range(len(self.monitors)))

    def _use(self, number: int, matcher: Matcher) -> MonitorUse:
        counts, error = dict.fromkeys(("triggers", "suggested", "yielded", "late", "failed"), 0), ""
        for index, token in zip(matcher.state_indices, matcher.tokens, strict=False):
            place = self._places[index]
            watch = None if place is None else place.watches[number]
            if watch is None:
                continue
            advised = self.advised(index, number)
            if watch == "trigger":
                advice, _ = self._asked(index, number)
                counts["triggers"] += 1
                counts["suggested"] += advised is not None
                counts[advice.fault or "failed"] += advice.fault != ""
                error = advice.error or error
            if advised is not None:
                counts["yielded"] += advised.of.read(advised.position, self._data(token)) is None
        return MonitorUse(name_of(self.monitors[number]), **counts, error=error)

    # --- the machine ----------------------------------------------------------------------------------------

    def _data(self, token: int) -> bytes:
        return self.tokenizer.token_bytes[token] or b""

    def _moved(self, index: int, data: bytes, state: int) -> int:
        """Return the place after bytes that lead the grammar to a state, by its number; below 0, -1."""
        if state < 0:
            return -1
        watches = tuple(self._watch_after(index, number, data) for number in range(len(self.monitors)))
        return self._number(MonitoredPlace(state, index, data, watches))

    def _watch_after(self, index: int, number: int, data: bytes) -> Spelling | Literal["trigger"] | None:
        watch = self.advised(index, number) if data else None
        if watch is not None:
            position = watch.of.read(watch.position, data)
            if position is not None and position != FREE:
                return Spelling(watch.of, position)
        return self._reached(number, self._text(index, data)) if data else None

    def _after_token(self, index: int, token: int) -> int:
        place = self._places[index]
        after = -1 if place is None else self.inner.next_index(place.state, token)
        return self._moved(index, self._data(token), after)

    def bytes_index(self, index: int, data: bytes) -> int:
        """Return the number of the state after bytes, or -1."""
        place = self._places[index]
        return -1 if place is None else self._moved(index, data, self.inner.bytes_index(place.state, data))

    def may_end(self, index: int) -> bool:
        """Return whether the text may end in a state, by its number."""
        place = self._places[index]
        return place is not None and self.inner.may_end(place.state)

    def forced(self, index: int) -> bytes:
        """Return the bytes that the grammar says must come next."""
        return self.inner.forced(self.place(index).state)

    def special_tokens(self, index: int) -> list[int]:
        """Return the tokens without bytes, end tokens apart, that may come in a state, by its number."""
        place = self._places[index]
        return [] if place is None else self.inner.special_tokens(place.state)

    def planned_tokens(self, index: int) -> Sequence[int]:
        """Return the tokens in which the grammar's policy writes forced text."""
        place = self._places[index]
        return () if place is None else self.inner.planned_tokens(place.state)

    def _next_bytes(self, index: int) -> bytes:
        place = self._places[index]
        return b"" if place is None else self.inner._next_bytes(place.state)

    def _expected(self, index: int) -> list[Expected]:
        place = self._places[index]
        return [] if place is None else self.inner._expected(place.state)

    # --- masks ----------------------------------------------------------------------------------------------

    def compute(self, index: int, target: int = 0) -> bool:
        """Work out the mask of a state, as `CompiledGrammar.compute`; monitors are asked before the lock is
        taken, so that texts of the same grammar do not wait for them."""
        for number in range(0 if self._places[index] is None else len(self.monitors)):
            self.advised(index, number)
        return super().compute(index, target)

    def _compute(self, index: int, target: int) -> int:
        if fill(self.address, index, target) == 0:
            return 0
        if index == self._finished:
            return ENDED
        state = self.place(index).state
        plain = self.inner.bits(state)
        self._bits = self._narrowed(index, plain)
        if self._bits is plain:
            parts = self.inner.mask_parts(state)
            if parts is not None:
                self._memoise(index, *parts, target)
                return 0
        tokens = _tokens(self._bits)
        if len(tokens) < self._words:
            self._memoise(index, -1, tokens, target)
            return 0
        return LARGE

    def _narrowed(self, index: int, bits: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Return a mask under the advice of the monitors, one after the other; one that would leave no token
        changes nothing."""
        for number in range(len(self.monitors)):
            narrower = self._under(index, number, bits)
            if narrower.any():
                bits = narrower
        return bits

    def _under(self, index: int, number: int, bits: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Return a mask under the advice of one monitor; the mask itself where it changes nothing."""
        watch = self.advised(index, number)
        if watch is not None:
            allowed = self._masks.dense_row(watch.of.tokens(self.vocabulary, watch.position))
            if watch.of.may_end(watch.position):
                allowed |= self._without_bytes
            bits = bits & allowed
        passing = []
        for beginning, tokens in self._crossings[number]:
            if not (bits[tokens >> 5] >> (tokens & 31) & 1).any():
                continue
            is_free = watch is None or watch.of.read(watch.position, beginning) == FREE
            if is_free and self._reached(number, self._text(index, beginning)):
                passing.append(tokens)
        return bits & ~self._masks.dense_row(np.concatenate(passing)) if passing else bits

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
            bits = self._narrowed(index, mask.array[row, : self._words].copy())
            late = self.completions.too_long(index, _tokens(bits).astype(np.int64), budget - 1)
            kept = bits & ~self._masks.dense_row(late.astype(np.int32))
            mask.array[row, : self._words] = kept if kept.any() else bits

    @property
    def completions(self) -> Completions:
        """The shortest completions of its states."""
        return self._completions

    def anew(self) -> MonitoredText:
        """Return the same for the grammar compiled anew; advice is kept, so that texts come out the same."""
        newer = MonitoredText(self.inner.generation.replace(self.inner), self.monitors, self.behind)
        newer._advice, newer._late = self._advice, self._late
        return newer

    @property
    def sizes(self) -> dict[str, int]:
        """How far the grammar is expanded."""
        return {**super().sizes, "advice": len(self._advice)}

    def __reduce__(self) -> tuple[Any, ...]:
        return MonitoredText, (self.inner, self.monitors, self.behind)


class _GrammarCompletions:
    """The completions of the grammar, behind the rest of a suggestion."""

    def __init__(self, text: MonitoredText) -> None:
        self._text, self._inner = text, text.inner
        chars = (char for one in text.monitors for char in one.trigger_characters)
        self._marks = tuple(map(str.encode, chars))

    def text(self, index: int) -> bytes:
        return self._inner.completions.text(self._text.place(index).state)

    def tokens(self, index: int, enough: int = 0) -> int:
        """Return how many tokens spell the rest of the suggestion that takes the fewest, and complete the
        document behind it; without suggestions, and at the start, those of the grammar alone: the budget of a
        request comes before advice."""
        state = self._text.place(index).state
        fewest = self._inner.cost(state, enough)
        for number in range(0 if index == self._text.start.index else len(self._text.monitors)):
            watch = self._text.advised(index, number)
            rests = [] if watch is None else watch.of.rests(watch.position)
            reached = [(rest, self._inner.bytes_index(state, rest)) for rest in rests]
            costs = [self._count(rest) + self._inner.cost(after) for rest, after in reached if after >= 0]
            if costs:
                return max(fewest, min(costs))
        return fewest

    def known(self, index: int) -> int | None:
        return None

    def sufficient(self, index: int, budget: int) -> int | None:
        state = self._text.place(index).state
        self._inner.compute(state)
        found = self._inner.completions.sufficient(state, budget)
        return None if found is None else found + _LONGEST_SPELLING

    def too_long(self, index: int, tokens: npt.NDArray[np.int64], left: int) -> npt.NDArray[np.int64]:
        """As `Completions`, for tokens behind which the grammar needs no more: only suggestions may."""
        text, found = self._text, []
        is_watched = any(text.place(index).watches)
        for token in tokens.tolist():
            data = text.tokenizer.token_bytes[token]
            if data and (is_watched or data.endswith(self._marks)):
                after = text.next_index(index, token)
                if after >= 0 and text.cost(after) > left:
                    found.append(token)
        return np.array(found, np.int64)

    def _count(self, data: bytes) -> int:
        """Return how many tokens write a text, each the longest that begins the rest; at least as many as
        needed."""
        count = 0
        while data:
            along = tokens_along(self._text.vocabulary, data)
            sizes = [size for size, tokens in enumerate(along, 1) if tokens]
            data, count = data[max(sizes, default=1) :], count + 1
        return count


def _tokens(bits: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the tokens of a row of bits."""
    return np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little")).astype(np.int32)


@lru_cache(maxsize=_KEPT)
def _crossings(tokenizer: Tokenizer, characters: str) -> list[tuple[bytes, npt.NDArray[np.int32]]]:
    """Return the distinct beginnings of tokens that end in one of some characters and have more bytes behind
    it, each with its tokens."""
    found: dict[bytes, list[int]] = {}
    for token, data in enumerate(tokenizer.token_bytes):
        for mark in map(str.encode, dict.fromkeys(characters)):
            at = data.find(mark) if data else -1
            while data and 0 <= at < len(data) - len(mark):
                found.setdefault(data[: at + len(mark)], []).append(token)
                at = data.find(mark, at + 1)
    return [(beginning, np.array(tokens, np.int32)) for beginning, tokens in found.items()]
