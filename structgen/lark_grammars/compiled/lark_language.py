"""A Lark grammar as a `Language`, read byte by byte: for explanations, random texts, and compositions without
masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType

from structgen.core.compiled import State
from structgen.language.expectation import Expected
from structgen.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.lark_grammars.liveness.cells import classes_of_bytes
from structgen.limits import Limits
from structgen.text_grammars.machine.language import TOKEN, Config, Language
from structgen.tokens.tokenizer import Tokenizer

_BYTES = 256


@cache
def bytes_alone() -> Tokenizer:
    """Return a vocabulary with a token for each byte, and an end token."""
    return Tokenizer.from_bytes([*(bytes((one,)) for one in range(_BYTES)), None], eos_token_id=_BYTES)


class LarkLanguage(Language):
    """The texts that lark takes; a configuration is the number of a state of the machine."""

    has_stack = True

    def __init__(
        self,
        grammar: object,
        limits: Limits,
        bound: Mapping[int, Language | None] = MappingProxyType({}),
    ) -> None:
        """`bound`: as of `Lexer`. Cost: as `CompiledLark`. Raises LimitError."""
        self.compiled = CompiledLark(grammar, bytes_alone(), limits, False, needs_text=False, bound=bound)
        self.locks, lexer = 1 + self.compiled.height, self.compiled.lexer
        self.classes = classes_of_bytes(bytes(lexer.classes), lexer.tables)

    def start(self) -> Config:
        """Return the configuration before the first byte. Raises GrammarError where lark takes no text."""
        self.compiled.check_text()
        return self.compiled.start.index

    def step(self, config: Config, symbol: int) -> Config | None:
        """Return the configuration after a byte; None exactly if no accepted text continues so."""
        after = -1 if symbol >= TOKEN else self.compiled.bytes_index(config, bytes((symbol,)))
        return None if after < 0 else after

    def accepts(self, config: Config) -> bool:
        """Return whether lark accepts the text so far."""
        return self.compiled.may_end(config)

    def shortest(self, config: Config) -> Sequence[int]:
        """Return a shortest completion."""
        return self.compiled.shortest_rest(config)

    def expected(self, config: Config) -> list[Expected]:
        """Return the terminals that may come, as `CompiledGrammar.expected`."""
        found = self.compiled.expected(State(self.compiled, config))
        return [one for one in found if one.first]

    def height(self, config: Config) -> int:
        """Return the height of the parser's stack: the largest over all readings of the text."""
        return self.compiled.depth_of(config)

    @property
    def sizes(self) -> dict[str, int]:
        """The numbers of lexer states and parser stacks."""
        sizes = self.compiled.sizes
        return {name: sizes[name] for name in ("lexer_states", "stacks")}
