"""A Lark grammar as a `Language`, read byte by byte: for explanations, random texts, and compositions without
masks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Final

from structgen.base.limits import Limits
from structgen.grammars.lark_grammars.compiled.compiled_lark import CompiledLark
from structgen.grammars.lark_grammars.liveness.frames import classes_of_bytes
from structgen.grammars.text_grammars.machine.language import Config, Language
from structgen.grammars.text_grammars.machine.masked_language import CompiledLanguage
from structgen.tokens.tokenizer import byte_tokenizer

_BYTES_ALONE: Final = cache(byte_tokenizer)


class LarkLanguage(CompiledLanguage):
    """The texts that lark takes; a configuration is the number of a state of the machine."""

    compiled: CompiledLark
    has_stack = True

    def __init__(
        self,
        grammar: object,
        limits: Limits,
        bound: Mapping[int, Language | None] = MappingProxyType({}),
    ) -> None:
        """`bound`: as of `Lexer`. Cost: as `CompiledLark`. Raises LimitError."""
        self.compiled = CompiledLark(grammar, _BYTES_ALONE(), limits, False, needs_text=False, bound=bound)
        self.locks = 1 + self.compiled.height
        lexer = self.compiled.answers.lexer
        # Not the lexer's own classes: blanks and tabs differ in a newline, whose column counts.
        self.classes = classes_of_bytes(bytes(lexer.classes), lexer.tables)

    def start(self) -> Config:
        """Return the configuration before the first byte. Raises GrammarError where lark takes no text."""
        self.compiled.check_text()
        return super().start()

    def shortest_rest(self, config: Config) -> Sequence[int]:
        """Return a shortest completion."""
        return self.compiled.shortest_rest(config)

    @property
    def sizes(self) -> dict[str, int]:
        """The numbers of lexer states, of parser stacks, and of the languages that are bound."""
        machine_sizes = self.compiled.sizes
        sizes = Counter({name: machine_sizes[name] for name in ("lexer_states", "stacks")})
        sizes.update(super().sizes)  # a counter adds numbers of the same name
        return dict(sizes)
