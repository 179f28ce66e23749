"""What the package weighs.

    python scripts/house.py [--check | --lower | --write]

Without an option it prints the tokens of code of each room of structgen, and what the whole weighs.
`house.toml` holds what it may weigh. `--check` (`make lint`) fails where it weighs more, and says where it
weighs less. `--lower` (`make house`) writes the numbers that went down. `--write` writes all numbers of
rooms, which go up in a commit whose message says for which capability. The table `total` is the ceiling of
the whole package: no option raises it. The table `names` has the figures of scripts/naming.py for each
room; five of them only fall, two only rise.

A room is a package or a file in one of the folders of FOLDERS, or at the root of structgen. What `make lint`
says of imports between rooms is import-linter's (pyproject.toml); tests/test_rooms.py says more.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import naming

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "structgen"
FOLDERS = ("base", "machines", "grammars", "asking", "decoding", "doors")
"""The folders of the package that hold rooms; `tokens`, `automata` and `schema` are rooms themselves."""

Weights = dict[str, dict[str, int]]
"""The tables of house.toml."""

_HEADER = """\
# What the package weighs. `make lint` fails where it weighs more, `make house` lowers what went down. A
# number goes up in a commit whose message says for which capability (CONTRIBUTING.md, "Weight").
# `total` is the ceiling of the whole package: `make house` lowers its tokens of code; up they go by hand.
"""
_ROOMS, _NAMES, _WHOLE = "rooms", "names", "all"
_RATCHET = "tokens of code"
_LEAST = "docstring lines for 100 lines of code"
_COMPILED = {"__pycache__", "machine_code"}
"""Folders of compiled code, which git ignores: they are made in a checkout, and weigh nothing."""
_LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
_STARTS_STATEMENT = {tokenize.INDENT, tokenize.NEWLINE, tokenize.DEDENT}


def weights(root: Path = ROOT) -> Weights:
    """Return what house.toml holds, as it is, without the table `names` (measure_names).

    `rooms`: the tokens of code of each room. `numbers`: private numeric thresholds, file formats, long
    functions, functions of naming.BANNED_FUNCTIONS. `total`, of the whole package: tokens of code, bytes of
    data files, and how many lines of docstrings stand beside 100 lines of code. Tokens of code are Python's
    tokens without comments, line ends, indentation and docstrings: who joins two lines or leaves out a
    docstring saves none of them.
    The name of a folder in the path of a module is not counted: `structgen.decoding.engine` is as much as
    `structgen.engine`. So to move a room neither costs nor saves, and numbers of before the folders are
    comparable. Cost: some seconds.
    """
    tokens: Counter[str] = Counter()
    total, numbers = dict.fromkeys((_RATCHET, "bytes of data"), 0), dict.fromkeys(_NUMBERS, 0)
    lines = docstring_lines = 0
    for path in sorted((root / PACKAGE).rglob("*")):
        place = path.relative_to(root / PACKAGE)
        if path.suffix == ".py":
            text = path.read_text(encoding="utf-8")
            tree = ast.parse(text)
            lines += sum(bool(line.strip()) for line in text.splitlines())
            docstring_lines += _docstring_lines(tree)
            tokens[room_of(place)] += _tokens_of_code(_IN_A_FOLDER.sub("structgen.", text))
            for name, listed in _NUMBERS.items():
                numbers[name] += len(listed(tree))
        elif path.is_file() and _COMPILED.isdisjoint(place.parts):
            total["bytes of data"] += path.stat().st_size
    total[_RATCHET] = tokens.total()
    total[_LEAST] = 100 * docstring_lines // max(1, lines - docstring_lines)
    return {_ROOMS: dict(sorted(tokens.items())), "numbers": numbers, "total": total}


def room_of(place: Path) -> str:
    """Return the room of a file, which is named by its place in the package: `machines/core`, `tokens`."""
    parts = place.with_suffix("").parts[: 2 if place.parts[0] in FOLDERS else 1]
    return "/".join(part for part in parts if part != "__init__") or PACKAGE


def private_thresholds(tree: ast.Module) -> list[str]:
    """Return the names of a module's private numeric thresholds: those that begin with `_`, are assigned at
    the left margin, alone, and whose value is written in numbers alone (`64`, `1 << 20`, `-0.5`, `60 * 60`).
    Layouts of words and counts of states that are written so are among them."""
    return [name for name, value in _assigned(tree) if name.startswith("_") and _is_number(value)]


def file_formats(tree: ast.Module) -> list[str]:
    """Return the names of a module's file formats: `kind`, `magic` or `format`, with or without more in
    front (`_ROW_KIND`), assigned at the left margin or in a class to a literal that ends in its version, a
    digit."""
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return [
        name
        for name, value in chain(_assigned(tree), *map(_assigned, classes))
        if name.lower().endswith(("kind", "magic", "format")) and _ends_in_digit(value)
    ]


def long_functions(tree: ast.Module) -> list[str]:
    """Return the names of a module's functions that are long: over 80 lines without the docstring, or over 25
    parameters and local names. Overloads have no code and are left out."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not _is_overload(node):
            first, last = node.body[0], node.body[-1]
            before = first.lineno - 1 if ast.get_docstring(node) is None else first.end_lineno
            lines = (last.end_lineno or 0) - (before or 0)
            names = {one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)}
            names |= {
                one.id
                for one in ast.walk(node)
                if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
            }
            if lines > _LONGEST or len(names) > _MOST_NAMES:
                found.append(node.name)
    return found


def functions_without_object(tree: ast.Module) -> list[str]:
    """Return the names of a module's functions that are of naming.BANNED_FUNCTIONS."""
    functions = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return [node.name for node in functions if node.name in naming.BANNED_FUNCTIONS]


def _is_overload(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Return whether a function is one for type checkers."""
    return any(isinstance(one, ast.Name) and one.id == "overload" for one in node.decorator_list)


def _assigned(holder: ast.Module | ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that a module or a class assigns to, each with its value."""
    for node in holder.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Name):
                yield target.id, node.value


def _is_number(value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp):
        return _is_number(value.left) and _is_number(value.right)
    if isinstance(value, ast.UnaryOp):
        return _is_number(value.operand)
    return isinstance(value, ast.Constant) and type(value.value) in (int, float)


def _ends_in_digit(value: ast.expr) -> bool:
    said = value.value if isinstance(value, ast.Constant) else ""
    return (said.decode("latin-1") if isinstance(said, bytes) else str(said)).rstrip()[-1:].isdecimal()


def _docstring_lines(tree: ast.Module) -> int:
    """Return the lines of the strings that stand as statements of their own."""
    alone = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    texts = [one for one in alone if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    return sum((one.end_lineno or one.lineno) - one.lineno + 1 for one in texts)


def _tokens_of_code(text: str) -> int:
    count, before = 0, tokenize.INDENT
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _LAYOUT:
            count += not (token.type == tokenize.STRING and before in _STARTS_STATEMENT)
            before = token.type
        elif token.type in _STARTS_STATEMENT:
            before = token.type
    return count


_IN_A_FOLDER = re.compile(rf"\bstructgen\.({'|'.join(FOLDERS)})\.")
_LONGEST, _MOST_NAMES = 80, 25
_NUMBERS = {
    "file formats": file_formats,
    "functions named by a bare word": functions_without_object,
    "long functions": long_functions,
    "private numeric thresholds": private_thresholds,
}


def measure_names(root: Path = ROOT) -> dict[str, naming.NameCounts]:
    """Return what scripts/naming.py counts in each room of the package, the whole package as `all`. Cost: ten
    seconds."""
    rooms: dict[str, naming.NameCounts] = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        for room in (room_of(path.relative_to(root / PACKAGE)), _WHOLE):
            rooms.setdefault(room, naming.NameCounts()).add_file(text, tree)
    return {room: counts for room, counts in sorted(rooms.items()) if counts.counts["identifiers"]}


def allowed(root: Path = ROOT) -> Weights:
    """Return the numbers of house.toml, without the table `names`."""
    tables = _read_tables(root)
    tables.pop(_NAMES, None)
    return tables


def allowed_names(root: Path = ROOT) -> dict[str, naming.Figures]:
    """Return the table `names` of house.toml: the figures that each room may have."""
    return _read_tables(root).get(_NAMES, {})


def _read_tables(root: Path) -> dict[str, Any]:
    return tomllib.loads((root / "house.toml").read_text(encoding="utf-8"))


def worse_names(measured: dict[str, naming.NameCounts], limits: dict[str, naming.Figures]) -> list[str]:
    """Return a message for each figure of a room's names that is worse than house.toml allows."""
    return list(
        chain.from_iterable(
            naming.worst_figures(room, counts, limits.get(room, {})) for room, counts in measured.items()
        )
    )


def too_heavy(found: Weights, most: Weights) -> list[str]:
    """Return a message for each number that is above what house.toml says; of docstrings, below it."""
    messages = []
    for part, name, count, known in _pairs(found, most):
        if name == _LEAST:
            if count < known:
                messages.append(
                    f"{PACKAGE}/ has {count} {name}, fewer than the {known} of house.toml. Write the "
                    "docstrings that are missing."
                )
        elif count > known and part == "total":
            messages.append(
                f"{PACKAGE}/ has {count:,} {name}, {count - known:,} more than the ceiling of house.toml "
                f'({known:,}). Take as many away: by deleting a mechanism (CONTRIBUTING.md, "Weight").'
            )
        elif count > known:
            what = (
                f"{PACKAGE}/{name} has {count:,} {_RATCHET}"
                if part == _ROOMS
                else f"There are {count:,} {name}"
            )
            messages.append(
                f"{what}, {count - known:,} more than house.toml says ({known:,}). Take as many away, here "
                f"or in another room, and write {count} into house.toml in a commit whose message says for "
                'which capability (CONTRIBUTING.md, "Weight").'
            )
    return messages


def lighter(found: Weights, most: Weights) -> list[str]:
    """Return what `make house` would lower, and by how much."""
    return [
        f"{part}, {name}: {known:,} -> {count:,}"
        for part, name, count, known in _pairs(found, most)
        if count < known and (part != "total" or name == _RATCHET)
    ]


def _pairs(found: Weights, most: Weights) -> Iterator[tuple[str, str, int, int]]:
    """Yield table, name, what is there, what house.toml says; 0 of what it does not know."""
    for part, counts in found.items():
        for name, count in counts.items():
            yield part, name, count, most.get(part, {}).get(name, 0)


def rewrite(found: Weights, root: Path = ROOT, *, upward: bool) -> None:
    """Write house.toml anew: the numbers that went down, and with `upward` those of rooms that went up. What
    is no longer there goes; what is new comes in with `upward` alone. Of the ceiling, the tokens of code go
    down."""
    most = allowed(root)
    tables = dict.fromkeys(found, "")
    for part, name, count, known in _pairs(found, most):
        if part == "total":
            kept = min(count, known) if name == _RATCHET else known
        elif upward:
            kept = count
        elif name in most.get(part, {}):
            kept = min(count, known)
        else:
            continue
        tables[part] += f"{name if name.isidentifier() and part == _ROOMS else json.dumps(name)} = {kept}\n"
    tables[_NAMES] = "".join(_name_rows(root, upward=upward))
    text = _HEADER + "".join(f"\n[{part}]\n{rows}" for part, rows in tables.items())
    (root / "house.toml").write_text(text, encoding="utf-8")


def _name_rows(root: Path, *, upward: bool) -> Iterator[str]:
    """Yield the rows of the table `names`: the better of what is there and what was allowed; with `upward`
    what is there."""
    limits = allowed_names(root)
    for room, counts in measure_names(root).items():
        if not upward and room not in limits:
            continue
        known, figures = limits.get(room, {}), counts.figures()
        for figure, value in figures.items():
            if figure in known and not upward:
                better = max if figure in naming.RISING else min
                figures[figure] = better(value, known[figure])
        row = ", ".join(f"{figure} = {value}" for figure, value in figures.items())
        yield f"{json.dumps(room)} = {{ {row} }}\n"


def main() -> None:
    """Print the numbers, compare them, or write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="fail where more is there than house.toml says")
    parser.add_argument("--lower", action="store_true", help="write into house.toml what went down")
    parser.add_argument("--write", action="store_true", help="write all numbers of rooms, upward too")
    options = parser.parse_args()
    found = weights()
    if options.check:
        if less := lighter(found, allowed()):
            print("house.toml can be lowered (`make house`):", *less, sep="\n  ")
        faults = too_heavy(found, allowed()) + worse_names(measure_names(), allowed_names())
        sys.exit("\n".join(faults) or None)
    if options.lower or options.write:
        rewrite(found, upward=options.write)
    for part, counts in found.items():
        print(f"\n{part}")
        for name, count in sorted(counts.items(), key=lambda one: -one[1]):
            print(f"  {name:46} {count:7}")
    print(f"\n{_NAMES} (scripts/naming.py)")
    for room, counts in measure_names().items():
        print(f"  {room:30}", *(f"{figure} {value:3}" for figure, value in counts.figures().items()))


if __name__ == "__main__":
    main()
