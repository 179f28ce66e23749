"""The rooms of the package: how many files, and which way imports point."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import structgen
from structgen.system.source_digests import digest_below, package_digest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import house  # noqa: E402

CONTRACTS: list[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "tool"
]["importlinter"]["contracts"]
LAYERS = {one["containers"][0]: one["layers"] for one in CONTRACTS if one["type"] == "layers"}


@cache
def package() -> Any:
    """Return the parsed files of the package: many seconds, which a worker without these tests saves."""
    return house.read()


NO_REASONS = {
    "structgen.cli",  # each command imports what it needs when it runs: start-up, the whole room
    "structgen",
    "structgen.lark_grammars",
    "structgen.maskbench",
    "structgen.store",
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
    for one in package().imports:
        above, below = floor_of(container, one.source), floor_of(container, one.target)
        if above and below and above[1] != below[1] and above[0] <= below[0]:
            upwards.add((one.source, one.target))
    assert upwards == set()


def test_no_room_imports_a_room_that_imports_it() -> None:
    arrows = {(house.outer_room(one.source), house.outer_room(one.target)) for one in package().imports}
    assert house.circles(arrow for arrow in arrows if "structgen" not in arrow) == []


def test_no_file_imports_itself_through_others_deferred_and_typing_imports_too() -> None:
    arrows = [(one.source, one.target) for one in package().imports]
    assert house.circles(arrow for arrow in arrows if "structgen" not in arrow) == []


def test_a_function_that_imports_says_why() -> None:
    found = house.imports_without_reason(package())
    assert [one for one in found if house.outer_room(one.partition(":")[0]) not in NO_REASONS] == []


def test_the_root_has_six_files_and_a_room_at_most_twenty_five() -> None:
    rooms = Counter(map(package().room, package().paths))
    assert rooms["structgen"] <= 6
    assert max(rooms.values()) <= 25


def test_names_of_modules_are_unique_but_for_two_and_those_of_public_classes_all() -> None:
    # a command has the name of what it calls; families have a default; each machine has its layout
    found = house.names_used_twice(package())
    assert set(found["module names used twice"]) <= {"auto", "infill", "layout", "sample"}
    assert found["public class names used twice"] == {}


def test_circles_and_floors_are_found() -> None:
    arrows = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("e", "a")]
    assert house.circles(arrows) == [["b", "c"]]
    assert house.floors(arrows) == {"d": 0, "b": 1, "c": 1, "a": 2, "e": 3}


def test_every_room_says_what_it_is_for() -> None:
    for name, path in package().paths.items():
        if path.name == "__init__.py":
            said = path.read_text(encoding="utf-8").split('"""')[1]
            assert len(said) > 30, name


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
    at_root = {name.split(".")[1] for name in package().paths if "." in name}
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
