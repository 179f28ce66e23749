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
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from structgen.automata.renumbering.renumbered_pools import KeptPool, Numbers, Strings, kept_of, known_rows
from structgen.json_machine.answers.journal import Call, from_plain, plain
from structgen.json_machine.kept.token_list_merging import merged
from structgen.json_machine.tables import layout as L
from structgen.machine_core.growing_tables import GrowingTables

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
_DTYPES: Final = ("<i4", "<i8", "|u1", "<i2")
_KEY: Final = 16


class DamagedImage(Exception):
    """Bytes are not what `pack` made."""


def pack(arrays: Iterable[Array]) -> bytes:
    """Return arrays (one or two dimensions; int16, int32, int64, bytes) as bytes that `unpack` reads."""
    head: list[int] = []
    body: list[bytes] = []
    for array in arrays:
        head += (_DTYPES.index(array.dtype.str), array.shape[0], array.shape[1] if array.ndim == 2 else -1)
        content = array.tobytes()
        body += (content, bytes(-len(content) % 8))
    return struct.pack(f"<q{len(head)}q", len(head) // 3, *head) + b"".join(body)


def unpack(data: bytes | bytearray) -> list[Array]:
    """Return the arrays of `pack`: parts of `data`, to be written to if that can be. Raises Damaged."""
    try:
        (count,) = struct.unpack_from("<q", data)
        head = struct.unpack_from(f"<{3 * count}q", data, 8)
        at = 8 + 24 * count
        found = []
        for kind, rows, columns in zip(head[::3], head[1::3], head[2::3], strict=True):
            if kind < 0 or rows < 0:
                raise DamagedImage
            array: Array = np.frombuffer(data, _DTYPES[kind], rows * (1 if columns < 0 else columns), at)
            at += (array.nbytes + 7) & ~7
            found.append(array if columns < 0 else array.reshape(rows, columns))
    except (struct.error, ValueError, IndexError) as error:
        raise DamagedImage from error
    return found


class TableImage(NamedTuple):
    """What compiled code needs of a grammar to answer what was answered before."""

    root: int
    tables: tuple[Array, ...]
    """In the order of TABLES; N_ROW of a state is an index of `rows`, or -1."""
    rows: tuple[bytes, ...]
    """The digests of the dense rows."""
    strings: KeptPool
    string_states: int
    numbers: KeptPool


class ImageMeaning(NamedTuple):
    """What is needed to go on from an image: how its numbers came about."""

    outcomes: list[frozenset[int]]
    groups: list[frozenset[int]]
    questions: list[tuple[int, int, int, int]]
    calls: list[Call]
    string_starts: dict[bytes, int]
    number_starts: dict[bytes, int]
    terminals: dict[tuple[int, ...], bytes]
    """Identity of a terminal -> its key in the mask store."""


def encode_image(image: TableImage) -> bytes:
    """Return an image as bytes."""
    strings = image.strings
    narrow = strings.rows.astype(np.int16) if image.string_states < 1 << 15 else strings.rows
    digests = np.frombuffer(b"".join(image.rows), np.uint8)
    root = np.array([image.root, image.string_states], np.int64)
    numbers = image.numbers
    return pack((root, *image.tables, digests, strings.outcome, strings.known, narrow, *numbers))


def decode_image(data: bytes) -> TableImage:
    """Return the image of `encode_image`, which can be written to. Raises Damaged."""
    arrays = unpack(bytearray(data))
    if len(arrays) != len(TABLES) + 8 or arrays[0].shape != (2,):
        raise DamagedImage
    root, states = arrays[0].tolist()
    at = 1 + len(TABLES)
    digests = arrays[at].tobytes()
    return TableImage(
        root,
        tuple(arrays[1:at]),
        tuple(digests[i : i + _KEY] for i in range(0, len(digests), _KEY)),
        KeptPool(*arrays[at + 1 : at + 4]),
        states,
        KeptPool(*arrays[at + 4 : at + 7]),
    )


def encode_meaning(meaning: ImageMeaning) -> bytes:
    """Return a meaning as bytes."""
    terminals = list(meaning.terminals)
    return pack(
        (
            _sets(meaning.outcomes),
            _sets(meaning.groups),
            np.array(meaning.questions, np.int64).reshape(-1, 4),
            np.frombuffer(json.dumps([plain(call) for call in meaning.calls]).encode(), np.uint8),
            *_names(meaning.string_starts),
            *_names(meaning.number_starts),
            np.array(terminals, np.int64).reshape(-1, 6),
            np.frombuffer(b"".join([meaning.terminals[one] for one in terminals]), np.uint8),
        )
    )


def decode_meaning(data: bytes) -> ImageMeaning:
    """Return the meaning of `encode_meaning`. Raises Damaged."""
    arrays = unpack(data)
    if len(arrays) != 10:
        raise DamagedImage
    outcomes, groups, questions, calls, names, starts, others, their, terminals, keys = arrays
    text = keys.tobytes()
    if questions.shape[1:] != (4,) or terminals.shape[1:] != (6,) or len(text) != _KEY * len(terminals):
        raise DamagedImage
    return ImageMeaning(
        _from_sets(outcomes),
        _from_sets(groups),
        [(a, b, c, d) for a, b, c, d in questions.tolist()],
        [from_plain(call) for call in json.loads(calls.tobytes())],
        _from_names(names, starts),
        _from_names(others, their),
        {tuple(one): text[_KEY * i : _KEY * i + _KEY] for i, one in enumerate(terminals.tolist())},
    )


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
) -> tuple[TableImage, dict[int, int], dict[tuple[int, ...], bytes]]:
    """Return the image of a grammar, the new numbers of the numeral automata's states, and the terminals
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
    image = TableImage(
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
    return image, renumbered, of_all


def put(
    image: TableImage, tables: GrowingTables, row_of: Callable[[bytes], int | None]
) -> dict[int, tuple[bytes, int]]:
    """Make an image's arrays the tables, which are still empty. Returns the states whose masks are known but
    for their dense row, which `row_of` has no number for yet: the row's digest, and the place of the list.

    Cost: some 50 us, and 10 ns for each row that is found by hash.
    """
    nodes = image.tables[0]
    pending: dict[int, tuple[bytes, int]] = {}
    if len(image.rows):
        numbers = np.array(
            [-1 if (number := row_of(name)) is None else number for name in image.rows], np.int64
        )
        dense = nodes[:, L.N_ROW]
        has = dense >= 0
        missing = has.copy()
        missing[has] = numbers[dense[has]] < 0
        for index in np.flatnonzero(missing).tolist():
            pending[index] = image.rows[int(dense[index])], int(nodes[index, L.N_LIST])
        dense[has] = numbers[dense[has]]
        nodes[missing, L.N_LIST] = -1
    tables.load(L.T_NODE, nodes)
    for table, rows in zip(TABLES[1:], image.tables[1:], strict=True):
        tables.load(table, rows)
    tables.context[L.C_ROOT] = image.root
    return pending
