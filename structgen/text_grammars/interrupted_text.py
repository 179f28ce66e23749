"""Free text up to words behind which other grammars follow: the text of triggered tags and of tool calls.

The free text is one automaton over all words (`TextBefore`). Compiled for a vocabulary it is the same
whatever follows the words, and so are its masks: it is kept with the mask store, and a grammar with the same
words takes it as a part.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from structgen.core.compiled import WantedNodes
from structgen.language.expectation import Expected
from structgen.language.ir import All, Formula, Not, Pattern
from structgen.limits import Limits
from structgen.native.jit import code_of
from structgen.text_grammars.combined_languages import Parts, Place
from structgen.text_grammars.machine import stepping
from structgen.text_grammars.machine.compiled_text import CompiledText
from structgen.text_grammars.machine.language import CompileTarget, Config, InsidePart, Language, Moves
from structgen.text_grammars.machine.masked_language import Masked
from structgen.text_grammars.regular_language import RegularLanguage
from structgen.text_grammars.text_grammar import RegularGrammar, TextGrammar
from structgen.tokens.vocabulary import Vocabulary

_ANY: Final = r"[\s\S]*"
_SHOWN: Final = 4


class TextBefore(TextGrammar):
    """Any text without some words, or up to the first of them; none of `avoided` stands in it."""

    __slots__ = ("avoided", "words")

    def __init__(self, words: Sequence[str], avoided: Sequence[str]) -> None:
        self.words, self.avoided = tuple(words), tuple(avoided)

    @property
    def canonical(self) -> str:
        return f"text before {json.dumps((self.words, self.avoided))}"

    @property
    def limits(self) -> Limits:
        return Limits()

    @property
    def source(self) -> str:
        return "free text"

    def formulas(self) -> tuple[Formula, ...]:
        """Return the formulas of texts without the words, and of those that end with the first, second..."""
        every = (*self.words, *self.avoided)
        later = Not(Pattern(rf"^{_ANY}(?:{_any_of(self.words)})[\s\S]+$"))
        never = (Not(holding(self.avoided)),) if self.avoided else ()
        ends = (Pattern(f"^{_ANY}(?:{_any_of((word,))})$") for word in self.words)
        return (Not(holding(every)) if every else Pattern(""), *(All((one, later, *never)) for one in ends))

    def language(self, limits: Limits, target: CompileTarget | None = None) -> TextBeforeLanguage:
        return TextBeforeLanguage(self, limits)

    def part(self, limits: Limits, target: CompileTarget) -> TextPart:
        """Return the compiled grammar as a part, made once for a store."""
        kept: OrderedDict[Any, CompiledText] = OrderedDict()
        if target.is_shared:
            kept = cast(
                "OrderedDict[Any, CompiledText]", target.store.of(Vocabulary.of(target.tokenizer)).texts
            )
        key = self.canonical, limits, target.tokenizer.eos_token_ids
        found = kept.pop(key, None)
        if found is None or found.used > 1:
            found = CompiledText(self, target.tokenizer, limits, target.store)
        kept[key] = found
        if len(kept) > 16:
            kept.popitem(last=False)
        return TextPart(found, 2)

    def __reduce__(self) -> tuple[Any, ...]:
        return TextBefore, (self.words, self.avoided)


class TextBeforeLanguage(RegularLanguage):
    """The automaton of `TextBefore`."""

    def __init__(self, of: TextBefore, limits: Limits) -> None:
        self._ends = [f"any text up to {shown(of.words)}"] * len(of.words)
        first, *others = of.formulas()
        super().__init__(first, f"any text without {shown((*of.words, *of.avoided))}", limits, others=others)

    def standing(self, config: Config) -> int:
        met = self.outcome(config)
        return (stepping.NEVER, stepping.WORD)[met + 1] if met < 1 else stepping.WORD + met

    def shortest(self, config: Config) -> Sequence[int]:
        if self.accepts(config):
            return ()
        # only a character may be incomplete
        return next(rest for size in (1, 2, 3) if (rest := self._rest(config, size)) is not None)

    def _rest(self, config: Config, size: int) -> tuple[int, ...] | None:
        """Return the first of so many bytes that lead to the end of free text."""
        for byte in range(0x80, 0xC0):
            after = self.step(config, byte)
            if after is None:
                continue
            rest = (() if self.outcome(after) == 0 else None) if size == 1 else self._rest(after, size - 1)
            if rest is not None:
                return byte, *rest
        return None

    def expected(self, config: Config) -> list[Expected]:
        steps = [(byte, self.step(config, byte)) for byte in range(256)]
        ends = [(byte, self.outcome(after)) for byte, after in steps if after is not None]
        found = [
            Expected(what, (), bytes(byte for byte, met in ends if met < 1 or met == own))
            for own, what in enumerate((*self._ends, self.what), 1)
        ]
        return [one for one in dict.fromkeys(found) if one.first]


class TextPart(Masked):
    """The compiled text as a part of which one end counts."""

    def __init__(self, compiled: CompiledText, end: int) -> None:
        """`end`: how the text stands there (`TextBeforeLanguage.standing`)."""
        super().__init__(compiled)
        self.text, self._end = compiled, end

    @property
    def calls(self) -> tuple[int, ...]:
        known = stepping.peek_token, stepping.standing, stepping.crossings, stepping.peek_below
        return tuple(map(code_of, known))

    def standing(self, config: Config) -> int:
        return self.text.standing(cast(int, config))

    def moves(self, config: Config) -> Moves | None:
        return cast("Moves", self.text.moves(cast(int, config)))

    def goes_on(self, config: Config) -> bool:
        return self.standing(config) <= stepping.WORD

    def may_end(self, state: int) -> bool:
        return self.standing(state) == self._end

    def shortest(self, config: Config) -> Sequence[int]:
        with self.text.lock:
            return self.text.shortest_rest(cast(int, config))

    def ends_below(self, state: int, wanted: WantedNodes) -> list[int]:
        return self.text.ends_below(state, wanted, self._end)

    def cost(self, state: int) -> None:
        return None

    def too_long(self, state: int, tokens: npt.NDArray[np.int64], left: int) -> npt.NDArray[np.int64] | None:
        return None


class InterruptedText(Parts):
    """Free text, and behind each of some words a text of a language of its own, up to `most` times.

    The number of a place is that of its part, 0 for the text, and from there on in steps of all parts the
    words that were read, if they are bounded.
    """

    def __init__(
        self,
        of: TextBefore,
        bodies: Sequence[Language | None],
        most: int | None,
        limits: Limits,
        target: CompileTarget | None,
    ) -> None:
        """`bodies`: what follows each of the words; None: nothing can, so that it does not occur."""
        kept = [(word, body) for word, body in zip(of.words, bodies, strict=True) if body is not None]
        none = [word for word, body in zip(of.words, bodies, strict=True) if body is None]
        if none:
            of = TextBefore([word for word, _body in kept], (*of.avoided, *none))
        text = of.language(limits) if target is None else of.part(limits, target)
        super().__init__((text, *(body for _word, body in kept)))
        self._text, self._most = text, most
        self._views: list[TextPart] = []
        if isinstance(text, TextPart):
            # the last byte of every word
            last = [word.encode()[-1:] for word, _body in kept]
            self._views = [TextPart(text.text, 2 + end) for end in range(1, len(self.parts))]
            for view, byte in zip(self._views, last, strict=True):
                view.last = byte

    def part(self, place: Place) -> Language:
        return self.parts[place[0] % len(self.parts)]

    def start(self) -> Config:
        return frozenset({(0, self._text.start())})

    def step(self, config: Config, symbol: int) -> Config | None:
        found: set[Place] = set()
        for number, at in cast("frozenset[Place]", config):
            part = self.part((number, at))
            after = part.step(at, symbol)
            if after is not None:
                found |= self._after(number, part, after)
        return frozenset(found) or None

    def _after(self, number: int, part: Language, after: Config) -> frozenset[Place]:
        if part is not self._text:
            return super()._after(number, part, after)
        word = self._text.standing(after) - stepping.WORD
        return frozenset({(number, after)}) if word < 1 else self._behind(number + word)

    def _behind(self, number: int) -> frozenset[Place]:
        """Return the places before a body, by its number, and behind it where it may be empty."""
        body = self.parts[number % len(self.parts)]
        start = body.start()
        return frozenset({(number, start), *(self._followed(number)[0] if body.accepts(start) else ())})

    def _followed(self, number: int) -> tuple[frozenset[Place], bool]:
        width = len(self.parts)
        if number % width == 0:
            return frozenset(), True
        if self._most is None:
            return frozenset({(0, self._text.start())}), True
        read = number // width + 1
        return frozenset({(read * width, self._text.start())} if read < self._most else ()), True

    def accepts(self, config: Config) -> bool:
        return any(
            self._text.standing(at) == stepping.WORD
            if self.part((number, at)) is self._text
            else not self._followed(number)[0] and self.part((number, at)).accepts(at)
            for number, at in cast("frozenset[Place]", config)
        )

    def inside(self, config: Config) -> tuple[tuple[InsidePart, ...], Config | None]:
        places = cast("frozenset[Place]", config)
        texts = [place for place in places if self._views and self.part(place) is self._text]
        if not texts:
            return super().inside(config)
        insides, others = super().inside(places.difference(texts))
        for number, at in texts:
            state = cast(int, at)
            insides += (InsidePart(cast(TextPart, self._text), state, None, True),)
            insides += tuple(
                InsidePart(view, state, self._behind(number + word), False)
                for word, view in enumerate(self._views, 1)
            )
        return insides, others

    def shortest(self, config: Config) -> Sequence[int]:
        rests = [
            (self.part((number, at)) is self._text, tuple(self.part((number, at)).shortest(at)))
            for number, at in cast("frozenset[Place]", config)
        ]
        return min(rests, key=lambda one: (len(one[1]), *one))[1]


def holding(words: Sequence[str]) -> Formula:
    """Return the formula of texts that contain one of some words."""
    return Pattern(f"^{_ANY}(?:{_any_of(words)}){_ANY}$")


def _any_of(words: Sequence[str]) -> str:
    """Return a pattern of some words. Raises `OptionError` where UTF-8 cannot write one."""
    return cast(str, RegularGrammar.of_texts(words).body)


def shown(words: Sequence[str]) -> str:
    return ", ".join(map(repr, words[:_SHOWN])) + (", ..." if len(words) > _SHOWN else "")
