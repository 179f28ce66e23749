"""The words of a language up to a length, told symbol by symbol, with what each step must keep."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from structgen.grammars.text_grammars.machine.language import TOKEN, Config, Language
from structgen.grammars.text_grammars.text_grammar import TextGrammar


def texts(alphabet: str, most: int) -> list[str]:
    """Return all texts of at most so many letters, short ones first."""
    return ["".join(word) for size in range(most + 1) for word in itertools.product(alphabet, repeat=size)]


def product(one: set[str], other: set[str], most: int) -> set[str]:
    """Return the texts of one set with one of the other behind, of at most so many letters."""
    return {a + b for a in one for b in other if len(a) + len(b) <= most}


def power(words: set[str], least: int, most: int, longest: int) -> set[str]:
    """Return the texts of `least` to `most` words, of at most `longest` letters."""
    found, now = set[str](), {""}
    for count in range(most + 1):
        found |= now if count >= least else set()
        now = product(now, words, longest)
    return found


def words_of(grammar: TextGrammar, alphabet: Iterable[str | int], most: int) -> set[str]:
    """Return the words of at most so many letters; a special token t is the letter chr(0xF0000 + t).

    On the way: every configuration has a word, its shortest rest is one, is empty exactly at a word, and is
    shorter by one at least after its first symbol; no word is shorter than the shortest rest says.
    """
    return words_of_language(grammar.language(grammar.limits), alphabet, most)


def words_of_language(language: Language, alphabet: Iterable[str | int], most: int) -> set[str]:
    """Return the same of a language."""
    letters = [
        (letter, tuple(letter.encode()))
        if isinstance(letter, str)
        else (chr(0xF0000 + letter), (TOKEN + letter,))
        for letter in alphabet
    ]
    found: set[str] = set()
    seen: dict[Config, None] = {}
    pending = [(language.start(), "")]
    while pending:
        config, word = pending.pop()
        if config not in seen:
            seen[config] = None
            check_rest(language, config)
        if language.accepts(config):
            found.add(word)
        if len(word) == most:
            continue
        least = len(language.shortest_rest(config))
        for letter, symbols in letters:
            after = run(language, config, symbols)
            if after is not None:
                assert len(language.shortest_rest(after)) >= least - len(symbols)
                pending.append((after, word + letter))
    return found


def run(language: Language, config: Config, symbols: Iterable[int]) -> Config | None:
    """Return the configuration after some symbols, or None."""
    after: Config | None = config
    for symbol in symbols:
        if after is None:
            return None
        after = language.step(after, symbol)
    return after


def check_rest(language: Language, config: Config) -> None:
    """Hold the shortest rest of a configuration to the protocol."""
    rest = tuple(language.shortest_rest(config))
    assert (not rest) == language.accepts(config)
    if rest:
        after = language.step(config, rest[0])
        assert after is not None
        assert len(language.shortest_rest(after)) == len(rest) - 1
        first = (
            set(language.expected_items(config)[0].first)
            if rest[0] < TOKEN and language.expected_items(config)
            else set()
        )
        assert not first or any(rest[0] in one.first for one in language.expected_items(config))
    end = run(language, config, rest)
    assert end is not None and language.accepts(end)


def accepts(grammar: TextGrammar, text: str) -> bool:
    """Return whether a text is a word."""
    language = grammar.language(grammar.limits)
    end = run(language, language.start(), text.encode())
    return end is not None and language.accepts(end)
