"""lark itself, asked whether it takes a text; and a language of ours held to it over all short texts."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import lark
import lark.lexer
import pytest

import structgen as sg
from structgen.base.limits import Limits
from structgen.grammars.text_grammars.machine.language import Config, Language

_MOST = 1_000
"""Rules that lark's parser ends in one text, and a tenth of them for each character; more is taken for rules
that it ends for ever."""


class _Callbacks(dict[Any, Any]):
    """lark's callbacks of rules, one asked for whenever a rule ends."""

    left = _MOST

    def __getitem__(self, rule: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise lark.exceptions.ParseError("Rules are ended for ever.")
        return super().__getitem__(rule)


def build(grammar: str, **options: Any) -> lark.Lark:
    """Return lark's parser of a grammar: LALR(1), contextual lexer. Raises what lark raises.

    lark's check for colliding terminals is off: it changes no verdict, and fails itself on look-arounds
    where interegular is installed ('Comparator' object has no attribute '_know_pairs').
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lark.lexer, "has_interegular", False)
        reference = lark.Lark(grammar, parser="lalr", **options)
    parser: Any = reference.parser
    parser.parser.parser.callbacks = _Callbacks(parser.parser.parser.callbacks)
    return reference


class Earley:
    """lark's parser without a lexer: all that the rules derive."""

    def __init__(self, grammar: str) -> None:
        self.parse = lark.Lark(grammar, parser="earley", lexer="dynamic_complete").parse


def begin(reference: lark.Lark, text: str) -> None:
    """Have lark's parser count the rules that it ends in a text."""
    parser: Any = reference.parser
    parser.parser.parser.callbacks.left = _MOST + _MOST // 10 * len(text)


def takes(reference: Any, text: str) -> bool:
    """Return whether lark takes a text: it does not where it hangs, as it ends rules for ever.
    An indenter of lark's fails with IndexError or AssertionError where it refuses, and a lexer with re.error,
    where a terminal of no context is no pattern: it is compiled for the message."""
    if isinstance(reference, lark.Lark):
        begin(reference, text)
    try:
        reference.parse(text)
    except (lark.exceptions.LarkError, IndexError, AssertionError, re.error):
        return False
    return True


def hangs(reference: lark.Lark, text: str) -> bool:
    """Return whether lark ends rules for ever in a text."""
    takes(reference, text)
    parser: Any = reference.parser
    return bool(parser.parser.parser.callbacks.left < 0)


def language(grammar: str, **options: Any) -> Language:
    """Return our language of a grammar."""
    return sg.lark(grammar, **options).language(Limits())


def after(ours: Language, text: bytes, config: Config | None) -> Config | None:
    """Return the configuration after a text, None where no word goes on so."""
    for byte in text:
        if config is None:
            return None
        config = ours.step(config, byte)
    return config


def texts(alphabet: str, longest: int) -> Iterator[str]:
    """Yield all texts over an alphabet, short ones first."""
    for size in range(longest + 1):
        yield from map("".join, itertools.product(alphabet, repeat=size))


def differences(reference: Any, ours: Language, alphabet: str, longest: int) -> list[str]:
    """Return where lark and a language of ours disagree about texts of an alphabet: a verdict, a prefix of an
    accepted text that is dead, a live one whose completion lark refuses, or is longer than need be."""
    found: list[str] = []
    verdicts = {text: takes(reference, text) for text in texts(alphabet, longest)}
    accepted = {text for text, is_taken in verdicts.items() if is_taken}
    prefixes: dict[str, int] = {}
    for text in accepted:
        for size in range(len(text) + 1):
            rest = len(text[size:].encode())
            prefixes[text[:size]] = min(prefixes.get(text[:size], rest), rest)
    try:
        start = ours.start()
    except sg.errors.GrammarError:
        return [f"no text is said to be accepted, lark takes {sorted(accepted)[:3]}"] if accepted else []
    # many texts lead to one configuration
    completed = cache(lambda config: bytes(ours.shortest_rest(config)).decode())
    step = cache(lambda config, char: after(ours, char.encode(), config))
    pending = [("", start)]
    while pending:
        text, config = pending.pop()
        if ours.accepts(config) != (text in accepted):
            found.append(f"lark {'takes' if text in accepted else 'refuses'} {text!r}")
        whole = text + completed(config)
        if whole not in verdicts:
            verdicts[whole] = takes(reference, whole)
        if not verdicts[whole]:
            found.append(f"lark refuses {text!r} completed to {whole!r}")
        rest = len(whole[len(text) :].encode())
        if rest > prefixes.get(text, rest):  # the list has no text that begins so where all are longer
            found.append(f"{text!r} is completed to {whole!r}, and a shorter text is taken")
        if len(text) == longest:
            continue
        for char in alphabet:
            further = step(config, char)
            if further is not None:
                pending.append((text + char, further))
            elif text + char in prefixes:
                found.append(f"{text + char!r} is dead, and lark takes a text that begins so")
    return sorted(found, key=len)
