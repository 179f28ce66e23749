"""Free text up to words after which other grammars follow: the text of triggered tags and of tool calls.

In `Let me look. <tool>{"city": "Oslo"}</tool>` the *word* is `<tool>`, and the text before it is free. The
free text is one automaton over all words (`TextBefore`). Compiled for a vocabulary, it and its masks do not
depend on what follows the words. So it is kept with the mask store, and each grammar with the same words uses
it as a part.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, cast

from structgen.base.language.expectation import Expected
from structgen.base.language.ir import Formula
from structgen.base.language.remembering import remember_answers
from structgen.base.limits import Limits
from structgen.base.native.jit import code_of
from structgen.grammars.text_grammars.combined_languages import NextPlaces, Parts, Place
from structgen.grammars.text_grammars.machine import part_reading, stepping
from structgen.grammars.text_grammars.machine.compiled_text import CompiledText
from structgen.grammars.text_grammars.machine.language import (
    ALL_BYTES,
    CompileTarget,
    Config,
    InsidePart,
    Language,
    LanguageGrammar,
)
from structgen.grammars.text_grammars.machine.masked_language import MaskedPlaces
from structgen.grammars.text_grammars.machine.masked_part import MaskedPart
from structgen.grammars.text_grammars.regular_language import RegularLanguage
from structgen.machines.machine_core.wanted_nodes import TargetNodes
from structgen.tokens.vocabulary import Vocabulary


class TextBeforeLanguage(RegularLanguage):
    """Texts without some words, and texts that end with the first of these: a formula of each, in this
    order."""

    def __init__(self, formulas: Sequence[Formula], free: str, ending: str, limits: Limits) -> None:
        """`formulas`: of the texts without any word, then of those that end with each word
        (`TextBefore.word_formulas`); `free`, `ending`: the descriptions of the two kinds of texts, such as
        `any text without 'END'` and `any text up to 'END'`."""
        free_formula, *word_formulas = formulas
        super().__init__(free_formula, free, limits, others=word_formulas)
        self._word_descriptions = [ending] * len(word_formulas)

    def text_status(self, config: Config) -> int:
        outcome = self.outcome_of(config)
        if outcome < 0:
            return stepping.NEVER
        return stepping.WORD + outcome  # 0: the text may end without a word; n: the n-th word was read

    def shortest_rest(self, config: Config) -> Sequence[int]:
        return () if self.accepts(config) else super().shortest_rest(config)

    def expected_items(self, config: Config) -> list[Expected]:
        outcomes: list[tuple[int, int]] = []
        for byte in range(256):
            after = self.step(config, byte)
            if after is not None:
                outcomes.append((byte, self.outcome_of(after)))
        items: list[Expected] = []
        # the free text comes last, with a number that no word has
        for number, description in enumerate((*self._word_descriptions, self.description), 1):
            # a byte that ends another word is not one of this item
            first = bytes(byte for byte, outcome in outcomes if outcome < 1 or outcome == number)
            if first:
                items.append(Expected(description, (), first))
        return list(dict.fromkeys(items))


def text_part(of: LanguageGrammar, limits: Limits, target: CompileTarget) -> TextPart:
    """Return free text as a part, compiled once for a store."""
    vocabulary = Vocabulary.of_tokenizer(target.tokenizer)
    held_grammars = target.store.of(vocabulary).recent.held_grammars
    recent_texts = cast("OrderedDict[Any, CompiledText]", held_grammars.texts)
    key = of.spelling, limits, target.tokenizer.eos_token_ids
    # taken out and put in again: the text that was used last stands last, and the first one goes
    text = recent_texts.pop(key, None)
    if text is None:
        text = CompiledText(of, target.tokenizer, limits, target.store)
    text = text.fresh()
    recent_texts[key] = text
    if len(recent_texts) > 16:
        recent_texts.popitem(last=False)
    return TextPart(text)


class TextPart(MaskedPlaces):
    """The compiled text as a part of which one end counts."""

    counts = False
    compiled: CompiledText

    def __init__(self, compiled: CompiledText, end: int = stepping.WORD, last: bytes = ALL_BYTES) -> None:
        """`end`: how the text stands there (`TextBeforeLanguage.text_status`); `last`: its last byte."""
        super().__init__(compiled, last)
        self._end = end
        self.views: list[TextPart] = []
        """Of the part that ends where the whole text may: the same text for each word that ends it."""

    @property
    def compiled_calls(self) -> tuple[int, ...]:
        functions = part_reading.peek_token, part_reading.text_status, part_reading.find_crossings
        return tuple(map(code_of, functions))

    def text_status(self, config: Config) -> int:
        return self.compiled.text_status(config)

    def goes_on(self, config: Config) -> bool:
        return self.text_status(config) <= stepping.WORD

    def may_end(self, state: int) -> bool:
        return self.text_status(state) == self._end

    def shortest_rest(self, config: Config) -> Sequence[int]:
        with self.compiled.lock:
            return self.compiled.shortest_rest(config)

    def ends_below(self, state: int, targets: TargetNodes) -> list[int]:
        return self.compiled.ends_below(state, targets, self._end)

    def inside_parts(self, config: Config) -> tuple[tuple[InsidePart, ...], Config | None]:
        # only where the whole may end (`self`) is the text a word; `InterruptedText` says what follows a view
        parts = (self, *self.views)
        return tuple(InsidePart(part, config, None, part is self) for part in parts), None


class InterruptedText(Parts):
    """Free text, and after each of some words a text of a language of its own, up to `max_bodies` times.

    The number of a place is `bodies read * number of parts + part`: part 0 is the free text. Where bodies are
    not bounded, they are not counted.
    """

    def __init__(self, text: Language, bodies: Mapping[str, Language], max_bodies: int | None) -> None:
        """`text`: up to one of some words (`TextBeforeLanguage`, `TextPart`); `bodies`: what follows each."""
        super().__init__((text, *bodies.values()))
        self._text = text
        self._max_bodies = max_bodies
        self._words: dict[MaskedPart, int] = {}
        """The views of the text, each with the number of its word."""
        if isinstance(text, TextPart):
            for number, word in enumerate(bodies, 1):
                last_byte = word.encode()[-1:]
                view = TextPart(text.compiled, stepping.WORD + number, last_byte)
                text.views.append(view)
                self._words[view] = number

    def _make_part(self, number: int) -> Language:
        return self.parts[number % len(self.parts)]

    def _places_before(self) -> NextPlaces:
        return frozenset({(0, self._text.start())}), False

    def _after_part(self, number: int, part: Language, after: Config) -> frozenset[Place]:
        if part is not self._text:
            return super()._after_part(number, part, after)
        word = self._text.text_status(after) - stepping.WORD
        if word < 1:
            return frozenset({(number, after)})
        # a word was just read: its body follows at once, and the free text does not go on
        return self._body_places(number + word)

    @remember_answers
    def _body_places(self, number: int) -> frozenset[Place]:
        """Return the places before a body, by its number, and after it where it may be empty."""
        body = self._make_part(number)
        start = body.start()
        places: frozenset[Place] = frozenset({(number, start)})
        if body.accepts(start):
            places_after, _ = self._places_after(number)
            places |= places_after
        return places

    def _places_after(self, number: int) -> NextPlaces:
        width = len(self.parts)
        read_count, part = divmod(number, width)
        if part == 0:  # the free text may end, and goes on by itself
            return frozenset(), True
        if self._max_bodies is None:
            return frozenset({(0, self._text.start())}), True
        read_count += 1
        if read_count >= self._max_bodies:  # nothing may follow the last body
            return frozenset(), True
        return frozenset({(read_count * width, self._text.start())}), True

    def _lift_place(self, number: int, inside: InsidePart) -> InsidePart:
        word = self._words.get(inside.part)
        if word is None:
            return super()._lift_place(number, inside)
        return inside._replace(after_end=self._body_places(number + word))
