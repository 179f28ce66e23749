"""These functions recognise specs of strings that need no automaton, or only a part of one.

- A *formula* is a condition on a string, e.g. `Length`, `Words` (one of a list), `Not`, `All`, `Any_`.
- A *spec* is one formula for each demand of a place. The first formula is what the string must meet; the
  others are demands that it may meet, by their index from 1 on.
- An *excepted* word is a word of a list that the first formula excludes.

For example, "at most 9 characters, and not the word a" is a length alone, with the excepted word "a".
"""

from __future__ import annotations

from structgen.automata.strings import lengths
from structgen.automata.unicode.decoded_text import in_order
from structgen.base.language.ir import FALSE, All, Any_, Formula, Length, Not, Spec, Words, conjuncts


def split_excepted_words(spec: Spec) -> tuple[Formula, dict[str, frozenset[int]]] | None:
    """Return the first formula of a spec without its excepted words, and for each word the demands it meets.

    None where no word is excepted, or where another formula is more than a list of excepted words.
    """
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
        # Another kind of formula, or a word that is not excepted, would need the automaton.
        if not isinstance(formula, Words) or not formula.of <= excepted:
            return None
        for word in formula.of:
            met[word].add(index)
    if not excepted:
        return None
    base = rest[0] if len(rest) == 1 else All(tuple(rest))
    return base, {word: frozenset(indices) for word, indices in met.items()}


def words_with_demands(spec: Spec) -> dict[str, frozenset[int]] | None:
    """Return the words of a spec, sorted by their bytes, each with the demands that it meets.

    None where a formula is something else than lists of words.
    """
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
    """Return the least and the most characters (None: no bound) of a spec of lengths alone; else None."""
    if len(spec.formulas) != 1:
        return None
    formula = spec.formulas[0]
    parts = conjuncts(formula)
    if not all(isinstance(part, Length) for part in parts):
        return None
    return lengths.length_bounds(parts)
