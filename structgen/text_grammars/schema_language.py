"""The JSON texts of a schema as a `Language`, so that they can be a part of another grammar."""

from __future__ import annotations

from functools import cache
from typing import Final

from structgen.json_grammars.compiled_schema import CompiledSchema
from structgen.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.limits import Limits
from structgen.text_grammars.machine.language import CompileTarget, Language
from structgen.text_grammars.machine.masked_language import Masked
from structgen.tokens.tokenizer import Tokenizer, byte_tokenizer

_SPACE: Final = b"\t\n\r "
_DIGITS: Final = b"0123456789"
_LAST: Final = {
    ord("{"): b"}", ord("["): b"]", ord('"'): b'"', ord("t"): b"e", ord("f"): b"e", ord("n"): b"l",
    **dict.fromkeys(b"-" + _DIGITS, _DIGITS),
}  # fmt: skip
"""First byte of a JSON value -> the bytes that can be its last."""


@cache
def _byte_tokenizer() -> Tokenizer:
    """Return one tokenizer of bytes for all schemas of the process."""
    return byte_tokenizer()


def schema_language(of: JsonSchemaGrammar, limits: Limits, target: CompileTarget | None) -> Language:
    """Return the language of a schema's JSON texts: compiled against the target's tokenizer, or, without a
    target, against single bytes."""
    if target is None:
        return Masked(CompiledSchema(of, _byte_tokenizer(), limits, store=False))
    compiled = CompiledSchema(of, target.tokenizer, limits, target.store)
    first = compiled.next_bytes(compiled.start)
    last = bytes(sorted({one for byte in first for one in _LAST.get(byte, b"")}))
    return Masked(compiled, last, b"" if of.policies.whitespace == "compact" else _SPACE)
