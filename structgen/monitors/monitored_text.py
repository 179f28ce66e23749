"""The texts of a grammar under monitors, as a compiled grammar.

A state is the grammar's state, the text, and for each monitor what it has been told and has spelled since
(`MonitorWatch`). So whatever holds states works with monitors: rollback, forks, batches, draft trees and
budgets.

A mask is advice on top of the grammar's mask. A token that the grammar allows and a monitor does not is still
taken, and the monitor then leaves its suggestion. So a monitor that would leave no token of the grammar, or
none within a budget, leaves the mask as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, NamedTuple

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
from structgen.monitors.analysis import Advice, analyst_of
from structgen.monitors.monitor import Monitor, MonitorUse, boundary_of, name_of
from structgen.monitors.suggestions import (
    GrammarSuggestions,
    Position,
    Suggestions,
    TextSuggestions,
    read,
    tokens_of,
)
from structgen.tokens.token_mask import TokenMask
from structgen.tokens.token_prefixes import tokens_along
from structgen.tokens.tokenizer import Tokenizer

_MOST_LATE: Final = 3
"""Late answers in a row after which a monitor is asked no more in these texts: each holds up the batch."""
_LONGEST_SPELLING: Final = 64
"""Tokens that a suggestion takes, at most, for a budget to be known to suffice without looking."""
_KEPT: Final = 16
"""Pairs of a tokenizer and trigger characters of which the tokens that pass a trigger are kept."""


class MonitorWatch(NamedTuple):
    """A monitor between a trigger and the end of a suggestion."""

    state: int
    """The grammar's state at the trigger."""
    written: int
    """The text at the trigger, by its number."""
    position: Position | None
    """What is spelled; None: nothing yet, and the monitor may not have been asked yet."""


class MonitoredPlace(NamedTuple):
    """A state of the text under monitors."""

    state: int
    """The state of the grammar."""
    written: int
    """The text so far, by its number."""
    watches: tuple[MonitorWatch | None, ...]
    """For each monitor: None where anything may follow."""


class MonitoredText(NarrowedText[MonitoredPlace]):
    """A compiled grammar under monitors (see the module).

    `behind`: how many bytes of the texts belong to the prompt, and are not shown to monitors. Advice is kept
    for each place and text, so a text that comes again is not analysed again. Cost: some 10 us a token, a
    walk through the vocabulary for each mask under suggestions, and at each trigger a call of the monitor.
    """

    def __init__(self, inner: CompiledGrammar, monitors: Sequence[Monitor], behind: int = 0) -> None:
        super().__init__(inner)
        self.monitors, self.behind = tuple(monitors), behind
        self._boundaries = [boundary_of(one) for one in self.monitors]
        self._crossings = [_crossings(inner.tokenizer, one.trigger_characters) for one in self.monitors]
        silent = np.flatnonzero(self.vocabulary.token_slot < 0).astype(np.int32)
        self._without_bytes: npt.NDArray[np.int32] = self._masks.dense_row(
            np.concatenate([silent, self._end_ids])
        )
        """End tokens and other tokens without bytes, as a row of bits."""
        self._late = [0] * len(self.monitors)
        """Late answers in a row."""
        self._advice: dict[tuple[int, bytes], Advice] = {}
        """A monitor and the digest of a text -> its answer."""
        self._suggestions: dict[tuple[int, int, int], Suggestions | None] = {}
        """A monitor, a state of the grammar and a text -> what may follow; None: anything."""
        self._texts: list[tuple[int, bytes]] = [(-1, b"")]
        """Of each text the number of the text before its last token, and the bytes of that token."""
        self._text_numbers: dict[tuple[int, bytes], int] = {}
        self._completions = _GrammarCompletions(self)
        start = MonitoredPlace(inner.start.index, 0, (None,) * len(self.monitors))
        self._start = self._number(self._triggered(start))

    # --- texts and places -----------------------------------------------------------------------------------

    def _longer(self, written: int, data: bytes) -> int:
        """Return the number of a text with more bytes."""
        if not data:
            return written
        with self.lock:
            found = self._text_numbers.setdefault((written, data), len(self._texts))
            if found == len(self._texts):
                self._texts.append((written, data))
            return found

    def _text(self, written: int) -> bytes:
        """Return a text by its number, without the bytes of the prompt. Cost: linear in its tokens."""
        pieces = []
        while written > 0:
            written, data = self._texts[written]
            pieces.append(data)
        return b"".join(reversed(pieces))[self.behind :]

    def _is_trigger(self, number: int, text: bytes) -> bool:
        try:
            return bool(self.monitors[number].trigger(text.decode("utf-8", "replace")))
        except Exception as error:  # any error of a monitor becomes one of this text
            raise OptionError(
                f"trigger of {name_of(self.monitors[number])} failed: {type(error).__name__}: {error}",
                where="monitors",
                cure="Mend the monitor: trigger(text) returns True or False.",
            ) from error

    def _triggered(self, place: MonitoredPlace) -> MonitoredPlace:
        """Return a place with a watch of each free monitor whose trigger the text has reached."""
        if all(place.watches) and place.watches:
            return place
        text = self._text(place.written)
        fresh = MonitorWatch(place.state, place.written, None)
        return place._replace(
            watches=tuple(
                watch or (fresh if self._is_trigger(number, text) else None)
                for number, watch in enumerate(place.watches)
            )
        )

    def _moved(self, place: MonitoredPlace, data: bytes, state: int) -> MonitoredPlace:
        """Return the place after bytes that lead the grammar to a state."""
        watches = tuple(
            None if watch is None else self._watched(number, watch, data)
            for number, watch in enumerate(place.watches)
        )
        after = MonitoredPlace(state, self._longer(place.written, data), watches)
        return self._triggered(after) if data else after

    def _watched(self, number: int, watch: MonitorWatch, data: bytes) -> MonitorWatch | None:
        """Return a watch after the bytes of a token; None where the suggestion ends in them or is left."""
        suggestions = self.suggested(number, watch)
        if suggestions is None or not data:
            return None
        position, _ = read(suggestions, self._position(suggestions, watch), data)
        return None if position is None else watch._replace(position=position)

    # --- advice ---------------------------------------------------------------------------------------------

    def suggested(self, number: int, watch: MonitorWatch) -> Suggestions | None:
        """Return what may follow at the trigger of a watch; None: anything. Cost: the first time, a call of
        the monitor."""
        key = number, watch.state, watch.written
        if key not in self._suggestions:
            advice = self._asked(number, self._text(watch.written))
            self._suggestions[key] = self._taken(number, watch.state, advice)
        return self._suggestions[key]

    def _position(self, suggestions: Suggestions, watch: MonitorWatch) -> Position:
        return suggestions.start if watch.position is None else watch.position

    def _asked(self, number: int, text: bytes) -> Advice:
        key = number, blake2b(text, digest_size=16).digest()
        found = self._advice.get(key)
        if found is None:
            if self._late[number] >= _MOST_LATE:
                found = Advice(fault="late", error="It was late too often and is asked no more.")
            else:
                found = analyst_of(self.monitors[number]).advice(text.decode("utf-8", "replace"))
                self._late[number] = self._late[number] + 1 if found.fault == "late" else 0
            self._advice[key] = found
        return found

    def _taken(self, number: int, state: int, advice: Advice) -> Suggestions | None:
        """Return the suggestions that the grammar takes; None where there are none."""
        if isinstance(advice.suggested, Grammar):
            return GrammarSuggestions(compile(advice.suggested, self.tokenizer))
        texts = (text.encode("utf-8", "surrogatepass") for text in advice.suggested)
        taken = [text for text in texts if self.inner.bytes_index(state, text) >= 0]
        return TextSuggestions(taken, self._boundaries[number]) if taken else None

    def uses(self, matcher: Matcher) -> tuple[MonitorUse, ...]:
        """Return what each monitor did for the text of a matcher of this grammar."""
        found = [MonitorUse(name_of(one)) for one in self.monitors]
        places = [self._places[index] for index in matcher.state_indices]
        for at, place in enumerate(places[:-1]):
            token = matcher.tokens[at]
            data = self.tokenizer.token_bytes[token] or b""
            for number, watch in enumerate(() if place is None else place.watches):
                if watch is None:
                    continue
                suggestions = self.suggested(number, watch)
                use = found[number]
                if watch.position is None:
                    advice = self._asked(number, self._text(watch.written))
                    use = replace(
                        use,
                        triggers=use.triggers + 1,
                        suggested=use.suggested + (suggestions is not None),
                        late=use.late + (advice.fault == "late"),
                        failed=use.failed + (advice.fault == "failed"),
                        error=advice.error or use.error,
                    )
                if suggestions is not None:
                    position = self._position(suggestions, watch)
                    has_left = (
                        read(suggestions, position, data)[1] < 0
                        if data
                        else not suggestions.is_whole(position)
                    )
                    use = replace(use, yielded=use.yielded + has_left)
                found[number] = use
        return tuple(found)

    # --- the machine ----------------------------------------------------------------------------------------

    def _after_token(self, index: int, token: int) -> int:
        place = self._places[index]
        after = -1 if place is None else self.inner.next_index(place.state, token)
        if place is None or after < 0:
            return -1
        return self._number(self._moved(place, self.tokenizer.token_bytes[token] or b"", after))

    def bytes_index(self, index: int, data: bytes) -> int:
        """Return the number of the state after bytes, or -1."""
        place = self._places[index]
        after = -1 if place is None else self.inner.bytes_index(place.state, data)
        return -1 if place is None or after < 0 else self._number(self._moved(place, data, after))

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

    def compute(self, index: int, target: int = 0) -> bool:
        """Work out the mask of a state, as `CompiledGrammar.compute`; monitors are asked before the lock is
        taken, so that texts of the same grammar do not wait for them."""
        place = self._places[index]
        for number, watch in enumerate(() if place is None else place.watches):
            if watch is not None:
                self.suggested(number, watch)
        return super().compute(index, target)

    def _compute(self, index: int, target: int) -> int:
        if fill(self.address, index, target) == 0:
            return 0
        if index == self._finished:
            return ENDED
        place = self.place(index)
        plain = self.inner.bits(place.state)
        self._bits = self._narrowed(place, plain)
        if self._bits is plain:
            parts = self.inner.mask_parts(place.state)
            if parts is not None:
                self._memoise(index, *parts, target)
                return 0
        tokens = np.flatnonzero(np.unpackbits(self._bits.view(np.uint8), bitorder="little"))
        if len(tokens) < self._words:
            self._memoise(index, -1, tokens.astype(np.int32), target)
            return 0
        return LARGE

    def _narrowed(self, place: MonitoredPlace, bits: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Return a mask under the advice of the monitors, one after the other; one that would leave no token
        changes nothing."""
        for number, watch in enumerate(place.watches):
            narrower = self._under(number, watch, place, bits)
            if narrower.any():
                bits = narrower
        return bits

    def _under(
        self, number: int, watch: MonitorWatch | None, place: MonitoredPlace, bits: npt.NDArray[np.int32]
    ) -> npt.NDArray[np.int32]:
        """Return a mask under the advice of one monitor; the mask itself where it changes nothing."""
        suggestions = None if watch is None else self.suggested(number, watch)
        position: Position | None = None
        if watch is not None and suggestions is not None:
            position = self._position(suggestions, watch)
            allowed = self._masks.dense_row(tokens_of(self.vocabulary, suggestions, position))
            whole = suggestions.is_whole(position)
            bits = bits & (allowed | self._without_bytes if whole else allowed & ~self._without_bytes)
        passing = []
        for beginning, tokens in self._crossings[number]:
            if not (bits[tokens >> 5] >> (tokens & 31) & 1).any():
                continue
            if suggestions is not None and position is not None:
                first_free = read(suggestions, position, beginning)[1]
                if not 0 < first_free <= len(beginning):
                    continue
            if self._is_trigger(number, self._text(place.written) + beginning):
                passing.append(tokens)
        if passing:
            bits = bits & ~self._masks.dense_row(np.concatenate(passing))
        return bits

    def fill_within(self, index: int, mask: TokenMask, row: int, budget: int) -> None:
        """Write the mask of the tokens after which the document can still be completed within the budget; a
        monitor that would leave none changes nothing."""
        self.check_mask(mask)
        if self.budget_suffices(index, budget):
            self.fill_index(index, mask, row)
            return
        place = self.place(index)
        self.inner.fill_within(place.state, mask, row, budget)
        with self.lock:
            bits = self._narrowed(place, mask.array[row, : self._words].copy())
            late = bits & ~self._masks.dense_row(self._late_tokens(place, bits, budget - 1))
            mask.array[row, : self._words] = late if late.any() else bits

    def _late_tokens(
        self, place: MonitoredPlace, bits: npt.NDArray[np.int32], left: int
    ) -> npt.NDArray[np.int32]:
        """Return the tokens of a mask after which a suggestion cannot be spelled, and the document completed,
        within so many tokens."""
        marks = tuple(char.encode() for one in self.monitors for char in one.trigger_characters)
        found = []
        for token in np.flatnonzero(np.unpackbits(bits.view(np.uint8), bitorder="little")).tolist():
            data = self.tokenizer.token_bytes[token] if token < self.vocab_size else None
            if not data or not (any(place.watches) or data.endswith(marks)):
                continue
            after = self.inner.next_index(place.state, token)
            if after >= 0 and self.least(self._moved(place, data, after)) > left:
                found.append(token)
        return np.array(found, np.int32)

    def least(self, place: MonitoredPlace) -> int:
        """Return how many tokens spell the rest of the suggestion that takes the fewest, and complete the
        document behind it; without suggestions those of the grammar alone."""
        fewest = self.inner.cost(place.state)
        for number, watch in enumerate(place.watches):
            suggestions = None if watch is None else self.suggested(number, watch)
            if watch is None or suggestions is None:
                continue
            costs = []
            for rest in suggestions.rests(self._position(suggestions, watch)):
                after = self.inner.bytes_index(place.state, rest)
                if after >= 0:
                    costs.append(self._count(rest) + self.inner.cost(after))
            if costs:
                return max(fewest, min(costs))
        return fewest

    def _count(self, data: bytes) -> int:
        """Return how many tokens write a text, each the longest that begins the rest; at least as many as
        needed."""
        count = 0
        while data:
            along = [size for size, tokens in enumerate(tokens_along(self.vocabulary, data), 1) if tokens]
            data, count = data[along[-1] if along else 1 :], count + 1
        return count

    def _next_bytes(self, index: int) -> bytes:
        place = self._places[index]
        return b"" if place is None else self.inner._next_bytes(place.state)

    def _expected(self, index: int) -> list[Expected]:
        place = self._places[index]
        return [] if place is None else self.inner._expected(place.state)

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
        self._text = text

    def text(self, index: int) -> bytes:
        return self._text.inner.completions.text(self._text.place(index).state)

    def tokens(self, index: int, enough: int = 0) -> int:
        place = self._text.place(index)
        if index == self._text.start.index:
            return self._text.inner.cost(place.state, enough)  # the budget of a request comes before advice
        return self._text.least(place)

    def known(self, index: int) -> int | None:
        return None

    def sufficient(self, index: int, budget: int) -> int | None:
        inner, state = self._text.inner, self._text.place(index).state
        inner.compute(state)
        found = inner.completions.sufficient(state, budget)
        return None if found is None else found + _LONGEST_SPELLING

    def too_long(self, index: int, tokens: npt.NDArray[np.int64], left: int) -> npt.NDArray[np.int64]:
        return self._text.inner.completions.too_long(self._text.place(index).state, tokens, left)


@lru_cache(maxsize=_KEPT)
def _crossings(tokenizer: Tokenizer, characters: str) -> list[tuple[bytes, npt.NDArray[np.int32]]]:
    """Return the distinct beginnings of tokens that end in one of some characters and have more bytes behind
    it, each with its tokens."""
    found: dict[bytes, list[int]] = {}
    marks = [char.encode() for char in dict.fromkeys(characters)]
    for token, data in enumerate(tokenizer.token_bytes):
        for mark in marks if data is not None else ():
            assert data is not None
            at = data.find(mark)
            while 0 <= at < len(data) - len(mark):
                found.setdefault(data[: at + len(mark)], []).append(token)
                at = data.find(mark, at + 1)
    return [(beginning, np.array(tokens, np.int32)) for beginning, tokens in found.items()]
