"""Which demands of a spec a string meets if it ends here, and which it may still meet."""

from __future__ import annotations

from structgen.automata.programs.determinizer_tables import (
    ALL,
    ANY,
    ATOM,
    DEMANDS,
    HOPE,
    JUDGED,
    LENGTH,
    NEEDED,
    NOT_ATOM,
    NOT_LENGTH,
    OUTCOME,
    UNSET,
    WORK,
    StringTables,
    intern,
    intern_set,
    stop,
)
from structgen.automata.programs.instructions import MATCH
from structgen.automata.strings.subset_construction import accepted, open_atoms
from structgen.native.jit import jit

NO, OPEN, YES = -1, 0, 1
"""Truth of a condition, whatever follows (S. Kleene's three-valued logic)."""


@jit
def bracket_of(p: StringTables, s: int, length: int) -> int:
    """Return how many of a spec's length bounds a length has reached."""
    bracket = 0
    breaks = p.specs[s].breaks
    while bracket < p.specs[s].break_count and p.heap[breaks + bracket] <= length:
        bracket += 1
    return bracket


@jit
def outcome_key(p: StringTables, s: int, set_: int, bracket: int) -> int:
    """Return a key whose value is the outcome of a string that ends at a set of threads, or UNSET: then
    Python is to be asked about the key."""
    met = accepted(p, set_)
    known = intern(p, OUTCOME, s, met, bracket)
    if p.keys[known].value != UNSET:
        return known
    count = p.specs[s].atoms
    _begin(p, s)
    for at in range(p.sets[met].at, p.sets[met].at + p.sets[met].size):
        p.work[p.heap[at] - p.specs[s].first_atom] = YES
    _evaluate(p, s, bracket, True)
    asked = intern(p, DEMANDS, s, _those(p, s, count, YES, YES), 0)
    p.keys[known].value = p.keys[asked].value
    return asked


@jit
def hope_key(p: StringTables, s: int, set_: int, bracket: int) -> int:
    """Return a key whose value says whether a judge may still be content (0 no, 1 perhaps, 2 after every
    text), or is UNSET: then Python is to be asked about the key."""
    known = intern(p, HOPE, s, open_atoms(p, set_), bracket)
    if p.keys[known].value != UNSET:
        return known
    sure = demands_between(p, s, set_, bracket, YES, YES)
    asked = intern(p, JUDGED, s, sure, demands_between(p, s, set_, bracket, OPEN, OPEN))
    p.keys[known].value = p.keys[asked].value
    return asked


@jit
def demands_between(p: StringTables, s: int, set_: int, bracket: int, low: int, high: int) -> int:
    """Return the set of the demands whose truth at a set of threads is `low` to `high`."""
    _foresee(p, s, set_, bracket)
    return _those(p, s, p.specs[s].atoms, low, high)


@jit
def needed_threads(p: StringTables, s: int, set_: int, bracket: int) -> int:
    """Return a set of threads without those of atoms on which no demand depends any more: a disjunction of
    which a part is true leaves its other parts alone. Computed once."""
    if not p.specs[s].choices:
        return set_
    key = intern(p, NEEDED, s, set_, bracket)
    if p.keys[key].value != UNSET:
        return p.keys[key].value
    _foresee(p, s, set_, bracket)
    count, formula, entries = p.specs[s].atoms, p.specs[s].formula, p.specs[s].entries
    truths = count + p.specs[s].depth
    needed = max(truths + entries, p.sets[set_].size)
    if needed + count > p.work.capacity:
        stop(p, WORK, needed + count)
    for atom in range(count):
        p.work[needed + atom] = 0
    top = count
    for _ in range(p.specs[s].demands):
        p.work[top] = 1
        top += 1
    for entry in range(entries - 1, -1, -1):  # each comes behind its parts
        top -= 1
        asked = p.work[top] if p.work[truths + entry] == OPEN else 0
        kind, a = p.heap[formula + 3 * entry], p.heap[formula + 3 * entry + 1]
        if kind == ALL or kind == ANY:
            for _ in range(a):
                p.work[top] = asked
                top += 1
        elif asked and (kind == ATOM or kind == NOT_ATOM):
            p.work[needed + a] = 1
    kept = 0
    for at in range(p.sets[set_].at, p.sets[set_].at + p.sets[set_].size):
        key_of_thread = p.keys[p.heap[at]]
        code = p.code[key_of_thread.what]
        if (code.op == MATCH and key_of_thread.second == 0) or p.work[
            needed + code.e - p.specs[s].first_atom
        ]:
            p.work[kept] = p.heap[at]
            kept += 1
    found = intern_set(p, kept)
    p.keys[key].value = found
    return found


@jit
def _foresee(p: StringTables, s: int, set_: int, bracket: int) -> None:
    """Evaluate the formulas, whatever follows a set of threads."""
    open_ = open_atoms(p, set_)
    _begin(p, s)
    for at in range(p.sets[open_].at, p.sets[open_].at + p.sets[open_].size):
        atom = (p.heap[at] >> 1) - p.specs[s].first_atom
        p.work[atom] = max(p.work[atom], YES if p.heap[at] & 1 else OPEN)
    _evaluate(p, s, bracket, False)


@jit
def _begin(p: StringTables, s: int) -> None:
    """Write to the beginning of `work` that no atom is true."""
    room = p.specs[s].atoms + p.specs[s].depth + p.specs[s].entries
    if room > p.work.capacity:
        stop(p, WORK, room)
    for atom in range(p.specs[s].atoms):
        p.work[atom] = NO


@jit
def _evaluate(p: StringTables, s: int, bracket: int, ends: bool) -> None:
    """Write the truth of each demand behind that of the atoms, and `depth` words on that of each entry.

    `ends`: the string ends here.
    """
    formula, top, truths = p.specs[s].formula, p.specs[s].atoms, p.specs[s].atoms + p.specs[s].depth
    length = p.heap[p.specs[s].breaks + bracket - 1] if bracket > 0 else 0
    for entry in range(p.specs[s].entries):
        at = formula + 3 * entry
        kind, a, b = p.heap[at], p.heap[at + 1], p.heap[at + 2]
        if kind == ATOM:
            truth = p.work[a]
        elif kind == NOT_ATOM:
            truth = -p.work[a]
        elif kind == LENGTH or kind == NOT_LENGTH:
            above = b >= 0 and length > b
            truth = NO if above or (ends and length < a) else YES if length >= a and (ends or b < 0) else OPEN
            if kind == NOT_LENGTH:
                truth = -truth
        else:
            top -= a
            truth = YES if kind == ALL else NO
            for i in range(top, top + a):
                truth = min(truth, p.work[i]) if kind == ALL else max(truth, p.work[i])
        p.work[top] = p.work[truths + entry] = truth
        top += 1


@jit
def _those(p: StringTables, s: int, first: int, low: int, high: int) -> int:
    """Return the set of the demands whose truth, from work[first] on, is `low` to `high`."""
    kept = 0
    for demand in range(p.specs[s].demands):
        if low <= p.work[first + demand] <= high:
            p.work[kept] = demand
            kept += 1
    return intern_set(p, kept)
