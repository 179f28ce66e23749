"""Files with a right checksum and wrong numbers, and files that change while they are used: no crash, and no
wrong mask where the numbers tell."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from structgen.errors import StoreWarning
from structgen.native.cache_entries import entry_key
from structgen.store.segment_files import DamagedSegment, Folder, MaskSegment, encode
from structgen.store.terminal_records import Content, Crossing
from structgen.tokens import vocabulary
from structgen.tokens.array_checks import Bounds
from structgen.tokens.tokenizer import Tokenizer
from structgen.tokens.trie import build_trie
from structgen.tokens.vocabulary import KIND, Vocabulary

TOKENS = [bytes((byte,)) for byte in range(256)] + [b"ab", b"abc", b"abd", b"b c", b"b c", b"\xc3\xa9t"]
KEY = "what the records were made from"
NAME = b"0123456789abcdef"
BOUNDS = Bounds(len(TOKENS) + 1, 9)


@pytest.fixture
def tokenizer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tokenizer:
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(vocabulary, "_WORTH_A_FILE", 0)
    return Tokenizer.from_bytes([*TOKENS, None], eos_token_id=len(TOKENS))


# Vocabularies


_TRUNCATED = """
import os, sys
import structgen as sg
from structgen.tokens import vocabulary

vocabulary._WORTH_A_FILE = 0
tokens = [*eval(sys.argv[1]), None]
tokenizer = sg.Tokenizer.from_bytes(tokens, eos_token_id=len(tokens) - 1)
if len(sys.argv) > 2:
    path = vocabulary.vocabulary_path(tokenizer)
    assert path.exists()
    held = vocabulary.Vocabulary.of(tokenizer)
    os.truncate(path, 0)
compiled = sg.compile(sg.json_schema({"type": "string"}), tokenizer, store=False)
mask = sg.allocate_mask(1, compiled.vocab_size)
matcher = sg.Matcher(compiled)
for token in b'"ab':
    matcher.fill_mask(mask)
    print(mask.array.tobytes().hex())
    matcher.advance(token)
"""


def test_a_vocabulary_whose_file_is_cut_short_while_it_is_used_goes_on(tmp_path: Path) -> None:
    found = []
    for cut in ([], ["cut"]):
        done = subprocess.run(
            [sys.executable, "-c", _TRUNCATED, repr(TOKENS), *cut],
            env={**os.environ, "STRUCTGEN_CACHE": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (done.returncode, signal.SIGBUS, done.stderr)
        found.append(done.stdout)
    assert found[0] == found[1]


def test_a_vocabulary_with_other_numbers_and_a_right_checksum_is_built_anew(tokenizer: Tokenizer) -> None:
    """Whatever number is another one: but for the signatures, which lead nowhere, none is taken."""
    built = Vocabulary._read_or_build(tokenizer)
    entries, key = vocabulary._entries(), entry_key(KIND, tokenizer.fingerprint)
    numbers = {name: getattr(built, name) for name in vocabulary._NUMBERS}
    draw = random.Random(5)
    for turn in range(300):
        arrays = {name: array.copy() for name, array in built._arrays().items()}
        name = draw.choice([name for name in arrays if name not in ("sig", "slot_sig")])
        flat = arrays[name].reshape(-1)
        at, bits = draw.randrange(len(flat)), 8 * flat.itemsize
        value = draw.choice((0, 1, (1 << (bits - 1)) - 1, -1, int(flat[at]) + 1, 1 << draw.randrange(bits)))
        before = flat[at].tobytes()
        flat[at : at + 1] = np.array([value & ((1 << bits) - 1)], f"<u{flat.itemsize}").view(flat.dtype)
        if flat[at].tobytes() == before:
            continue
        assert entries.write(KIND, key, arrays, numbers)
        file = entries.read(KIND, key)
        assert file is not None
        text = b"".join(TOKENS)
        assert Vocabulary._from_file(tokenizer, text, file) is None, (turn, name, at, value)


def test_a_vocabulary_of_other_sizes_is_built_anew_with_a_warning(tokenizer: Tokenizer) -> None:
    built = Vocabulary._read_or_build(tokenizer)
    entries, key = vocabulary._entries(), entry_key(KIND, tokenizer.fingerprint)
    numbers = {name: getattr(built, name) for name in vocabulary._NUMBERS}
    for name, array in built._arrays().items():
        arrays = built._arrays() | {name: array[:-1]}
        assert entries.write(KIND, key, arrays, numbers)
        with pytest.warns(StoreWarning, match="out of range"):
            Vocabulary._read_or_build(tokenizer)
    for name in numbers:
        assert entries.write(KIND, key, built._arrays(), numbers | {name: numbers[name] + 1})
        with pytest.warns(StoreWarning, match="out of range"):
            Vocabulary._read_or_build(tokenizer)


# Records of the mask store


def content(**other: object) -> Content:
    tokens = [b"ab", b"abc", b"b"]
    trie = build_trie(
        np.frombuffer(b"".join(tokens), np.uint8), np.cumsum([0, 2, 3, 1]), np.array([1, 2, 7], np.int32)
    )
    for name in ("nodes", "slot_start", "slot_ids", "slot_len", "first"):
        if name in other:
            at, value = other[name]  # type: ignore[misc]
            array = getattr(trie, name).copy()
            array[at] = value
            trie = trie._replace(**{name: array})
    exact = np.array(other.get("exact", [3, 4]), np.int32)
    crossing = Crossing(frozenset((0, 2)), trie, exact, True)
    row = np.array(other.get("row", range(9)), np.int32)
    return Content(row, np.array(other.get("tokens", [0, 262]), np.int32), (crossing,))


def written(path: Path, one: Content) -> MaskSegment:
    path.write_bytes(b"".join(encode({NAME: one}, KEY)))
    path.chmod(0o600)
    return MaskSegment(path, KEY, BOUNDS)


def test_a_record_comes_back(tmp_path: Path) -> None:
    found = written(tmp_path / "a.masks", content(row=[*range(8), 127])).find(NAME)
    assert found is not None and found.row is not None
    assert found.row.tolist() == [*range(8), 127] and found.tokens.tolist() == [0, 262]


@pytest.mark.parametrize(
    "other",
    [
        {"tokens": [263]},
        {"tokens": [-1]},
        {"tokens": [1 << 30]},
        {"exact": [2**31 - 1]},
        {"row": range(8)},
        {"row": range(10)},
        {"row": [0] * 8 + [128]},
        {"row": [0] * 8 + [-1]},
        {"slot_ids": (0, -5)},
        {"slot_ids": (2, 1 << 20)},
        {"slot_start": (1, 1 << 20)},
        {"slot_start": (3, 2)},
        {"slot_len": (0, 9)},
        {"first": (97, 2)},
        {"first": (0, 1)},
        {"nodes": (0, (1 << 40) | (1 << 8) | 97)},
        {"nodes": (0, (0xFFFFFF << 40) | (1 << 8) | 97)},
        {"nodes": (1, (0xFFFFF << 20) | (3 << 40) | (2 << 8) | 98)},
        {"nodes": (1, (1 << 20) | (3 << 40) | (0xFFF << 8) | 98)},
        {"nodes": (1, (1 << 20) | (1 << 40) | (2 << 8) | 98)},
    ],
)
def test_a_record_with_numbers_out_of_range_is_damaged(tmp_path: Path, other: dict[str, object]) -> None:
    segment = written(tmp_path / "a.masks", content(**({"row": [0] * 9} | other)))
    with pytest.raises(DamagedSegment):
        segment.find(NAME)


def test_a_segment_that_is_cut_short_while_it_is_used_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.masks"
    segment = written(path, content(row=[0] * 9))
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(DamagedSegment):
        segment.find(NAME)


def test_a_segment_of_somebody_else_is_neither_read_nor_deleted(tmp_path: Path) -> None:
    written(tmp_path / "a.masks", content(row=[0] * 9))
    (tmp_path / "a.masks").chmod(0o666)
    with pytest.warns(StoreWarning, match="others may write to it"):
        assert Folder(tmp_path, KEY, BOUNDS).find(NAME) is None
    assert (tmp_path / "a.masks").exists()
