"""`sg.text`: any text, up to the first occurrence of a text, or up to a number of tokens."""

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
    """Any text up to a text. Made by `text`."""

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
        """The formula of the texts, where tokens are not counted."""
        if self.until is None:
            return TRUE
        end = any_of((self.until,))
        first = Pattern(f"^{ANY}(?:{end})$"), Not(Pattern(rf"^{ANY}(?:{end})[\s\S]+$"))
        return All(first) if self.included else Not(containing_words((self.until,)))

    @property
    def strings(self) -> Formula:
        return self.text_formula if self.max_tokens is None else super(FreeText, self).strings

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return TextLanguage(self, limits)


class TextLanguage(Language):
    """Any text up to a text, counting tokens."""

    def __init__(self, of: FreeText, limits: Limits) -> None:
        # start-up time
        from structgen.grammars.text_grammars.regular_language import RegularLanguage

        until = of.until
        self._has_end, self._includes_end = until is not None, of.included and until is not None
        self._max_tokens = -1 if of.max_tokens is None else of.max_tokens
        self.counts_tokens = self._max_tokens >= 0
        self._end_text = repr(until)
        self._of = RegularLanguage(of.text_formula, "any text", limits)
        self.classes = self._of.classes

    def start(self) -> Config:
        return self._of.start(), self._max_tokens, False

    def step(self, config: Config, symbol: int) -> Config | None:
        at, tokens_left, _ = config
        if tokens_left == 0 and symbol < 256:
            # a character that is begun is completed; then the end alone may come, if it is part of the text
            rest = self._of.shortest_rest(at)
            is_begun = len(rest) > 0 and 0x80 <= rest[0] < 0xC0
            if not is_begun and (not self._includes_end or symbol != rest[0]):
                return None
        after = self._of.step(at, symbol)
        if after is None:
            return None
        if self._includes_end and self._of.accepts(after):
            return after, -1, False
        return after, tokens_left, tokens_left > 0

    def accepts(self, config: Config) -> bool:
        return self._of.accepts(config[0])

    def shortest_rest(self, config: Config) -> Sequence[int]:
        return self._of.shortest_rest(config[0])

    def expected_items(self, config: Config) -> list[Expected]:
        first = self.first_bytes(config)
        if not first:
            return []
        tokens_left = config[1]
        what = "the rest of " + self._end_text if tokens_left == 0 and self._includes_end else "any text"
        if tokens_left != 0 and self._has_end:
            what += f" up to {self._end_text}" if self._includes_end else f" without {self._end_text}"
        return [Expected(what, (), first)]

    def after_token_end(self, config: Config) -> Config | None:
        at, tokens_left, has_read = config
        return (at, tokens_left - 1, False) if has_read else config
