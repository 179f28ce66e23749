"""Modules that people import: public addresses stay, and a path of before says where its room is now."""

from __future__ import annotations

import os
import pickle
import pydoc
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from for_each import for_each
from nonempty import nonempty

import structgen
from structgen.base.system.public_addresses import MOVED

ROOT = Path(__file__).parents[2]
PACKAGE = Path(structgen.__file__).parent
ROOMS = [(room, folder) for folder, rooms in MOVED.items() for room in rooms]
ADDRESSES = {
    "structgen.errors": "structgen.base.errors",
    "structgen.integrations.transformers": "structgen.doors.integrations.transformers",
    "structgen.integrations.llama_cpp": "structgen.doors.integrations.llama_cpp",
    "structgen.integrations.vllm_plugin": "structgen.doors.integrations.vllm_plugin",
    "structgen.integrations.sglang_plugin": "structgen.doors.integrations.sglang_plugin",
    "structgen.cli": "structgen.doors.cli",
}
"""Public modules by the module whose names they have; structgen/core.py and others list names of many."""
LISTED = ("core", "samplers", "speculation", "strategies")
NOW = "structgen.{room} is structgen.{folder}.{room} now"


@for_each(("room", "folder"), ROOMS)
def test_each_room_that_moved_is_in_its_folder(room: str, folder: str) -> None:
    place = PACKAGE / folder / room
    assert (place / "__init__.py").is_file() or place.with_suffix(".py").is_file()


@pytest.mark.parametrize(("address", "home"), ADDRESSES.items())
def test_a_public_module_has_the_names_of_the_room_behind_it(address: str, home: str) -> None:
    try:
        behind = import_module(home)
        names = [name for name in dir(behind) if not name.startswith("_") and name in vars(behind)]
    except (ImportError, structgen.StructgenError) as error:  # its engine is not installed here
        pytest.skip(str(error))
    shown = import_module(address)
    names = ["main"] if address == "structgen.cli" else names
    assert names and all(getattr(shown, name) is getattr(behind, name) for name in names)
    with pytest.raises(AttributeError):
        getattr(shown, "nothing_of_this_name")  # noqa: B009


def test_entry_points_of_the_distribution_are_addresses_that_stay() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["scripts"], *project["entry-points"].values()]
    told = {address.partition(":")[0] for group in groups for address in group.values()}
    # pytest alone reads the address of its fixtures, anew with each installation
    fixtures = project["entry-points"]["pytest11"]["structgen"]
    assert told - {fixtures} == {name for name in ADDRESSES if name.endswith(("cli", "_plugin"))}


@for_each(("room", "folder"), ROOMS)
def test_an_import_of_a_path_of_before_says_where_the_room_is(room: str, folder: str) -> None:
    inner = f"structgen.{room}.of_before"
    with pytest.raises(ModuleNotFoundError) as caught:
        import_module(inner)
    assert NOW.format(room=room, folder=folder) in str(caught.value)


def test_a_pickle_of_before_is_refused_by_the_name_of_its_room() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"structgen\.engine is structgen\.decoding\.engine now"):
        pickle.loads(b"cstructgen.engine.requests\nResult\n.")


def test_errors_that_were_pickled_before_are_read() -> None:
    assert pickle.loads(b"cstructgen.errors\nLimitError\n.") is structgen.errors.LimitError


def test_names_that_are_no_room_are_left_to_python() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'structgen\.nothing'$"):
        import_module("structgen.nothing")
    assert find_spec("structgen.nothing") is None


@pytest.mark.parametrize("address", [*ADDRESSES, *(f"structgen.{name}" for name in LISTED)])
def test_all_of_a_public_module_is_all_that_it_lists(address: str) -> None:
    try:
        shown = import_module(address)
    except (ImportError, structgen.StructgenError) as error:  # its engine is not installed here
        pytest.skip(str(error))
    taken: dict[str, object] = {}
    exec(f"from {address} import *", taken)
    listed = {name for name in dir(shown) if not name.startswith("_")}
    assert listed and listed == {name for name in taken if not name.startswith("_")}


def test_help_on_errors_lists_them() -> None:
    text = pydoc.plain(pydoc.render_doc(structgen.errors))
    assert "class LimitError(" in text and "class OptionError(" in text


def test_help_on_the_package_is_its_page_and_no_more() -> None:
    assert len(pydoc.plain(pydoc.render_doc(structgen))) < 2 * len(str(structgen.__doc__))


def test_a_module_whose_engine_is_not_there_says_so_when_it_is_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("structgen.integrations.llama_cpp", "structgen.doors.integrations.llama_cpp"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises(structgen.StructgenError, match="pip install llama-cpp-python"):
        import_module("structgen.integrations.llama_cpp")


@for_each(("room", "folder"), ROOMS)
def test_who_asks_whether_a_room_of_before_is_there_hears_that_it_is_not(room: str, folder: str) -> None:
    if room not in ("core", "errors", "cli", "integrations", "samplers", "speculation"):
        assert find_spec(f"structgen.{room}") is None
    if room not in ("cli", "errors"):
        assert find_spec(f"structgen.{folder}.{room}") is not None


@pytest.mark.parametrize(
    "line",
    ["import structgen.monitors", "from structgen import monitors", "from structgen.monitors.x import y"],
)
def test_an_import_of_monitors_says_where_they_are(line: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"structgen\.monitors is no longer .* docs/methods\.md"):
        exec(line, {})


def test_compiled_code_that_lies_in_a_folder_of_before_hides_nothing(tmp_path: Path) -> None:
    """An older checkout keeps `structgen/engine/__pycache__`: Python takes the folder for a package."""
    for name in ("engine", "engine/__pycache__", "core", "core/__pycache__", "errors", "errors/__pycache__"):
        (tmp_path / "structgen" / name).mkdir(parents=True)
        (tmp_path / "structgen" / name / "requests.cpython-311.pyc").write_bytes(b"old")
    for path in nonempty(PACKAGE.iterdir()):
        if path.name not in ("engine", "core", "errors"):
            (tmp_path / "structgen" / path.name).symlink_to(path)
    code = (
        "import structgen as sg, structgen.core, structgen.errors\n"
        "assert sg.core.RowStatus and structgen.errors.LimitError\n"
        "try:\n    from structgen.engine import requests\nexcept ImportError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert NOW.format(room="engine", folder="decoding") in done.stdout
