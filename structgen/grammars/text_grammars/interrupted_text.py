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
from structgen.base.language.remembering import remembered
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
from structgen.grammars.text_grammars.machine.masked_language import Masked
from structgen.grammars.text_grammars.machine.masked_part import MaskedPart
from structgen.grammars.text_grammars.regular_language import RegularLanguage
from structgen.machines.machine_core.wanted_nodes import WantedNodes
from structgen.tokens.vocabulary import Vocabulary


class TextBeforeLanguage(RegularLanguage):
    """Texts without some words, and texts that end with the first of these: a formula of each, in this
    order."""

    def __init__(self, formulas: Sequence[Formula], what: str, ends: str, limits: Limits) -> None:
        """`what`, `ends`: the two, in words."""
        super().__init__(formulas[0], what, limits, others=formulas[1:])
        self._ends = [ends] * (len(formulas) - 1)

    def standing(self, config: Config) -> int:
        met = self.outcome(config)
        return (stepping.NEVER, stepping.WORD)[met + 1] if met < 1 else stepping.WORD + met

    def shortest(self, config: Config) -> Sequence[int]:
        return () if self.accepts(config) else super().shortest(config)

    def expected(self, config: Config) -> list[Expected]:
        steps = [(byte, self.step(config, byte)) for byte in range(256)]
        ends = [(byte, self.outcome(after)) for byte, after in steps if after is not None]
        told = [
            Expected(what, (), bytes(byte for byte, met in ends if met < 1 or met == own))
            for own, what in enumerate((*self._ends, self.what), 1)
        ]
        return [expected for expected in dict.fromkeys(told) if expected.first]


def text_part(of: LanguageGrammar, limits: Limits, target: CompileTarget) -> TextPart:
    """Return free text as a part, compiled once for a store."""
    held = target.store.of(Vocabulary.of(target.tokenizer)).recent.held
    kept = cast("OrderedDict[Any, CompiledText]", held.texts)
    key = of.spelling, limits, target.tokenizer.eos_token_ids
    text = kept.pop(key, None) or CompiledText(of, target.tokenizer, limits, target.store)
    kept[key] = text = text.fresh()
    if len(kept) > 16:
        kept.popitem(last=False)
    return TextPart(text)


class TextPart(Masked):
    """The compiled text as a part of which one end counts."""

    counts = False
    compiled: CompiledText

    def __init__(self, compiled: CompiledText, end: int = stepping.WORD, last: bytes = ALL_BYTES) -> None:
        """`end`: how the text stands there (`TextBeforeLanguage.standing`); `last`: its last byte."""
        super().__init__(compiled, last)
        self._end = end
        self.views: list[TextPart] = []
        """Of the part that ends where the whole text may: the same text for each word that ends it."""

    @property
    def calls(self) -> tuple[int, ...]:
        known = part_reading.peek_token, part_reading.standing, part_reading.crossings
        return tuple(map(code_of, known))

    def standing(self, config: Config) -> int:
        return self.compiled.standing(config)

    def goes_on(self, config: Config) -> bool:
        return self.standing(config) <= stepping.WORD

    def may_end(self, state: int) -> bool:
        return self.standing(state) == self._end

    def shortest(self, config: Config) -> Sequence[int]:
        with self.compiled.lock:
            return self.compiled.shortest_rest(config)

    def ends_below(self, state: int, wanted: WantedNodes) -> list[int]:
        return self.compiled.ends_below(state, wanted, self._end)

    def inside(self, config: Config) -> tuple[tuple[InsidePart, ...], Config | None]:
        every = (self, *self.views)
        return tuple(InsidePart(view, config, None, view is self) for view in every), None


class InterruptedText(Parts):
    """Free text, and behind each of some words a text of a language of its own, up to `most` times.

    The number of a place is that of its part, 0 for the text, and from there on in steps of all parts the
    words that were read, if they are bounded.
    """

    def __init__(self, text: Language, bodies: Mapping[str, Language], most: int | None) -> None:
        """`text`: up to one of some words (`TextBeforeLanguage`, `TextPart`); `bodies`: what follows each."""
        super().__init__((text, *bodies.values()))
        self._text, self._most = text, most
        self._words: dict[MaskedPart, int] = {}
        """The views of the text, each with the number of its word."""
        if isinstance(text, TextPart):
            for end, word in enumerate(bodies, 1):
                text.views.append(TextPart(text.compiled, stepping.WORD + end, word.encode()[-1:]))
                self._words[text.views[-1]] = end

    def _part(self, number: int) -> Language:
        return self.parts[number % len(self.parts)]

    def _before(self) -> Behind:
        return frozenset({(0, self._text.start())}), False

    def _after(self, number: int, part: Language, after: Config) -> frozenset[Place]:
        if part is not self._text:
            return super()._after(number, part, after)
        word = self._text.standing(after) - stepping.WORD
        return frozenset({(number, after)}) if word < 1 else self._body(number + word)

    @remembered
    def _body(self, number: int) -> frozenset[Place]:
        """Return the places before a body, by its number, and behind it where it may be empty."""
        body = self._part(number)
        start = body.start()
        return frozenset({(number, start), *(self._behind(number)[0] if body.accepts(start) else ())})

    def _behind(self, number: int) -> Behind:
        width = len(self.parts)
        if number % width == 0:
            return frozenset(), True
        if self._most is None:
            return frozenset({(0, self._text.start())}), True
        read = number // width + 1
        return frozenset({(read * width, self._text.start())} if read < self._most else ()), True

    def _lifted(self, number: int, inside: InsidePart) -> InsidePart:
        word = self._words.get(inside.part)
        if word is None:
            return super()._lifted(number, inside)
        return inside._replace(after_end=self._body(number + word))
