"""`sg.text`: any text, up to the first occurrence of a given text, or up to a number of tokens.

The *end* is the given text (`until`). Where it is *included*, each text of the grammar ends with it: with the
end `;` the text `a = 1;` is one, and neither `a = 1` nor `a;b;` is. Where it is not included, the texts are
those that do not contain it. The *tokens left* are the tokens that may still have bytes of the text; -1 means
that tokens are not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from structgen.base.errors import options_named
from structgen.base.language import checks
from structgen.base.language.expectation import Expected
from structgen.base.language.ir import TRUE, All, Formula, Not, Pattern
from structgen.base.limits import Limits
from structgen.grammars.text_grammars.machine.language import CompileTarget, Config, Language
from structgen.grammars.text_grammars.regular_formulas import ANY, any_of, containing_words
from structgen.grammars.text_grammars.text_grammar import TextGrammar


@options_named('sg.text(until="\\n")')
def text(
    until: str | None = None,
    *,
    included: bool = True,
    max_tokens: int | None = None,
    limits: Limits | None = None,
) -> FreeText:
    """Return the grammar of any text up to the first occurrence of `until`.

    `included`: the text ends with `until`; otherwise it is any text without `until`, and the next part of the
    grammar follows. `until` None: any text. `max_tokens`: at most so many tokens have bytes of the text;
    after them only the rest of `until` or the next part may follow. A token that is partly inside the text
    counts. Raises `OptionError`.
    """
    if until is not None:
        checks.check_text("until", until)
    if max_tokens is not None:
        checks.check_whole("max_tokens", max_tokens, 1)
    return FreeText(until, included, max_tokens, checks.check_limits(limits))


@dataclass(eq=False, repr=False, slots=True)
class FreeText(TextGrammar):
    """The grammar of any text up to the end `until`. Made by `text`, whose parameters are the fields."""

    until: str | None
    included: bool
    max_tokens: int | None
    limits: Limits
    source = "free text"

    @property
    def canonical(self) -> str:
        return f"text {self.until!r} {self.included} {self.max_tokens}"

    @property
    def text_formula(self) -> Formula:
        """The formula of the texts of the grammar, without the bound on tokens."""
        if self.until is None:
            return TRUE
        if not self.included:
            return Not(containing_words((self.until,)))
        end = any_of((self.until,))
        ends_with_it = Pattern(f"^{ANY}(?:{end})$")
        continues_after_it = Pattern(rf"^{ANY}(?:{end})[\s\S]+$")
        return All((ends_with_it, Not(continues_after_it)))

    @property
    def strings(self) -> Formula:
        return self.text_formula if self.max_tokens is None else super(FreeText, self).strings

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return TextLanguage(self, limits)


class TextLanguage(Language):
    """The language of a `FreeText`. It counts the tokens that have bytes of the text.

    A configuration is a tuple (state, tokens left, whether the current token has bytes of the text). The
    state is that of the automaton of `FreeText.text_formula`. The tokens left are -1 where tokens are not
    counted.
    """

    def __init__(self, of: FreeText, limits: Limits) -> None:
        # start-up time
        from structgen.grammars.text_grammars.regular_language import RegularLanguage

        self._has_end = of.until is not None
        self._includes_end = of.included and self._has_end
        self._max_tokens = -1 if of.max_tokens is None else of.max_tokens
        self.counts_tokens = self._max_tokens >= 0
        self._end_text = repr(of.until)
        self._automaton = RegularLanguage(of.text_formula, "any text", limits)
        self.classes = self._automaton.classes

    def start(self) -> Config:
        return self._automaton.start(), self._max_tokens, False

    def step(self, config: Config, symbol: int) -> Config | None:
        state, tokens_left, _ = config
        if tokens_left == 0 and symbol < 256:
            # No token is left. A character that was begun is completed. Then only the end may follow, where
            # the text includes it: `rest` is what is missing of the end. 0x80 to 0xBF continue a character.
            rest = self._automaton.shortest_rest(state)
            is_inside_character = len(rest) > 0 and 0x80 <= rest[0] < 0xC0
            if not is_inside_character and (not self._includes_end or symbol != rest[0]):
                return None
        after = self._automaton.step(state, symbol)
        if after is None:
            return None
        if self._includes_end and self._automaton.accepts(after):
            return after, -1, False  # the text is complete: one configuration for every count
        return after, tokens_left, tokens_left > 0

    def accepts(self, config: Config) -> bool:
        state, _, _ = config
        return self._automaton.accepts(state)

    def shortest_rest(self, config: Config) -> Sequence[int]:
        state, _, _ = config
        return self._automaton.shortest_rest(state)

    def expected_items(self, config: Config) -> list[Expected]:
        first = self.first_bytes(config)
        if not first:
            return []
        _, tokens_left, _ = config
        description = "any text"
        if tokens_left == 0:
            if self._includes_end:
                description = self._end_text
        elif self._has_end:
            description += " up to " if self._includes_end else " without "
            description += self._end_text
        return [Expected(description, (), first)]

    def after_token_end(self, config: Config) -> Config | None:
        """Return the configuration at the end of a token: one token less is left if it had bytes of the
        text."""
        state, tokens_left, has_read = config
        # a token without bytes of the text, such as one that ends a part before it, does not count
        return (state, tokens_left - 1, False) if has_read else config
