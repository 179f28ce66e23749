"""`/v1/files` and `/v1/batches`: files of requests, which are answered while nobody waits.

All lies in a folder for each key, under names that no client gives: digests of keys and random numbers. A
record is a file of JSON; it goes some days after its last change, with what belongs to it. One thread answers
a batch after another, and goes on with those that a server before it left.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from hashlib import blake2b
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final

from anyio.from_thread import BlockingPortal
from anyio.to_thread import run_sync
from filelock import FileLock, Timeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from structgen.asking.tool_calls.tool_shapes import JsonObject
from structgen.base.errors import OptionError, StructgenError
from structgen.base.language.shapes import JsonShapes
from structgen.base.system.cache import make_folders, replacing
from structgen.base.system.text_files import naming
from structgen.doors.serving.answer_shape import ObjectResponse
from structgen.doors.serving.api_errors import ApiError, answer_to
from structgen.doors.serving.batch_runs import URLS, batch_results, read_batch
from structgen.doors.serving.uploads import FILE_BYTES, SUFFIX, Upload, Uploads

_SHAPES: Final = JsonShapes(
    f"batch: word input_file_id!; {'|'.join(map(repr, URLS))} endpoint!; '24h' completion_window!; "
    "object metadata\nlisting: word after; count limit; word purpose; 'asc'|'desc' order"
)
DAY: Final = 24 * 60 * 60
_PREFIXES: Final = {"files": "file-", "batches": "batch_"}
_ENDED: Final = ("completed", "failed", "expired", "cancelled")
_log = logging.getLogger("structgen.doors.serving")


class Batches:
    """The addresses, and what they keep. `server` has the options, reads keys and bodies, and answers the
    requests of batches. Errors: OptionError for a folder that another server has; OSError."""

    def __init__(self, server: Any) -> None:
        self.server, self.options = server, server.options
        self.uploads = Uploads(_kept_bytes, self.options.key_bytes, self.options.files_bytes)
        self.queue = SimpleQueue[Path | None]()
        self.is_over = False
        self.lock = FileLock((self.options.files or Path()) / "lock", 0, 0o600, thread_local=False)
        if self.options.files is not None:
            with naming(self.options.files):
                make_folders(self.options.files)
            try:
                self.lock.acquire()
            except Timeout:
                what = "Another server has this folder."
                raise OptionError(what, where="files", cure="Name another one.") from None
            for path in self.options.files.glob(f"*/*{SUFFIX}"):
                path.unlink()

    def routes(self) -> Iterator[Route]:
        """Yield what is served."""
        for kind in _PREFIXES:
            for path in (f"/v1/{kind}", f"/v1/{kind}/{{rest:path}}"):
                yield Route(path, partial(self._answer, kind), methods=["GET", "POST", "DELETE"])

    async def _answer(self, kind: str, http: Request) -> Response:
        """Answer a request at one of the addresses; what has lain too long goes before. Errors: ApiError."""
        key, files = self.server.check_key(http), self.options.files
        if files is None:
            what = "The server keeps no files and no batches. Have it started with --files FOLDER."
            raise ApiError(what, status=404, code="no_files")
        for path, facts in _facts(files):
            if facts.st_mtime + self.options.files_days * DAY < time.time():
                path.unlink(missing_ok=True)
        folder = files / blake2b(key, digest_size=16).hexdigest()
        make_folders(folder)
        try:
            reply = await self._found(kind, folder, http)
        except ClientDisconnect:
            return Response()
        except StructgenError as error:
            raise answer_to(error) from error
        return reply if isinstance(reply, Response) else await run_sync(ObjectResponse, reply)

    async def _found(self, kind: str, folder: Path, http: Request) -> Any:
        """Return the answer to a request of an owner, or the object in it. Errors: ApiError, OptionError."""
        match http.method, kind, *http.path_params.get("rest", "").split("/"):
            case "GET", _, "":
                return _listed(folder, kind, http.query_params)
            case "GET", _, name:
                return _record(_known(folder, kind, name))
            case "GET", "files", name, "content":
                held = _known(folder, kind, name).with_suffix("")
                return FileResponse(held, media_type="application/octet-stream")
            case "DELETE", "files", name:
                place = _known(folder, kind, name)
                place.unlink()
                place.with_suffix("").unlink(missing_ok=True)
                return {"id": name, "object": "file", "deleted": True}
            case "POST", "files", "":
                return await self._upload(folder, http)
            case "POST", "batches", "":
                return await run_sync(self._begin, folder, await self.server.body(http))
            case "POST", "batches", name, "cancel":
                place = _known(folder, kind, name)
                if _record(place)["status"] not in _ENDED:
                    place.with_suffix(".cancel").touch()
                return _record(place)
        raise HTTPException(404)

    # --- files ----------------------------------------------------------------------------------------------

    async def _upload(self, folder: Path, http: Request) -> JsonObject:
        """Keep a file of requests, and return its record."""
        if "origin" in http.headers:  # a page in a browser may send a form to any address
            raise ApiError("A page in a browser may send no files.", status=403)
        pieces = self.server.pieces(http, 20 * self.options.body_seconds)
        async with self.uploads.receive(folder, folder, http, pieces) as upload:
            fields = upload.form.fields
            name = min(fields.keys() ^ {"purpose"}, default="purpose")
            if fields.get(name) != b"batch" or name != "purpose":
                what = "A form has file and purpose, which is batch, and no more."
                raise ApiError(f"{name}: {what}", param=name)
            return await run_sync(self._keep_upload, folder, upload)

    def _keep_upload(self, folder: Path, upload: Upload) -> JsonObject:
        """Keep an upload that has come whole, and return its record."""
        number = secrets.token_hex(12)
        os.replace(upload.path, folder / f"file-{number}")
        return self._keep_record(folder, number, upload.form.filename, "batch", upload.size)

    def _keep_file(
        self, folder: Path, number: str, filename: str, purpose: str, content: Iterable[bytes]
    ) -> JsonObject:
        """Keep a file, and return its record."""
        with replacing(folder / f"file-{number}") as file:
            file.writelines(content)
            size = file.tell()
        return self._keep_record(folder, number, filename, purpose, size)

    def _keep_record(
        self, folder: Path, number: str, filename: str | None, purpose: str, size: int
    ) -> JsonObject:
        """Keep the record of a file that is there, and return it."""
        place, now = folder / f"file-{number}.json", int(time.time())
        record = {"id": place.stem, "object": "file", "bytes": size, "created_at": now, "filename": filename}
        record |= {"purpose": purpose, "status": "processed"}
        return _keep(place, {**record, "expires_at": now + self.options.files_days * DAY})

    # --- batches --------------------------------------------------------------------------------------------

    def _begin(self, folder: Path, body: JsonObject) -> JsonObject:
        """Begin a batch, and return its record."""
        _SHAPES.check(body, "batch", "")
        _known(folder, "files", body["input_file_id"])
        self.uploads.check(folder, len(json.dumps(body)))
        place, now = folder / f"batch_{secrets.token_hex(12)}.json", int(time.time())
        said = {"id": place.stem, "object": "batch", "status": "validating", "created_at": now}
        record = _keep(place, {**body, **said, "expires_at": now + DAY})
        self.queue.put(place)
        return record

    @asynccontextmanager
    async def running(self, _app: Any) -> AsyncIterator[None]:
        """Answer batches during a block, at whose end the engine is closed."""
        if self.options.files is None:
            yield
        else:
            async with self._answering(self.options.files):
                yield
        # the threads of the engine may be in the middle of a step
        await run_sync(self.server.named.engine.close)

    @asynccontextmanager
    async def _answering(self, files: Path) -> AsyncIterator[None]:
        """Answer the batches of a folder during a block: those that are there, and then what comes."""
        umask = os.umask(0o077)
        for place in sorted(files.glob("*/batch_*.json"), key=lambda path: int(_record(path)["created_at"])):
            self.queue.put(place)
        async with BlockingPortal() as portal:
            thread = Thread(None, self._work, "structgen-batches", [portal], daemon=True)
            thread.start()
            yield
            self.is_over = True
            self.queue.put(None)
            await portal.stop(cancel_remaining=True)
        await run_sync(thread.join)
        os.umask(umask)
        self.lock.release()

    def _work(self, portal: BlockingPortal) -> None:
        """Answer batches until the server stops, which cancels what the portal does."""
        while (place := self.queue.get()) and not self.is_over:
            try:
                self._run(place, portal)
                for path in place.parent.glob(f"{place.stem}.[!j]*"):
                    path.unlink()
            except Exception as error:  # the batch goes on when the server is started again
                if not self.is_over:
                    _log.error("%s stopped", place.stem, exc_info=error)

    def _run(self, place: Path, portal: BlockingPortal) -> None:
        """Answer the requests of a batch."""
        record, results, counts = _record(place), place.with_suffix(".results"), Counter(total=0)
        if record["status"] in _ENDED:
            return
        record |= {"status": "in_progress", "in_progress_at": int(time.time()), "request_counts": counts}
        try:
            file, rows = place.with_name(record["input_file_id"]), self.server.named.engine.max_rows
            lines = read_batch(file, "openai", file.name, self.options.max_body, [record["endpoint"]])
            counts.update(total=len(lines), completed=0, failed=0)
            with closing(batch_results(portal, self.server, lines, results, max(1, rows // 4))) as done:
                while not (status := self._ended(place, record)) and (line := next(done, (None,))[0]):
                    counts[_outcome(line)] += 1
        except (StructgenError, ApiError, OSError) as error:
            what = str(error).replace(f"{place.parent}{os.sep}", "")
            fault = {"code": "invalid_request", "message": what, "line": None, "param": None}
            record["errors"], status = {"object": "list", "data": [fault]}, "failed"
        *whole, _ = results.read_bytes().split(b"\n") if results.exists() else [b""]  # a kill cuts lines
        for member, outcome in (("output_file_id", "completed"), ("error_file_id", "failed")):
            said = [line + b"\n" for line in whole if _outcome(json.loads(line)) == outcome]
            counts[outcome] = len(said)
            if said:
                # the same one after a kill
                number = blake2b(f"{outcome} {place.stem}".encode(), digest_size=12).hexdigest()
                made = self._keep_file(place.parent, number, f"{place.stem}.jsonl", "batch_output", said)
                record[member] = made["id"]
        status = status or "completed"
        _keep(place, {**record, "status": status, f"{status}_at": int(time.time())})

    def _ended(self, place: Path, record: JsonObject) -> str:
        """Write the record of a batch that goes on, and return the status that ends it, or "". Raises
        ApiError where its owner may keep no more."""
        _keep(place, record)
        self.uploads.check(place.parent, 0)
        if place.with_suffix(".cancel").exists():
            return "cancelled"
        return "expired" if record["expires_at"] < time.time() else ""


def _listed(folder: Path, kind: str, query: Mapping[str, str]) -> JsonObject:
    """Return the records of an owner, as a query asks for them. Errors: ApiError, OptionError."""
    asked: JsonObject = {name: int(said[:9]) if said.isdecimal() else said for name, said in query.items()}
    _SHAPES.check(asked, "listing", "")
    records = map(_record, folder.glob(f"{_PREFIXES[kind]}*.json"))
    data = sorted(records, key=lambda record: (-record["created_at"], record["id"]))
    if asked.get("order") == "asc":
        data.reverse()
    if "after" in asked:
        last = _known(folder, kind, asked["after"]).stem
        data = data[1 + [record["id"] for record in data].index(last) :]
    if "purpose" in asked:
        data = [record for record in data if record.get("purpose") == asked["purpose"]]
    most = asked.get("limit") or len(data)
    return {"object": "list", "data": data[:most], "has_more": len(data) > most}


def _known(folder: Path, kind: str, name: str) -> Path:
    """Return the path of a record. Raises ApiError where the owner has none of this name."""
    place = folder / f"{name}.json"
    if not re.fullmatch(f"{_PREFIXES[kind]}[0-9a-f]{{24}}", name) or not place.exists():
        raise ApiError(f"There is no {name[:80]!r} here.", status=404, code="not_found")
    return place


def _keep(place: Path, record: JsonObject) -> JsonObject:
    """Write a record, whole or not at all, and return it."""
    with replacing(place) as file:
        file.write(json.dumps(record).encode())
    return record


def _record(place: Path) -> JsonObject:
    """Return a record as it is now."""
    record: JsonObject = json.loads(place.read_bytes())
    is_cancelled = record["status"] not in _ENDED and place.with_suffix(".cancel").exists()
    return {**record, "status": "cancelling"} if is_cancelled else record


def _facts(files: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the paths of all owners, and what the system says of each."""
    for path in files.glob("*/*"):
        with suppress(FileNotFoundError):  # it has gone meanwhile
            yield path, path.stat()


def _kept_bytes(folder: Path) -> tuple[int, int]:
    """Return the bytes that an owner keeps, and all owners; each file counts for some more."""
    own = every = 0
    for path, facts in _facts(folder.parent):
        size = (facts.st_size + FILE_BYTES) * (path.suffix != SUFFIX)
        every += size
        own += size * (path.parent == folder)
    return own, every


def _outcome(line: JsonObject) -> str:
    return "completed" if line["response"]["status_code"] == 200 else "failed"
