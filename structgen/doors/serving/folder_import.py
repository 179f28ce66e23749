"""The records of a folder of structgen 0.9, files of JSON, become records of its database, once."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from structgen.base.errors import StructgenError
from structgen.base.language.shapes import JsonShapes
from structgen.decoding.runs.result_files import run_file
from structgen.doors.serving.batch_runs import outcome_of, read_batch
from structgen.doors.serving.record_store import DAY, ENDED, IMPORTED, NEW, OPEN, READY, Item, RecordStore
from structgen.doors.serving.server_options import ServerOptions

_SHAPES: Final = JsonShapes(
    "file-: 'file' object!; text id! purpose!; integer created_at! expires_at!; any *\n"
    "batch_: 'batch' object!; text id! status! endpoint! input_file_id!; text purpose; "
    "object request_counts; integer created_at! expires_at!; any *"
)
_DAMAGE: Final = (
    *(OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError),
    *(StructgenError, sqlite3.IntegrityError),
)
"""What reading a damaged record raises."""
_log = logging.getLogger("structgen.doors.serving")


def open_store(options: ServerOptions) -> RecordStore | None:
    """Return the store of the folder of a server, with the records that it had before; None without a folder.
    Errors: OptionError for a folder that cannot be used."""
    if options.files is None:
        return None
    store = RecordStore(options.files, options)
    try:
        with store.usable_folder():
            import_folder(store)
    except BaseException:
        store.close()
        raise
    return store


def import_folder(store: RecordStore) -> None:
    """Take the records over into a new database, all or none, and delete their files. One that is damaged is
    named in the log and left where it is. Errors: OSError, sqlite3.Error."""
    if store.version == NEW:
        with store.transaction() as execute:
            for path in sorted(_record_files(store), key=_creation_time):
                execute("SAVEPOINT record")
                try:
                    _import_record(store, path)
                except _DAMAGE as error:
                    execute("ROLLBACK TO record")
                    _log.error("%s is damaged, and was not taken over: %s", path, error)
                execute("RELEASE record")
            store.version = IMPORTED
    if store.version == IMPORTED:
        for path in _record_files(store):
            if store.owner_of_record(path.stem):
                # the record itself last: what a kill leaves is found by it
                for file in (*path.parent.glob(f"{path.stem}.[!j]*"), path):
                    file.unlink(missing_ok=True)
        store.version = READY


def _record_files(store: RecordStore) -> Iterator[Path]:
    for name in ("file-", "batch_"):
        yield from store.folder.glob(f"{'[0-9a-f]' * 32}/{name}{'[0-9a-f]' * 24}.json")


def _creation_time(path: Path) -> float:
    """Return when a record was made; of a damaged one, any time."""
    try:
        return float(json.loads(path.read_bytes())["created_at"])
    except _DAMAGE:
        return 0.0


def _import_record(store: RecordStore, path: Path) -> None:
    """Take over a record. Raises one of `_DAMAGE` for a damaged one, of which a part may be kept."""
    record = json.loads(path.read_bytes())
    owner = path.parent.name
    _SHAPES.check(record, path.name[:-29], "")
    if record["id"] != path.stem:
        raise ValueError("The record belongs to another name.")
    if record["object"] == "file":
        size = path.with_suffix("").stat().st_size
        store.add(owner, "files", record, record["expires_at"], size=size)
        return
    status = record["status"]
    is_open = status not in ENDED
    items = dict(_items_of_lines(store, path, record)) if is_open else {}
    parts = None
    with suppress(*_DAMAGE):
        parts = json.loads(run_file(path.with_suffix(".results")).read_bytes())["parts"]
    # a client had asked for its end
    if is_open and path.with_suffix(".cancel").exists():
        status = "cancelling"
    kept_until = OPEN if is_open else int(path.stat().st_mtime) + store.options.files_days * DAY
    number = store.add(owner, "batches", record, kept_until, status=status)
    for item_number, item in items.items():
        store.add_item(owner, number, item_number, item)
    # without lines it does not matter which model began
    if items and parts is not None:
        store.set_run_parts(owner, number, parts)


def _items_of_lines(store: RecordStore, path: Path, record: dict[str, str]) -> Iterator[tuple[int, Item]]:
    """Yield the results that an open batch has. A kill may have cut off the last line."""
    results = path.with_suffix(".results")
    if not results.exists():
        return
    name = record["input_file_id"]
    urls = [record["endpoint"]]
    requests = read_batch(path.with_name(name), "openai", name, store.options.max_body, urls)
    numbers = {custom_id: number for number, custom_id in enumerate(requests, 1)}
    *lines, _ = results.read_bytes().split(b"\n")
    for line in lines:
        answer = json.loads(line)
        yield numbers[answer["custom_id"]], (outcome_of(answer), None, line + b"\n")
