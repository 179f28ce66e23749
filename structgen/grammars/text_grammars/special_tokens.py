"""`sg.special`: one special token as a grammar.

A *special token* is a token without a text, such as the one that ends a message. No text matches it, not even
one that looks like its name. As a symbol of a language it is the number `TOKEN + id`; bytes are 0 to 255.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from structgen.base.errors import options_named
from structgen.base.language import checks
from structgen.base.language.expectation import Expected
from structgen.base.limits import DEFAULT, Limits
from structgen.grammars.text_grammars.machine.language import TOKEN, CompileTarget, Config, Language
from structgen.grammars.text_grammars.text_grammar import TextGrammar


@options_named("sg.special(token)")
def special(token: int) -> SpecialToken:
    """Return the grammar of one special token, by its id. Raises `OptionError` for anything but an id.

    Only the token with this id matches: text that looks like the token does not.
    """
    return SpecialToken(checks.check_whole("token", token, 0))


@dataclass(eq=False, repr=False, slots=True)
class SpecialToken(TextGrammar):
    """The grammar whose only word is one special token. Made by `special`."""

    token: int
    limits = DEFAULT
    source = "a special token"

    @property
    def canonical(self) -> str:
        return f"special {self.token}"

    def without_bytes(self, missing: frozenset[int]) -> SpecialToken:
        return self  # a special token has no bytes

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return _SingleToken(self.token)


class _SingleToken(Language):
    """The language of one special token. A configuration is False before the token, and True after it."""

    classes = bytes(256)  # one class: no byte ever follows

    def __init__(self, token: int) -> None:
        self._token = token
        self.specials = frozenset((token,))

    def start(self) -> Config:
        return False

    def step(self, config: Config, symbol: int) -> Config | None:
        is_the_token = symbol == TOKEN + self._token
        return True if is_the_token and not config else None

    def accepts(self, config: Config) -> bool:
        return bool(config)

    def shortest_rest(self, config: Config) -> Sequence[int]:
        return () if config else (TOKEN + self._token,)

    def expected_items(self, config: Config) -> list[Expected]:
        return [] if config else [Expected(f"the special token {self._token}")]
