"""The tables of a compiled grammar as plain arrays: what is written to a file, and made tables again
elsewhere.

States, frames, edges, places, residues, words, sets and logs are rows of integers that name each other, so
they are kept as they are. Three things are named otherwise outside their process: the dense row of a mask by
the key of a record that has it, a state of the numeral automata by its place among those that are kept, and
the lists of tokens are written out, equal ones once. Terminals and crossings hold addresses; of a terminal
only its key in the mask store is kept, and it is asked for again when a mask that is not known needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.json_machine.kept.kept_automata import Automata, KnownRows, known_rows, reached_rows
from structgen.json_machine.kept.token_list_merging import merged
from structgen.json_machine.tables import json_blocks as L
from structgen.json_machine.tables.json_tables import Identity
from structgen.machine_core.growing_tables import GrowingTables

Array = npt.NDArray[Any]

ANSWERS: Final = (
    L.T_FRAME,
    L.T_EDGE,
    L.T_TEXT,
    L.T_SET,
    L.T_PLACE,
    L.T_RES,
    L.T_CHILD,
    L.T_LEX,
    L.T_OFFSET,
    L.T_BLOB,
    L.T_STRING,
    L.T_OUTCOME,
    L.T_PLAIN,
    L.T_SAFE,
    L.T_DISTANCE,
)
"""The tables with what the network and the automata said, and how far texts have come."""
TABLES: Final = (L.T_NODE, L.T_ORIGIN, L.T_LIST, *ANSWERS)
"""The tables that are kept: all but terminals and crossings, and what is scratch."""
_NAMES: Final = (
    "nodes",
    "origins",
    "token_lists",
    "frames",
    "edges",
    "texts",
    "sets",
    "places",
    "residues",
    "children",
    "word_lists",
    "offsets",
    "bytes",
    "strings",
    "outcomes",
    "plain_objects",
    "safe_bytes",
    "distances",
)
"""Their names in a file."""
_REST: Final = ("demands", "groups", "terminals", "keys", "sufficient_budgets")
_KEY: Final = 16
"""Bytes of a key of the mask store."""


class TableImage(NamedTuple):
    """What compiled code needs of a grammar to answer what was answered before."""

    root: int
    tables: tuple[Array, ...]
    """In the order of TABLES; N_ROW of a state is an index of `records`, or -1."""
    records: tuple[bytes, ...]
    """The keys of the records whose dense rows are parts of masks."""
    strings: KnownRows
    string_states: int
    numbers: KnownRows
    demands: Array
    """The sets behind the outcomes, by number (`flat`)."""
    groups: Array
    """The sets behind the classes of extra keys."""
    terminals: Array
    """[n, 6]: the identities of terminals whose records may be in the mask store."""
    keys: Array
    """Their keys there, one after another."""
    sufficient_budgets: Array
    """[n, 2]: states, and budgets that take nothing from their masks."""

    @property
    def keys_of_terminals(self) -> dict[Identity, bytes]:
        """The key of each terminal in the mask store."""
        keys = self.keys.tobytes()
        return {tuple(one): keys[_KEY * i :][:_KEY] for i, one in enumerate(self.terminals.tolist())}


def arrays_of(image: TableImage) -> tuple[dict[str, Array], dict[str, int]]:
    """Return the arrays and the numbers of an image."""
    strings: dict[str, Array] = image.strings._asdict()
    if image.string_states < 1 << 15:
        strings["rows"] = image.strings.rows.astype(np.int16)
    arrays = dict(zip(_NAMES, image.tables, strict=True))
    arrays["mask_records"] = np.frombuffer(b"".join(image.records), np.uint8)
    arrays |= {f"strings.{name}": one for name, one in strings.items()}
    arrays |= {f"numbers.{name}": one for name, one in image.numbers._asdict().items()}
    arrays |= {name: getattr(image, name) for name in _REST}
    return arrays, {"root": image.root, "string_states": image.string_states}


def image_of(arrays: Mapping[str, Array], numbers: Mapping[str, int]) -> TableImage:
    """Return the image of `arrays_of`. Raises LookupError where a part is not there."""
    records = arrays["mask_records"].tobytes()
    return TableImage(
        numbers["root"],
        tuple([arrays[name] for name in _NAMES]),
        tuple([records[i : i + _KEY] for i in range(0, len(records), _KEY)]),
        KnownRows(*[arrays[f"strings.{name}"] for name in KnownRows._fields]),
        numbers["string_states"],
        KnownRows(*[arrays[f"numbers.{name}"] for name in KnownRows._fields]),
        *[arrays[name] for name in _REST],
    )


def flat(sets: Iterable[Collection[int]]) -> Array:
    """Return sets of numbers as one array: of each how many it has, and these, ascending."""
    found: list[int] = []
    for one in sets:
        found += (len(one), *sorted(one))
    return np.array(found, np.int64)


def sets_of(array: Array) -> list[frozenset[int]]:
    """Return the sets of `flat`."""
    numbers = array.tolist()
    found = []
    at = 0
    while at < len(numbers):
        end = at + 1 + numbers[at]
        found.append(frozenset(numbers[at + 1 : end]))
        at = end
    return found


def size(tables: GrowingTables) -> int:
    """Return the bytes of what would be kept of tables, before lists that are equal are made one."""
    return sum(tables.count(table) * tables.rows(table)[:1].nbytes for table in TABLES)


def take(
    tables: GrowingTables,
    automata: tuple[Automata, Automata],
    sets: tuple[Array, Array],
    record: Callable[[int], bytes | None],
    pending: Mapping[int, tuple[bytes, int]],
    terminals: Mapping[Identity, bytes],
    sufficient_budgets: Mapping[int, int],
) -> TableImage:
    """Return the image of a grammar. The grammar's lock is held by the caller.

    `automata`: of strings and of numerals; `sets`: behind outcomes and classes of keys, flat; `record`:
    returns the key of a record of the store that has a dense row, or None; `pending`: the states whose masks
    were kept, but whose rows were not asked for yet, each with a record's key and the place of the list;
    `sufficient_budgets`: state -> a budget that takes nothing from its mask.
    """
    strings, numerals = automata
    held = {table: tables.rows(table)[: tables.count(table)] for table in TABLES}
    nodes, places = held[L.T_NODE].copy(), held[L.T_PLACE].copy()
    number_nodes = nodes[:, L.MODE] == L.M_NUMBER
    number_places = (places[:, L.P_STATUS] != 0) & (places[:, L.P_NUMBER] >= 0)
    roots = [
        *places[number_places, L.P_NUMBER].tolist(),
        *nodes[number_nodes, L.LEX].tolist(),
        *(one[L.X_LEX] for one in terminals if one[L.X_MODE] == L.M_NUMBER),
    ]
    numbers, renumbered = reached_rows(numerals, roots)
    for rows, chosen, column in ((nodes, number_nodes, L.LEX), (places, number_places, L.P_NUMBER)):
        rows[chosen, column] = [renumbered[state] for state in rows[chosen, column].tolist()]
    records = _name_rows(nodes, record, pending)
    budgets = np.full(len(nodes), -1, np.int64)
    budgets[list(sufficient_budgets)] = list(sufficient_budgets.values())
    nodes, origins = _reachable(np.column_stack((nodes, budgets)), held[L.T_ORIGIN])
    nodes, budgets = np.ascontiguousarray(nodes[:, :-1]), nodes[:, -1]
    bounded = np.flatnonzero(budgets >= 0)
    known = nodes[:, L.N_LIST] >= 0
    lists, where = merged(tables, dict.fromkeys(nodes[known, L.N_LIST].tolist()))
    nodes[known, L.N_LIST] = [where[at] for at in nodes[known, L.N_LIST].tolist()]
    held |= {L.T_NODE: nodes, L.T_ORIGIN: origins, L.T_PLACE: places, L.T_LIST: lists}
    identities = np.array(list(terminals), np.int64).reshape(-1, L.X_ROW)
    of_numbers = identities[:, L.X_MODE] == L.M_NUMBER
    identities[of_numbers, L.X_LEX] = [renumbered[at] for at in identities[of_numbers, L.X_LEX].tolist()]
    return TableImage(
        int(tables.context[L.C_ROOT]),
        tuple(held.values()),
        records,
        known_rows(strings),
        strings.count,
        numbers,
        *sets,
        identities,
        np.frombuffer(b"".join(terminals.values()), np.uint8),
        np.column_stack((bounded, budgets[bounded])),
    )


def _name_rows(
    nodes: Array, record: Callable[[int], bytes | None], pending: Mapping[int, tuple[bytes, int]]
) -> tuple[bytes, ...]:
    """Have the dense rows of known masks named by records, and return these. A mask whose row is in no record
    is not known any more."""
    names: dict[bytes, int] = {}
    rows, lists = nodes[:, L.N_ROW].tolist(), nodes[:, L.N_LIST].tolist()
    found = {row: record(row) for row in set(rows) if row >= 0}
    for index, (row, at) in enumerate(zip(rows, lists, strict=True)):
        key = found.get(row)
        if at < 0 or (row >= 0 and key is None):
            rows[index] = lists[index] = -1
        elif key is not None:
            rows[index] = names.setdefault(key, len(names))
    for index, (key, at) in pending.items():
        rows[index], lists[index] = names.setdefault(key, len(names)), at
    nodes[:, L.N_ROW], nodes[:, L.N_LIST] = rows, lists
    return tuple(names)


def _reachable(nodes: Array, origins: Array) -> tuple[Array, Array]:
    """Return the states, and their origins, that steps from the start reach; they are numbered anew."""
    above = origins[:, L.O_ABOVE].tolist()
    reached = [True] * len(nodes) + [False]
    for index in range(1, len(nodes)):
        reached[index] = reached[above[index]]  # -1: the last entry
    kept = np.array(reached[:-1])
    if kept.all():
        return nodes, origins
    chosen = np.flatnonzero(kept)
    origins = origins[chosen].copy()
    numbers = np.cumsum(kept) - 1
    origins[1:, L.O_ABOVE] = numbers[origins[1:, L.O_ABOVE]]
    return nodes[chosen], origins


def put(
    image: TableImage, tables: GrowingTables, row_of: Callable[[bytes], int | None]
) -> dict[int, tuple[bytes, int]]:
    """Make an image's arrays the tables, which are still empty.

    Returns the states whose masks are known but for their dense row, for which `row_of` has no number yet:
    the key of a record that has it, and the place of the list. Cost: some 50 us, and 10 ns for each row that
    is found by hash.
    """
    nodes = image.tables[0]
    pending: dict[int, tuple[bytes, int]] = {}
    if len(image.records):
        numbers = np.array(
            [-1 if (number := row_of(name)) is None else number for name in image.records], np.int64
        )
        dense = nodes[:, L.N_ROW]
        has = dense >= 0
        missing = has.copy()
        missing[has] = numbers[dense[has]] < 0
        for index in np.flatnonzero(missing).tolist():
            pending[index] = image.records[int(dense[index])], int(nodes[index, L.N_LIST])
        dense[has] = numbers[dense[has]]
        nodes[missing, L.N_LIST] = -1
    for table, rows in zip(TABLES, image.tables, strict=True):
        tables.load(table, rows)
    states = len(image.strings.outcome)
    if 0 < len(distances := image.tables[-1]) < states:
        # of states without a distance none is asked: the room is for automata that say otherwise
        tables.load(L.T_DISTANCE, np.concatenate((distances, np.zeros(states - len(distances), np.int32))))
    tables.context[L.C_ROOT] = image.root
    return pending
