"""Languages made of languages: concatenation, union, repetition, any order.

A configuration is the set of places that the text so far may have reached (a subset construction on the fly).
Each place has a rest, since each part has a word.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import chain
from typing import Final, TypeAlias, cast

from structgen.core.compiled import CompiledGrammar
from structgen.language.expectation import Expected
from structgen.text_grammars.machine.language import Config, InsidePart, Language
from structgen.text_grammars.machine.scanning import common_classes

Place: TypeAlias = "tuple[int, Config]"
"""A number (of a part, or of the copies read so far), and the configuration of the part's language."""
_BETWEEN: Final = None
"""In place of a configuration: between two copies."""


class Parts(Language):
    """A language over parts; a configuration is a frozenset of places."""

    def __init__(self, parts: Sequence[Language]) -> None:
        self.parts = tuple(parts)
        for part in parts:
            self.specials |= part.specials
            self.counts_tokens |= part.counts_tokens
            self.has_stack |= part.has_stack
        self._over: dict[tuple[Language, Config], bool] = {}
        self._least_words: dict[Language, tuple[int, ...]] = {}

    @cached_property
    def classes(self) -> bytes:  # type: ignore[override]
        return common_classes(part.classes for part in self.parts)

    @cached_property
    def outer_classes(self) -> bytes | None:  # type: ignore[override]
        return common_classes(part.outer_classes or part.classes for part in self.parts)

    def part(self, place: Place) -> Language:
        return self.parts[place[0]]

    def height(self, config: Config) -> int:
        places = cast("frozenset[Place]", config)
        return max((self.part(one).height(one[1]) for one in places if one[1] is not _BETWEEN), default=0)

    def expected(self, config: Config) -> list[Expected]:
        places = sorted(cast("frozenset[Place]", config), key=lambda place: place[0])
        opened = (one for place in places for one in self._opened(place))
        return list(dict.fromkeys(told for one in opened for told in self.part(one).expected(one[1])))

    def step(self, config: Config, symbol: int) -> Config | None:
        found: set[Place] = set()
        for place in cast("frozenset[Place]", config):
            for number, at in self._opened(place):
                part = self.part((number, at))
                after = part.step(at, symbol)
                if after is not None:
                    found |= self._after(number, part, after)
        return frozenset(found) or None

    def places(self, config: Config) -> Iterable[Config]:
        for place in cast("frozenset[Place]", config):
            number, at = place
            part = self.part(place)
            for one in part.places(at) if at is not _BETWEEN else (at,):
                if at is _BETWEEN or not self._followed(number)[0] or not part.accepts(one):
                    yield frozenset({(number, one)})

    def _after(self, number: int, part: Language, after: Config) -> frozenset[Place]:
        """Return the places after a part has moved on to `after`: inside it unless nothing can follow there,
        and behind it if its text may end. `number`: of the part's place."""
        here = frozenset({(number, after)})
        if not part.accepts(after):
            return here
        places, _ends = self._followed(number)
        if not places:
            return here
        is_over = self._over.get((part, after))
        if is_over is None:
            is_over = self._over[part, after] = not part.goes_on(after)
        return places if is_over else here | places

    def told(self, config: Config) -> bytes | None:
        opened = [one for place in cast("frozenset[Place]", config) for one in self._opened(place)]
        found = [told for one in opened if (told := self.part(one).told(one[1])) is not None]
        return bytes(sorted(set(b"".join(found)))) if len(found) == len(opened) else None

    def run(self, config: Config) -> tuple[bytes, Config] | None:
        places = cast("frozenset[Place]", config)
        if len(places) != 1:
            return None
        (place,) = places
        number, at = place
        part = self.part(place)
        run = None if at is _BETWEEN else part.run(at)
        return None if run is None else (run[0], self._after(number, part, run[1]))

    def _opened(self, place: Place) -> Iterable[Place]:
        """Return a place; in place of that between two copies or words, those where the next may begin."""
        return (place,)

    def inside(self, config: Config) -> tuple[tuple[InsidePart, ...], Config | None]:
        found: list[InsidePart] = []
        others: set[Place] = set()
        for place in cast("frozenset[Place]", config):
            number, at = place
            insides, left = self.part(place).inside(at) if at is not _BETWEEN else ((), at)
            found += [self._lifted(number, one) for one in insides]
            if left is not None or not insides:
                others.add((number, left))
        return tuple(found), frozenset(others) or None

    def _lifted(self, number: int, one: InsidePart) -> InsidePart:
        """Return a place inside a part of this language's part, as a place of this language. `number`: of
        the place."""
        behind: set[Place] = set() if one.after_end is None else {(number, one.after_end)}
        ends = False
        if one.ends:
            places, ends = self._followed(number)
            behind |= places
        return one._replace(after_end=frozenset(behind) or None, ends=ends)

    def after_inside(self, config: Config, state: int) -> Config:
        found: set[Place] = set()
        for number, at in cast("frozenset[Place]", config):
            part = self.part((number, at))
            found |= self._after(number, part, part.after_inside(at, state))
        return frozenset(found)

    @abstractmethod
    def _followed(self, number: int) -> tuple[frozenset[Place], bool]:
        """Return the places behind the part of a place, and whether the whole text may end there."""

    def _needed(self, place: Place) -> Iterable[tuple[Language, int]]:
        """Return the parts of which words must still follow the part of a place, or a place between two, and
        how many of each."""
        return ()

    def shortest(self, config: Config) -> Sequence[int]:
        ways: list[tuple[int, tuple[int, ...], list[tuple[tuple[int, ...], int]]]] = []
        for place in cast("frozenset[Place]", config):
            rest = () if place[1] is _BETWEEN else tuple(self.part(place).shortest(place[1]))
            words = [(self._least_word(part), count) for part, count in self._needed(place)]
            ways.append((len(rest) + sum(len(word) * count for word, count in words), rest, words))
        _, rest, words = min(ways)
        return [*rest, *chain.from_iterable(word * count for word, count in words)]

    def _least_word(self, part: Language) -> tuple[int, ...]:
        """Return the shortest word of a part."""
        known = self._least_words.get(part)
        if known is None:
            known = self._least_words[part] = tuple(part.shortest(part.start()))
        return known

    def boundary(self, config: Config) -> Config | None:
        found: set[Place] = set()
        for number, at in cast("frozenset[Place]", config):
            after = at if at is _BETWEEN else self.part((number, at)).boundary(at)
            if at is _BETWEEN or after is not None:
                found.add((number, after))
        return frozenset(found) or None

    @property
    def sizes(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for part in dict.fromkeys(self.parts):
            for name, count in part.sizes.items():
                total[name] = total.get(name, 0) + count
        return total

    @property
    def compiled_parts(self) -> frozenset[CompiledGrammar]:
        return frozenset(one for part in self.parts for one in part.compiled_parts)


class Chain(Parts):
    """Concatenation: a word of each part, one after another."""

    def __init__(self, parts: Sequence[Language]) -> None:
        super().__init__(parts)
        self._begun = self._begin()

    def _begin(self) -> list[frozenset[Place]]:
        """Return for each part the places before it: its own, and behind it where it may be empty."""
        after: frozenset[Place] = frozenset()
        found = [after]
        for index in reversed(range(len(self.parts))):
            start = self.parts[index].start()
            after = frozenset({(index, start), *(after if self.parts[index].accepts(start) else ())})
            found.append(after)
        return found[::-1]

    def start(self) -> Config:
        return self._begun[0]

    def _followed(self, number: int) -> tuple[frozenset[Place], bool]:
        places = self._begun[number + 1]
        return places, not places or self.accepts(places)

    def accepts(self, config: Config) -> bool:
        last = len(self.parts) - 1
        return any(
            index == last and self.parts[last].accepts(at) for index, at in cast("frozenset[Place]", config)
        )

    def _needed(self, place: Place) -> Iterable[tuple[Language, int]]:
        return ((part, 1) for part in self.parts[place[0] + 1 :])


class Union(Parts):
    """Union: a word of any part."""

    def start(self) -> Config:
        return frozenset((index, part.start()) for index, part in enumerate(self.parts))

    def _followed(self, number: int) -> tuple[frozenset[Place], bool]:
        return frozenset(), True

    def accepts(self, config: Config) -> bool:
        return any(self.parts[index].accepts(at) for index, at in cast("frozenset[Place]", config))


class RepeatedLanguage(Parts):
    """`least` to `most` words of a language, one after another (`most` None: no bound).

    A place is the number of copies read so far (counted as far as it matters), and the configuration of the
    next copy, or `_BETWEEN`.
    """

    def __init__(self, of: Language, least: int, most: int | None) -> None:
        super().__init__((of,))
        self.of, self.most = of, most
        self._first = of.start()
        if of.inside(self._first)[0]:
            self.outer_classes = self.classes  # between two copies, the next byte is read by the inner part
        # empty copies may make up the number
        self.least = 0 if of.accepts(self._first) else least

    def part(self, place: Place) -> Language:
        return self.of

    def _opened(self, place: Place) -> Iterable[Place]:
        number, at = place
        if at is not _BETWEEN:
            return (place,)
        return ((number, self._first),) if number != self.most else ()

    def start(self) -> Config:
        return frozenset({(0, _BETWEEN)})

    def _followed(self, number: int) -> tuple[frozenset[Place], bool]:
        read = number + 1
        place = min(read, self.least) if self.most is None else read, _BETWEEN
        return frozenset({place}), place[0] >= self.least

    def accepts(self, config: Config) -> bool:
        return any(at is _BETWEEN and count >= self.least for count, at in cast("frozenset[Place]", config))

    def _needed(self, place: Place) -> Iterable[tuple[Language, int]]:
        count, at = place
        return ((self.of, max(0, self.least - count - (at is not _BETWEEN))),)


class AnyOrder(Parts):
    """A word of each of some languages, in any order, with a word of `between` between two. Those behind the
    first `needed` may be absent.

    A place has the set of the words read before, a bit each, and the number of the language that is being
    read; or the set of all words read and `_BETWEEN`.
    """

    def __init__(self, of: Sequence[Language], needed: int, between: Language) -> None:
        later = list(of) if not between.goes_on(between.start()) else [Chain((between, one)) for one in of]
        super().__init__((*of, *later))
        self._count, self._needs = len(of), (1 << needed) - 1
        if any(part.inside(part.start())[0] for part in self.parts):
            self.outer_classes = self.classes  # between two words, the next byte is read by an inner part

    def _opened(self, place: Place) -> Iterable[Place]:
        read, at = place
        if at is not _BETWEEN:
            return (place,)
        ready = (read * self._count + one for one in range(self._count) if not read >> one & 1)
        return [(one, self.part((one, at)).start()) for one in ready]

    def part(self, place: Place) -> Language:
        read, one = divmod(place[0], self._count)
        return self.parts[one + self._count * bool(read)]

    def start(self) -> Config:
        return frozenset({(0, _BETWEEN)})

    def _followed(self, number: int) -> tuple[frozenset[Place], bool]:
        read, one = divmod(number, self._count)
        read |= 1 << one
        return frozenset({(read, _BETWEEN)}), not self._needs & ~read

    def accepts(self, config: Config) -> bool:
        places = cast("frozenset[Place]", config)
        return any(at is _BETWEEN and not self._needs & ~read for read, at in places)

    def _needed(self, place: Place) -> Iterable[tuple[Language, int]]:
        number, at = place
        if at is not _BETWEEN:
            ((number, _),) = self._followed(number)[0]
        for one in range(self._count):
            if self._needs & ~number & 1 << one:
                yield self.part((number * self._count + one, at)), 1
                number |= 1 << one
