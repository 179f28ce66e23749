"""`RegularLanguage`: the texts that a formula over patterns and words takes, read by an automaton."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import cast

from structgen.automata.strings.string_pool import StringPool
from structgen.automata.unicode.partition import JSON, PLAIN
from structgen.errors import GrammarError
from structgen.language.ir import DEAD, Formula, Spec
from structgen.limits import Limits
from structgen.text_grammars.machine.language import ALL_BYTES, Config, Language


class RegularLanguage(Language):
    """A formula over patterns and words; a configuration is a state of its automaton."""

    def __init__(
        self,
        formula: Formula,
        what: str,
        limits: Limits,
        *,
        json: bool = False,
        others: Iterable[Formula] = (),
    ) -> None:
        """`json`: of all rests, the shortest is the one whose JSON string is the shortest. `others`: texts of
        these formulas are words too."""
        self._pool = StringPool(limits, spelling=JSON if json else PLAIN)
        self.what = what
        self._start = self._pool.start(Spec((formula, *others)), min)
        if self._start == DEAD:
            raise GrammarError(
                f"No text is {what}.", where="grammar", cure="Ask for less, or for something that can be."
            )

    @cached_property
    def classes(self) -> bytes:  # type: ignore[override]
        return self._pool.byte_classes()

    def start(self) -> Config:
        return self._start

    def step(self, config: Config, symbol: int) -> Config | None:
        if symbol > 255:
            return None
        after = int(self._pool.trans[cast(int, config), symbol])
        return None if after < 0 else after

    def accepts(self, config: Config) -> bool:
        return self.outcome(config) >= 0

    def outcome(self, config: Config) -> int:
        """Return the number of the first formula of which the symbols read so far are a text, or -1."""
        return int(self._pool.outcome[cast(int, config)])

    def shortest(self, config: Config) -> Sequence[int]:
        return self._pool.finish(cast(int, config))[0]

    @property
    def sizes(self) -> dict[str, int]:
        return {"string_states": self._pool.count}


class LiteralLanguage(Language):
    """One text; a configuration is the number of its bytes read so far."""

    def __init__(self, text: bytes, what: str) -> None:
        self._text, self.what = text, what

    @cached_property
    def classes(self) -> bytes:  # type: ignore[override]
        classes = bytearray(256)
        for number, byte in enumerate(dict.fromkeys(self._text), 1):
            classes[byte] = number & 255
        return bytes(classes) if 0 in classes else ALL_BYTES

    def start(self) -> Config:
        return 0

    def step(self, config: Config, symbol: int) -> Config | None:
        at = cast(int, config)
        return at + 1 if at < len(self._text) and self._text[at] == symbol else None

    def told(self, config: Config) -> bytes:
        at = cast(int, config)
        return self._text[at : at + 1]

    def run(self, config: Config) -> tuple[bytes, Config] | None:
        rest = self._text[cast(int, config) :]
        return (rest, len(self._text)) if rest else None

    def accepts(self, config: Config) -> bool:
        return config == len(self._text)

    def goes_on(self, config: Config) -> bool:
        return not self.accepts(config)

    def shortest(self, config: Config) -> Sequence[int]:
        return self._text[cast(int, config) :]
