"""The project file, the pinned versions and the shipped data agree."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from for_each import for_each
from nonempty import nonempty

import structgen
from structgen.decoding.runs import resources

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


UNPINNED = "triton"
"""Whose version a CUDA build of torch fixes itself."""


def requirements() -> list[str]:
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return sorted(
        {line for group in groups for line in group if not line.startswith((PROJECT["name"], UNPINNED))}
    )


@for_each("requirement", requirements())
def test_dependency_is_pinned(requirement: str) -> None:
    asked = re.fullmatch(r"([a-z0-9-]+)(?:==([\d.]+)|>=[\d.]+(?:,<([\d.]+))?)", requirement)
    assert asked is not None
    name, exact, below = asked.groups()
    assert name in pins()
    assert exact is None or pins()[name] == exact
    assert below is None or numbers(pins()[name]) < numbers(below)


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_only_those_who_compile_need_numba() -> None:
    assert not any("numba" in line or "llvmlite" in line for line in PROJECT["dependencies"])
    llvmlite, numba = PROJECT["optional-dependencies"]["compile"]
    assert re.fullmatch(r"llvmlite>=0\.45", llvmlite)  # that of the oldest numba
    # a later one may hold the code of a function otherwise
    assert re.fullmatch(r"numba>=0\.62,<0\.\d+", numba)


def test_core_needs_no_torch() -> None:
    assert not any("torch" in line or "transformers" in line for line in PROJECT["dependencies"])


def test_constraints_are_sorted_and_exact() -> None:
    names = list(pins())
    assert names == sorted(names)


def test_shipped_data_is_found() -> None:
    assert any(resources.schemas_folder().glob("*.json"))
    assert resources.small_tokenizer().name == "tokenizer.json"


# --- the name: structgen on PyPI is another project ---------------------------------------------------------

FOREIGN = re.compile(r"structgen\[|pip3? install [^\n`]*?(?<![-\w./])structgen(?![-\w/])")
"""The old form, `pip install structgen` or 'structgen[torch]', which installs somebody else's code."""
PLACES = ["structgen", "kernels", "docs", "models", "examples", "bench", "scripts", "grammars", "schemas"]
FILES = ["README.md", "Makefile", "pyproject.toml", "constraints.txt", ".ci/run"]
KINDS = {".py", ".md", ".toml", ".txt", ".sh", ".lark", ".json", ""}


def texts() -> list[Path]:
    found = [ROOT / name for name in FILES]
    for place in PLACES:
        found += [
            path for path in nonempty((ROOT / place).rglob("*")) if path.is_file() and path.suffix in KINDS
        ]
    return [path for path in found if "__pycache__" not in path.parts]


@pytest.mark.parametrize(
    ("text", "is_foreign"),
    [
        ("pip install structgen", True),
        ("pip install 'structgen[torch]'.", True),
        ('pip install -U "structgen"', True),
        ("pip install torch structgen", True),
        ("needs structgen[torch]", True),
        ("pip install structgen-toolkit", False),
        ('pip install -e ".[torch]"', False),
        ("pip install ./structgen", False),
        ("pip install torch", False),
    ],
)
def test_the_old_form_is_known(text: str, is_foreign: bool) -> None:
    assert bool(FOREIGN.search(text)) is is_foreign


def test_nothing_asks_for_the_project_that_has_our_name_on_pypi() -> None:
    read = texts()
    assert len(read) > 300
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in read
        for match in FOREIGN.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_extras_name_extras_of_this_distribution() -> None:
    assert PROJECT["name"] == "structgen-toolkit"
    extras = PROJECT["optional-dependencies"]
    own = [line for group in extras.values() for line in group if line.startswith("structgen")]
    assert own
    for line in own:
        found = re.fullmatch(r"structgen-toolkit\[(\w+)\]", line)
        assert found is not None and found[1] in extras


def test_the_distribution_has_the_version_that_the_package_says() -> None:
    metadata = pytest.importorskip("hatchling.metadata.core")
    plugins = pytest.importorskip("hatchling.plugin.manager")
    project = metadata.ProjectMetadata(str(ROOT), plugins.PluginManager())
    assert (project.core.name, project.version) == ("structgen-toolkit", structgen.__version__)


def test_modules_of_tests_have_names_of_their_own() -> None:
    """Their folders stand in one path, and those of bench, scripts and models with them."""
    beside = [
        path for place in ("bench", "scripts", "models") for path in nonempty((ROOT / place).glob("*.py"))
    ]
    own = {"__init__", "__main__", "conftest"}
    packages = {path.parent for path in nonempty((ROOT / "tests").rglob("__init__.py"))}
    tests = [path for path in nonempty((ROOT / "tests").rglob("*.py")) if packages.isdisjoint(path.parents)]
    named = Counter(path.stem for path in [*tests, *beside] if path.stem not in own)
    assert {path.stem for path in tests if named[path.stem] > 1} == set()
