"""The texts of a model's special tokens. In a tokenizer for masks these tokens have ids only, no bytes."""

from __future__ import annotations

import json
import re
import warnings
from typing import Any

from structgen.base.system.resources import model_path
from structgen.grammars.text_grammars.text_grammar import TextGrammar
from structgen.tokens.tokenizer import Tokenizer

_ESCAPED = re.compile(r"\\u\{([0-9a-fA-F]+)\}")


def special_texts(name: str, tokenizer: Any = None) -> dict[str, int]:
    """Return the id of each special token by its text, from a model's folder or from a given tokenizer of
    transformers. Cost: reading the folder's tokenizer.json."""
    if hasattr(tokenizer, "all_special_tokens") and hasattr(tokenizer, "convert_tokens_to_ids"):
        special_ids: dict[str, int] = {
            text: tokenizer.convert_tokens_to_ids(text) for text in tokenizer.all_special_tokens
        }
        # not every tokenizer with special tokens has this method
        added_ids: dict[str, int] = {}
        if hasattr(tokenizer, "get_added_vocab"):
            added_ids = tokenizer.get_added_vocab()
        return added_ids | special_ids
    if not name:
        return {}
    file = model_path(name) / "tokenizer.json"
    if not file.is_file():
        return {}
    added_tokens = json.loads(file.read_text(encoding="utf-8")).get("added_tokens") or []
    named_tokens = [token for token in added_tokens if isinstance(token.get("content"), str)]
    return {token["content"]: token["id"] for token in named_tokens}


def without_bytes(token_ids: dict[str, int], tokenizer: Tokenizer) -> dict[str, int]:
    """Return the ids of the tokens without bytes, by their texts: grammars may name these tokens."""
    texts = tokenizer.token_bytes
    return {text: id for text, id in token_ids.items() if id < len(texts) and texts[id] is None}


def warn_of_special_texts(grammar: TextGrammar, specials: dict[str, int]) -> None:
    """Warn if a grammar spells the text of a special token. The model writes that token; to the model, the
    same text in ordinary tokens means something else."""
    # as its literals are, without escapes: a mark such as <|im_end|> has signs that a pattern escapes
    literal_text = _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), grammar.canonical)
    grammar_text = literal_text.replace("\\", "")
    for text, token in specials.items():
        # a text of one or two characters stands in many grammars by chance
        if len(text) > 2 and text in grammar_text:
            warnings.warn(
                f"The grammar spells {text!r} in ordinary tokens, and the model has a special token of that "
                f"name, {token}. To have the token itself, write sg.special({token}), or in a structural tag "
                f'{{"type": "token", "token": {token}}}.',
                UserWarning,
                stacklevel=4,
            )
