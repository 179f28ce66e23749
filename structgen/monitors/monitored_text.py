"""The texts of a grammar under a monitor, as a compiled grammar; several monitors stand one around the other.

A state is the grammar's state, the text, and what of a suggestion is spelled (`Spelling`). So whatever holds
states works with monitors: rollback, forks, batches, draft trees and budgets.

Suggestions are a compiled grammar too: one of them, and behind it any text. Its mask narrows the mask of the
text's grammar, until a suggestion is spelled.

A mask is advice on top of the grammar's mask. A token that the grammar allows and a monitor does not is still
taken, and the monitor then leaves its suggestion. So a monitor that would leave no token of the grammar, or
none within a budget, leaves the mask as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from structgen.compilation.compiler import compile
from structgen.core.compiled import Bits, CompiledGrammar, Listed, State, Tokens
from structgen.core.grammar import Grammar
from structgen.core.narrowed_text import NarrowedText
from structgen.errors import OptionError, StructgenError, within
from structgen.monitors.monitor import Advice, Monitor, MonitorUse, advice_of, name_of
from structgen.store.mask_store import MaskStore
from structgen.system.fork_locks import sharing
from structgen.text_grammars.regular import choice, regex
from structgen.text_grammars.text_grammar import Composed, Operation
from structgen.tokens.token_mask import TokenMask, tokens_of
from structgen.tokens.tokenizer import Tokenizer

_MOST_LATE: Final = 3
"""Late answers in a row after which a monitor is asked no more in these texts: each holds up the batch."""
_LONGEST_SPELLING: Final = 64
"""Tokens that a suggestion takes, at most, for a budget to be known to suffice without looking."""
_KEPT: Final = 64
"""Texts that are remembered; and pairs of a tokenizer and trigger characters of which the tokens that pass a
trigger are kept."""
_ANYTHING: Final = "(?s:.)*"


class Spelling(NamedTuple):
    """A text behind a trigger, inside a suggestion."""

    compiled: CompiledGrammar
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

    `behind`: how many bytes of the texts belong to the prompt, and are not shown to the monitor. Advice is
    kept for each text, so a text that comes again is not analysed again. Cost: some 10 us a token, two masks
    for one under suggestions; at a trigger a call of the monitor, and 10 ms and 1 MB for 60 suggestions.
    """

    def __init__(self, inner: CompiledGrammar, monitor: Monitor, behind: int = 0) -> None:
        super().__init__(inner)
        self.monitor, self.behind = monitor, behind
        with within(f"the boundary of {name_of(monitor)}"):
            boundary = regex(rf"(?:(?:{monitor.boundary}){_ANYTHING})?", flags=re.UNICODE)
        self._boundary = boundary
        """The end of a text that is suggested, or a boundary and any text."""
        self._crossings = _crossings(inner.tokenizer, monitor.trigger_characters)
        silent = np.flatnonzero(self.vocabulary.token_slot < 0)
        self._without_bytes = self._masks.dense_row(silent.astype(np.int32))
        """End tokens and other tokens without bytes, as a row of bits."""
        self._late = 0
        """Late answers in a row."""
        self._advice: dict[bytes, Advice] = {}
        """A text -> the monitor's answer."""
        self._texts = {-1: b""}
        """Of some places the whole text."""
        self._answers: dict[int, tuple[Advice, Spelling | None]] = {}
        """A place -> the monitor's answer, and what of it the grammar takes (None: nothing)."""
        self._begun: dict[Grammar | frozenset[bytes], Spelling] = {}
        """Suggestions -> nothing of them spelled: the same come again behind many texts."""
        self._marks = tuple(map(str.encode, monitor.trigger_characters))
        self._start = self._number(MonitoredPlace(inner.start.index, -1, b"", self._reached(b"")))

    # --- texts and advice -----------------------------------------------------------------------------------

    def _text(self, index: int, more: bytes = b"") -> bytes:
        """Return the text of a place and some more bytes, without those of the prompt. Cost: a step for each
        token since a text that is remembered."""
        at, pieces = index, list[bytes]()
        while at not in self._texts:
            place = self.place(at)
            pieces.append(place.data)
            at = place.before
        text = self._texts[at] + b"".join(reversed(pieces))
        if len(self._texts) > _KEPT:
            self._texts = {-1: b""}
        self._texts[index] = text
        return (text + more)[self.behind :]

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

    def _asked(self, index: int) -> tuple[Advice, Spelling | None]:
        """Return the answer of the monitor at a trigger, and what of it the grammar takes (None: nothing).
        Cost: the first time, a call of the monitor."""
        if index not in self._answers:
            text, found = self._text(index), None
            advice = self._advice.get(text)
            if advice is None and self._late >= _MOST_LATE:
                advice = Advice(fault="late", error="It was late too often and is asked no more.")
            elif advice is None:
                advice = advice_of(self.monitor, text.decode("utf-8", "replace"))
                self._late = self._late + 1 if advice.fault == "late" else 0
            try:
                found = self._taken(index, advice.suggested)
            except StructgenError as error:
                advice = Advice(fault="failed", error=str(error))
            self._advice[text] = advice
            self._answers[index] = advice, found
        return self._answers[index]

    def _taken(self, index: int, suggested: tuple[str, ...] | Grammar) -> Spelling | None:
        """Return what the grammar takes of suggestions, nothing of it spelled. Raises the errors of a grammar
        that cannot be compiled."""
        key: Grammar | frozenset[bytes]
        if isinstance(suggested, Grammar):
            key, texts = suggested, frozenset[bytes]()
        else:
            inner, state = self.unwatched(index)
            written = (text.encode("utf-8", "surrogatepass") for text in suggested)
            key = texts = frozenset(text for text in written if inner.bytes_index(state, text) >= 0)
            if not texts:
                return None
        if key not in self._begun:
            with self.lock, sharing(self.lock):  # another would come before one that may be held here
                own = self.store if texts else MaskStore(memory=self.store.memory)
                compiled = compile(self._with_any_text(key), self.tokenizer, store=own)
            self._begun[key] = Spelling(compiled, texts, compiled.start.index)
        return self._begun[key]

    def _with_any_text(self, suggested: frozenset[bytes] | Grammar) -> Grammar:
        """Return the grammar of suggestions with any text behind them, behind texts after a boundary."""
        if isinstance(suggested, Grammar):
            return suggested + regex(_ANYTHING)
        texts = choice(one.decode("utf-8", "surrogatepass") for one in sorted(suggested))
        # in two parts, so that the second is read once in a process
        return Composed(Operation.SEQUENCE, (texts, self._boundary))

    def unwatched(self, index: int) -> tuple[CompiledGrammar, int]:
        """Return the grammar under no monitor, and its state, by its number."""
        inner, state = self.inner, self.place(index).state
        return inner.unwatched(state) if isinstance(inner, MonitoredText) else (inner, state)

    def advised(self, index: int) -> Spelling | None:
        """Return what may follow by the monitor in a state; None: anything."""
        watch = self.place(index).watch
        return self._asked(index)[1] if watch == "trigger" else watch

    def uses(self, states: Sequence[int], tokens: Sequence[int]) -> tuple[MonitorUse, ...]:
        """Return what each monitor did for a text, by its states and the tokens that were taken in them."""
        counts, error = dict.fromkeys(("triggers", "suggested", "yielded", "late", "failed"), 0), ""
        places = [(index, self.place(index), token) for index, token in zip(states, tokens, strict=False)]
        for index, place, token in places:
            spelling = self.advised(index)
            if place.watch == "trigger":
                advice, _ = self._asked(index)
                counts["triggers"] += 1
                counts["suggested"] += spelling is not None
                counts[advice.fault or "failed"] += advice.fault != ""
                error = advice.error or error
            if spelling is not None:
                counts["yielded"] += spelling.after(self._data(token)) is None
        use = MonitorUse(name_of(self.monitor), **counts, error=error)
        if isinstance(self.inner, MonitoredText):
            return *self.inner.uses([place.state for _, place, _ in places], tokens), use
        return (use,)

    # --- the machine ----------------------------------------------------------------------------------------

    def _data(self, token: int) -> bytes:
        return self.tokenizer.token_bytes[token] or b""

    def _moved(self, index: int, data: bytes, state: int) -> int:
        """Return the place after bytes that lead the grammar to a state, by its number; below 0, -1."""
        if state < 0:
            return -1
        spelling = self.advised(index) if data else None
        after = None if spelling is None else spelling.after(data)
        if not data or (after is not None and not after.is_over()):
            return self._number(MonitoredPlace(state, index, data, after))
        return self._number(MonitoredPlace(state, index, data, self._reached(self._text(index, data))))

    def _after_token(self, index: int, token: int) -> int:
        place = self._places[index]
        after = -1 if place is None else self.inner.next_index(place.state, token)
        return self._moved(index, self._data(token), after)

    def bytes_index(self, index: int, data: bytes) -> int:
        """Return the number of the state after bytes, or -1."""
        place = self._places[index]
        return -1 if place is None else self._moved(index, data, self.inner.bytes_index(place.state, data))

    # --- masks ----------------------------------------------------------------------------------------------

    def compute(self, index: int, target: int = 0) -> bool:
        """Work out the mask of a state, as `CompiledGrammar.compute`; monitors are asked before the lock is
        taken, so that texts of the same grammar do not wait for them."""
        place = self._places[index]
        if place is not None:
            self.inner.compute(place.state)
            self.advised(index)
        return super().compute(index, target)

    def _narrowed(self, index: int, bits: Bits) -> Bits:
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
                    narrower = narrower & ~self._masks.dense_row(tokens)
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
            bits = self._narrowed(index, mask.array[row, : self._words].copy())
            late = self.completions.too_long(index, tokens_of(bits), budget - 1)
            kept = bits & ~self._masks.dense_row(late.astype(np.int32))
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
        """As `Completions`."""
        found = super().sufficient(index)
        return None if found is None else found + _LONGEST_SPELLING

    def too_long(self, index: int, tokens: Tokens, left: int) -> Tokens:
        """As `Completions`, for tokens behind which the grammar needs no more: only suggestions may."""
        is_watched, found = self.place(index).watch is not None, []
        for token in tokens.tolist():
            data = self._data(token)
            if data and (is_watched or data.endswith(self._marks)):
                after = self.next_index(index, token)
                if after >= 0 and self.cost(after) > left:
                    found.append(token)
        return np.array(found, np.int64)

    def anew(self) -> MonitoredText:
        """Return the same for the grammar compiled anew; advice is kept, so that texts come out the same."""
        newer = MonitoredText(self.inner.generation.replace(self.inner), self.monitor, self.behind)
        newer._advice, newer._late = self._advice, self._late
        return newer

    @property
    def nbytes(self) -> int:
        """Bytes of its own tables, of its places, and of suggestions."""
        return super().nbytes + sum(one.compiled.nbytes for one in self._begun.values())

    @property
    def sizes(self) -> dict[str, int]:
        """How far the grammar is expanded."""
        return {**super().sizes, "advice": len(self._advice)}

    def __reduce__(self) -> tuple[Any, ...]:
        return MonitoredText, (self.inner, self.monitor, self.behind)


@lru_cache(maxsize=_KEPT)
def _crossings(tokenizer: Tokenizer, characters: str) -> list[tuple[bytes, Listed]]:
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


def under_monitors(inner: CompiledGrammar, monitors: Sequence[Monitor], behind: int = 0) -> CompiledGrammar:
    """Return a compiled grammar under monitors: each narrows the masks that those before it leave. `behind`:
    as of `MonitoredText`."""
    for monitor in monitors:
        inner = MonitoredText(inner, monitor, behind)
    return inner
