"""The rooms of the package: how many files, and which way imports point."""

from __future__ import annotations

import ast
import graphlib
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import forked
import grimp
import pytest
from nonempty import nonempty

import structgen

ROOT = Path(__file__).parents[1]
PATHS = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in nonempty((ROOT / "structgen").rglob("*.py"))
}
"""Files of the package by their module; a package is `...__init__`."""
CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "tool"
]["importlinter"]["contracts"]
FOLDERS = {"asking", "base", "decoding", "doors", "grammars", "machines"}
"""Folders of rooms; `automata`, `schema` and `tokens` are rooms themselves."""
LAYERS = {one["containers"][0]: one["layers"] for one in CONTRACTS if one["type"] == "layers"}


@cache
def imports() -> set[tuple[str, str]]:
    """Return which module imports which: inside functions and for types, too. `structgen/__init__.py`, the
    list of public names, is left out."""
    graph = grimp.build_graph("structgen", cache_dir=None)
    found = ((one, of) for one in graph.modules for of in graph.find_modules_directly_imported_by(one))
    return {arrow for arrow in found if "structgen" not in arrow}


@cache
def texts() -> dict[str, str]:
    """Return the files of the package. To parse all takes seconds: tests parse those that they ask."""
    return {name: path.read_text(encoding="utf-8") for name, path in PATHS.items()}


def room(module: str) -> str:
    """Return the room that a module lies in: `structgen.tokens`, `structgen.machines.core`; of a file at the
    root, itself."""
    parts = module.split(".")
    return ".".join(parts[: 3 if parts[1] in FOLDERS else 2])


def is_public(module: str) -> bool:
    """Whether a module is a public address: a file at the root, or one of structgen.integrations."""
    return module.count(".") == 1 or module.startswith("structgen.integrations.")


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


def test_the_picture_of_the_architecture_is_the_folders_of_the_package() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^   ([a-z]+)/ +\S.*?(?:  +(\S.*))?$", page, re.MULTILINE)
    assert [name for name, _ in rows] == [
        name for layer in LAYERS["structgen"][2:] for name in layer.split(" | ")
    ]
    for folder, rooms in rows:
        if rooms:
            assert rooms == " > ".join(LAYERS[f"structgen.{folder}"])
    assert {name for name, _ in rows} | {"integrations"} == {
        path.parent.name for path in nonempty((ROOT / "structgen").glob("*/__init__.py"))
    }


NO_REASONS = {
    "structgen.doors.cli",  # each command imports what it needs when it runs: start-up, the whole room
    "structgen.grammars.lark_grammars",
    "structgen.doors.maskbench",
    "structgen.base.system",
    "structgen.tokens",
    "structgen.doors.typed",
}
"""Rooms whose imports inside functions do not say yet that they are optional, or what start-up they save."""
INSIDE = re.compile(r"^ +(from \S+ import|import) (?!.*# (start-up|optional))", re.MULTILINE)
FOR_TYPES = re.compile(r"^if TYPE_CHECKING:\n(( .*)?\n)+", re.MULTILINE)


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
    for name, text in texts().items():
        if room(name) in NO_REASONS or not INSIDE.search(FOR_TYPES.sub("", text)):
            continue
        lines, reasoned = ["", *text.split("\n")], -1
        inside = {
            (node.lineno, node.end_lineno or node.lineno)
            for function in statements(ast.parse(text))
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            for node in statements(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        for first, last in sorted(inside):
            near = lines[first - 1] + lines[first]
            if "# start-up" in near or "# optional" in near or first == reasoned + 1:
                reasoned = last
            else:
                found.append(f"{name}:{first}")
    assert found == []


def test_the_root_has_nine_files_and_a_room_at_most_twenty_five() -> None:
    files = Counter(
        path.parent.name if path.parent.parent == ROOT else path.parent for path in PATHS.values()
    )
    assert files["structgen"] <= 9
    assert max(files.values()) <= 25


def test_names_of_modules_are_unique_but_for_public_addresses_and_four_and_those_of_public_classes_all() -> (
    None
):
    # a command has the name of what it calls; families have a default; each machine has its layout
    modules = Counter(name.rpartition(".")[2] for name in PATHS if not is_public(name))
    assert {name for name, times in modules.items() if times > 1} <= {
        *("__init__", "auto", "infill", "layout", "sample")
    }
    classes = Counter(re.findall(r"^class ([a-zA-Z]\w*)", "\n".join(texts().values()), re.MULTILINE))
    assert [name for name, times in classes.items() if times > 1] == []


def test_every_room_says_what_it_is_for() -> None:
    for name, text in texts().items():
        if name.endswith("__init__"):
            assert len(ast.get_docstring(ast.parse(text)) or "") > 30, name


# --- one kind of grammar loads no other ---------------------------------------------------------------------

_ONE_MASK = """
import sys
import structgen as sg
tokenizer = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)
compiled = sg.compile({}, tokenizer, store=False)
sg.Matcher(compiled).fill_mask(sg.allocate_mask(1, 257), 0)
ours = [name.split(".") for name in sys.modules if name.startswith("structgen.")]
print(*sorted({{part for name in ours for part in name[1:3]}}))
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
    loaded = set(forked.run(_ONE_MASK.format(grammar)).stdout.split())
    assert "compilation" in loaded
    assert not absent & loaded


# --- old paths
# ------------------------------------------------------------------------------------------------

_ALL = """
import importlib, pkgutil, sys, types
import structgen
MODULES = {"core", "errors", "integrations", "samplers", "speculation", "strategies", "testing"}
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


@pytest.mark.slow
def test_public_names_are_what_they_were_after_every_module_was_imported() -> None:
    assert forked.run(_ALL).stdout == "all\n"


def test_no_module_hides_a_public_name() -> None:
    at_root = {name.split(".")[1] for name in PATHS}
    public = {"core", "errors", "integrations", "samplers", "speculation", "strategies", "testing"}
    assert at_root & set(dir(structgen)) == public


def test_records_walks_and_masks_of_texts_and_of_lark_are_those_of_the_core() -> None:
    # what a kind of grammar says of itself
    own = {"begin", "step_on", "may_end_at", "state_at", "take_token", "after_token", "ends_below"}
    own |= {"place_behind", "state_behind", "compute_mask"}
    rooms = "machines.machine_core.", "grammars.lark_grammars.machine.", "grammars.text_grammars.machine."
    defined = Counter(
        one.name
        for name, text in texts().items()
        if name.removeprefix("structgen.").startswith(rooms)
        for one in ast.parse(text).body
        if isinstance(one, ast.FunctionDef | ast.ClassDef)
    )
    assert len(defined) > 100
    assert {name for name, times in defined.items() if times > 1} <= own
