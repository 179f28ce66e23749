"""The store of a server: what it keeps against a plain model, what that costs, and what is left after kills,
full disks, damage, clocks that go back, and servers of other versions."""

from __future__ import annotations

import errno
import json
import logging
import os
import random
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from structgen.base.errors import OptionError
from structgen.doors.serving import record_store
from structgen.doors.serving.api_errors import ApiError
from structgen.doors.serving.folder_import import import_folder, open_store
from structgen.doors.serving.record_store import (
    FILE_BYTES,
    OPEN,
    READY,
    RecordStore,
    as_bytes,
    disk_checked,
    owner_of,
)
from structgen.doors.serving.server_options import ServerOptions

OWNERS = tuple(owner_of(f"sk-{number}".encode()) for number in range(20))
LATER = 1 << 40


def opened(folder: Path, **options: Any) -> RecordStore:
    store = open_store(ServerOptions(files=folder, **options))
    assert store is not None
    return store


@contextmanager
def store_of(folder: Path, **options: Any) -> Iterator[RecordStore]:
    store = opened(folder, **options)
    try:
        yield store
    finally:
        store.close()


def file_name(number: int) -> str:
    return f"file-{number:024x}"


def add_file(
    store: RecordStore,
    owner: str,
    number: int,
    content: bytes = b"x",
    purpose: str = "batch",
    until: int = LATER,
) -> Any:
    path = store.incoming / f"upload {number}"
    path.write_bytes(content)
    record = {
        "id": file_name(number),
        "created_at": 7,
        "filename": "a",
        "purpose": purpose,
        "expires_at": until,
    }
    return store.add_file(owner, record, path)


def add_batch(store: RecordStore, owner: str, number: int) -> Any:
    record = {"id": f"batch_{number:024x}", "object": "batch", "created_at": 7, "expires_at": LATER}
    number = store.add(owner, "batches", record, OPEN, status="validating")
    store.add_item(owner, number, 5_000_000, ("input", "msg_1", b'{"id": "msg_1"}'))
    return store.open_batch(record["id"])


def counted_bytes(store: RecordStore) -> dict[str, int]:
    """Return the sums of bytes by owner, and of all, by looking at everything."""
    sizes = "SELECT owner, bytes FROM records UNION ALL SELECT owner, length(content) FROM items"
    rows = store._select_rows(sizes, ())
    sums: dict[str, int] = {}
    for owner, size in rows:
        for name in (owner, ""):
            sums[name] = sums.get(name, 0) + size
    return sums


def kept_files(store: RecordStore) -> set[str]:
    """Return the files of a folder that lie in their places."""
    return {path.name for owner in OWNERS for path in store.folder.glob(f"{owner}/*")}


def check(store: RecordStore) -> None:
    """Check that the sums are those of all rows, and that files and records belong together."""
    sums = counted_bytes(store)
    for owner in OWNERS:
        assert store.kept_bytes(owner) == (sums.get(owner, 0), sums.get("", 0))
    assert kept_files(store) == {
        name for (name,) in store._select_rows("SELECT id FROM records WHERE kind = 'files'", ())
    }
    assert not list(store.incoming.iterdir())
    assert store._select_rows("PRAGMA integrity_check", ()) == [("ok",)]


def run_beside_a_model(folder: Path, rng: random.Random, steps: int) -> None:
    """Do random things with a store and with a list of records, which must agree."""
    model: list[tuple[str, Any]] = []
    store = opened(folder)
    for number in range(steps):
        owner = rng.choice(OWNERS[:3])
        own = [record for one, record in model if one == owner]
        match rng.choice("aaarpppco"):
            case "a":
                content = bytes(rng.randrange(9))
                model.append(
                    (owner, add_file(store, owner, number, content, rng.choice(("batch", "batch_output"))))
                )
            case "r" if own:
                record = rng.choice(own)
                store.remove(store.find("files", record["id"], owner))
                model.remove((owner, record))
            case "p":
                listed = own[::-1] if (order := rng.choice(("asc", "desc"))) == "desc" else own
                query: dict[str, Any] = {"order": order, "limit": rng.randint(1, 5)}
                if own and rng.random() < 0.5:
                    query["after"] = rng.choice(own)["id"]
                    listed = listed[1 + [one["id"] for one in listed].index(query["after"]) :]
                if rng.random() < 0.5:
                    query["purpose"] = rng.choice(("batch", "batch_output", "other"))
                    listed = [one for one in listed if one["purpose"] == query["purpose"]]
                page = store.page("files", owner, **query)
                assert page["data"] == listed[: query["limit"]]
                assert page["has_more"] == (len(listed) > query["limit"])
            case "c" if own:
                record = rng.choice(own)
                assert store.find("files", record["id"], owner).record == record
                other = next(one for one in OWNERS if one != owner)
                with pytest.raises(ApiError):
                    store.find("files", record["id"], other)
                with pytest.raises(ApiError):
                    store.find("batches", record["id"], owner)
            case "o":
                store.close()
                store = opened(folder)
        sums = counted_bytes(store)
        assert store.kept_bytes(owner) == (sums.get(owner, 0), sums.get("", 0))
    check(store)
    store.close()


def test_the_store_does_what_a_list_does(tmp_path: Path) -> None:
    for seed in range(4):
        run_beside_a_model(tmp_path / str(seed), random.Random(seed), 60)


@pytest.mark.slow
def test_the_store_does_what_a_list_does_for_long(tmp_path: Path) -> None:
    for seed in range(40):
        run_beside_a_model(tmp_path / str(seed), random.Random(f"long {seed}"), 500)


# --- what it costs ------------------------------------------------------------------------------------------


def fill(store: RecordStore, count: int) -> None:
    """Keep so many files of all owners, without bytes."""
    with store.transaction():
        for number in range(10_000, 10_000 + count):
            record = {"id": file_name(number), "created_at": 7, "purpose": "batch", "expires_at": LATER}
            items = [("input", "msg_1", b'{"id": "msg_1"}')]  # as copies of a conversation have it
            store.add(OWNERS[number % len(OWNERS)], "files", record, LATER, size=9, items=items)


def steps_of(store: RecordStore, work: Callable[[], Any]) -> int:
    """Return how many steps SQLite's machine takes."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1

    store._database.set_progress_handler(step, 1)
    try:
        work()
    finally:
        store._database.set_progress_handler(None, 1)
    return count


def work_of(store: RecordStore) -> dict[str, Callable[[], Any]]:
    """Return what requests ask of a store that has a file and a batch of the first owner, by names."""
    owner, batch = OWNERS[0], store.open_batch(store.open_batches()[0])
    item = ("completed", None, b"{}\n")
    return {
        "file": lambda: store.find("files", file_name(0), owner),
        "first page": lambda: store.page("files", owner, limit=1),
        "first page of a purpose": lambda: store.page("files", owner, limit=1, purpose="batch"),
        "oldest": lambda: store.page("files", owner, limit=1, order="asc"),
        "page behind one": lambda: store.page("files", owner, limit=1, order="asc", after=file_name(0)),
        "batches": lambda: store.page("batches", owner, limit=1),
        "room": lambda: store.check_room(owner, 1),
        "upload": lambda: add_file(store, owner, 2),
        "line": lambda: store.add_item(owner, batch.number, 1, item),
        "change": lambda: store.change(batch.number, {}, "in_progress"),
        "lines": lambda: list(store.lines(batch.number)),
        "parts": lambda: store.set_run_parts(owner, batch.number, {}),
        "run": lambda: store.run_parts(batch.number),
        "status": lambda: store.status(batch.number),
        "item": lambda: store.item(owner, "msg_1"),
        "input items": lambda: store.input_items(batch, limit=1),
        "items behind one": lambda: store.input_items(batch, limit=1, after="msg_1"),
        "close": lambda: store.close_batch(batch.number),
        "expiry": store.remove_expired,
        "owner": lambda: store.owner_of_record(file_name(0)),
        "delete": lambda: store.remove(store.find("files", file_name(2), owner)),
        "restart": store.open_batches,
    }


def prepare(store: RecordStore) -> dict[str, Callable[[], Any]]:
    for number in (0, 1):
        add_file(store, OWNERS[0], number)
    add_batch(store, OWNERS[0], 0)
    return work_of(store)


@pytest.mark.parametrize("count", [3_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_nothing_costs_more_where_much_is_kept(tmp_path: Path, count: int) -> None:
    steps: dict[int, dict[str, int]] = {}
    for kept in (0, count):
        with store_of(tmp_path / str(kept)) as store:
            fill(store, kept)
            steps[kept] = {name: steps_of(store, work) for name, work in prepare(store).items()}
    # behind the first file of an owner comes another one where there are any
    assert all(few * 1.3 + 25 >= many for few, many in zip(*map(dict.values, steps.values()), strict=True)), (
        steps
    )
    assert sum(steps[count].values()) < 5_000


def test_no_statement_reads_a_whole_table(tmp_path: Path) -> None:
    statements: set[str] = set()
    with store_of(tmp_path) as store:
        work = prepare(store)
        store._database.set_trace_callback(statements.add)
        for one in work.values():
            one()
        store._database.set_trace_callback(None)
        chosen = [one for one in statements if re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT)", one)]
        assert len(chosen) > 15
        for one in chosen:
            plan = [row[3] for row in store._database.execute(f"EXPLAIN QUERY PLAN {one}")]
            assert not any("SCAN" in step or "TEMP B-TREE" in step for step in plan), (one, plan)


def test_a_page_has_no_more_bytes_than_a_body(tmp_path: Path) -> None:
    with store_of(tmp_path, max_body=10_000) as store:
        for number in range(9):
            record = {"id": f"batch_{number:024x}", "created_at": 7, "metadata": "x" * 3_000}
            store.add(OWNERS[0], "batches", record, OPEN, status="validating")
        names, after = [], ""
        while True:
            page = store.page("batches", OWNERS[0], after=after)
            assert 0 < len(page["data"]) < 5
            names += [record["id"] for record in page["data"]]
            if not page["has_more"]:
                break
            after = page["last_id"]
        assert names == [f"batch_{number:024x}" for number in reversed(range(9))]


# --- room and time ------------------------------------------------------------------------------------------


def test_an_owner_and_all_have_so_many_bytes(tmp_path: Path) -> None:
    most = 3 * (FILE_BYTES + 300)
    with store_of(tmp_path, key_bytes=most, files_bytes=2 * most) as store:
        kept = dict.fromkeys(OWNERS[:3], 0)
        for number, owner in enumerate([owner for owner in OWNERS[:3] for _ in range(9)]):
            try:
                add_file(store, owner, number)
            except ApiError as error:
                assert (error.status, error.code) == (413, "too_large")
            else:
                kept[owner] += 1
            check(store)
        assert [*kept.values()] == [3, 3, 0]


def test_what_has_expired_is_not_served_takes_no_room_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000_000.0]
    monkeypatch.setattr(record_store, "time", SimpleNamespace(time=lambda: now[0]))
    with store_of(tmp_path) as store:
        for number in range(70):
            add_file(store, OWNERS[0], number, until=1_000_100 + number)
        add_batch(store, OWNERS[0], 0)
        store.options = replace(store.options, key_bytes=store.kept_bytes(OWNERS[0])[0])
        with pytest.raises(ApiError):
            add_file(store, OWNERS[0], 99)
        now[0] += 150
        for number in range(70):
            if number <= 50:
                with pytest.raises(ApiError, match=r"'file-\w+' does not exist"):
                    store.find("files", file_name(number), OWNERS[0])
                with pytest.raises(ApiError, match=r"'file-\w+' does not exist"):
                    store.page("files", OWNERS[0], after=file_name(number))
            else:
                assert store.find("files", file_name(number), OWNERS[0])
        assert len(store.page("files", OWNERS[0])["data"]) == 19
        assert len(kept_files(store)) == 70
        add_file(store, OWNERS[0], 99)  # there is room again
        while store.remove_expired():
            pass
        check(store)
        assert kept_files(store) == {file_name(number) for number in (*range(51, 70), 99)}
        assert store.open_batches() == [f"batch_{0:024x}"]  # a batch expires once it has ended


def test_a_clock_that_goes_back_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [2_000_000_000.0]
    monkeypatch.setattr(record_store, "time", SimpleNamespace(time=lambda: now[0]))
    with store_of(tmp_path) as store:
        for number in range(20):
            now[0] -= random.Random(number).randrange(-50_000, 100_000)
            add_file(store, OWNERS[0], number, until=int(now[0]) + 3_000_000)
        assert not store.remove_expired()
        for order in ("asc", "desc"):
            names, after = list[str](), ""
            while page := store.page("files", OWNERS[0], limit=3, after=after, order=order)["data"]:
                names += [record["id"] for record in page]
                after = names[-1]
            names.sort(reverse=order == "desc")
            assert names == [file_name(number) for number in range(20)][:: 1 if order == "asc" else -1]


def test_an_owner_has_a_short_name_whatever_the_key_is(tmp_path: Path) -> None:
    long = owner_of(b"k" * 10_000)
    with store_of(tmp_path) as store:
        path = store.incoming / "x"
        path.touch()
        record = {
            "id": file_name(1),
            "created_at": 7,
            "filename": "",
            "purpose": "batch",
            "expires_at": LATER,
        }
        store.add_file(long, record, path)
        assert re.fullmatch("[0-9a-f]{32}", long) and store.find("files", file_name(1), long)
        assert long != owner_of(b"k" * 10_001)


@pytest.mark.parametrize("name", ["", "\ud800", "\0", "x" * 100_000, "' OR 1=1 --", "file-*", "../lock"])
def test_any_name_is_only_a_name(tmp_path: Path, name: str) -> None:
    with store_of(tmp_path) as store:
        add_file(store, OWNERS[0], 1)
        with pytest.raises(ApiError):
            store.find("files", name, OWNERS[0])
        if name:
            with pytest.raises(ApiError):
                store.page("files", OWNERS[0], after=name)


# --- kills and disks ----------------------------------------------------------------------------------------


def work_until_killed(folder: Path, pipe: int, seed: int) -> None:
    """Keep and delete files and lines, and say each time what has been done."""
    rng, kept = random.Random(seed), list[int]()
    store = opened(folder)
    batch = add_batch(store, OWNERS[0], seed)
    for number in range(seed * 1_000, seed * 1_000 + 1_000):
        if kept and rng.random() < 0.4:
            gone = kept.pop()
            os.write(pipe, f"? {gone}\n".encode())
            store.remove(store.find("files", file_name(gone), OWNERS[0]))
            os.write(pipe, f"- {gone}\n".encode())
        add_file(store, OWNERS[0], number, b"x" * 5_000)
        os.write(pipe, f"+ {number}\n".encode())
        kept.append(number)
        store.add_item(OWNERS[0], batch.number, len(kept) + number, ("completed", None, b"{}\n"))
        os.write(pipe, f"l {seed}\n".encode())


def killed(folder: Path, seed: int) -> list[list[str]]:
    """Return what a process had done with a folder when it was killed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work_until_killed(folder, write, seed)
        finally:
            os._exit(0)
    os.close(write)
    with open(read, encoding="ascii") as said:
        first = said.readline()
        time.sleep(random.Random(seed).random() * 0.1)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return [line.split() for line in (first, *said) if line.endswith("\n")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked")
def test_a_kill_loses_nothing_that_was_done(tmp_path: Path) -> None:
    present, lines = set[str](), 0
    for seed in range(1, 9):
        done = killed(tmp_path, seed)
        assert done[0][0] == "+"
        unsure = set[str]()
        for what, number in done:
            if what == "+":
                present.add(number)
            elif what == "-":
                present.discard(number)
            unsure = {number} if what == "?" else unsure - {number} if what == "-" else unsure
        lines += sum(what == "l" for what, _ in done)
        with store_of(tmp_path) as store:
            check(store)
            names = {record["id"] for record in store.page("files", OWNERS[0])["data"]}
            extra = names - {file_name(int(number)) for number in present}
            missing = {file_name(int(number)) for number in present} - names
            assert len(extra) <= 1 and missing <= {file_name(int(number)) for number in unsure}
            present = {str(int(name.removeprefix("file-"), 16)) for name in names}
            (count,) = store._select_rows("SELECT count(*) FROM items WHERE part = 'completed'", ())[0]
            assert lines <= count <= lines + seed


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_the_move_of_a_file_leaves_it_whole_or_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    store, replace, moved = opened(tmp_path), os.replace, list[int]()

    def last(source: Any, target: Any) -> None:
        moved.append(1)
        if len(moved) == (1 if when == "before" else 2):
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(record_store.os, "replace", last)
    with pytest.raises(KeyboardInterrupt):
        add_file(store, OWNERS[0], 1, b"content")
    monkeypatch.undo()
    store.close()
    with store_of(tmp_path) as again:
        check(again)
        assert kept_files(again) == (set() if when == "before" else {file_name(1)})
        if when == "after":
            assert again.file_path(OWNERS[0], file_name(1)).read_bytes() == b"content"


def test_a_deletion_that_fails_leaves_the_file(tmp_path: Path) -> None:
    def refuse(action: int, *_: Any) -> int:
        return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_DELETE else sqlite3.SQLITE_OK

    with store_of(tmp_path) as store:
        add_file(store, OWNERS[0], 1, b"content")
        store._database.set_authorizer(refuse)
        with pytest.raises(sqlite3.DatabaseError):
            store.remove(store.find("files", file_name(1), OWNERS[0]))
        store._database.set_authorizer(None)
        check(store)
        assert store.file_path(OWNERS[0], file_name(1)).read_bytes() == b"content"
        store.remove(store.find("files", file_name(1), OWNERS[0]))
        check(store)
        assert kept_files(store) == set()


def test_what_is_deleted_is_not_in_the_database_of_a_server_that_has_stopped(tmp_path: Path) -> None:
    found = []
    for deletes in (False, True):
        with store_of(tmp_path / str(deletes)) as store:
            fill(store, 100)
            record = {"id": f"resp_{0:024x}", "created_at": 7, "text": "a secret of Ada " * 99}
            store.add(OWNERS[0], "responses", record, LATER)
            if deletes:
                store.remove(store.find("responses", record["id"], OWNERS[0]))
        (path,) = (tmp_path / str(deletes)).glob("records*")
        found.append(b"a secret of Ada" in path.read_bytes())
    assert found == [True, False]


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    with store_of(tmp_path) as store:
        (pages,) = store._select_rows("PRAGMA page_count", ())[0]
        store._select_rows(f"PRAGMA max_page_count = {pages + 9}", ())
        done = 0
        with pytest.raises(ApiError) as caught, disk_checked():
            for number in range(10_000):
                add_file(store, OWNERS[0], number)
                done += 1
        assert caught.value.status == 507 and done > 10
        check(store)
        assert len(kept_files(store)) == done
        for number in range(done):
            store.remove(store.find("files", file_name(number), OWNERS[0]))
        add_file(store, OWNERS[0], 77_777)
        check(store)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_of_files_is_told(number: int) -> None:
    with pytest.raises(ApiError) as caught, disk_checked():
        raise OSError(number, "full")
    assert (caught.value.status, caught.value.code) == (507, "disk_full")
    with pytest.raises(PermissionError), disk_checked():
        raise PermissionError(errno.EPERM, "no")


def damaged(content: bytes) -> Iterator[bytes]:
    """Yield a database in which something is wrong."""
    noise = random.Random(7)
    yield b"no database at all, but a long enough text " * 99
    yield b"\0" * len(content)
    yield content[: len(content) // 2]
    yield bytes(content[:40]) + noise.randbytes(60) + content[100:]
    yield content[:4_096] + noise.randbytes(len(content) - 4_096)


def test_a_damaged_database_is_told_and_stays(tmp_path: Path) -> None:
    with store_of(tmp_path) as store:
        fill(store, 500)
    path = tmp_path / "records.sqlite3"
    whole = path.read_bytes()
    assert not path.with_name("records.sqlite3-wal").exists()
    for content in damaged(whole):
        path.write_bytes(content)
        with pytest.raises(OptionError, match=r"damaged.*(backup|away)"):
            opened(tmp_path)
        assert path.read_bytes() == content
    path.write_bytes(whole)
    with store_of(tmp_path) as store:
        assert len(store.page("files", OWNERS[0])["data"]) == 25


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    with store_of(tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "records.sqlite3")) as database:
        database.execute(f"PRAGMA user_version = {READY + 1}")
    before = (tmp_path / "records.sqlite3").read_bytes()
    with pytest.raises(OptionError, match=r"version 4.*newer structgen"):
        opened(tmp_path)
    assert (tmp_path / "records.sqlite3").read_bytes() == before
    with closing(sqlite3.connect(tmp_path / "records.sqlite3")) as database:
        database.execute(f"PRAGMA user_version = {READY}")
    with store_of(tmp_path):  # the refused start left no lock
        pass


@pytest.mark.parametrize("function", ["mkdir", "open"])
def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(record_store.os, function, refuse)
    with pytest.raises(OptionError, match=r"Read-only.*a writable folder"):
        opened(tmp_path / "files")
    monkeypatch.undo()
    (tmp_path / "other" / "records.sqlite3").mkdir(parents=True)
    with pytest.raises(OptionError, match="files: The folder cannot be written"):
        opened(tmp_path / "other")


# --- folders of before --------------------------------------------------------------------------------------


def write_earlier(folder: Path, owner: str, record: dict[str, Any], content: bytes | None = None) -> Path:
    """Write a record as structgen 0.9 wrote it."""
    path: Path = folder / owner / f"{record['id']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(json.dumps(record).encode())
    if content is not None:
        path.with_suffix("").write_bytes(content)
    return path


def earlier_file(number: int, content: bytes) -> dict[str, Any]:
    record = {"id": file_name(number), "object": "file", "bytes": len(content), "created_at": 1_000 - number}
    return {**record, "filename": "a", "purpose": "batch", "status": "processed", "expires_at": LATER}


def earlier_batch(number: int, status: str) -> dict[str, Any]:
    asked = {"input_file_id": file_name(0), "endpoint": "/v1/completions", "completion_window": "24h"}
    record = {"id": f"batch_{number:024x}", "object": "batch", "status": status, "created_at": 5 + number}
    return {**asked, **record, "expires_at": LATER}


def earlier_line(name: str, status: int = 200) -> bytes:
    return json.dumps({"custom_id": name, "response": {"status_code": status}}).encode() + b"\n"


def test_a_folder_of_before_is_taken_over_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    asked = [{"custom_id": name, "url": "/v1/completions", "body": {}} for name in "abc"]
    requests = b"".join(as_bytes(one) + b"\n" for one in asked)
    records = [earlier_file(0, requests), *(earlier_file(number, b"x") for number in range(1, 5))]
    for record in records:
        write_earlier(tmp_path, OWNERS[0], record, requests if record["id"] == file_name(0) else b"x")
    other = earlier_file(9, b"yy")
    write_earlier(tmp_path, OWNERS[1], other, b"yy")
    ended, waiting, begun = (
        earlier_batch(*one) for one in enumerate(("completed", "validating", "in_progress"))
    )
    write_earlier(tmp_path, OWNERS[0], ended)
    write_earlier(tmp_path, OWNERS[0], waiting).with_suffix(".cancel").touch()
    place = write_earlier(tmp_path, OWNERS[0], begun)
    place.with_suffix(".results").write_bytes(earlier_line("c", 400) + earlier_line("a") + b'{"custom_id": "')
    run = {"format": 3, "tasks": 3, "parts": {"version of structgen": "0.9"}}
    place.with_suffix(".results.run").write_text(json.dumps(run))
    damaged = [
        write_earlier(tmp_path, OWNERS[0], earlier_file(20, b"")),  # its bytes are gone
        write_earlier(tmp_path, OWNERS[0], {**earlier_file(21, b""), "created_at": "x"}, b""),
        write_earlier(tmp_path, OWNERS[0], {**earlier_file(22, b""), "expires_at": 10**30}, b""),
        *(write_earlier(tmp_path, OWNERS[0], earlier_file(number, b""), b"") for number in (23, 24, 25)),
    ]
    for path, content in zip(damaged[3:], (b"", b"\xff{", b"[" * 99_999), strict=True):
        path.write_bytes(content)
    left = {path: path.read_bytes() for path in damaged}

    with caplog.at_level(logging.ERROR), store_of(tmp_path) as store:
        assert [record["id"] for record in store.page("files", OWNERS[0], order="asc")["data"]] == [
            *(file_name(number) for number in (4, 3, 2, 1, 0))
        ]
        for record in records:
            assert store.find("files", record["id"], OWNERS[0]).record == record
        assert store.find("files", other["id"], OWNERS[1]).record == other
        assert store.file_path(OWNERS[0], file_name(0)).read_bytes() == requests
        assert store.find("batches", ended["id"], OWNERS[0]).record == ended
        assert store.open_batches() == [waiting["id"], begun["id"]]
        assert store.open_batch(waiting["id"]).record == {**waiting, "status": "cancelling"}
        batch = store.open_batch(begun["id"])
        assert batch.record == begun and store.run_parts(batch.number) == run["parts"]
        assert [*store.lines(batch.number)] == [
            (1, "completed", earlier_line("a")),
            (3, "failed", earlier_line("c", 400)),
        ]
        sums = counted_bytes(store)
        assert store.kept_bytes(OWNERS[0]) == (sums[OWNERS[0]], sums[""])
    assert {path: path.read_bytes() for path in left} == left
    assert set(tmp_path.glob("*/*.*")) == set(left)
    assert all(sum(str(path) in text for text in caplog.messages) == 1 for path in damaged)
    caplog.clear()
    with caplog.at_level(logging.ERROR), store_of(tmp_path) as store:
        assert len(store.page("files", OWNERS[0])["data"]) == 5
    assert not caplog.messages


def test_of_a_damaged_record_of_before_nothing_is_taken_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the members of a record are, the start goes on, and the record is there or its file is."""
    rng, values = random.Random(0), ([1], {"a": 1}, 10**400, -1, "\ud800", None, True, "x" * 9000, 0.5)
    paths = dict[Path, bytes]()
    for number in range(100, 400):
        record = earlier_file(number, b"x") if number % 2 else earlier_batch(number, "in_progress")
        for name in rng.sample([*record, "request_counts", "purpose", "more"], 2):
            if name != "id":
                record[name] = rng.choice(values)
        path = write_earlier(tmp_path, OWNERS[0], record, b"x" if number % 2 else None)
        paths[path] = path.read_bytes()
    for depth in range(900, 1000):  # some can be read, and cannot be written
        record = earlier_file(depth, b"x")
        path = write_earlier(tmp_path, OWNERS[0], record, b"x")
        path.write_bytes(path.read_bytes()[:-1] + b', "more": ' + b"[" * depth + b"]" * depth + b"}")
        paths[path] = path.read_bytes()
    with caplog.at_level(logging.ERROR), store_of(tmp_path) as store:
        sums = counted_bytes(store)
        assert store.kept_bytes(OWNERS[0]) == (sums[OWNERS[0]], sums[""])
        damaged = {path for path in paths if path.exists()}
        assert {path: path.read_bytes() for path in damaged} == {path: paths[path] for path in damaged}
        named = {path for path in paths if any(str(path) in text for text in caplog.messages)}
        assert named == damaged and 100 < len(damaged) < 300
        rows = store._select_rows("SELECT id FROM records", ())
        assert sorted(name for (name,) in rows) == sorted(path.stem for path in paths.keys() - damaged)


def test_a_folder_that_cannot_be_taken_over_is_free_for_another_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_earlier(tmp_path, OWNERS[0], earlier_file(0, b"x"), b"x")

    def unlink(*_: Any, **more: Any) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch, pytest.raises(OptionError, match="cannot be written: Permission"):
        patch.setattr(Path, "unlink", unlink)
        opened(tmp_path)
    with store_of(tmp_path) as store:
        assert store.find("files", file_name(0), OWNERS[0])


def test_a_kill_while_a_folder_is_taken_over_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        write_earlier(tmp_path, OWNERS[0], earlier_file(number, b"x"), b"x")
    unlink, add = Path.unlink, RecordStore.add
    for method, owner in ((add, RecordStore), (unlink, Path)):
        count = 0

        def last(*values: Any, method: Any = method, **more: Any) -> Any:
            nonlocal count
            count += 1
            if count == 4:
                raise KeyboardInterrupt
            return method(*values, **more)

        monkeypatch.setattr(owner, method.__name__, last)
        with pytest.raises(KeyboardInterrupt):
            opened(tmp_path)
        monkeypatch.undo()
    with store_of(tmp_path) as store:
        check(store)
        assert len(store.page("files", OWNERS[0])["data"]) == 6 and store.version == READY
        import_folder(store)  # once is all
        assert len(store.page("files", OWNERS[0])["data"]) == 6
    assert not list(tmp_path.glob("*/*.json"))
