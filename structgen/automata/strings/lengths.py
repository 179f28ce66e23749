"""Lengths beside automata: how many characters a state still needs and may still have, and bounds on them.

A bound on the length of a text is a counter beside its automaton. It goes into the automaton only where it
matters: a lower bound that every text reaches, and an upper one that none passes, are dropped, and the states
of (state, count) pairs are those that the minimal automaton tells apart. A large upper bound on a string of
one demand stays outside: whoever reads the string counts (`Counted`), and a text is alive while the
characters written and those that its state needs stay within the bound. That is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from structgen.automata.regex.counted_class import without_count
from structgen.automata.strings.automata import MOST_STATES, NONE, Automaton, both, of_lengths, steps_to
from structgen.automata.strings.kernels import longest
from structgen.base.language.ir import TRUE, All, Format, Formula, Length, Not, Pattern


class Counted(NamedTuple):
    """A spec without its upper bound on lengths, which whoever reads its strings counts."""

    formulas: tuple[Formula, ...]
    """What the automaton says: the spec without the upper bound."""
    most: int
    """The most characters of a text."""


def within(of: Automaton, least: int, most: int | None, most_states: int = MOST_STATES) -> Automaton:
    """Return the automaton of the texts of `of` that have `least` to `most` characters. `of` has one outcome.

    Cost: states times the bound that matters. Raises `LimitError` where the pairs of a state and a count are
    too many.
    """
    if of.is_empty or (most is not None and least > most):
        return NONE
    if least and int(steps_to(of.trans, of.accept > 0)[0]) >= least:
        least = 0
    if most is not None and int(longest(of.trans)[0]) <= most:
        most = None
    if least == 0 and most is None:
        return of
    return both([of, of_lengths(least, most, most_states)], most_states)


def bounds(parts: Iterable[Formula]) -> tuple[int, int | None]:
    """Return the least and the most characters that the lengths among some formulas allow together."""
    least, most = 0, None
    for part in parts:
        if isinstance(part, Length):
            least = max(least, part.least)
            if part.most is not None:
                most = part.most if most is None else min(most, part.most)
    return least, most


def counted(formulas: tuple[Formula, ...], meaning: Callable[[Format], Formula]) -> Counted | None:
    """Return a spec without the upper bound on lengths that all its demands have, and that bound; None where
    a demand has no bound or another one.

    `meaning`: what a format means beside which nothing is asked but lengths; it may hold a length. A pattern
    that counts one class of characters between its ends is a pattern without that count and a length
    (`counted_class`).
    """
    parts = [_without_bound(formula, meaning) for formula in formulas]
    most = parts[0][1] if parts else None
    if most is None or any(bound != most for _, bound in parts):
        return None
    return Counted(tuple(formula for formula, _ in parts), most)


def _without_bound(formula: Formula, meaning: Callable[[Format], Formula]) -> tuple[Formula, int | None]:
    """Return (the formula without its upper bound on lengths, the bound); (the formula, None) where it has
    no bound."""
    parts = list(_opened([formula], meaning))
    if sum(not isinstance(part, Length) for part in parts) > 1:
        parts = list(_opened([formula], lambda part: part))
    least, most = bounds(parts)
    if most is None:
        return formula, None
    rest: list[Formula] = []
    for part in parts:
        denied = part.of if isinstance(part, Not) else None
        if isinstance(denied, Length) and denied.most is not None and denied.most >= most:
            most = min(most, denied.least - 1)  # no text between the two is short enough
        elif not isinstance(part, Length):
            rest.append(part)
    if least:
        rest.append(Length(least, None))
    return (All(tuple(rest)) if len(rest) > 1 else rest[0] if rest else TRUE), most


def _opened(parts: Iterable[Formula], meaning: Callable[[Format], Formula]) -> Iterator[Formula]:
    """Yield the parts of conjunctions, those of formats and of counted patterns too. A length that is denied
    is a length where it has one bound."""
    todo = list(parts)[::-1]
    while todo:
        part = todo.pop()
        whole = without_count(part) if isinstance(part, Pattern) else part
        whole = meaning(part) if isinstance(part, Format) else whole
        denied = whole.of if isinstance(whole, Not) else None
        if isinstance(whole, All) and whole.of:
            todo += whole.of[::-1]
        elif isinstance(denied, Length) and denied.most is None and denied.least:
            yield Length(0, denied.least - 1)
        elif isinstance(denied, Length) and denied.most is not None and not denied.least:
            yield Length(denied.most + 1, None)
        else:
            yield part if isinstance(part, Format) else whole
