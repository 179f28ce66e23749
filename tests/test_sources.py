"""The digest in the names of kept files: every source of the package counts but for a few folders."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import structgen
import structgen as sg
from structgen.base.native import cache_entries
from structgen.base.system.source_digests import BESIDE, digest_below, package_digest, with_imports

PACKAGE = Path(structgen.__file__).resolve().parent


NAMED = {
    "base/language/ir.py",
    "machines/json_machine/masks/state_walk.py",
    "automata/unicode/idna_table.txt",
    "doors/cli/check.py",
}
"""Files that are there in any case."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package without compiled code."""
    root = tmp_path_factory.mktemp("sources") / "structgen"
    shutil.copytree(PACKAGE, root, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def files_of(root: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(root).as_posix(), path


def is_beside(name: str) -> bool:
    return name.startswith(tuple(f"{folder}/" for folder in BESIDE))


def test_the_folders_that_do_not_count_are_those_that_call_the_rest() -> None:
    called_by_none = {"machine_code", "models"}
    assert set(BESIDE) == {"decoding/engine", "doors/cli", "doors/maskbench", "doors/typed"} | called_by_none


def test_a_copy_has_the_digest_of_the_package(copy: Path) -> None:
    assert digest_below(copy) == package_digest()


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_change_of_any_file_outside_the_list_changes_the_digest_and_of_those_inside_none(
    copy: Path, every: bool
) -> None:
    """Each file, or one of each kind in each room."""
    before = digest_below(copy)
    found = {}
    files = dict(files_of(copy))
    one_of_each = {(name.split("/")[0], path.suffix): name for name, path in files.items()}
    for name in files if every else [*one_of_each.values(), *NAMED]:
        path = files[name]
        content = path.read_bytes()
        path.write_bytes(content + b"#")
        found[name] = digest_below(copy) != before
        path.write_bytes(content)
    assert digest_below(copy) == before
    assert found == {name: not is_beside(name) for name in found}
    assert found.keys() >= NAMED


def test_every_key_and_the_files_of_a_store_hold_the_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = sg.Tokenizer.from_bytes([b"a", b"b"], eos_token_id=1)
    before = cache_entries.entry_key("kind", "text")
    for digest in (package_digest(), "other"):
        monkeypatch.setattr(cache_entries, "package_digest", lambda digest=digest: digest)
        sg.compile(sg.lark('start: "a"'), tokenizer, store=tmp_path)
    assert len({*tmp_path.rglob("*.lexer")}) == 2
    assert cache_entries.entry_key("kind", "text") != before


def test_a_file_that_is_new_moved_or_gone_changes_the_digest(copy: Path) -> None:
    digests = {digest_below(copy)}
    (copy / "machines" / "json_machine" / "deeper").mkdir()
    new = copy / "machines" / "json_machine" / "deeper" / "new.py"
    new.write_text("x = 1")
    digests.add(digest_below(copy))
    moved = new.rename(copy / "machines" / "json_machine" / "new.py")
    digests.add(digest_below(copy))
    moved.write_text("")
    digests.add(digest_below(copy))
    assert len(digests) == 4
    moved.unlink()
    new.parent.rmdir()
    assert digest_below(copy) in digests


def test_compiled_code_and_hidden_files_do_not_count(copy: Path) -> None:
    before = digest_below(copy)
    for name in (
        "machines/json_machine/__pycache__/walk.cpython-311.pyc",
        "machines/json_machine/.walk.py.swp",
    ):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_bytes(b"1")
    assert digest_below(copy) == before
    (copy / name).unlink()


def test_a_package_without_sources_is_told_apart_by_its_compiled_modules(tmp_path: Path) -> None:
    found = set()
    for content in (b"one", b"two"):
        (tmp_path / "walk.pyc").write_bytes(content)
        found.add(digest_below(tmp_path))
    assert len(found) == 2
    assert digest_below(tmp_path / "none") == digest_below(tmp_path / "none")


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Return the modules of this package that some code imports when it runs, wherever it does."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        waiting += ast.iter_child_nodes(node)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("structgen"):
            assert node.module is not None
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.startswith("structgen"))


def test_modules_with_compiled_code_import_where_the_stamp_of_that_code_looks() -> None:
    """Compiled code is named by the sources that its module imports at the left margin: all of them."""
    compiled = 0
    for name, path in files_of(PACKAGE):
        text = path.read_text("utf-8") if name.endswith(".py") else ""
        if not re.search(r"^(@jit|@entry\(|\w+ = entry\()", text, re.MULTILINE):
            continue
        compiled += 1
        seen = set(with_imports(path))
        for module in imports_of(ast.parse(text)):
            place = PACKAGE.joinpath(*module.split(".")[1:])
            files = set(place.glob("*.py")) if place.is_dir() else {place.with_suffix(".py")}
            assert files <= seen, f"{name} imports {module} where its stamp does not look"
    assert compiled > 30
