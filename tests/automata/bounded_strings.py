"""Random strings whose characters are counted beside patterns, and what `re` and enumeration say of them."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import structgen as sg

LETTERS = 'ab0-é€😀"\n\x01'
"""Of patterns: characters of one to four bytes, six and twelve as escapes; some that JSON always escapes."""
OTHERS = "!x"
"""In no pattern: one byte each under every policy."""
POLICIES: tuple[dict[str, Any], ...] = ({}, dict(sg.JSON_DUMPS), {"escapes": "utf8"}, {"escapes": "any"})


def random_pattern(chance: random.Random) -> str:
    """Return a small pattern whose alternatives differ in characters and in bytes."""

    def some(letters: str = LETTERS, most: int = 3) -> str:
        return re.escape("".join(chance.choices(letters, k=chance.randint(1, most))))

    def part() -> str:
        kind = chance.randrange(8)
        if kind < 3:
            return f"(?:{some(LETTERS[4:], 2)}|{some(LETTERS[:4], 5)}|{some()})"
        if kind == 3:
            return "[" + "".join(map(re.escape, chance.sample(LETTERS, 2))) + "]"
        if kind == 4:
            return "[^" + "".join(map(re.escape, chance.sample(LETTERS + "x", 3))) + "]"
        if kind == 5:
            return "[é-ü€]"
        return some()

    text = "".join(part() + chance.choice(["", "", "", "?", "{2}", "+"]) for _ in range(chance.randint(1, 2)))
    return chance.choice(["", "", "^"]) + text + chance.choice(["$", "$", "$", ""])


def random_string(chance: random.Random) -> dict[str, Any]:
    """Return a schema of strings with bounds on their characters."""

    def condition(depth: int) -> dict[str, Any]:
        kind = chance.randrange(9)
        if depth == 0 or kind < 4:
            return {"pattern": random_pattern(chance)}
        if kind == 4:
            return {"not": {"pattern": random_pattern(chance)}}
        if kind == 5:
            return {"minLength": chance.randint(0, 3)}
        if kind == 6:
            return {"format": chance.choice(["json-pointer", "hostname", "uri-reference", "idn-hostname"])}
        word = chance.choice(["anyOf", "anyOf", "allOf"])
        return {word: [condition(depth - 1) for _ in range(2)]}

    found = {"type": "string", **condition(2), "maxLength": chance.randint(1, 5)}
    if chance.random() < 0.3:
        found["minLength"] = chance.randint(0, found["maxLength"])
    if chance.random() < 0.4:
        found["allOf"] = [condition(1), *found.get("allOf", [])]
    return found


@lru_cache(maxsize=4096)
def _search(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("$", r"\Z"))


@lru_cache(maxsize=64)
def _formatted(name: str) -> sg.CompiledGrammar:
    """Return the strings of a format, without a bound: what a mask says there has tests of its own."""
    return sg.compile(sg.json_schema({"type": "string", "format": name}, escapes="any"), BYTES, store=False)


BYTES = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], 256)


def holds(schema: dict[str, Any], text: str) -> bool:
    """Return whether a string meets a schema of `random_string`."""
    for word, value in schema.items():
        if word == "pattern":
            met = _search(value).search(text) is not None
        elif word == "minLength":
            met = len(text) >= value
        elif word == "maxLength":
            met = len(text) <= value
        elif word == "not":
            met = not holds(value, text)
        elif word == "anyOf":
            met = any(holds(one, text) for one in value)
        elif word == "allOf":
            met = all(holds(one, text) for one in value)
        elif word == "format":
            compiled = _formatted(value)
            state = compiled.step_bytes(compiled.start, json.dumps(text).encode())
            met = state is not None and state.is_complete
        else:
            met = word == "type"
        if not met:
            return False
    return True


@lru_cache(maxsize=8)
def _texts(most: int) -> list[str]:
    return [
        "".join(text) for size in range(most + 1) for text in itertools.product(LETTERS + OTHERS, repeat=size)
    ]


def accepted(schema: dict[str, Any], most: int) -> list[str]:
    """Return the strings of LETTERS and OTHERS that meet a schema, of up to `most` characters."""
    return [text for text in _texts(min(most, schema["maxLength"])) if holds(schema, text)]


@lru_cache(maxsize=4096)
def ways(char: str, policy: str) -> tuple[str, ...]:
    """Return how a character may be written in a string, the shortest first."""
    ascii, utf8 = json.dumps(char)[1:-1], json.dumps(char, ensure_ascii=False)[1:-1]
    if policy == "ascii":
        return ("\\u007f",) if char == "\x7f" else (ascii,)
    if policy == "utf8":
        return (utf8,)
    units = "".join("\\u" + unit for unit in re.findall("....", char.encode("utf-16-be").hex()))
    return tuple(dict.fromkeys((utf8, ascii, units, units.upper().replace("\\U", "\\u"))))


def rests(texts: list[str], prefix: bytes, policy: str) -> Iterator[int]:
    """Yield in how many bytes each of some strings goes on behind the prefix of a literal, without quotes."""
    for text in texts:
        # the bytes of the prefix that are read -> the fewest bytes written behind it
        found = {0: 0}
        for char in text:
            after: dict[int, int] = {}
            for at, cost in found.items():
                for way in ways(char, policy):
                    data = way.encode()
                    left = prefix[at:]
                    if not left:
                        after[at] = min(after.get(at, 1 << 30), cost + len(data))
                        break
                    if data.startswith(left) or left.startswith(data):
                        then = at + min(len(data), len(left))
                        after[then] = min(after.get(then, 1 << 30), cost + max(0, len(data) - len(left)))
            found = after
        if len(prefix) in found:
            yield found[len(prefix)]
