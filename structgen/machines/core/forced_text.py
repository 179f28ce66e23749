"""`with_forced_text` returns a grammar with the same texts, whose masks choose the tokens of forced text.

- *Forced* text is text that must come next, e.g. `"name": ` after `{` where the schema has one order of keys.
- A *plan* is the tokens in which forced text is to be written: the tokenizer's own tokens for it.
- A *place* is a state of the grammar, with the border bytes written so far, and a plan (`ForcedState`).
- The *rest* at a place is the bytes of the border that are not written yet.

Matchers, batches, drafts and budgets use the result as any other compiled grammar. It has three options:

    border      `border`, the last bytes of a prompt, are written again before the text. The last token
                that writes them may go on with the text.
    beginning   `prefix`, with which the prompt ends, is the beginning of the text. The tokens go on after
                it.
    canonical   Where the next bytes are forced, the tokenizer's own rules split them once. A mask then has
                the next of these tokens, and the tokens that write all forced bytes and go on after them.

The masks are only a *policy*. A token that the grammar allows and the mask does not is still taken, and leads
to the state after its bytes. So a budget of tokens can be kept: where the policy needs too many tokens,
`fill_within` allows the tokens of the grammar. For the same reason `tokens_to_finish` is that of the grammar.
"""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from structgen.base.errors import OptionError
from structgen.base.language.expectation import Expected
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.machines.core.compiled import Bits, CompiledGrammar, Completions, Tokens, first_fault
from structgen.machines.core.narrowed_text import READING, TABLES, NarrowedText
from structgen.machines.machine_core.layout import ENDED, LARGE
from structgen.tokens.token_mask import TokenMask
from structgen.tokens.token_prefixes import first_crossing, tokens_along, tokens_behind
from structgen.tokens.tokenizer import Tokenizer


class ForcedState(NamedTuple):
    """A place: a state of the policy."""

    border_written: int
    """The number of bytes of the border that are written."""
    state: int
    """The state of the grammar."""
    plan: tuple[int, ...] | None
    """The plan for the text that is forced here. (): there is none, and the mask is the grammar's. None: the
    plan is not worked out yet."""


class ForcedText(NarrowedText[ForcedState]):
    """A compiled grammar with a policy for the tokens of forced text (see the module).

    Cost: about 30 us a token; a call of the tokenizer for each forced stretch, once.
    """

    def __init__(self, inner: CompiledGrammar, *, canonical: bool, border: bytes, prefix: bytes) -> None:
        super().__init__(inner)
        self.is_canonical = canonical
        self.border = border
        self.prefix = prefix
        self._no_plan = None if canonical else ()
        """The plan of a place that is not reached by a plan. None: to be worked out. (): never any."""
        self._border_tokens: dict[int, dict[int, ForcedState]] = {}
        """The number of border bytes that are written -> the answer of `border_tokens`."""
        self._token_costs: dict[int, int] = {}
        """The number of border bytes that are written -> the answer of `least_tokens`."""
        # At the start after a beginning the plan is looked for even without `canonical`.
        plan = None if prefix and self.tokenizer.has_encoder else self._no_plan
        self._start = self._number_of(ForcedState(0, start_after_prefix(inner, prefix), plan))

    # --- places ---------------------------------------------------------------------------------------------

    def rest_at(self, place: ForcedState) -> bytes:
        """Return the bytes of the border that are still to be written."""
        return self.border[place.border_written :]

    def _read_bytes(self, place: ForcedState, data: bytes) -> ForcedState | None:
        """Return the place after bytes; None where they are refused."""
        rest = self.rest_at(place)
        size = min(len(rest), len(data))
        if data[:size] != rest[:size]:
            return None
        after = place.state
        if len(data) > size:
            # The border is written whole, and the bytes go on with the grammar's text.
            after = self.inner.bytes_index(place.state, data[size:])
        return None if after < 0 else ForcedState(place.border_written + size, after, self._no_plan)

    def _step_byte(self, place: ForcedState, byte: int) -> ForcedState | None:
        """Return the place after one byte; None where it is refused."""
        return self._read_bytes(place, bytes((byte,)))

    def _after_token_text(self, place: ForcedState, token: int) -> ForcedState | None:
        """Return the place after a token that is not an end token; None where the grammar refuses it."""
        if self.rest_at(place):
            return self.border_tokens(place).get(token)
        after = self.inner.next_index(place.state, token)
        return None if after < 0 else place._replace(state=after, plan=self._no_plan)

    def least_tokens(self, place: ForcedState) -> int:
        """Return how many tokens complete the text from a place; -1: no tokens write the rest of the border.

        Only tokens along the shortest text are counted, unless none of them may come.
        """
        rest = self.rest_at(place)
        if not rest:
            return self.inner.cost(place.state)
        count = self._token_costs.get(place.border_written)
        if count is None:
            place_of_token = self.border_tokens(place)
            # The tokens along the shortest text are tried first. Tokens of the same bytes lead to one place,
            # so the first of them stands for all. Only where none may come, all border tokens are tried.
            shortest_text = rest + self.inner.completions.text(place.state)
            first_tokens = [tokens[0] for tokens in tokens_along(self.vocabulary, shortest_text) if tokens]
            likely_tokens = [token for token in first_tokens if token in place_of_token]
            places_after = {place_of_token[token] for token in likely_tokens or place_of_token}
            costs_by_place = (1 + self.least_tokens(place_after) for place_after in places_after)
            count = self._token_costs[place.border_written] = min(costs_by_place, default=-1)
        return count

    def border_tokens(self, place: ForcedState) -> dict[int, ForcedState]:
        """Return the tokens that may come while the border has a rest, each with the place after it."""
        place_of_token = self._border_tokens.get(place.border_written)
        if place_of_token is None:
            rest = self.rest_at(place)
            place_of_token = {}
            # Tokens that write a part of the border; not those after which no token writes the rest.
            for size, tokens in enumerate(tokens_along(self.vocabulary, rest), place.border_written + 1):
                after = place._replace(border_written=size, plan=self._no_plan)
                if tokens and (size == len(self.border) or self.border_tokens(after)):
                    place_of_token |= dict.fromkeys(tokens, after)
            # tokens that write the rest of the border, and go on with the grammar's text
            begin = place._replace(border_written=len(self.border), plan=self._no_plan)
            for tokens, state_after in tokens_behind(self.vocabulary, rest, begin, self._step_byte):
                end = self.inner.token_end(state_after.state)
                if end >= 0:
                    place_of_token |= dict.fromkeys(tokens, state_after._replace(state=end))
            self._border_tokens[place.border_written] = place_of_token
        return place_of_token

    # --- the machine ----------------------------------------------------------------------------------------

    def planned_tokens(self, index: int) -> tuple[int, ...]:
        """Return the plan in a state, by its number; empty: there is none.

        Cost: a call of the tokenizer, the first time at the beginning of a forced stretch.
        """
        place = self._places[index]
        if place is None:
            return ()
        return self._plan_tokens(place) if place.plan is None else place.plan

    @remember_answers
    def _plan_tokens(self, place: ForcedState) -> tuple[int, ...]:
        """Return the tokenizer's own tokens for the text that is forced at a place.

        Empty where the forced bytes are not whole characters, or where the grammar refuses one of the tokens.
        """
        data = self.rest_at(place) + self.inner.forced(place.state)
        whole = data.decode("utf-8", "ignore").encode()  # without a character that is cut off at the end
        if not whole or not data.startswith(whole):
            return ()  # nothing is forced, or bytes before its end are not UTF-8
        tokens = self.tokenizer.canonical(whole)
        if tokens is None:
            return ()
        # The tokenizer does not know the grammar: each of its tokens is tried.
        after: ForcedState | None = place
        for token in tokens:
            after = None if after is None else self._after_token_text(after, token)
        return () if after is None else tuple(tokens)

    def _after_token(self, index: int, token: int) -> int:
        """Return the number of the state after a token; -1: it is refused. A plan is carried on."""
        place = self._places[index]
        after = None if place is None else self._after_token_text(place, token)
        if after is None:
            return -1
        plan = self.planned_tokens(index)
        if len(plan) > 1 and token == plan[0]:
            # The rest of the plan is carried along, so the tokenizer is asked once for the whole stretch.
            after = after._replace(plan=plan[1:])
        return self._number_of(after)

    def bytes_index(self, index: int, data: bytes) -> int:
        """Return the number of the state after bytes, or -1."""
        place = self._places[index]
        after = None if place is None else self._read_bytes(place, data)
        return -1 if after is None else self._number_of(after)

    def _is_narrower(self, index: int) -> bool:
        """Return whether a plan or a rest of the border narrows the mask of a state."""
        return bool(self.planned_tokens(index) or self.rest_at(self.place(index)))

    def _narrow_mask(self, index: int, bits: Bits) -> Bits:
        """Return the mask of a state. `bits`: the inner grammar's mask."""
        place = self.place(index)
        plan = self.planned_tokens(index)
        if self.rest_at(place):
            bits = self._masks.dense_row(np.fromiter(self.border_tokens(place), np.int32))
        # All tokens that write the forced text, or a beginning of it, are refused, but the first of the plan.
        # Tokens that go on after the forced text stay: `tokens_along` does not have them. An empty plan
        # refuses nothing.
        along = tokens_along(self.vocabulary, self.tokenizer.decode(plan))
        refused = [token for tokens in along for token in tokens if token != plan[0]]
        return bits & ~self._masks.dense_row(np.array(refused, np.int32))

    def fill_within(self, index: int, mask: TokenMask, row: int, budget: int) -> None:
        """Write the mask of the tokens after which the document can still be completed within the budget;
        where the policy has none, the tokens of the grammar. The parameters are those of
        `CompiledGrammar.fill_within`."""
        super().fill_within(index, mask, row, budget)
        place = self.place(index)
        if place.plan != () and not mask.array[row].any():
            without_plan = place._replace(plan=())
            super().fill_within(self._number_of(without_plan), mask, row, budget)

    def _list_expected(self, index: int) -> list[Expected]:
        """Return what may come next in words: the rest of the border, or as the inner grammar."""
        place = self._places[index]
        if place is not None and (rest := self.rest_at(place)):
            return [Expected(f"the end of the prompt, {rest.decode('utf-8', 'replace')!r}", (), rest[:1])]
        return super()._list_expected(index)

    def tokens(self, index: int, enough: int = 0) -> int:
        """Return how many tokens complete the text, with the rest of the border."""
        return self.least_tokens(self.place(index))

    def too_long(self, index: int, tokens: Tokens, budget: int) -> Tokens:
        """Return those of some allowed tokens after which the text needs more than `budget` tokens."""
        place = self.place(index)
        if not self.rest_at(place):
            return self.inner.completions.too_long(place.state, tokens, budget)
        place_of_token = self.border_tokens(place)
        is_too_long = [self.least_tokens(place_of_token[token]) > budget for token in tokens.tolist()]
        return tokens[np.array(is_too_long, np.bool_)]

    def anew(self) -> ForcedText:
        """Return the same policy for the inner grammar compiled anew."""
        inner = self.inner.generation.replace(self.inner)
        return ForcedText(inner, canonical=self.is_canonical, border=self.border, prefix=self.prefix)

    def __reduce__(self) -> tuple[Any, ...]:
        factory = partial(
            with_forced_text, canonical=self.is_canonical, border=self.border, prefix=self.prefix
        )
        return factory, (self.inner,)


_POLICIES: Final[WeakValueDictionary[tuple[int, bool, bytes, bytes], ForcedText]] = WeakValueDictionary()
"""The id of a grammar, and the options -> the policy. A policy holds its grammar, so the id stays its own.
The grammar does not hold its policies: a cycle would be freed only when garbage is collected."""


class AnyText(CompiledGrammar, Completions):
    """A compiled grammar that allows all sequences of tokens: the inner grammar of a border before free text.

    It has one state before an end token: its start.
    """

    table_plan = TABLES

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(None, tokenizer, Limits())
        self._put_state(READING)

    def _after_token(self, index: int, token: int) -> int:
        """Return the number of the state after a token: the start again; -1 after an end token."""
        return self.bytes_index(index, b"")

    def bytes_index(self, index: int, data: bytes) -> int:
        """Return the number of the state after bytes, or -1."""
        return index if self.may_end(index) else -1

    def may_end(self, index: int) -> bool:
        """Return whether the text may end in a state, by its number."""
        return index == self._start

    def _compute_mask(self, index: int, target: int) -> int:
        """Return the code by which the caller takes `_large_row`; ENDED after an end token."""
        return LARGE if self.may_end(index) else ENDED

    def _large_row(self) -> Bits:
        """Return the mask of the start, as a row of bits: every token."""
        return self._masks.dense_row(np.arange(self.vocab_size, dtype=np.int32))

    def _list_expected(self, index: int) -> list[Expected]:
        """Return what may come next in words: any text."""
        return [Expected("any text")]

    @property
    def completions(self) -> Completions:
        """The shortest completions of its states: all are empty."""
        return self

    def anew(self) -> AnyText:
        """Return a new grammar for the same tokenizer."""
        return AnyText(self.tokenizer)

    def __reduce__(self) -> tuple[Any, ...]:
        return AnyText, (self.tokenizer,)


def with_forced_text(
    compiled: CompiledGrammar, *, canonical: bool = False, border: bytes = b"", prefix: bytes = b""
) -> CompiledGrammar:
    """Return a compiled grammar with a policy for its tokens (see the module); without options, the grammar.

    `canonical`: forced text is written in the tokenizer's own tokens. `border`: the last bytes of a prompt,
    to be written again (`prompt_border`). `prefix`: the beginning of the text, which the prompt holds. While
    somebody holds the result, the same object is returned for the same arguments.

    Raises OptionError where no text begins with `prefix`, and if `canonical` and the tokenizer does not know
    how its model's texts were split. Raises TokenizerError if the library that splits them is not installed.
    """
    if not canonical and not border and not prefix:
        return compiled
    tokenizer = compiled.tokenizer
    if canonical and not tokenizer.has_encoder:
        raise OptionError(
            "The tokenizer was made from the bytes of its tokens, so the canonical tokens of a "
            "text are not known.",
            where="canonical",
            cure="Make it from the model's own files (sg.Tokenizer.from_huggingface), or remove canonical.",
        )
    if canonical:
        tokenizer.canonical(b"a")  # raises here, and not in the midst of a text
    with compiled.lock:
        key = id(compiled), canonical, border, prefix
        policy = _POLICIES.get(key)
        if policy is None:
            policy = ForcedText(compiled, canonical=canonical, border=border, prefix=prefix)
            _POLICIES[key] = policy
        return policy


def start_after_prefix(
    compiled: CompiledGrammar, prefix: bytes, where: str = "begun", prompt_end: str = ""
) -> int:
    """Return the number of the state after the beginning `prefix` of a text. Cost: linear in the beginning.

    `where`: the name of the option, for an error. `prompt_end`: the part of the beginning that is in the
    prompt; an error counts bytes after it. For example, `start_after_prefix(compiled, b"[1,")` is the state
    in which the second item of an array begins. Raises OptionError where no text begins with `prefix`.
    """
    state, size = compiled.live_part(prefix)
    if size < len(prefix):
        answer_prefix = prefix.decode("utf-8", "surrogateescape").removeprefix(prompt_end)
        fault = first_fault(compiled, answer_prefix, prompt_end)
        raise OptionError(
            f"No document begins with this text: {fault}.",
            where=where,
            cure="Correct it, or begin the answer anew.",
        )
    return compiled.index_of(state)


def prompt_border(compiled: CompiledGrammar, prompt: Sequence[int], prefix: bytes = b"") -> int:
    """Return how many tokens at the end of a prompt are to be written again: the border.

    They are written again because some token of the vocabulary begins in them and reaches into the text. For
    example, a prompt ends with the token `ab`, the text begins with "c", and there is a token `bc`: 1.
    `prefix`: the beginning of the text that the prompt ends with. Special tokens and the first token of the
    prompt are never counted. Cost: some microseconds for each byte of the longest token.
    """
    vocabulary = compiled.vocabulary
    token_bytes = compiled.tokenizer.token_bytes
    # `data` grows to the left. `ends`: for each token, the distance from its beginning to the prompt's end.
    ends: list[int] = []
    data = b""
    for token in reversed(prompt[1:]):
        text = token_bytes[token] if token < len(token_bytes) else None
        if not text or len(data) >= vocabulary.max_token_bytes:
            break
        data = text + data
        ends.append(len(data))

    def step(state: int, byte: int) -> int | None:
        """Return the number of the state after a byte; None where it is refused."""
        after = compiled.bytes_index(state, bytes((byte,)))
        return None if after < 0 else after

    crossing = first_crossing(vocabulary, data, start_after_prefix(compiled, prefix), step)
    if crossing is None:
        return 0
    # all tokens that begin after the crossing, and the one in which it lies
    return 1 + sum(end < len(data) - crossing for end in ends)


def half_character(tokenizer: Tokenizer, tokens: Sequence[int]) -> bytes:
    """Return the bytes at the end of the tokens' text that begin a character and do not complete it."""
    token_bytes = tokenizer.token_bytes
    # A character that is not complete has three bytes at most, and each token has one at least. A token
    # without bytes ends the character before it, as the byte 0 does.
    last_tokens = tokens[-3:]
    texts = (token_bytes[token] if token < len(token_bytes) else None for token in last_tokens)
    data = b"".join(text or b"\0" for text in texts)
    decoder = getincrementaldecoder("utf-8")("replace")
    decoder.decode(data)
    return decoder.getstate()[0]
