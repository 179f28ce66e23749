"""Specs of strings that need no automaton, or less than a whole one, told by their shape."""

from __future__ import annotations

from structgen.automata.strings import lengths
from structgen.automata.unicode.decoded_text import in_order
from structgen.base.language.ir import FALSE, All, Any_, Formula, Length, Not, Spec, Words, conjuncts


def split_excepted_words(spec: Spec) -> tuple[Formula, dict[str, frozenset[int]]] | None:
    """Return the first formula of a spec without the words that were written before and that it excludes, and
    which of the other formulas each of those meets; None where a spec is otherwise."""
    first, *others = spec.formulas
    parts = conjuncts(first)
    rest: list[Formula] = []
    excepted: set[str] = set()
    for part in parts:
        if isinstance(part, Not) and isinstance(part.of, Words) and part.of.is_canonical:
            excepted.update(part.of.of)
        else:
            rest.append(part)
    met: dict[str, set[int]] = {word: set() for word in excepted}
    for index, formula in enumerate(others, 1):
        if formula == FALSE:
            continue
        # A word that only this formula has would need the automaton.
        if not isinstance(formula, Words) or not formula.of <= excepted:
            return None
        for word in formula.of:
            met[word].add(index)
    if not excepted:
        return None
    base = rest[0] if len(rest) == 1 else All(tuple(rest))
    return base, {word: frozenset(indices) for word, indices in met.items()}


def words_with_demands(spec: Spec) -> dict[str, frozenset[int]] | None:
    """Return the words of a spec with the demands each meets, sorted by their bytes,
    if it is finite lists alone."""
    first = spec.formulas[0]
    if len(spec.formulas) == 1 and isinstance(first, Words):
        return dict.fromkeys(in_order(first.of), frozenset((0,)))
    met: dict[str, set[int]] = {}
    for index, formula in enumerate(spec.formulas):
        # a list of words, or an alternative of such lists
        parts = formula.of if isinstance(formula, Any_) else (formula,)
        for part in parts:
            if not isinstance(part, Words):
                return None
            for word in part.of:
                met.setdefault(word, set()).add(index)
    return {word: frozenset(met[word]) for word in in_order(met)}


def length_bounds(spec: Spec) -> tuple[int, int | None] | None:
    """Return the bounds of a spec that speaks of its length alone."""
    if len(spec.formulas) != 1:
        return None
    formula = spec.formulas[0]
    parts = conjuncts(formula)
    if not all(isinstance(part, Length) for part in parts):
        return None
    return lengths.length_bounds(parts)
