"""JSON texts of a schema as a part of other grammars."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from structgen.json_grammars.compiled_schema import CompiledSchema
from structgen.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.limits import Limits
from structgen.text_grammars.machine.language import CompileTarget, Language, TextGrammar
from structgen.text_grammars.machine.masked_language import Masked
from structgen.tokens.tokenizer import Tokenizer

_SPACE: Final = b" \t\n\r"
_DIGITS: Final = b"0123456789"
_LAST: Final = {
    ord("{"): b"}", ord("["): b"]", ord('"'): b'"', ord("t"): b"e", ord("f"): b"e", ord("n"): b"l",
    **dict.fromkeys(b"-" + _DIGITS, _DIGITS),
}  # fmt: skip
"""The last bytes of the values that begin with a byte."""


@cache
def _bytes() -> Tokenizer:
    """Return a tokenizer whose tokens are the bytes."""
    return Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)


class JsonTexts(TextGrammar):
    """The JSON texts of a grammar, as texts."""

    __slots__ = ("of",)

    def __init__(self, of: JsonSchemaGrammar) -> None:
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

    @property
    def has_masks(self) -> bool:
        return True

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        if target is None:
            return Masked(CompiledSchema(self.of, _bytes(), limits, store=False))
        compiled = CompiledSchema(self.of, target.tokenizer, limits, target.store)
        first = compiled.next_bytes(compiled.start)
        last = b"".join(_LAST.get(byte, b"") for byte in first)
        return Masked(compiled, last if self.of.policies.whitespace == "compact" else last + _SPACE)

    def __reduce__(self) -> tuple[Any, ...]:
        return JsonTexts, (self.of,)
