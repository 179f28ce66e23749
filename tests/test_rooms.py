"""The rooms of the package: how many files, and which way imports point."""

from __future__ import annotations

import ast
import graphlib
import shutil
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import grimp
import pytest

import structgen
from structgen.system.source_digests import digest_below, package_digest

ROOT = Path(__file__).parents[1]
PATHS = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in (ROOT / "structgen").rglob("*.py")
}
"""Files of the package by their module; a package is `...__init__`."""
CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "tool"
]["importlinter"]["contracts"]
LAYERS = {one["containers"][0]: one["layers"] for one in CONTRACTS if one["type"] == "layers"}


@cache
def imports() -> set[tuple[str, str]]:
    """Return which module imports which: inside functions and for types, too. `structgen/__init__.py`, the
    list of public names, is left out."""
    graph = grimp.build_graph("structgen", cache_dir=None)
    found = ((one, of) for one in graph.modules for of in graph.find_modules_directly_imported_by(one))
    return {arrow for arrow in found if "structgen" not in arrow}


@cache
def trees() -> dict[str, ast.Module]:
    """Return the parsed files of the package: seconds, which a worker without these tests saves."""
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in PATHS.items()}


def room(module: str) -> str:
    """Return the room at the package's root that a module lies in; of a file at the root, itself."""
    return ".".join(module.split(".")[:2])


def assert_no_circle(arrows: Iterable[tuple[str, str]]) -> None:
    """Raise CycleError, with the circle, where nodes import each other, perhaps through others."""
    graph: defaultdict[str, set[str]] = defaultdict(set)
    for source, target in arrows:
        if source != target:
            graph[source].add(target)
    graphlib.TopologicalSorter(graph).prepare()


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements of a tree: all other nodes, nine in ten, are not walked."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child
            yield from statements(child)


NO_REASONS = {
    "structgen.cli",  # each command imports what it needs when it runs: start-up, the whole room
    "structgen.lark_grammars",
    "structgen.maskbench",
    "structgen.system",
    "structgen.tokens",
    "structgen.typed",
}
"""Rooms whose imports inside functions do not say yet that they are optional, or what start-up they save."""


def floor_of(container: str, module: str) -> tuple[int, str] | None:
    """Return the layer of a module in a container, 0 the lowest, and its part of the layer; None outside."""
    if not module.startswith(f"{container}."):
        return None
    name = module[len(container) + 1 :].split(".")[0]
    for floor, layer in enumerate(reversed(LAYERS[container])):
        if name in layer.replace("|", " ").replace(":", " ").split():
            return floor, name
    raise AssertionError(f"{module} is in no layer of {container}")


@pytest.mark.parametrize("container", LAYERS)
def test_every_import_points_down_those_inside_functions_and_for_types_too(container: str) -> None:
    upwards = set()
    for arrow in imports():
        above, below = (floor_of(container, one) for one in arrow)
        if above and below and above[1] != below[1] and above[0] <= below[0]:
            upwards.add(arrow)
    assert upwards == set()


def test_no_room_and_no_file_imports_itself_through_others_deferred_and_typing_imports_too() -> None:
    assert_no_circle((room(source), room(target)) for source, target in imports())
    assert_no_circle(imports())
    with pytest.raises(graphlib.CycleError, match="'b', 'c'"):
        assert_no_circle([("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")])


def test_a_function_that_imports_says_why() -> None:
    """On the line, or above imports that stand together."""
    found = []
    for name, tree in trees().items():
        lines, reasoned = ["", *PATHS[name].read_text(encoding="utf-8").split("\n")], -1
        inside = {
            (node.lineno, node.end_lineno or node.lineno)
            for function in statements(tree)
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            for node in statements(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        for first, last in sorted(inside):
            near = lines[first - 1] + lines[first]
            if "# start-up" in near or "# optional" in near or first == reasoned + 1:
                reasoned = last
            elif room(name) not in NO_REASONS:
                found.append(f"{name}:{first}")
    assert found == []


def test_the_root_has_six_files_and_a_room_at_most_twenty_five() -> None:
    files = Counter(
        path.parent.name if path.parent.parent == ROOT else path.parent for path in PATHS.values()
    )
    assert files["structgen"] <= 6
    assert max(files.values()) <= 25


def test_names_of_modules_are_unique_but_for_four_and_those_of_public_classes_all() -> None:
    # a command has the name of what it calls; families have a default; each machine has its layout
    modules = Counter(name.rpartition(".")[2] for name in PATHS)
    assert {name for name, times in modules.items() if times > 1} <= {
        *("__init__", "auto", "infill", "layout", "sample")
    }
    nodes = [node for tree in trees().values() for node in tree.body if isinstance(node, ast.ClassDef)]
    classes = Counter(node.name for node in nodes if not node.name.startswith("_"))
    assert [name for name, times in classes.items() if times > 1] == []


def test_every_room_says_what_it_is_for() -> None:
    for name, tree in trees().items():
        if name.endswith("__init__"):
            assert len(ast.get_docstring(tree) or "") > 30, name


# --- one kind of grammar loads no other ---------------------------------------------------------------------

_ONE_MASK = """
import sys
import structgen as sg
tokenizer = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)
compiled = sg.compile({}, tokenizer, store=False)
sg.Matcher(compiled).fill_mask(sg.allocate_mask(1, 257), 0)
print(*sorted({{name.split(".")[1] for name in sys.modules if name.startswith("structgen.")}}))
"""


@pytest.mark.parametrize(
    ("grammar", "absent"),
    [
        ('sg.json_schema({"type": "integer"})', {"lark_grammars", "text_grammars"}),
        ("sg.lark('start: \"a\" NUMBER\\nNUMBER: /[0-9]+/')", {"json_grammars", "schema"}),
        ('sg.regex("[a-z]+")', {"json_grammars", "schema", "lark_grammars"}),
    ],
)
def test_a_mask_of_one_kind_of_grammar_loads_no_room_of_another_kind(grammar: str, absent: set[str]) -> None:
    # json_machine is not listed: its masks and tables are what all machines share
    loaded = set(run(_ONE_MASK.format(grammar)).split())
    assert "compilation" in loaded
    assert not absent & loaded


# --- old paths
# ------------------------------------------------------------------------------------------------

_ALL = """
import importlib, pkgutil, sys, types
import structgen
MODULES = {"core", "errors", "integrations", "monitors", "samplers", "speculation", "strategies"}
for one in pkgutil.walk_packages(structgen.__path__, "structgen."):
    try:
        importlib.import_module(one.name)
    except ImportError as error:  # a library that is not installed here
        assert not (error.name or "").startswith("structgen"), one.name
    except structgen.StructgenError:  # the same, said by us
        pass
for name in dir(structgen):
    value = getattr(structgen, name)
    assert name in MODULES or not isinstance(value, types.ModuleType), name
    assert sys.modules["structgen"].__dict__.get(name, value) is value
print("all")
"""


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_public_names_are_what_they_were_after_every_module_was_imported() -> None:
    assert run(_ALL) == "all\n"


def test_no_module_hides_a_public_name() -> None:
    at_root = {name.split(".")[1] for name in PATHS}
    public = {"core", "errors", "integrations", "monitors", "samplers", "speculation", "strategies"}
    assert at_root & set(dir(structgen)) == public


def test_a_path_that_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'structgen\.nowhere'"):
        __import__("structgen.nowhere")


def test_files_kept_under_another_layout_are_not_read(tmp_path: Path) -> None:
    """Every kept file has the digest of the sources in its name (tests/test_sources.py). The same contents
    under another path have another digest."""
    now = tmp_path / "now" / "structgen"
    shutil.copytree(ROOT / "structgen", now, ignore=shutil.ignore_patterns("__pycache__"))
    assert digest_below(now) == package_digest()
    # the path counts, not the order of the files alone
    (now / "core" / "batch.py").rename(now / "core" / "batch_.py")
    assert digest_below(now) != package_digest()
