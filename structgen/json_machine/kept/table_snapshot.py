"""The tables of a compiled grammar as plain arrays: what is written to a file, and made tables again
elsewhere.

States, frames, edges, places, residues, words, sets and logs are rows of integers that name each other, so
they are kept as they are. Three things are named otherwise outside their process: a dense row of the mask
store is named by its content, a state of the numeral automata by its place among those that are kept, and
the lists of tokens are written out, equal ones once. Terminals and crossings hold addresses; of a terminal
only its key in the mask store is kept, and it is asked for again when a mask that is not known needs it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.automata.restored.restored_pools import KeptPool, Numbers, Strings, kept_of, known_rows
from structgen.json_machine.answers.journal import Call, from_plain, plain
from structgen.json_machine.kept.token_list_merging import merged
from structgen.json_machine.tables import json_blocks as L
from structgen.machine_core.growing_tables import GrowingTables
from structgen.native.array_file import decode_arrays, encode_arrays

Array = npt.NDArray[Any]

TABLES: Final = (
    L.T_NODE,
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
    L.T_LIST,
    L.T_SAFE,
    L.T_DISTANCE,
)
"""The tables that are kept: all but terminals and crossings, and what is scratch."""
_NAMES: Final = (
    "nodes",
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
    "token_lists",
    "safe_bytes",
    "distances",
)
"""Their names in a file."""
_DIGEST: Final = 16
_MEANING_KIND: Final = "meaning-1"
_FLAT: Final = {
    **dict.fromkeys(("outcomes", "groups", "string_starts", "number_starts"), "<i8"),
    **dict.fromkeys(("calls", "strings", "numbers", "terminal_keys"), "|u1"),
}
"""Arrays of one dimension, and their dtypes."""


class DamagedSnapshot(Exception):
    """Arrays are not those of a snapshot."""


class TableSnapshot(NamedTuple):
    """What compiled code needs of a grammar to answer what was answered before."""

    root: int
    tables: tuple[Array, ...]
    """In the order of TABLES; N_ROW of a state is an index of `rows`, or -1."""
    rows: tuple[bytes, ...]
    """The digests of the dense rows."""
    strings: KeptPool
    string_states: int
    numbers: KeptPool


class SnapshotMeaning(NamedTuple):
    """What is needed to go on from a snapshot: how its numbers came about."""

    outcomes: list[frozenset[int]]
    groups: list[frozenset[int]]
    questions: list[tuple[int, int, int, int]]
    calls: list[Call]
    string_starts: dict[bytes, int]
    number_starts: dict[bytes, int]
    terminals: dict[tuple[int, ...], bytes]
    """Identity of a terminal -> its key in the mask store."""


def arrays_of_snapshot(snapshot: TableSnapshot) -> tuple[dict[str, Array], dict[str, int]]:
    """Return the arrays and the numbers of a snapshot."""
    strings: dict[str, Array] = snapshot.strings._asdict()
    if snapshot.string_states < 1 << 15:
        strings["rows"] = snapshot.strings.rows.astype(np.int16)
    arrays = dict(zip(_NAMES, snapshot.tables, strict=True))
    arrays["mask_rows"] = np.frombuffer(b"".join(snapshot.rows), np.uint8)
    arrays |= {f"strings.{name}": one for name, one in strings.items()}
    arrays |= {f"numbers.{name}": one for name, one in snapshot.numbers._asdict().items()}
    return arrays, {"root": snapshot.root, "string_states": snapshot.string_states}


def snapshot_of_arrays(arrays: Mapping[str, Array], numbers: Mapping[str, int]) -> TableSnapshot:
    """Return the snapshot of `arrays_of_snapshot`. Raises LookupError for one that is not there."""
    digests = arrays["mask_rows"].tobytes()
    return TableSnapshot(
        numbers["root"],
        tuple([arrays[name] for name in _NAMES]),
        tuple(digests[i : i + _DIGEST] for i in range(0, len(digests), _DIGEST)),
        KeptPool(*[arrays[f"strings.{name}"] for name in KeptPool._fields]),
        numbers["string_states"],
        KeptPool(*[arrays[f"numbers.{name}"] for name in KeptPool._fields]),
    )


def encode_meaning(meaning: SnapshotMeaning) -> bytes:
    """Return a meaning as the bytes of an array file."""
    strings, string_starts = _names(meaning.string_starts)
    numbers, number_starts = _names(meaning.number_starts)
    arrays = {
        "outcomes": _sets(meaning.outcomes),
        "groups": _sets(meaning.groups),
        "questions": np.array(meaning.questions, np.int64).reshape(-1, 4),
        "calls": np.frombuffer(json.dumps([plain(call) for call in meaning.calls]).encode(), np.uint8),
        "strings": strings,
        "string_starts": string_starts,
        "numbers": numbers,
        "number_starts": number_starts,
        "terminals": np.array(list(meaning.terminals), np.int64).reshape(-1, 6),
        "terminal_keys": np.frombuffer(b"".join(meaning.terminals.values()), np.uint8),
    }
    return b"".join(encode_arrays(_MEANING_KIND, "", {}, arrays, compressed=True))


def decode_meaning(data: npt.NDArray[np.uint8]) -> SnapshotMeaning:
    """Return the meaning of `encode_meaning`. Raises DamagedSnapshot, whatever is in the bytes."""
    try:
        arrays = decode_arrays(data, _MEANING_KIND, "").arrays
        if any(arrays[name].dtype != dtype or arrays[name].ndim != 1 for name, dtype in _FLAT.items()):
            raise DamagedSnapshot
        questions, terminals = arrays["questions"], arrays["terminals"]
        keys = arrays["terminal_keys"].tobytes()
        if (
            questions.shape[1:] != (4,)
            or terminals.shape[1:] != (6,)
            or len(keys) != _DIGEST * len(terminals)
        ):
            raise DamagedSnapshot
        return SnapshotMeaning(
            _from_sets(arrays["outcomes"]),
            _from_sets(arrays["groups"]),
            [(a, b, c, d) for a, b, c, d in questions.tolist()],
            [from_plain(call) for call in json.loads(arrays["calls"].tobytes())],
            _from_names(arrays["strings"], arrays["string_starts"]),
            _from_names(arrays["numbers"], arrays["number_starts"]),
            {tuple(one): keys[_DIGEST * i :][:_DIGEST] for i, one in enumerate(terminals.tolist())},
        )
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise DamagedSnapshot from error


def _sets(sets: Sequence[frozenset[int]]) -> Array:
    flat: list[int] = []
    for one in sets:
        flat += (len(one), *sorted(one))
    return np.array(flat, np.int64)


def _from_sets(flat: Array) -> list[frozenset[int]]:
    numbers = flat.tolist()
    found = []
    at = 0
    while at < len(numbers):
        end = at + 1 + numbers[at]
        found.append(frozenset(numbers[at + 1 : end]))
        at = end
    return found


def _names(starts: Mapping[bytes, int]) -> tuple[Array, Array]:
    return np.frombuffer(b"".join(starts), np.uint8), np.array(list(starts.values()), np.int64)


def _from_names(names: Array, starts: Array) -> dict[bytes, int]:
    text = names.tobytes()
    size = len(text) // max(len(starts), 1)
    return {text[size * i : size * i + size]: start for i, start in enumerate(starts.tolist())}


def size(tables: GrowingTables) -> int:
    """Return the bytes of what would be kept of tables, before lists that are equal are made one."""
    return sum(tables.count(table) * tables.rows(table)[:1].nbytes for table in TABLES)


def take(
    tables: GrowingTables,
    strings: Strings,
    string_starts: Mapping[bytes, int],
    numbers: Numbers,
    digest: Callable[[int], bytes],
    pending: Mapping[int, tuple[bytes, int]],
    terminals: Mapping[tuple[int, ...], bytes],
) -> tuple[TableSnapshot, dict[int, int], dict[tuple[int, ...], bytes]]:
    """Return the snapshot of a grammar, the new numbers of the numeral automata's states, and the terminals
    under them. The grammar's lock is held by the caller.

    `digest` names a dense row of the store; `pending` holds the states whose masks were kept, but whose rows
    were not asked for yet: digest and list.
    """
    held = {table: tables.rows(table)[: tables.count(table)] for table in TABLES}
    nodes, places = held[L.T_NODE].copy(), held[L.T_PLACE].copy()
    number_nodes = nodes[:, L.MODE] == L.M_NUMBER
    number_places = (places[:, L.P_STATUS] != 0) & (places[:, L.P_NUMBER] >= 0)
    of_numbers = [one for one in terminals if one[L.X_MODE] == L.M_NUMBER]
    roots = [
        *places[number_places, L.P_NUMBER].tolist(),
        *nodes[number_nodes, L.LEX].tolist(),
        *(one[L.X_LEX] for one in of_numbers),
    ]
    kept, renumbered = kept_of(numbers, roots)
    for rows, chosen, column in ((nodes, number_nodes, L.LEX), (places, number_places, L.P_NUMBER)):
        rows[chosen, column] = [renumbered[state] for state in rows[chosen, column].tolist()]
    # masks: dense rows by their digests, lists once each
    rows_known: dict[bytes, int] = {}
    known = nodes[:, L.N_LIST] >= 0
    dense = {
        number: -1 if number < 0 else rows_known.setdefault(digest(number), len(rows_known))
        for number in np.unique(nodes[known, L.N_ROW]).tolist()
    }
    offsets = dict.fromkeys([*nodes[known, L.N_LIST].tolist(), *(at for _, at in pending.values())])
    lists, where = merged(tables, offsets)
    nodes[known, L.N_ROW] = [dense[number] for number in nodes[known, L.N_ROW].tolist()]
    nodes[known, L.N_LIST] = [where[at] for at in nodes[known, L.N_LIST].tolist()]
    nodes[~known, L.N_ROW] = -1
    for index, (name, at) in pending.items():
        nodes[index, L.N_ROW] = rows_known.setdefault(name, len(rows_known))
        nodes[index, L.N_LIST] = where[at]
    held[L.T_NODE], held[L.T_PLACE], held[L.T_LIST] = nodes, places, lists
    snapshot = TableSnapshot(
        int(tables.context[L.C_ROOT]),
        tuple(held[table] for table in TABLES),
        tuple(rows_known),
        known_rows(strings, string_starts.values()),
        strings.count,
        kept,
    )
    of_all = {}
    for one, key in terminals.items():
        if one[L.X_MODE] == L.M_NUMBER:
            one = (one[0], renumbered[one[L.X_LEX]], *one[2:])
        of_all[one] = key
    return snapshot, renumbered, of_all


def put(
    snapshot: TableSnapshot, tables: GrowingTables, row_of: Callable[[bytes], int | None]
) -> dict[int, tuple[bytes, int]]:
    """Make a snapshot's arrays the tables, which are still empty.

    Returns the states whose masks are known but for their dense row, for which `row_of` has no number yet:
    the row's digest, and the place of the list.

    Cost: some 50 us, and 10 ns for each row that is found by hash.
    """
    nodes = snapshot.tables[0]
    pending: dict[int, tuple[bytes, int]] = {}
    if len(snapshot.rows):
        numbers = np.array(
            [-1 if (number := row_of(name)) is None else number for name in snapshot.rows], np.int64
        )
        dense = nodes[:, L.N_ROW]
        has = dense >= 0
        missing = has.copy()
        missing[has] = numbers[dense[has]] < 0
        for index in np.flatnonzero(missing).tolist():
            pending[index] = snapshot.rows[int(dense[index])], int(nodes[index, L.N_LIST])
        dense[has] = numbers[dense[has]]
        nodes[missing, L.N_LIST] = -1
    tables.load(L.T_NODE, nodes)
    for table, rows in zip(TABLES[1:], snapshot.tables[1:], strict=True):
        tables.load(table, rows)
    tables.context[L.C_ROOT] = snapshot.root
    return pending
