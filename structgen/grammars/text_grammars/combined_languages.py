"""Combines languages into one: concatenation, union, repetition, any order.

A *part* is one of the combined languages. A *place* is a point that the text may have reached: a number,
which identifies the part and the parts before it, with the configuration of the part. A *configuration* is
the set of all places that the text so far may have reached (a subset construction on the fly). For
`Chain([a*, b*])` the text `a` has two places: inside `a*`, and before `b*`. Each class defines which part is
at a place, and which places follow it (V. M. Glushkov, 1961).
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
from structgen.grammars.text_grammars.machine.language import Config, InsidePart, Language, SplitConfig
from structgen.grammars.text_grammars.machine.scanning import common_classes
from structgen.grammars.text_grammars.regular_language import WordsLanguage

Place: TypeAlias = "tuple[int, Config]"
"""A number, by which a language knows the part and the parts read before, and the configuration of the part's
language."""
NextPlaces: TypeAlias = "tuple[frozenset[Place], bool]"
"""The places after a part, and whether the whole text may end there."""
_END: Final[Place] = -1, (0, 1, 0)
"""The place at the end of the whole text: the number -1, and the end of `_NOTHING`. Its configuration is
(low, high, offset) of `WordsLanguage`: the range of its one text, after no symbol."""
_NOTHING: Final = WordsLanguage((b"",), "nothing")
"""The part at the place `_END`. Its only word is the empty word."""


class Parts(Language):
    """A language that is made of parts. A configuration is a frozenset of places."""

    def __init__(self, parts: Sequence[Language]) -> None:
        """`parts`: the combined languages. A flag of the whole holds if it holds for one of them."""
        self.parts = tuple(parts)
        for part in parts:
            self.specials |= part.specials
            self.counts_tokens |= part.counts_tokens
            self.has_stack |= part.has_stack
            self.locks = max(self.locks, part.locks)

    def part(self, number: int) -> Language:
        """Return the part of the places with a number; below 0 that of `_END`."""
        return self._make_part(number) if number >= 0 else _NOTHING

    def _make_part(self, number: int) -> Language:
        """Return the part of the places with a number from 0 on. By default it is an index in `parts`."""
        return self.parts[number]

    @abstractmethod
    def _places_before(self) -> NextPlaces:
        """Return the places before the first part, and whether the whole text may be empty."""

    @abstractmethod
    def _places_after(self, number: int) -> NextPlaces:
        """Return the places after the part of a place, and whether the whole text may end there."""

    def start(self) -> Config:
        return self._with_end(*self._places_before())

    def _with_end(self, places: frozenset[Place], ends: bool) -> frozenset[Place]:
        """Return a configuration with these places. `ends`: the whole text may end here. Then `_END` is
        added, unless one of the places shows it already."""
        return places | {_END} if ends and not self.accepts(places) else places

    def accepts(self, config: Config) -> bool:
        for number, part_config in config:
            if number < 0:  # the end of the whole text
                return True
            if self.part(number).accepts(part_config):
                _, ends = self._places_after(number)
                if ends:
                    return True
        return False

    @cached_property
    def classes(self) -> bytes:  # type: ignore[override]
        return common_classes(part.classes for part in self.parts)

    @cached_property
    def outer_classes(self) -> bytes | None:  # type: ignore[override]
        return common_classes(part.outer_classes or part.classes for part in self.parts)

    def height(self, config: Config) -> int:
        """Return the largest height of the parts' stacks."""
        return max(self.part(number).height(part_config) for number, part_config in config)

    def expected_items(self, config: Config) -> list[Expected]:
        # in the order of the parts, so that messages are the same in every process; a set has no order
        places = sorted(config, key=lambda place: place[0])
        items: list[Expected] = []
        for number, part_config in places:
            items += self.part(number).expected_items(part_config)
        return list(dict.fromkeys(items))

    def step(self, config: Config, symbol: int) -> Config | None:
        new_places: set[Place] = set()
        if steps := len(config) // 8:  # one step is counted for 8 places: a place takes some 2 us
            THIS_CALL.count_work(steps * NUMBERS)
        for number, part_config in config:
            part = self.part(number)
            after = part.step(part_config, symbol)
            if after is not None:
                new_places |= self._after_part(number, part, after)
        return frozenset(new_places) or None

    def single_configs(self, config: Config) -> Iterable[Config]:
        if self.accepts(config):
            return (config,)
        # The whole text may not end here. So a place where its part may end adds nothing: the places after
        # this part are in the configuration too, and stand for it.
        open_places = (
            (number, part_config)
            for number, part_config in config
            if not self.part(number).accepts(part_config)
        )
        return (
            frozenset({(number, single)})
            for number, part_config in open_places
            for single in self.part(number).single_configs(part_config)
        )

    def _after_part(self, number: int, part: Language, after: Config) -> frozenset[Place]:
        """Return the places after a part has reached its configuration `after`. They are the place inside the
        part, if something can follow there, and the places after the part, if its text may end. `number`: the
        number of the part's place."""
        here = frozenset({(number, after)})
        if not part.accepts(after):
            return here
        places, ends = self._places_after(number)
        if not places:
            return here  # the place itself shows that the whole text may end
        places_after = self._with_end(places, ends)
        # a place where nothing can follow would be a dead end beside the places after the part
        return here | places_after if self._goes_on(part, after) else places_after

    @remember_answers
    def _goes_on(self, part: Language, config: Config) -> bool:
        """Return whether a symbol may follow in a part's configuration."""
        return part.goes_on(config)

    def cheap_next_bytes(self, config: Config) -> bytes | None:
        next_bytes: set[int] = set()
        for number, part_config in config:
            part_bytes = self.part(number).cheap_next_bytes(part_config)
            if part_bytes is None:  # one part alone makes the question expensive
                return None
            next_bytes.update(part_bytes)
        return bytes(sorted(next_bytes))

    def forced_run(self, config: Config) -> tuple[bytes, Config] | None:
        if len(config) != 1:
            return None
        ((number, part_config),) = config
        part = self.part(number)
        run = part.forced_run(part_config)
        if run is None:
            return None
        text, after = run
        return text, self._after_part(number, part, after)

    def inside_parts(self, config: Config) -> SplitConfig:
        parts: list[InsidePart] = []
        others: set[Place] = set()
        for number, part_config in config:
            insides, other_config = self.part(number).inside_parts(part_config)
            parts += [self._lift_place(number, inside) for inside in insides]
            # without a place inside, the whole configuration of the part is outside, even if it is None
            if other_config is not None or not insides:
                others.add((number, other_config))
        return tuple(parts), frozenset(others) or None

    def _lift_place(self, number: int, inside: InsidePart) -> InsidePart:
        """Return `inside`, a place in an inner part of one of this language's parts, as a place of this
        language. `number`: the number of the place of this language's part."""
        places_after: set[Place] = set()
        if inside.after_end is not None:
            places_after.add((number, inside.after_end))
        ends = False
        if inside.ends:  # a word of the inner part ends a word of this language's part too
            places, ends = self._places_after(number)
            places_after |= places
        return inside._replace(after_end=frozenset(places_after) or None, ends=ends)

    def after_inside(self, config: Config, state: int) -> Config:
        after: set[Place] = set()
        for number, part_config in config:
            part = self.part(number)
            after |= self._after_part(number, part, part.after_inside(part_config, state))
        return frozenset(after)

    def _needed_parts(self, number: int) -> Iterable[tuple[Language, int]]:
        """Return pairs (part, count): after the part of the place `number`, `count` words of `part` must
        follow at least."""
        return ()

    def shortest_rest(self, config: Config) -> Sequence[int]:
        # for each place: the size of its whole rest, the rest of its part, and pairs (word, count) for the
        # words that must follow
        ways: list[tuple[int, tuple[int, ...], list[tuple[tuple[int, ...], int]]]] = []
        for number, part_config in config:
            rest = tuple(self.part(number).shortest_rest(part_config))
            needed = self._needed_parts(number) if number >= 0 else ()
            words = [(self._shortest_word(part), count) for part, count in needed]
            size = len(rest) + sum(len(word) * count for word, count in words)
            ways.append((size, rest, words))
        # between equal sizes the symbols decide, so that the answer is the same in every process
        size, rest, words = min(ways)
        if steps := size // 400:  # one step is counted for 400 symbols: a symbol takes some 50 ns
            THIS_CALL.count_work(steps * NUMBERS)
        return [*rest, *chain.from_iterable(word * count for word, count in words)]

    @remember_answers
    def _shortest_word(self, part: Language) -> tuple[int, ...]:
        """Return the shortest word of a part."""
        return tuple(part.shortest_rest(part.start()))

    def after_token_end(self, config: Config) -> Config | None:
        """Return the configuration at the end of a token; None where no part allows a token to end."""
        places: set[Place] = set()
        for number, part_config in config:
            after = self.part(number).after_token_end(part_config)
            if after is not None:
                places.add((number, after))
        return frozenset(places) or None


class Chain(Parts):
    """Concatenation: a word of each part, one after another. The number of a place is the index of its
    part."""

    def __init__(self, parts: Sequence[Language]) -> None:
        super().__init__(parts)
        self._places_by_part: list[NextPlaces] = [(frozenset(), True)]
        """For each part the places before it, then those after the last part."""
        # Backwards: before a part that may be empty, the next part may begin too. The first entry of the list
        # is always that of the part after this one.
        for number, part in reversed(list(enumerate(parts))):
            places, ends = self._places_by_part[0]
            start = part.start()
            here: frozenset[Place] = frozenset({(number, start)})
            may_be_empty = part.accepts(start)
            if may_be_empty:
                here |= places
            self._places_by_part.insert(0, (here, ends and may_be_empty))

    def _places_before(self) -> NextPlaces:
        return self._places_by_part[0]

    def _places_after(self, number: int) -> NextPlaces:
        return self._places_by_part[number + 1]

    def _needed_parts(self, number: int) -> Iterable[tuple[Language, int]]:
        return ((part, 1) for part in self.parts[number + 1 :])


class Union(Parts):
    """Union: a word of any part. The number of a place is the index of its part."""

    def _places_before(self) -> NextPlaces:
        places = frozenset((number, part.start()) for number, part in enumerate(self.parts))
        return places, False

    def _places_after(self, number: int) -> NextPlaces:
        return frozenset(), True


class RepeatedLanguage(Parts):
    """`minimum` to `maximum` words of a language, one after another (`maximum` None: no bound).

    The number of a place is how many words were read before the current one. Without a bound, it counts only
    up to `minimum`: with `minimum` 2, the place in the fifth word has the number 2.
    """

    def __init__(self, of: Language, minimum: int, maximum: int | None) -> None:
        super().__init__((of,))
        self.of = of
        self.maximum = maximum
        self._first = of.start()
        # If a word may be empty, empty words make up the least number: there is no minimum then.
        self.minimum = 0 if of.accepts(self._first) else minimum

    def _make_part(self, number: int) -> Language:
        return self.of

    def _places_before(self) -> NextPlaces:
        return self._places_after(-1)  # as after a word before the first: 0 words were read

    def _places_after(self, number: int) -> NextPlaces:
        read_count = number + 1
        may_end = read_count >= self.minimum
        if read_count == self.maximum:
            return frozenset(), may_end
        # Without a bound above, all counts from the minimum on allow the same: so configurations stay few.
        next_number = min(read_count, self.minimum) if self.maximum is None else read_count
        return frozenset({(next_number, self._first)}), may_end

    def step(self, config: Config, symbol: int) -> Config | None:
        places = super().step(config, symbol) or ()
        # From the minimum on, a place with fewer words read allows all that one with more does. So of places
        # with one configuration only that with the fewest words is kept.
        fewest: dict[Config, int] = {}
        for number, part_config in places:
            if number >= self.minimum:
                fewest[part_config] = min(number, fewest.get(part_config, number))
        remaining = (
            (number, part_config)
            for number, part_config in places
            if number <= fewest.get(part_config, number)
        )
        return frozenset(remaining) or None

    def _needed_parts(self, number: int) -> Iterable[tuple[Language, int]]:
        return ((self.of, max(0, self.minimum - number - 1)),)


class AnyOrder(Parts):
    """A word of each of some languages, in any order, with a word of `separator` between two.

    The first `needed_count` languages are needed, the others may be absent. The number of a place is
    `words read * number of languages + index of the current language`. In `words read`, bit n is 1 if the
    word of language n was read before. For example, with three languages the number 5 * 3 + 1 is in language
    1, after languages 0 and 2 (5 is the bits 101).
    """

    def __init__(self, of: Sequence[Language], needed_count: int, separator: Language) -> None:
        # Each language is a part twice: alone, for the first word, and with the separator before it, for
        # later words. The part of language n is n or n + `_count`.
        is_separated = separator.goes_on(separator.start())
        later = [Chain((separator, word)) for word in of] if is_separated else of
        super().__init__((*of, *later))
        self._count = len(of)
        self._needed_words = (1 << needed_count) - 1  # the lowest `needed_count` bits

    def _make_part(self, number: int) -> Language:
        words_read, word = divmod(number, self._count)
        return self.parts[word + self._count * bool(words_read)]  # the second half after a first word

    def _places_before(self) -> NextPlaces:
        return self._after_words(0)

    def _places_after(self, number: int) -> NextPlaces:
        words_read, word = divmod(number, self._count)
        return self._after_words(words_read | 1 << word)

    def _after_words(self, words_read: int) -> NextPlaces:
        """Return the places after some words (a bit for each), and whether the whole text may end there."""
        may_end = not self._needed_words & ~words_read
        unread = (word for word in range(self._count) if not words_read >> word & 1)
        numbers = (words_read * self._count + word for word in unread)
        places = frozenset((number, self._make_part(number).start()) for number in numbers)
        return places, may_end

    def _needed_parts(self, number: int) -> Iterable[tuple[Language, int]]:
        words_read, word = divmod(number, self._count)
        words_read |= 1 << word
        missing = self._needed_words & ~words_read
        missing_words = (word for word in range(self._count) if missing >> word & 1)
        return ((self.parts[word + self._count], 1) for word in missing_words)
