"""Finds the texts of a model's special tokens, such as `<|im_end|>`.

A *special token* marks a part of a chat or the end of a text; a model gives it a text as its name. In a
tokenizer for masks these tokens have ids only, no bytes. An *added token* is one that tokenizer.json lists
beside the vocabulary; special tokens are among them. Example of a result: `{"<|im_end|>": 2}`.
"""

from __future__ import annotations

import json
import re
import warnings
from typing import Any

from structgen.decoding.runs.resources import model_path
from structgen.grammars.text_grammars.text_grammar import TextGrammar
from structgen.tokens.tokenizer import Tokenizer

_ESCAPED = re.compile(r"\\u\{([0-9a-fA-F]+)\}")


def special_texts(name: str, tokenizer: Any = None) -> dict[str, int]:
    """Return the id of each special and added token by its text; {} if none is known.

    They are read from `tokenizer` if it is one of transformers, else from the folder of the model `name` ("":
    no folder). Cost: reading the folder's tokenizer.json.
    """
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
    same text in ordinary tokens means something else. `specials` has the tokens' ids by their texts."""
    # Escapes are undone, because a pattern escapes the signs of a mark such as <|im_end|>.
    literal_text = _ESCAPED.sub(lambda escape: chr(int(escape[1], 16)), grammar.canonical)
    grammar_text = literal_text.replace("\\", "")
    for text, token in specials.items():
        # a text of one or two characters occurs in many grammars by chance
        if len(text) > 2 and text in grammar_text:
            warnings.warn(
                f"The grammar spells {text!r} in ordinary tokens, and the model has a special token "
                f"of that name, {token}. For the token itself, write sg.special({token}), or in a "
                f'structural tag {{"type": "token", "token": {token}}}.',
                UserWarning,
                stacklevel=4,
            )
