"""Grammars made of grammars: concatenation, alternatives, repetition, intersection, complement.

The operators of `TextGrammar` come here. What is regular stays so: patterns without assertions become one
pattern, intersections and complements one formula, and one automaton reads it. Anything else is read side by
side (`algebra`).
"""

from __future__ import annotations

from enum import Enum
from functools import reduce
from typing import Any, TypeAlias, Union, cast

from structgen.automata.strings.banned_patterns import pattern_of
from structgen.core.grammar import Grammar
from structgen.errors import GrammarError, OptionError
from structgen.language.ir import All, Any_, Formula, Not, Pattern
from structgen.limits import Limits
from structgen.text_grammars.composition.algebra import Chain, RepeatedLanguage
from structgen.text_grammars.composition.algebra import Union as EitherLanguage
from structgen.text_grammars.context_free.regular_intersection import Meet
from structgen.text_grammars.machine.language import CompileTarget, Language, TextGrammar
from structgen.text_grammars.regular import RegularGrammar, literal

Operand: TypeAlias = Union[Grammar, str]
"""What stands beside an operator: a grammar, one of JSON texts too, or a text that stands for itself."""


class Operation(Enum):
    """How a composed grammar is made of its parts."""

    SEQUENCE = "sequence"
    EITHER = "either"
    REPEAT = "repeat"
    MEET = "meet"
    BAN = "ban"
    """As `MEET`, but special tokens may come, and what is forbidden begins anew behind them."""


def as_text(operand: Operand) -> TextGrammar:
    """Return the grammar of an operand. Raises `OptionError` for what is none."""
    if isinstance(operand, TextGrammar):
        return operand
    if isinstance(operand, str):
        return literal(operand)
    if isinstance(operand, Grammar):
        # start-up: grammars without JSON parts load no JSON machine
        from structgen.json_grammars.schema_grammar import JsonSchemaGrammar
        from structgen.text_grammars.composition.schema_parts import JsonTexts

        if isinstance(operand, JsonSchemaGrammar):
            return JsonTexts(operand)
    raise OptionError(
        f"A {type(operand).__name__} is no part of a grammar.",
        where="grammar",
        cure="Use a grammar, or a text that stands for itself.",
    )


def sequence(*parts: Operand) -> TextGrammar:
    """Return the grammar of a text of each part, one after another; of none, the empty text."""
    flat = _flat(Operation.SEQUENCE, parts)
    merged: list[TextGrammar] = []
    for part in flat:
        joined = _joined(merged[-1], part) if merged else None
        if joined is None:
            merged.append(part)
        else:
            merged[-1] = joined
    if not merged:
        return literal("")
    return merged[0] if len(merged) == 1 else Composed(Operation.SEQUENCE, tuple(merged))


def either(*parts: Operand) -> TextGrammar:
    """Return the grammar of a text of any part. Raises `OptionError` where there is none."""
    flat = list({part.identity: part for part in _flat(Operation.EITHER, parts)}.values())
    if not flat:
        raise OptionError("There are no alternatives.", where="sg.either", cure="Give one grammar at least.")
    if len(flat) == 1:
        return flat[0]
    if all(isinstance(part, RegularGrammar) for part in flat):
        regular = cast("list[RegularGrammar]", flat)
        bodies = [part.body for part in regular]
        what = " or ".join(part.what for part in regular[:4]) + (" or ..." if len(flat) > 4 else "")
        if all(body is not None for body in bodies):
            whole = RegularGrammar.of_body("|".join(cast("list[str]", bodies)), what, _limits(flat))
            if whole is not None:
                return whole
        return RegularGrammar(Any_(tuple(part.formula for part in regular)), what, limits=_limits(flat))
    return Composed(Operation.EITHER, tuple(flat))


def repeated(of: Operand, least: int, most: int | None) -> TextGrammar:
    """Return the grammar of `least` to `most` texts of a grammar, one after another (None: no bound)."""
    for name, value in (("least", least), ("most", 0 if most is None else most)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise OptionError(f"{name} is {value!r}.", where=name, cure="Give a count: 0, 1, 2, ...")
    if most is not None and most < least:
        raise OptionError(
            f"At least {least} and at most {most} are never both.", where="repeat", cure="Raise most."
        )
    grammar = as_text(of)
    if most == 0:
        return literal("")
    if (least, most) == (1, 1):
        return grammar
    if isinstance(grammar, RegularGrammar) and grammar.body is not None:
        count = f"{{{least},{'' if most is None else most}}}"
        what = f"{grammar.what}, {least} times or more" if most is None else f"{grammar.what}, repeated"
        whole = RegularGrammar.of_body(f"(?:{grammar.body}){count}", what, grammar.limits)
        if whole is not None:
            return whole
    return Composed(Operation.REPEAT, (grammar,), least, most)


def meet(one: Operand, other: Operand, *, complement: bool = False) -> TextGrammar:
    """Return the grammar of the texts of both, or with `complement` of the first that are none of the
    second's. One of them must be regular (`sg.regex`, `sg.literal`, `sg.choice` and what is made of them by
    `&`, `|`, `-`, `~`); of a difference the second. Raises `OptionError`."""
    a, b = as_text(one), as_text(other)
    if not complement and not isinstance(b, RegularGrammar):
        a, b = b, a
    if not isinstance(b, RegularGrammar):
        raise OptionError(
            "A regular grammar must stand on one side of &, and on the right of -.",
            where="grammar",
            cure="Intersect with a regular expression.",
        )
    formula = Not(b.formula) if complement else b.formula
    what = f"no {b.what}" if complement else b.what
    if isinstance(a, RegularGrammar):
        return RegularGrammar(All((a.formula, formula)), f"{a.what} and {what}", limits=a.limits)
    return Composed(Operation.MEET, (a,), formula=formula)


def banned(of: Operand, texts: tuple[str, ...]) -> TextGrammar:
    """Return the grammar of the texts of a grammar in which none of `texts` stands, which hold no other."""
    grammar = as_text(of)
    formula = Not(Pattern(pattern_of(texts)))
    if isinstance(grammar, RegularGrammar):
        what = f"{grammar.what} without banned texts"
        return RegularGrammar(All((grammar.formula, formula)), what, limits=grammar.limits)
    return Composed(Operation.BAN, (grammar,), formula=formula)


def opposite(of: TextGrammar) -> TextGrammar:
    """Return the grammar of the texts that are none of a regular grammar's. Raises `OptionError`."""
    if not isinstance(of, RegularGrammar):
        raise OptionError(
            "The complement of a grammar that is not regular is not offered.",
            where="~",
            cure="Use it on a regular expression.",
        )
    return RegularGrammar(Not(of.formula), f"no {of.what}", limits=of.limits)


class Composed(TextGrammar):
    """A grammar made of others. Made by the operators, `sequence` and `either`."""

    __slots__ = ("formula", "least", "most", "operation", "parts")

    def __init__(
        self,
        operation: Operation,
        parts: tuple[TextGrammar, ...],
        least: int = 0,
        most: int | None = None,
        formula: Formula | None = None,
    ) -> None:
        self.operation, self.parts = operation, parts
        self.least, self.most, self.formula = least, most, formula

    @property
    def canonical(self) -> str:
        return self._said([part.canonical for part in self.parts])

    @property
    def identity(self) -> str:
        return self._said([part.identity for part in self.parts])

    def _said(self, parts: list[str]) -> str:
        said = ",".join(parts)
        if self.operation is Operation.REPEAT:
            said += f",{self.least},{self.most}"
        if self.formula is not None:
            said += "," + RegularGrammar(self.formula, "").canonical
        return f"{self.operation.value}({said})"

    @property
    def limits(self) -> Limits:
        return _limits(self.parts)

    @property
    def source(self) -> str:
        return "a composed grammar"

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return build(self, limits, {}, target)

    def __reduce__(self) -> tuple[Any, ...]:
        return Composed, (self.operation, self.parts, self.least, self.most, self.formula)


def build(
    grammar: TextGrammar, limits: Limits, known: dict[str, Language], target: CompileTarget | None
) -> Language:
    """Return the language of a grammar; parts that are equal are read by one."""
    if not isinstance(grammar, Composed):
        found = known.get(grammar.identity)
        if found is None:
            found = known[grammar.identity] = grammar.language(limits, target)
        return found
    if grammar.operation is Operation.EITHER:
        alternatives: list[Language] = []
        for part in grammar.parts:
            try:
                alternatives.append(build(part, limits, known, target))
            except GrammarError as error:
                if type(error) is not GrammarError:
                    raise
        if not alternatives:
            raise GrammarError(
                "None of the alternatives has a text.", where="grammar", cure="Give one that has."
            )
        return EitherLanguage(alternatives)
    if grammar.operation is Operation.REPEAT:
        return RepeatedLanguage(build(grammar.parts[0], limits, known, target), grammar.least, grammar.most)
    if grammar.operation in (Operation.MEET, Operation.BAN):
        assert grammar.formula is not None
        # what is met with is read step by step
        read = build(grammar.parts[0], limits, {}, None)
        return Meet(read, grammar.formula, limits, restarts=grammar.operation is Operation.BAN)
    return Chain([build(part, limits, known, target) for part in grammar.parts])


def _flat(operation: Operation, parts: tuple[Operand, ...]) -> list[TextGrammar]:
    """Return the parts, those of the same operation opened."""
    found: list[TextGrammar] = []
    for part in map(as_text, parts):
        same = isinstance(part, Composed) and part.operation is operation
        found += cast(Composed, part).parts if same else (part,)
    return found


def _joined(one: TextGrammar, other: TextGrammar) -> TextGrammar | None:
    """Return the concatenation as one pattern, where both are patterns without assertions."""
    if not isinstance(one, RegularGrammar) or not isinstance(other, RegularGrammar):
        return None
    if one.body is None or other.body is None:
        return None
    what = f"{one.what} and then {other.what}"
    return RegularGrammar.of_body(_wrapped(one.body) + _wrapped(other.body), what, one.limits)


def _wrapped(body: str) -> str:
    """Return a pattern as a part of a concatenation. What it is parsed to does not tell whether it needs
    brackets: `a|b` is read as a set of characters."""
    return f"(?:{body})" if "|" in body else body


def _limits(parts: tuple[TextGrammar, ...] | list[TextGrammar]) -> Limits:
    """Return the limits of the parts: those that are not the usual."""
    usual = Limits()
    return reduce(lambda one, other: one if one != usual else other, (part.limits for part in parts))
