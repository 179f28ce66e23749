"""Free text in which certain words start texts of other grammars, as in triggered tags and tool calls.

A *word* is a text that ends the free text before it. A *body* is the text that follows a word. In
`Let me look. <tool>{"city": "Oslo"}</tool>` the free text is `Let me look. `, the word is `<tool>`, and the
body is the rest.

A *part* is a language that a larger language is made of. The free text with its final word is one part, and
each body is one. A *configuration* is all that a language remembers of the bytes read so far. A *view* is the
free text as a part that may end with one certain word only, so that the body of this word may follow.

The free text is one automaton over all words (`TextBefore`). Its compiled form and its masks do not depend on
the bodies. So they are kept with the mask store, and all grammars with the same words share them.
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
    SplitConfig,
)
from structgen.grammars.text_grammars.machine.masked_language import MaskedPlaces
from structgen.grammars.text_grammars.machine.masked_part import MaskedPart
from structgen.grammars.text_grammars.regular_language import RegularLanguage
from structgen.machines.machine_core.wanted_nodes import TargetNodes
from structgen.tokens.vocabulary import Vocabulary


class TextBeforeLanguage(RegularLanguage):
    """The texts that contain no word, and the texts that contain one word, at their end.

    With the word `END`, both `a b` and `a END` are such texts. Outcome 0 of the automaton: the text has no
    word; outcome n: it ends with the n-th word; -1: it is not a whole text.
    """

    def __init__(self, formulas: Sequence[Formula], free: str, ending: str, limits: Limits) -> None:
        """`formulas`: first the formula of the texts without any word, then, for each word, the formula of
        the texts that end with it (`TextBefore.word_formulas`). `free`, `ending`: the descriptions of the two
        kinds of texts, such as `any text without 'END'` and `any text up to 'END'`. `limits`: the limits of
        the automaton."""
        free_formula, *word_formulas = formulas
        super().__init__(free_formula, free, limits, others=word_formulas)
        self._word_descriptions = [ending] * len(word_formulas)

    def text_status(self, config: Config) -> int:
        """Return `stepping.WORD + n` where the n-th word was just read, `stepping.WORD` where the text may
        end without a word, `stepping.NEVER` where it may not end."""
        outcome = self.outcome_of(config)
        if outcome < 0:
            return stepping.NEVER
        return stepping.WORD + outcome

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
    """Return the free text of a grammar (`of`) as a part, compiled for the tokenizer of `target`.

    The mask store of `target` keeps the last 16 compiled texts, and equal texts are compiled once.
    """
    vocabulary = Vocabulary.of_tokenizer(target.tokenizer)
    held_grammars = target.store.of(vocabulary).recent.held_grammars
    recent_texts = cast("OrderedDict[Any, CompiledText]", held_grammars.texts)
    key = of.spelling, limits, target.tokenizer.eos_token_ids
    # The key is taken out and put in again, so that the texts are in the order of their last use.
    text = recent_texts.pop(key, None)
    if text is None:
        text = CompiledText(of, target.tokenizer, limits, target.store)
    text = text.fresh()
    recent_texts[key] = text
    if len(recent_texts) > 16:  # the text that was not used for the longest time goes
        recent_texts.popitem(last=False)
    return TextPart(text)


class TextPart(MaskedPlaces):
    """Compiled free text as a part that may end in one way only: without a word, or with one of the words."""

    counts = False
    compiled: CompiledText

    def __init__(self, compiled: CompiledText, end: int = stepping.WORD, last: bytes = ALL_BYTES) -> None:
        """`end`: the status at which this part may end (`TextBeforeLanguage.text_status`); by default the
        text ends without a word. `last`: the bytes that may be the last byte of the part."""
        super().__init__(compiled, last)
        self._end = end
        self.views: list[TextPart] = []
        """For each word, the view that ends with it. Only the part that ends without a word has views."""

    @property
    def compiled_calls(self) -> tuple[int, ...]:
        """The addresses of the compiled functions that read this part."""
        functions = part_reading.peek_token, part_reading.text_status, part_reading.find_crossings
        return tuple(map(code_of, functions))

    def text_status(self, config: Config) -> int:
        """Return how the text so far ends (`TextBeforeLanguage.text_status`)."""
        return self.compiled.text_status(config)

    def goes_on(self, config: Config) -> bool:
        """Return whether the free text may go on: it does not after a word (a status above `WORD`)."""
        return self.text_status(config) <= stepping.WORD

    def may_end(self, state: int) -> bool:
        """Return whether this part may end in a state of the compiled text."""
        return self.text_status(state) == self._end

    def shortest_rest(self, config: Config) -> Sequence[int]:
        with self.compiled.lock:
            return self.compiled.shortest_rest(config)

    def ends_below(self, state: int, targets: TargetNodes) -> list[int]:
        """Return the nodes of the tokens' trie, among `targets`, at which this part ends after `state`."""
        return self.compiled.ends_below(state, targets, self._end)

    def inside_parts(self, config: Config) -> SplitConfig:
        # The whole text may end only where this part itself ends (`part is self`). After the end of a view a
        # body follows, which `InterruptedText._lift_place` adds.
        parts = (self, *self.views)
        return tuple(InsidePart(part, config, None, part is self) for part in parts), None


class InterruptedText(Parts):
    """Free text, in which each word is followed by a body: a text of the language of this word.

    A place is a pair (number, configuration of a part). The number is
    `bodies read * number of parts + index of the part`. Part 0 is the free text, and part n the body of the
    n-th word. For example, with two words (three parts) the number 5 = 1 * 3 + 2 is in the body of the second
    word, after one other body. Where the number of bodies has no bound, they are not counted: the first
    factor is 0.
    """

    def __init__(self, text: Language, bodies: Mapping[str, Language], max_bodies: int | None) -> None:
        """`text`: the free text with its final word (`TextBeforeLanguage` or `TextPart`). `bodies`: for each
        word the language of its body, in the order of the text's outcomes. `max_bodies`: the most bodies;
        None: any number."""
        super().__init__((text, *bodies.values()))
        self._text = text
        self._max_bodies = max_bodies
        self._words: dict[MaskedPart, int] = {}
        """For each view of the text the number of its word, from 1 on."""
        if isinstance(text, TextPart):
            for number, word in enumerate(bodies, 1):
                last_byte = word.encode()[-1:]
                view = TextPart(text.compiled, stepping.WORD + number, last_byte)
                text.views.append(view)
                self._words[view] = number

    def _make_part(self, number: int) -> Language:
        """Return the part of the places with a number (see the class)."""
        return self.parts[number % len(self.parts)]

    def _places_before(self) -> NextPlaces:
        """Return the place at the beginning of the free text; False: its own end shows an empty text."""
        return frozenset({(0, self._text.start())}), False

    def _after_part(self, number: int, part: Language, after: Config) -> frozenset[Place]:
        if part is not self._text:
            return super()._after_part(number, part, after)
        word = self._text.text_status(after) - stepping.WORD
        if word < 1:
            return frozenset({(number, after)})
        # A word was just read: its body follows at once, and the free text does not go on. The number of a
        # place in the free text is a multiple of the number of parts, so adding `word` selects the body.
        return self._body_places(number + word)

    @remember_answers
    def _body_places(self, number: int) -> frozenset[Place]:
        """Return the place before the body with a number, and, where the body may be empty, the places after
        it too."""
        body = self._make_part(number)
        start = body.start()
        places: frozenset[Place] = frozenset({(number, start)})
        if body.accepts(start):
            places_after, _ = self._places_after(number)
            places |= places_after
        return places

    def _places_after(self, number: int) -> NextPlaces:
        """Return the places after the part with a number, and whether the whole text may end there."""
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
        """Return a place inside a part as a place of this language: after a view, the body of its word."""
        word = self._words.get(inside.part)
        if word is None:
            return super()._lift_place(number, inside)
        return inside._replace(after_end=self._body_places(number + word))
