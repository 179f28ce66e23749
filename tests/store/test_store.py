"""The mask store: what comes back is what went in, from memory or disk, whatever befalls the files."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from called import calls
from hypothesis import given
from hypothesis import strategies as st

import structgen as sg
from structgen.errors import OptionError, StoreWarning
from structgen.native.cache_entries import evict
from structgen.store import mask_store as store_module
from structgen.store import segment_files
from structgen.store.mask_store import VocabularyStore, default_store
from structgen.store.segment_files import DamagedSegment, Folder, MaskSegment, encode, exclusive
from structgen.store.terminal_records import Content, Crossing
from structgen.system.resources import small_tokenizer
from structgen.tokens.token_mask import tokens_of
from structgen.tokens.trie import build_trie
from structgen.tokens.vocabulary import Vocabulary

IDENTITY = "0123456789abcdef"
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 9},
        "code": {"type": "string", "pattern": "^[a-f]{2,5}$"},
        "size": {"type": "number", "minimum": 3},
        "note": {"type": "string"},
    },
    "required": ["name", "size"],
}
TEXT = '{"name": "Ada", "code": "abcd", "size": 31.25, "note": "a \\"b\\" \\u00e9\\n"}'


@pytest.fixture(scope="module")
def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(small_tokenizer())


def compiled_of(tokenizer: sg.Tokenizer, store: Any, schema: Any = SCHEMA) -> sg.CompiledGrammar:
    return sg.compile(sg.json_schema(schema), tokenizer, store=store)


def masks_of(compiled: sg.CompiledGrammar, text: str = TEXT) -> list[bytes]:
    """Return the masks on the way through a document."""
    tokenizer = compiled.tokenizer
    matcher, mask, found = sg.Matcher(compiled), sg.allocate_mask(1, tokenizer.vocab_size), []
    for token in tokenizer.encode(text.encode()):
        mask.array[:] = -1
        matcher.fill_mask(mask)
        found.append(mask.array.tobytes())
        matcher.advance(token)
    assert matcher.is_complete
    return found


@pytest.fixture(scope="module")
def expected(tokenizer: sg.Tokenizer) -> list[bytes]:
    return masks_of(compiled_of(tokenizer, False))


def part_of(store: sg.MaskStore, tokenizer: sg.Tokenizer) -> VocabularyStore:
    return store.of(Vocabulary.of(tokenizer))


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.masks"))


# --- segments
# ------------------------------------------------------------------------------------------------------


def trie_of(words: list[bytes]) -> Any:
    offsets = np.cumsum([0, *map(len, words)]).astype(np.int64)
    return build_trie(
        np.frombuffer(bytearray(b"".join(words)), np.uint8), offsets, np.arange(len(words), dtype=np.int32)
    )


arrays = st.lists(st.integers(0, 2**31 - 1), max_size=6).map(lambda ids: np.array(sorted(ids), np.int32))
rows = st.none() | st.binary(min_size=12, max_size=12).map(lambda data: np.frombuffer(data, np.int32))
crossings = st.builds(
    Crossing,
    st.frozensets(st.integers(0, 9), max_size=3),
    st.lists(st.binary(min_size=1, max_size=3), max_size=4).map(trie_of),
    arrays,
    st.booleans(),
)
contents = st.builds(Content, rows, arrays, st.lists(crossings, max_size=3).map(tuple))
# Few first halves, so that keys share them.
keys = st.tuples(st.sampled_from([b"\0" * 8, b"A" * 8, b"\xff" * 8]), st.binary(min_size=8, max_size=8)).map(
    b"".join
)


def plain(content: Content | None) -> Any:
    """Return a content as values that can be compared."""
    if content is None:
        return None
    return (
        None if content.row is None else content.row.tolist(),
        content.tokens.tolist(),
        [
            (c.outcome, [(a.dtype.str, a.tolist()) for a in c.trie], c.exact.tolist(), c.whole)
            for c in content.crossings
        ],
    )


@given(st.dictionaries(keys, contents, max_size=8), keys)
def test_a_segment_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, records: dict[bytes, Content], other: bytes
) -> None:
    path = tmp_path_factory.mktemp("segment") / "a.masks"
    path.write_bytes(b"".join(encode(records, IDENTITY)))
    segment = MaskSegment(path, IDENTITY)
    assert {key: plain(segment.find(key)) for key in records} == {key: plain(c) for key, c in records.items()}
    assert {key: plain(c) for key, c in segment.records()} == {key: plain(c) for key, c in records.items()}
    assert other in records or segment.find(other) is None


@given(st.dictionaries(keys, contents, min_size=1, max_size=4), st.data())
def test_a_byte_that_changed_is_found_or_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, records: dict[bytes, Content], data: st.DataObject
) -> None:
    whole = bytearray(b"".join(encode(records, IDENTITY)))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("segment") / "a.masks"
    path.write_bytes(whole)
    for key, content in records.items():
        try:
            found = MaskSegment(path, IDENTITY).find(key)
        except DamagedSegment:
            continue
        assert plain(found) == plain(content)


@given(st.dictionaries(keys, contents, min_size=1, max_size=3), st.data())
def test_a_cut_off_segment_is_not_opened(
    tmp_path_factory: pytest.TempPathFactory, records: dict[bytes, Content], data: st.DataObject
) -> None:
    whole = b"".join(encode(records, IDENTITY))
    path = tmp_path_factory.mktemp("segment") / "a.masks"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(DamagedSegment):
        MaskSegment(path, IDENTITY)


def test_a_segment_of_another_key_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.masks").write_bytes(b"".join(encode({}, IDENTITY)))
    with pytest.raises(DamagedSegment):
        MaskSegment(tmp_path / "a.masks", IDENTITY[::-1])


def content_of(number: int) -> Content:
    return Content(
        None,
        np.array([number], np.int32),
        (Crossing(frozenset((0,)), trie_of([b"}", b",x"]), np.array([7], np.int32), False),),
    )


def key_of(number: int) -> bytes:
    return hashlib.blake2b(str(number).encode(), digest_size=16).digest()


def test_equal_tries_are_written_once() -> None:
    one = sum(map(len, encode({key_of(0): content_of(0)}, IDENTITY)))
    hundred = sum(map(len, encode({key_of(i): content_of(i) for i in range(100)}, IDENTITY)))
    trie = sum(array.nbytes for array in content_of(0).crossings[0].trie)
    assert hundred < one + 99 * trie / 2


def test_opening_thousands_of_records_costs_what_a_few_cost(tmp_path: Path) -> None:
    def opening(folder: Path, count: int) -> int:
        for first in range(0, 4 * count, count):
            Folder(folder, IDENTITY).write({key_of(i): content_of(i) for i in range(first, first + count)})
        assert len(files(folder)) == 4
        found: list[Any] = []
        made = calls(lambda: found.append(Folder(folder, IDENTITY).find(key_of(count))))
        assert found[0] is not None
        return made

    few = opening(tmp_path / "few", 10)
    assert opening(tmp_path / "many", 2000) < 1.2 * few


def test_many_small_segments_become_one(tmp_path: Path) -> None:
    folder = Folder(tmp_path, IDENTITY)
    for number in range(segment_files.MANY + 1):
        folder.write({key_of(number): content_of(number)})
    folder.compact()
    assert len(files(tmp_path)) == 1
    other = Folder(tmp_path, IDENTITY)
    assert [plain(other.find(key_of(n))) for n in range(9)] == [plain(content_of(n)) for n in range(9)]


def test_segments_that_another_process_is_merging_are_left_alone(tmp_path: Path) -> None:
    folder = Folder(tmp_path, IDENTITY)
    for number in range(segment_files.MANY + 1):
        folder.write({key_of(number): content_of(number)})
    with exclusive(tmp_path / "lock") as mine:
        assert mine
        code = "import sys; from pathlib import Path; from structgen.store.segment_files import Folder; "
        code += f"Folder(Path(sys.argv[1]), {IDENTITY!r}).compact()"
        subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert len(files(tmp_path)) == segment_files.MANY + 1


def test_a_reader_of_segments_that_were_merged_meanwhile_goes_on(tmp_path: Path) -> None:
    folder = Folder(tmp_path, IDENTITY)
    for number in range(segment_files.MANY + 1):
        folder.write({key_of(number): content_of(number)})
    reader = Folder(tmp_path, IDENTITY)
    assert reader.find(key_of(0)) is not None
    folder.compact()
    assert plain(reader.find(key_of(5))) == plain(content_of(5))


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_lock_goes_with_the_process_that_was_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from structgen.store.segment_files import exclusive\n"
        "with exclusive(Path(sys.argv[1])) as mine: print(mine, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "lock")], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"True\n"
    with exclusive(tmp_path / "lock") as mine:
        assert not mine
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with exclusive(tmp_path / "lock") as mine:
        assert mine


def test_the_oldest_segments_go_when_the_folder_is_full(tmp_path: Path) -> None:
    for number in range(6):
        path = tmp_path / "v" / f"{number}.masks"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(100))
        os.utime(path, (number, number))
    evict(tmp_path, 350, segment_files.SUFFIXES)
    assert [path.name for path in files(tmp_path)] == ["3.masks", "4.masks", "5.masks"]


def test_what_a_crashed_writer_left_goes_in_time(tmp_path: Path) -> None:
    for name, age in (("old", 4000), ("new", 10)):
        path = tmp_path / f".x.masks.{name}.tmp"
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    evict(tmp_path, 0, segment_files.SUFFIXES)
    assert [path.name for path in tmp_path.iterdir()] == [".x.masks.new.tmp"]


# --- the store
# -----------------------------------------------------------------------------------------------------


def test_a_store_that_is_read_back_makes_nothing(
    tmp_path: Path, tokenizer: sg.Tokenizer, expected: list[bytes]
) -> None:
    cold, warm = sg.MaskStore(tmp_path, grammars=False), sg.MaskStore(tmp_path)
    compiled = compiled_of(tokenizer, cold)
    assert masks_of(compiled) == expected
    cold.flush()
    again = compiled_of(tokenizer, warm)
    assert masks_of(again) == expected
    made, read = part_of(cold, tokenizer).made, part_of(warm, tokenizer).read
    assert (made, part_of(warm, tokenizer).made) == (read, 0) and read > 0


PROCESS = """
import hashlib, json, sys
import structgen as sg
from structgen.tokens.vocabulary import Vocabulary
from structgen.system.resources import small_tokenizer

tokenizer = sg.Tokenizer.from_huggingface(small_tokenizer())
compiled = sg.compile(sg.json_schema(sys.argv[1]), tokenizer)
matcher, mask, digest = sg.Matcher(compiled), sg.allocate_mask(1, tokenizer.vocab_size), hashlib.sha256()
for token in tokenizer.encode(sys.argv[2].encode()):
    matcher.fill_mask(mask)
    digest.update(mask.array.tobytes())
    matcher.advance(token)
print(json.dumps([digest.hexdigest(), compiled.store.of(Vocabulary.of(tokenizer)).made]))
"""


def start(cache: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", PROCESS, json.dumps(SCHEMA), TEXT],
        env={**os.environ, "STRUCTGEN_CACHE": str(cache)},
        stdout=subprocess.PIPE,
    )


def result(process: subprocess.Popen[bytes]) -> Any:
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    return json.loads(out)


def test_a_second_process_walks_no_terminal_and_sees_the_same(tmp_path: Path, expected: list[bytes]) -> None:
    (first, made), (second, again) = result(start(tmp_path)), result(start(tmp_path))
    assert (first, second) == (hashlib.sha256(b"".join(expected)).hexdigest(),) * 2
    assert made > 0 and again == 0


@pytest.mark.slow
def test_processes_that_fill_one_store_at_once_do_not_disturb_each_other(
    tmp_path: Path, expected: list[bytes]
) -> None:
    digest = hashlib.sha256(b"".join(expected)).hexdigest()
    assert [result(one)[0] for one in [start(tmp_path) for _ in range(3)]] == [digest] * 3
    assert result(start(tmp_path)) == [digest, 0]


def test_the_default_store_lies_in_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path / "one"))
    one = default_store()
    assert one.path == tmp_path / "one" / "masks" and default_store() is one
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path / "two"))
    assert default_store().path == tmp_path / "two" / "masks"


def test_no_store_means_nothing_is_shared(tokenizer: sg.Tokenizer, expected: list[bytes]) -> None:
    one, two = compiled_of(tokenizer, False), compiled_of(tokenizer, False)
    assert masks_of(one) == masks_of(two) == expected
    assert part_of(one.store, tokenizer).made == part_of(two.store, tokenizer).made > 0


def test_grammars_share_what_they_have_in_common(tokenizer: sg.Tokenizer) -> None:
    store = sg.MaskStore()
    compiled = [
        compiled_of(
            tokenizer,
            store,
            {"type": "object", "properties": {key: {"type": "string"}}, "additionalProperties": False},
        )
        for key in "ab"
    ]
    masks_of(compiled[0], '{"a": "xyz"}')
    made = part_of(store, tokenizer).made
    masks_of(compiled[1], '{"b": "xyz"}')
    assert part_of(store, tokenizer).made == made > 0


def test_new_records_are_written_in_the_background(tmp_path: Path, tokenizer: sg.Tokenizer) -> None:
    compiled = compiled_of(tokenizer, sg.MaskStore(tmp_path, grammars=False))
    masks_of(compiled)
    until = time.monotonic() + 30
    while not files(tmp_path) and time.monotonic() < until:
        time.sleep(0.05)
    assert files(tmp_path)


def test_records_of_other_sources_are_not_used(
    tmp_path: Path, tokenizer: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = sg.MaskStore(tmp_path, grammars=False)
    masks_of(compiled_of(tokenizer, old))
    old.flush()
    monkeypatch.setattr(store_module, "package_digest", lambda: "other")
    new = sg.MaskStore(tmp_path, grammars=False)
    masks_of(compiled_of(tokenizer, new))
    assert (part_of(new, tokenizer).read, part_of(new, tokenizer).made) == (0, part_of(old, tokenizer).made)


def damages() -> Iterator[Any]:
    def cut(data: bytes) -> bytes:
        return data[: len(data) // 2]

    def flipped(data: bytes) -> bytes:
        chance = random.Random(3)
        spoiled = bytearray(data)
        for at in range(0, len(data), 40):
            spoiled[at + chance.randrange(min(40, len(data) - at))] ^= 255
        return bytes(spoiled)

    yield pytest.param(cut, id="cut off")
    yield pytest.param(lambda data: b"", id="empty")
    yield pytest.param(lambda data: b"SGARRAY2" + data[8:], id="another version")
    yield pytest.param(lambda data: b"\x89PNG" * 50, id="another kind")
    yield pytest.param(flipped, id="flipped everywhere")
    yield pytest.param(lambda data: data[:-400] + bytes(400), id="zeros at the end")


@pytest.mark.parametrize("damage", list(damages()))
def test_a_damaged_file_is_made_anew_with_a_warning(
    tmp_path: Path, tokenizer: sg.Tokenizer, expected: list[bytes], damage: Any
) -> None:
    first = sg.MaskStore(tmp_path, grammars=False)
    masks_of(compiled_of(tokenizer, first))
    first.flush()
    (path,) = files(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    second = sg.MaskStore(tmp_path, grammars=False)
    with pytest.warns(StoreWarning, match="is damaged or was not made by this version"):
        assert masks_of(compiled_of(tokenizer, second)) == expected
    second.flush()
    third = sg.MaskStore(tmp_path, grammars=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert masks_of(compiled_of(tokenizer, third)) == expected
    assert path not in files(tmp_path)


def test_a_folder_that_cannot_be_written_leaves_the_store_in_memory_with_one_warning(
    tmp_path: Path, tokenizer: sg.Tokenizer, expected: list[bytes]
) -> None:
    (tmp_path / "taken").touch()
    with pytest.warns(StoreWarning) as caught:
        store = sg.MaskStore(tmp_path / "taken" / "store")
        assert masks_of(compiled_of(tokenizer, store)) == expected
        store.flush()
        assert masks_of(
            compiled_of(tokenizer, store, {"type": "object", "patternProperties": {"^x": {"const": 1}}}),
            '{"xa": 1}',
        )
        store.flush()
    assert len([one for one in caught if "cannot write" in str(one.message)]) == 1


def test_a_full_disk_leaves_the_store_in_memory_with_one_warning(
    tmp_path: Path, tokenizer: sg.Tokenizer, expected: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    store = sg.MaskStore(tmp_path, grammars=False)
    with pytest.warns(StoreWarning, match="No space left") as caught, monkeypatch.context() as patch:
        patch.setattr("structgen.system.cache.os.replace", full)
        assert masks_of(compiled_of(tokenizer, store)) == expected
        store.flush()
        store.flush()
    assert len(caught) == 1 and not files(tmp_path)


@pytest.mark.parametrize("memory", [0, 1000, 3000, 6000])
@pytest.mark.parametrize("disk", [False, True])
def test_past_the_memory_masks_are_computed_not_kept(
    tmp_path: Path, tokenizer: sg.Tokenizer, expected: list[bytes], memory: int, disk: bool
) -> None:
    row = 4 * -(-tokenizer.vocab_size // 32)
    for _ in range(2):
        store = sg.MaskStore(tmp_path if disk else None, memory=memory)
        compiled = compiled_of(tokenizer, store)
        assert masks_of(compiled) == masks_of(compiled) == expected
        assert store.nbytes <= 2 * max(memory, row)
        store.flush()


@pytest.mark.parametrize("option", [{"memory": -1}, {"memory": 1.5}, {"disk": -1}, {"disk": True}])
def test_a_size_that_is_none_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="not a number of bytes"):
        sg.MaskStore(**option)


# --- masks as rows
# -------------------------------------------------------------------------------------------------


def test_rows_united_are_the_mask(tokenizer: sg.Tokenizer) -> None:
    store = sg.MaskStore()
    compiled = compiled_of(tokenizer, store)
    matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, tokenizer.vocab_size)
    for token in [*tokenizer.encode(TEXT.encode()), None]:
        named = matcher.mask_rows()
        array, used = store.rows(tokenizer)
        assert named is not None and 1 <= len(named) <= 8 and max(named) < used
        matcher.fill_mask(mask)
        assert np.bitwise_or.reduce(array[list(named)]).tolist() == mask.array[0].tolist()
        if token is not None:
            matcher.advance(token)
    assert matcher.mask_rows() == named
    matcher.advance(tokenizer.eos_token_ids[0])
    with pytest.raises(sg.FinishedError):
        matcher.mask_rows()


def test_rows_stay_as_they_are_where_they_are(tokenizer: sg.Tokenizer) -> None:
    store = sg.MaskStore()
    compiled = compiled_of(tokenizer, store)
    before: list[bytes] = []
    address = store.rows(tokenizer).array.__array_interface__["data"]
    matcher = sg.Matcher(compiled)
    for token in tokenizer.encode(TEXT.encode()):
        matcher.mask_rows()
        matcher.advance(token)
        array, used = store.rows(tokenizer)
        now = [array[i].tobytes() for i in range(used)]
        assert now[: len(before)] == before
        before = now
    assert len(before) > 1 and array.__array_interface__["data"] == address


def test_rows_are_given_until_the_store_is_full(tokenizer: sg.Tokenizer, expected: list[bytes]) -> None:
    compiled = compiled_of(tokenizer, sg.MaskStore(memory=0))
    matcher = sg.Matcher(compiled)
    found = []
    for token in tokenizer.encode(TEXT.encode()):
        found.append(matcher.mask_rows())
        matcher.advance(token)
    assert None in found and masks_of(compiled) == expected


@given(st.binary(min_size=8, max_size=8))
def test_tokens_of_a_row_are_its_bits(data: bytes) -> None:
    row = np.frombuffer(data, np.int32)
    assert tokens_of(row).tolist() == [i for i in range(64) if data[i // 8] >> (i % 8) & 1]


# --- figures
# -------------------------------------------------------------------------------------------------------


def test_a_matcher_tells_its_memory_at_most_64_bytes_a_token(tokenizer: sg.Tokenizer) -> None:
    matcher = sg.Matcher(
        compiled_of(tokenizer, sg.MaskStore(), {"type": "array", "items": {"type": "integer"}})
    )
    empty = matcher.nbytes
    tokens = tokenizer.encode(("[" + ", ".join(["12"] * 2000) + "]").encode())
    for token in tokens:
        matcher.advance(token)
    assert 8 * len(tokens) <= matcher.nbytes - empty <= 64 * len(tokens)


def test_the_store_counts_its_memory(tokenizer: sg.Tokenizer) -> None:
    store = sg.MaskStore()
    assert store.nbytes == 0
    compiled = compiled_of(tokenizer, store)
    masks_of(compiled)
    array, used = store.rows(tokenizer)
    assert store.nbytes > array[:used].nbytes > 0


def test_a_store_can_be_deleted_while_it_is_in_use(
    tmp_path: Path, tokenizer: sg.Tokenizer, expected: list[bytes]
) -> None:
    first = sg.MaskStore(tmp_path, grammars=False)
    masks_of(compiled_of(tokenizer, first))
    first.flush()
    store = sg.MaskStore(tmp_path, grammars=False)
    compiled = compiled_of(tokenizer, store)
    sg.Matcher(compiled).mask_rows()
    shutil.rmtree(tmp_path)
    assert masks_of(compiled) == expected
