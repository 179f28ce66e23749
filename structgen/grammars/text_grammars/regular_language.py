"""Regular languages, read byte by byte: `RegularLanguage` for formulas, `WordsLanguage` for lists of texts.

A *formula* describes a set of texts by patterns and words. A *configuration* is all that a language remembers
of the symbols read so far. For a formula it is a state of the automaton: after `ab`, a state of `a*b?`. An
*outcome* is the number of the first formula that the text so far matches; -1: none.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property
from operator import itemgetter

import numpy as np

from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.partition import PLAIN
from structgen.base.errors import GrammarError
from structgen.base.language.ir import DEAD, Formula, Spec
from structgen.base.limits import Limits
from structgen.base.native.array_types import ByteArray, Int32Array, Int64Array
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars.machine.language import Config, Language


def _no_text(description: str) -> GrammarError:
    return GrammarError(f"No text is {description}.", where="grammar", cure="Relax one of the conditions.")


class RegularLanguage(Language):
    """The language of one or more formulas. A configuration is a state of their automaton."""

    def __init__(
        self,
        formula: Formula,
        description: str,
        limits: Limits,
        *,
        others: Iterable[Formula] = (),
    ) -> None:
        """`formula`: the first formula. `others`: further formulas, whose texts belong to the language too.
        `description`: the name of such a text in messages. Raises `GrammarError` if there is no text."""
        self._pool = StringPool(limits, spelling=PLAIN)
        self.description = description
        self._start = self._pool.start(Spec((formula, *others)), min)
        if self._start == DEAD:
            raise _no_text(description)

    @cached_property
    def classes(self) -> bytes:  # type: ignore[override]
        return self._pool.byte_classes()

    def start(self) -> Config:
        return self._start

    def step(self, config: Config, symbol: int) -> Config | None:
        if symbol > 255:
            return None
        after = int(self._pool.trans[config, symbol])
        return None if after < 0 else after  # below 0: the automaton's state without a text

    def after_each(self, configs: Int64Array, symbols: ByteArray) -> Int32Array:
        """Return, for each configuration, the one after its symbol; below 0 where no word goes on."""
        return self._pool.trans[configs, symbols]

    def accepts(self, config: Config) -> bool:
        return self.outcome_of(config) >= 0

    def outcome_of(self, config: Config) -> int:
        """Return the number of the first formula that the symbols read so far match; -1: none."""
        return int(self._pool.outcome[config])

    def shortest_rest(self, config: Config) -> Sequence[int]:
        return self._pool.shortest_rests(config)[0]

    @property
    def sizes(self) -> dict[str, int]:
        return {"string_states": self._pool.count}


class WordsLanguage(Language):
    """The language of a list of texts.

    A configuration is (low, high, offset). `_texts[low:high]` are the sorted texts that begin with the
    symbols read so far, and `offset` is the number of these symbols. With the texts `a`, `ab` and `b`, the
    configuration after `a` is (0, 2, 1). Only the order of the texts is computed ahead.
    """

    def __init__(self, texts: Iterable[bytes], description: str) -> None:
        self._texts = sorted(texts)
        self.description = description
        if not self._texts:
            raise _no_text(description)
        self._sizes = np.fromiter(map(len, self._texts), np.int64)
        THIS_CALL.count_work(3 * int(self._sizes.sum()))  # some 60 ns a byte

    @cached_property
    def classes(self) -> bytes:  # type: ignore[override]
        # a class for each byte of the texts; all other bytes share class 0
        classes = bytearray(256)
        for number, byte in enumerate(dict.fromkeys(b"".join(self._texts)), 1):
            classes[byte] = number & 255  # where the texts have all 256 bytes, class 0 is free for the last
        return bytes(classes)

    def start(self) -> Config:
        return 0, len(self._texts), 0

    def _going_on(self, config: Config) -> tuple[int, int, int]:
        """Return a configuration without the text that ends there: among sorted texts it is the first."""
        low, high, offset = config
        ends_here = len(self._texts[low]) == offset
        return low + ends_here, high, offset

    def step(self, config: Config, symbol: int) -> Config | None:
        low, high, offset = self._going_on(config)
        # all texts of the range agree before the offset, so their bytes there ascend
        first = bisect_left(self._texts, symbol, low, high, key=itemgetter(offset))
        end = bisect_right(self._texts, symbol, first, high, key=itemgetter(offset))
        return (first, end, offset + 1) if first < end else None

    def cheap_next_bytes(self, config: Config) -> bytes:
        low, high, offset = self._going_on(config)
        next_bytes = bytearray()
        while low < high:
            next_bytes.append(self._texts[low][offset])
            # on to the first text with another byte
            low = bisect_right(self._texts, next_bytes[-1], low, high, key=itemgetter(offset))
        return bytes(next_bytes)

    def forced_run(self, config: Config) -> tuple[bytes, Config] | None:
        if len(self._texts) != 1:  # with several texts a run to the end of one is rarely of use
            return None
        rest = self.shortest_rest(config)
        if not rest:
            return None
        (text,) = self._texts
        return rest, (0, 1, len(text))

    def accepts(self, config: Config) -> bool:
        low, _, offset = config
        return len(self._texts[low]) == int(offset)

    def shortest_rest(self, config: Config) -> bytes:
        low, high, offset = config
        shortest = low + int(self._sizes[low:high].argmin())
        text: bytes = self._texts[shortest]
        return text[offset:]
