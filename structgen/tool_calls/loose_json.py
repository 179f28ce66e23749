"""JSON in pieces as models write it: with single quotes, words of Python, control characters in strings."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any, Final

from structgen.json_text.events import EventLog, JsonError
from structgen.json_text.growing_json import MISSING, value_of

_TOKENS: Final = re.compile(r"""(?s:(?P<json>[^"'A-Za-z]{1,64})|(?P<word>[A-Za-z]+)|.)""")
_IN_STRING: Final = re.compile(r"""(?s:[^"'\\\x00-\x1f]+|\\.|[^\\])""")
_WORDS: Final = {"True": "true", "False": "false", "None": "null"}
HABITS: Final = "Its JSON has single quotes, words of Python, or control characters in strings"


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_no_number)


class LooseJson:
    """Takes a JSON value in pieces. One that is whole at once is read by `json`, in C, unless it is too deep
    for that."""

    def __init__(self) -> None:
        self._log = EventLog()
        self._quote = ""
        """What opened the string that is being read."""
        self.value: Any = MISSING
        """The value, once it is whole."""
        self.error = ""
        """Why it is no JSON."""
        self.is_respelled = self.is_whole = False

    def feed(self, text: str, at: int, stop: int) -> tuple[int, str]:
        """Take what stands between two places; at the first, that which the last one left goes on. Return
        where it ends, and the JSON text of it. What the rest of the text may change is left."""
        sent = len(self._log.text)
        if not sent and not self.is_whole and stop == len(text) and text[at : at + 1] in ("{", "[", '"'):
            with suppress(ValueError, RecursionError):  # it is not whole, or no JSON
                self.value, end = _DECODER.raw_decode(text, at)
                self.is_whole = True
                return end, text[at:end]
        while at < stop and not self.is_whole and not self.error:
            token = (_IN_STRING if self._quote else _TOKENS).match(text, at, stop)
            if token is None:
                break  # a backslash
            if token.lastgroup == "word" and token.end() == stop and len(token[0]) < len("false "):
                break
            at += self._take(token[0])
        return at, self._log.text[sent:].decode("utf-8", "surrogatepass")

    def _take(self, said: str) -> int:
        """Take a token; return how many of its characters belong to the value."""
        piece = said
        if said == self._quote or (not self._quote and said in ("'", '"')):
            self._quote, piece = "" if self._quote else said, '"'
        elif not self._quote:
            piece = _WORDS.get(said, said)
        elif said == "\\'":
            piece = "'"
        elif said == '"' or said[-1] < " ":
            piece = json.dumps(said[-1])[1:-1]
        self.is_respelled = self.is_respelled or piece != said
        before, data = len(self._log.text), piece.encode("utf-8", "surrogatepass")
        try:
            end = self._log.write_document(data)
            if self._log.is_whole:
                self.value = value_of(self._log.text.decode("utf-8", "surrogatepass"))
                self.is_whole = True
        except JsonError as error:
            self.error, end = f"they are no JSON: {error.what}", max(0, error.at - before)
        return len(said) if end == len(data) else len(data[:end].decode("utf-8", "ignore"))
