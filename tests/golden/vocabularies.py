"""The two vocabularies: the small BPE tokenizer of tests/data, and one that was made to be awkward."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import structgen as sg

from .case import drawn

ROOT = Path(__file__).resolve().parent.parent.parent

_CROSSING = (
    '{"', '":', '": ', '": "', '","', '", "', '"},{"', '":{"', '":[', '":true,"', '"]}', "}}", "]]", "[[",
    "[]", "{}", "},", "],", '",', '"]', '"}', "[1", "1,", "1]", "1}", "0.", ".5", ".0", "e1", "e-", "E+",
    "-0", "-1", "00", "12", "123", "999", "1.5", "true", "true}", "tru", "fals", "false]", "null",
    "null,", "nul", ", ", ": ", "  ", "    ", "\n", "\n  ", "\n    ", "\r\n", "\t", " \n", '\\"', "\\u",
    "\\u00", "\\ud8", "\\n", "\\\\", "\\/", "a", "ab", "abc", "aa", "aaa", "ba", "b", 'a"', 'b":', '"a',
    '"a"', '"a":', '"a":1', '"b":', "name", '"name"', '"id":', "é", "éa", 'é"', "ß", "€", "日", "本", "日本",
    "😀", '😀"', "if", "if ", "ifx", "else", "in", "int", " in", "(", ")", "((", "))", ")(", "()", ") + (",
    " + ", "+1", "*2", "1+1", "=1", "= ", ";\n", ":\n", ":\n  ", "\n\n", "# a", "/*", "*/", "//", "'a'",
    "''", '""', '"""', "<a", "<a>", "</a>", "<call", "<call>", "</call>", ">x<", "2024", "-01-", "T00:",
    ":00Z", "@a.", "a@b", ".com", "http", "://", "127.", "0.0", "::1", "-4", "=>", "->", "==", "x y",
    "select", "SELECT ", "from", " from t", "def f", "():", "return ", "pass\n", "func ", "{\n", "}\n",
    "abab", "x", "xx", "xy", "yx", "ax", "bx", "abx", "bbx",
)  # fmt: skip
_LETTERS = '",:{}[]abc012.- \n\\ex'


def _tokens() -> Iterator[bytes | None]:
    yield None  # padding
    yield b""
    for byte in range(256):
        yield bytes((byte,))
        if byte == 100:
            yield None  # a hole
    for text in _CROSSING:
        yield text.encode()
    yield b"\xe2\x82"  # parts of a character
    yield b"\x82\xac"
    yield b'\x80"'
    yield b'"\xc3'
    yield b'","'  # twice
    yield b"a"
    for number in range(300):
        length = 2 + drawn(f"length {number}", 3)
        parts = [_LETTERS[drawn(f"letter {number} {at}", len(_LETTERS))] for at in range(length)]
        yield "".join(parts).encode()


@cache
def vocabulary(name: str) -> sg.Tokenizer:
    """Return a vocabulary by its name: "bpe" (1536 tokens), or "odd"."""
    if name == "bpe":
        return sg.Tokenizer.from_huggingface(ROOT / "tests/data/bpe/tokenizer.json")
    tokens = list(_tokens())
    first = len(tokens)
    tokens += [None, None, None]
    if len(tokens) % 32 == 0:
        tokens.append(b"ab")
    return sg.Tokenizer.from_bytes(tokens, eos_token_id=(first, first + 2))
