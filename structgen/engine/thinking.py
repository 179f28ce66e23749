"""Free text before the document: until its closing tag, which comes when the model writes it, or when the
budget of the thoughts ends. The grammar applies from the next byte on."""

from __future__ import annotations

from dataclasses import dataclass

from structgen.core.matcher import Matcher
from structgen.engine import checks
from structgen.engine.special_texts import special_texts
from structgen.errors import OptionError
from structgen.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Thinking:
    """Thoughts that come first: `sg.Request(..., thinking=sg.Thinking())`. They are in `Result.thoughts`."""

    until: str | int = "</think>"
    """The closing tag: text of one or several tokens, or a special token, by its text or its id."""
    max_tokens: int = 1024
    """Of the thoughts; the tag is then written for the model."""

    def __post_init__(self) -> None:
        until = self.until
        for name, value in (
            (
                "until",
                checks.text("until", until) if isinstance(until, str) else checks.whole("until", until, 0),
            ),
            ("max_tokens", checks.whole("max_tokens", self.max_tokens, 0)),
        ):
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class ThoughtClosing:
    """How thoughts close with one tokenizer. Made by `closing_of`."""

    token: int | None
    """The special token."""
    text: bytes
    """Or the text, of any tokens; empty where there is a special token alone."""
    tokens: tuple[int, ...]
    """What writes it."""


def closing_of(thinking: Thinking, tokenizer: Tokenizer, folder: str = "") -> ThoughtClosing:
    """Return how thoughts close. A text is looked for among the special tokens of the model's folder, which
    have no bytes; any other is written in tokens. Cost: reading the folder's tokenizer.json.

    Errors: OptionError for an id that the vocabulary does not have; TokenizerError for a text that no tokens
    write.
    """
    if isinstance(thinking.until, int):
        if not 0 <= thinking.until < tokenizer.vocab_size:
            raise OptionError(
                f"There is no token {thinking.until}.",
                where="until",
                cure=f"Give the text of the tag, or an id below {tokenizer.vocab_size:,}.",
            )
        token = thinking.until
    else:
        found = special_texts(folder).get(thinking.until)
        if found is None or tokenizer.token_bytes[found] is not None:
            text = thinking.until.encode()
            return ThoughtClosing(None, text, tuple(tokenizer.encode(text)))
        token = found
    return ThoughtClosing(token, tokenizer.token_bytes[token] or b"", (token,))


class ThoughtPhase:
    """The thoughts of one text, while they last."""

    __slots__ = ("_closing", "_forced", "_most", "_tokenizer", "data", "is_over", "matcher", "rest", "tokens")

    def __init__(
        self, thinking: Thinking, closing: ThoughtClosing, tokenizer: Tokenizer, matcher: Matcher | None
    ) -> None:
        self._closing, self._tokenizer, self._most = closing, tokenizer, thinking.max_tokens
        self.matcher = matcher
        """The document's; once the thoughts are over it may have taken the end of the last token."""
        self.tokens: list[int] = []
        self.data = bytearray()
        self._forced: list[int] = []
        self.is_over = False
        self.rest = b""
        """What the token that closed the thoughts already says of the document."""

    @property
    def ends(self) -> tuple[int, ...]:
        """The tokens that may not come while the thoughts last: the ends of a text."""
        return tuple(token for token in self._tokenizer.eos_token_ids if token != self._closing.token)

    def forced(self) -> int | None:
        """Return the token that has to come, once the budget is spent; None while the model chooses."""
        if not self._forced and len(self.tokens) >= self._most:
            self._forced = list(self._tail())
        return self._forced[0] if self._forced else None

    def _tail(self) -> tuple[int, ...]:
        """Return the tokens that write what is missing of the tag."""
        tag = self._closing.text
        if self._closing.token is not None:
            return self._closing.tokens
        most = min(len(tag) - 1, len(self.data))
        begun = next((size for size in range(most, 0, -1) if self.data.endswith(tag[:size])), 0)
        return tuple(self._tokenizer.encode(tag[begun:])) if begun else self._closing.tokens

    def take(self, token: int, room: int) -> bool:
        """Take a token. False (nothing taken) where it closes the thoughts and goes on with what no document
        begins with, or none that fits into `room` tokens."""
        written = self._tokenizer.token_bytes[token] or b""
        over, rest = token == self._closing.token, b""
        if not over and self._closing.text and self._closing.token is None:
            tag = self._closing.text
            data = bytes(self.data[-len(tag) :]) + written
            at = data.find(tag)
            over, rest = at >= 0, data[at + len(tag) :] if at >= 0 else b""
        if over and rest.strip() and not self._begin(rest, room):
            return False
        if self._forced:
            del self._forced[0]
        self.tokens.append(token)
        self.data += written
        self.is_over, self.rest = over, rest if rest.strip() else b""
        return True

    def _begin(self, rest: bytes, room: int) -> bool:
        """Have the document begin with these bytes, if one does."""
        if self.matcher is None:
            return True
        compiled = self.matcher.compiled
        state = compiled.step_bytes(self.matcher.state, rest)
        if state is None or compiled.tokens_to_finish(state) > room:
            return False
        self.matcher = Matcher(compiled, state)
        return True

    @property
    def thoughts(self) -> str:
        """The text of the thoughts, without the tag."""
        data = bytes(self.data)
        if self._closing.token is None and self.is_over:
            data = data[: data.rfind(self._closing.text)]
        return data.decode("utf-8", "replace")
