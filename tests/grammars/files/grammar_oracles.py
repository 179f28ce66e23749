"""Others that say whether a text is one of a grammar that ships: the standard library, readers of our own."""

from __future__ import annotations

import ast
import csv
import datetime
import io
import json
import re
from collections.abc import Callable

from go_oracle import is_go
from packaging.markers import InvalidMarker, Marker
from python_texts import is_python
from sql_oracle import is_sql


def is_json(text: str) -> bool:
    """Return whether `json.loads` takes the text, without what RFC 8259 does not have (NaN, Infinity)."""

    def refuse(name: str) -> float:
        raise ValueError(name)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return False
    return True


OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.UAdd, ast.USub)


def is_arithmetic(text: str) -> bool:
    """Return whether Python takes the text as one line of numbers, the operators above and brackets."""
    if re.search(r"[^-+*/%().0-9eE \t]", text) or re.search(r"(?<!\d)\.|\.(?!\d)", text):
        return False
    if any(re.match(r"0\d", number) for number in re.findall(r"\d[\d.]*(?:[eE][-+]?\d+)?", text)):
        return False
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError:
        return False
    allowed = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Constant, *OPERATORS)
    return all(isinstance(node, allowed) for node in ast.walk(tree))


def is_date(text: str) -> bool:
    """Return whether `datetime` takes the text, in the form that RFC 3339 has (leap seconds apart)."""
    shape = re.fullmatch(
        r"(\d{4}-\d\d-\d\d)?(T)?(\d\d:\d\d:\d\d)?(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?", text, re.ASCII
    )
    if shape is None:
        return False
    day, letter, time, fraction, offset = shape.groups()
    if (letter is not None) != (day is not None and time is not None):
        return False
    if time is None and (day is None or fraction or offset):
        return False
    if offset not in (None, "Z") and offset[-2:] > "59":  # `datetime` counts on.
        return False
    reader: Callable[[str], object] = (
        datetime.date.fromisoformat
        if time is None
        else datetime.time.fromisoformat
        if day is None
        else datetime.datetime.fromisoformat
    )
    try:
        reader(text)
    except ValueError:
        return False
    return True


def read_csv(text: str) -> list[list[str]] | None:
    """Return the records of a text by RFC 4180 (breaks of either kind), or None; a reader of our own."""
    records: list[list[str]] = [[]]
    at = 0
    while True:
        field, at = _csv_field(text, at)
        if field is None:
            return None
        records[-1].append(field)
        if at == len(text):
            return records
        if text[at] == ",":
            at += 1
        elif text.startswith(("\n", "\r\n"), at):
            at = text.index("\n", at) + 1
            records.append([])
        else:
            return None


def _csv_field(text: str, at: int) -> tuple[str | None, int]:
    if not text.startswith('"', at):
        start = at
        while at < len(text) and text[at] not in ',"\r\n\0':
            at += 1
        return text[start:at], at
    letters = []
    at += 1
    while at < len(text) and text[at] != "\0":
        if text[at] != '"':
            letters.append(text[at])
            at += 1
        elif text.startswith('""', at):
            letters.append('"')
            at += 2
        else:
            return "".join(letters), at + 1
    return None, at


def csv_module(text: str) -> list[list[str]]:
    """Return the records as Python's own reader has them; it leaves out the fields of empty lines."""
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def is_marker(text: str) -> bool:
    """Return whether `packaging` takes the marker, in the letters and variables that PEP 508 has."""
    words = re.sub("'[^']*'|\"[^\"]*\"", "''", text)
    if re.search(r"[^\x20-\x7e\t]|\\", text) or re.search(r"\.|\bextras\b|\bdependency_groups\b", words):
        return False
    if re.search(r"(?<!_)\bpython_implementation\b", words):
        return False
    try:
        Marker(text)
    except InvalidMarker:
        return False
    return True


KEYWORDS = ("and", "not", "or", "imply", "forall", "exists", "when")


def is_goal(text: str) -> bool:
    """Return whether a text is an atom, or a conjunction of atoms and denied ones; by nested lists."""
    stack: list[list[object]] = [[]]
    for piece in re.findall(r"[()]|[^()]+", text):
        if piece == "(":
            stack.append([])
        elif piece == ")":
            if len(stack) == 1:
                return False
            closed = stack.pop()
            stack[-1].append(closed)
        else:
            stack[-1].append(piece)
    return len(stack) == 1 and len(stack[0]) == 1 and (_is_atom(stack[0][0]) or _is_conjunction(stack[0][0]))


def _is_atom(found: object) -> bool:
    if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], str):
        return False
    names = found[0].split(" ")
    return all(re.fullmatch("[a-z][a-z0-9_-]*", name) and name not in KEYWORDS for name in names)


def _is_conjunction(found: object) -> bool:
    if not isinstance(found, list) or len(found) < 2 or found[0] != "and ":
        return False
    parts, blanks = found[1::2], found[2::2]
    return len(parts) == len(blanks) + 1 and {*map(str, blanks)} <= {" "} and all(map(_is_literal, parts))


def _is_literal(found: object) -> bool:
    denied = isinstance(found, list) and len(found) == 2 and found[0] == "not "
    return _is_atom(found[1]) if denied else _is_atom(found)


def is_molecule(text: str) -> bool:
    """Return whether a text is a line of SMILES in the part that `smiles.md` names; read left to right."""
    at, depth, may_bond, needs_atom, may_close = 0, 0, False, True, False
    symbols = re.compile(r"Br|Cl|[BCNOPSFIbcnops]|" + _BRACKET)
    ring = re.compile(r"[-=#:/\\]?(?:[1-9]|%[1-9][0-9])")
    while at < len(text):
        if atom := symbols.match(text, at):
            at, may_bond, needs_atom, may_close = atom.end(), True, False, True
        elif may_close and (closure := ring.match(text, at)):
            at = closure.end()
        elif text[at] in "-=#:/\\" and may_bond:
            at, may_bond, needs_atom, may_close = at + 1, False, True, False
        elif text[at] == "(" and not needs_atom:
            at, depth, may_bond, needs_atom, may_close = at + 1, depth + 1, True, True, False
        elif text[at] == ")" and depth and not needs_atom:
            at, depth, may_bond, may_close = at + 1, depth - 1, True, False
        else:
            return False
    return not depth and not needs_atom


_BRACKET = (
    r"\[(?:[1-9][0-9]{0,2})?(?:Br|Cl|Li|Na|Se|Si|[BCFHIKNOPS]|se|[bcnops])@{0,2}(?:H[1-9]?)?"
    r"(?:\+\+|--|[-+][1-9]?)?\]"
)


ORACLES: dict[str, Callable[[str], bool]] = {
    "arithmetic": is_arithmetic,
    "csv": lambda text: read_csv(text) is not None,
    "dates": is_date,
    "go": is_go,
    "goals": is_goal,
    "json": is_json,
    "markers": is_marker,
    "python": is_python,
    "select": is_sql,
    "smiles": is_molecule,
    "sql": is_sql,
}
