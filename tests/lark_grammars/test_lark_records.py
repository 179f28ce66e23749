"""What tokens do inside a lexeme, as records have it, against reading each token byte by byte."""

from __future__ import annotations

from collections import Counter
from typing import ClassVar, NamedTuple

import numpy as np
import pytest
from lark.indenter import Indenter

import structgen as sg
from structgen.lark_grammars.compiled import registers as K
from structgen.lark_grammars.masks import vocabulary_tables
from structgen.lark_grammars.masks.compiled_lark import CompiledLark
from structgen.lark_grammars.masks.vocabulary_tables import array_at
from structgen.native.typed_blocks import word_of
from structgen.tokens.token_mask import tokens_of

CALLS = r"""
start: (call ";")*
call: NAME "(" [arg ("," arg)*] ")"
?arg: STRING | NUMBER | call | "not" arg | "nothing" | MARK
NAME: /[^\W\d]\w*/
STRING: /"(\\.|[^"\\])*"/ | /'''(?!')(.|\n)*?'''/
NUMBER: /\d+(\.\d+)?/
MARK: /~[^~]*[^~\x00-\x7f]/
%ignore /[ \n]+/
"""
BLOCKS = r"""
start: statement+
statement: "if" NAME ":" block | "return" [NAME] _NEWLINE
block: _NEWLINE _INDENT statement+ _DEDENT
NAME: /[a-z]\w*/
_NEWLINE: /(\n[ \t]*)+/
%ignore " "
%declare _INDENT _DEDENT
"""
TAB = 3


class Blocks(Indenter):
    NL_type = "_NEWLINE"
    OPEN_PAREN_types: ClassVar = []
    CLOSE_PAREN_types: ClassVar = []
    INDENT_type = "_INDENT"
    DEDENT_type = "_DEDENT"
    tab_len = TAB


WORDS = [
    b"",
    *(bytes((byte,)) for byte in range(256)),
    *b"no not noth nothing notes ret return if x1 in_a_name 12 1.5 (( f( x, ); x not( 1) '' '''a".split(),
    *"ét é xÃ 你 é n—xy né—z n你你你 x€y ~é你".encode().split(),
    *(b"n\x01\x02\x03\x04", b"x\x7f\x7f\x7f\x7f", b"na\xe4\xbd\xe4\xbd", b"n" * 12, b"x 1 2 3"),
    *(
        b'"a"',
        b'"a',
        b'a"',
        b'",',
        b'\\"',
        b", y",
        b" x",
        b" if",
        b"x:\n ",
        b":\n\n   return",
        b"; f",
        b"not x",
    ),
    *(b"\n\n", b"\n  ", b"\n\t x", b"  \n", b" \t", b"  ", b"\n \n", b";\n", b"\xe4\xbd", b"x\xc3", b"'''"),
    *(b"n" + bytes((byte,)) * times for byte in b"aeiou" for times in range(1, 9)),
    *(b" " * times + b"r" for times in range(1, 20)),
]
"""Some are there twice."""


def compiled(name: str, store: sg.MaskStore | None = None) -> CompiledLark:
    """Return a grammar with all its records."""
    grammar = sg.lark(CALLS) if name == "calls" else sg.lark(BLOCKS, postlex=Blocks())
    made = sg.compile(grammar, sg.Tokenizer.from_bytes([*WORDS, None], len(WORDS)), store=store or False)
    assert isinstance(made, CompiledLark)
    made.prepare()
    return made


class Said(NamedTuple):
    """What is said of tokens: each of these once."""

    inside: Counter[tuple[int, int]]
    """(token, endings)"""
    left: Counter[tuple[int, int, int, bytes]]
    """(token, terminal, what bytes do to its column, bytes left over)"""
    crossing: Counter[tuple[int, int, int, int]]
    """(token, state, what bytes do to a column, bytes read)"""


Texts = list[tuple[bytes, list[int], int]]


def texts(nodes: np.ndarray, starts: np.ndarray, ids: np.ndarray) -> Texts:
    """Return, for each node of a trie, the text that leads to it, the tokens there, and the node behind its
    subtrie."""
    found, path = [], b""
    for word in nodes.view(np.int64).tolist():
        path = path[: ((word >> 8) & 0xFFF) - 1] + bytes((word & 0xFF,))
        slot = (word >> 20) & 0xFFFFF
        tokens = ids[starts[slot - 1] : starts[slot]].tolist() if slot else []
        found.append((path, tokens, (word >> 40) & 0xFFFFFF))
    return found


def texts_at(words: int) -> Texts:
    """Return the same of the trie with some words."""
    nodes, count, starts, ids, _records, slots, tokens = array_at(
        words, K.LeftoverTrie.first_bytes_known, np.int64
    ).tolist()
    of = (nodes, count, np.int64), (starts, slots, np.int32), (ids, tokens, np.int32)
    return texts(*(array_at(*one) for one in of))


def said(made: CompiledLark, record: int, trie: Texts) -> Said:
    """Return what a record says of the tokens of a trie."""
    found = Said(Counter(), Counter(), Counter())
    words = array_at(record, K.RECORD_WORDS, np.int64).tolist()
    groups = array_at(
        words[word_of(K.LexemeRecord, "groups")], 4 * words[K.LexemeRecord.group_count], np.int64
    ).reshape(-1, 4)
    first_of = made._vocabulary_tables._builder.first_bytes
    for endings, at, firsts, count in groups.tolist():
        if count == K.AS_ROW:
            tokens = tokens_of(made._masks.rows[at])
            there = array_at(firsts, 256, np.uint8)
            assert set(np.flatnonzero(there)) == set(first_of[tokens])
        else:
            tokens = array_at(at, count, np.int32)
            if firsts:
                begins = array_at(firsts, 257, np.int32)
                for byte in range(256):
                    assert set(first_of[tokens[begins[byte] : begins[byte + 1]]]) <= {byte}
        found.inside.update((token, endings) for token in tokens.tolist())
    rows = array_at(
        words[word_of(K.LexemeRecord, "leftovers")],
        K.LEFTOVER_WORDS * words[K.LexemeRecord.leftover_count],
        np.int64,
    )
    for terminal, shift, left, ended, count in rows.reshape(-1, K.LEFTOVER_WORDS).tolist():
        for text, tokens, _behind in texts_at(left):
            found.left.update((token, terminal, shift, text) for token in tokens)
        found.left.update(
            (token, terminal, shift, b"") for token in array_at(ended, count, np.int32).tolist()
        )
    crossings = array_at(
        words[word_of(K.LexemeRecord, "crossings")], 4 * words[K.LexemeRecord.crossing_count], np.int32
    )
    for node, state, shift, first in crossings.reshape(-1, 4).tolist():
        depth = len(trie[node][0])
        assert first in (-1, trie[node][0][0])
        for text, tokens, _behind in trie[node : trie[node][2]]:
            found.crossing.update((token, state, shift, len(text[: depth - 1])) for token in tokens)
    return found


def shift_of(text: bytes) -> int:
    """Return what bytes do to a column: how far it moves, or, behind a newline, -1 - its number."""
    width = sum(TAB if byte == 9 else int(byte == 32) for byte in text[text.rfind(b"\n") + 1 :])
    return -1 - width if b"\n" in text else width


def read(made: CompiledLark, lexeme: int, trie: Texts) -> Said:
    """Return what reading the tokens of a trie byte by byte says."""
    found, tables = Said(Counter(), Counter(), Counter()), made._vocabulary_tables
    newline = int(tables._words[K.LarkTables.newline])
    for text, tokens, _behind in trie:
        state = lexeme
        for at, byte in enumerate(text):
            move = int(tables._moves[state, tables._classes[byte]])
            kind, terminal = move & K.KIND_BITS, (move >> K.TERMINAL_SHIFT) & K.TERMINAL_BITS
            if kind == K.MOVE_ON:
                state = (move >> K.TO_SHIFT) & K.TO_BITS
                continue
            shift = shift_of(text[:at])
            moved = shift if terminal == newline else 0
            if kind == K.MOVE_DEAD or (at == 0 and kind in (K.MOVE_BEFORE, K.MOVE_OLD)):
                pass
            elif kind == K.MOVE_NOW and terminal != newline:
                found.left.update((token, terminal, moved, text[at + 1 :]) for token in tokens)
            elif kind == K.MOVE_BEFORE:
                found.left.update((token, terminal, moved, text[at:]) for token in tokens)
            else:
                found.crossing.update((token, state, shift, at) for token in tokens)
            break
        else:
            found.inside.update((token, int(tables._endings[state])) for token in tokens)
    return found


@pytest.mark.parametrize("room", ["plenty", "few pieces", "one row"])
@pytest.mark.parametrize("name", ["calls", "blocks"])
def test_records_say_what_reading_each_token_says(
    name: str, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(K, "LARGE_TRIE", 4)  # so that what is left over has records, too
    if room == "few pieces":
        monkeypatch.setattr(vocabulary_tables, "_SUBTREE_WORDS", 1 << 5)
        monkeypatch.setattr(vocabulary_tables, "_MOST_SUBTREE_WORDS", 1 << 7)
    made = compiled(name, sg.MaskStore(memory=1) if room == "one row" else None)
    vocabulary, tables = made.vocabulary, made._vocabulary_tables
    whole = texts(vocabulary.nodes, vocabulary.slot_start, vocabulary.slot_ids)
    tries = [(tables._records, whole), *((held, texts_at(at)) for at, held in tables._held.items())]
    assert len(tries) > 3
    for records, trie in tries:
        states = np.flatnonzero(records > 0).tolist()
        for state in states:
            assert said(made, int(records[state]), trie) == read(made, state, trie)


def test_pieces_are_found_again_once_there_is_more_room(monkeypatch: pytest.MonkeyPatch) -> None:
    used = int(compiled("calls")._vocabulary_tables._builder._words[K.RecordScan.used])
    monkeypatch.setattr(vocabulary_tables, "_SUBTREE_WORDS", 1 << 3)
    assert int(compiled("calls")._vocabulary_tables._builder._words[K.RecordScan.used]) == used > 1 << 4
