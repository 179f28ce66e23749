"""JSON values in a style that quotes strings in its own way, and keys not at all: `{a:<|"|>x<|"|>,b:[1]}`.

The texts are those of a schema's JSON, written differently, so that every keyword means what it means in
JSON: a string stands without escapes between two quotes, a key up to its colon, all else as JSON has it.
Keys that the schema does not name are ASCII, and are not compared with one another: in place of each the
JSON text has one that is new.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from structgen.core.compiled import CompiledGrammar
from structgen.errors import UnsupportedError
from structgen.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.language.expectation import Expected
from structgen.limits import Limits
from structgen.text_grammars.composition.argument_styles import ArgumentStyle
from structgen.text_grammars.composition.bans import without
from structgen.text_grammars.composition.json_escapes import written
from structgen.text_grammars.machine.language import CompileTarget, Config, Language
from structgen.text_grammars.text_grammar import TextGrammar, as_text

_Place: TypeAlias = "tuple[Config, str, bytes, bytes]"
"""The configuration of the JSON text, what the text is in (below), the brackets that are open, and what was
read of a quote or a key and is not in the JSON text."""
_VALUE: Final = "value"
_KEY: Final = "key"
_STRING: Final = "string"
_OTHER: Final = "other"
"""Inside of a number or a word, or behind a value."""
_QUOTE: Final = 0x22
_NOT_IN_KEYS: Final = frozenset(range(33)) | frozenset(b"\"'<>=&,:{}[]|\x7f")
_UNNAMED: Final = b":"
"""Stands for each byte of a key that begins as no name of the schema does: one such key is as good as
another."""
_LONGEST_KEY: Final = 64
"""Bytes that a key has at most which the schema does not name."""
_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyz0123456789"
_UNIT: Final = re.compile(rb'\\u[dD][89abAB]..\\u....|\\u....|\\.|[^\\"]', re.DOTALL)


def writes_as_json(style: ArgumentStyle) -> bool:
    """Tell whether a style writes values as JSON but for its strings and keys."""
    pattern = (style.brackets, style.between, style.member, style.item)
    return bool(style.quote) and pattern == (("{", "}", "[", "]"), ",", "$key:$value", "$value")


def quoted_values(of: JsonSchemaGrammar, style: ArgumentStyle, where: str) -> TextGrammar:
    """Return the values of a schema that writes compact JSON, in a style that `writes_as_json`.

    Raises `UnsupportedError`, with the place `where`, for keys that the style cannot write. Cost: masks are
    made byte by byte.
    """
    _check_keys(of.schema, style, where)
    found = without(of, (style.quote,))
    assert isinstance(found, JsonSchemaGrammar)
    return QuotedValues(found, style.quote)


class QuotedValues(TextGrammar):
    """The values of a schema in such a style, without white space."""

    __slots__ = ("of", "quote")

    def __init__(self, of: JsonSchemaGrammar, quote: str) -> None:
        """`of` writes compact JSON, and no string with a quote in it. Made by `quoted_values`."""
        self.of, self.quote = of, quote

    @property
    def canonical(self) -> str:
        return f"quoted {self.quote!r} {self.of.canonical}"

    @property
    def limits(self) -> Limits:
        return self.of.limits

    @property
    def source(self) -> str:
        return f"values with {self.quote} around strings"

    def without_bytes(self, missing: frozenset[int]) -> TextGrammar:
        return QuotedValues(self.of.without_bytes(missing), self.quote)

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        names = frozenset(name.encode() for name in _names(self.of.schema))
        return _QuotedLanguage(as_text(self.of).language(limits), self.quote.encode(), names)

    def __reduce__(self) -> tuple[Any, ...]:
        return QuotedValues, (self.of, self.quote)


class _QuotedLanguage(Language):
    """The words of a language of JSON texts, written so. A language of single bytes: masks are made of
    them."""

    has_stack = True

    def __init__(self, of: Language, quote: bytes, names: frozenset[bytes]) -> None:
        self.of, self.quote, self.names = of, quote, names
        self._beginnings = {name[:length]: name for name in names for length in range(1, len(name) + 1)}
        self._new = b"_" * (1 + max((len(name) - len(name.lstrip(b"_")) for name in names), default=0))
        """The beginning of keys that the schema does not name."""
        self._behind_keys: dict[tuple[Config, bytes], Config | None] = {}

    def start(self) -> Config:
        return self.of.start(), _VALUE, b"", b""

    def step(self, config: Config, symbol: int) -> Config | None:
        at, mode, open_, read = cast(_Place, config)
        if symbol > 255:
            return None
        if mode == _STRING:
            return self._in_string(at, open_, read + bytes((symbol,)))
        if mode == _VALUE and (read or symbol == self.quote[0]):
            read += bytes((symbol,))
            after = self.of.step(at, _QUOTE) if self.quote.startswith(read) else None
            if after is None:
                return None
            return (after, _STRING, open_, b"") if read == self.quote else (at, _VALUE, open_, read)
        if mode == _KEY and (read or symbol != 0x7D):
            return self._in_key(at, open_, read, symbol)
        after = None if symbol == _QUOTE else self.of.step(at, symbol)
        return None if after is None else self._behind(after, symbol, open_)

    def _behind(self, at: Config, symbol: int, open_: bytes) -> Config:
        """Return the configuration behind a byte that is no part of a string or a key."""
        byte = bytes((symbol,))
        if byte in b"{[":
            return at, _KEY if byte == b"{" else _VALUE, open_ + byte, b""
        if byte in b"}]":
            return at, _OTHER, open_[:-1], b""
        if byte == b",":
            return at, _KEY if open_[-1:] == b"{" else _VALUE, open_, b""
        return at, _OTHER, open_, b""

    def _in_key(self, at: Config, open_: bytes, read: bytes, symbol: int) -> Config | None:
        """Return the configuration after a byte of a key, or its colon."""
        if symbol == 0x3A:
            after = self._behind_key(at, read) if read else None
            return None if after is None else (after, _VALUE, open_, b"")
        if symbol in _NOT_IN_KEYS:
            return None
        text = read + bytes((symbol,))
        is_named = text in self._beginnings
        if is_named and any(self._behind_key(at, name) for name in self.names if name.startswith(text)):
            return at, _KEY, open_, text
        if not text.isascii() or len(text) > _LONGEST_KEY or self._behind_key(at, _UNNAMED) is None:
            return None
        return at, _KEY, open_, text if is_named else _UNNAMED * len(text)

    def _behind_key(self, at: Config, key: bytes) -> Config | None:
        """Return the configuration of the JSON text after a key and its colon; None where it cannot stand
        there."""
        known = at, key if key in self.names else _UNNAMED
        if known not in self._behind_keys:
            now = self._through(at, b'"' + (key if key in self.names else self._new), raw=1)
            closed = None if now is None else self.of.step(now, _QUOTE)
            while now is not None and closed is None and key not in self.names:  # such a key is there already
                now = self.of.step(now, self._new[0])
                closed = None if now is None else self.of.step(now, _QUOTE)
            self._behind_keys[known] = None if closed is None else self.of.step(closed, 0x3A)
        return self._behind_keys[known]

    def _in_string(self, at: Config, open_: bytes, read: bytes) -> Config | None:
        """Return the configuration inside a string, where `read` may begin its end."""
        now: Config | None = at
        while read and not self.quote.startswith(read):
            now, read = self._content(now, read[0]), read[1:]
            if now is None:
                return None
        closed = self.of.step(now, _QUOTE)
        if read == self.quote:
            return None if closed is None else (closed, _OTHER, open_, b"")
        if read and closed is None and self._through(now, read) is None:
            return None
        return now, _STRING, open_, read

    def _content(self, at: Config, byte: int) -> Config | None:
        """Return the configuration after a byte of a string, as JSON writes it."""
        return self._through(at, written(byte), raw=6)

    def _through(self, at: Config, data: bytes, *, raw: int = 0) -> Config | None:
        """Return the configuration after bytes of a string; `raw`: so many, the first, as they are in
        JSON."""
        now: Config | None = at
        for index, byte in enumerate(data):
            if now is None:
                return None
            now = self.of.step(now, byte) if index < raw else self._content(now, byte)
        return now

    def accepts(self, config: Config) -> bool:
        at, mode, open_, _ = cast(_Place, config)
        return mode == _OTHER and not open_ and self.of.accepts(at)

    def shortest(self, config: Config) -> Sequence[int]:
        found: list[int] = []
        while not self.accepts(config):
            for byte in self._next(cast(_Place, config)):
                found.append(byte)
                after = self.step(config, byte)
                assert after is not None, "a rest of the JSON text is one of this text"
                config = after
        return found

    def _next(self, place: _Place) -> bytes:
        """Return the next bytes of a short rest: those that the shortest rest of the JSON text says. A key of
        which it says what the style cannot write goes on with a letter, or ends."""
        at, mode, _, read = place
        if mode == _STRING and read:
            if self.of.step(at, _QUOTE) is not None:
                return self.quote[len(read) :]
            after = self._through(at, read)
            assert after is not None
            return _unit(bytes(self.of.shortest(after)))
        if mode == _KEY and read:
            tried = b":" + self._next_letters(read) + _LETTERS
            return next(bytes((one,)) for one in tried if self.step(place, one) is not None)
        if read:
            return self.quote[len(read) :]
        rest = bytes(self.of.shortest(at))
        if mode == _KEY and rest[0] == _QUOTE:
            end = rest.index(b'":')
            key = rest[1:end]
            tried = (key[:1] if key in self.names else b"") + _LETTERS
            return next(bytes((one,)) for one in tried if self.step(place, one) is not None)
        if rest[0] == _QUOTE:
            return self.quote
        return _unit(rest) if mode == _STRING else rest[:1]

    def _next_letters(self, read: bytes) -> bytes:
        """Return the bytes with which names go on that begin so."""
        return bytes(
            sorted({name[len(read)] for name in self.names if name.startswith(read) and name != read})
        )

    def expected(self, config: Config) -> list[Expected]:
        first = bytes(byte for byte in range(256) if self.step(config, byte) is not None)
        return [Expected(f"the rest of a value with {self.quote.decode()} around strings", (), first)]

    def height(self, config: Config) -> int:
        return len(cast(_Place, config)[2])

    @property
    def sizes(self) -> dict[str, int]:
        return self.of.sizes

    @property
    def compiled_parts(self) -> frozenset[CompiledGrammar]:
        return self.of.compiled_parts


def _unit(rest: bytes) -> bytes:
    """Return the first character of a JSON string's text, without its escape; one byte of others."""
    found = _UNIT.match(rest)
    assert found is not None
    if len(found[0]) == 1:
        return found[0]
    said: str = json.loads(b'"' + found[0] + b'"')
    return said.encode()


def _names(schema: Any) -> set[str]:
    """Return the keys that a schema, and those inside of it, name."""
    found: set[str] = set()
    for one in _objects(schema):
        for listed in (one.get("properties"), one.get("required")):
            if isinstance(listed, (Mapping, list)):
                found.update(map(str, listed))
    return found


def _check_keys(schema: Any, style: ArgumentStyle, where: str) -> None:
    """Raise `UnsupportedError` for keys that a style cannot write, of a schema and those inside of it."""
    wrong = next((name for name in sorted(_names(schema)) if re.fullmatch(style.keys, name) is None), None)
    keywords = ("patternProperties", "propertyNames", "uniqueItems")
    keyword = next((key for one in _objects(schema) for key in keywords if one.get(key)), "properties")
    if wrong is not None or keyword != "properties":
        named = f"the name {wrong!r}" if wrong is not None else f"values of {keyword}"
        raise UnsupportedError(
            f"{style.name} cannot write {named}.",
            keyword=keyword,
            where=where,
            cure="Rename the keys, or use a format whose arguments are JSON.",
        )


def _objects(schema: Any) -> Iterator[Mapping[str, Any]]:
    rest: list[Any] = [schema]
    while rest:
        one = rest.pop()
        if isinstance(one, list):
            rest += one
        elif isinstance(one, Mapping):
            yield one
            rest += one.values()
