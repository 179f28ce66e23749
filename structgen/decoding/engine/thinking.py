"""Thoughts: free text that a model writes before the document.

For example, of the tokens `Let me see.</think>{"a": 1}` the text `Let me see.` is the thoughts, `</think>` is
the *closing tag*, and `{"a": 1}` is the document. Thoughts end when the model writes the tag, or when their
token budget is used up; the tag is then forced. The grammar applies from the byte after the tag on."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any

from structgen.base.errors import OptionError, fields_named
from structgen.base.language import checks
from structgen.base.language.checks import Count, check_fields
from structgen.machines.core.matcher import Matcher
from structgen.tokens.token_mask import TokenMask
from structgen.tokens.tokenizer import Tokenizer

TAG_TOKENS = 16
"""The number of tokens that are reserved for the closing tag of thoughts."""


@fields_named('sg.Thinking(until="</think>")')
@dataclass(frozen=True, slots=True)
class Thinking:
    """Free text before the document: `sg.Request(..., thinking=sg.Thinking())`. It is in
    `Result.thoughts`."""

    until: Annotated[str | int, _check_until] = "</think>"
    """The closing tag: a text of one or more tokens, or a special token, given by its text or its id."""
    max_tokens: Count = 1024
    """The most tokens of the thoughts. After so many the tag is forced."""

    def __post_init__(self) -> None:
        check_fields(self)


def _check_until(name: str, value: Any) -> str | int:
    if isinstance(value, str):
        return checks.check_text(name, value)
    return checks.check_whole(name, value, 0)


def most_tokens(thinking: Thinking | None) -> int:
    """Return the most tokens that thoughts and their closing tag may take; 0 if there are no thoughts."""
    return 0 if thinking is None else thinking.max_tokens + TAG_TOKENS


def text_behind(thinking: Thinking | None) -> str:
    """Return the text that closes thoughts; "" if there are none, or if a token of a given id closes them."""
    return thinking.until if thinking is not None and isinstance(thinking.until, str) else ""


@dataclass(frozen=True, slots=True)
class ThoughtClosing:
    """The closing tag in the tokens of one tokenizer. `closing_of` makes it."""

    token: int | None
    """The special token that closes thoughts; None: only a text closes them."""
    text: bytes
    """The text that closes thoughts, in any tokens; empty if only a special token closes them."""
    tokens: tuple[int, ...]
    """The tokens that write the tag."""


def closing_of(
    thinking: Thinking, tokenizer: Tokenizer, specials: Mapping[str, int] = MappingProxyType({})
) -> ThoughtClosing:
    """Return the closing tag of thoughts.

    `specials` has the ids of the model's special tokens by their texts; these tokens have no bytes. If the
    tag is one of these texts, that token closes. Any other text is tokenized. Raises OptionError for an id
    outside the vocabulary, and TokenizerError for a text that no tokens spell.
    """
    # A special token closes by its id. Its text in other tokens is a part of the thoughts.
    if isinstance(thinking.until, int):
        if not 0 <= thinking.until < tokenizer.vocab_size:
            raise OptionError(
                f"Token {thinking.until} does not exist.",
                where="until",
                cure=f"Pass the text of the tag, or an id below {tokenizer.vocab_size:,}.",
            )
        token = thinking.until
    else:
        special = specials.get(thinking.until)
        if special is None or tokenizer.token_bytes[special] is not None:
            text = thinking.until.encode()
            return ThoughtClosing(None, text, tuple(tokenizer.encode(text)))
        token = special
    return ThoughtClosing(token, tokenizer.token_bytes[token] or b"", (token,))


@dataclass(slots=True, eq=False)
class ThoughtPhase:
    """The thoughts of one text, until they are closed."""

    thinking: Thinking
    closing: ThoughtClosing
    tokenizer: Tokenizer
    matcher: Matcher | None
    """The matcher of the document. The token that closes the thoughts may also write the document's first
    bytes; the matcher has taken them."""
    tokens: list[int] = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)
    is_over: bool = False
    rest: bytes = b""
    """The bytes after the tag in the token that closed the thoughts."""
    _forced_tokens: list[int] = field(default_factory=list)

    @property
    def ends(self) -> tuple[int, ...]:
        """The tokens that thoughts may not contain: the end tokens."""
        return tuple(token for token in self.tokenizer.eos_token_ids if token != self.closing.token)

    def forced_token(self) -> int | None:
        """Return the token that is forced after the budget is used up; None while the model chooses."""
        if not self._forced_tokens and len(self.tokens) >= self.thinking.max_tokens:
            self._forced_tokens = list(self._missing_tail())
        return self._forced_tokens[0] if self._forced_tokens else None

    def _missing_tail(self) -> tuple[int, ...]:
        """Return the tokens that write the missing rest of the tag."""
        if self.closing.token is not None:
            return self.closing.tokens
        # the model may have begun the tag with its last tokens
        prefix_size = self._tag_prefix_size()
        if not prefix_size:
            return self.closing.tokens
        return tuple(self.tokenizer.encode(self.closing.text[prefix_size:]))

    def _tag_prefix_size(self) -> int:
        """Return how many bytes at the end are perhaps the beginning of the tag."""
        if self.closing.token is not None:
            return 0
        tag = self.closing.text
        # the longest first; the whole tag would have closed the thoughts
        for size in range(min(len(tag) - 1, len(self.data)), 0, -1):
            if self.data.endswith(tag[:size]):
                return size
        return 0

    def take_token(self, token: int, room: int) -> bool:
        """Take a token. Returns False, and takes nothing, if the token closes the thoughts but its remaining
        bytes begin no document, or none that fits into `room` tokens."""
        new_bytes = self.tokenizer.token_bytes[token] or b""
        is_over = token == self.closing.token
        rest = b""
        if not is_over and self.closing.text and self.closing.token is None:
            tag = self.closing.text
            # the tag may begin in earlier tokens, at most its own length before this one
            window = bytes(self.data[-len(tag) :]) + new_bytes
            tag_start = window.find(tag)
            is_over = tag_start >= 0
            rest = window[tag_start + len(tag) :] if is_over else b""
        if not rest.strip():
            rest = b""  # blanks after the tag do not belong to the document
        if is_over and rest and not self._begin_document(rest, room):
            return False
        if self._forced_tokens:
            del self._forced_tokens[0]
        self.tokens.append(token)
        self.data += new_bytes
        self.is_over = is_over
        self.rest = rest
        return True

    def _begin_document(self, rest: bytes, room: int) -> bool:
        """Begin the document with the bytes `rest`. Return whether a document of at most `room` further
        tokens can begin so."""
        if self.matcher is None:
            return True
        compiled_grammar = self.matcher.compiled
        state = compiled_grammar.step_bytes(self.matcher.state, rest)
        if state is None or compiled_grammar.tokens_to_finish(state) > room:
            return False
        self.matcher = Matcher(compiled_grammar, state)
        return True

    @property
    def settled_thoughts(self) -> str:
        """The beginning of `thoughts` that no later token changes. Cost: linear in them."""
        if self.is_over:
            return self.thoughts
        sure = self.data[: len(self.data) - self._tag_prefix_size()]
        # incremental and not final: it leaves out a character that is not whole yet
        return codecs.getincrementaldecoder("utf-8")("replace").decode(bytes(sure))

    @property
    def thoughts(self) -> str:
        """The text of the thoughts, without the closing tag."""
        data = bytes(self.data)
        if self.closing.token is None and self.is_over:
            data = data[: data.rfind(self.closing.text)]
        return data.decode("utf-8", "replace")


def forbid_tokens(mask: TokenMask, row: int, tokens: Sequence[int]) -> None:
    """Clear the bits of tokens in a row of a mask."""
    for token in tokens:
        bit = token % 32
        # The words are signed: ~(1 << 31) does not fit into one, so bit 31 is cleared with 0x7FFFFFFF.
        mask.array[row, token // 32] &= ~(1 << bit) if bit < 31 else 0x7FFFFFFF
