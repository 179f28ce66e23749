"""What clients keep with a server, in one SQLite database: files, batches and responses, each of an owner.

A *record* is a file, a batch or a response of one *owner*, a digest of the client's key. It is a small row.
An *item* is data that belongs to a record, under a number: item 0 is the record as it was made. The other
items are lines of a batch's results, or the conversation of a response. The bytes of a file lie beside the
database, in a folder for each owner.

Triggers of the database keep the sums of bytes. Each statement finds its rows by an index, so that its cost
does not depend on how much is kept.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from threading import RLock
from typing import IO, Any, Final, NamedTuple, TypeAlias

from filelock import FileLock, Timeout

from structgen.base.errors import OptionError
from structgen.base.json_text.exact_json import JsonObject
from structgen.base.system.cache import make_folders
from structgen.doors.serving.api_errors import ApiError
from structgen.doors.serving.server_options import ServerOptions

Execute: TypeAlias = Callable[..., sqlite3.Cursor]
Item: TypeAlias = tuple[str, str | None, bytes]
"""An item: which part of a record it is, the id by which it is found (or None), and its content."""

NEW, IMPORTED, READY = 1, 2, 3
"""The versions of a database. NEW: it has its tables. IMPORTED: it also has the records of an old folder.
READY: the old records were deleted from the folder."""
OPEN: Final = 1 << 60
"""The time until which a batch is kept while it has not ended: a number greater than any real time."""
DAY: Final = 24 * 60 * 60
ENDED: Final = ("completed", "failed", "expired", "cancelled")
"""The statuses of a batch that has ended."""
FILE_BYTES: Final = 4096
"""The bytes that each record counts in addition to its own."""
MAX_PAGE: Final = 10_000
"""The most records of a page of a listing."""
RUN_ITEM: Final = -1
"""The number of the item that describes the run which wrote the lines of a batch (model, requests)."""
REMOVED_AT_ONCE: Final = 20
"""The most expired records that one transaction removes, so that nobody waits long for it."""
_UNWRITABLE: Final = (
    *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL),
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY),
)
"""The errors of SQLite that come from the disk or the folder, and not from the database."""
_SETTINGS: Final = (
    *("auto_vacuum = INCREMENTAL", "journal_mode = WAL"),
    # a kill loses nothing; what is deleted is overwritten
    *("synchronous = NORMAL", "secure_delete = ON"),
)
_TABLES: Final = """
CREATE TABLE records(
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
    kind TEXT NOT NULL, purpose TEXT, kept_until INTEGER NOT NULL, bytes INTEGER NOT NULL,
    status TEXT, changes BLOB NOT NULL);
CREATE INDEX records_by_kind ON records(owner, kind);
CREATE INDEX records_by_purpose ON records(owner, kind, purpose);
CREATE INDEX records_by_end ON records(kept_until);
CREATE TABLE items(
    record INTEGER NOT NULL, number INTEGER NOT NULL, owner TEXT NOT NULL, part TEXT NOT NULL, id BLOB,
    content BLOB NOT NULL, UNIQUE(record, number));
CREATE INDEX items_by_id ON items(owner, id, record) WHERE id IS NOT NULL;
CREATE TABLE sums(owner TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID"""
_TRIGGER: Final = """
CREATE TRIGGER {table}_{event} AFTER {event} ON {table} BEGIN
    INSERT INTO sums VALUES ({row}.owner, {sign}{bytes}), ('', {sign}{bytes})
    ON CONFLICT(owner) DO UPDATE SET bytes = bytes + excluded.bytes; END"""
"""A trigger that keeps the sums of bytes: of each owner, and of all owners together under the empty name."""
_RECORD: Final = """
SELECT records.number, records.owner, status, changes, content FROM records
CROSS JOIN items ON items.record = records.number AND items.number = 0 WHERE """
_ITEM: Final = "SELECT number, owner, NULL, '{}', content FROM items WHERE "


class StoredRecord(NamedTuple):
    """A record as it is now, with the number by which its items are found."""

    number: int
    owner: str
    record: JsonObject


class RecordStore:
    """The records of a folder, which only one server at a time may use. Methods may be called from any
    thread, and each call is short. Raises OptionError for a folder that cannot be used, and sqlite3.Error and
    OSError, which `disk_checked` translates."""

    def __init__(self, folder: Path, options: ServerOptions) -> None:
        self.folder = folder
        self.options = options
        self.incoming = folder / "incoming"
        """The folder in which a file is written before it is kept. It is emptied at the start of a server."""
        self.reserved_bytes: Callable[[str], tuple[int, int]] = lambda owner: (0, 0)
        """A function that returns the bytes that uploads under way have reserved: for an owner, and for
        all."""
        self.path = folder / "records.sqlite3"
        self._mutex = RLock()
        self._moves: list[tuple[Path, Path | None, Path | None]] = []
        """The files in `incoming` that a transaction moves: (file, its path after success, its path after an
        error). None: the file is deleted."""
        self._file_lock = FileLock(folder / "lock", 0, 0o600, thread_local=False)
        with self.usable_folder():
            make_folders(self.incoming)
            self._file_lock.acquire()
            try:
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
                self._database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
                self._open_database()
                self._end_moves()
            except BaseException:
                self._file_lock.release()
                raise

    @contextmanager
    def usable_folder(self) -> Iterator[None]:
        """During a block, raise OptionError for errors of a folder or a database that cannot be used."""
        try:
            yield
        except Timeout:
            cure = "Name another one."
            raise OptionError("Another server is using this folder.", where="files", cure=cure) from None
        except (OSError, sqlite3.Error) as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if isinstance(error, OSError) or code in _UNWRITABLE:
                message = f"The folder cannot be written: {getattr(error, 'strerror', None) or error}."
                cure = "Name a writable folder, on a disk with room."
            else:
                fault = " ".join(str(error).split())
                message = f"{self.path} is damaged, or is not a database of structgen: {fault}."
                cure = f"Restore it from a backup, or move {self.path.name}* away, to start without records."
            raise OptionError(message, where="files", cure=cure) from error

    def _open_database(self) -> None:
        """Check the database, and create the tables of a new one."""
        execute = self._database.execute
        # nothing may be written into a damaged database
        if (fault := execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(fault)
        # a newer structgen may have other tables
        if self.version > READY:
            message = f"{self.path} has version {self.version}, and this structgen reads up to {READY}."
            raise OptionError(message, where="files", cure="Start a newer structgen, or name another folder.")
        for setting in _SETTINGS:
            execute(f"PRAGMA {setting}")
        if self.version:
            return
        with self.transaction():
            for table in _TABLES.split(";"):
                execute(table)
            for table, bytes_ in (("records", "{}.bytes"), ("items", "length({}.content)")):
                for event, row, sign in (("INSERT", "new", ""), ("DELETE", "old", "-")):
                    size = bytes_.format(row)
                    execute(_TRIGGER.format(table=table, event=event, row=row, sign=sign, bytes=size))
            self.version = NEW

    def _end_moves(self) -> None:
        """Finish the moves of a server that was killed: files whose records were kept go to their places, and
        the others are deleted."""
        for path in self.incoming.iterdir():
            if owner := self.owner_of_record(path.name):
                os.replace(path, self.file_path(owner, path.name))
            else:
                path.unlink()

    def owner_of_record(self, name: str) -> str:
        """Return the owner of the record with a name; "" if there is none."""
        rows = self._select_rows("SELECT owner FROM records WHERE id = ?", (make_printable(name),))
        return str(rows[0][0]) if rows else ""

    @property
    def version(self) -> int:
        """The version of the database: `NEW`, `IMPORTED` or `READY`."""
        return int(self._database.execute("PRAGMA user_version").fetchone()[0])

    @version.setter
    def version(self, version: int) -> None:
        self._database.execute(f"PRAGMA user_version = {version}")

    def close(self) -> None:
        """Close the database, and leave the folder to another server."""
        with self._mutex:
            self._database.close()
        self._file_lock.release()

    @contextmanager
    def transaction(self) -> Iterator[Execute]:
        """Lend what executes statements, all of which are kept at the end of the block, or none after an
        error. A block inside another one is a part of it."""
        with self._mutex:
            # SQLite has no transactions inside of others
            if self._database.in_transaction:
                yield self._database.execute
                return
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database.execute
                self._database.execute("COMMIT")
                # a server that is killed here moves the files at its next start
                self._move_files(is_kept=True)
            except BaseException:
                self._move_files(is_kept=False)
                raise

    def _move_files(self, *, is_kept: bool) -> None:
        """Move the files of a transaction to their places. `is_kept`: whether the transaction succeeded."""
        if self._database.in_transaction:
            self._database.execute("ROLLBACK")
        moves = self._moves
        self._moves = []
        for source, place, former in moves:
            if target := place if is_kept else former:
                os.replace(source, target)
            else:
                source.unlink(missing_ok=True)

    def _select_rows(self, statement: str, values: Sequence[Any]) -> list[Any]:
        with self._mutex:
            return self._database.execute(statement, values).fetchall()

    # --- room -----------------------------------------------------------------------------------------------

    def kept_bytes(self, owner: str) -> tuple[int, int]:
        """Return the bytes that an owner keeps, and those of all. Each record counts `FILE_BYTES` more."""
        sums = dict(self._select_rows("SELECT owner, bytes FROM sums WHERE owner IN (?, '')", (owner,)))
        return sums.get(owner, 0), sums.get("", 0)

    def check_room(
        self,
        owner: str,
        size: int,
        reserve: Callable[[], None] | None = None,
    ) -> None:
        """Raise ApiError if an owner may not keep `size` more bytes. Reserved bytes count as kept. `reserve`:
        a function that reserves the bytes; it is called under the same lock."""
        while True:
            with self._mutex:  # so the end of a reservation and the keeping of its file are never seen apart
                sums = zip(self.kept_bytes(owner), self.reserved_bytes(owner), strict=True)
                own_bytes, total = (
                    stored_bytes + reserved_size + size for stored_bytes, reserved_size in sums
                )
                if own_bytes <= self.options.key_bytes and total <= self.options.files_bytes:
                    if reserve is not None:
                        reserve()
                    return
            # expired records are removed first, to make room
            if not self.remove_expired():
                fault = "The files of this key, or of all, would exceed their limit of bytes. Delete some."
                raise ApiError(fault, status=413, code="too_large")

    # --- records --------------------------------------------------------------------------------------------

    def file_path(self, owner: str, name: str) -> Path:
        """Return the path of the bytes of a file."""
        return self.folder / owner / name

    def add(
        self,
        owner: str,
        kind: str,
        record: JsonObject,
        kept_until: int,
        *,
        items: Iterable[Item] = (),
        size: int = 0,
        status: str | None = None,
    ) -> int:
        """Keep a record with its items, and return its number. `kind`: "files", "batches" or "responses";
        `size`: the bytes of its file; `status`: that of a batch, which `change` sets.
        Cost: about 0.1 ms. Example: `add(owner, "batches", record, OPEN, status="validating")`."""
        row = record["id"], owner, kind, record.get("purpose"), kept_until
        with self.transaction() as execute:
            statement = "INSERT INTO records VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)"
            number = execute(statement, (*row, size + FILE_BYTES, status, b"{}")).lastrowid
            assert number is not None, "a row was inserted"
            for index, item in enumerate((("record", None, as_bytes(record)), *items)):
                self.add_item(owner, number, index, item)
        return number

    def add_file(
        self,
        owner: str,
        record: JsonObject,
        path: Path,
        *,
        checks_room: bool = True,
        end_reservation: Callable[[], None] | None = None,
    ) -> JsonObject:
        """Keep a file, and return its whole record. After an error neither the file nor the record is kept.

        `record`: its `id`, `created_at`, `expires_at`, `filename` and `purpose`. `path`: the file, on the
        disk of `incoming`; it is moved. `checks_room`: whether to raise ApiError if the owner has no room for
        it. `end_reservation`: a function that gives back the room that was reserved for the file.
        """
        name = record["id"]
        size = path.stat().st_size
        record = {**record, "object": "file", "bytes": size, "status": "processed"}
        source = self.incoming / name
        target = self.file_path(owner, name)
        # the file is moved to its place only when the record is kept
        os.replace(path, source)
        with self.transaction():
            self._moves.append((source, target, None))
            if end_reservation is not None:
                end_reservation()
            if checks_room:
                self.check_room(owner, size + len(as_bytes(record)) + FILE_BYTES)
            make_folders(target.parent)
            self.add(owner, "files", record, record["expires_at"], size=size)
        return record

    def open_file(self, owner: str, name: str) -> IO[bytes]:
        """Open a file of an owner. It can be read to its end even if it is deleted meanwhile. Raises ApiError
        if it does not exist."""
        record = self.find("files", name, owner).record
        try:
            return self.file_path(owner, record["id"]).open("rb")
        except FileNotFoundError:
            raise _not_found(name) from None

    def add_item(
        self,
        owner: str,
        number: int,
        index: int,
        item: Item,
    ) -> None:
        """Keep an item of a record. `number`: that of the record; `index`: that of the item. Raises
        sqlite3.IntegrityError if the record has an item with this number."""
        part, name, content = item
        values = number, index, owner, part, _item_id(name), content
        with self.transaction() as execute:
            execute("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?)", values)

    def find(
        self,
        kind: str,
        name: str,
        owner: str,
    ) -> StoredRecord:
        """Return a record of an owner by its name. Raises ApiError if there is none, or it has expired."""
        statement = f"{_RECORD} records.id = ? AND records.owner = ? AND kind = ? AND kept_until > ?"
        rows = self._select_rows(statement, (make_printable(name), owner, kind, time.time()))
        if not rows:
            raise _not_found(name)
        return _read_row(rows[0])

    def page(
        self,
        kind: str,
        owner: str,
        *,
        limit: int = MAX_PAGE,
        after: str = "",
        order: str = "desc",
        purpose: str | None = None,
    ) -> JsonObject:
        """Return a page of the records of an owner, in the order of their creation, as OpenAI's listings are:
        at most `limit` after the record `after`, and no more bytes than a body may have. Raises ApiError for
        an `after` that is not there. Cost: that of what is returned."""
        number = self.find(kind, after, owner).number if after else None
        where = f"{_RECORD} records.owner = ? AND kind = ? AND kept_until > ?"
        values = [owner, kind, time.time()]
        if purpose is not None:
            where += " AND purpose = ?"
            values.append(purpose)
        return self._list_rows(where, values, "records.number", number, limit, order)

    def _list_rows(
        self,
        where: str,
        values: list[Any],
        key: str,
        after: int | None,
        limit: int,
        order: str,
    ) -> JsonObject:
        """Return a page of the rows of a statement, after the one whose `key` is `after`."""
        sign, first = ("<", OPEN) if order == "desc" else (">", 0)
        limit = min(limit or MAX_PAGE, MAX_PAGE)
        statement = f"{where} AND {key} {sign} ? ORDER BY {key} {order} LIMIT ?"
        data = list[JsonObject]()
        size = 0
        has_more = False
        with self._mutex:
            for row in self._database.execute(
                statement, (*values, first if after is None else after, limit + 1)
            ):
                # one more row than is returned shows whether there are others
                has_more = len(data) == limit or size > self.options.max_body
                if has_more:
                    break
                data.append(_read_row(row).record)
                size += len(row[-1])
        ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
        return {"object": "list", "data": data, "has_more": has_more, **ends}

    def remove(self, stored_record: StoredRecord) -> None:
        """Delete a record with all that belongs to it."""
        name = stored_record.record["id"]
        place = self.file_path(stored_record.owner, name)
        source = self.incoming / name
        with self.transaction() as execute:
            with suppress(FileNotFoundError):
                # an error brings the file back
                os.replace(place, source)
                self._moves.append((source, None, place))
            execute("DELETE FROM items WHERE record = ?", (stored_record.number,))
            execute("DELETE FROM records WHERE number = ?", (stored_record.number,))

    def remove_expired(self) -> bool:
        """Delete some of the records whose time is over. Return whether there were any."""
        statement = "SELECT number, owner, id FROM records WHERE kept_until <= ? ORDER BY kept_until LIMIT ?"
        with self.transaction():
            rows = self._select_rows(statement, (time.time(), REMOVED_AT_ONCE))
            for number, owner, name in rows:
                self.remove(StoredRecord(number, owner, {"id": name}))
        if rows:
            self._select_rows("PRAGMA incremental_vacuum(1000)", ())
        return bool(rows)

    # --- responses ------------------------------------------------------------------------------------------

    def item(self, owner: str, name: str) -> bytes | None:
        """Return the content of the item with an id; None if there is none. If several records of the owner
        have it, it is that of the latest."""
        statement = (
            "SELECT content FROM items CROSS JOIN records ON records.number = record "
            "WHERE items.owner = ? AND items.id = ? AND kept_until > ? ORDER BY record DESC LIMIT 1"
        )
        rows = self._select_rows(statement, (owner, _item_id(name), time.time()))
        return rows[0][0] if rows else None

    def input_items(
        self,
        stored_record: StoredRecord,
        *,
        limit: int = 20,
        after: str = "",
        order: str = "desc",
    ) -> JsonObject:
        """Return a page of the items that a response answers, as `page` does it."""
        number = None
        if after:
            statement = "SELECT number FROM items WHERE owner = ? AND id = ? AND record = ?"
            rows = self._select_rows(statement, (stored_record.owner, _item_id(after), stored_record.number))
            if not rows:
                raise ApiError(f"after: {after[:80]!r} does not exist here.", status=404, param="after")
            ((number,),) = rows
        where = f"{_ITEM} record = ? AND part = 'input'"
        return self._list_rows(where, [stored_record.number], "number", number, limit, order)

    # --- batches --------------------------------------------------------------------------------------------

    def open_batches(self) -> list[str]:
        """Return the names of the batches that have not ended, in the order in which they came."""
        statement = "SELECT id FROM records WHERE kept_until = ? ORDER BY number"
        return [name for (name,) in self._select_rows(statement, (OPEN,))]

    def open_batch(self, name: str) -> StoredRecord:
        """Return a batch that has not ended."""
        return _read_row(self._select_rows(f"{_RECORD} records.id = ?", (name,))[0])

    def status(self, number: int) -> str:
        """Return the status of a batch."""
        return str(self._select_rows("SELECT status FROM records WHERE number = ?", (number,))[0][0])

    def change(
        self,
        number: int,
        changes: JsonObject | None,
        status: str | None = None,
    ) -> None:
        """Set the members of a batch that change, and its status, where they are given."""
        statement = "UPDATE records SET changes = coalesce(?, changes), status = coalesce(?, status)"
        values = None if changes is None else as_bytes(changes), status, number
        with self.transaction() as execute:
            execute(f"{statement} WHERE number = ?", values)

    def lines(self, number: int) -> Iterator[tuple[int, str, bytes]]:
        """Yield the lines of results of a batch in the order of its requests: number, outcome and content."""
        where = "record = ? AND number > ? ORDER BY number LIMIT 100"
        statement = f"SELECT number, part, content FROM items WHERE {where}"
        last = 0
        while rows := self._select_rows(statement, (number, last)):
            yield from rows
            last = rows[-1][0]

    def run_parts(self, number: int) -> JsonObject | None:
        """Return the description of the run that wrote the lines of a batch (`set_run_parts`), or None."""
        rows = self._select_rows(
            "SELECT content FROM items WHERE record = ? AND number = ?", (number, RUN_ITEM)
        )
        return json.loads(rows[0][0]) if rows else None

    def set_run_parts(
        self,
        owner: str,
        number: int,
        parts: Mapping[str, str],
    ) -> None:
        """Keep the description of the run that writes the lines of a batch."""
        self.add_item(owner, number, RUN_ITEM, ("run", None, as_bytes(parts)))

    def close_batch(self, number: int) -> None:
        """Delete the lines of a batch that has ended, some at a time. From then on the batch can expire."""
        some = "SELECT number FROM items WHERE record = ? AND number > 0 LIMIT 1000"
        while self._select_rows(some, (number,)):
            with self.transaction() as execute:
                execute(f"DELETE FROM items WHERE record = ? AND number IN ({some})", (number, number))
        with self.transaction() as execute:
            execute("UPDATE records SET kept_until = ? WHERE number = ?", (self.last_day(), number))

    def last_day(self) -> int:
        """Return the time until which a record that changes now is kept, in seconds since 1970."""
        return int(time.time()) + self.options.files_days * DAY


@contextmanager
def disk_checked() -> Iterator[None]:
    """During a block, turn the error of a full disk into an ApiError with status 507."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        is_full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        if is_full or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise ApiError("The server's disk is full.", status=507, code="disk_full") from error
        raise


def owner_of(key: bytes) -> str:
    """Return the owner for a key: a digest, which does not reveal the key."""
    return blake2b(key, digest_size=16).hexdigest()


def as_bytes(value: Any) -> bytes:
    """Return a value as JSON text in ASCII, so that half of a surrogate pair becomes an escape."""
    return json.dumps(value).encode()


def make_printable(name: str) -> str:
    """Return a name that a client sent as a text that SQLite takes."""
    return name.encode("utf-8", "replace").decode()


def _not_found(name: str) -> ApiError:
    return ApiError(f"{name[:80]!r} does not exist here.", status=404, code="not_found")


def _item_id(name: str | None) -> bytes | None:
    return None if name is None else name.encode("utf-8", "surrogatepass")


def _read_row(row: Any) -> StoredRecord:
    number, owner, status, changes, content = row
    record = {**json.loads(content), **json.loads(changes)}
    return StoredRecord(number, owner, record if status is None else {**record, "status": status})
