"""What is written of a compiled Lark grammar: into its file, and for the grammar that takes its place."""

from __future__ import annotations

import threading
from typing import Final

import numpy as np

from structgen.lark_grammars.compiled.kept_lark import (
    DENSE_ROW,
    KIND,
    TOKEN_LIST,
    WORDS,
    Arrays,
    KeptParts,
    parts_of,
)
from structgen.lark_grammars.compiled.lark_answers import LarkAnswers
from structgen.lark_grammars.machine import lark_layout as L
from structgen.machine_core.growing_tables import LISTS, NODES, GrowingTables
from structgen.machine_core.layout import FINISHED
from structgen.native.array_file import ArrayFile
from structgen.native.typed_blocks import word_of
from structgen.store.grammar_files import GrammarFiles, WrittenGrammar
from structgen.store.mask_store import crc_of

_MOST: Final = 1 << 26
"""The most bytes of a file; of a larger grammar nothing is kept."""
_MOST_STATES: Final = 1 << 24
"""The most bytes of states and places; with more the states are left out, and the records kept."""
_OF_STATES: Final = ("nodes", "lists", "cells", "places", "steps_known", "proofs", "units", "results")
_OF_RECORDS: Final = (
    "records", "merged", "wanted", "groups", "leftovers", "tries", "trie_nodes", "trie_slots", "ranges",
    "wanted_rows", "tokens",
)  # fmt: skip
_GROUPS: Final = word_of(L.LarkContext, "groups")


def of_grammar(answers: LarkAnswers, grown: GrowingTables, start: int) -> tuple[dict[str, int], Arrays]:
    """Return numbers and copies of arrays: what no vocabulary changes. `start`: the first state. The
    grammar's lock is held."""
    arrays, lexer = answers.kept_arrays()
    numbers = {name: int(grown.context[word_of(L.LarkContext, name)]) for name in WORDS}
    numbers |= {"start": -1, "lexeme": int(grown.rows(NODES)[start, L.LarkState.lexeme])}
    none = np.empty(0, np.int32)
    said: Arrays = {"said:lexer": lexer, "said:dense": none, "said:crcs": none}
    return numbers, said | {f"array:{name}": one for name, one in arrays.items()}


def contents(
    answers: LarkAnswers, grown: GrowingTables, start: int, most: int | None = None
) -> tuple[dict[str, int], Arrays]:
    """Return numbers and copies of arrays: all of a compiled grammar. `start`: its first state; `most`: bytes
    of states and places, with more of which these are left out. The grammar's lock is held."""
    numbers, found = of_grammar(answers, grown, start)
    found |= {f"array:{name}": one for name, one in answers.of_vocabulary.items()}
    tables, slots = Arrays(), Arrays()
    for name in (*_OF_STATES, *_OF_RECORDS):
        table = word_of(L.LarkContext, name)
        tables[name] = grown.rows(table)[: grown.count(table)].copy()
        if L.LARK_TABLES.slots[table]:
            slots[f"said:slots.{name}"] = grown.slots(table).copy()
    most = _MOST_STATES if most is None else most
    if sum(int(tables[name].nbytes) for name in _OF_STATES) > most:
        start = -1
        for name in _OF_STATES:
            tables[name] = tables[name][:0]
            slots.pop(f"said:slots.{name}", None)
    nodes, groups = tables["nodes"], tables["groups"]
    masked = np.full((len(nodes), 2), -1, np.int32)
    has_row = (nodes[:, DENSE_ROW] >= 0) & (nodes[:, L.LarkState.mode] != FINISHED)
    has_row &= nodes[:, TOKEN_LIST] >= 0
    rows, numbered = answers.kept_rows(nodes[has_row, DENSE_ROW], groups[:, L.Group.dense_row])
    masked[has_row, 0] = [numbered[one] for one in nodes[has_row, DENSE_ROW].tolist()]
    masked[has_row, 1] = nodes[has_row, TOKEN_LIST]
    nodes[has_row, DENSE_ROW] = nodes[has_row, TOKEN_LIST] = -1
    column = groups[:, L.Group.dense_row]
    column[:] = [one if one == -1 else -2 - numbered[one] for one in column.tolist()]
    ends = np.flatnonzero(nodes[:, L.LarkState.mode] == FINISHED)
    numbers |= {"start": start, "finished": int(ends[0]) if len(ends) else -1}
    crcs = np.array([crc_of(row) for row in rows], np.uint32)
    found |= slots | {"said:masked": masked, "said:dense": rows, "said:crcs": crcs}
    return numbers, found | {f"table:{name}": one for name, one in tables.items()}


def records_of(answers: LarkAnswers, grown: GrowingTables, start: int) -> KeptParts:
    """Return the lexer and the records of a compiled grammar, for one without its states."""
    numbers, arrays = contents(answers, grown, start, 0)
    return parts_of(ArrayFile(numbers, arrays))


class LarkKeeper:
    """What is kept of a compiled grammar. It does not know the grammar itself, and is used after that is
    gone."""

    def __init__(
        self,
        files: GrammarFiles,
        key: str,
        lock: threading.RLock,
        answers: LarkAnswers,
        grown: GrowingTables,
        start: int,
    ) -> None:
        """`start`: the first state."""
        self.files, self._key, self._lock, self._answers, self._grown = files, key, lock, answers, grown
        self._start = start
        self._before = self._extent()

    def _extent(self) -> tuple[int, ...]:
        records = self._grown.count(word_of(L.LarkContext, "records"))
        return self._grown.count(LISTS), records, self._answers.sizes["lexer_states"]

    @property
    def is_new(self) -> bool:
        """Whether there is something new to write."""
        return self._extent() != self._before

    @property
    def size(self) -> int:
        """About how many bytes its file takes."""
        return self._grown.nbytes() + self._answers.nbytes

    def encode(self, patience: float) -> WrittenGrammar | None:
        """Return the contents to write; None if nothing is new, if it is too much, or if somebody holds the
        grammar's lock for longer than `patience`, in seconds."""
        if not self.is_new or not self._lock.acquire(timeout=patience):
            return None
        try:
            self._before = self._extent()
            numbers, found = contents(self._answers, self._grown, self._start)
        finally:
            self._lock.release()
        if sum(int(one.nbytes) for one in found.values()) > _MOST:
            return None
        return WrittenGrammar(self._key, KIND, found, numbers)
