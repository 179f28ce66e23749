"""`grounded=`: reads the texts to which an answer is held, and builds the grammar of the answers that they
state.

An answer is *grounded* where its numbers, dates and other such values stand in the texts.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from structgen.asking.grounding.stated_text import StatedText
from structgen.base.errors import GroundedWarning, OptionError, warning_level
from structgen.base.language import checks
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.machines.core.grammar import Grammar

NamedTexts: TypeAlias = tuple[tuple[str, str], ...]
MOST_CHARACTERS = 4_000_000
"""Of all texts together; a text of 100,000 words has some 600,000."""


def checked_texts(value: Any) -> bool | NamedTexts:
    """Return what `grounded=` says: False, True for the texts that the prompt is about, or texts with names.
    Raises OptionError."""
    takes = "True, a text, or a dict of texts by name, such as {'invoice': text, 'mail': text}"
    if isinstance(value, bool):
        return value
    pairs = {"text": value} if isinstance(value, str) else value
    if isinstance(pairs, Mapping):
        pairs = tuple(pairs.items())
    if not isinstance(pairs, list | tuple) or not pairs:
        raise checks.option_error("grounded", value, takes)
    for pair in pairs:
        is_pair = isinstance(pair, tuple) and len(pair) == 2
        if not is_pair or not all(isinstance(text, str) for text in pair):
            raise checks.option_error("grounded", pair, takes)
        checks.check_encodable("grounded", pair[1])
    name_counts = Counter(name for name, _ in pairs)
    if twice := [name for name, count in name_counts.items() if count > 1]:
        raise OptionError(
            f"Two texts have the name {twice[0]!r}.", where="grounded", cure="Rename one of them."
        )
    if (size := sum(len(text) for _, text in pairs)) > MOST_CHARACTERS:
        fault = f"The texts have {size:,} characters; the limit is {MOST_CHARACTERS:,}."
        raise OptionError(fault, where="grounded", cure="Ask about one part of them at a time.")
    return tuple(pairs)


def warn_grounded(fault: str) -> None:
    """Warn of a grounded call (`GroundedWarning`); the warning names the first caller outside of this
    package."""
    warnings.warn(GroundedWarning(fault), stacklevel=warning_level())


def idle_missing() -> OptionError:
    """Return the error of `missing` where nothing is held to a text."""
    fault = "The option has no effect without grounded=."
    return OptionError(fault, where="missing", cure="Pass grounded too, or remove missing.")


def idle_remark(subject: str, *, values: bool = True, **_: bool) -> str:
    """Return the remark on schemas in which nothing is held to the texts. `subject`: such as "The type has";
    `values`: as in `narrow_grammar`, whose other options may stand beside it."""
    values_of = "value that a text could state: numbers, dates, addresses, patterns, quotes"
    kind, option = (values_of, "grounded") if values else ("string that could be a quote", "quotes")
    return f"{subject} no {kind}; {option}= has no effect."


def schema_grammar_of(grammar: Grammar | None, where: str = "grounded") -> Grammar:
    """Return a grammar of documents. Raises OptionError for one that no schema says, and for free text."""
    if grammar is None or not isinstance(grammar.innermost, JsonSchemaGrammar):
        fault = (
            "Free text has no values" if grammar is None else ("A grammar that is not a schema has no values")
        )
        cure = "Ask for a type or a JSON Schema; sg.substring_of(text) is the grammar of a text's own words."
        raise OptionError(f"{fault} that a text could state.", where=where, cure=cure)
    return grammar


def grounded_grammar(
    grammar: Grammar | None,
    stated_text: StatedText,
    *,
    values: bool = True,
    quotes: bool = False,
    free: bool = False,
    report: Callable[[str], None] | None = warn_grounded,
) -> Grammar:
    """Return the grammar of those documents that texts state (`narrowing`), or a grammar around it where the
    given one is around another. `report`: who is told where the schema has nothing that a text could state;
    None: nobody.

    Raises OptionError for a grammar that no schema says, and NotStatedError.
    """

    def narrow_inner(inner: Grammar) -> Grammar:
        # start-up: few answers are grounded
        from structgen.asking.grounding.narrowing import narrow_grammar

        assert isinstance(inner, JsonSchemaGrammar), "it was looked at"
        result = narrow_grammar(inner, stated_text, values=values, quotes=quotes, free=free)
        # a person who asks for grounding should know that it does nothing
        if not result.places and report is not None:
            report(idle_remark("The type has", values=values))
        return result.grammar

    return schema_grammar_of(grammar, "grounded" if values else "quotes").inside(narrow_inner)
