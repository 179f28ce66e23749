"""Uploads: room is reserved before bytes come, and given back however an upload ends; what is stalled holds
nothing in memory; times and numbers are bounded."""

from __future__ import annotations

import asyncio
import gc
import random
import selectors
from collections.abc import AsyncIterator, Callable
from contextlib import closing, nullcontext, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx2
import pytest
from served_apps import app_of, http_client, post, run
from starlette.requests import Request
from test_forms import END, KIND, part

import structgen as sg
from structgen.doors.serving.api_errors import ApiError
from structgen.doors.serving.app import ModelServer
from structgen.doors.serving.record_store import FILE_BYTES, RecordStore
from structgen.doors.serving.server_options import ServerOptions
from structgen.doors.serving.uploads import MOST_UPLOADS, Upload, Uploads

PURPOSE = part("purpose")
HEAD = b'--XY\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
TAIL = b"\r\n" + END


def form(content: bytes) -> bytes:
    return PURPOSE + HEAD + content + TAIL


def request(length: int | str | None = None) -> Request:
    """Return a request with the headers of an upload."""
    headers = [(b"content-type", KIND.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return Request({"type": "http", "method": "POST", "path": "/v1/files", "headers": headers})


async def in_pieces(*pieces: bytes | Callable[[], Any]) -> AsyncIterator[bytes]:
    """Yield pieces; what is no bytes is called and awaited at its place."""
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        else:
            await piece()


def nothing(_owner: Any) -> tuple[int, int]:
    return 0, 0


def reserved(uploads: Uploads) -> int:
    return sum(upload.reserved for upload in uploads._uploads)


def limited(kept_bytes: Callable[[Any], tuple[int, int]], owner_bytes: int, all_bytes: int) -> Uploads:
    """Return uploads under limits; `kept_bytes`: what an owner keeps, and what all keep."""

    def check_room(owner: Any, size: int, reserve: Callable[[], None]) -> None:
        (own, every), (own_reserved, all_reserved) = kept_bytes(owner), uploads.reserved_bytes(owner)
        if own + own_reserved + size > owner_bytes or every + all_reserved + size > all_bytes:
            raise ApiError("There is no room.", status=413)
        reserve()

    uploads = Uploads(check_room)
    return uploads


async def ended(uploads: Uploads, folder: Path, pieces: AsyncIterator[bytes], **more: Any) -> int:
    """Return the bytes of the file of an upload, or the status of its refusal as a negative number."""
    owner, length = more.get("owner", "me"), more.get("length")
    try:
        async with uploads.receive_upload(owner, folder, request(length), pieces) as upload:
            assert upload.path.stat().st_size == upload.size <= upload.reserved
            return upload.size
    except ApiError as error:
        return -error.status


def test_a_declared_length_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    async def never() -> None:
        raise AssertionError("it was read")

    uploads = limited(nothing, 10_000, 100_000)
    for length in (10_001 - FILE_BYTES, 10**18, "9" * 5000):
        assert run(lambda length=length: ended(uploads, tmp_path, in_pieces(never), length=length)) == -413
    assert not list(tmp_path.iterdir()) and not uploads._uploads
    fits = form(b"x" * 1000)
    assert run(lambda: ended(uploads, tmp_path, in_pieces(fits), length=10_000 - FILE_BYTES)) == 1000


def test_without_a_length_no_more_is_written_than_there_is_room(tmp_path: Path) -> None:
    written = list[int]()

    async def look() -> None:
        written.append(sum(path.stat().st_size for path in tmp_path.iterdir()))

    pieces = [PURPOSE + HEAD] + [one for _ in range(50) for one in (b"x" * 1000, look)]
    for length in (None, 100, 0):  # a length may be a lie
        uploads = limited(nothing, 20_000, 100_000)
        assert run(lambda u=uploads, n=length: ended(u, tmp_path, in_pieces(*pieces), length=n)) == -413
        assert 10_000 < max(written) <= 20_000 - FILE_BYTES
    assert not list(tmp_path.iterdir())


def check_room(tmp_path: Path, seeds: range) -> None:
    """Uploads of some owners at once, which end in all ways: what is kept and written is never too much, and
    at the end nothing is reserved."""
    most_own, most_all = 30_000, 50_000
    for seed in seeds:
        draw = random.Random(seed)
        kept = dict.fromkeys("ab", 0)
        uploads = limited(lambda owner, kept=kept: (kept[owner], sum(kept.values())), most_own, most_all)
        folder = tmp_path / str(seed)
        folder.mkdir()

        async def look(folder: Path = folder, kept: Any = kept, uploads: Uploads = uploads) -> None:
            now = sum(path.stat().st_size + FILE_BYTES for path in folder.iterdir())
            assert now <= reserved(uploads) and now + sum(kept.values()) <= most_all
            await asyncio.sleep(0)

        async def one(
            draw: random.Random, uploads: Uploads = uploads, folder: Path = folder, kept: Any = kept
        ) -> None:
            owner, size = draw.choice("ab"), draw.choice([10, 5000, 12_000])
            data = form(b"x" * size)
            way = draw.choice(["whole", "whole", "cut", "fault", "gone", "cancelled", "disk"])
            length = draw.choice([None, len(data)])
            cuts = sorted(draw.sample(range(len(data)), 3))
            pieces: list[Any] = [data[: cuts[0]], look, data[cuts[0] : cuts[1]], look, data[cuts[1] :], look]

            async def broken() -> None:
                if way == "cancelled":
                    raise asyncio.CancelledError
                raise OSError(28, "No space left on device")

            if way == "cut":
                pieces = pieces[:3]
            elif way == "fault":
                pieces[2] = b"\r\n--XY\r\nx"
            elif way != "whole":
                pieces[3] = broken
            try:
                async with uploads.receive_upload(
                    owner, folder, request(length), in_pieces(*pieces)
                ) as upload:
                    assert way in ("whole", "cut", "fault")  # behind the end nothing is a fault
                    kept[owner] += upload.size + FILE_BYTES
                    upload.path.unlink()  # as if it were moved
            except (ApiError, OSError, asyncio.CancelledError):
                pass

        async def work(one: Any = one, draw: random.Random = draw) -> None:
            await asyncio.gather(*(one(random.Random(draw.random())) for _ in range(8)))

        run(work)
        assert not uploads._uploads and not list(folder.iterdir())
        assert all(size <= most_own for size in kept.values()) and sum(kept.values()) <= most_all


def test_room_is_never_given_twice_and_always_given_back(tmp_path: Path) -> None:
    check_room(tmp_path, range(15))


@pytest.mark.slow
def test_room_is_never_given_twice_in_two_thousand_cases(tmp_path: Path) -> None:
    check_room(tmp_path, range(100, 2100))


def test_an_owner_sends_four_files_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        uploads, go_on = limited(nothing, 10**6, 10**7), asyncio.Event()
        waiting = [
            asyncio.ensure_future(
                ended(uploads, tmp_path, in_pieces(form(b"x")[:-3], go_on.wait, b"--\n"), owner=owner)
            )
            for owner in "ab"
            for _ in range(MOST_UPLOADS)
        ]
        while sum(upload.size for upload in uploads._uploads) < 2 * MOST_UPLOADS:
            await asyncio.sleep(0)
        assert await ended(uploads, tmp_path, in_pieces(form(b"x"))) == 1  # of a third owner
        for owner in "ab":
            assert await ended(uploads, tmp_path, in_pieces(form(b"x")), owner=owner) == -429
        go_on.set()
        assert await asyncio.gather(*waiting) == [1] * 2 * MOST_UPLOADS
        assert await ended(uploads, tmp_path, in_pieces(form(b"x")), owner="a") == 1

    run(work)


def held_bytes(uploads: Uploads) -> int:
    """Return how many bytes of clients the uploads hold, in all objects that lead from them."""
    open_: list[Any] = list(uploads._uploads)
    seen, found = set[int](), 0
    while open_:
        one = open_.pop()
        if id(one) in seen or isinstance(one, type | type(gc)) or callable(getattr(one, "__globals__", None)):
            continue
        seen.add(id(one))
        found += len(one) if isinstance(one, bytes | bytearray | memoryview) else 0
        inner = gc.get_referents(one)
        open_ += [each for each in inner if not isinstance(each, dict) or "__builtins__" not in each]
    return found


class Piece(bytes):
    """Bytes of a client, of which all that live are counted."""

    living = 0

    def __init__(self, _: bytes) -> None:
        Piece.living += 1

    def __del__(self) -> None:
        Piece.living -= 1


def test_a_thousand_stalled_uploads_hold_no_bytes_and_no_file(tmp_path: Path) -> None:
    server = ModelServer.__new__(ModelServer)
    server.options = ServerOptions(body_seconds=600.0)
    sizes = len(PURPOSE + HEAD) + 20_000, len(b"\r\n--X")

    async def one(uploads: Uploads, owner: int, go_on: asyncio.Event) -> int:
        left = [b"y" + TAIL, b"\r\n--X", PURPOSE + HEAD + b"x" * 20_000]

        async def receive() -> dict[str, Any]:
            if len(left) == 1:
                await go_on.wait()
            return {"type": "http.request", "body": Piece(left.pop()), "more_body": bool(left)}

        http = Request(request().scope, receive)
        async with uploads.receive_upload(
            owner, tmp_path, http, server.receive_pieces(http, 600.0)
        ) as upload:
            return upload.size

    async def work() -> None:
        uploads, go_on = limited(nothing, 10**9, 10**9), asyncio.Event()
        tasks = [asyncio.ensure_future(one(uploads, at // MOST_UPLOADS, go_on)) for at in range(1000)]
        while sum(upload.received for upload in uploads._uploads) < 1000 * sum(sizes):
            await asyncio.sleep(0.01)
        for _ in range(300):  # a thread may be about to let one go
            await asyncio.sleep(0.01 * bool(Piece.living))
        assert Piece.living == 0
        assert held_bytes(uploads) < 1000 * 200
        opened = [Path(f"/proc/self/fd/{name.name}") for name in Path("/proc/self/fd").glob("*")]
        assert not [one for one in opened if one.exists() and str(one.resolve()).startswith(str(tmp_path))]
        go_on.set()
        assert await asyncio.gather(*tasks) == [20_000 + 6] * 1000

    run(work)


class QuickLoop(asyncio.SelectorEventLoop):
    """A loop whose clock goes on at once to what is waited for."""

    def __init__(self) -> None:
        self.now = 0.0
        loop = self

        class Selector(selectors.SelectSelector):
            def select(self, timeout: float | None = None) -> Any:
                loop.now += timeout or 0.0
                return super().select(0)

        super().__init__(Selector())

    def time(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("pauses", "ends"),
    [
        ([29.0] * 1000, 600.0),
        ([29.0] * 5 + [1000.0], 5 * 29.0 + 30.0),
        ([31.0], 30.0),
        ([29.9] * 5, None),
        ([0.0] * 5, None),
    ],
)
def test_an_upload_ends_without_a_byte_and_after_a_total(
    engine: sg.Engine, pauses: list[float], ends: float | None
) -> None:
    server = ModelServer.__new__(ModelServer)
    server.options = ServerOptions(body_seconds=30.0)
    left = iter(pauses)

    async def receive() -> dict[str, Any]:
        pause = next(left, None)
        for _ in range(3):  # messages without a byte
            await asyncio.sleep((pause or 0.0) / 3)
        return {
            "type": "http.request",
            "body": b"x" if pause is not None else b"",
            "more_body": pause is not None,
        }

    async def work() -> tuple[int, float | None]:
        found, loop = 0, asyncio.get_running_loop()
        try:
            async for piece in server.receive_pieces(Request({"type": "http"}, receive), 600.0):
                found += len(piece)
        except ApiError as error:
            assert error.status == 408
            return found, loop.time()
        return found, None

    loop = QuickLoop()
    found, end = loop.run_until_complete(work())
    loop.close()
    assert end == (None if ends is None else pytest.approx(ends)) and (found == len(pauses) or end)


def test_an_upload_of_another_server_that_was_killed_is_deleted(engine: sg.Engine, tmp_path: Path) -> None:
    left = tmp_path / "files" / "incoming" / "a.upload"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x" * 1000)
    app_of(engine, ServerOptions(files=tmp_path / "files"))
    assert not left.exists()


@pytest.mark.parametrize("piece", [1, 50, 10**6])
def test_the_address_keeps_what_was_sent_in_pieces(engine: sg.Engine, tmp_path: Path, piece: int) -> None:
    app, content = app_of(engine, ServerOptions(files=tmp_path / "files")), b"\r\n--X\r\n--XZ\0\xff" * 5

    async def work() -> tuple[httpx2.Response, bytes]:
        data = form(content)
        sent = in_pieces(*(data[at : at + piece] for at in range(0, len(data), piece)))
        async with http_client(app) as http:
            made = await http.post("/v1/files", content=sent, headers={"content-type": KIND})
            found = await http.get(f"/v1/files/{made.json()['id']}/content")
        return made, found.content

    made, found = run(work)
    assert found == content and made.json()["bytes"] == len(content)
    assert not list((tmp_path / "files").glob("*/*.upload"))


def test_a_disk_that_is_full_leaves_nothing(
    engine: sg.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_upload: Upload, _data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Upload, "_write_file", full)
    app = app_of(engine, ServerOptions(files=tmp_path / "files"))
    found = post(app, "/v1/files", form(b"x"), **{"content-type": KIND})
    assert found.status_code == 507 and str(tmp_path) not in found.text
    assert not list((tmp_path / "files").glob("*/*"))


# --- room that is reserved, and room that is taken ----------------------------------------------------------


def store_with_uploads(folder: Path, most: int) -> tuple[RecordStore, Uploads]:
    """Return a store where each owner, and all of them, may keep so many bytes, and uploads to it."""
    store = RecordStore(folder, ServerOptions(key_bytes=most, files_bytes=most))
    uploads = Uploads(store.check_room)
    store.reserved_bytes = uploads.reserved_bytes
    return store, uploads


def upload_to(store: RecordStore, uploads: Uploads, name: str, size: int) -> Upload:
    """Return an upload under way, whose file has come and has its room."""
    upload = Upload("me", store.incoming / name, KIND)
    upload.path.write_bytes(b"x" * size)
    uploads._uploads.append(upload)
    uploads._reserve_room(upload, size)
    return upload


def record_of(name: str, filename: str = "a") -> dict[str, Any]:
    return {"id": name, "created_at": 1, "expires_at": 1 << 40, "filename": filename, "purpose": "batch"}


class WatchedMutex:
    """The mutex of a store, which tells when a thread must wait for it."""

    def __init__(self, mutex: Any, is_awaited: Event) -> None:
        self.mutex, self.is_awaited = mutex, is_awaited

    def __enter__(self) -> None:
        if not self.mutex.acquire(blocking=False):
            self.is_awaited.set()
            self.mutex.acquire()

    def __exit__(self, *_: object) -> None:
        self.mutex.release()


@pytest.mark.parametrize("way", ["an upload that is kept", "a file that is kept"])
def test_who_looks_for_room_sees_what_is_kept_meanwhile(tmp_path: Path, way: str) -> None:
    size = 10_000
    store, uploads = store_with_uploads(tmp_path, size + 2 * FILE_BYTES)
    is_over = Event()
    store._mutex = WatchedMutex(store._mutex, is_over)
    with closing(store):
        first = None if way == "a file that is kept" else upload_to(store, uploads, "first", size)
        (store.incoming / "other").write_bytes(b"x" * size)

        def keep() -> None:
            if first is None:
                with suppress(ApiError):
                    store.add_file("me", record_of("file-2"), store.incoming / "other")
            else:
                record = record_of("file-1")
                store.add_file("me", record, first.path, end_reservation=first.end_reservation)
                uploads._uploads.remove(first)
            is_over.set()

        threads = list[Thread]()

        def look(owner: str) -> tuple[int, int]:
            if not threads:
                threads.append(Thread(target=keep))
                threads[0].start()
                assert is_over.wait(600)  # it has kept its file, or waits as it may do nothing meanwhile
            return uploads.reserved_bytes(owner)

        store.reserved_bytes = look
        second = Upload("me", store.incoming / "second", KIND)
        uploads._uploads.append(second)
        with suppress(ApiError):
            uploads._reserve_room(second, size)
        threads[0].join()
        assert store.kept_bytes("me")[0] + reserved(uploads) <= store.options.key_bytes
        assert store.kept_bytes("me")[0] + reserved(uploads) > size  # one of them has its room


def test_a_file_and_its_record_have_no_more_room_than_there_is(tmp_path: Path) -> None:
    name, size = "\u0394" * 512, 10_000  # six bytes each in the record
    for more, is_kept in ((0, False), (4_000, True)):
        store, uploads = store_with_uploads(tmp_path / str(more), size + FILE_BYTES + more)
        with closing(store):
            upload = upload_to(store, uploads, "first", size)
            keep = partial(store.add_file, "me", record_of("file-1", name), upload.path)
            with nullcontext() if is_kept else pytest.raises(ApiError):
                keep(end_reservation=upload.end_reservation)
            assert (store.kept_bytes("me")[0] > size) is is_kept and not reserved(uploads)
            assert store.kept_bytes("me")[0] <= store.options.key_bytes
