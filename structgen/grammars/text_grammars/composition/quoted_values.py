"""JSON values in a style that quotes strings in its own way, and keys not at all: `{a:<|"|>x<|"|>,b:[1]}`.

The texts are those of a schema's JSON, written differently, so that every keyword means what it means in
JSON: a string stands without escapes between two quotes, a key up to its colon, all else as JSON has it.
Another schema beside it leaves the objects out whose keys cannot stand so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from structgen.base.errors import UnsatisfiableSchema, UnsupportedError
from structgen.base.language.expectation import Expected
from structgen.base.limits import Limits
from structgen.grammars.json_grammars.plain_network import network_of
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar, json_schema
from structgen.grammars.text_grammars.composition.argument_styles import ArgumentStyle
from structgen.grammars.text_grammars.composition.bans import without
from structgen.grammars.text_grammars.machine.language import CompileTarget, Config, Language
from structgen.grammars.text_grammars.text_grammar import DerivedGrammar, TextGrammar, as_text

_Place: TypeAlias = "tuple[Config, str, bytes, bytes]"
"""The configuration of the JSON text, what the text is in (below), the brackets that are open, and what was
read of a quote or a key and is not in the JSON text."""
_VALUE: Final = "value"
_OBJECT: Final = "object"
"""Where a key or the end of an object stands."""
_KEY: Final = "key"
_STRING: Final = "string"
_NAMED: Final = "named"
"""Between a key and its colon."""
_OTHER: Final = "other"
"""Inside of a number or a word, or behind a value."""
_QUOTE, _COLON = b'":'
_BLANK: Final = b" \t\n\r"
_WRITABLE: Final = "with writable keys"
"""The name of the schema of values whose keys a style can write."""
_TEXT: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"(:?)', re.DOTALL)
"""A string of a compact JSON text, and the colon behind a key."""
_ESCAPED: Final = tuple(
    json.dumps(chr(byte))[1:-1].encode() if byte < 0x80 else bytes((byte,)) for byte in range(256)
)
"""Each byte of UTF-8 as JSON writes it most briefly in a string."""


def writes_as_json(style: ArgumentStyle) -> bool:
    """Tell whether a style writes values as JSON but for its strings and keys."""
    pattern = (style.brackets, style.between, style.member, style.item)
    return bool(style.quote) and pattern == (("{", "}", "[", "]"), ",", "$key:$value", "$value")


def quoted_values(
    schema: Mapping[str, Any], policies: Mapping[str, Any], style: ArgumentStyle, excludes: Sequence[str]
) -> TextGrammar:
    """Return the objects of a schema in a style that `writes_as_json`, with the white space of the policies
    where it is `padded`, and none elsewhere; no string and no key holds one of the texts in `excludes`.

    Raises `UnsupportedError` for names that the style cannot write, and where it writes none of the objects;
    the errors of `sg.json_schema`. Cost: masks are made byte by byte.
    """
    json_grammar = json_schema(dict(schema), **policies)
    json_grammar.document().require_handled()  # with places in the schema itself
    whitespace = json_grammar.policies.whitespace
    blanks = whitespace if style.padded and whitespace.startswith(("any", "bounded")) else "compact"
    _check_names(schema, style)
    kept_definitions = {name: schema[name] for name in ("$schema", "$defs") if name in schema}
    keys = {"$ref": f"#/definitions/{_WRITABLE.replace(' ', '%20')}"}
    wrapped = {
        "patternProperties": {f"^{style.keys}$": keys},
        "additionalProperties": False,
        "items": keys,
    }
    # References inside the schema begin at its own root, which an identifier says.
    own = {**dict.fromkeys(("id", "$id"), "arguments:"), **schema}
    both = {name: [own, keys] for name in ("allOf", "extends")}  # the draft reads one of the two
    definitions = {**schema.get("definitions", {}), _WRITABLE: wrapped}
    inside = {**kept_definitions, "type": "object", "definitions": definitions, **both}
    written_so = {**policies, "strict": None, "whitespace": blanks, "escapes": "utf8"}
    grammar = without(json_schema(inside, **written_so), (style.quote, *style.ends, *excludes))
    assert isinstance(grammar, JsonSchemaGrammar)
    try:
        network_of(grammar.document())
    except UnsatisfiableSchema as error:
        network_of(json_schema(dict(schema), **written_so).document())  # raises where there is none at all
        raise _quoting_error(style, "any of the objects", "#", "properties") from error
    return QuotedValues(grammar, style.quote)


def _check_names(schema: Mapping[str, Any], style: ArgumentStyle) -> None:
    """Raise `UnsupportedError` for a key that a schema, or one inside of it, names and a style cannot
    write."""
    rest: list[tuple[str, Any]] = [("#", schema)]
    while rest:
        where, part = rest.pop()
        if isinstance(part, list):
            rest += [(f"{where}/{at}", inner) for at, inner in enumerate(part)]
        elif isinstance(part, Mapping):
            rest += [(f"{where}/{key}", inner) for key, inner in part.items()]
            for keyword in ("properties", "required"):
                names = part.get(keyword, ()) if isinstance(part.get(keyword), (Mapping, list)) else ()
                wrong = next((name for name in names if re.fullmatch(style.keys, str(name)) is None), None)
                if wrong is not None:
                    raise _quoting_error(style, f"the name {wrong!r}", f"{where}/{keyword}", keyword)


def _quoting_error(style: ArgumentStyle, fault: str, where: str, keyword: str) -> UnsupportedError:
    return UnsupportedError(
        f"{style.name} cannot write {fault}.",
        keyword=keyword,
        where=where,
        cure="Rename the keys, or use a format whose arguments are JSON.",
    )


@dataclass(eq=False, repr=False, slots=True)
class QuotedValues(DerivedGrammar):
    """The values of a schema in such a style. Made by `quoted_values`."""

    of: JsonSchemaGrammar
    """It writes no string with a quote in it."""
    quote: str

    @property
    def canonical(self) -> str:
        return f"quoted {self.quote!r} {self.of.canonical}"

    @property
    def source(self) -> str:
        return f"values with {self.quote} around strings"

    def without_bytes(self, missing: frozenset[int]) -> TextGrammar:
        return QuotedValues(self.of.without_bytes(missing), self.quote)

    def language(self, limits: Limits, target: CompileTarget | None = None) -> Language:
        return _QuotedLanguage(as_text(self.of).language(limits), self.quote.encode())


class _QuotedLanguage(Language):
    """The words of a language of JSON texts, written so. A language of single bytes: masks are made of
    them."""

    has_stack = True

    def __init__(self, of: Language, quote: bytes) -> None:
        self.of, self.quote, self.locks, self.parts = of, quote, of.locks, (of,)

    def start(self) -> Config:
        return self.of.start(), _VALUE, b"", b""

    def step(self, config: Config, symbol: int) -> Config | None:
        at, mode, open_, raw_bytes = config
        if symbol > 255:
            return None
        if mode == _STRING:
            return self._in_string(at, open_, raw_bytes + bytes((symbol,)))
        if mode == _VALUE and (raw_bytes or symbol == self.quote[0]):
            raw_bytes += bytes((symbol,))
            after = self.of.step(at, _QUOTE) if self.quote.startswith(raw_bytes) else None
            if after is None:
                return None
            return (after, _STRING, open_, b"") if raw_bytes == self.quote else (at, _VALUE, open_, raw_bytes)
        if mode == _KEY and symbol == _COLON:
            after = self.of.config_after(at, b'":')
            return None if after is None else (after, _VALUE, open_, b"")
        if mode == _KEY or (mode == _OBJECT and symbol != 0x7D and symbol not in _BLANK):
            inside = at if mode == _KEY else self.of.step(at, _QUOTE)
            after = None if inside is None else self._after_content(inside, bytes((symbol,)))
            if after is None and mode == _KEY and symbol in _BLANK:
                after_quotes = self.of.config_after(at, bytes((_QUOTE, symbol)))
                return None if after_quotes is None else (after_quotes, _NAMED, open_, b"")
            return None if after is None else (after, _KEY, open_, b"")
        after = None if symbol == _QUOTE else self.of.step(at, symbol)
        return None if after is None else self._after_punctuation(after, symbol, mode, open_)

    def _after_punctuation(self, at: Config, symbol: int, mode: str, open_: bytes) -> Config:
        """Return the configuration behind a byte that is no part of a string or a key."""
        byte = bytes((symbol,))
        if symbol in _BLANK:
            return at, mode, open_, b""
        if symbol == _COLON:
            return at, _VALUE, open_, b""
        if byte in b"{[":
            return at, _OBJECT if byte == b"{" else _VALUE, open_ + byte, b""
        if byte in b"}]":
            return at, _OTHER, open_[:-1], b""
        if byte == b",":
            return at, _OBJECT if open_[-1:] == b"{" else _VALUE, open_, b""
        return at, _OTHER, open_, b""

    def _in_string(self, at: Config, open_: bytes, raw_bytes: bytes) -> Config | None:
        """Return the configuration inside a string, where `raw_bytes` may begin its end."""
        now: Config | None = at
        while raw_bytes and not self.quote.startswith(raw_bytes):
            now, raw_bytes = self._after_content(now, raw_bytes[:1]), raw_bytes[1:]
            if now is None:
                return None
        after_quote = self.of.step(now, _QUOTE)
        if raw_bytes == self.quote:
            return None if after_quote is None else (after_quote, _OTHER, open_, b"")
        if raw_bytes and after_quote is None and self._after_content(now, raw_bytes) is None:
            return None
        return now, _STRING, open_, raw_bytes

    def _after_content(self, at: Config, data: bytes) -> Config | None:
        """Return the configuration after bytes of a string, as JSON writes them."""
        return self.of.config_after(at, b"".join(_ESCAPED[byte] for byte in data))

    def accepts(self, config: Config) -> bool:
        at, mode, open_, _ = config
        return mode == _OTHER and not open_ and self.of.accepts(at)

    def shortest_rest(self, config: Config) -> Sequence[int]:
        at, mode, _, raw_bytes = config
        after_quote = self.of.step(at, _QUOTE) if raw_bytes else None
        if after_quote is not None:
            rest = b'"' + bytes(self.of.shortest_rest(after_quote))
        else:
            if mode == _STRING:
                at, raw_bytes = self._after_content(at, raw_bytes), b""
            rest = bytes(self.of.shortest_rest(at))
        whole = _TEXT.sub(self._unquote_string, b'"' + rest if mode in (_STRING, _KEY) else rest)
        return whole[len(raw_bytes) + (len(self.quote) if mode == _STRING else 0) :]

    def _unquote_string(self, match: re.Match[bytes]) -> bytes:
        """Return a string of a JSON text, or a key and its colon, as they stand here."""
        # it may begin inside a character
        decoded: str = json.loads((b'"' + match[1] + b'"').decode(errors="surrogateescape"))
        text = decoded.encode(errors="surrogateescape")
        return text + b":" if match[2] else self.quote + text + self.quote

    def expected_items(self, config: Config) -> list[Expected]:
        first = self.first_bytes(config)
        return [Expected(f"the rest of a value with {self.quote.decode()} around strings", (), first)]

    def height(self, config: Config) -> int:
        return len(config[2])
