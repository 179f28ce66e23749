"""`language_of`: the language of a composed grammar, made of those of its parts."""

from __future__ import annotations

from typing import Final, cast

from structgen.errors import GrammarError
from structgen.limits import Limits
from structgen.text_grammars import combined_languages as combined
from structgen.text_grammars.interrupted_text import InterruptedText, text_part
from structgen.text_grammars.machine.language import CompileTarget, Language
from structgen.text_grammars.regular_language import RegularLanguage
from structgen.text_grammars.text_grammar import Composed, Operation, TextBefore, TextFilter, TextGrammar

_MANY: Final = 4
"""Of more alternatives than this, schemas are compiled when a text comes near them."""


def language_of(
    grammar: TextGrammar,
    limits: Limits,
    known: dict[str, Language],
    target: CompileTarget | None,
    is_last: bool = True,
) -> Language:
    """Return the language of a grammar. Equal parts share one language: `known`, by their identity.
    `is_last`: nothing follows it."""
    if not isinstance(grammar, Composed):
        name = grammar.identity
        found = known.get(name)
        if found is None:
            found = known[name] = grammar.language(limits, target)
        return found
    if target and len(grammar.parts) > _MANY and grammar.operation in (Operation.EITHER, Operation.INTERRUPT):
        target = target._replace(is_one_of_many=True)
    if grammar.operation is Operation.EITHER:
        found_each = [_language_if_any(part, limits, known, target, is_last) for part in grammar.parts]
        alternatives = [one for one in found_each if one is not None]
        if not alternatives:
            raise GrammarError(
                "None of the alternatives has a text.", where="grammar", cure="Give one that has."
            )
        return combined.Union(alternatives)
    if grammar.operation is Operation.REPEAT:
        return combined.RepeatedLanguage(
            language_of(grammar.parts[0], limits, known, target, False), grammar.least, grammar.most
        )
    if grammar.operation is Operation.ANY_ORDER:
        *parts, between = (language_of(part, limits, known, target, False) for part in grammar.parts)
        return combined.AnyOrder(parts, grammar.least, between)
    if grammar.operation is Operation.INTERRUPT:
        text = cast(TextBefore, grammar.parts[0])
        behind = {
            word: _language_if_any(part, limits, known, target)
            for word, part in zip(text.words, grammar.parts[1:], strict=True)
        }
        bodies = {word: body for word, body in behind.items() if body is not None}
        if len(bodies) < len(behind):
            text = TextBefore(list(bodies), (*text.avoided, *(word for word in behind if word not in bodies)))
        # where something follows, most states are at an end: its masks would save nothing
        whole = text_part(text, limits, target) if target and is_last else text.language(limits)
        return InterruptedText(whole, bodies, grammar.most)
    if grammar.operation in (Operation.MEET, Operation.BAN):
        # start-up time
        from structgen.text_grammars.context_free.regular_intersection import Meet

        # the product with an automaton needs every byte, so the parts are not compiled by themselves
        read = language_of(grammar.parts[0], limits, {}, None)
        if grammar.formula is None:
            return _filtered(read, cast(TextFilter, grammar.parts[1]), limits)
        taken = RegularLanguage(grammar.formula, "a text that the regular expression takes", limits)
        return Meet(read, taken, limits, restarts=grammar.operation is Operation.BAN)
    before = [language_of(part, limits, known, target, False) for part in grammar.parts[:-1]]
    return combined.Chain([*before, language_of(grammar.parts[-1], limits, known, target, is_last)])


def _filtered(of: Language, by: TextFilter, limits: Limits) -> Language:
    """Return the words of a language that a filter takes. Raises `GrammarError` where there are none."""
    # start-up time
    from structgen.text_grammars.context_free.regular_intersection import Meet

    try:
        # most texts pass, so that the shortest rest mostly is that of the language itself
        return Meet(of, by.language(limits), limits, haste=2)
    except GrammarError as error:
        least = bytes(symbol for symbol in of.shortest(of.start()) if symbol < 256)
        raise by.refusal(least.decode("utf-8", "replace")) from error


def _language_if_any(
    grammar: TextGrammar,
    limits: Limits,
    known: dict[str, Language],
    target: CompileTarget | None,
    is_last: bool = False,
) -> Language | None:
    """As `language_of`; None where the grammar has no text."""
    try:
        return language_of(grammar, limits, known, target, is_last)
    except GrammarError as error:
        if type(error) is not GrammarError:
            raise
        return None
