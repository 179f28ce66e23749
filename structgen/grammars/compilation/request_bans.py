"""The bans of `Sampling(banned=...)`: texts, and tokens by their ids.

A banned text is in no text, in whichever tokens: `sg.without` makes a grammar of the other texts. A banned
token is never chosen: the grammar is compiled for a tokenizer without it. So both are exact, with budgets,
and a grammar that needs a banned text is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from structgen.base.errors import OptionError
from structgen.grammars.text_grammars.composition.bans import without
from structgen.grammars.text_grammars.free_text import text
from structgen.machines.core.compiled import CompiledGrammar, plain_grammar
from structgen.machines.core.grammar import Grammar
from structgen.tokens.tokenizer import Tokenizer

_KEPT: Final = 8
"""The number of tokenizers without banned tokens that are kept."""


def check_bans(option: Any) -> tuple[int | str, ...]:
    """Return banned texts and token ids as a tuple. Raises OptionError."""
    is_list = isinstance(option, Sequence) and not isinstance(option, bytes | str)
    bans = tuple(option) if is_list else (option,)
    for ban in bans:
        is_id = isinstance(ban, int) and not isinstance(ban, bool) and ban >= 0
        if not is_id and not (isinstance(ban, str) and ban):
            raise OptionError(
                f"banned={ban!r:.60} is neither a text nor a token id.",
                where="banned",
                cure='Give a list of texts and token ids, as in banned=["<unsafe>", 17].',
            )
    return bans


def without_banned_texts(
    grammar: Grammar | CompiledGrammar | None, bans: Sequence[int | str]
) -> Grammar | CompiledGrammar | None:
    """Return the grammar of the texts without the banned ones; None stands for free text. Errors: those of
    `sg.without`."""
    texts = [ban for ban in bans if isinstance(ban, str)]
    if not bans:
        return grammar
    # A compiled grammar has all tokens: with a token banned it is compiled anew, so its grammar is taken.
    plain = plain_grammar(grammar)
    plain = text() if plain is None else plain
    return without(plain, texts) if texts else plain


def without_tokens(tokenizer: Tokenizer, bans: Sequence[int | str]) -> Tokenizer:
    """Return a tokenizer without the banned tokens; the same one if none is banned. The last eight are kept.

    Raises OptionError for ids that are no tokens, for end tokens, and for special tokens without bytes.
    """
    ids = frozenset(ban for ban in bans if isinstance(ban, int))
    return _without_ids(tokenizer, ids) if ids else tokenizer


# Kept, since a tokenizer of its own has tables and compiled grammars of its own: a second or more.
@lru_cache(maxsize=_KEPT)
def _without_ids(tokenizer: Tokenizer, ids: frozenset[int]) -> Tokenizer:
    """Return `without_tokens` for a set of ids that is not empty."""
    for token in ids:
        if token >= tokenizer.vocab_size:
            raise OptionError(
                f"Token {token:,} does not exist: the vocabulary has {tokenizer.vocab_size:,}.",
                where="banned",
                cure="Check that the id is of the model's tokenizer.",
            )
        if token in tokenizer.eos_token_ids:
            raise OptionError(
                f"Token {token} ends texts, and cannot be banned.",
                where="banned",
                cure="Remove it; min_tokens makes a free text longer.",
            )
        if tokenizer.token_bytes[token] is None:
            raise OptionError(
                f"Token {token} is special and has no bytes: it is in no text unless its grammar names it.",
                where="banned",
                cure="Remove it, or remove it from the grammar.",
            )
    # The other tokens keep their ids: a token without bytes is in no text.
    remaining_bytes = [None if token in ids else data for token, data in enumerate(tokenizer.token_bytes)]
    return Tokenizer(remaining_bytes, tokenizer.eos_token_ids)
