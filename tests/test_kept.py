"""Compiled grammars on disk: another process finds them ready, goes on from them, and is told if they are
wrong."""

from __future__ import annotations

import errno
import gc
import json
import os
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import structgen as sg
from structgen.errors import StoreWarning, StructgenError
from structgen.json_grammars import kept_schema
from structgen.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.native.cache_entries import CacheEntries
from structgen.store import grammar_files
from structgen.store.grammar_files import GRAMMAR_SUFFIX
from structgen.store.segment_files import SUFFIX
from structgen.system.resources import small_tokenizer
from structgen.system.source_digests import package_digest

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 9},
        "code": {"type": "string", "pattern": "^[a-f]{2,5}$"},
        "size": {"type": "number", "minimum": 3},
        "what": {
            "anyOf": [
                {"properties": {"kind": {"const": "a"}, "n": {"type": "integer"}}, "required": ["kind"]},
                {"properties": {"kind": {"const": "b"}, "s": {"format": "date"}}, "required": ["kind"]},
            ]
        },
        "tags": {"type": "array", "items": {"enum": ["x", "yy", "zzz"]}, "uniqueItems": True},
    },
    "required": ["name"],
    "additionalProperties": {"type": "boolean"},
}
FIRST = '{"name": "Ada", "size": 31.25, "what": {"kind": "a", "n": 12}}'
SECOND = (
    '{"name": "Grace", "code": "abcd", "what": {"kind": "b", "s": "1906-12-09"}, '
    '"tags": ["x", "zzz"], "more": true}'
)


@pytest.fixture(scope="module")
def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(small_tokenizer())


def compiled_of(
    tokenizer: sg.Tokenizer, store: Any, schema: Any = SCHEMA, **options: Any
) -> sg.CompiledGrammar:
    return sg.compile(sg.json_schema(schema, **options), tokenizer, store=store)


def masks_of(compiled: sg.CompiledGrammar, text: str) -> list[bytes]:
    """Return the masks on the way through a document."""
    matcher = sg.Matcher(compiled)
    mask = sg.allocate_mask(1, compiled.vocab_size)
    found = []
    for token in compiled.tokenizer.encode(text.encode()):
        matcher.fill_mask(mask)
        found.append(mask.array.tobytes())
        matcher.advance(token)
    matcher.fill_mask(mask)
    return [*found, mask.array.tobytes()]


def is_kept(compiled: sg.CompiledGrammar) -> bool:
    """Return whether a grammar answers from what was kept, its network not made."""
    return not compiled._meaning.is_built


def files(path: Path, suffix: str = GRAMMAR_SUFFIX) -> list[Path]:
    return sorted(path.rglob(f"*{suffix}"))


@pytest.fixture
def left(tokenizer: sg.Tokenizer, tmp_path: Path) -> Iterator[Path]:
    """A folder in which one process has left what it met in the first document."""
    store = sg.MaskStore(tmp_path)
    masks_of(compiled_of(tokenizer, store), FIRST)
    store.flush()
    assert len(files(tmp_path)) == 1
    yield tmp_path


@pytest.fixture(scope="module")
def expected(tokenizer: sg.Tokenizer) -> dict[str, list[bytes]]:
    compiled = compiled_of(tokenizer, False)
    return {text: masks_of(compiled, text) for text in (FIRST, SECOND)}


def test_what_was_met_before_is_answered_without_reading_the_schema(
    tokenizer: sg.Tokenizer, left: Path, expected: dict[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("the network is made")

    monkeypatch.setattr(JsonSchemaGrammar, "network", never)
    compiled = compiled_of(tokenizer, sg.MaskStore(left))
    assert masks_of(compiled, FIRST) == expected[FIRST]
    assert is_kept(compiled)


def masks_within(compiled: sg.CompiledGrammar, text: str, budget: int) -> list[bytes]:
    """Return the masks on the way through a document, each under what is left of a budget."""
    matcher, mask, found = sg.Matcher(compiled), sg.allocate_mask(1, compiled.vocab_size), []
    for at, token in enumerate(compiled.tokenizer.encode(text.encode())):
        matcher.fill_mask(mask, budget=budget - at)
        found.append(mask.array.tobytes())
        matcher.advance(token)
    return found


def test_a_budget_that_suffices_is_known_without_reading_the_schema(
    tokenizer: sg.Tokenizer, tmp_path: Path
) -> None:
    store = sg.MaskStore(tmp_path)
    first = masks_within(compiled_of(tokenizer, store), FIRST, 500)
    store.flush()
    compiled = compiled_of(tokenizer, sg.MaskStore(tmp_path))
    assert masks_within(compiled, FIRST, 500) == first and is_kept(compiled)
    assert sg.Matcher(compiled).budget_suffices(500) and is_kept(compiled)
    few = [masks_within(one, FIRST, 60) for one in (compiled, compiled_of(tokenizer, False))]
    assert few[0] == few[1]


@pytest.mark.parametrize("read", [5, 12, 20, 26])
def test_the_first_budget_of_a_kept_grammar_is_met_in_new_numbers(
    tokenizer: sg.Tokenizer, left: Path, read: int
) -> None:
    """The walk lists places of the image; the network, which has to tell their bounds, numbers them anew."""
    new, kept = compiled_of(tokenizer, False), compiled_of(tokenizer, sg.MaskStore(left))
    assert masks_of(kept, FIRST) == masks_of(new, FIRST) and is_kept(kept)
    mask, found = sg.allocate_mask(1, new.vocab_size), []
    for compiled in (kept, new):
        matcher = sg.Matcher(compiled)
        for token in tokenizer.encode(FIRST.encode())[:read]:
            matcher.advance(token)
        matcher.fill_mask(mask, budget=500)
        found.append((mask.array.tobytes(), [*compiled.sufficient_budgets.values()]))
    assert found[0] == found[1]
    assert not is_kept(kept)


def test_what_is_new_is_answered_as_by_a_new_grammar_and_kept_in_turn(
    tokenizer: sg.Tokenizer, left: Path, expected: dict[str, list[bytes]]
) -> None:
    store = sg.MaskStore(left)
    compiled = compiled_of(tokenizer, store)
    assert masks_of(compiled, SECOND) == expected[SECOND]
    assert not is_kept(compiled)
    store.flush()
    third = compiled_of(tokenizer, sg.MaskStore(left))
    assert [masks_of(third, text) for text in (FIRST, SECOND)] == [expected[FIRST], expected[SECOND]]
    assert is_kept(third)


def test_states_of_a_kept_grammar_go_on_when_the_network_is_made(tokenizer: sg.Tokenizer, left: Path) -> None:
    compiled, new = compiled_of(tokenizer, sg.MaskStore(left)), compiled_of(tokenizer, False)
    matcher, other = sg.Matcher(compiled), sg.Matcher(new)
    tokens = tokenizer.encode(FIRST.encode())
    for token in tokens[:-1]:
        matcher.advance(token)
        other.advance(token)
    assert is_kept(compiled)
    assert matcher.tokens_to_finish() == other.tokens_to_finish()
    assert not is_kept(compiled)
    for back in range(1, len(tokens)):
        matcher.rollback(1)
        other.rollback(1)
        assert (matcher.tokens_to_finish(), matcher.is_complete) == (
            other.tokens_to_finish(),
            other.is_complete,
        ), f"{back} tokens back"
        assert compiled.completion(matcher.state) == new.completion(other.state)


def test_a_schema_inside_a_composed_grammar_wakes_under_states_that_are_held(
    tokenizer: sg.Tokenizer, left: Path
) -> None:
    """Places of composed grammars hold numbers of the schema's states, and know nothing of its tables."""
    grammar = sg.literal("<a>") + sg.json_schema(SCHEMA) + sg.literal("</a>")
    kept, new = (sg.compile(grammar, tokenizer, store=store) for store in (sg.MaskStore(left), False))
    held = []
    for text in (FIRST, SECOND):
        matcher, other = sg.Matcher(kept), sg.Matcher(new)
        for token in tokenizer.encode(f"<a>{text}</a>".encode()):
            held.append((matcher.state, other.state))
            matcher.advance(token)
            other.advance(token)
        assert matcher.is_complete
    for state, other_state in held:
        assert kept.allowed(state) == new.allowed(other_state)
        assert kept.tokens_to_finish(state) == new.tokens_to_finish(other_state)


def test_drafts_that_begin_in_a_kept_grammar_go_on_when_it_wakes(tokenizer: sg.Tokenizer, left: Path) -> None:
    kept, new = compiled_of(tokenizer, sg.MaskStore(left)), compiled_of(tokenizer, False)
    found = []
    for compiled in (kept, new):
        matcher = sg.Matcher(compiled)
        tokens = tokenizer.encode(SECOND.encode())
        for token in tokens[:3]:
            matcher.advance(token)
        drafted = tokens[3:]
        mask = sg.allocate_mask(len(drafted) + 1, compiled.vocab_size)
        sg.fill_draft(matcher, drafted, range(-1, len(drafted) - 1), mask)
        found.append(mask.array.tobytes())
    assert found[0] == found[1] and not is_kept(kept)


def test_masks_that_nobody_asked_for_yet_are_kept_on(
    tokenizer: sg.Tokenizer, left: Path, expected: dict[str, list[bytes]]
) -> None:
    """A process that meets something else, and leaves most of what it found alone, writes that again too."""
    store = sg.MaskStore(left)
    compiled = compiled_of(tokenizer, store)
    matcher = sg.Matcher(compiled)
    matcher.advance(tokenizer.encode(b"{")[0])
    assert compiled.allowed(matcher.state)
    assert compiled.step_bytes(compiled.start, b'{"tags"') is None  # "name" comes first
    assert compiled.step_bytes(compiled.start, b'{"name": "Xy", "tags": ["yy"') is not None
    store.flush()
    again = compiled_of(tokenizer, sg.MaskStore(left))
    assert masks_of(again, FIRST) == expected[FIRST] and is_kept(again)


def test_nothing_is_written_where_nothing_is_new(tokenizer: sg.Tokenizer, left: Path) -> None:
    (path,) = files(left)
    before = path.stat().st_mtime_ns, path.stat().st_ino
    store = sg.MaskStore(left)
    masks_of(compiled_of(tokenizer, store), FIRST)
    store.flush()
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before


def test_other_texts_options_limits_and_tokenizers_have_other_files(
    tokenizer: sg.Tokenizer, left: Path
) -> None:
    store = sg.MaskStore(left)
    compiled_of(tokenizer, store, {**SCHEMA, "title": "other"})
    compiled_of(tokenizer, store, whitespace="compact")
    compiled_of(tokenizer, store, limits=sg.Limits(depth=7))
    sg.compile(sg.json_schema(SCHEMA), tokenizer, limits=sg.Limits(depth=8), store=store)
    tokens = list(tokenizer.token_bytes)
    compiled_of(sg.Tokenizer.from_bytes([*tokens, b"zz"], eos_token_id=list(tokenizer.eos_token_ids)), store)
    store.flush()
    assert len(files(left)) == 6


def test_the_same_limit_holds_in_a_kept_grammar(tokenizer: sg.Tokenizer, tmp_path: Path) -> None:
    schema, limits = {"items": {"$ref": "#"}}, sg.Limits(depth=3)
    for _ in range(2):
        store = sg.MaskStore(tmp_path)
        compiled = compiled_of(tokenizer, store, schema, limits=limits)
        assert compiled.step_bytes(compiled.start, b"[[[") is not None
        with pytest.raises(sg.LimitError, match="depth"):
            compiled.step_bytes(compiled.start, b"[[[[")
        store.flush()


def test_stores_in_memory_keep_no_grammars(tokenizer: sg.Tokenizer, tmp_path: Path) -> None:
    for store in (sg.MaskStore(), sg.MaskStore(tmp_path, grammars=False)):
        masks_of(compiled_of(tokenizer, store), FIRST)
        store.flush()
    assert not files(tmp_path)


def test_places_that_may_dead_end_are_told_anew_by_each_process(
    tokenizer: sg.Tokenizer, tmp_path: Path
) -> None:
    store = sg.MaskStore(tmp_path)
    compiled_of(tokenizer, store, limits=sg.Limits(liveness="flag"))
    store.flush()
    assert not files(tmp_path)


def test_a_dropped_grammar_is_written_when_the_next_is_compiled(
    tokenizer: sg.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammar_files, "_IDLE", 0.0)
    monkeypatch.setattr(grammar_files, "_ASIDE", 0.0)
    written, by, write = threading.Event(), [], grammar_files.GrammarFiles.write

    def noted(files: grammar_files.GrammarFiles, grammar: Any) -> int:
        size = write(files, grammar)
        by.append(threading.current_thread())
        written.set()
        return size

    monkeypatch.setattr(grammar_files.GrammarFiles, "write", noted)
    store = sg.MaskStore(tmp_path)
    compiled = compiled_of(tokenizer, store)
    masks_of(compiled, FIRST)
    del compiled
    other = compiled_of(tokenizer, store, {"type": "integer"})
    assert written.wait(60) and len(files(tmp_path)) == 1
    # what is dropped may be dropped anywhere: nothing is written there
    assert threading.current_thread() not in by
    del other


def test_a_large_grammar_that_was_dropped_is_written_too(
    tokenizer: sg.Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grammar_files, "_SMALL", 0)
    store = sg.MaskStore(tmp_path)
    expected = masks_of(compiled_of(tokenizer, store), FIRST)
    store.flush()
    again = compiled_of(tokenizer, sg.MaskStore(tmp_path))
    assert is_kept(again) and masks_of(again, FIRST) == expected


def test_a_grammar_is_gone_when_it_is_dropped(tokenizer: sg.Tokenizer, tmp_path: Path) -> None:
    compiled = compiled_of(tokenizer, sg.MaskStore(tmp_path))
    masks_of(compiled, FIRST)
    assert compiled.tokens_to_finish(compiled.start) > 0 and compiled.expected(compiled.start)
    gone = weakref.ref(compiled)
    gc.disable()
    try:
        del compiled
        assert gone() is None  # garbage is not waited for
    finally:
        gc.enable()


# Keys whose text is that of a row of zeros

_NUL, _EMPTY, _LONG = '"\\u0000"', '""', '"' + "x" * 600 + '"'
_OBJECTS = {
    f"{{{_NUL}:1,{_NUL}:2}}": False,
    f"{{{_NUL}:1,{_EMPTY}:2}}": True,
    f"{{{_EMPTY}:1,{_NUL}:2}}": True,
    f"{{{_EMPTY}:1,{_EMPTY}:2}}": False,
}
"""Documents, and whether their keys differ."""


def taken(compiled: sg.CompiledGrammar) -> dict[str, bool]:
    """Return of each of these documents whether the grammar takes it, token for token and by its masks."""
    return {text: accepts(compiled, text) for text in _OBJECTS}


def accepts(compiled: sg.CompiledGrammar, text: str) -> bool:
    matcher = sg.Matcher(compiled)
    mask = sg.allocate_mask(1, compiled.vocab_size)
    for token in compiled.tokenizer.encode(text.encode()):
        matcher.fill_mask(mask)
        if not mask.array[0, token // 32] >> (token % 32) & 1:
            return False
        matcher.advance(token)
    return matcher.is_complete


def test_the_key_of_one_nul_byte_is_not_the_empty_key_after_the_tables_grew(tokenizer: sg.Tokenizer) -> None:
    compiled = compiled_of(tokenizer, False, {"type": "object"})
    assert taken(compiled) == _OBJECTS
    assert accepts(compiled, f"{{{_LONG}:1}}")
    assert taken(compiled) == _OBJECTS


def test_the_key_of_one_nul_byte_is_not_the_empty_key_in_a_kept_grammar(
    tokenizer: sg.Tokenizer, tmp_path: Path
) -> None:
    store = sg.MaskStore(tmp_path)
    masks_of(compiled_of(tokenizer, store, {"type": "object"}), '{"a": 1}')
    store.flush()
    again = compiled_of(tokenizer, sg.MaskStore(tmp_path), {"type": "object"})
    assert is_kept(again)
    assert taken(again) == _OBJECTS


def test_the_files_of_another_version_of_the_sources_are_in_another_folder(left: Path) -> None:
    (path,) = files(left)
    assert path.relative_to(left).parts[0] == package_digest()


# Files that are not what they were


def damages() -> Iterator[Any]:
    def flipped(data: bytes) -> bytes:
        return bytes(byte ^ 0x55 if index % 97 == 50 else byte for index, byte in enumerate(data))

    yield pytest.param(lambda data: data[: len(data) // 2], id="cut off")
    yield pytest.param(lambda data: b"", id="empty")
    yield pytest.param(lambda data: b"XX" + data[2:], id="another version")
    yield pytest.param(flipped, id="flipped everywhere")
    yield pytest.param(lambda data: data[:-40] + bytes(40), id="zeros at the end")


@pytest.mark.parametrize("damage", list(damages()))
def test_a_damaged_file_is_made_anew_with_a_warning(
    tokenizer: sg.Tokenizer, left: Path, expected: dict[str, list[bytes]], damage: Any
) -> None:
    (path,) = files(left)
    path.write_bytes(damage(path.read_bytes()))
    store = sg.MaskStore(left)
    with pytest.warns(StoreWarning, match="is damaged or was not made by this version"):
        compiled = compiled_of(tokenizer, store)
    assert masks_of(compiled, FIRST) == expected[FIRST]
    store.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = compiled_of(tokenizer, sg.MaskStore(left))
        assert masks_of(again, FIRST) == expected[FIRST] and is_kept(again)


def test_masks_whose_records_are_gone_are_worked_out_anew(
    tokenizer: sg.Tokenizer, left: Path, expected: dict[str, list[bytes]]
) -> None:
    segments = files(left, SUFFIX)
    assert segments
    for segment in segments:
        segment.unlink()
    assert masks_of(compiled_of(tokenizer, sg.MaskStore(left)), FIRST) == expected[FIRST]


def test_a_step_that_is_refused_now_is_told_by_the_file(
    tokenizer: sg.Tokenizer, left: Path, expected: dict[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seeded bug: the second process reads other keys in the same schema."""
    compiled = compiled_of(tokenizer, sg.MaskStore(left))
    with monkeypatch.context() as patch:
        network = JsonSchemaGrammar.network
        other = sg.json_schema({"type": "array"})
        patch.setattr(JsonSchemaGrammar, "network", lambda self, *args, **more: network(other, *args, **more))
        assert masks_of(compiled, FIRST) == expected[FIRST]
        with pytest.warns(StoreWarning, match="does not fit"), pytest.raises(StructgenError) as caught:
            masks_of(compiled, SECOND)
    assert ".grammar" in str(caught.value) and "Compile it again" in str(caught.value)
    assert not files(left)
    assert masks_of(compiled_of(tokenizer, sg.MaskStore(left)), SECOND) == expected[SECOND]


def test_an_image_without_one_of_its_arrays_is_made_anew(
    tokenizer: sg.Tokenizer, left: Path, expected: dict[str, list[bytes]]
) -> None:
    (path,) = files(left)
    entries = CacheEntries(path.parent, path.suffix)
    found = entries.read(kept_schema.KIND, path.stem)
    assert found is not None and found.arrays.pop("edges") is not None
    entries.write(kept_schema.KIND, path.stem, found.arrays, found.numbers)
    with pytest.warns(StoreWarning, match="was not made by this version"):
        compiled = compiled_of(tokenizer, sg.MaskStore(left))
    assert masks_of(compiled, FIRST) == expected[FIRST] and not files(left)


@pytest.mark.skipif(sys.platform == "win32", reason="folders are made unwritable by their mode")
@pytest.mark.parametrize("number", [errno.EACCES, errno.ENOSPC], ids=["read only", "full disk"])
def test_a_folder_that_takes_nothing_serves(
    tokenizer: sg.Tokenizer,
    left: Path,
    expected: dict[str, list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    said = os.strerror(number)

    def refused(*_: Any) -> None:
        raise OSError(number, said)

    store = sg.MaskStore(left)
    compiled = compiled_of(tokenizer, store)
    with monkeypatch.context() as patch, pytest.warns(StoreWarning, match=said) as caught:
        patch.setattr("structgen.system.cache.os.replace", refused)
        assert masks_of(compiled, SECOND) == expected[SECOND]
        store.flush()
        store.flush()
    # what other tests left behind may be written meanwhile, into folders of theirs
    assert sum(str(left) in str(one.message) for one in caught) == 1


def test_the_cap_of_the_folder_holds_for_grammars(tokenizer: sg.Tokenizer, tmp_path: Path) -> None:
    most = 100_000
    store = sg.MaskStore(tmp_path, disk=most)
    for index in range(12):
        masks_of(compiled_of(tokenizer, store, {**SCHEMA, "title": f"{index}"}), FIRST)
        store.flush()
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) <= most
    assert files(tmp_path)


# Processes

_CHILD = """
import hashlib, json, sys
import structgen as sg
from structgen.system.resources import small_tokenizer

tokenizer = sg.Tokenizer.from_huggingface(small_tokenizer())
mask = sg.allocate_mask(1, tokenizer.vocab_size)
path, documents, jobs = sys.argv[1], int(sys.argv[2]), json.loads(sys.stdin.read())
# another grammar first: what a process shares is then numbered otherwise
for bound in range(documents):
    sg.compile(sg.json_schema({"type": "number", "minimum": bound}), tokenizer, store=False)
store = sg.MaskStore(path)
seen = []
for schema, texts in jobs:
    compiled = sg.compile(sg.json_schema(json.dumps(schema)), tokenizer, store=store)
    seen.append([not compiled._meaning.is_built])
    for text in texts[:documents]:
        matcher = sg.Matcher(compiled)
        digest = hashlib.blake2b()
        for token in tokenizer.encode(text.encode()):
            matcher.fill_mask(mask)
            digest.update(mask.array.tobytes())
            matcher.advance(token)
        seen[-1].append(digest.hexdigest())
        seen[-1].append(matcher.tokens_to_finish() if documents > 1 else 0)
print(json.dumps(seen))
"""
JOBS = [(SCHEMA, [FIRST, SECOND])]


def child(path: Path, documents: int, jobs: Any, seed: int) -> list[list[Any]]:
    """Return what a process of its own says of the first documents of each job."""
    done = subprocess.run(
        [sys.executable, "-W", "error::structgen.StoreWarning", "-c", _CHILD, str(path), str(documents)],
        input=json.dumps(jobs),
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[list[Any]] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_processes_with_other_hashes_keep_the_same_bytes(tmp_path: Path) -> None:
    for seed in (1, 2):
        child(tmp_path / f"{seed}", 2, JOBS, seed)
    (one,), (other,) = files(tmp_path / "1"), files(tmp_path / "2")
    assert one.name == other.name and one.read_bytes() == other.read_bytes()


def test_a_process_with_other_hashes_goes_on_where_another_ended(tmp_path: Path) -> None:
    child(tmp_path / "one", 1, JOBS, 3)
    ((kept, *seen),) = child(tmp_path / "one", 2, JOBS, 4)
    ((fresh, *same),) = child(tmp_path / "other", 2, JOBS, 5)
    assert (kept, fresh) == (True, False) and seen == same


@pytest.mark.slow
def test_processes_that_write_at_once_leave_a_whole_file(tmp_path: Path, tokenizer: sg.Tokenizer) -> None:
    threads = [threading.Thread(target=child, args=(tmp_path, 1 + turn % 2, JOBS, turn)) for turn in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled = sg.compile(sg.json_schema(json.dumps(SCHEMA)), tokenizer, store=sg.MaskStore(tmp_path))
        assert is_kept(compiled)


# States


def test_an_a_label_goes_on_from_a_kept_grammar(tokenizer: sg.Tokenizer, tmp_path: Path) -> None:
    schema = {"type": "string", "format": "hostname"}
    plain, labels = '"a.example"', '"xn--zca.xn--qmbc"'
    fresh = masks_of(compiled_of(tokenizer, False, schema), labels)
    for texts in ([plain], [labels, plain], [labels]):
        store = sg.MaskStore(tmp_path)
        compiled = compiled_of(tokenizer, store, schema)
        for text in texts:
            found = masks_of(compiled, text)
            assert text == plain or found == fresh
        store.flush()
