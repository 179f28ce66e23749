"""The shape of the package in numbers: rooms, layers, circles, and the files that one mask passes through.

    python scripts/house.py [--json] [--no-trace] [--check | --lower | --write]

What comes in: the sources of structgen, read with `ast`; for the files of a mask, one mask of a JSON schema
and one of a Lark grammar, computed while Python's calls are traced. What goes out: a table, or JSON.

A *room* is a package. Its *floor* is the length of the longest chain of imports below it, where rooms that
import each other in a circle count as one; a *circle* of files is a set of files each of which imports,
perhaps through others, each other one. Imports inside functions and under TYPE_CHECKING count, unless a
number says otherwise. `structgen/__init__.py`, the list of public names, is no part of chains and circles.

`house.toml` holds what the package weighs: `--check` fails where it weighs more (`make lint`), `--lower`
rewrites the numbers that went down (`make house`), `--write` all of them. They go up in a commit whose
message says for which capability. Its table `total` is the ceiling of the whole package, which no option
of this script writes.
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
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "structgen"
LOADED, DEFERRED, TYPING = "loaded", "deferred", "typing"

_ADDRESS = re.compile(r"\b(?:load|store)(?:8|32|64)\(")
_FIELDS = {8: 0xFFF, 20: 0xFFFFF, 40: 0xFFFFFF}
"""The fields of the word of a trie's node (`structgen.tokens.trie_nodes`): how far to shift, and the mask."""
_SHIFTS = {"DEPTH_SHIFT", "SLOT_SHIFT", "END_SHIFT"}


class Import(NamedTuple):
    """One module imports another."""

    source: str
    target: str
    when: str
    """LOADED with the module, DEFERRED (inside a function), or for TYPING alone."""


class House(NamedTuple):
    """The package, read: modules by dotted name, with their trees; who imports whom."""

    paths: Mapping[str, Path]
    trees: Mapping[str, ast.Module]
    imports: tuple[Import, ...]

    def room(self, module: str) -> str:
        """Return the package that a module lies in; of a package itself, that package."""
        return module if self.paths[module].name == "__init__.py" else module.rpartition(".")[0]


def read(root: Path = ROOT) -> House:
    """Return the package below a folder. Cost: a second or two."""
    paths = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        paths[name.removesuffix(".__init__")] = path
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in paths.items()}
    imports = tuple(
        dict.fromkeys(
            Import(name, target, when)
            for name, tree in trees.items()
            for target, when in _imports_of(name, tree, paths)
        )
    )
    return House(paths, trees, imports)


def _imports_of(name: str, tree: ast.Module, paths: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """Yield what a module imports of the package, and when."""
    waiting: list[tuple[ast.AST, str]] = [(tree, LOADED)]
    while waiting:
        node, when = waiting.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == PACKAGE:
                    yield _module(alias.name, paths), when
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name if paths[name].name == "__init__.py" else name.rpartition(".")[0]
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parts, *filter(None, [node.module])])
            if base.split(".")[0] == PACKAGE:
                for alias in node.names:
                    yield _module(f"{base}.{alias.name}", paths), when
        elif isinstance(node, ast.If) and _is_for_types(node.test):
            waiting += [(child, TYPING) for child in node.body]
            waiting += [(child, when) for child in node.orelse]
        else:
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            deeper = DEFERRED if inside and when == LOADED else when
            waiting += [(child, deeper) for child in ast.iter_child_nodes(node) if isinstance(child, _BLOCKS)]


def _is_for_types(test: ast.expr) -> bool:
    """Return whether a condition is that of imports for types."""
    return isinstance(test, ast.Name | ast.Attribute) and ast.unparse(test).endswith("TYPE_CHECKING")


def _module(dotted: str, paths: Mapping[str, Path]) -> str:
    """Return the longest part of a dotted name that is a module."""
    while dotted not in paths and "." in dotted:
        dotted = dotted.rpartition(".")[0]
    return dotted


def circles(arrows: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Return the strongly connected components of two or more nodes (Tarjan 1972), lowest first."""
    graph: defaultdict[str, set[str]] = defaultdict(set)
    for source, target in arrows:
        if source != target:
            graph[source].add(target)
    return [sorted(one) for one in _components(graph) if len(one) > 1]


def _components(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return all strongly connected components; each stands behind those that it leads to."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []
    for root in sorted(set(graph) | {one for targets in graph.values() for one in targets}):
        if root in number:
            continue
        number[root] = lowest[root] = len(number)
        stack.append(root)
        work = [(root, iter(sorted(graph.get(root, ()))))]
        while work:
            node, targets = work[-1]
            for target in targets:
                if target not in number:
                    number[target] = lowest[target] = len(number)
                    stack.append(target)
                    work.append((target, iter(sorted(graph.get(target, ())))))
                    break
                if target in stack:
                    lowest[node] = min(lowest[node], number[target])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    lowest[above] = min(lowest[above], lowest[node])
                if lowest[node] == number[node]:
                    at = stack.index(node)
                    found.append(stack[at:])
                    del stack[at:]
    return found


def floors(arrows: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return the floor of each node: 0 where it imports nothing; nodes of a circle share one."""
    graph: defaultdict[str, set[str]] = defaultdict(set)
    for source, target in arrows:
        graph[source].add(target)
    found: dict[str, int] = {}
    for component in _components(graph):
        below = [found[to] for one in component for to in graph.get(one, ()) if to not in component]
        found.update(dict.fromkeys(component, 1 + max(below, default=-1)))
    return found


_BLOCKS = (ast.stmt, ast.excepthandler, ast.match_case)
"""Nodes in which a statement may stand: all other nodes, nine in ten, need not be walked to find one."""


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, _BLOCKS)]


def _own_nodes(function: ast.AST, kinds: Any = ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function but those of functions inside it; of some kinds, where no other leads
    to them."""
    waiting = list(ast.iter_child_nodes(function))
    while waiting:
        node = waiting.pop()
        if isinstance(node, kinds):
            yield node
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                waiting += ast.iter_child_nodes(node)


def _takes_nodes_apart(function: ast.AST) -> bool:
    """Return whether a function reads a field of the word of a trie's node."""
    for node in _own_nodes(function):
        if (isinstance(node, ast.Name) and node.id in _SHIFTS) or (
            isinstance(node, ast.Attribute) and node.attr in _SHIFTS
        ):
            return True
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.BitAnd)
            and isinstance(node.right, ast.Constant)
            and isinstance(node.left, ast.BinOp)
            and isinstance(node.left.op, ast.RShift)
            and isinstance(node.left.right, ast.Constant)
            and isinstance(node.left.right.value, int)
            and _FIELDS.get(node.left.right.value) == node.right.value
        ):
            return True
    return False


def _imports_inside(function: ast.AST) -> bool:
    return any(isinstance(node, ast.Import | ast.ImportFrom) for node in _own_nodes(function, _BLOCKS))


def imports_without_reason(house: House) -> list[str]:
    """Return the imports inside functions of which no comment says why, as `module:line`.

    The comment is `# start-up: ...` or `# optional: ...`, on the line or above imports that stand together.
    """
    found = []
    for name, tree in house.trees.items():
        lines = house.paths[name].read_text(encoding="utf-8").split("\n")
        for function in _functions(tree):
            reasoned = 0
            nodes = _own_nodes(function, _BLOCKS)
            inside = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
            for node in sorted(inside, key=lambda one: one.lineno):
                near = lines[node.lineno - 2] + lines[node.lineno - 1]
                if "# start-up" in near or "# optional" in near or node.lineno == reasoned + 1:
                    reasoned = node.end_lineno or node.lineno
                else:
                    found.append(f"{name}:{node.lineno}")
    return found


def aliases_of_registers(house: House) -> dict[str, list[str]]:
    """Return by module the constants that are another room's under a second name (`PLACE = L.RES`)."""
    found = {}
    for name, tree in house.trees.items():
        foreign: set[str] = set()
        has_star = False
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
                module = _module(node.module or "", house.paths)
                has_star = has_star or node.names[0].name == "*"
                for alias in node.names:
                    home = _module(f"{module}.{alias.name}", house.paths)
                    if outer_room(home) != outer_room(name):
                        foreign.add(alias.asname or alias.name)
        own = {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in ast.walk(node)
            if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store)
        }

        def is_foreign(
            value: ast.expr, foreign: set[str] = foreign, own: set[str] = own, has_star: bool = has_star
        ) -> bool:
            if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name):
                return value.value.id in foreign and value.attr.isupper()
            if not isinstance(value, ast.Name) or not value.id.isupper():
                return False
            return value.id in foreign or (has_star and value.id not in own)

        names: list[str] = []
        for node in tree.body:
            if not isinstance(node, ast.Assign) or len(node.targets) != 1:
                continue
            target, value = node.targets[0], node.value
            pairs = (
                list(zip(target.elts, value.elts, strict=False))
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
                else [(target, value)]
            )
            names += [one.id for one, of in pairs if isinstance(one, ast.Name) and is_foreign(of)]
        if names:
            found[name] = names
    return found


def exemptions(root: Path = ROOT) -> tuple[list[str], list[str]]:
    """Return the modules of the package that mypy lets be untyped, and the files of which ruff asks less."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    untyped = [
        module
        for override in settings["mypy"].get("overrides", ())
        if override.get("disallow_untyped_defs") is False
        for module in ([override["module"]] if isinstance(override["module"], str) else override["module"])
        if module.startswith(f"{PACKAGE}.")
    ]
    return untyped, list(settings["ruff"]["lint"].get("per-file-ignores", {}))


def _twice(names: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Return the names that stand in two or more places, with the places."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for name, place in names:
        places[name].append(place)
    return {name: where for name, where in sorted(places.items()) if len(where) > 1}


def names_used_twice(house: House) -> dict[str, dict[str, list[str]]]:
    """Return the names of public classes and of modules that stand in two or more places, with the places."""
    classes = _twice(
        (node.name, name)
        for name, tree in house.trees.items()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    modules = _twice(
        (name.rpartition(".")[2], name) for name, path in house.paths.items() if path.name != "__init__.py"
    )
    return {"public class names used twice": classes, "module names used twice": modules}


def numbers(house: House) -> dict[str, Any]:
    """Return what the sources alone tell: numbers, and the names behind the smaller ones."""
    rooms = Counter(house.room(name) for name in house.paths)
    inner = [one for one in house.imports if PACKAGE not in (one.source, one.target)]
    between = {(house.room(one.source), house.room(one.target)) for one in inner}
    outer = {(outer_room(one.source), outer_room(one.target)) for one in inner}
    lines = {name: path.read_text(encoding="utf-8").count("\n") for name, path in house.paths.items()}
    by_room: Counter[str] = Counter()
    for name, count in lines.items():
        by_room[outer_room(name)] += count
    stars = {
        name: count
        for name, tree in house.trees.items()
        if (
            count := sum(
                isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(tree)
            )
        )
    }
    addresses = {
        name: count
        for name, path in house.paths.items()
        if (count := len(_ADDRESS.findall(path.read_text(encoding="utf-8"))))
    }
    decoding = [
        f"{name}.{function.name}"
        for name, tree in house.trees.items()
        for function in _functions(tree)
        if _takes_nodes_apart(function)
    ]
    inside = Counter(
        name for name, tree in house.trees.items() for one in _functions(tree) if _imports_inside(one)
    )
    pairs = [(one.source, one.target) for one in inner]
    loaded = [(one.source, one.target) for one in inner if one.when == LOADED]
    untyped, unlinted = exemptions()
    aliases = aliases_of_registers(house)
    return {
        "files": len(house.paths),
        "lines": sum(lines.values()),
        "rooms": len(rooms),
        "files at the root": rooms[PACKAGE],
        "files of the largest room": max(rooms.values()),
        "floors of the outer rooms": 1 + max(floors(outer).values()),
        "floors of all rooms": 1 + max(floors(between).values()),
        "circles of outer rooms": circles(outer),
        "circles of all rooms": circles(between),
        "circles of files": circles(pairs),
        "circles of files, when loading": circles(loaded),
        "star imports": sum(stars.values()),
        "loads and stores by address": sum(addresses.values()),
        "files with loads by address": len(addresses),
        "functions that decode the trie": len(decoding),
        "files that decode the trie": len({one.rpartition(".")[0] for one in decoding}),
        **names_used_twice(house),
        "functions with imports inside": sum(inside.values()),
        "imports inside functions without a reason": len(imports_without_reason(house)),
        "aliases of another room's registers": sum(map(len, aliases.values())),
        "modules that mypy lets be untyped": len(untyped),
        "files and patterns of which ruff asks less": len(unlinted),
        "files a room": dict(sorted(rooms.items())),
        "lines a room": dict(by_room.most_common()),
    }


def outer_room(module: str) -> str:
    """Return the room at the package's root that a module lies in; of a file at the root, itself."""
    return ".".join(module.split(".")[:2])


# --- the weight of the package ----------------------------------------------------------------------------

_WEIGHTS_OF = ("lines", "numbers")
_HEADER = """\
# What the package weighs. `make lint` fails where it weighs more, `make house` lowers what went down. A
# number goes up in a commit whose message says for which capability (CONTRIBUTING.md, "Weight").
# `total` is the ceiling of the whole package: an issue sets it, and no change raises it.
"""
_MOST = ("lines", "tokens of code", "bytes of data")
_LEAST = "docstring lines for 100 lines of code"
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


def weights(house: House) -> dict[str, dict[str, int]]:
    """Return what house.toml holds: the lines of each outer room and of each file at the root (all lines of
    `.py` files, blank ones and comments too); the private numeric thresholds; the file formats."""
    lines: Counter[str] = Counter()
    for name, path in house.paths.items():
        lines[outer_room(name).removeprefix(f"{PACKAGE}.")] += path.read_text(encoding="utf-8").count("\n")
    thresholds = sum(len(private_thresholds(tree)) for tree in house.trees.values())
    formats = sum(len(file_formats(tree)) for tree in house.trees.values())
    return {
        "lines": dict(sorted(lines.items())),
        "numbers": {"file formats": formats, "private numeric thresholds": thresholds},
    }


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
        for name, value in (pair for one in (tree, *classes) for pair in _assigned(one))
        if name.lower().endswith(("kind", "magic", "format")) and _ends_in_digit(value)
    ]


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


def total(house: House) -> dict[str, int]:
    """Return what the whole package weighs: its lines, its tokens of code, the bytes of its data files, and
    how many lines of docstrings stand beside 100 lines of code.

    Tokens of code are Python's tokens without comments, line ends, indentation and docstrings: who joins two
    lines or leaves out a docstring saves none of them. Cost: some seconds.
    """
    texts = [path.read_text(encoding="utf-8") for path in house.paths.values()]
    lines = sum(text.count("\n") for text in texts)
    blank = sum(not line.strip() for text in texts for line in text.splitlines())
    said = sum(map(_docstring_lines, house.trees.values()))
    files = (path for path in house.paths[PACKAGE].parent.rglob("*") if path.is_file())
    data = (path for path in files if path.suffix != ".py" and "__pycache__" not in path.parts)
    return {
        "lines": lines,
        "tokens of code": sum(map(_tokens_of_code, texts)),
        "bytes of data": sum(path.stat().st_size for path in data),
        _LEAST: 100 * said // max(1, lines - blank - said),
    }


def _docstring_lines(tree: ast.Module) -> int:
    """Return the lines of the strings that stand as statements of their own."""
    return sum(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _tokens_of_code(text: str) -> int:
    count, before = 0, tokenize.INDENT
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _LAYOUT:
            count += not (token.type == tokenize.STRING and before in _STARTS_STATEMENT)
            before = token.type
        elif token.type in _STARTS_STATEMENT:
            before = token.type
    return count


def beyond(found: Mapping[str, int], ceiling: Mapping[str, int]) -> list[str]:
    """Return a message for each number of `total` that is beyond the ceiling of house.toml."""
    messages = [
        f"{PACKAGE}/ has {found[name]:,} {name}, {found[name] - ceiling[name]:,} more than the ceiling of "
        f"house.toml ({ceiling[name]:,}). Take as many away: by deleting a mechanism (CONTRIBUTING.md, "
        '"Weight").'
        for name in _MOST
        if found[name] > ceiling[name]
    ]
    if found[_LEAST] < ceiling[_LEAST]:
        messages.append(
            f"{PACKAGE}/ has {found[_LEAST]} {_LEAST}, fewer than the {ceiling[_LEAST]} of house.toml. Write "
            "the docstrings that are missing."
        )
    return messages


def allowed(root: Path = ROOT) -> dict[str, dict[str, int]]:
    """Return the numbers of house.toml."""
    return tomllib.loads((root / "house.toml").read_text(encoding="utf-8"))


def too_heavy(found: Mapping[str, Mapping[str, int]], most: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return a message for each number that is above what house.toml says."""
    messages = []
    for part in _WEIGHTS_OF:
        for name, count in found[part].items():
            known = most.get(part, {}).get(name, 0)
            if count <= known:
                continue
            what = (
                f"{PACKAGE}/{name} has {count:,} lines" if part == "lines" else f"There are {count:,} {name}"
            )
            messages.append(
                f"{what}, {count - known:,} more than house.toml says ({known:,}). Take as many away, here "
                f"or in another room, and write {count} into house.toml in a commit whose message says for "
                'which capability (CONTRIBUTING.md, "Weight").'
            )
    return messages


def rewrite(found: Mapping[str, Mapping[str, int]], root: Path = ROOT, *, upward: bool) -> None:
    """Write house.toml anew: the numbers that went down, and with `upward` those that went up. What is no
    longer there goes; what is new comes in with `upward` alone. The ceiling stays as it is."""
    known = allowed(root)
    most = {} if upward else known
    said = [_HEADER]
    for part in _WEIGHTS_OF:
        kept = {name: min(count, most.get(part, {}).get(name, count)) for name, count in found[part].items()}
        rows = [
            f"{name if name.isidentifier() else json.dumps(name)} = {count}\n"
            for name, count in kept.items()
            if upward or name in most.get(part, {})
        ]
        said.append("".join([f"\n[{part}]\n", *rows]))
    ceiling = (f"{json.dumps(name)} = {count}\n" for name, count in known["total"].items())
    said.append("".join(["\n[total]\n", *ceiling]))
    (root / "house.toml").write_text("".join(said), encoding="utf-8")


# --- the files that a mask passes through -----------------------------------------------------------------


def _schema(pattern: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            "name": {"type": "string", "pattern": pattern},
            "count": {"type": "integer", "minimum": 1, "maximum": 40},
            "tags": {"type": "array", "items": {"enum": ["red", "blue"]}, "maxItems": 3},
        },
        "required": ["name", "count"],
        "additionalProperties": False,
    }


_DOCUMENT = b'{"name": "Ada'
_LARK = """
start: (NAME "=" sum ";")*
sum: sum "+" part | part
part: NAME | NUMBER | "(" sum ")"
NAME: /[a-z]+/
NUMBER: /[0-9]+/
%ignore / +/
"""
_TEXT = b"total = (one + 2"


def files_of_masks() -> dict[str, dict[str, list[str]]]:
    """Return the files that an unknown mask passes through, for a JSON schema and for a Lark grammar.

    `python`: files of which a function is called. `compiled`: files whose functions the called entry points
    reach; nobody sees calls inside compiled code, so all that it may call counts.
    """
    import structgen as sg

    resources = _find("resources", "small_tokenizer")
    tokenizer = sg.Tokenizer.from_huggingface(resources.small_tokenizer())
    # Machine code is loaded when it is first called: by a mask of another grammar, which is not traced.
    for schema in (_schema("^[B-Y][a-z]{2,}$"), _schema("^[A-Z][a-z]+$")):
        compiled = sg.compile(sg.json_schema(schema), tokenizer, store=False)
        of_json = _files_of_mask(compiled, _DOCUMENT)
    for grammar in (_LARK.replace("[0-9]", "[1-9]").replace("a-z", "a-y"), _LARK):
        of_lark = _files_of_mask(sg.compile(sg.lark(grammar), tokenizer, store=False), _TEXT)
    return {"json": of_json, "lark": of_lark}


def _find(name: str, attribute: str) -> Any:
    """Return the module of some name wherever it lies, so that this script reads earlier layouts too."""
    from importlib import import_module

    for path in sorted((ROOT / PACKAGE).rglob(f"{name}.py")):
        module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        if hasattr(module, attribute):
            return module
    raise SystemExit(f"No module named {name} has {attribute}.")


def _files_of_mask(compiled: Any, text: bytes) -> dict[str, list[str]]:
    import structgen as sg

    home = "inner_functions" if list((ROOT / PACKAGE).rglob("inner_functions.py")) else "inner"
    entry_class = _find(home, "Entry").Entry
    state = compiled.step_bytes(compiled.start, text)
    matcher = sg.Matcher(compiled, state)
    mask = sg.allocate_mask(1, compiled.tokenizer.vocab_size)
    python: set[str] = set()
    called: set[Any] = set()
    plain = entry_class.__call__

    def calling(self: Any, *arguments: Any) -> Any:
        called.add(self)
        return plain(self, *arguments)

    def seen(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            python.add(frame.f_code.co_filename)

    entry_class.__call__ = calling
    sys.setprofile(seen)
    try:
        matcher.fill_mask(mask, 0)
    finally:
        sys.setprofile(None)
        entry_class.__call__ = plain
    inside = str(ROOT / PACKAGE)
    here = {file for file in python if file.startswith(inside)}
    reached = {file for one in called for file in _reached(one) if file.startswith(inside)}
    return {
        "python": sorted(str(Path(file).relative_to(ROOT / PACKAGE)) for file in here),
        "compiled": sorted(str(Path(file).relative_to(ROOT / PACKAGE)) for file in reached),
    }


def _reached(entry: Any) -> set[str]:
    """Return the files of all compiled functions that an entry point may call, its own included."""
    files: set[str] = set()
    met: set[int] = set()
    waiting = [entry]
    while waiting:
        one = waiting.pop()
        function = getattr(one, "py_func", None)
        if function is None or id(function) in met:
            continue
        met.add(id(function))
        files.add(function.__code__.co_filename)
        for name in function.__code__.co_names:
            waiting.append(function.__globals__.get(name))
    return files


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="all numbers and names as JSON")
    parser.add_argument(
        "--no-trace", action="store_true", help="leave out the files of a mask: nothing is run"
    )
    parser.add_argument("--check", action="store_true", help="fail where more is there than house.toml says")
    parser.add_argument("--lower", action="store_true", help="write into house.toml what went down")
    parser.add_argument("--write", action="store_true", help="write house.toml anew, upward too")
    options = parser.parse_args()
    house = read()
    if options.check:
        most = allowed()
        sys.exit("\n".join([*too_heavy(weights(house), most), *beyond(total(house), most["total"])]) or None)
    if options.lower or options.write:
        rewrite(weights(house), upward=options.write)
    found = numbers(house) | total(house)
    if not options.no_trace:
        sys.path.insert(0, str(ROOT))
        for name, files in files_of_masks().items():
            both = sorted({*files["python"], *files["compiled"]})
            found[f"files that an unknown mask passes, {name}"] = both
            found[f"of these in Python, {name}"] = files["python"]
    if options.json:
        print(json.dumps(found, indent=1))
        return
    for name, value in found.items():
        if not isinstance(value, dict) or name.endswith("twice"):
            print(f"{name:48} {value if isinstance(value, int) else len(value)}")
    for name in ("files a room", "lines a room"):
        print(f"\n{name}")
        for room, count in found[name].items():
            print(f"  {room:46} {count}")
    print("\ncircles of files")
    for circle in found["circles of files"]:
        print(f"  {len(circle)}: {', '.join(one.removeprefix(f'{PACKAGE}.') for one in circle)}")


if __name__ == "__main__":
    main()
