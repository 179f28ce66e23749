"""The project file, the pinned versions and the shipped data agree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import numba
import pytest
from for_each import for_each
from long_waits import without_waits

import structgen
from structgen.base.native.inner_functions import TRIED
from structgen.base.system import resources

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


def test_numba_is_bounded_above_the_last_version_that_was_tried() -> None:
    first, last = TRIED
    assert f"numba>=0.61,<{first}.{last + 1}" in PROJECT["dependencies"]


def test_core_needs_no_torch() -> None:
    assert not any("torch" in line or "transformers" in line for line in PROJECT["dependencies"])


def test_constraints_are_sorted_and_exact() -> None:
    names = list(pins())
    assert names == sorted(names)


def test_shipped_data_is_found() -> None:
    assert any(resources.schemas().glob("*.json"))
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
        found += [path for path in (ROOT / place).rglob("*") if path.is_file() and path.suffix in KINDS]
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


def test_a_wheel_takes_the_machine_code_along_where_it_is_there(tmp_path: Path) -> None:
    builder = pytest.importorskip("hatchling.builders.wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, tmp_path)
    code = tmp_path / "structgen/machine_code/x86-64-v3/structgen.tokens.trie-0123.code"
    for file in (tmp_path / "structgen/__init__.py", tmp_path / "structgen/__pycache__/x.pyc", code):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('__version__ = "1"\n')
    made = builder.WheelBuilder(str(tmp_path))
    assert {one.distribution_path for one in made.recurse_selected_project_files()} == {
        "structgen/__init__.py",
        "structgen/machine_code/x86-64-v3/structgen.tokens.trie-0123.code",
    }


FIRST_MASK = """
import resource
import structgen as sg
tokenizer = sg.Tokenizer.from_bytes([bytes([i]) for i in range(256)] + [None], 256)
schema = sg.json_schema({"type": "object", "properties": {"a": {"type": "string"}}})
matcher = sg.Matcher(sg.compile(schema, tokenizer))
matcher.fill_mask(sg.allocate_mask(1, tokenizer.vocab_size))
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(sg.__file__, sum(one.ru_utime + one.ru_stime for one in used))
"""


@pytest.mark.slow
def test_the_first_mask_from_a_wheel_with_machine_code_compiles_nothing(tmp_path: Path) -> None:
    """As `make wheel` builds it, in an environment that has the wheel and what it needs, and no cache."""
    pytest.importorskip("hatchling")
    tree = tmp_path / "tree"
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if name.partition("/")[0] not in ("bench", "docs", "tests") or "/bpe/" in name:
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
    warmup = [
        sys.executable,
        "-c",
        "from structgen.doors.cli import main; main()",
        "warmup",
        "--target",
        "generic",
    ]
    here = {**os.environ, "PYTHONPATH": str(tree), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    subprocess.run(warmup, cwd=tree, env=here, check=True, stdout=subprocess.DEVNULL)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=tree, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", str(bare)], check=True)
    python = str(bare / "bin/python")
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    own |= {"NUMBA_CACHE_DIR": str(tmp_path / "none"), "STRUCTGEN_CACHE": str(tmp_path / "store")}
    install = [python, "-m", "pip", "install", "-q", "--no-index", "--no-deps", str(wheel)]
    subprocess.run(install, env=own, check=True)
    (packages,) = (bare / "lib").glob("python*/site-packages")
    (packages / "beside.pth").write_text(f"{Path(numba.__file__).parents[1]}\n")  # what the wheel needs

    def first_mask() -> subprocess.CompletedProcess[str]:
        command = [python, "-c", FIRST_MASK]
        return subprocess.run(command, env=own, cwd=tmp_path, capture_output=True, text=True, check=True)

    done = first_mask()
    file, seconds = done.stdout.split()
    assert file.startswith(str(bare)) and without_waits(done.stderr) == ""
    assert float(seconds) < 3  # of the processor: what the wheel promises; compiling takes 20
    assert not list((tmp_path / "none").rglob("*.nbc"))
    shutil.rmtree(packages / "structgen/machine_code")
    assert "structgen: compiling the inner loops of JSON masks" in first_mask().stderr


def test_modules_of_tests_have_names_of_their_own() -> None:
    """Their folders stand in one path, and those of bench, scripts and models with them."""
    beside = [path for place in ("bench", "scripts", "models") for path in (ROOT / place).glob("*.py")]
    own = {"__init__", "__main__", "conftest"}
    packages = {path.parent for path in (ROOT / "tests").rglob("__init__.py")}
    tests = [path for path in (ROOT / "tests").rglob("*.py") if packages.isdisjoint(path.parents)]
    named = Counter(path.stem for path in [*tests, *beside] if path.stem not in own)
    assert {path.stem for path in tests if named[path.stem] > 1} == set()
