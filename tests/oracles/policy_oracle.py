"""Judges whether a JSON text is within the policies of a schema, from the text and the policy table alone.

The judgement has three values. `UNSURE` is for texts whose standing depends on which of several overlapping
branches of the schema a value is held to meet, which only the value's whole evaluation decides; laws that
need a definite answer pass such texts over (and count them).
"""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from json_text import Node, TextError, Token, parse
from schema_text import Part, Source, child, draft_of, in_place, key_order, numbers_in, possible_roots

Json = Any


class Answer(enum.Enum):
    """Whether a text is in the language."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"

    def __bool__(self) -> bool:
        raise TypeError("compare the answer: it has three values")


@dataclass(frozen=True)
class Options:
    """The policy options, as `json_schema` takes them."""

    whitespace: str | int = "bounded"
    property_order: str = "declared"
    numbers: str = "bounded"
    escapes: str = "canonical"
    formats: str = "assert"

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of `json_schema`."""
        names = ("whitespace", "property_order", "numbers", "escapes", "formats")
        return {name: getattr(self, name) for name in names}


WIDEST = Options("any", "any", "any", "any")
COMPACT = Options(whitespace="compact", numbers="plain")


@dataclass(frozen=True)
class Judgement:
    """The answer, with the byte and the policy that it rests on."""

    answer: Answer
    position: int = -1
    policy: str = ""
    reason: str = ""


def judge(text: bytes, schema: Json, options: Options, draft: str | None = None) -> Judgement:
    """Return whether a text is JSON and within the policies; the schema's truth is not looked at."""
    try:
        root, tokens = parse(text)
    except TextError as error:
        return Judgement(Answer.NO, error.position, "json", error.reason)
    found = [_whitespace(text, root, tokens, options)]
    source = Source(schema, draft_of(schema, draft))
    of_integers = any(word in str(schema) for word in _OF_INTEGERS)
    judged = of_integers or any(word in str(schema) for word in _BOUNDS)
    stack: list[tuple[Node, list[Part]]] = [(root, [Part(schema, True, False)])]
    while stack:
        node, roots = stack.pop()
        parts = in_place(source, roots, node.kind)
        if node.kind == "object":
            found.append(_order(node, roots, source, options))
            found.extend(_spelling(text, key, options, [], True) for key, _ in node.members)
            stack.extend((value, child(source, parts, key.value)) for key, value in node.members)
        elif node.kind == "array":
            stack.extend((item, child(source, parts, index)) for index, item in enumerate(node.items))
        elif node.kind == "string":
            found.append(_spelling(text, node.token, options, parts, False))
        elif node.kind == "number":
            constants = numbers_in(parts, source)
            found.append(_numeral(text, node.token, options, constants, of_integers, judged))
    for answer in (Answer.NO, Answer.UNSURE):
        bad = [f for f in found if f.answer is answer]
        if bad:
            return min(bad, key=lambda f: f.position)
    return Judgement(Answer.YES)


# White space


def gap_pattern(level: int, options: Options) -> str:
    """Return a regular expression for the white space between two tokens under "bounded" and "any".

    `level` is the number of open brackets after the following token.
    """
    if options.whitespace == "any":
        return r"[ \t\r\n]*"
    return rf"(?:[ \t\r\n]{{0,8}}|\r?\n[ \t]{{0,{8 * level}}})"


def _whitespace(text: bytes, root: Node, tokens: list[Token], options: Options) -> Judgement:
    policy = options.whitespace
    if policy in ("bounded", "any"):
        ends = [0] + [t.end for t in tokens]
        starts = [t.start for t in tokens] + [len(text)]
        levels = [t.level for t in tokens] + [0]
        for start, end, level in zip(ends, starts, levels, strict=True):
            if not re.fullmatch(gap_pattern(level, options), text[start:end].decode()):
                return Judgement(Answer.NO, start, "whitespace", "a run of white space that the policy lacks")
        return Judgement(Answer.YES)
    expected = layout([text[t.start : t.end].decode("utf-8") for t in tokens], policy).encode()
    if expected == text:
        return Judgement(Answer.YES)
    at = next(
        (i for i, (a, b) in enumerate(zip(expected, text, strict=False)) if a != b),
        min(len(expected), len(text)),
    )
    return Judgement(Answer.NO, at, "whitespace", f"not laid out as {policy!r}")


def layout(tokens: list[str], policy: str | int) -> str:
    """Return the one text that "compact", "oneline" or an indent gives to a sequence of tokens."""
    if policy == "compact":
        return "".join(tokens)
    if policy == "oneline":
        return "".join({",": ", ", ":": ": "}.get(token, token) for token in tokens)
    unit = " " * policy if isinstance(policy, int) else policy
    out: list[str] = []
    depth = 0
    for index, token in enumerate(tokens):
        if token in ("{", "["):
            depth += 1
            empty = tokens[index + 1] in ("}", "]")
            out.append(token if empty else f"{token}\n{unit * depth}")
        elif token in ("}", "]"):
            depth -= 1
            empty = tokens[index - 1] in ("{", "[")
            out.append(token if empty else f"\n{unit * depth}{token}")
        elif token == ",":
            out.append(f",\n{unit * depth}")
        else:
            out.append(": " if token == ":" else token)
    return "".join(out)


# Order of keys


def _order(node: Node, roots: list[Part], source: Source, options: Options) -> Judgement:
    if options.property_order == "any":
        return Judgement(Answer.YES)
    keys = [key.value for key, _ in node.members]
    verdicts = set()
    for selection in possible_roots(source, roots):
        mentioned, required = key_order(source, selection)
        verdicts.add(in_order(keys, mentioned, required))
    if verdicts == {True}:
        return Judgement(Answer.YES)
    answer = Answer.NO if verdicts == {False} else Answer.UNSURE
    return Judgement(answer, node.token.start, "property_order", "keys out of declared order")


def in_order(keys: list[str], mentioned: list[str], required: list[str]) -> bool:
    """Return whether keys come as declared: by rank, all other keys (rank last) in any order."""
    rank = {key: place for place, key in enumerate([*mentioned, *required])}
    places = [rank.get(key, len(rank)) for key in keys]
    return places == sorted(places)


# Strings


def canonical(text: str) -> str:
    """Return how json.dumps(ensure_ascii=False) writes a string."""
    return json.dumps(text, ensure_ascii=False)


def _spelling(text: bytes, token: Token, options: Options, parts: list[Part], is_key: bool) -> Judgement:
    if options.escapes == "any":
        return Judgement(Answer.YES)
    if re.search("[\ud800-\udfff]", token.value):
        return Judgement(Answer.NO, token.start, "escapes", "a lone surrogate")
    if options.escapes == "ascii":
        same = text[token.start : token.end] == json.dumps(token.value).encode()
        return Judgement(
            Answer.YES if same else Answer.NO, token.start, "escapes", "not as json.dumps spells it"
        )
    if text[token.start : token.end] == canonical(token.value).encode():
        return Judgement(Answer.YES)
    if options.escapes == "utf8":
        return Judgement(Answer.NO, token.start, "escapes", "not as json.dumps spells it")
    naming = [p for p in parts if isinstance(p.schema, dict) and ("enum" in p.schema or "const" in p.schema)]
    if is_key or any(p.certain and not p.negated for p in naming):
        return Judgement(
            Answer.NO, token.start, "escapes", "not spelt as json.dumps(ensure_ascii=False) does"
        )
    if naming:
        return Judgement(Answer.UNSURE, token.start, "escapes", "enum or const on some branch")
    return Judgement(Answer.YES)


# Numbers


@dataclass(frozen=True)
class Caps:
    """The most digits of each part of a numeral."""

    integer: int = 20
    fraction: int = 20
    exponent: int = 3


BASE_CAPS = Caps()


_OF_INTEGERS = ("integer", "multipleOf", "divisibleBy", "enum", "const")
_BOUNDS = ("inimum", "aximum")


def _numeral(
    text: bytes,
    token: Token,
    options: Options,
    constants: list[Decimal],
    speaks_of_integers: bool,
    judged: bool,
) -> Judgement:
    numeral = text[token.start : token.end].decode()
    if options.numbers == "plain" and not is_plain(numeral):
        return Judgement(Answer.NO, token.start, "numbers", "not plain")
    if "e" in numeral.lower() and judged:
        return Judgement(Answer.UNSURE, token.start, "numbers", "perhaps an exponent is not judged there")
    if options.numbers == "any":
        return Judgement(Answer.YES)
    if within(numeral, Caps()):
        if options.numbers == "bounded" and not numeral.lstrip("-").isdigit():
            value = Decimal(numeral)
            if speaks_of_integers and value == value.to_integral_value():
                return Judgement(
                    Answer.UNSURE, token.start, "numbers", "perhaps only integers may stand there"
                )
            if int(numeral.lower().partition("e")[2] or 0) > 287:
                answer = Answer.UNSURE if constants else Answer.NO
                return Judgement(answer, token.start, "numbers", "too large for a float")
        return Judgement(Answer.YES)
    answer = Answer.UNSURE if constants else Answer.NO  # constants may raise the caps
    return Judgement(answer, token.start, "numbers", "too many digits")


def is_plain(numeral: str) -> bool:
    """Return whether a numeral has no exponent, no minus before zero, and no fraction where it is an
    integer.
    """
    if "e" in numeral.lower():
        return False
    value = Decimal(numeral)
    if numeral.startswith("-") and value == 0:
        return False
    return "." not in numeral or value != value.to_integral_value()


def within(numeral: str, caps: Caps) -> bool:
    """Return whether each part of a numeral keeps to its cap."""
    mantissa, _, exponent = numeral.lower().partition("e")
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    return (
        len(whole) <= caps.integer
        and len(fraction) <= caps.fraction
        and len(exponent.lstrip("+-")) <= caps.exponent
    )
