"""Writes a schema's JSON values in a style with other quotes around strings, and none around keys.

For example, in the style `gemma` the JSON text `{"a":"x","b":[1]}` is written `{a:<|"|>x<|"|>,b:[1]}`.
The *JSON text* is the usual form. The *written text* is the form of the style. The *quote* is the text around
strings (here `<|"|>`). Between two quotes a string is written without escapes. A key is written as it is, up
to its colon. All else is as in JSON. A key is *writable* if the style can write it so.

The language reads a written text byte by byte, and steps through the JSON text of the same value. So every
keyword of the schema has its usual meaning. The *mode* is the kind of thing that is being read. A second
schema is joined to the user's, which excludes objects with keys that are not writable.
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
"""A configuration: the configuration of the JSON text, the mode (below), the open brackets such as b"{[", and
the *raw bytes*: the bytes of a quote that is not complete yet, which the JSON text has not read."""
_VALUE: Final = "value"
"""The mode before a value, or inside its opening quote."""
_OBJECT: Final = "object"
"""The mode where a key or the end of an object may follow."""
_KEY: Final = "key"
"""The mode inside a key."""
_STRING: Final = "string"
"""The mode inside a string, or inside its closing quote."""
_NAMED: Final = "named"
"""The mode between a key and its colon."""
_OTHER: Final = "other"
"""The mode inside a number or a literal (`true`), or after a value."""
_QUOTE, _COLON = b'":'
_BLANK: Final = b" \t\n\r"
_WRITABLE: Final = "with writable keys"
"""The name of the definition of the second schema: the values all of whose keys are writable."""
_TEXT: Final = re.compile(rb'"((?:[^"\\]|\\.)*)"(:?)', re.DOTALL)
"""A string of a compact JSON text, and the colon after a key."""
_ESCAPED: Final = tuple(
    json.dumps(chr(byte))[1:-1].encode() if byte < 0x80 else bytes((byte,)) for byte in range(256)
)
"""For each byte of UTF-8, the shortest form in which JSON writes it in a string: a quote is `\\"`."""


def writes_as_json(style: ArgumentStyle) -> bool:
    """Return whether a style writes values as JSON does, except for strings and keys."""
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
    """Return the grammar of the objects of a schema, written in a style that `writes_as_json`.

    `policies`: options of `sg.json_schema`. Their white space is allowed where the style is `padded`; other
    styles have none. `excludes`: texts that no string and no key contains. For example, in the style `gemma`
    the object `{"a": "x"}` is `{a:<|"|>x<|"|>}`.

    Raises `UnsupportedError` where the schema names keys that are not writable, and where the style can write
    none of the objects; and the errors of `sg.json_schema`. Cost: masks are made byte by byte.
    """
    json_grammar = json_schema(dict(schema), **policies)
    # errors name places in the user's schema, so it is checked before another schema is joined to it
    json_grammar.document().require_handled()
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
        # this raises the error of the user's own schema, where that has no document at all
        network_of(json_schema(dict(schema), **text_policies).document())
        raise _quoting_error(style, "any of the objects", "#", "properties") from error
    return QuotedValues(grammar, style.quote)


def _with_writable_keys(schema: Mapping[str, Any], style: ArgumentStyle) -> dict[str, Any]:
    """Return the schema of those objects of a schema whose keys are all writable, at any depth."""
    root_keywords = {name: schema[name] for name in ("$schema", "$defs") if name in schema}
    reference = {"$ref": f"#/definitions/{_WRITABLE.replace(' ', '%20')}"}
    writable = {
        "patternProperties": {f"^{style.keys}$": reference},
        "additionalProperties": False,
        "items": reference,
    }
    # The schema gets an identifier, so that the references inside it still begin at its own root.
    named_schema = {**dict.fromkeys(("id", "$id"), "arguments:"), **schema}
    # Draft 3 reads `extends`, all later drafts read `allOf`; each ignores the other keyword.
    both = {name: [named_schema, reference] for name in ("allOf", "extends")}
    definitions = {**schema.get("definitions", {}), _WRITABLE: writable}
    return {**root_keywords, "type": "object", "definitions": definitions, **both}


def _check_names(schema: Mapping[str, Any], style: ArgumentStyle) -> None:
    """Raise `UnsupportedError` if a schema, or a schema inside it, names a key that is not writable."""
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
    """The grammar of a schema's values as written texts. Made by `quoted_values`."""

    of: JsonSchemaGrammar
    """The grammar of the JSON texts. None of its strings contains the quote."""
    quote: str
    """The text around strings."""

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
    """The written texts of a language of JSON texts. Masks are made byte by byte."""

    has_stack = True

    def __init__(self, of: Language, quote: bytes) -> None:
        """`of`: the language of the JSON texts; `quote`: the text around strings."""
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
            # From the first byte of the quote on, a string must be allowed here: so there are no dead ends.
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
        """Return the configuration after a byte (`symbol`) that is read inside a key, or ends it; None where
        the byte is not allowed."""
        if symbol == _COLON:
            after = self.of.config_after(json_config, b'":')
            return None if after is None else (after, _VALUE, open_brackets, b"")
        after = self._after_content(json_config, bytes((symbol,)))
        if after is not None:
            return after, _KEY, open_brackets, b""
        if symbol in _BLANK:
            # the blank does not belong to the key, but comes between the key and its colon
            after = self.of.config_after(json_config, bytes((_QUOTE, symbol)))
        return None if after is None else (after, _NAMED, open_brackets, b"")

    def _after_punctuation(self, json_config: Config, symbol: int, mode: str, open_brackets: bytes) -> Config:
        """Return the configuration after a byte that is not part of a string or a key.

        `json_config` is the configuration of the JSON text after the byte. `mode` and `open_brackets` are
        those before the byte. For example, after `{` the mode is `_OBJECT`.
        """
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
        """Return the configuration inside a string or after it; None where the bytes are not allowed.

        `raw_bytes`: the bytes that the JSON text has not read, with the newest byte. They are the beginning
        of the closing quote, or content of the string.
        """
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
        """Return the configuration of the JSON text after some bytes of a string's content, each in the form
        in which JSON writes it."""
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
        # Inside a string or a key its opening quote is put before the rest, so that `_TEXT` matches it. What
        # was written already is cut off below: the opening quote, and the raw bytes.
        if mode in (_STRING, _KEY):
            rest = b'"' + rest
        whole = _TEXT.sub(self._unquote_string, rest)
        quote_length = len(self.quote) if mode == _STRING else 0
        return whole[len(raw_bytes) + quote_length :]

    def _unquote_string(self, match: re.Match[bytes]) -> bytes:
        """Return the written form of a match of `_TEXT`: a string of a JSON text, or a key and its colon."""
        content, colon = match.groups()
        # the rest of a string may begin inside a character: `surrogateescape` keeps its bytes
        json_string = (b'"' + content + b'"').decode(errors="surrogateescape")
        decoded: str = json.loads(json_string)
        text = decoded.encode(errors="surrogateescape")
        return text + b":" if colon else self.quote + text + self.quote

    def expected_items(self, config: Config) -> list[Expected]:
        first = self.first_bytes(config)
        return [Expected(f"a value with {self.quote.decode()} around strings", (), first)]

    def height(self, config: Config) -> int:
        """Return the number of open brackets."""
        _, _, open_brackets, _ = config
        return len(open_brackets)
