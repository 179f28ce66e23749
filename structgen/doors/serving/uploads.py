"""Files that clients send: each goes to the disk as it comes, into room that was reserved for it."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import IO, Final

import anyio
from anyio.to_thread import run_sync
from starlette.requests import Request

from structgen.doors.serving.api_errors import ApiError
from structgen.doors.serving.form_reading import FormReader
from structgen.doors.serving.record_store import FILE_BYTES

MOST_UPLOADS: Final = 4
"""Uploads of one owner at the same time."""
SUFFIX: Final = ".upload"
"""The end of the names of files that have not come whole. Only a server that was killed leaves one."""
EXPIRY_FIELDS: Final = {"expires_after[anchor]": "anchor", "expires_after[seconds]": "seconds"}
"""The fields of a form that say when its file expires, and their members of `expires_after`."""


class Upload:
    """A file that comes, at `path`, and the form that holds it."""

    def __init__(
        self,
        owner: str,
        path: Path,
        content_type: str,
    ) -> None:
        """Errors: those of `FormReader`."""
        self.owner = owner
        self.path = path
        self.form = FormReader(content_type, ("purpose", *EXPIRY_FIELDS), self._write_file)
        self.received = self.size = self.reserved = 0
        """Bytes of the form, of the file, and for which there is room."""
        self._file: IO[bytes]

    def feed(self, piece: bytes) -> None:
        """Read more of the form, and write what of it is the file's. The file is open meanwhile: who sends
        nothing holds no descriptor. Raises ApiError, OSError."""
        with open(os.open(self.path, os.O_WRONLY | os.O_APPEND), "ab") as self._file:
            self.form.feed(piece)

    def reserve(self, size: int) -> None:
        """Reserve room for so many bytes more."""
        self.reserved += size

    def end_reservation(self) -> None:
        """Give the room back."""
        self.reserved = 0

    def _write_file(self, data: bytes) -> None:
        self.size += self._file.write(data)


class Uploads:
    """The uploads that are under way. The bytes of the files of an owner, and of all owners, have limits:
    what is kept and what is reserved is never more."""

    def __init__(self, check_room: Callable[[str, int, Callable[[], None]], None]) -> None:
        """`check_room`: reserves so many bytes more than what is kept and reserved, or raises ApiError where
        an owner has no room for them; it is called in threads."""
        self.check_room = check_room
        self._uploads: list[Upload] = []
        """Those that are under way. The event loop alone adds and removes them."""

    @asynccontextmanager
    async def receive_upload(
        self,
        owner: str,
        folder: Path,
        http: Request,
        pieces: AsyncIterator[bytes],
    ) -> AsyncIterator[Upload]:
        """Lend an upload that has come whole. At the end of the block its file is deleted, unless it was
        moved, and its reservation ends. The length that the request declares is reserved before anything is
        read.

        `folder`: where the file is made; `pieces`: the body of the request. Errors: ApiError for a form that
        cannot be read, for too many uploads of the owner (429) and for too many bytes (413); OSError.
        """
        path = folder / f"{secrets.token_hex(12)}{SUFFIX}"
        upload = Upload(owner, path, http.headers.get("content-type", ""))
        length = http.headers.get("content-length", "")
        if sum(other_upload.owner == owner for other_upload in self._uploads) >= MOST_UPLOADS:
            fault = (
                f"This key is already sending {MOST_UPLOADS} files. Send this one when one of "
                "them has arrived."
            )
            raise ApiError(fault, status=429, code="too_many_uploads")
        self._uploads.append(upload)
        try:
            await run_sync(self._reserve_room, upload, int(length[:19]) if length.isdecimal() else 0)
            # files of clients are readable by the server alone
            await run_sync(path.touch, 0o600)
            async for piece in pieces:
                await run_sync(self._feed_upload, upload, piece)
                del piece  # a client that sends nothing more would hold it
            # a form that is cut off is told here
            upload.form.close()
            yield upload
        finally:
            try:
                with anyio.CancelScope(shield=True):
                    await run_sync(path.unlink, True)
            finally:
                self._uploads.remove(upload)

    def reserved_bytes(self, owner: str) -> tuple[int, int]:
        """Return the bytes that are reserved for an owner, and those for all."""
        uploads = self._uploads.copy()
        own_bytes = sum(upload.reserved for upload in uploads if upload.owner == owner)
        return own_bytes, sum(upload.reserved for upload in uploads)

    def _reserve_room(self, upload: Upload, size: int) -> None:
        """Reserve room for a form of so many bytes. Raises ApiError where there is none."""
        missing_bytes = size + FILE_BYTES - upload.reserved
        # the length that was declared is reserved already
        if missing_bytes > 0:
            self.check_room(upload.owner, missing_bytes, partial(upload.reserve, missing_bytes))

    def _feed_upload(self, upload: Upload, piece: bytes) -> None:
        upload.received += len(piece)
        self._reserve_room(upload, upload.received)
        upload.feed(piece)
