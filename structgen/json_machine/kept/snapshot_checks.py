"""The checks of `json_machine.kept.table_checks`, for what a file holds of a compiled grammar."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from structgen.automata.numbers.number_pool import WIDTH as NUMERAL_WIDTH
from structgen.automata.programs.determinizer_tables import SAFE_COLUMN
from structgen.automata.restored.restored_pools import KeptPool
from structgen.automata.strings.string_pool import WIDTH as STRING_WIDTH
from structgen.json_machine.kept import table_checks
from structgen.json_machine.kept.table_snapshot import TABLES, DamagedSnapshot, TableSnapshot
from structgen.json_machine.tables import json_blocks as L
from structgen.json_machine.tables.json_tables import JSON_TABLES
from structgen.language.ir import UNKNOWN
from structgen.native.raw_memory import address_of
from structgen.tokens.array_checks import are_in, are_shaped

_DTYPES: Final = {0: "<i4", -1: "|u1"}


def checked(snapshot: TableSnapshot, tokens: int) -> TableSnapshot:
    """Return a snapshot that compiled code can follow, whatever it was made from; `tokens`: how many there
    are. Raises DamagedSnapshot where it is none. Cost: some 70 us, and 3 ns for each number."""
    states, numerals = len(snapshot.strings.outcome), len(snapshot.numbers.outcome)
    shapes: list[tuple[str, tuple[int, ...]]] = []
    for table, array in zip(TABLES, snapshot.tables, strict=True):
        words = JSON_TABLES.words[table]
        shape = (len(array), words) if words > 0 else (len(array),)
        shapes.append((_DTYPES.get(words, "<i8"), shape))
    if not are_shaped(snapshot.tables, shapes) or snapshot.string_states != states:
        raise DamagedSnapshot
    _check(snapshot.strings, STRING_WIDTH, SAFE_COLUMN)
    _check(snapshot.numbers, NUMERAL_WIDTH, -1)
    held = dict(zip(TABLES, snapshot.tables, strict=True))
    told = np.zeros(table_checks.WORDS, np.int64)
    for table, array in held.items():
        told[2 * table : 2 * table + 2] = address_of(array), len(array)
    marks = np.zeros(len(held[L.T_LIST]) + 1 + len(held[L.T_FRAME]), np.uint8)
    told[table_checks.STATES : table_checks.WORDS] = (
        states,
        numerals,
        tokens,
        len(snapshot.rows),
        snapshot.root,
        address_of(marks),
    )
    if table_checks.tables_are_valid(address_of(told)) != 0:
        raise DamagedSnapshot
    distances = held[L.T_DISTANCE]
    if len(distances) and len(distances) < states:
        # of states without a distance none is asked: the room is for automata that say otherwise
        held[L.T_DISTANCE] = np.concatenate((distances, np.zeros(states - len(distances), np.int32)))
        return snapshot._replace(tables=tuple(held.values()))
    return snapshot


def _check(kept: KeptPool, width: int, codes: int) -> None:
    """Raise DamagedSnapshot where a row of some automata leads to a state that is none. `codes`: a column
    whose numbers below 0 say something else; -1: there is none."""
    known, rows = kept.known, kept.rows
    states, count = len(kept.outcome), len(known)
    numbers: tuple[npt.NDArray[np.generic], ...] = (kept.outcome, known)
    if not are_shaped(numbers, [("<i4", (states,)), ("<i4", (count,))]) or rows.shape != (count, width):
        raise DamagedSnapshot
    if not count:
        return
    if not are_in(known, 0, states) or int(rows.max()) >= states:
        raise DamagedSnapshot
    if int(rows.min()) < UNKNOWN:
        least = rows.min(axis=0)
        if codes < 0 or (np.delete(least, codes) < UNKNOWN).any():
            raise DamagedSnapshot
