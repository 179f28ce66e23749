"""The tables of a compiled JSON grammar, and which bytes may come in which mode."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from structgen.json_machine.tables import layout as L
from structgen.limits import Limits
from structgen.machine_core.growing_tables import GrowingTables, Sizes, TablePlan
from structgen.native.raw_memory import address_of


def _possible() -> npt.NDArray[np.uint8]:
    """Return, for each mode, the bytes that may come at all, whatever the grammar."""
    space, digits = b" \t\r\n", b"-0123456789"
    value = space + digits + b'"{[tfn'
    after = {
        L.M_DOC: value,
        L.M_END: space,
        L.M_OBJECT: space + b'"}',
        L.M_COLON: space + b":",
        L.M_VALUE: value,
        L.M_MEMBER: space + b",}",
        L.M_KEYS: space + b'"',
        L.M_ARRAY: value + b"]",
        L.M_ITEM: space + b",]",
        L.M_NEXT: value,
        L.M_NUMBER: digits + b"+.eE" + space + b",]}",
        L.M_LITERAL: b"truefalsn",
    }
    table = np.zeros((16, 256), np.uint8)
    for mode, possible in after.items():
        table[mode, list(possible)] = 1
    for mode in (L.M_STRING, L.M_KEY, L.M_WORDS):
        table[mode] = 1
    return table


def _following(possible: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Return, for each mode and byte, -1 where the byte may come, else the next byte that may (256: none)."""
    table = np.full((16, 256), 256, np.int32)
    for mode in range(16):
        later = 256
        for byte in range(255, -1, -1):
            if possible[mode, byte]:
                later = byte
                table[mode, byte] = -1
            else:
                table[mode, byte] = later
    return table


_MAY = _possible()
_NEXT = _following(_MAY)
JSON_TABLES = TablePlan(
    L.Context,
    {
        "nodes": Sizes(1024, 2048, key=8),
        "frames": Sizes(256, 512, key=5),
        "edges": Sizes(512, 1024, key=3),
        "texts": Sizes(512, 1024, key=2, nothing=True),
        "sets": Sizes(512, 1024, key=4, nothing=True),
        "places": Sizes(256),
        "residues": Sizes(512),
        "children": Sizes(8192),
        "word_lists": Sizes(32),
        "offsets": Sizes(1024),
        "blob": Sizes(16384),
        "string_specs": Sizes(64),
        "outcomes": Sizes(512),
        "plain_objects": Sizes(64),
        "lists": Sizes(65536),
        "terminals": Sizes(128, 256, key=6),
        "crossings": Sizes(128),
        "safe_rows": Sizes(32),
        "distances": Sizes(64),
        "stack": Sizes(4096),
    },
    {"precise": 1, "may": address_of(_MAY), "next_byte": address_of(_NEXT)},
)


def json_tables(limits: Limits) -> GrowingTables:
    """Return the tables of a new JSON grammar."""
    return GrowingTables(limits, JSON_TABLES)
