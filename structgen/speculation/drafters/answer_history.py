"""Earlier answers, by tenant and schema: in memory, and in files if a folder is given.

A file holds the answers of one tenant to one schema:

    line 1       "structgen answers 1"
    line 2       JSON: {"schema", "tenant" (a digest), "tokenizer" (its fingerprint), "lengths" (of answers)}
    then         the answers' tokens, one answer after another, as little-endian int32
    last 16      BLAKE2b of all before

A file is replaced atomically, and only its owner may read it. Files that another user could have written are
refused. Files and paths contain a digest of the tenant's name, never the name.
"""

from __future__ import annotations

import json
import os
import sys
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NoReturn

from structgen.errors import OptionError, StructgenError
from structgen.speculation.drafters.earlier_places import EarlierPlaces
from structgen.system.cache import ForeignFile, TrustedFile, make_folders, replacing
from structgen.system.file_locks import exclusive
from structgen.system.fork_locks import QUEUES, new_lock
from structgen.tokens.tokenizer import Tokenizer

_MAGIC: Final = b"structgen answers 1\n"
_SUM: Final = 16
_OVERHEAD: Final = 128
"""Bytes counted for an answer besides four for each of its tokens."""
_INDEXED: Final = 1 << 13
"""The most tokens of a schema's latest answers that are indexed, at most 300 bytes each."""
_INDEXES: Final = 8
"""The most indexes that are kept."""
START: Final = -1
"""A separator before each answer in an index, so that the start of an answer can be matched too."""
Key = tuple[str, str]


class AnswerHistory:
    """Earlier answers, for `EarlierAnswers`. Requests share one object. Thread-safe.

    It contains only what `add` was given. A server with several parties names each as a tenant; no tenant's
    drafts come from another's answers. `tenant_bytes` and `most_bytes` bound the answers of one tenant and of
    all; the oldest are dropped first. Indexes take at most 20 MB besides.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        folder: str | os.PathLike[str] | None = None,
        tenant_bytes: int = 1 << 20,
        most_bytes: int = 1 << 24,
    ) -> None:
        if not 0 < tenant_bytes <= most_bytes:
            raise OptionError(
                f"tenant_bytes={tenant_bytes}, most_bytes={most_bytes}.",
                where="AnswerHistory",
                cure="Give 0 < tenant_bytes <= most_bytes.",
            )
        self._vocab_size, self._fingerprint = tokenizer.vocab_size, tokenizer.fingerprint
        self._folder = None if folder is None else Path(folder)
        self._tenant_bytes, self._most_bytes = tenant_bytes, most_bytes
        self._lock = new_lock(QUEUES)
        self._held: dict[Key, OrderedDict[bytes, int]] = {}
        """The answers of each tenant and schema, the oldest first, with the number of their arrival."""
        self._sizes: dict[str, int] = {}
        self._serial = 0
        self._looked: set[Key] = set()
        """The keys whose files were looked for."""
        self._indexes: OrderedDict[Key, tuple[EarlierPlaces, int]] = OrderedDict()
        """Each index, with the number of answers added since it was made."""

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the tokenizer of all answers."""
        return self._fingerprint

    @property
    def nbytes(self) -> int:
        """Bytes of all answers, as counted against the bounds."""
        with self._lock:
            return sum(self._sizes.values())

    def add(self, tenant: str, schema: str, tokens: Sequence[int]) -> None:
        """Add an answer with its end token. A known answer becomes the newest; one that exceeds the bound is
        not kept. Raises OptionError if a token is not in the vocabulary; StructgenError as `answers` does."""
        for token in tokens:
            if not 0 <= token < self._vocab_size:
                raise OptionError(
                    f"Token {token} is none of the tokenizer's {self._vocab_size}.",
                    where="tokens",
                    cure="Keep answers of the model whose tokenizer the history was made with.",
                )
        with self._lock:
            self._look(tenant, schema)
            self._add((tenant, schema), array("i", tokens).tobytes())

    def _add(self, key: Key, answer: bytes) -> None:
        size = len(answer) + _OVERHEAD
        if size > self._tenant_bytes or not answer:
            return
        held = self._held.setdefault(key, OrderedDict())
        self._serial += 1
        if answer in held:
            held[answer] = self._serial
            held.move_to_end(answer)
            return
        held[answer] = self._serial
        self._sizes[key[0]] = self._sizes.get(key[0], 0) + size
        if key in self._indexes:
            index, newer = self._indexes[key]
            self._indexes[key] = index, newer + 1
        while self._sizes[key[0]] > self._tenant_bytes:
            self._forget_oldest(key[0])
        while sum(self._sizes.values()) > self._most_bytes:
            self._forget_oldest(None)

    def _forget_oldest(self, tenant: str | None) -> None:
        keys = [key for key in self._held if tenant is None or key[0] == tenant]
        oldest = min(keys, key=lambda key: next(iter(self._held[key].values())))
        answer, _ = self._held[oldest].popitem(last=False)
        self._sizes[oldest[0]] -= len(answer) + _OVERHEAD
        if not self._held[oldest]:
            del self._held[oldest]
            self._indexes.pop(oldest, None)
        if not self._sizes[oldest[0]]:
            del self._sizes[oldest[0]]

    def answers(self, tenant: str, schema: str) -> list[list[int]]:
        """Return a tenant's answers to a schema, the oldest first. The first call reads their file. Raises
        StructgenError if the file is damaged, of another version, schema, tenant or vocabulary, or writable
        by others."""
        with self._lock:
            self._look(tenant, schema)
            return [array("i", answer).tolist() for answer in self._held.get((tenant, schema), ())]

    def index(self, tenant: str, schema: str) -> EarlierPlaces | None:
        """Return a read-only index of a tenant's latest answers to a schema; None if there are none.

        It is rebuilt when a quarter of the answers is missing from it. Raises StructgenError as `answers`
        does. Cost: 1 us; a rebuild 1 us a token, for at most 8,192 tokens.
        """
        key = tenant, schema
        with self._lock:
            self._look(tenant, schema)
            held = self._held.get(key)
            if held is None:
                return None
            known = self._indexes.get(key)
            if known is not None and 4 * known[1] <= len(held):
                self._indexes.move_to_end(key)
                return known[0]
            chosen: list[list[int]] = []
            room = _INDEXED
            for answer in reversed(held):
                room -= len(answer) // 4 + 1
                if room < 0 and chosen:
                    break
                chosen.append([START, *array("i", answer)[: _INDEXED - 1]])
            index = EarlierPlaces([token for answer in reversed(chosen) for token in answer])
            self._indexes[key] = index, 0
            self._indexes.move_to_end(key)
            while len(self._indexes) > _INDEXES:
                self._indexes.popitem(last=False)
            return index

    def delete(self, tenant: str, schema: str | None = None) -> int:
        """Delete a tenant's answers to a schema, or to all, with their files; return how many were in memory.
        Another process that holds them may save them again. Raises OSError if a file cannot be deleted."""
        with self._lock:
            gone = [key for key in self._held if key[0] == tenant and schema in (None, key[1])]
            count = 0
            for key in gone:
                answers = self._held.pop(key)
                count += len(answers)
                self._sizes[tenant] -= sum(len(answer) + _OVERHEAD for answer in answers)
                self._indexes.pop(key, None)
            if not self._sizes.get(tenant, 1):
                del self._sizes[tenant]
            self._looked -= {key for key in self._looked if key[0] == tenant and schema in (None, key[1])}
            if self._folder is not None:
                place = self._folder / _digest(tenant)
                pattern = "*" if schema is None else f"{_digest(schema)}.*"
                for path in place.glob(pattern):
                    path.unlink(missing_ok=True)
                with suppress(OSError):  # it does not exist, or holds files of other schemas
                    place.rmdir()
            return count

    def save(self, tenant: str) -> int:
        """Write a tenant's answers to their files, merged with those that another process has saved
        meanwhile; return the number of files. Raises StructgenError if there is no folder, if an existing
        file is refused (as in `answers`) or cannot be written, or while another process saves."""
        if self._folder is None:
            raise OptionError(
                "The history has no folder.", where="folder", cure="Make it with AnswerHistory(folder=...)."
            )
        with self._lock:
            keys = [key for key in self._held if key[0] == tenant]
            for key in keys:
                self._save(key)
            return len(keys)

    def _save(self, key: Key) -> None:
        path = self._path(key)
        try:
            make_folders(path.parent)
            with exclusive(path.with_suffix(".lock")) as is_alone:
                if not is_alone:
                    raise OptionError(
                        "Another process is saving answers there.", where=str(path), cure="Save once more."
                    )
                own = list(self._held[key])
                theirs = [answer for answer in self._read(key) if answer not in self._held[key]]
                kept: list[bytes] = []
                room = self._tenant_bytes
                for answer in [*reversed(own), *reversed(theirs)]:
                    room -= len(answer) + _OVERHEAD
                    if room < 0:
                        break
                    kept.append(answer)
                self._write(path, key, kept[::-1])
        except OSError as error:
            raise StructgenError(
                f"The answers cannot be written ({error.strerror or error}).",
                where=str(path),
                cure="Choose a folder that can be written.",
            ) from error

    def _write(self, path: Path, key: Key, answers: Sequence[bytes]) -> None:
        header = {
            "schema": key[1],
            "tenant": _digest(key[0]),
            "tokenizer": self._fingerprint,
            "lengths": [len(answer) // 4 for answer in answers],
        }
        content = _MAGIC + json.dumps(header).encode() + b"\n" + b"".join(map(_swapped, answers))
        with replacing(path, sync=True) as file:
            file.write(content + _sum(content))

    def _look(self, tenant: str, schema: str) -> None:
        """Read the file of a tenant and schema, once."""
        key = tenant, schema
        if self._folder is None or key in self._looked:
            return
        answers = self._read(key)
        self._looked.add(key)
        for answer in answers:
            self._add(key, answer)

    def _read(self, key: Key) -> list[bytes]:
        """Return the answers of a file; none if there is no file."""
        path = self._path(key)
        try:
            with TrustedFile(path) as file:
                if file.size > 2 * self._most_bytes + (1 << 16):
                    _refuse(path, f"it has {file.size:,} bytes, more than the history may hold")
                content = file.bytes().tobytes()
        except FileNotFoundError:
            return []
        except ForeignFile as error:
            _refuse(path, error.strerror or str(error), error)
        except OSError as error:
            _refuse(path, error.strerror or str(error), error)
        return self._parsed(path, key, content)

    def _parsed(self, path: Path, key: Key, content: bytes) -> list[bytes]:
        if not content.startswith(_MAGIC):
            _refuse(path, f"it does not begin with {_MAGIC.decode().strip()!r}")
        if len(content) < len(_MAGIC) + _SUM or _sum(content[:-_SUM]) != content[-_SUM:]:
            _refuse(path, "its checksum is wrong: it is damaged")
        line, _, body = content[len(_MAGIC) : -_SUM].partition(b"\n")
        try:
            header: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            _refuse(path, f"its second line is not JSON: {error}", error)
        if not isinstance(header, dict):
            _refuse(path, "its second line is no object")
        for name, wanted in (
            ("tokenizer", self._fingerprint),
            ("schema", key[1]),
            ("tenant", _digest(key[0])),
        ):
            if header.get(name) != wanted:
                _refuse(path, f"it is of another {name}")
        lengths = header.get("lengths")
        if not isinstance(lengths, list) or not all(type(one) is int and one > 0 for one in lengths):
            _refuse(path, "its lengths are not whole numbers above 0")
        if 4 * sum(lengths) != len(body):
            _refuse(
                path, f"its lengths add up to {sum(lengths)} tokens, and it has {len(body)} bytes of them"
            )
        found, at = [], 0
        for length in lengths:
            answer = _swapped(body[at : at + 4 * length])
            at += 4 * length
            if not all(0 <= token < self._vocab_size for token in array("i", answer)):
                _refuse(path, "it holds a token that is none of the tokenizer's")
            found.append(answer)
        return found

    def _path(self, key: Key) -> Path:
        assert self._folder is not None
        return self._folder / _digest(key[0]) / f"{_digest(key[1])}.answers"


def _digest(name: str) -> str:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _sum(content: bytes) -> bytes:
    return blake2b(content, digest_size=_SUM).digest()


def _swapped(answer: bytes) -> bytes:
    """Convert tokens between this machine's byte order and little-endian."""
    if sys.byteorder == "little":
        return answer
    numbers = array("i", answer)
    numbers.byteswap()
    return numbers.tobytes()


def _refuse(path: Path, why: str, error: Exception | None = None) -> NoReturn:
    raise StructgenError(
        f"No earlier answers can be read from it: {why}.",
        where=str(path),
        cure="Delete it with AnswerHistory.delete(tenant), or give the history another folder.",
    ) from error
