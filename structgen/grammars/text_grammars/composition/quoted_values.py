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
"""The configuration of the JSON text, the mode (below), the brackets that are open, and the bytes that were
read of a quote and are not in the JSON text."""
_VALUE: Final = "value"
_OBJECT: Final = "object"
"""Where a key or the end of an object stands."""
_KEY: Final = "key"
_STRING: Final = "string"
_NAMED: Final = "named"
"""Between a key and its colon."""
_OTHER: Final = "other"
"""Inside of a number or a word, or after a value."""
_QUOTE, _COLON = b'":'
_BLANK: Final = b" \t\n\r"
_WRITABLE: Final = "with writable keys"
"""The name of the schema of values whose keys a style can write."""
_TEXT: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"(:?)', re.DOTALL)
"""A string of a compact JSON text, and the colon after a key."""
_ESCAPED: Final = tuple(
    json.dumps(chr(byte))[1:-1].encode() if byte < 0x80 else bytes((byte,)) for byte in range(256)
)
"""Each byte of UTF-8 as JSON writes it most briefly in a string."""


def writes_as_json(style: ArgumentStyle) -> bool:
    """Tell whether a style writes values as JSON but for its strings and keys."""
    if not style.quote:
        return False
    has_punctuation = style.brackets == ("{", "}", "[", "]") and style.between == ","
    return has_punctuation and style.member == "$key:$value" and style.item == "$value"


def quoted_values(
    schema: Mapping[str, Any],
    policies: Mapping[str, Any],
    style: ArgumentStyle,
    excludes: Sequence[str],
) -> TextGrammar:
    """Return the objects of a schema in a style that `writes_as_json`, with the white space of the policies
    where it is `padded`, and none elsewhere; no string and no key holds one of the texts in `excludes`.

    Raises `UnsupportedError` for names that the style cannot write, and where it writes none of the objects;
    the errors of `sg.json_schema`. Cost: masks are made byte by byte. For example, in the style `gemma` the
    object `{"a": "x"}` is `{a:<|"|>x<|"|>}`.
    """
    json_grammar = json_schema(dict(schema), **policies)
    json_grammar.document().require_handled()  # with places in the schema itself
    whitespace = json_grammar.policies.whitespace
    takes_blanks = style.padded and whitespace.startswith(("any", "bounded"))
    _check_names(schema, style)
    text_policies = {
        **policies,
        "strict": None,
        "whitespace": whitespace if takes_blanks else "compact",
        "escapes": "utf8",
    }
    whole_schema = _with_writable_keys(schema, style)
    json_texts = json_schema(whole_schema, **text_policies)
    grammar = without(json_texts, (style.quote, *style.ends, *excludes))
    assert isinstance(grammar, JsonSchemaGrammar)
    try:
        network_of(grammar.document())
    except UnsatisfiableSchema as error:
        # the error of the schema itself, where it has no document at all
        network_of(json_schema(dict(schema), **text_policies).document())
        raise _quoting_error(style, "any of the objects", "#", "properties") from error
    return QuotedValues(grammar, style.quote)


def _with_writable_keys(schema: Mapping[str, Any], style: ArgumentStyle) -> dict[str, Any]:
    """Return the schema of the objects of a schema all of whose keys, at any depth, a style can write."""
    root_keywords = {name: schema[name] for name in ("$schema", "$defs") if name in schema}
    reference = {"$ref": f"#/definitions/{_WRITABLE.replace(' ', '%20')}"}
    writable = {
        "patternProperties": {f"^{style.keys}$": reference},
        "additionalProperties": False,
        "items": reference,
    }
    # References inside the schema begin at its own root, which an identifier says.
    named_schema = {**dict.fromkeys(("id", "$id"), "arguments:"), **schema}
    # the draft reads one of the two keywords
    both = {name: [named_schema, reference] for name in ("allOf", "extends")}
    definitions = {**schema.get("definitions", {}), _WRITABLE: writable}
    return {**root_keywords, "type": "object", "definitions": definitions, **both}


def _check_names(schema: Mapping[str, Any], style: ArgumentStyle) -> None:
    """Raise `UnsupportedError` for a key that a schema, or one inside of it, names and a style cannot
    write."""
    pending: list[tuple[str, Any]] = [("#", schema)]
    while pending:
        where, part = pending.pop()
        if isinstance(part, list):
            pending += [(f"{where}/{index}", inner) for index, inner in enumerate(part)]
        elif isinstance(part, Mapping):
            pending += [(f"{where}/{key}", inner) for key, inner in part.items()]
            for keyword in ("properties", "required"):
                names = part.get(keyword)
                if not isinstance(names, (Mapping, list)):
                    continue
                for name in names:
                    if re.fullmatch(style.keys, str(name)) is None:
                        raise _quoting_error(style, f"the name {name!r}", f"{where}/{keyword}", keyword)


def _quoting_error(style: ArgumentStyle, fault: str, where: str, keyword: str) -> UnsupportedError:
    """Return the error for something that a style cannot write, such as `the name 'a b'`, at a place in the
    schema."""
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
    """The words of a language of JSON texts, with other quotes. A language of single bytes: masks are made of
    them."""

    has_stack = True

    def __init__(self, of: Language, quote: bytes) -> None:
        """`of`: the language of the JSON texts, which the bytes that are read here are translated to."""
        self.of = of
        self.quote = quote
        self.locks = of.locks
        self.parts = (of,)

    def start(self) -> Config:
        return self.of.start(), _VALUE, b"", b""

    def step(self, config: Config, symbol: int) -> Config | None:
        json_config, mode, open_brackets, raw_bytes = config
        if symbol > 255:
            return None
        byte = bytes((symbol,))
        if mode == _STRING:
            return self._in_string(json_config, open_brackets, raw_bytes + byte)
        if mode == _VALUE and (raw_bytes or symbol == self.quote[0]):
            raw_bytes += byte
            if not self.quote.startswith(raw_bytes):
                return None
            # asked at the first byte of the quote already: there are no dead ends
            after = self.of.step(json_config, _QUOTE)
            if after is None:
                return None
            if raw_bytes == self.quote:
                return after, _STRING, open_brackets, b""
            return json_config, _VALUE, open_brackets, raw_bytes
        if mode == _KEY:
            return self._in_key(json_config, open_brackets, symbol)
        if mode == _OBJECT and symbol != 0x7D and symbol not in _BLANK:  # not "}": a key begins
            inside = self.of.step(json_config, _QUOTE)
            after = None if inside is None else self._after_content(inside, byte)
            return None if after is None else (after, _KEY, open_brackets, b"")
        after = None if symbol == _QUOTE else self.of.step(json_config, symbol)
        return None if after is None else self._after_punctuation(after, symbol, mode, open_brackets)

    def _in_key(self, json_config: Config, open_brackets: bytes, symbol: int) -> Config | None:
        """Return the configuration after a byte inside a key, or after it."""
        if symbol == _COLON:
            after = self.of.config_after(json_config, b'":')
            return None if after is None else (after, _VALUE, open_brackets, b"")
        after = self._after_content(json_config, bytes((symbol,)))
        if after is not None:
            return after, _KEY, open_brackets, b""
        if symbol in _BLANK:
            # a blank that is no part of the key stands between it and its colon
            after = self.of.config_after(json_config, bytes((_QUOTE, symbol)))
        return None if after is None else (after, _NAMED, open_brackets, b"")

    def _after_punctuation(self, json_config: Config, symbol: int, mode: str, open_brackets: bytes) -> Config:
        """Return the configuration after a byte that is no part of a string or a key: `json_config` is that
        of the JSON text after it, the others are those before it. For example, after `{` a key stands."""
        byte = bytes((symbol,))
        if symbol in _BLANK:
            return json_config, mode, open_brackets, b""
        if symbol == _COLON:
            return json_config, _VALUE, open_brackets, b""
        if byte in b"{[":
            mode_after = _OBJECT if byte == b"{" else _VALUE
            return json_config, mode_after, open_brackets + byte, b""
        if byte in b"}]":
            return json_config, _OTHER, open_brackets[:-1], b""
        if byte == b",":
            mode_after = _OBJECT if open_brackets.endswith(b"{") else _VALUE
            return json_config, mode_after, open_brackets, b""
        return json_config, _OTHER, open_brackets, b""

    def _in_string(self, json_config: Config, open_brackets: bytes, raw_bytes: bytes) -> Config | None:
        """Return the configuration inside a string, where `raw_bytes` may begin its end."""
        current: Config | None = json_config
        # bytes that do not begin the quote are content of the string
        while raw_bytes and not self.quote.startswith(raw_bytes):
            current = self._after_content(current, raw_bytes[:1])
            raw_bytes = raw_bytes[1:]
            if current is None:
                return None
        after_quote = self.of.step(current, _QUOTE)
        if raw_bytes == self.quote:
            return None if after_quote is None else (after_quote, _OTHER, open_brackets, b"")
        # the bytes must be possible as the beginning of the quote, or as content
        if raw_bytes and after_quote is None and self._after_content(current, raw_bytes) is None:
            return None
        return current, _STRING, open_brackets, raw_bytes

    def _after_content(self, json_config: Config, data: bytes) -> Config | None:
        """Return the configuration after bytes of a string, as JSON writes them."""
        return self.of.config_after(json_config, b"".join(_ESCAPED[byte] for byte in data))

    def accepts(self, config: Config) -> bool:
        json_config, mode, open_brackets, _ = config
        return mode == _OTHER and not open_brackets and self.of.accepts(json_config)

    def shortest_rest(self, config: Config) -> Sequence[int]:
        json_config, mode, _, raw_bytes = config
        after_quote = self.of.step(json_config, _QUOTE) if raw_bytes else None
        if after_quote is not None:
            # a quote that is begun is completed
            rest = b'"' + bytes(self.of.shortest_rest(after_quote))
        else:
            if mode == _STRING:  # the bytes are content, which the JSON text has not read yet
                json_config = self._after_content(json_config, raw_bytes)
                raw_bytes = b""
            rest = bytes(self.of.shortest_rest(json_config))
        # the opening quote of the string or key is put before the rest, so that the pattern finds it
        if mode in (_STRING, _KEY):
            rest = b'"' + rest
        whole = _TEXT.sub(self._unquote_string, rest)
        quote_length = len(self.quote) if mode == _STRING else 0
        return whole[len(raw_bytes) + quote_length :]

    def _unquote_string(self, match: re.Match[bytes]) -> bytes:
        """Return a string of a JSON text, or a key and its colon, as they stand here."""
        content, colon = match.groups()
        # it may begin inside a character
        json_string = (b'"' + content + b'"').decode(errors="surrogateescape")
        decoded: str = json.loads(json_string)
        text = decoded.encode(errors="surrogateescape")
        return text + b":" if colon else self.quote + text + self.quote

    def expected_items(self, config: Config) -> list[Expected]:
        first = self.first_bytes(config)
        return [Expected(f"the rest of a value with {self.quote.decode()} around strings", (), first)]

    def height(self, config: Config) -> int:
        _, _, open_brackets, _ = config
        return len(open_brackets)
