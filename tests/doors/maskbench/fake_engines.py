"""Engines with one known fault each, for the tests of what maskbench makes of it."""

from __future__ import annotations

import json
import os
import time
from array import array
from collections.abc import Callable

from structgen.doors.maskbench.engines import EngineRefusal, Session
from structgen.errors import LimitError

SECRET = "the last words"


class ListedSession(Session):
    """Exact: the language is a list of texts, a mask is found by trying every token."""

    def __init__(self, texts, tokenizer):
        self.texts, self.tokenizer, self.written = texts, tokenizer, b""
        self.words = array("i", [0] * ((tokenizer.vocab_size + 31) // 32))
        row, ends = memoryview(self.words), tokenizer.eos_token_ids
        super().__init__(self.fill_row, self.take, row, ends, self.stopped, why=self.located)

    def allowed(self, token):
        if token in self.ends:
            return self.written in self.texts
        text = self.tokenizer.token_bytes[token]
        return bool(text) and any(one.startswith(self.written + text) for one in self.texts)

    def fill_row(self):
        bits = sum(1 << token for token in range(self.tokenizer.vocab_size) if self.allowed(token))
        data = bits.to_bytes(4 * len(self.words), "little")
        self.words[:] = array("i", data)

    def take(self, token):
        if not self.allowed(token):
            raise ValueError(token)
        self.written += self.tokenizer.token_bytes[token]

    def located(self, text, start):
        return start, "one of the listed texts"

    def stopped(self):
        return False


class Listed:
    """Reads schemas of the form {"enum": [...]}; anything else it refuses, by the first keyword."""

    version = "1"
    session: type[ListedSession] = ListedSession
    """What a document is written with; engines with a fault have a session with it."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def texts(self, schema):
        value = json.loads(schema)
        if set(value) != {"enum"}:
            raise EngineRefusal(f"unsupported: {min(set(value) - {'enum'})}", "only enum")
        return [json.dumps(member, ensure_ascii=False).encode() for member in value["enum"]]

    def compile(self, schema: str) -> Callable[[], Session]:
        texts = self.texts(schema)
        return lambda: self.session(texts, self.tokenizer)


class SlowToLoad(Listed):
    """Takes longer before the first schema than a compilation may take in its test."""

    def __init__(self, tokenizer):
        time.sleep(1.2)
        super().__init__(tokenizer)


class AcceptsEverything(Listed):
    class session(ListedSession):
        def allowed(self, token):
            return True

        def take(self, token):
            self.written += self.tokenizer.token_bytes[token] or b""


class RefusesEverything(Listed):
    def texts(self, schema):
        return []


class TellsItsProcess(Listed):
    def texts(self, schema):
        raise EngineRefusal(f"process {os.getpid()}", "")


class HangsInMask(Listed):
    """Hangs in the third mask of a document."""

    class session(ListedSession):
        def fill_row(self):
            if len(self.written) >= 2:
                time.sleep(1000)
            super().fill_row()


class HangsInCommit(Listed):
    class session(ListedSession):
        def take(self, token):
            time.sleep(1000)


class HangsCompiling(Listed):
    def compile(self, schema):
        time.sleep(1000)


class Dies(Listed):
    """Ends its process in the second commit of a document."""

    class session(ListedSession):
        def take(self, token):
            if self.written:
                os.write(2, f"{SECRET}\n".encode())
                os.abort()
            super().take(token)


class Raises(Listed):
    """Raises in the second mask of a document."""

    class session(ListedSession):
        def fill_row(self):
            if self.written:
                raise RuntimeError("a bug")
            super().fill_row()


class Limited(Listed):
    """Meets a bound on its work in the second mask of a document, as our engine does."""

    class session(ListedSession):
        def fill_row(self):
            if self.written:
                raise LimitError("too many steps", limit="oracle_steps")
            super().fill_row()


class SaysItIsLimited(Listed):
    """Takes no second token, and says that a bound on its work was met."""

    class session(ListedSession):
        def fill_row(self):
            super().fill_row()
            if self.written:
                self.row[:] = array("i", [0] * len(self.row))

        def stopped(self):
            if self.written:
                raise LimitError("too many steps", limit="theirs")
            return False


class Contradicts(Listed):
    """Refuses in commit what its mask allows."""

    class session(ListedSession):
        def take(self, token):
            return False


class Missing(Listed):
    def __init__(self, tokenizer):
        raise ModuleNotFoundError("No module named 'missing'")
