"""The tokenizer that a run names."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from structgen.base.errors import TokenizerError
from structgen.decoding.runs.resources import small_tokenizer

if TYPE_CHECKING:
    from structgen.tokens.tokenizer import Tokenizer


def load_tokenizer(spec: str) -> Tokenizer:
    """Return the tokenizer of a spec: `small`, which ships with structgen; `bytes`, one token a byte;
    `module:function`, which returns one; the path of a tokenizer, as `Tokenizer.from_huggingface` takes it;
    or a model's name, or its GGUF file.

    Raises `TokenizerError`.
    """
    # start-up: the engine's modules are loaded where a tokenizer is asked for
    from structgen.decoding.engine.models import tokenizer_of
    from structgen.tokens.tokenizer import byte_tokenizer

    if spec == "bytes":
        return byte_tokenizer()
    module, _, name = spec.partition(":")
    # A path such as C:/folder has a colon too, but no identifier after it.
    if module and name.isidentifier():
        try:
            tokenizer: Tokenizer = getattr(import_module(module), name)()
        except (ImportError, AttributeError) as error:
            raise TokenizerError(str(error), where=spec, cure="Set PYTHONPATH to its folder.") from error
        return tokenizer
    return tokenizer_of(small_tokenizer() if spec == "small" else spec)
