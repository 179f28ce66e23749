"""A model whose next token is certain: that of a given text. It implements `engine.model_protocol.Model`.

A *script* is a prompt and the text that the model writes after it. The first tokens of a prompt are a *name*
of its script: three pseudo-tokens after the vocabulary, which replace (or precede) the prompt's own tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from structgen.base.errors import StructgenError
from structgen.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

_DIGITS: Final = 256
"""The number of pseudo-tokens after the vocabulary, of which the names of scripts are made."""
_PLACES: Final = 3
"""The number of pseudo-tokens in a name, so that there are 256 ** 3 names."""
_SHORT: Final = 16
"""The tokens from which on a prompt is long. The name replaces the first tokens of a long prompt, and is
added before a shorter one."""
_FAR: Final = -1e4
"""The logit of a token that does not continue the text. Its probability is 0."""
_NEXT: Final = -50.0
"""The difference of logits from a longer token that continues the text to a shorter one. So the shorter token
is chosen only if the mask forbids the longer one."""


@dataclass(slots=True)
class ScriptCache:
    """The cache of a text: its script, and how far the text has come in it."""

    script: bytes
    """The bytes of the prompt, and of the text that the model writes after it."""
    position: int
    """The number of bytes of the script that were read; -1: the text differs from the script."""
    nbytes: int = 0

    def copy(self) -> ScriptCache:
        """Return an independent cache."""
        return ScriptCache(self.script, self.position)


class ScriptModel:
    """Writes scripts. The first tokens of a prompt name its script (`begin_script`). So equal prompts may
    have different scripts, and threads do not disturb each other."""

    context: Final = 1 << 30
    drafts_pay: Final = False

    def __init__(self, tokenizer: Tokenizer, specials: Mapping[str, int]) -> None:
        """`specials`: the ids of tokens without bytes, by their texts, which a script may write."""
        self._tokens = [token or b"" for token in tokenizer.token_bytes]
        for text, id in specials.items():
            self._tokens[id] = text.encode()
        self._ids = {token: id for id, token in reversed([*enumerate(self._tokens)]) if token}
        self._sizes = sorted({len(token) for token in self._ids}, reverse=True)
        self._ends = tokenizer.eos_token_ids
        self._first = len(self._tokens)
        self.vocab_size = self._first + _DIGITS
        self._scripts: dict[tuple[int, ...], tuple[bytes, bytes]] = {}
        """The scripts by their names: the bytes of the tokens that the name replaces, and those of the
        script."""
        self._numbers = count()

    def bytes_of(self, tokens: Sequence[int]) -> bytes:
        """Return the bytes that tokens spell; a special token spells its name."""
        return b"".join(self._tokens[token] for token in tokens)

    def size_of(self, text: bytes) -> int:
        """Return how many tokens spell a text if each is as long as possible. Raises the errors of
        `_next_tokens`."""
        offset = size = 0
        while offset < len(text):
            offset += len(self._tokens[self._next_tokens(text, offset)[0]])
            size += 1
        return size

    def begin_script(self, prompt: Sequence[int], text: str) -> list[int]:
        """Return the prompt after which the model writes a text: its first tokens name the script."""
        number = next(self._numbers)
        name = tuple(self._first + number // _DIGITS**place % _DIGITS for place in range(_PLACES))
        # a long prompt keeps its length
        head = list(prompt[:_PLACES]) if len(prompt) >= _SHORT else []
        self._scripts[name] = self.bytes_of(head), self.bytes_of(prompt) + text.encode()
        return [*name, *prompt[len(head) :]]

    def end_script(self, prompt: Sequence[int]) -> None:
        """Forget the script of a prompt that `begin_script` returned."""
        self._scripts.pop(tuple(prompt[:_PLACES]), None)

    # --- the protocol of models -----------------------------------------------------------------------------

    def prefill(self, tokens: Sequence[int]) -> tuple[Tensor, ScriptCache]:
        """Return the logits after a prompt, and its cache. After a prompt without a script all tokens are
        equally likely."""
        cache = ScriptCache(b"", -1)
        if (script := self._scripts.get(tuple(tokens[:_PLACES]))) is not None:
            head, script_bytes = script
            read_bytes = head + self.bytes_of(tokens[_PLACES:])
            cache = ScriptCache(script_bytes, len(read_bytes) if script_bytes.startswith(read_bytes) else -1)
        return self._make_logits([cache])[0], cache

    def decode(self, tokens: Sequence[int], caches: Sequence[Any]) -> Tensor:
        """Return the logits [rows, V] after one more token of each text."""
        for token, cache in zip(tokens, caches, strict=True):
            token_bytes = self._tokens[token]
            goes_on = (
                cache.position >= 0 and token_bytes and cache.script.startswith(token_bytes, cache.position)
            )
            cache.position = cache.position + len(token_bytes) if goes_on else -1
        return self._make_logits(caches)

    def _make_logits(self, caches: Sequence[ScriptCache]) -> Tensor:
        """Return the logits [rows, V] after the text of each cache. All tokens are equally likely after a
        text that is not its script's."""
        # optional: torch
        import torch

        logits = torch.zeros(len(caches), self.vocab_size)
        for row, cache in zip(logits, caches, strict=True):
            if cache.position >= 0:
                row.fill_(_FAR)
                is_over = cache.position == len(cache.script)
                for rank, token in enumerate(
                    self._ends if is_over else self._next_tokens(cache.script, cache.position)
                ):
                    row[token] = _NEXT * rank
        return logits

    def _next_tokens(self, text: bytes, offset: int) -> list[int]:
        """Return the tokens that a text goes on with, the longest first. Errors: StructgenError where the
        vocabulary lacks the byte."""
        sizes = (size for size in self._sizes if size <= len(text) - offset)
        token_ids = [self._ids[part] for size in sizes if (part := text[offset : offset + size]) in self._ids]
        if not token_ids:
            raise StructgenError(
                f"The vocabulary has no token for the byte 0x{text[offset]:02x}.",
                where="like",
                cure="Use another tokenizer, or remove like=.",
            )
        return token_ids
