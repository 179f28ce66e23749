"""Free text up to words behind which other grammars follow: the text of triggered tags and of tool calls.

The free text is one automaton over all words (`TextBefore`). Compiled for a vocabulary it is the same
whatever follows the words, and so are its masks: it is kept with the mask store, and a grammar with the same
words takes it as a part.
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
from structgen.grammars.text_grammars.combined_languages import Behind, Parts, Place
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

    def __init__(self, formulas: Sequence[Formula], what: str, ends: str, limits: Limits) -> None:
        """`what`, `ends`: the two, in words."""
        super().__init__(formulas[0], what, limits, others=formulas[1:])
        self._ends = [ends] * (len(formulas) - 1)

    def text_status(self, config: Config) -> int:
        met = self.outcome_of(config)
        return (stepping.NEVER, stepping.WORD)[met + 1] if met < 1 else stepping.WORD + met

    def shortest_rest(self, config: Config) -> Sequence[int]:
        return () if self.accepts(config) else super().shortest_rest(config)

    def expected_items(self, config: Config) -> list[Expected]:
        steps = [(byte, self.step(config, byte)) for byte in range(256)]
        ends = [(byte, self.outcome_of(after)) for byte, after in steps if after is not None]
        items = [
            Expected(what, (), bytes(byte for byte, met in ends if met < 1 or met == own))
            for own, what in enumerate((*self._ends, self.description), 1)
        ]
        return [item for item in dict.fromkeys(items) if item.first]


def text_part(of: LanguageGrammar, limits: Limits, target: CompileTarget) -> TextPart:
    """Return free text as a part, compiled once for a store."""
    held_grammars = target.store.of(Vocabulary.of_tokenizer(target.tokenizer)).recent.held_grammars
    kept_texts = cast("OrderedDict[Any, CompiledText]", held_grammars.texts)
    key = of.spelling, limits, target.tokenizer.eos_token_ids
    text = kept_texts.pop(key, None) or CompiledText(of, target.tokenizer, limits, target.store)
    kept_texts[key] = text = text.fresh()
    if len(kept_texts) > 16:
        kept_texts.popitem(last=False)
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
        return self.compiled.standing(config)

    def goes_on(self, config: Config) -> bool:
        return self.text_status(config) <= stepping.WORD

    def may_end(self, state: int) -> bool:
        return self.text_status(state) == self._end

    def shortest_rest(self, config: Config) -> Sequence[int]:
        with self.compiled.lock:
            return self.compiled.shortest_rest(config)

    def ends_below(self, state: int, wanted: TargetNodes) -> list[int]:
        return self.compiled.ends_below(state, wanted, self._end)

    def inside_parts(self, config: Config) -> tuple[tuple[InsidePart, ...], Config | None]:
        every = (self, *self.views)
        return tuple(InsidePart(view, config, None, view is self) for view in every), None


class InterruptedText(Parts):
    """Free text, and behind each of some words a text of a language of its own, up to `most` times.

    The number of a place is that of its part, 0 for the text, and from there on in steps of all parts the
    words that were read, if they are bounded.
    """

    def __init__(self, text: Language, bodies: Mapping[str, Language], max_bodies: int | None) -> None:
        """`text`: up to one of some words (`TextBeforeLanguage`, `TextPart`); `bodies`: what follows each."""
        super().__init__((text, *bodies.values()))
        self._text, self._max_bodies = text, max_bodies
        self._words: dict[MaskedPart, int] = {}
        """The views of the text, each with the number of its word."""
        if isinstance(text, TextPart):
            for end, word in enumerate(bodies, 1):
                text.views.append(TextPart(text.compiled, stepping.WORD + end, word.encode()[-1:]))
                self._words[text.views[-1]] = end

    def _make_part(self, number: int) -> Language:
        return self.parts[number % len(self.parts)]

    def _places_before(self) -> Behind:
        return frozenset({(0, self._text.start())}), False

    def _after_part(self, number: int, part: Language, after: Config) -> frozenset[Place]:
        if part is not self._text:
            return super()._after_part(number, part, after)
        word = self._text.text_status(after) - stepping.WORD
        return frozenset({(number, after)}) if word < 1 else self._body_places(number + word)

    @remember_answers
    def _body_places(self, number: int) -> frozenset[Place]:
        """Return the places before a body, by its number, and behind it where it may be empty."""
        body = self._make_part(number)
        start = body.start()
        return frozenset({(number, start), *(self._places_after(number)[0] if body.accepts(start) else ())})

    def _places_after(self, number: int) -> Behind:
        width = len(self.parts)
        if number % width == 0:
            return frozenset(), True
        if self._max_bodies is None:
            return frozenset({(0, self._text.start())}), True
        read_count = number // width + 1
        return frozenset(
            {(read_count * width, self._text.start())} if read_count < self._max_bodies else ()
        ), True

    def _lift_place(self, number: int, inside: InsidePart) -> InsidePart:
        word = self._words.get(inside.part)
        if word is None:
            return super()._lift_place(number, inside)
        return inside._replace(after_end=self._body_places(number + word))
