"""Earlier answers, by tenant and schema: in memory, and in files if a folder is given.

A file holds the answers of one tenant to one schema as arrays of tokens (`native.array_file`). It is replaced
atomically, and only its owner may read it. Files that another user could have written are refused. Files and
paths contain a digest of the tenant's name, never the name.
"""

from __future__ import annotations

import os
from collections import Counter, OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Final, NoReturn

import numpy as np

from structgen.errors import OptionError, StructgenError
from structgen.native.array_file import DamagedArrays, decode_arrays, encode_arrays
from structgen.speculation.drafters.ngrams import START, KnownTexts, NGrams
from structgen.system.cache import TrustedFile, make_folders, replacing
from structgen.system.file_locks import exclusive
from structgen.system.fork_locks import QUEUES, new_lock
from structgen.tokens.tokenizer import Tokenizer

_KIND: Final = "answers 2"
_OVERHEAD: Final = 128
"""Bytes counted for an answer besides four for each of its tokens."""
MOST_INDEXED: Final = 1 << 13
"""The most tokens of a schema's latest answers from which drafts are made, at most 800 bytes each."""
_INDEXES: Final = 8
"""The schemas, used last, whose answers are indexed."""
Key = tuple[str, str]
"""A tenant and a schema."""


class AnswerHistory:
    """Earlier answers, from which drafts are made. Requests share one object. Thread-safe.

    It contains only what `add` was given. A server with several parties names each as a tenant; no tenant's
    drafts come from another's answers. `tenant_bytes` and `most_bytes` bound the answers of one tenant and of
    all; the oldest are dropped first. Indexes take at most 50 MB besides.
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
        self._held: dict[tuple[Key, bytes], None] = {}
        """The answers of all tenants, from the oldest to the newest."""
        self._sizes: Counter[str] = Counter()
        """The bytes of each tenant."""
        self._looked: set[Key] = set()
        """The keys whose files were looked for."""
        self._indexes: OrderedDict[Key, NGrams] = OrderedDict()

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the tokenizer of all answers."""
        return self._fingerprint

    @property
    def nbytes(self) -> int:
        """Bytes of all answers, as counted against the bounds."""
        with self._lock:
            return self._sizes.total()

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
            self._look((tenant, schema))
            self._add((tenant, schema), np.array(tokens, np.int32).tobytes())

    def _add(self, key: Key, answer: bytes) -> None:
        if not answer or len(answer) + _OVERHEAD > self._tenant_bytes:
            return
        if (key, answer) in self._held:
            del self._held[key, answer]
        else:
            self._sizes[key[0]] += len(answer) + _OVERHEAD
            if key in self._indexes:
                self._indexes[key].add([START, *_tokens(answer)])
                if len(self._indexes[key].text) > 2 * MOST_INDEXED:
                    del self._indexes[key]
        self._held[key, answer] = None
        while self._sizes[key[0]] > self._tenant_bytes:
            self._forget(next(one for one in self._held if one[0][0] == key[0]))
        while self._sizes.total() > self._most_bytes:
            self._forget(next(iter(self._held)))

    def _forget(self, one: tuple[Key, bytes]) -> None:
        del self._held[one]
        key, answer = one
        self._sizes[key[0]] -= len(answer) + _OVERHEAD
        self._indexes.pop(key, None)

    def _of(self, key: Key) -> list[bytes]:
        return [answer for held, answer in self._held if held == key]

    def answers(self, tenant: str, schema: str) -> list[list[int]]:
        """Return a tenant's answers to a schema, the oldest first. The first call reads their file. Raises
        StructgenError if the file is damaged, of another version, schema, tenant or vocabulary, or writable
        by others."""
        with self._lock:
            self._look((tenant, schema))
            return [_tokens(answer) for answer in self._of((tenant, schema))]

    def index(self, tenant: str, schema: str) -> NGrams | None:
        """Return an index of a tenant's latest answers to a schema, to be read only; None if there are none.

        It grows with the answers, and is made again when it is full. Raises StructgenError as `answers` does.
        Cost: 1 us; made again 2 us a token, for at most 8,192 tokens.
        """
        key = tenant, schema
        with self._lock:
            self._look(key)
            found = self._indexes.get(key)
            if found is None:
                latest, room = list[list[int]](), MOST_INDEXED
                for answer in reversed(self._of(key)):
                    latest.append([START, *_tokens(answer)[: MOST_INDEXED - 1]])
                    room -= len(latest[-1])
                    if room < 0:
                        break
                if not latest:
                    return None
                found = self._indexes[key] = NGrams()
                for tokens in reversed(latest if room >= 0 or len(latest) == 1 else latest[:-1]):
                    found.add(tokens)
            self._indexes.move_to_end(key)
            if len(self._indexes) > _INDEXES:
                self._indexes.popitem(last=False)
            return found

    def drafter(self) -> KnownTexts:
        """Return a drafter of the answers to a request's schema; a free text has none."""
        return KnownTexts(
            "earlier", lambda facts: self.index(facts.tenant, facts.schema) if facts.schema else None
        )

    def delete(self, tenant: str, schema: str | None = None) -> int:
        """Delete a tenant's answers to a schema, or to all, with their files; return how many were in memory.
        Another process that holds them may save them again. Raises OSError if a file cannot be deleted."""
        with self._lock:
            gone = [one for one in self._held if one[0][0] == tenant and schema in (None, one[0][1])]
            for one in gone:
                self._forget(one)
            self._looked -= {key for key in self._looked if key[0] == tenant and schema in (None, key[1])}
            if self._folder is not None:
                place = self._folder / _digest(tenant)
                pattern = "*" if schema is None else f"{_digest(schema)}.*"
                for path in place.glob(pattern):
                    path.unlink(missing_ok=True)
                with suppress(OSError):  # it does not exist, or holds files of other schemas
                    place.rmdir()
            return len(gone)

    def save(self, tenant: str) -> int:
        """Write a tenant's answers to their files, merged with those that another process has saved
        meanwhile; return the number of files. Raises StructgenError if there is no folder, if an existing
        file is refused (as in `answers`) or cannot be written, or while another process saves."""
        if self._folder is None:
            raise OptionError(
                "The history has no folder.", where="folder", cure="Make it with AnswerHistory(folder=...)."
            )
        with self._lock:
            keys = {key for key, _ in self._held if key[0] == tenant}
            for key in keys:
                path = self._path(key)
                try:
                    self._save(key, path)
                except OSError as error:
                    raise StructgenError(
                        f"The answers cannot be written ({error.strerror or error}).",
                        where=str(path),
                        cure="Choose a folder that can be written.",
                    ) from error
            return len(keys)

    def _save(self, key: Key, path: Path) -> None:
        make_folders(path.parent)
        with exclusive(path.with_suffix(".lock")) as is_alone:
            if not is_alone:
                raise OptionError(
                    "Another process is saving answers there.", where=str(path), cure="Save once more."
                )
            own = self._of(key)
            theirs = [answer for answer in self._read(key) if (key, answer) not in self._held]
            kept, room = list[bytes](), self._tenant_bytes
            for answer in [*reversed(own), *reversed(theirs)]:
                room -= len(answer) + _OVERHEAD
                if room < 0:
                    break
                kept.append(answer)
            arrays = {
                "ends": np.cumsum([len(answer) // 4 for answer in reversed(kept)], dtype="<i8"),
                "tokens": np.frombuffer(b"".join(reversed(kept)), np.int32).astype("<i4"),
            }
            with replacing(path, sync=True) as file:
                file.write(encode_arrays(_KIND, self._about(key), {}, arrays))

    def _look(self, key: Key) -> None:
        """Read the file of a tenant and schema, once."""
        if self._folder is not None and key not in self._looked:
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
                arrays = decode_arrays(file.bytes(), _KIND, self._about(key)).arrays
        except FileNotFoundError:
            return []
        except DamagedArrays as error:
            _refuse(path, "it is damaged, or of another version, tokenizer, schema or tenant", error)
        except OSError as error:
            _refuse(path, error.strerror or str(error), error)
        tokens, ends = arrays["tokens"].astype(np.int32), arrays["ends"]
        if ends[-1:].tolist() != [len(tokens)] or np.diff(ends, prepend=0).min() < 1:
            _refuse(path, "its answers do not add up to its tokens")
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < self._vocab_size:
            _refuse(path, "it holds a token that is none of the tokenizer's")
        return [tokens[begin:end].tobytes() for begin, end in pairwise([0, *ends.tolist()])]

    def _about(self, key: Key) -> str:
        """Return what a file says of itself: a reader asks for the same."""
        return f"{self._fingerprint} {_digest(key[0])} {_digest(key[1])}"

    def _path(self, key: Key) -> Path:
        assert self._folder is not None
        return self._folder / _digest(key[0]) / f"{_digest(key[1])}.answers"


def _tokens(answer: bytes) -> list[int]:
    tokens: list[int] = np.frombuffer(answer, np.int32).tolist()
    return tokens


def _digest(name: str) -> str:
    return blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _refuse(path: Path, why: str, error: Exception | None = None) -> NoReturn:
    raise StructgenError(
        f"No earlier answers can be read from it: {why}.",
        where=str(path),
        cure="Delete it with AnswerHistory.delete(tenant), or give the history another folder.",
    ) from error
