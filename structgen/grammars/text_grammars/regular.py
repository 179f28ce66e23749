"""`sg.regex`, `sg.literal`, `sg.choice`: grammars of regular languages.

A *regular* grammar is one whose texts a finite automaton can read, such as `sg.regex("[0-9]+")`. A *dialect*
is the syntax of patterns: that of Python, or ECMA-262. Unions, intersections, differences and complements of
regular grammars are regular again, so one automaton reads each (`text_grammar`, `regular_language`).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import Literal

from structgen.automata.regex import ecma_syntax
from structgen.automata.regex.ecma_text import ecma_of_form
from structgen.automata.regex.python_syntax import parse_form
from structgen.automata.strings.alphabets import NUMBERS_OF_A_CHARACTER
from structgen.base.errors import OptionError, PatternWarning, RegexError, options_named, warning_level
from structgen.base.language import checks
from structgen.base.language.ir import Pattern
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.text_grammars.text_grammar import RegularGrammar

__all__ = ["RegularGrammar", "choice", "literal", "regex"]


@options_named(
    'sg.regex(r"[0-9]+")',
    {"ignore_case": "Write flags=re.IGNORECASE", "max_length": "Write the bound into the pattern: .{0,80}"},
)
def regex(
    pattern: str | re.Pattern[str],
    *,
    dialect: Literal["python", "ecma"] = "python",
    flags: int = 0,
    limits: Limits | None = None,
) -> RegularGrammar:
    r"""Return the grammar of the texts that a regular expression matches from their start to their end.

    `dialect`: "python", as re.fullmatch reads it, with its `flags` and all of its syntax but back-references
    and conditions; or "ecma", ECMA-262 with the flag u, under which an escape that is none (`\a`, `\-`)
    and a lone `{` are errors. In a text of Python's dialect `\d`, `\w`, `\s`, `\b` and their negations are
    ASCII's, as in forms; `(?u)` or `flags=re.UNICODE` asks for Unicode's, which re has by default. A compiled
    pattern means what its own flags say, and a `PatternWarning` tells of classes that are Unicode's there
    because nothing was said. Raises `RegexError` with the place, or `OptionError`. Cost: that of reading it;
    the automaton is determinised as texts reach it.
    """
    flags = checks.check_whole("flags", flags)
    checks.ChoiceCheck(("python", "ecma"))("dialect", dialect)
    is_compiled = isinstance(pattern, re.Pattern)
    if isinstance(pattern, re.Pattern):
        flags |= pattern.flags
        pattern = pattern.pattern  # bytes are refused by the next check
    checks.InstanceCheck(str, 'Write sg.regex(r"[0-9]+").')("pattern", pattern)
    assert isinstance(pattern, str)
    THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * len(pattern))
    if dialect == "python":
        # `re` sets UNICODE by itself: a pattern whose meaning depends on it did not ask for it
        if is_compiled and flags & re.UNICODE:
            _, has_ascii_classes = parse_form(pattern, flags & ~re.UNICODE)
            if has_ascii_classes:
                warnings.warn(PatternWarning(checks.show_value(pattern)), stacklevel=warning_level())
        source = ecma_of_form(pattern, flags)
    else:
        if flags:
            raise OptionError(
                "The ecma dialect does not support flags.",
                where="flags",
                cure='Remove them, or use dialect="python".',
            )
        try:
            ecma_syntax.parse_ecma(pattern, True)
        except RegexError as error:
            raise RegexError(error.what, where=error.where or "pattern", cure=error.cure) from None
        source = f"^(?:{pattern})$"
    description = f"a text that /{checks.shorten_text(pattern)}/ matches"
    return RegularGrammar(Pattern(source), description, limits=limits)


@options_named('sg.literal("yes")')
def literal(text: str, *, limits: Limits | None = None) -> RegularGrammar:
    """Return the grammar of one text."""
    return RegularGrammar.of_texts((text,), limits)


@options_named('sg.choice(["yes", "no"])')
def choice(texts: Iterable[str], *, limits: Limits | None = None) -> RegularGrammar:
    """Return the grammar of some texts, of which one is chosen. Raises `OptionError` where there is none, or
    one is no string."""
    return RegularGrammar.of_texts(texts, limits)
