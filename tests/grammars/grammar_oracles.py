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


ORACLES: dict[str, Callable[[str], bool]] = {
    "arithmetic": is_arithmetic,
    "csv": lambda text: read_csv(text) is not None,
    "dates": is_date,
    "go": is_go,
    "json": is_json,
    "markers": is_marker,
    "python": is_python,
    "sql": is_sql,
}
