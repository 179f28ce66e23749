"""The byte trie against a dict of dicts, signatures against Python's decoder, the file against accidents."""

from __future__ import annotations

import gc
import os
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import structgen as sg
from structgen.base.native.array_file import read_arrays, write_arrays
from structgen.base.native.cache_entries import entry_key
from structgen.base.native.noted_functions import ENTRIES
from structgen.base.system.cache import TrustedFile
from structgen.errors import StoreWarning, TokenizerError
from structgen.tokens import trie, vocabulary
from structgen.tokens.tokenizer import Tokenizer
from structgen.tokens.trie import TrieArrays, build_trie
from structgen.tokens.vocabulary import Vocabulary

SOME = [bytes((byte,)) for byte in range(256)] + [b"ab", b"abc", b"abd", b"b c", b"b c", b"\xc3\xa9t"]

# Few bytes, so that strings share beginnings, and pieces of characters, so that UTF-8 is cut in every way.
PIECES = [b"a", b"b", b" ", b"\n", b"\x00", b"\x7f", b"\xc3\xa9", b"\xe2\x82\xac", b"\xf0\x9f\x99\x82"]
BROKEN = b"\xc3 \xa9 \xe2\x82 \xed\xa0\x80 \xc0\xaf \xf4\x90\x80\x80 \xf8 \x82\xac".split()
strings = st.lists(st.sampled_from(PIECES + BROKEN), max_size=5).map(b"".join) | st.binary(max_size=4)


def build(texts: list[bytes]) -> TrieArrays:
    data = np.frombuffer(bytearray(b"".join(texts)), np.uint8)
    return build_trie(data, np.cumsum([0, *map(len, texts)]).astype(np.int64))


def unpack(word: int) -> tuple[int, int, int, int]:
    word = int(word)
    return word & 0xFF, word >> 8 & 0xFFF, (word >> 20 & 0xFFFFF) - 1, word >> 40


def slow_signature(text: bytes) -> int:
    """By Python's own UTF-8 decoder, a character at a time."""
    found = 0
    while text:
        for size in (1, 2, 3, 4):
            try:
                character = text[:size].decode("utf-8")
            except UnicodeDecodeError:
                continue
            code = ord(character)
            if code >= 0x80:
                # white space and line terminators of ECMA-262: Python's blanks, but for U+0085, and U+FEFF
                found |= 1 << (3 if (character.isspace() and code != 0x85) or code == 0xFEFF else 1)
            else:
                found |= 1 << (code if code >= 0x20 or code in (9, 10, 13) else 0)
            text = text[size:]
            break
        else:
            found |= 1 << 2
            text = text[1:]
    return found


def slow_trie(tokens: list[tuple[bytes, int]]) -> list[tuple[int, int, tuple[int, ...], int, int]]:
    """(byte, depth, ids that end here, nodes of the subtree, signature) of every node, depth first."""
    root: dict[int, Any] = {}
    ids: dict[bytes, list[int]] = {}
    for token, i in tokens:
        node = root
        for byte in token:
            node = node.setdefault(byte, {})
        ids.setdefault(token, []).append(i)
    out: list[tuple[int, int, tuple[int, ...], int, int]] = []

    def visit(node: dict[int, Any], path: bytes) -> int:
        size = 0
        for byte in sorted(node):
            here = path + bytes([byte])
            place = len(out)
            out.append((0, 0, (), 0, 0))
            signature = 0
            for token, _ in tokens:
                if token.startswith(here):
                    signature |= slow_signature(token[len(path) :])
            below = 1 + visit(node[byte], here)
            out[place] = (byte, len(here), tuple(sorted(ids.get(here, []))), below, signature)
            size += below
        return size

    visit(root, b"")
    return out


def as_listed(arrays: TrieArrays) -> list[tuple[int, int, tuple[int, ...], int, int]]:
    out = []
    for at, word in enumerate(arrays.nodes):
        byte, depth, slot, skip = unpack(word)
        ids: tuple[int, ...] = ()
        if slot >= 0:
            ids = tuple(
                int(i) for i in arrays.slot_ids[arrays.slot_start[slot] : arrays.slot_start[slot + 1]]
            )
        low, high = (int(half) for half in arrays.sig[at])
        out.append((byte, depth, ids, skip - at, low | high << 64))
    return out


@given(st.lists(strings, max_size=30))
def test_the_trie_is_the_dict_of_dicts(texts: list[bytes]) -> None:
    assert as_listed(build(texts)) == slow_trie([(text, i) for i, text in enumerate(texts) if text])


@given(st.lists(strings, max_size=30))
def test_slots_are_numbered_as_the_walk_meets_them_and_describe_their_string(texts: list[bytes]) -> None:
    arrays = build(texts)
    distinct = sorted({text for text in texts if text})
    slots = [unpack(word)[2] for word in arrays.nodes]
    assert [slot for slot in slots if slot >= 0] == list(range(len(distinct)))
    for slot, text in enumerate(distinct):
        assert arrays.slot_len[slot] == len(text)
        ids = arrays.slot_ids[arrays.slot_start[slot] : arrays.slot_start[slot + 1]]
        assert [texts[i] for i in ids] == [text] * texts.count(text)


@given(st.lists(strings, max_size=30))
def test_first_names_the_children_of_the_root(texts: list[bytes]) -> None:
    arrays = build(texts)
    roots = {unpack(word)[0]: at for at, word in enumerate(arrays.nodes) if unpack(word)[1] == 1}
    assert [arrays.first[byte] for byte in range(256)] == [roots.get(byte, -1) for byte in range(256)]
    assert arrays.first[256] == len(arrays.nodes)


def test_every_character_boundary_of_utf_8_is_judged_as_python_judges_it() -> None:
    leads = bytes.fromhex("00 7f 80 bf c0 c1 c2 df e0 e1 ec ed ee ef f0 f1 f3 f4 f5 ff")
    seconds = [0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0]
    texts = [
        bytes([a, b, c, d]) for a in leads for b in seconds for c in (0x80, 0xBF, 0xC0) for d in (0x80, 0x41)
    ]
    for text in texts:
        low, high = (int(half) for half in build([text]).sig[0])
        assert low | high << 64 == slow_signature(text), text


def test_a_string_past_the_depth_is_refused_by_its_id() -> None:
    assert len(build([b"x" * 4095]).nodes) == 4095
    with pytest.raises(TokenizerError, match=r"token 1: 4,096 bytes exceed .* 4,095"):
        build([b"x", b"x" * 4096])


@pytest.mark.parametrize(("name", "most"), [("MAX_SLOTS", 3), ("MAX_NODES", 6)])
def test_strings_past_the_layout_are_refused(name: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a small limit, in the kernel's own Python; its compiled code has the same lines."""
    monkeypatch.setattr(trie, name, most)
    kernel = ENTRIES[trie.__name__][trie.trie_kernel.__name__].function
    monkeypatch.setattr(trie, "trie_kernel", kernel)
    texts = [b"ab", b"ac", b"bab"]
    assert len(build([*texts, b"ab"]).slot_len) == 3
    with pytest.raises(TokenizerError, match=rf"more than {most} (distinct tokens|nodes)"):
        build([*texts, b"c"])


# --- Vocabulary ---------------------------------------------------------------------------------------------


@given(st.lists(st.none() | strings, max_size=20))
def test_a_vocabulary_finds_every_token_again(tokens: list[bytes | None]) -> None:
    made = Vocabulary.of_tokenizer(Tokenizer.from_bytes([*tokens, None], eos_token_id=len(tokens)))
    assert (made.vocab_size, made.words) == (len(tokens) + 1, (len(tokens) + 32) // 32)
    assert len(made.slot_ids) == sum(map(bool, tokens))
    for i, token in enumerate([*tokens, None]):
        written = made.token_data[made.token_offset[i] : made.token_offset[i + 1]].tobytes()
        slot = made.token_slot[i]
        assert written == (token or b"")
        assert (slot >= 0) == bool(token)
        if token:
            assert i in made.slot_ids[made.slot_start[slot] : made.slot_start[slot + 1]]
            assert made.slot_len[slot] == len(token) <= made.max_token_bytes
            assert sum(byte & 0xC0 != 0x80 for byte in token) <= made.max_token_chars


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, in which vocabularies of every size get a file."""
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(vocabulary, "_WORTH_A_FILE", 0)
    return tmp_path


def tokenizer() -> Tokenizer:
    return Tokenizer.from_bytes([*SOME, None], eos_token_id=len(SOME))


def reopen(of: Tokenizer) -> Vocabulary:
    """As another process would see it: what this process holds of it is let go first."""
    gc.collect()
    assert of.fingerprint not in Vocabulary._open
    return Vocabulary.of_tokenizer(of)


def same(one: Vocabulary, other: Vocabulary) -> bool:
    names = [*vocabulary._ARRAYS, *vocabulary._NUMBERS, "fingerprint"]
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def vocabulary_path(read: Tokenizer) -> Path:
    return vocabulary._cache_entries().path(entry_key(vocabulary.KIND, read.fingerprint))


def test_a_vocabulary_read_from_its_file_is_the_one_that_was_built(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = Vocabulary._build_arrays(tokenizer())
    Vocabulary.of_tokenizer(tokenizer())
    assert vocabulary_path(tokenizer()).is_relative_to(folder)
    monkeypatch.setattr(Vocabulary, "_build_arrays", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = reopen(tokenizer())
    assert same(built, read)
    assert [getattr(read, name).dtype for name in vocabulary._ARRAYS] == [
        getattr(built, name).dtype for name in vocabulary._ARRAYS
    ]
    assert all(getattr(read, name).flags.c_contiguous for name in vocabulary._ARRAYS)


def test_small_vocabularies_leave_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path))
    gc.collect()
    Vocabulary.of_tokenizer(tokenizer())
    assert list(tmp_path.iterdir()) == []


def test_writing_to_a_read_vocabulary_does_not_reach_the_file(folder: Path) -> None:
    Vocabulary.of_tokenizer(tokenizer())
    before = vocabulary_path(tokenizer()).read_bytes()
    reopen(tokenizer()).nodes[0] = 0
    gc.collect()
    assert vocabulary_path(tokenizer()).read_bytes() == before


def status_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_processes_that_build_at_once_agree_and_leave_one_whole_file(folder: Path) -> None:
    built = Vocabulary._build_arrays(tokenizer())
    begun = folder / "begun"

    def build_too() -> bool:
        while not begun.exists():
            time.sleep(0.0001)
        warnings.simplefilter("error")
        return same(Vocabulary.of_tokenizer(tokenizer()), built)

    children = [forked.begun(build_too) for _ in range(3)]
    begun.touch()
    assert [status_of(child) for child in children] == [0, 0, 0]
    assert [path.name for path in (folder / "vocabularies").iterdir()] == [vocabulary_path(tokenizer()).name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert same(reopen(tokenizer()), built)


def test_a_file_can_be_replaced_while_it_is_read(folder: Path) -> None:
    """Writers and readers at once: a reader sees one whole file or the other."""
    path = folder / "arrays"
    written = [np.full(20_000, number, np.uint64) for number in range(3)]
    write_arrays(path, "test-1", "key", {"number": 0}, {"all": written[0]})
    stop = threading.Event()

    def write(number: int) -> None:
        while not stop.is_set():
            write_arrays(path, "test-1", "key", {"number": number}, {"all": written[number]})

    writers = [threading.Thread(target=write, args=(number,)) for number in (1, 2)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(100):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                found = read_arrays(TrustedFile(path), "test-1", "key")
            assert found is not None
            assert np.array_equal(found.arrays["all"], written[found.numbers["number"]])
    finally:
        stop.set()
        for writer in writers:
            writer.join()


def test_threads_that_ask_at_once_get_one_object(folder: Path) -> None:
    gc.collect()
    barrier = threading.Barrier(4)

    def ask(of: Tokenizer) -> Vocabulary:
        barrier.wait()
        return Vocabulary.of_tokenizer(of)

    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(ask, [tokenizer() for _ in range(4)]))
    assert len({id(one) for one in found}) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_child_forked_while_a_thread_builds_can_build_too() -> None:
    with Vocabulary._building:
        child = forked.begun(lambda: Vocabulary.of_tokenizer(tokenizer()).vocab_size == len(SOME) + 1)
        assert status_of(child) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_vocabulary_whose_file_is_cut_short_while_it_is_used_goes_on(folder: Path) -> None:
    """In a process of its own, which a page that is gone would kill (SIGBUS)."""

    def masks() -> list[bytes]:
        compiled = sg.compile(sg.json_schema({"type": "string"}), tokenizer(), store=False)
        mask, matcher, found = sg.allocate_mask(1, compiled.vocab_size), sg.Matcher(compiled), list[bytes]()
        for token in b'"ab':
            matcher.fill_mask(mask)
            found.append(mask.array.tobytes())
            matcher.advance(token)
        return found

    expected = masks()
    gc.collect()

    def masks_of_the_rest() -> bool:
        held = reopen(tokenizer())
        os.truncate(vocabulary_path(tokenizer()), 0)
        return masks() == expected and held.vocab_size == len(SOME) + 1

    assert vocabulary_path(tokenizer()).exists()
    assert status_of(forked.begun(masks_of_the_rest)) == 0


def test_a_vocabulary_of_another_size_or_without_an_array_is_built_anew_with_a_warning(
    folder: Path,
) -> None:
    of = tokenizer()
    built = Vocabulary._read_or_build(of)
    entries, key = vocabulary._cache_entries(), entry_key(vocabulary.KIND, of.fingerprint)
    numbers = {name: getattr(built, name) for name in vocabulary._NUMBERS}
    whole = built._named_arrays()
    changed = [({one: array for one, array in whole.items() if one != name}, numbers) for name in whole]
    changed.append((whole, numbers | {"vocab_size": len(SOME)}))
    for arrays, said in changed:
        assert entries.write(vocabulary.KIND, key, arrays, said)
        with pytest.warns(StoreWarning, match="lacks an array"):
            Vocabulary._read_or_build(of)
