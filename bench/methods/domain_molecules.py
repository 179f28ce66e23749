"""Molecules: after examples of a class of molecules, another one with a given formula is written as SMILES.

The grammar is grammars/smiles.lark. The checker is the package `partialsmiles` (O'Boyle), which reads
prefixes: it refuses what no molecule begins with, because an atom has more bonds than is usual, or because
no Kekulé structure is left for what is closed. A text is right if it has the atoms (without hydrogen) and
the number of rings that the task asks for, and is none of the examples.

What differs from the paper: they go on with lists of GDB-17 and score drug-likeness (QED, by RDKit); here a
task has one formula, so that a text is right or wrong, and nothing but the checker's package is needed.

Figure: docs/methods.md, "Five domains".
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Sequence

import structgen as sg
from methods.checked_domain import DomainTask, lacking, lark, needed, read

INSTALL = "pip install partialsmiles"
_ATOM = re.compile(
    r"\[[0-9]*([A-Z][a-z]?|se|[bcnops])[^\]]*\]|(Br|Cl|[BCNOPSFI]|[bcnops])|%([0-9]{2})|([1-9])"
)


class Molecule:
    """Molecules as partialsmiles reads them."""

    fingerprint = "partialsmiles"

    def copy(self) -> Molecule:
        """Return the checker itself: it keeps no state of a prefix."""
        return self

    def viable(self, prefix: bytes) -> bool:
        """Return False if no molecule begins with the prefix."""
        return self._is_read(prefix.decode("utf-8", "replace"), partial=True)

    def final(self, text: str) -> bool:
        """Return whether a text is a molecule."""
        return self._is_read(text, partial=False)

    def _is_read(self, text: str, partial: bool) -> bool:
        partialsmiles = needed("partialsmiles", INSTALL)
        try:
            partialsmiles.ParseSmiles(text, partial=partial)
        except partialsmiles.Error:
            return False
        return True


def contents(text: str) -> tuple[Counter[str], int]:
    """Return how many atoms of each element a molecule has, hydrogen left out, and its number of rings."""
    atoms: Counter[str] = Counter()
    closures = 0
    for bracket, plain, long, short in _ATOM.findall(text):
        element = (bracket or plain).capitalize()
        atoms[element] += bool(element) and element != "H"
        closures += bool(long or short)
    return +atoms, closures // 2


def is_right(examples: Sequence[str], formula: dict[str, int], rings: int, text: str) -> bool:
    """Return whether a molecule has a formula and a number of rings, and is none of the examples."""
    return text not in examples and contents(text) == (Counter(formula), rings)


def _question(kind: str, examples: Sequence[str], formula: dict[str, int], rings: int) -> str:
    atoms = ", ".join(f"{number} {element}" for element, number in formula.items())
    circles = {0: "no ring", 1: "one ring"}.get(rings, f"{rings} rings")
    return (
        f"Examples of {kind}: {', '.join(examples)}\nWrite {kind} with these atoms: {atoms}, and {circles}."
    )


def missing() -> str:
    """Return the command that installs `partialsmiles`, if it is missing."""
    return lacking("partialsmiles", INSTALL)


def tasks() -> list[DomainTask]:
    """Return the forty tasks."""
    grammar = lark("smiles")
    return [
        _task(f"{task[0]} {at}", grammar, 24, *task) for at, task in enumerate(read("molecules")["tasks"])
    ]


def _task(
    name: str,
    grammar: sg.Grammar,
    most: int,
    kind: str,
    examples: Sequence[str],
    formula: dict[str, int],
    rings: int,
    answer: str,
) -> DomainTask:
    shown = [(_question(*one), smiles) for *one, smiles in read("molecules")["shown"]]
    right = functools.partial(is_right, examples, formula, rings)
    question, told = _question(kind, examples, formula, rings), "Write molecules as SMILES."
    return DomainTask(name, told, shown, question, grammar, Molecule(), right, answer, most)


def small() -> DomainTask:
    """Return a task of few texts: up to three atoms, some of which have too many bonds."""
    return _task("small", sg.regex(r"[CFO](=?[CFO]){1,3}"), 8, *read("molecules")["tasks"][0])
