"""Languages made of languages: concatenation, union, repetition, any order.

A configuration is the set of places that the text so far may have reached (a subset construction on the fly).
A language says which part stands at a place, and which places are behind it (V. M. Glushkov, 1961). Each
place has a rest, since each part has a word.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from typing import Final, TypeAlias

from structgen.base.language.expectation import Expected
from structgen.base.language.remembering import remember_answers
from structgen.base.system.public_calls import NUMBERS, THIS_CALL
from structgen.grammars.text_grammars.machine.language import Config, InsidePart, Language
from structgen.grammars.text_grammars.machine.scanning import common_classes
from structgen.grammars.text_grammars.regular_language import WordsLanguage

Place: TypeAlias = "tuple[int, Config]"
"""A number, which says what part it is and what was read before, and the configuration of the part's
language."""
Behind: TypeAlias = "tuple[frozenset[Place], bool]"
"""The places behind a part, and whether the whole text may end there."""
_END: Final[Place] = -1, (0, 1, 0)
"""The end of the whole text."""
_NOTHING: Final = WordsLanguage((b"",), "nothing")
"""The part that stands at the end."""


class Parts(Language):
    """A language over parts; a configuration is a frozenset of places."""

    def __init__(self, parts: Sequence[Language]) -> None:
        self.parts = tuple(parts)
        for part in parts:
            self.specials |= part.specials
            self.counts_tokens |= part.counts_tokens
            self.has_stack |= part.has_stack
            self.locks = max(self.locks, part.locks)

    def part(self, number: int) -> Language:
        """Return the part of the places with a number."""
        return self._make_part(number) if number >= 0 else _NOTHING

    def _make_part(self, number: int) -> Language:
        return self.parts[number]

    @abstractmethod
    def _places_before(self) -> Behind:
        """Return the places before the first part, and whether the whole text may be empty."""

    @abstractmethod
    def _places_after(self, number: int) -> Behind:
        """Return what is behind the part of a place."""

    def start(self) -> Config:
        return self._with_end(*self._places_before())

    def _with_end(self, places: frozenset[Place], ends: bool) -> frozenset[Place]:
        """Return places, and the end where the whole text may end and they do not tell."""
        return places | {_END} if ends and not self.accepts(places) else places

    def accepts(self, config: Config) -> bool:
        return any(
            number < 0 or (self.part(number).accepts(at) and self._places_after(number)[1])
            for number, at in config
        )

    @cached_property
    def classes(self) -> bytes:  # type: ignore[override]
        return common_classes(part.classes for part in self.parts)

    @cached_property
    def outer_classes(self) -> bytes | None:  # type: ignore[override]
        return common_classes(part.outer_classes or part.classes for part in self.parts)

    def height(self, config: Config) -> int:
        return max(self.part(number).height(at) for number, at in config)

    def expected_items(self, config: Config) -> list[Expected]:
        places = sorted(config, key=lambda place: place[0])
        return list(
            dict.fromkeys(item for number, at in places for item in self.part(number).expected_items(at))
        )

    def step(self, config: Config, symbol: int) -> Config | None:
        new_places: set[Place] = set()
        if steps := len(config) // 8:  # a place takes some 2 us
            THIS_CALL.count_work(steps * NUMBERS)
        for number, at in config:
            part = self.part(number)
            after = part.step(at, symbol)
            if after is not None:
                new_places |= self._after_part(number, part, after)
        return frozenset(new_places) or None

    def single_configs(self, config: Config) -> Iterable[Config]:
        if self.accepts(config):
            return (config,)
        # where a part may end and the whole may not, the place behind the part is there too
        open_places = ((number, at) for number, at in config if not self.part(number).accepts(at))
        return (
            frozenset({(number, config)})
            for number, at in open_places
            for config in self.part(number).single_configs(at)
        )

    def _after_part(self, number: int, part: Language, after: Config) -> frozenset[Place]:
        """Return the places after a part has moved on to `after`: inside it unless nothing can follow there,
        and behind it if its text may end. `number`: of the part's place."""
        here = frozenset({(number, after)})
        if not part.accepts(after):
            return here
        places, ends = self._places_after(number)
        if not places:
            return here
        places_after = self._with_end(places, ends)
        return here | places_after if self._goes_on(part, after) else places_after

    @remember_answers
    def _goes_on(self, part: Language, config: Config) -> bool:
        """Return whether a word of a part goes on."""
        return part.goes_on(config)

    def cheap_next_bytes(self, config: Config) -> bytes | None:
        firsts = [
            next_bytes
            for number, at in config
            if (next_bytes := self.part(number).cheap_next_bytes(at)) is not None
        ]
        return bytes(sorted(set(b"".join(firsts)))) if len(firsts) == len(config) else None

    def forced_run(self, config: Config) -> tuple[bytes, Config] | None:
        if len(config) != 1:
            return None
        ((number, at),) = config
        part = self.part(number)
        run = part.forced_run(at)
        return None if run is None else (run[0], self._after_part(number, part, run[1]))

    def inside_parts(self, config: Config) -> tuple[tuple[InsidePart, ...], Config | None]:
        parts: list[InsidePart] = []
        others: set[Place] = set()
        for number, at in config:
            insides, other_config = self.part(number).inside_parts(at)
            parts += [self._lift_place(number, inside) for inside in insides]
            if other_config is not None or not insides:
                others.add((number, other_config))
        return tuple(parts), frozenset(others) or None

    def _lift_place(self, number: int, inside: InsidePart) -> InsidePart:
        """Return a place inside a part of this language's part, as a place of this language. `number`: of
        the place."""
        places_after: set[Place] = set() if inside.after_end is None else {(number, inside.after_end)}
        ends = False
        if inside.ends:
            places, ends = self._places_after(number)
            places_after |= places
        return inside._replace(after_end=frozenset(places_after) or None, ends=ends)

    def after_inside(self, config: Config, state: int) -> Config:
        after: set[Place] = set()
        for number, at in config:
            part = self.part(number)
            after |= self._after_part(number, part, part.after_inside(at, state))
        return frozenset(after)

    def _needed_parts(self, number: int) -> Iterable[tuple[Language, int]]:
        """Return the parts of which words must still follow the part of a place, and how many of each."""
        return ()

    def shortest_rest(self, config: Config) -> Sequence[int]:
        ways: list[tuple[int, tuple[int, ...], list[tuple[tuple[int, ...], int]]]] = []
        for number, at in config:
            rest = tuple(self.part(number).shortest_rest(at))
            words = [
                (self._least_word(part), count) for part, count in self._needed_parts(number) if number >= 0
            ]
            ways.append((len(rest) + sum(len(word) * count for word, count in words), rest, words))
        size, rest, words = min(ways)
        if steps := size // 400:  # what is made of a rest takes some 50 ns a symbol
            THIS_CALL.count_work(steps * NUMBERS)
        return [*rest, *chain.from_iterable(word * count for word, count in words)]

    @remember_answers
    def _least_word(self, part: Language) -> tuple[int, ...]:
        """Return the shortest word of a part."""
        return tuple(part.shortest_rest(part.start()))

    def after_token_end(self, config: Config) -> Config | None:
        every = ((number, self.part(number).after_token_end(at)) for number, at in config)
        return frozenset(place for place in every if place[1] is not None) or None


class Chain(Parts):
    """Concatenation: a word of each part, one after another."""

    def __init__(self, parts: Sequence[Language]) -> None:
        super().__init__(parts)
        self._places_by_part: list[Behind] = [(frozenset(), True)]
        """What is before each part, and behind the last."""
        for number, part in reversed(list(enumerate(parts))):
            places, ends = self._places_by_part[0]
            start = part.start()
            may_be_empty = part.accepts(start)
            here = frozenset({(number, start), *(places if may_be_empty else ())})
            self._places_by_part.insert(0, (here, ends and may_be_empty))

    def _places_before(self) -> Behind:
        return self._places_by_part[0]

    def _places_after(self, number: int) -> Behind:
        return self._places_by_part[number + 1]

    def _needed_parts(self, number: int) -> Iterable[tuple[Language, int]]:
        return ((part, 1) for part in self.parts[number + 1 :])


class Union(Parts):
    """Union: a word of any part."""

    def _places_before(self) -> Behind:
        return frozenset((number, part.start()) for number, part in enumerate(self.parts)), False

    def _places_after(self, number: int) -> Behind:
        return frozenset(), True


class RepeatedLanguage(Parts):
    """`minimum` to `maximum` words of a language, one after another (`maximum` None: no bound). The number of
    a place is that of the copies read before, counted as far as it matters."""

    def __init__(self, of: Language, minimum: int, maximum: int | None) -> None:
        super().__init__((of,))
        self.of, self.maximum = of, maximum
        self._first = of.start()
        # empty copies may make up the number
        self.minimum = 0 if of.accepts(self._first) else minimum

    def _make_part(self, number: int) -> Language:
        return self.of

    def _places_before(self) -> Behind:
        return self._places_after(-1)

    def _places_after(self, number: int) -> Behind:
        read_count = number + 1
        place = min(read_count, self.minimum) if self.maximum is None else read_count, self._first
        return frozenset(() if read_count == self.maximum else (place,)), read_count >= self.minimum

    def step(self, config: Config, symbol: int) -> Config | None:
        places = super().step(config, symbol) or ()
        # once enough copies were read, fewer leave more to come: only the fewest count
        fewest: dict[Config, int] = {}
        for number, at in places:
            if number >= self.minimum:
                fewest[at] = min(number, fewest.get(at, number))
        return frozenset(place for place in places if place[0] <= fewest.get(place[1], place[0])) or None

    def _needed_parts(self, number: int) -> Iterable[tuple[Language, int]]:
        return ((self.of, max(0, self.minimum - number - 1)),)


class AnyOrder(Parts):
    """A word of each of some languages, in any order, with a word of `between` between two. Those behind the
    first `needed` may be absent.

    The number of a place says which words were read before, a bit each, and which language is being read.
    """

    def __init__(self, of: Sequence[Language], needed_count: int, separator: Language) -> None:
        later = (
            list(of)
            if not separator.goes_on(separator.start())
            else [Chain((separator, word)) for word in of]
        )
        super().__init__((*of, *later))
        self._count, self._needs = len(of), (1 << needed_count) - 1

    def _make_part(self, number: int) -> Language:
        words_read, word = divmod(number, self._count)
        return self.parts[word + self._count * bool(words_read)]

    def _places_before(self) -> Behind:
        return self._after_words(0)

    def _places_after(self, number: int) -> Behind:
        words_read, word = divmod(number, self._count)
        return self._after_words(words_read | 1 << word)

    def _after_words(self, words_read: int) -> Behind:
        """Return what is behind some words."""
        ready = (words_read * self._count + word for word in range(self._count) if not words_read >> word & 1)
        return frozenset(
            (place, self._make_part(place).start()) for place in ready
        ), not self._needs & ~words_read

    def _needed_parts(self, number: int) -> Iterable[tuple[Language, int]]:
        words_read, word = divmod(number, self._count)
        words_read |= 1 << word
        missing = (word for word in range(self._count) if self._needs & ~words_read & 1 << word)
        return ((self.parts[word + self._count], 1) for word in missing)
