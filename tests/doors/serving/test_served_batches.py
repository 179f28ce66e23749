"""`/v1/files` and `/v1/batches`: OpenAI's own client from a file to its results; whose the files are, how
long and how many they may be, and what is left of a server that stops."""

from __future__ import annotations

import io
import json
import os
import random
import re
import stat
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openai
import pytest
from renewed_engine import renew
from served_apps import ADA, TOOL, app_of, post
from served_batches import (
    CHAT_PATH,
    ENDED,
    KEYS,
    LINES,
    OF_BATCHES,
    begun,
    client_of,
    ended,
    kept_rows,
    lines,
    request,
    results,
    served,
)

import structgen as sg
from structgen.doors.serving import record_store
from structgen.doors.serving.record_store import RecordStore
from structgen.doors.serving.server_options import ServerOptions

MANY = 300
"""Requests of a batch that does not end before its server is stopped."""


def test_a_file_becomes_results_and_errors(engine: sg.Engine, tmp_path: Path) -> None:
    calls = request("calls", tools=[TOOL], tool_choice="required", response_format=None)
    calls["body"]["parallel_tool_calls"] = False
    asked = [request("b"), calls, request("streamed", stream=True), request("wrong", tempreature=1)]
    with served(engine, tmp_path / "files") as address:
        client = client_of(address)
        file = client.files.create(file=("mine.jsonl", lines(*asked)), purpose="batch")
        assert client.files.content(file.id).content == lines(*asked)
        assert (file.bytes, file.filename, file.purpose) == (len(lines(*asked)), "mine.jsonl", "batch")
        batch = client.batches.create(
            input_file_id=file.id, endpoint=CHAT_PATH, completion_window="24h", metadata={"night": "1"}
        )
        batch = ended(client, batch)
        assert (batch.status, batch.endpoint, batch.input_file_id) == ("completed", CHAT_PATH, file.id)
        assert batch.metadata == {"night": "1"} and batch.completed_at >= batch.in_progress_at
        counts = batch.request_counts
        assert (counts.total, counts.completed, counts.failed) == (4, 3, 1)
        good, bad = results(client, batch.output_file_id), results(client, batch.error_file_id)
        assert list(good) == ["b", "calls", "streamed"] and list(bad) == ["wrong"]
        for name in ("b", "streamed"):
            assert set(good[name]) == {"id", "custom_id", "response", "error"} and good[name]["error"] is None
            message = good[name]["response"]["body"]["choices"][0]["message"]
            assert json.loads(message["content"]) == ADA
        (call,) = good["calls"]["response"]["body"]["choices"][0]["message"]["tool_calls"]
        assert json.loads(call["function"]["arguments"]) == ADA
        # the answer is that of the address itself
        said = post(app_of(engine), CHAT_PATH, asked[3]["body"])
        assert bad["wrong"]["response"]["status_code"] == said.status_code == 400
        assert bad["wrong"]["response"]["body"] == said.json()
        assert {one.id for one in client.files.list()} == {
            file.id,
            batch.output_file_id,
            batch.error_file_id,
        }
        assert [one.id for one in client.batches.list()] == [batch.id]
        assert client.files.delete(file.id).deleted
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(file.id)


FAULTY = {
    "broken": (lines(request("a")) + b"{\n", ":2.*JSON"),
    "twice": (lines(request("a"), request("b"), request("a")), ":3, custom_id.*'a'"),
    "protocol": (lines(request("a"), {"custom_id": "b", "params": {}}), ":2, params"),
    "url": (lines(request("a", "/v1/embeddings")), ":1, url.*/v1/chat/completions"),
    "other url": (lines(request("a", "/v1/responses")), ":1, url.*/v1/chat/completions"),
    "empty": (b"\n\n", "no request"),
    "no id": (lines({**request("a"), "custom_id": ""}), ":1, custom_id"),
    "long": (b'"' + b"x" * (9 << 20), ":1.*more than"),
    "deep": (b"[" * 99_999, ":1.*JSON"),
    "bytes": (b'"\xff"', ":1.*JSON"),
    "list": (b"[1]", ":1"),
}


def test_a_file_with_a_faulty_line_fails_as_a_whole_with_its_place(engine: sg.Engine, tmp_path: Path) -> None:
    with served(engine, tmp_path / "files") as address:
        client = client_of(address)
        for name, (content, said) in FAULTY.items():
            batch = ended(client, begun(client, content))
            (fault,) = batch.errors.data
            place = re.match(r":(\d+)(?:, (\w+))?", said)
            line, param = (int(place[1]), place[2]) if place else (None, None)
            assert fault.line == line and (param is None or fault.param == param), (name, fault)
            assert batch.status == "failed" and batch.output_file_id is None, name
            assert re.search(said, fault.message), (name, fault.message)
            assert str(tmp_path) not in fault.message
        file = begun(client, lines(request("a"))).input_file_id
        for body in (
            {"endpoint": "/v1/embeddings"},
            {"completion_window": "1h"},
            {"input_file_id": "file-0"},
        ):
            given = {"input_file_id": file, "endpoint": CHAT_PATH, "completion_window": "24h", **body}
            with pytest.raises(openai.APIStatusError) as caught:
                client.batches.create(**given)
            assert caught.value.status_code in (400, 404)


def test_a_file_is_its_keys_alone(engine: sg.Engine, tmp_path: Path) -> None:
    with served(engine, tmp_path / "files", keys=KEYS) as address:
        mine, other = client_of(address), client_of(address, KEYS[1])
        batch = ended(mine, begun(mine, lines(request("a"))))
        asks: list[Any] = [other.files.retrieve, other.files.content, other.files.delete]
        for ask in asks:
            for file in (batch.input_file_id, batch.output_file_id):
                with pytest.raises(openai.NotFoundError):
                    ask(file)
        for ask in (other.batches.retrieve, other.batches.cancel):
            with pytest.raises(openai.NotFoundError):
                ask(batch.id)
        with pytest.raises(openai.NotFoundError):
            other.batches.create(
                input_file_id=batch.input_file_id, endpoint=CHAT_PATH, completion_window="24h"
            )
        assert not list(other.files.list()) and not list(other.batches.list())
        assert results(mine, batch.output_file_id)["a"]
        with pytest.raises(openai.AuthenticationError):
            client_of(address, "sk-three").files.list()


def test_names_of_clients_are_no_paths_and_all_is_closed_to_others(engine: sg.Engine, tmp_path: Path) -> None:
    folder, seen = tmp_path / "files", set[int]()
    with served(engine, folder, keys=KEYS) as address:
        client = client_of(address)
        batch = begun(client, lines(*(request(str(at)) for at in range(4))))
        while batch.status not in ENDED:
            batch = client.batches.retrieve(batch.id)
            for path in folder.glob("*/*"):
                with suppress(FileNotFoundError):  # it has gone meanwhile
                    seen.add(stat.S_IMODE(path.lstat().st_mode))
        assert client.files.retrieve(batch.input_file_id).filename == "../../my.jsonl"
        for name in ("../lock", "..%2f..%2fetc%2fpasswd", "file-*", f"{batch.input_file_id}.json"):
            with pytest.raises(openai.NotFoundError):
                client.files.content(name)
    assert seen == {0o600}
    folders = (folder, *(one for one in folder.iterdir() if one.is_dir()))
    assert {stat.S_IMODE(one.stat().st_mode) for one in folders} == {0o700}
    assert not any(key in str(one) for one in folder.rglob("*") for key in (*KEYS, "my.jsonl"))


def test_a_key_has_so_many_bytes_and_all_have_so_many(engine: sg.Engine, tmp_path: Path) -> None:
    options = {"keys": KEYS, "key_bytes": 60_000, "files_bytes": 90_000}
    with served(engine, tmp_path / "files", **options) as address:
        mine, other = client_of(address), client_of(address, KEYS[1])
        for client, size in ((mine, 70_000), (mine, 45_000), (mine, 45_000), (other, 45_000)):
            try:
                file = client.files.create(file=("a", b"x" * size), purpose="batch")
            except openai.APIStatusError as error:
                assert (error.status_code, error.code) == (413, "too_large")
                assert (client, size) != (mine, 45_000) or list(mine.files.list())
            else:
                assert (client, size) == (mine, 45_000)
        assert len(list(mine.files.list())) == 1
        mine.files.delete(file.id)
        batch = begun(other, lines(*(request(str(at), n=40) for at in range(12))))
        batch = ended(other, batch)  # whose results are too many
        assert batch.status == "failed" and "bytes" in batch.errors.data[0].message
        assert 0 < batch.request_counts.completed < 12


def test_what_is_old_is_not_there_and_is_deleted_later(
    engine: sg.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, days = tmp_path / "files", 0.0
    monkeypatch.setattr(record_store, "time", SimpleNamespace(time=lambda: time.time() + days * 86_400))
    with served(engine, folder, files_days=2) as address:
        client = client_of(address)
        old = client.files.create(file=("a", b"x"), purpose="batch")
        assert abs((old.expires_at or 0) - old.created_at - 2 * 86_400) < 2
        days = 2.001
        # not yet deleted: nobody has looked
        assert list(folder.glob(f"*/{old.id}"))
        assert not list(client.files.list())
        for ask in (client.files.retrieve, client.files.content, client.files.delete):
            with pytest.raises(openai.NotFoundError):
                ask(old.id)
        with pytest.raises(openai.NotFoundError):
            client.batches.create(input_file_id=old.id, endpoint=CHAT_PATH, completion_window="24h")
    renew(engine)
    with served(engine, folder):
        while list(folder.glob(f"*/{old.id}")):
            time.sleep(0.01)
    assert kept_rows(folder, "SELECT count(*) FROM records") == [(0,)]
    assert kept_rows(folder, "SELECT sum(bytes) FROM sums") == [(0,)]


def test_a_batch_that_is_cancelled_keeps_what_it_has(engine: sg.Engine, tmp_path: Path) -> None:
    names = [str(at) for at in range(400)]
    with served(engine, tmp_path / "files") as address:
        client = client_of(address)
        batch = begun(client, lines(*(request(name) for name in names)))
        waiting = begun(client, lines(request("x")))
        # the one that waits first: it begins as soon as the one before it has ended
        assert client.batches.cancel(waiting.id).status == "cancelling"
        assert client.batches.cancel(batch.id).status == "cancelling"
        batch, waiting = ended(client, batch), ended(client, waiting)
        assert (batch.status, waiting.status) == ("cancelled", "cancelled")
        assert waiting.request_counts.completed == 0
        good = results(client, batch.output_file_id) if batch.output_file_id else {}
        assert len(good) == batch.request_counts.completed < len(names)


def test_a_server_that_stops_leaves_no_thread_and_the_next_one_goes_on(
    engine: sg.Engine, tmp_path: Path
) -> None:
    folder, names = tmp_path / "files", [str(at) for at in range(MANY)]
    with served(engine, folder) as address:
        client = client_of(address)
        batch = begun(client, lines(*(request(name) for name in names)))
        while not (batch.request_counts and batch.request_counts.completed):
            batch = client.batches.retrieve(batch.id)
    assert not [one for one in threading.enumerate() if "batch" in one.name]
    before = {json.loads(line)["id"] for (line,) in kept_rows(folder, LINES)}
    assert 0 < len(before) < MANY
    renew(engine)
    with served(engine, folder) as address:
        client = client_of(address)
        batch = ended(client, client.batches.retrieve(batch.id))
        assert batch.status == "completed" and batch.request_counts.completed == MANY
        good = results(client, batch.output_file_id)
        assert list(good) == names and before <= {one["id"] for one in good.values()}
    assert kept_rows(folder, LINES) == []


@pytest.mark.parametrize("status", ["expired", "failed"])
def test_a_batch_that_cannot_go_on_says_why_and_keeps_what_it_has(
    engine: sg.Engine, tmp_path: Path, status: str
) -> None:
    folder = tmp_path / "files"
    with served(engine, folder) as address:
        client = client_of(address)
        batch = begun(client, lines(*(request(str(at)) for at in range(MANY))))
        while not (batch.request_counts and batch.request_counts.completed):
            batch = client.batches.retrieve(batch.id)
    renew(engine)
    before = kept_rows(folder, LINES)
    query = f"SELECT record, items.number, content {OF_BATCHES} AND items.number < 1"
    for record, number, content in kept_rows(folder, query):
        if (status == "expired") == (number == 0):
            text = content.decode().replace(f'"expires_at": {batch.expires_at}', '"expires_at": 1')
            text = re.sub(r'("version of structgen": )"[^"]*"', r'\1"0.0"', text)
            values = text.encode(), record, number
            kept_rows(folder, "UPDATE items SET content = ? WHERE record = ? AND number = ?", *values)
    with served(engine, folder) as address:
        client = client_of(address)
        batch = ended(client, client.batches.retrieve(batch.id))
        assert batch.status == status
        if status == "failed":
            assert "another version of structgen (0.0)" in batch.errors.data[0].message
        else:
            assert batch.expired_at
        assert len(results(client, batch.output_file_id)) == len(before) < MANY
        assert batch.request_counts.completed == len(before)


def test_two_servers_have_no_folder_in_common(engine: sg.Engine, tmp_path: Path) -> None:
    options = ServerOptions(files=tmp_path / "files")
    with served(engine, tmp_path / "files"), pytest.raises(sg.errors.OptionError, match="Another server"):
        app_of(engine, options)
    app_of(engine, options)


def test_without_a_folder_the_addresses_say_so(engine: sg.Engine) -> None:
    with served(engine, None) as address:
        client = client_of(address)
        for ask in (client.files.list, client.batches.list, lambda: begun(client, b"x")):
            with pytest.raises(openai.NotFoundError, match="--files"):
                ask()


def test_a_server_without_a_folder_begins_no_thread_and_leaves_the_umask(
    engine: sg.Engine, tmp_path: Path
) -> None:
    before = {thread.name for thread in threading.enumerate()}
    with served(engine, None):
        (tmp_path / "file").touch()
        assert "structgen-batches" not in {thread.name for thread in threading.enumerate()} - before
    (tmp_path / "later").touch()
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "later").stat().st_mode


def test_a_form_that_is_none_or_says_more_is_refused(engine: sg.Engine, tmp_path: Path) -> None:
    with served(engine, tmp_path / "files") as address:
        client = client_of(address)
        with pytest.raises(openai.BadRequestError, match="purpose"):
            client.files.create(file=("a", b"x"), purpose="fine-tune")
        for content in (b"", b"\r\n\r\n--x\r\n", b"a\r\nb\rc\n" * 9, bytes(range(256)), io.BytesIO(b"q")):
            file = client.files.create(file=("a\u00e4\u4e2d.jsonl", content), purpose="batch")
            content = b"q" if isinstance(content, io.BytesIO) else content
            assert client.files.content(file.id).content == content
            assert file.filename == "a\u00e4\u4e2d.jsonl"
        with pytest.raises(openai.PermissionDeniedError):  # a page in a browser
            client.with_options(default_headers={"origin": "http://evil.example"}).files.create(
                file=("a", b"x"), purpose="batch"
            )


def test_a_file_lives_as_long_as_its_client_wants_it(engine: sg.Engine, tmp_path: Path) -> None:
    anchor: Any = {"anchor": "created_at"}
    with served(engine, tmp_path / "files", files_days=7) as address:
        client = client_of(address)

        def created(seconds: int) -> Any:
            expiry = {**anchor, "seconds": seconds}
            return client.files.create(file=("a", lines(request("a"))), purpose="batch", expires_after=expiry)

        for seconds, granted in ((3600, 3600), (100_000, 100_000), (2_592_000, 7 * 86_400)):
            file = created(seconds)
            assert file.expires_at - file.created_at == granted
            expiry = {**anchor, "seconds": seconds}
            batch = client.batches.create(
                input_file_id=file.id,
                endpoint=CHAT_PATH,
                completion_window="24h",
                output_expires_after=expiry,
            )
            output = client.files.retrieve(ended(client, batch).output_file_id)
            assert output.expires_at - output.created_at == granted
        for wrong in (3599, 2_592_001, 0, -3600, "x", 10**12):
            with pytest.raises(openai.BadRequestError, match=r"expires_after.seconds"):
                created(wrong)  # type: ignore[arg-type]
        for expiry in ({"seconds": 3600}, {"anchor": "last_active_at", "seconds": 3600}, {**anchor}):
            with pytest.raises(openai.BadRequestError, match="expires_after"):
                client.files.create(file=("a", b"x"), purpose="batch", expires_after=expiry)
            with pytest.raises(openai.BadRequestError, match="output_expires_after"):
                client.batches.create(
                    input_file_id=file.id,
                    endpoint=CHAT_PATH,
                    completion_window="24h",
                    output_expires_after=expiry,
                )


def test_a_file_is_sent_whole_although_it_is_deleted_meanwhile(engine: sg.Engine, tmp_path: Path) -> None:
    content = random.Random(0).randbytes(5 << 20)
    with served(engine, tmp_path / "files") as address:
        client = client_of(address)
        file = client.files.create(file=("a", content), purpose="batch")
        with client.files.with_streaming_response.content(file.id) as answer:
            assert answer.headers["content-length"] == str(len(content))
            pieces = answer.iter_bytes(1000)
            begin = next(pieces)
            client.files.delete(file.id)
            assert begin + b"".join(pieces) == content
        # as after the loss of a part of a disk
        file = client.files.create(file=("a", content), purpose="batch")
        next((tmp_path / "files").glob(f"*/{file.id}")).unlink()
        with pytest.raises(openai.NotFoundError, match=f"'{file.id}' does not exist here"):
            client.files.content(file.id)
        assert client.files.delete(file.id).deleted


def test_a_number_is_read_to_its_end(engine: sg.Engine, tmp_path: Path) -> None:
    with served(engine, tmp_path / "files") as address:
        client = client_of(address)
        for _ in range(3):
            client.files.create(file=("a", b"x"), purpose="batch")
        for limit, count in (("0000000000002", 2), ("1" + "0" * 20, 3), ("9" * 5000, 3), ("\uff12", 2)):
            page: Any = client.get("/files", cast_to=object, options={"params": {"limit": limit}})
            assert len(page["data"]) == count


def form(*parts: tuple[str, bytes], end: bytes = b"--XY--") -> bytes:
    """Return a form whose parts have these headers."""
    said = (f"--XY\r\n{head}\r\n\r\n".encode() + content + b"\r\n" for head, content in parts)
    return b"".join(said) + end


PURPOSE = ('Content-Disposition: form-data; name="purpose"', b"batch")
FILE = ('Content-Disposition: form-data; name="file"; filename="a.jsonl"', b"x\r\n--X\n")
HEADS = {
    'content-disposition:form-data;name="file";filename="a.jsonl"': "a.jsonl",
    "Content-Disposition: form-data; name=file; filename=a.jsonl": "a.jsonl",
    'Content-Disposition: form-data; filename="name=\\"purpose\\"; b"; name="file"': 'name="purpose"; b',
    'Content-Disposition: form-data; name="file"; filename="a"\r\nContent-Type: text/plain; name="b"': "a",
    "Content-Disposition: form-data; name=\"file\"; filename*=utf-8''%C3%A4.jsonl": "\u00e4.jsonl",
    'Content-Disposition: form-data; name="file"': "",
}
KINDS = (
    "multipart/form-data; boundary=XY",
    'Multipart/Form-Data; charset=utf-8; Boundary="XY"',
    "multipart/form-data ;boundary=XY",
)


def test_a_form_may_be_spelled_in_any_way(engine: sg.Engine, tmp_path: Path) -> None:
    app = app_of(engine, ServerOptions(files=tmp_path / "files"))
    for kind in KINDS:
        for head, name in HEADS.items():
            for parts in (((head, FILE[1]), PURPOSE), (PURPOSE, (head, FILE[1]))):
                found = post(app, "/v1/files", form(*parts), **{"content-type": kind})
                assert found.status_code == 200, (kind, head, found.text)
                assert (found.json()["filename"], found.json()["bytes"]) == (name, len(FILE[1]))


BROKEN = [
    (form(PURPOSE), "file"),
    (form(FILE), "purpose"),
    (form(FILE, FILE, PURPOSE), "file"),
    (form(FILE, PURPOSE, PURPOSE), "purpose"),
    (form(PURPOSE, FILE, end=b""), None),
    (form(PURPOSE, FILE, end=b"--XY"), None),
    (form(PURPOSE, FILE)[:-12], None),
    (b"", None),
]


def test_no_part_of_a_form_is_lost_in_silence(engine: sg.Engine, tmp_path: Path) -> None:
    app = app_of(engine, ServerOptions(files=tmp_path / "files"))
    for data, named in BROKEN:
        found = post(app, "/v1/files", data, **{"content-type": KINDS[0]})
        assert (found.status_code, found.json()["error"]["param"]) == (400, named), data
    assert not list((tmp_path / "files").glob("*/*"))


def test_pages_are_slices_of_the_list(engine: sg.Engine, tmp_path: Path) -> None:
    rng = random.Random(3)
    with served(engine, tmp_path / "files") as address:
        client = client_of(address)
        files = [client.files.create(file=("a", b"x"), purpose="batch").id for _ in range(7)]
        for file in files[:5]:
            ended(
                client,
                client.batches.create(input_file_id=file, endpoint=CHAT_PATH, completion_window="24h"),
            )
        for ask in (client.files.list, client.batches.list):
            listed: Any = ask
            every = [one.id for one in listed()]
            for _ in range(8):
                limit, at = rng.randint(1, 8), rng.randrange(len(every))
                page = listed(limit=limit, after=every[at])
                assert [one.id for one in page.data] == every[at + 1 :][:limit]
                assert page.has_more == (len(every) > at + 1 + limit)
                assert [one.id for one in listed(limit=limit)] == every  # page by page
            with pytest.raises(openai.NotFoundError):
                listed(after="x")
            for query in ({"limit": "x"}, {"order": "up"}, {"offset": "1"}):
                with pytest.raises(openai.BadRequestError, match=next(iter(query))):
                    listed(extra_query=query)
            assert [one.id for one in listed(extra_query={"limit": "9" * 5000})] == every
        backwards = [one.id for one in client.files.list(order="asc")]
        assert backwards[::-1] == [one.id for one in client.files.list()]
        assert len(list(client.files.list(purpose="batch"))) == 7
        assert not list(client.files.list(purpose="batch_output"))


def test_a_batch_that_has_ended_is_not_cancelled_and_has_counts(engine: sg.Engine, tmp_path: Path) -> None:
    with served(engine, tmp_path / "files") as address:
        client = client_of(address)
        for content, status in ((b"{\n", "failed"), (lines(request("a")), "completed")):
            batch = ended(client, begun(client, content))
            assert client.batches.cancel(batch.id).status == batch.status == status
            counts = batch.request_counts
            assert counts.total == counts.completed + counts.failed == int(status == "completed")


def test_batches_count_as_files_do(engine: sg.Engine, tmp_path: Path) -> None:
    with served(engine, tmp_path / "files", key_bytes=40_000) as address:
        client = client_of(address)
        file = client.files.create(file=("a", b"x"), purpose="batch").id
        asked: Any = {"input_file_id": file, "endpoint": CHAT_PATH, "completion_window": "24h"}
        with pytest.raises(openai.APIStatusError) as caught:
            client.batches.create(**asked, metadata={"a": "x" * 40_000})
        assert (caught.value.status_code, caught.value.code) == (413, "too_large")
        for _ in range(20):
            with suppress(openai.APIStatusError):
                client.batches.create(**asked)
        assert len(list(client.batches.list())) < 9


@pytest.mark.parametrize("method", ["change", "close_batch"])
def test_a_kill_at_the_end_of_a_batch_leaves_nothing_twice(
    engine: sg.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    folder, killed, called = tmp_path / "files", threading.Event(), getattr(RecordStore, method)

    def last(store: RecordStore, number: int, *values: Any) -> Any:
        if method == "close_batch" or values[-1] == "completed":
            killed.set()
            raise RuntimeError("killed")
        return called(store, number, *values)

    with monkeypatch.context() as patched:
        patched.setattr(RecordStore, method, last)
        with served(engine, folder) as address:
            batch = begun(client_of(address), lines(request("a"), request("b", tempreature=1)))
            assert killed.wait(600)
    renew(engine)
    assert len(kept_rows(folder, LINES)) == 2
    with served(engine, folder) as address:
        client = client_of(address)
        batch = ended(client, client.batches.retrieve(batch.id))
        made = [one.id for one in client.files.list() if one.purpose == "batch_output"]
        assert set(made) == {batch.output_file_id, batch.error_file_id} and len(made) == 2
        for file, name in ((batch.output_file_id, "a"), (batch.error_file_id, "b")):
            assert list(results(client, file)) == [name]
    assert kept_rows(folder, LINES) == [] and not list((folder / "incoming").iterdir())


@pytest.mark.slow
def test_a_server_that_is_killed_again_and_again_answers_each_request_once(tmp_path: Path) -> None:
    names, rng, batch = [str(at) for at in range(400)], random.Random(5), None
    command = [sys.executable, "-m", "structgen", "serve", "structgen/extract", "--port", "0"]
    command += ["--name", "extract", "--files", str(tmp_path / "files")]
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    counts = [0]
    for _ in range(30):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=settings) as process:
            assert process.stdout is not None
            try:
                (address,) = re.findall(r"served at (http\S+/v1)", process.stdout.readline())
                client = client_of(address)
                if batch is None:
                    batch = begun(client, lines(*(request(name) for name in names)))
                most = counts[-1] + rng.randint(1, 150)
                while batch.status not in ENDED and getattr(batch.request_counts, "completed", 0) < most:
                    time.sleep(0.005)
                    batch = client.batches.retrieve(batch.id)
                counts.append(batch.request_counts.completed)
                if batch.status in ENDED:
                    break
            finally:
                process.kill()
    assert batch is not None and batch.status == "completed" and len(counts) > 3
    assert counts == sorted(counts) and counts[-1] == 400, counts
    with served(sg.Engine("structgen/extract"), tmp_path / "files") as address:
        client = client_of(address)
        assert list(results(client, batch.output_file_id)) == names
        assert len(list(client.files.list())) == 2
