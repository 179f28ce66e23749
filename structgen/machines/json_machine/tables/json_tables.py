"""`JSON_TABLES` plans the growing tables of a compiled JSON grammar, and the first words of its block.

- A *table* has rows of 64-bit words and grows by doubling. A table with a *key* stores equal rows once; the
  key is the number of words that are compared. `TableSizes(1024, 2048, key=8)`: rows, slots of the hash
  table, words of the key.
- A *mode* is what is being read (M_...). A table here has, for each mode, the bytes that JSON allows at all.
- What *follows* a terminal is white space, a sign of JSON or a value (`LexemeContext.may_follow`).
- A *cell* is the state of the lexer of terminals after one byte.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from structgen.base.native.array_types import ByteArray, Int32Array
from structgen.base.native.raw_memory import address_of
from structgen.machines.json_machine.tables import json_blocks as L
from structgen.machines.machine_core.growing_tables import BYTE_AT, TablePlan, TableSizes
from structgen.machines.machine_core.lexeme_layout import (
    AFTER_END,
    BEFORE_CLOSING,
    RECORD_TABLES,
    LexemeContext,
)


def _possible_bytes() -> Int32Array:
    """Return int32[16, 256]: for each mode and byte -1 where some grammar allows the byte.

    Else it is the next larger byte that some grammar allows; 256: there is none.
    """
    space = b" \t\r\n"
    digits = b"-0123456789"
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
    # 16 modes
    table = np.full((16, 256), 256, np.int32)
    for mode in range(16):
        # in strings and keys any byte may come: their automata decide
        possible = set(after.get(mode, b"" if mode == L.M_FINISHED else range(256)))
        # backwards: the next byte that may come is the one after it, or the one that this has noted
        for byte in range(255, -1, -1):
            if byte in possible:
                table[mode, byte] = -1
            elif byte < 255:
                later = table[mode, byte + 1]
                table[mode, byte] = byte + 1 if later == -1 else later
    return table


def _left_over() -> ByteArray:
    """Return the automaton of the bytes that may follow a terminal in some grammar.

    `LexemeContext.may_follow` is this table: the state after each byte; 0: refused. White space, a sign of
    JSON or the beginning of a value may follow; after these, anything.
    """
    after_quote, anything = AFTER_END + 1, AFTER_END + 2
    signs = b" \t\r\n,:]}"
    literals = (b"true", b"false", b"null")
    table = np.zeros((anything + 1 + sum(map(len, literals)), 256), np.uint8)
    table[BEFORE_CLOSING, ord('"')] = after_quote
    table[after_quote, list(signs)] = anything
    table[AFTER_END, list(signs + b'"{[-0123456789')] = anything
    table[anything] = anything
    # a chain of states for each literal, of which the first byte stands directly after the end
    last = anything
    for literal in literals:
        first_state = AFTER_END
        for byte in literal:
            last += 1
            table[first_state, byte] = last
            first_state = last
        table[first_state] = anything
    return table


CELLS: Final = 256
"""Cells of a state of the lexer of terminals: one for each byte."""
_MOST_APART = 4096
"""The most nodes of the trie after which two states may differ. With more, a whole scan is cheaper."""
_NEXT, _LEFT_OVER = _possible_bytes(), _left_over()
JSON_TABLES = TablePlan(
    L.JsonContext,
    {
        "nodes": TableSizes(1024, 2048, key=8),
        "frames": TableSizes(256, 512, key=5),
        "edges": TableSizes(512, 1024, key=3),
        "texts": TableSizes(512, 1024, key=2, nothing=True),
        "sets": TableSizes(512, 1024, key=4, nothing=True),
        "places": TableSizes(256),
        "residues": TableSizes(512),
        "children": TableSizes(8192),
        "word_lists": TableSizes(32),
        "offsets": TableSizes(1024),
        "blob": TableSizes(16384),
        "string_specs": TableSizes(64),
        "phases": TableSizes(8),
        "outcomes": TableSizes(512),
        "plain_objects": TableSizes(64),
        "lists": TableSizes(65536),
        "terminals": TableSizes(128, 256, key=6),
        "cells": TableSizes(1 << 11),
        "tries": TableSizes(2),
        "ranges": TableSizes(8),
        "stack": TableSizes(2048),
        "levels": TableSizes(64),
    },
    {
        # the other words of a new context are 0
        "precise": 1,
        "next_byte": address_of(_NEXT),
        "classes": BYTE_AT[0],
        "width": CELLS,
        "newline": -1,
        "closing": 1 << ord('"'),
        "most_apart": _MOST_APART,
    },
)
TERMINAL_TABLES = TablePlan(
    LexemeContext, RECORD_TABLES, {"newline": -1, "may_follow": address_of(_LEFT_OVER)}
)
"""The tables of records that grammars share."""
