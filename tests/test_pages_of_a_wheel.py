"""The pages that a new user reads run with an installed wheel, in a folder of their own, without the clone.

scripts/pages.py runs a page in an empty folder. Here the package that it imports is a wheel: built without
machine code, and installed into a folder that stands before all others.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from for_each import for_each

ROOT = Path(__file__).parents[1]

sys.path[:0] = [str(ROOT / "scripts")]

import pages  # noqa: E402

NEWCOMERS = [page for page in pages.PAGES if not any(map(page.startswith, ("docs/inside/", "docs/words")))]

_RUN = """
import sys
from pathlib import Path

sys.path[:0] = [sys.argv[1]]
import pages
import structgen

assert Path(structgen.__file__).is_relative_to(sys.argv[2]), structgen.__file__
for page in sys.argv[3:]:
    wanted = lambda piece: not pages.is_slow(piece)
    found = [one for one in pages.findings(page, wanted) if one.kind != "value" or not one.of_the_type]
    print(pages.difference(page, found), end="")
"""

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("hatchling", "pip", "torch", "pydantic", "attrs", "tokenizers"))),
    reason="a wheel is built and installed, and the pages use torch and pydantic",
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the wheel of this checkout, installed without its dependencies."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = wheels.glob("*-none-any.whl")
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--target",
        target,
        wheel,
    ]
    subprocess.run(install, check=True, capture_output=True)
    return target


def differences(installed: Path, folder: Path, *shown: str) -> str:
    """Return how what pages print with the wheel differs from what they say."""
    done = subprocess.run(
        [sys.executable, "-c", _RUN, ROOT / "scripts", installed, *shown],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("page", NEWCOMERS)
def test_a_page_runs_with_a_wheel_in_an_empty_folder(page: str, installed: Path, tmp_path: Path) -> None:
    assert differences(installed, tmp_path, page) == ""
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_the_files_that_ship_are_in_the_wheel(installed: Path, tmp_path: Path) -> None:
    code = (
        "import structgen as sg; from lark.indenter import PythonIndenter; "
        "from structgen.base.system.shipped_files import GRAMMARS; "
        "indenters = {'python': PythonIndenter()}; "
        "[sg.lark(f'structgen/{name}', postlex=indenters.get(name)) for name in GRAMMARS]"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@for_each("page", NEWCOMERS)
def test_no_command_or_block_names_a_file_of_the_clone(page: str) -> None:
    """The quick share: a new user has no examples/, grammars/, schemas/ or tests/."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for piece in pages.pieces(page, text):
        if piece.kind == "python" or not pages.reason_not_to_run(piece.code):
            named = [
                name
                for name in ("examples/", "grammars/", "tests/data", "models/extract", 'schemas/"')
                if name in piece.code
            ]
            assert named == [], piece.place
