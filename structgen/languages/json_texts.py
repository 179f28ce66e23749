"""JSON texts of a schema as a part of other grammars: the machine of JSON, read byte by byte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from structgen.compiled import State
from structgen.compiled_schema import CompiledSchema
from structgen.expected import Expected
from structgen.languages.language import Config, Language, TextGrammar
from structgen.limits import Limits
from structgen.schema.grammar import NetworkGrammar
from structgen.tokenizer import Tokenizer

_BYTES: Final = 256


class JsonTexts(TextGrammar):
    """The JSON texts of a grammar, as texts."""

    __slots__ = ("of",)

    def __init__(self, of: NetworkGrammar) -> None:
        self.of = of

    @property
    def canonical(self) -> str:
        return f"json {self.of.canonical}"

    @property
    def limits(self) -> Limits:
        return self.of.limits

    @property
    def source(self) -> str:
        return "a JSON Schema"

    def language(self, limits: Limits) -> Language:
        return JsonLanguage(self.of, limits)

    def __reduce__(self) -> tuple[Any, ...]:
        return JsonTexts, (self.of,)


class JsonLanguage(Language):
    """The JSON texts of a grammar; a configuration is a state of the machine, by its number."""

    def __init__(self, grammar: NetworkGrammar, limits: Limits) -> None:
        tokens = [*(bytes((byte,)) for byte in range(_BYTES)), None]
        self._compiled = CompiledSchema(
            grammar, Tokenizer.from_bytes(tokens, eos_token_id=_BYTES), limits, store=False
        )

    def start(self) -> Config:
        return self._compiled.start.index

    def step(self, config: Config, symbol: int) -> Config | None:
        if symbol >= _BYTES:
            return None
        after = self._compiled.byte_index(cast(int, config), symbol)
        return None if after < 0 else after

    def accepts(self, config: Config) -> bool:
        return self._compiled.may_end(cast(int, config))

    def shortest(self, config: Config) -> Sequence[int]:
        return (
            b""
            if self.accepts(config)
            else self._compiled.completion(State(self._compiled, cast(int, config)))
        )

    def expected(self, config: Config) -> list[Expected]:
        found = self._compiled.expected(State(self._compiled, cast(int, config)))
        return [one for one in found if one.first]

    @property
    def sizes(self) -> dict[str, int]:
        sizes = self._compiled.sizes
        return {"json_states": sizes["machine_states"], "string_states": sizes["string_states"]}
