"""Releases: the cut of the changelog, the wheel with machine code, and that two builds are equal."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import shutil
import sys
import zipfile
from datetime import date
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts/release"))

import release_building  # noqa: E402
import release_checks  # noqa: E402
from changelog_cut import ReleaseError, cut, section, sections  # noqa: E402

TEXT = """# Changelog

## [Unreleased]

### Added
- One thing.

## [0.8.0] - 2026-01-02

- Old.
"""
DAY = date(2026, 12, 31)


# --- the changelog ----------------------------------------------------------------------------------------


def test_a_cut_moves_all_entries_below_the_version() -> None:
    made = cut(TEXT, "0.9.0", DAY)
    assert sections(made) == {
        "Unreleased": ("", ""),
        "0.9.0": ("2026-12-31", "### Added\n- One thing."),
        "0.8.0": ("2026-01-02", "- Old."),
    }
    assert made.replace("\n## [0.9.0] - 2026-12-31\n", "") == TEXT


def test_a_cut_keeps_what_stands_before_the_first_section() -> None:
    assert cut(TEXT, "0.9.0", DAY).startswith("# Changelog\n\n## [Unreleased]\n\n## [0.9.0]")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (cut(TEXT, "0.9.0", DAY), "CHANGELOG.md has 0.9.0 already. Set another version"),
        (TEXT.replace("### Added\n- One thing.\n", ""), 'no entry below "## [Unreleased]"'),
        ("# Changelog\n\n## [0.8.0] - 2026-01-02\n- Old.\n", 'no entry below "## [Unreleased]"'),
    ],
)
def test_a_cut_that_would_lose_or_repeat_a_version_is_refused(text: str, told: str) -> None:
    with pytest.raises(ReleaseError) as error:
        cut(text, "0.9.0", DAY)
    assert told in str(error.value)


def test_the_notes_of_a_version_are_its_entries() -> None:
    assert section(cut(TEXT, "0.9.0", DAY), "0.9.0") == "### Added\n- One thing."


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (TEXT, "no section 0.9.0. Run `python scripts/release cut`"),
        (TEXT.replace("[Unreleased]", "[0.9.0]"), "has the date ''"),
        (TEXT.replace("[Unreleased]", "[0.9.0] - soon"), "has the date 'soon'"),
    ],
)
def test_a_version_that_was_not_cut_is_not_released(text: str, told: str) -> None:
    with pytest.raises(ReleaseError) as error:
        section(text, "0.9.0")
    assert told in str(error.value)


def test_the_version_of_the_script_is_that_of_the_package() -> None:
    import structgen

    assert release_building.version_of(ROOT) == structgen.__version__


# --- the wheel with machine code --------------------------------------------------------------------------

TAG = release_building.TAG
CODE = {
    "structgen/machine_code/loops-1-2.so": b"\0code",
    "structgen/machine_code/a.so": b"1",
}


@pytest.fixture
def pure(tmp_path: Path) -> Path:
    """A small wheel as hatchling builds it."""
    tree = tmp_path / "tree"
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        tree.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tree)
    text = (tree / "pyproject.toml").read_text()
    before, _, after = text.partition("[tool.hatch.build.targets.wheel.force-include]")
    (tree / "pyproject.toml").write_text(f"{before}[tool.ruff]{after.partition('[tool.ruff]')[2]}")
    code = tree / "structgen/machine_code/structgen.tokens.trie-0123.o"
    for file in (tree / "structgen/__init__.py", tree / "kernels/structgen_kernels/__init__.py", code):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('__version__ = "1"\n')
    builder = pytest.importorskip("hatchling.builders.wheel").WheelBuilder(str(tree))
    return Path(next(builder.build(directory=str(tmp_path / "made"), versions=["standard"])))


def members(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as held:
        return {name: held.read(name) for name in held.namelist()}


def test_a_wheel_that_is_built_of_a_tree_is_pure_and_leaves_its_machine_code_out(pure: Path) -> None:
    assert pure.name.endswith("-py3-none-any.whl")
    assert not [name for name in members(pure) if "machine_code" in name]


def test_a_wheel_with_machine_code_differs_in_that_and_in_its_tag(pure: Path) -> None:
    made = release_building.retagged(pure, TAG, CODE, 1_700_000_000)
    assert made.name == pure.name.replace("py3-none-any", TAG)
    before, after = members(pure), members(made)
    assert {name: after[name] for name in CODE} == CODE
    (about,) = (name for name in before if name.endswith("/WHEEL"))
    (record,) = (name for name in before if name.endswith("/RECORD"))
    assert b"Root-Is-Purelib: false\n" in after[about] and f"Tag: {TAG}\n".encode() in after[about]
    assert b"none-any" not in after[about]
    same = before.keys() - {about, record}
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert after.keys() == before.keys() | CODE.keys()


def test_the_list_of_a_wheel_with_machine_code_has_each_file_and_its_digest(pure: Path) -> None:
    held = members(release_building.retagged(pure, TAG, CODE, 1_700_000_000))
    (record,) = (name for name in held if name.endswith("/RECORD"))
    listed = {row[0]: row[1:] for row in csv.reader(io.StringIO(held[record].decode()))}
    assert listed.keys() == held.keys() and listed.pop(record) == ["", ""]
    for name, (digest, size) in listed.items():
        made = base64.urlsafe_b64encode(hashlib.sha256(held[name]).digest()).decode().rstrip("=")
        assert (digest, size) == (f"sha256={made}", str(len(held[name])))


def test_the_order_in_which_files_come_is_not_in_a_wheel(pure: Path) -> None:
    one = release_building.retagged(pure, TAG, CODE, 1_700_000_000).read_bytes()
    assert (
        release_building.retagged(pure, TAG, dict(reversed(CODE.items())), 1_700_000_000).read_bytes() == one
    )


def test_a_library_for_a_newer_system_than_its_tag_says_is_refused() -> None:
    release_building.check_system(b"\0GLIBC_2.2.5\0GLIBC_2.27\0")
    with pytest.raises(ReleaseError, match=r"needs glibc 2\.29, and its wheel says 2\.27"):
        release_building.check_system(b"\0GLIBC_2.2.5\0GLIBC_2.29\0")


def test_builds_that_differ_are_told_by_the_file(pure: Path, tmp_path: Path) -> None:
    one = release_building.retagged(pure, TAG, CODE, 1_700_000_000)
    other = tmp_path / "other" / one.name
    other.parent.mkdir()
    shutil.copy(one, other)
    release_building.compare([pure, one], [pure, other])
    changed = {**CODE, "structgen/machine_code/a.so": b"2"}
    shutil.move(release_building.retagged(pure, TAG, changed, 1_700_000_000), other)
    release_building.retagged(pure, TAG, CODE, 1_700_000_000)
    with pytest.raises(ReleaseError, match=r"differ in .*\.whl: structgen/machine_code/a\.so"):
        release_building.compare([pure, one], [pure, other])
    with pytest.raises(ReleaseError, match="differ in"):
        release_building.compare([pure, one], [pure])


def test_a_python_that_is_not_there_is_told_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"python9\.9 is not on this machine"):
        release_building.build(["python9.9"], tmp_path / "dist")
    assert not (tmp_path / "dist").exists()


def beside(wheel: str, python: Path, folder: Path, constraints: Path) -> Path:
    """Make an environment with a wheel; what it needs is that of this process. No index is asked."""
    inside = release_building.environment(python, folder)
    release_building.run(
        inside,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-index",
        "--no-deps",
        str(wheel).removesuffix("[compile]"),
        cwd=folder,
    )
    (packages,) = (folder / "lib").glob("python*/site-packages")
    (packages / "beside.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    return inside


@pytest.mark.slow
def test_two_builds_are_equal_and_the_first_mask_from_their_wheel_compiles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where neither the installation nor any other folder can be written."""
    monkeypatch.setattr(release_building, "installed", beside)
    release_building.build([sys.executable], tmp_path / "dist", twice=True)
    assert "equal byte for byte" in capsys.readouterr().out
    (wheel,) = (tmp_path / "dist").glob("*-manylinux*.whl")
    home = tmp_path / "home"
    home.mkdir()
    inside = beside(str(wheel), Path(sys.executable), home / "bare", ROOT)
    for read_only in (False, True):
        file, seconds, _ = release_checks.first_mask(inside, home, read_only=read_only)
        assert file.startswith(str(home / "bare"))
        assert seconds < 3  # of the processor: compiling takes 20
    assert not list(home.rglob("*.o"))
