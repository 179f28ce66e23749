"""`/v1/files` and `/v1/batches`: files of requests, which are answered while nobody waits.

All is kept in the store of the server, under names that no client gives: digests of keys and random numbers.
Stored responses are read here too.
One thread answers a batch after another, and goes on with those that a server before it left. A record goes
some days after its last change: a task removes what has expired.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, closing
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import IO, Any, Final

import anyio
from anyio.from_thread import BlockingPortal
from anyio.to_thread import run_sync
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from structgen.base.errors import OptionError, StructgenError
from structgen.base.json_text.exact_json import JsonObject
from structgen.base.language.shapes import JsonShapes
from structgen.base.system.cache import open_replacement
from structgen.decoding.runs.result_files import as_line, run_difference
from structgen.doors.serving.answer_shape import ObjectResponse
from structgen.doors.serving.api_errors import ApiError, answer_to, unsupported_member
from structgen.doors.serving.batch_runs import URLS, batch_answers, batch_run, outcome_of, read_batch
from structgen.doors.serving.record_store import (
    DAY,
    ENDED,
    FILE_BYTES,
    OPEN,
    RecordStore,
    StoredRecord,
    as_bytes,
    disk_checked,
    owner_of,
)
from structgen.doors.serving.uploads import EXPIRY_FIELDS, Uploads

_SHAPES: Final = JsonShapes(
    f"expiry: 'created_at' anchor!; count seconds!\n"
    f"batch: word input_file_id!; {'|'.join(map(repr, URLS))} endpoint!; '24h' completion_window!; "
    "object metadata; expiry output_expires_after\n"
    "items: word after; count limit; 'asc'|'desc' order\n"
    "listing: +items; word purpose"
)
_OUTPUTS: Final = {"completed": "output_file_id", "failed": "error_file_id"}
"""The members of a batch that name its files, by the outcome of the requests in them."""
_SHORTEST, _LONGEST = 3600, 30 * DAY
_PIECE_BYTES: Final = 1 << 18
"""Of a file that is sent."""
EXPIRY_SECONDS: Final = 60.0
"""The time between two searches for what has expired."""
_log = logging.getLogger("structgen.doors.serving")


class Batches:
    """The addresses, and the thread that answers batches. `server` has the options and the store, reads keys
    and bodies, and answers the requests of batches."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.options = server.options
        self.queue = SimpleQueue[str | None]()
        self.is_over = False
        if server.store is not None:
            self.uploads = Uploads(server.store.check_room)
            server.store.reserved_bytes = self.uploads.reserved_bytes

    @property
    def store(self) -> RecordStore:
        """The store of the server. Raises ApiError where it has none."""
        if self.server.store is None:
            fault = "The server keeps no files and no batches. Start it with --files FOLDER."
            raise ApiError(fault, status=404, code="no_files")
        store: RecordStore = self.server.store
        return store

    def routes(self) -> Iterator[Route]:
        """Yield what is served."""
        for kind in ("files", "batches"):
            for path in (f"/v1/{kind}", f"/v1/{kind}/{{rest:path}}"):
                yield Route(path, partial(self._answer_request, kind), methods=["GET", "POST", "DELETE"])
        path = "/v1/responses/{rest:path}"
        yield Route(path, partial(self._answer_request, "responses"), methods=["GET", "DELETE"])

    async def _answer_request(self, kind: str, http: Request) -> Response:
        """Answer a request at one of the addresses. Errors: ApiError."""
        # a server without a store refuses before a body is read
        owner = owner_of(self.server.check_key(http))
        _ = self.store
        is_new = http.method == "POST" and not http.path_params.get("rest")
        try:
            with disk_checked():
                if is_new and kind == "files":
                    return ObjectResponse(await self._receive_upload(owner, http))
                body = await self.server.receive_object(http) if is_new else {}
                return await run_sync(self._build_reply, owner, kind, http, body)
        except ClientDisconnect:
            return Response()
        except StructgenError as error:
            raise answer_to(error) from error

    def _build_reply(
        self,
        owner: str,
        kind: str,
        http: Request,
        body: JsonObject,
    ) -> Response:
        """Return the answer to a request of an owner, whose body is read. Errors: ApiError, OptionError."""
        store = self.store
        match http.method, kind, *http.path_params.get("rest", "").split("/"):
            case "GET", "files" | "batches", "":
                return ObjectResponse(store.page(kind, owner, **_read_listing(http.query_params)))
            case "GET", _, name:
                # a stored response has its end already
                if http.query_params.get("stream") == "true":
                    raise unsupported_member("stream", "Stored records are not streamed.")
                return ObjectResponse(store.find(kind, name, owner).record)
            case "GET", "files", name, "content":
                file = store.open_file(owner, name)
                size = {"content-length": str(os.fstat(file.fileno()).st_size)}
                kind = "application/octet-stream"
                return StreamingResponse(_file_pieces(file), headers=size, media_type=kind)
            case "GET", "responses", name, "input_items":
                query = _read_listing(http.query_params, "items")
                return ObjectResponse(store.input_items(store.find(kind, name, owner), **query))
            case "DELETE", "files" | "responses", name:
                store.remove(store.find(kind, name, owner))
                return ObjectResponse({"id": name, "object": kind[:-1], "deleted": True})
            case "POST", "batches", "":
                return ObjectResponse(self._begin_batch(owner, body))
            case "POST", "batches", name, "cancel":
                with store.transaction():
                    batch = store.find(kind, name, owner)
                    # a batch that has ended stays as it is
                    if batch.record["status"] not in ENDED:
                        store.change(batch.number, None, "cancelling")
                return ObjectResponse(store.find(kind, name, owner).record)
        raise HTTPException(404)

    # --- files ----------------------------------------------------------------------------------------------

    async def _receive_upload(self, owner: str, http: Request) -> JsonObject:
        """Keep a file of requests, and return its record."""
        if "origin" in http.headers:  # a page in a browser may send a form to any address
            raise ApiError("A page in a browser cannot send files.", status=403)
        pieces = self.server.receive_pieces(http, 20 * self.options.body_seconds)
        async with self.uploads.receive_upload(owner, self.store.incoming, http, pieces) as upload:
            form = upload.form
            record = self._file_record(
                form.filename or "", "batch", _form_expiry(form.fields), "expires_after"
            )
            return await run_sync(
                partial(
                    self.store.add_file, owner, record, upload.path, end_reservation=upload.end_reservation
                )
            )

    def _file_record(
        self,
        filename: str,
        purpose: str,
        expiry: JsonObject | None,
        where: str = "",
    ) -> JsonObject:
        """Return the record of a new file. `expiry`: what the client said of its time, and `where`. Errors:
        OptionError."""
        now = int(time.time())
        record = {"id": f"file-{secrets.token_hex(12)}", "created_at": now, "filename": filename}
        seconds = self._expiry_seconds(expiry, where)
        return {**record, "purpose": purpose, "expires_at": now + seconds}

    def _expiry_seconds(self, expiry: JsonObject | None, where: str) -> int:
        """Return for how long a file is kept: as long as the client wants it, and no longer than the server
        keeps any. Raises OptionError."""
        longest: int = self.options.files_days * DAY
        if expiry is None:
            return longest
        _SHAPES.check(expiry, "expiry", where)
        seconds: int = expiry["seconds"]
        if not _SHORTEST <= seconds <= _LONGEST:
            fault = f"must be from {_SHORTEST:,} to {_LONGEST:,}, got {seconds:,}."
            raise OptionError(fault, where=f"{where}/seconds", cure="Set seconds from an hour to 30 days.")
        return min(seconds, longest)

    # --- batches --------------------------------------------------------------------------------------------

    def _begin_batch(self, owner: str, body: JsonObject) -> JsonObject:
        """Begin a batch, and return its record."""
        _SHAPES.check(body, "batch", "")
        self._expiry_seconds(body.get("output_expires_after"), "output_expires_after")
        now = int(time.time())
        status = "validating"
        identity = {"id": f"batch_{secrets.token_hex(12)}", "object": "batch"}
        record = {**body, **identity, "created_at": now, "expires_at": now + DAY}
        with self.store.transaction():
            self.store.find("files", body["input_file_id"], owner)
            # a batch whose results have no room would be answered in vain
            self.store.check_room(owner, len(as_bytes(record)) + FILE_BYTES)
            self.store.add(owner, "batches", record, OPEN, status=status)
        self.queue.put(record["id"])
        return {**record, "status": status}

    @asynccontextmanager
    async def run_batches(self, _app: Any) -> AsyncIterator[None]:
        """Answer batches during a block, at whose end the engine is closed."""
        if self.server.store is None:
            yield
        else:
            async with self._answer_stored(self.server.store):
                yield
        # the threads of the engine may be in the middle of a step
        await run_sync(self.server.served_model.engine.close)

    @asynccontextmanager
    async def _answer_stored(self, store: RecordStore) -> AsyncIterator[None]:
        """Answer the batches of a store during a block, those that are there and then what comes, and remove
        what has expired."""
        # what a server before this one left goes on
        for name in store.open_batches():
            self.queue.put(name)
        async with BlockingPortal() as portal, anyio.create_task_group() as tasks:
            thread = Thread(None, self._work_in_thread, "structgen-batches", [portal], daemon=True)
            thread.start()
            tasks.start_soon(_remove_expired, store)
            yield
            self.is_over = True
            self.queue.put(None)
            tasks.cancel_scope.cancel()
            # the thread waits in the portal, which gives it up here
            await portal.stop(cancel_remaining=True)
        await run_sync(thread.join)
        store.close()

    def _work_in_thread(self, portal: BlockingPortal) -> None:
        """Answer batches until the server stops, which cancels what the portal does."""
        while (name := self.queue.get()) and not self.is_over:
            try:
                batch = self.store.open_batch(name)
                if batch.record["status"] not in ENDED:
                    self._finish_batch(batch, *self._answer_lines(batch, portal))
                self.store.close_batch(batch.number)
            except Exception as error:  # the batch goes on when the server is started again
                if not self.is_over:
                    _log.error("%s stopped", name, exc_info=error)

    def _answer_lines(self, batch: StoredRecord, portal: BlockingPortal) -> tuple[str, JsonObject]:
        """Answer the requests of a batch that have no line yet. Return the status with which it ends, and the
        members that have changed."""
        store = self.store
        counts = {"total": 0, **batch.record.get("request_counts", {}), "completed": 0, "failed": 0}
        answered_numbers = set[int]()
        for number, outcome, _ in store.lines(batch.number):
            answered_numbers.add(number)
            counts[outcome] += 1
        changes: JsonObject = {"in_progress_at": int(time.time()), "request_counts": counts}
        with store.transaction():
            # a batch of an earlier server goes on
            is_new = store.status(batch.number) == "validating"
            store.change(batch.number, changes, "in_progress" if is_new else None)
        try:
            return self._answer_others(batch, portal, changes, answered_numbers), changes
        except (StructgenError, ApiError, OSError) as error:
            place = re.match(r"file-\w+:(\d+)(?:, (.+))?", getattr(error, "where", ""), re.S)
            message = str(error).replace(f"{store.file_path(batch.owner, '')}{os.sep}", "")
            fault: JsonObject = {"code": "invalid_request", "message": message, "line": None, "param": None}
            if place:
                fault |= {"line": int(place[1]), "param": place[2]}
            return "failed", {**changes, "errors": {"object": "list", "data": [fault]}}

    def _answer_others(
        self,
        batch: StoredRecord,
        portal: BlockingPortal,
        changes: JsonObject,
        answered_numbers: set[int],
    ) -> str:
        """Answer the requests whose numbers are not among some, and count them in `changes`. Return the
        status with which the batch ends. Raises what makes it fail."""
        store = self.store
        owner = batch.owner
        counts = changes["request_counts"]
        name = batch.record["input_file_id"]
        urls = [batch.record["endpoint"]]
        store.find("files", name, owner)
        requests = read_batch(store.file_path(owner, name), "openai", name, self.options.max_body, urls)
        # results are kept by the number of their request
        numbers = {custom_id: number for number, custom_id in enumerate(requests, 1)}
        counts["total"] = len(requests)
        remaining = [
            line for custom_id, line in requests.items() if numbers[custom_id] not in answered_numbers
        ]
        engine = self.server.served_model.engine
        answer_line = partial(self.server.answer_line, owner=owner)
        with closing(
            batch_answers(portal, engine, answer_line, max(1, engine.max_rows // 4), remaining)
        ) as answers:
            self._check_run(batch, batch_run(next(answers), [*requests.values()]))
            while not (status := self._status_of_end(batch)) and (answer := next(answers, None)):
                outcome = outcome_of(answer)
                counts[outcome] += 1
                item = outcome, None, as_line(answer)
                with store.transaction():
                    store.add_item(owner, batch.number, numbers[answer["custom_id"]], item)
                    store.change(batch.number, changes)
        return status or "completed"

    def _check_run(self, batch: StoredRecord, parts: Mapping[str, str]) -> None:
        """Raise OptionError where the lines of a batch are of another run, as that of another model is."""
        earlier_parts = self.store.run_parts(batch.number)
        if earlier_parts is None:
            # later servers compare their model with this one
            self.store.set_run_parts(batch.owner, batch.number, parts)
        elif fault := run_difference(earlier_parts, parts):
            raise OptionError(fault, cure="Start another batch with the same file.")

    def _status_of_end(self, batch: StoredRecord) -> str:
        """Return the status that ends a batch now, or "". Raises ApiError where its owner has no room."""
        self.store.check_room(batch.owner, 0)
        if self.store.status(batch.number) == "cancelling":
            return "cancelled"
        return "expired" if batch.record["expires_at"] < time.time() else ""

    def _finish_batch(
        self,
        batch: StoredRecord,
        status: str,
        changes: JsonObject,
    ) -> None:
        """Make files of the lines of a batch, and end it: all in one transaction."""
        store = self.store
        counts = changes["request_counts"]
        file_ids = dict[str, str]()
        expiry = batch.record.get("output_expires_after")
        name = f"{batch.record['id']}.jsonl"
        records = {outcome: self._file_record(name, "batch_output", expiry) for outcome in _OUTPUTS}
        paths = {outcome: store.incoming / record["id"] for outcome, record in records.items()}
        # the files say what counts
        counts.update(completed=0, failed=0)
        with ExitStack() as stack:
            files = {outcome: stack.enter_context(open_replacement(path)) for outcome, path in paths.items()}
            for _, outcome, content in store.lines(batch.number):
                files[outcome].write(content)
                counts[outcome] += 1
        with store.transaction():
            for outcome, member in _OUTPUTS.items():
                if counts[outcome]:
                    store.add_file(batch.owner, records[outcome], paths[outcome], checks_room=False)
                    file_ids[member] = records[outcome]["id"]
                else:
                    paths[outcome].unlink()
            changes = {**changes, **file_ids, f"{status}_at": int(time.time())}
            store.change(batch.number, changes, status)


async def _file_pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    """Yield the bytes of a file, and close it."""
    with file:
        while piece := await run_sync(file.read, _PIECE_BYTES):
            yield piece


async def _remove_expired(store: RecordStore) -> None:
    """Remove what has expired, now and then, until it is cancelled."""
    while True:
        try:
            while await run_sync(store.remove_expired):
                pass
        except (OSError, sqlite3.Error) as error:
            _log.error("What has expired cannot be removed", exc_info=error)
        await anyio.sleep(EXPIRY_SECONDS)


def _read_listing(query: Mapping[str, str], shape: str = "listing") -> JsonObject:
    """Return what a query of a shape says of a page. Errors: OptionError."""
    members: JsonObject = {name: _whole_number(text) for name, text in query.items()}
    _SHAPES.check(members, shape, "")
    return members


def _whole_number(text: str) -> int | str:
    """Return the whole number that a text is, of 4,000 digits at most, or the text."""
    return int(text[:4000]) if text.isdecimal() else text


def _form_expiry(fields: Mapping[str, bytes]) -> JsonObject | None:
    """Return `expires_after` of a form, whose purpose is checked. Raises ApiError."""
    if fields.get("purpose") != b"batch":
        which = ", ".join(EXPIRY_FIELDS)
        fault = f"purpose: A form has file and purpose, which is batch, and may have {which}."
        raise ApiError(fault, param="purpose")
    texts = {
        member: fields[name].decode("utf-8", "replace")
        for name, member in EXPIRY_FIELDS.items()
        if name in fields
    }
    return {member: _whole_number(text) for member, text in texts.items()} or None
