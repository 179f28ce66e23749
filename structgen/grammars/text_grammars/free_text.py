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
from structgen.grammars.text_grammars.regular_formulas import ANY, any_of, holding
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
        checks.text("until", until)
    if max_tokens is not None:
        checks.whole("max_tokens", max_tokens, 1)
    return FreeText(until, included, max_tokens, checks.limits(limits))


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
    def formula(self) -> Formula:
        """The formula of the texts, where tokens are not counted."""
        if self.until is None:
            return TRUE
        end = any_of((self.until,))
        first = Pattern(f"^{ANY}(?:{end})$"), Not(Pattern(rf"^{ANY}(?:{end})[\s\S]+$"))
        return All(first) if self.included else Not(holding((self.until,)))

    @property
    def strings(self) -> Formula:
        return self.formula if self.max_tokens is None else super(FreeText, self).strings

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return TextLanguage(self, limits)


class TextLanguage(Language):
    """Any text up to a text, counting tokens."""

    def __init__(self, of: FreeText, limits: Limits) -> None:
        # start-up time
        from structgen.grammars.text_grammars.regular_language import RegularLanguage

        until = of.until
        self._has_end, self._included = until is not None, of.included and until is not None
        self._most = -1 if of.max_tokens is None else of.max_tokens
        self.counts_tokens = self._most >= 0
        self._shown = repr(until)
        self._of = RegularLanguage(of.formula, "any text", limits)
        self.classes = self._of.classes

    def start(self) -> Config:
        return self._of.start(), self._most, False

    def step(self, config: Config, symbol: int) -> Config | None:
        at, left, _ = config
        if left == 0 and symbol < 256:
            # a character that is begun is completed; then the end alone may come, if it is part of the text
            rest = self._of.shortest(at)
            is_begun = len(rest) > 0 and 0x80 <= rest[0] < 0xC0
            if not is_begun and (not self._included or symbol != rest[0]):
                return None
        after = self._of.step(at, symbol)
        if after is None:
            return None
        if self._included and self._of.accepts(after):
            return after, -1, False
        return after, left, left > 0

    def accepts(self, config: Config) -> bool:
        return self._of.accepts(config[0])

    def shortest(self, config: Config) -> Sequence[int]:
        return self._of.shortest(config[0])

    def expected(self, config: Config) -> list[Expected]:
        first = self.first_bytes(config)
        if not first:
            return []
        left = config[1]
        what = "the rest of " + self._shown if left == 0 and self._included else "any text"
        if left != 0 and self._has_end:
            what += f" up to {self._shown}" if self._included else f" without {self._shown}"
        return [Expected(what, (), first)]

    def boundary(self, config: Config) -> Config | None:
        at, left, read = config
        return (at, left - 1, False) if read else config
