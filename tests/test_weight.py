"""The ratchet on weight: `make lint` fails where the package weighs more than house.toml says. `make quick`
says what it leaves out."""

from __future__ import annotations

import ast
import io
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from contextlib import redirect_stdout
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import house  # noqa: E402
from nonempty import nonempty  # noqa: E402

MODULE = """\
_WAIT = 60 * 60
_ROW_KIND: str = "row-1"
"""
CEILING = {"tokens of code": 30, "bytes of data": 4, house._LEAST: 0}
AS_IT_IS = {"tokens of code": 20}
"""What the package of the fixture has of them."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A package of two rooms beside the script, and its numbers as they are."""
    (tmp_path / "scripts").mkdir()
    for name in ("house.py", "naming.py"):
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts")
    for room in ("tokens", "store"):
        (tmp_path / "structgen" / room).mkdir(parents=True)
        (tmp_path / "structgen" / room / "one.py").write_text(MODULE)
        (tmp_path / "structgen" / room / "__init__.py").touch()
    (tmp_path / "structgen/__init__.py").touch()
    (tmp_path / "house.toml").write_text("")
    house.rewrite(house.weights(tmp_path), tmp_path, upward=True)
    told_by_hand(tmp_path, CEILING)
    return tmp_path


def told_by_hand(copy: Path, ceiling: dict[str, int]) -> None:
    """Write another ceiling into house.toml."""
    told = copy / "house.toml"
    rooms, _, rest = told.read_text().partition("[total]")
    names = "\n[names]" + rest.partition("[names]")[2]
    told.write_text(
        "".join([rooms, "[total]\n", *(f'"{name}" = {most}\n' for name, most in ceiling.items()), names])
    )


def said(copy: Path) -> list[str]:
    """Return the messages of the check, with which it ends."""
    return ran(copy, "--check")[0].splitlines()


def ran(copy: Path, option: str) -> tuple[str, str]:
    """Run the script of a copy; return the message with which it exits, "" for none, and what it prints."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.setattr(sys, "argv", ["house.py", option])
        try:
            runpy.run_path(str(copy / "scripts/house.py"), run_name="__main__")
        except SystemExit as ended:
            return str(ended.code or ""), printed.getvalue()
    return "", printed.getvalue()


def test_the_numbers_of_the_package_as_it_is_are_no_fault(copy: Path) -> None:
    assert said(copy) == []
    assert house.allowed(copy) == {
        "rooms": {"store": 10, "structgen": 0, "tokens": 10},
        "numbers": {
            "file formats": 2,
            "functions named by a bare word": 0,
            "long functions": 0,
            "private numeric thresholds": 2,
        },
        "total": CEILING,
    }


def test_one_token_too_many_names_the_room_how_many_and_the_cure(copy: Path) -> None:
    with (copy / "structgen/tokens/one.py").open("a") as file:
        file.write("_WAIT\n")
    (message,) = said(copy)
    assert message.startswith("structgen/tokens has 11 tokens of code, 1 more than house.toml says (10).")
    assert "Take as many away, here or in another room" in message and "CONTRIBUTING.md" in message


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("_MOST = 1 << 20", "3 private numeric thresholds, 1 more"),
        ('KIND = "table-1"', "3 file formats, 1 more"),
    ],
)
def test_one_number_too_many_is_a_fault_of_its_own(copy: Path, line: str, what: str) -> None:
    (copy / "structgen/store/one.py").write_text(f"{MODULE}{line}\n")
    _, message = said(copy)
    assert message.startswith(f"There are {what} than house.toml says (2).")


@pytest.mark.parametrize(("over", "found"), [(0, []), (1, ["one"])])
def test_a_function_is_long_by_its_lines_or_its_names(over: int, found: list[str]) -> None:
    lines = 'def one():\n    """What\n    it does."""\n' + "    call()\n" * (80 + over)
    names = f"def one({', '.join(f'a{n}' for n in range(20))}):\n" + "".join(
        f"    b{n} = b{n} = 1\n" for n in range(5 + over)
    )
    assert house.long_functions(ast.parse(lines)) == house.long_functions(ast.parse(names)) == found


def test_a_new_room_has_no_tokens_to_its_name(copy: Path) -> None:
    (copy / "structgen/more.py").write_text("total = 1  # A reason.\n")
    message = said(copy)[0]
    assert message.startswith("structgen/more has 3 tokens of code, 3 more than house.toml says (0).")


def test_numbers_go_down_by_themselves_and_up_by_hand(copy: Path) -> None:
    (copy / "structgen/tokens/one.py").write_text("total = 1\n" * 5)
    shutil.rmtree(copy / "structgen/store")
    (copy / "structgen/engine.py").write_text("size = 1\n")
    weights = house.weights(copy)
    house.rewrite(weights, copy, upward=False)
    assert house.allowed(copy) == {
        "rooms": {"structgen": 0, "tokens": 10},
        "numbers": {
            "file formats": 0,
            "functions named by a bare word": 0,
            "long functions": 0,
            "private numeric thresholds": 0,
        },
        "total": CEILING | {"tokens of code": 18},
    }
    house.rewrite(weights, copy, upward=True)
    assert house.allowed(copy)["rooms"] == {"engine": 3, "structgen": 0, "tokens": 15}


def test_tokens_of_the_total_go_down_to_what_is_there_and_never_up(copy: Path) -> None:
    assert ran(copy, "--lower")[0] == ""
    assert house.allowed(copy)["total"] == CEILING | AS_IT_IS
    with (copy / "structgen/tokens/one.py").open("a") as file:
        file.write("total = 1\n")
    for option in ("--lower", "--write"):
        assert ran(copy, option)[0] == ""
        assert house.allowed(copy)["total"] == CEILING | AS_IT_IS
    (message,) = said(copy)
    assert message.startswith("structgen/ has 23 tokens of code, 3 more than the ceiling of house.toml (20).")


def test_the_check_says_what_could_be_lowered_without_failing(copy: Path) -> None:
    message, printed = ran(copy, "--check")
    assert message == "" and printed.splitlines() == [
        "house.toml can be lowered (`make house`):",
        "  total, tokens of code: 30 -> 20",
    ]
    ran(copy, "--lower")
    assert ran(copy, "--check") == ("", "")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("tokens/one.py", "a = 1; " * 8, "structgen/ has 42 tokens of code, 12 more than the ceiling"),
        ("table.txt", "12345", "structgen/ has 5 bytes of data, 1 more than the ceiling"),
    ],
)
def test_the_ceiling_of_the_whole_package_does_not_give_way_to_numbers_of_rooms(
    copy: Path, file: str, text: str, message: str
) -> None:
    (copy / "structgen" / file).write_text(text)
    house.rewrite(house.weights(copy), copy, upward=True)
    (found,) = said(copy)
    assert found.startswith(message)


@pytest.mark.parametrize("folder", ["__pycache__", "machine_code"])
def test_compiled_code_of_a_checkout_weighs_nothing(copy: Path, folder: str) -> None:
    (copy / "structgen/tokens" / folder).mkdir()
    (copy / "structgen/tokens" / folder / "one.o").write_bytes(bytes(99))
    assert said(copy) == []


def test_the_folder_of_a_room_weighs_nothing(copy: Path) -> None:
    counts = []
    for path in ("structgen.store.one", "structgen.machines.store.one"):
        (copy / "structgen/tokens/one.py").write_text(f"from {path} import _WAIT\nimport {path}\n")
        counts.append(house.weights(copy)["total"]["tokens of code"])
    assert counts[0] == counts[1]


def test_too_few_docstrings_are_a_fault(copy: Path) -> None:
    told_by_hand(copy, CEILING | {house._LEAST: 18})
    (found,) = said(copy)
    assert found.startswith(f"structgen/ has 0 {house._LEAST}, fewer than the 18 of house.toml.")
    (copy / "structgen/store/one.py").write_text('"""What the module holds."""\n_WAIT = 60\n')
    assert said(copy) == []


def test_joined_lines_docstrings_and_comments_change_no_count_of_tokens() -> None:
    apart = 'a = 1\nb = 2\n\n\ndef f(x):\n    """Return x."""\n    return x  # as it is\n'
    joined = "a = 1; b = 2\ndef f(x): return x\n"
    assert house._tokens_of_code(apart) == 14 and house._tokens_of_code(joined) == 15  # `;` counts


def test_what_is_a_threshold_and_what_is_not() -> None:
    tree = ast.parse(
        "_A = 1\n_B: Final = 1 << 20\n_C = -0.5\n_D = 60 * 60\n"
        "PUBLIC = 1\n_TEXT = 'a'\n_FLAG = True\n_OTHER = _A * 2\n_E, _F = 0, 1\n_G = len('a')\n"
        "def f():\n    _inside = 1\n"
    )
    assert house.private_thresholds(tree) == ["_A", "_B", "_C", "_D"]


def test_what_is_a_file_format_and_what_is_not() -> None:
    tree = ast.parse(
        "KIND = 'a-1'\n_MAGIC: Final = b'SG1\\n'\n_FORMAT = 1\n"
        "class A:\n    kind = 'b-10'\n    other = 'b-1'\n"
        "KINDS = 3\nKIND_ = 'a-1'\n_KIND = 'none'\nformat = some\n"
    )
    assert house.file_formats(tree) == ["KIND", "_MAGIC", "_FORMAT", "kind"]


def test_make_lint_checks_the_weight_and_make_house_lowers_it() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipes = dict(
        part.split(":", 1) for part in makefile.split("\n\n") if part[:1].isalpha() and ":" in part
    )
    assert "scripts/house.py --check" in recipes["lint"]
    assert "scripts/house.py --lower" in recipes["house"]
    assert set(tomllib.loads((ROOT / "house.toml").read_text())) == {"rooms", "numbers", "total", "names"}


def test_make_quick_says_of_each_folder_how_many_files_of_tests_it_leaves_out() -> None:
    done = subprocess.run(["make", "-n", "quick"], cwd=ROOT, capture_output=True, text=True, check=True)
    quick = re.findall(
        r"\btests/\S+\.py", next(line for line in done.stdout.splitlines() if "pytest" in line)
    )
    assert len(quick) > 10 and [name for name in quick if not (ROOT / name).is_file()] == []
    files = [str(path.relative_to(ROOT)) for path in nonempty((ROOT / "tests").rglob("test_*.py"))]
    all_of, run = (Counter(f"{Path(name).parent}/" for name in names) for names in (files, quick))
    (told,) = (line for line in done.stdout.splitlines() if line.startswith("printf"))
    assert re.findall(r"(tests/\S*) (\d+) (\d+)", told) == [
        (folder, str(count - run[folder]), str(count)) for folder, count in sorted(all_of.items())
    ]
    assert "seven golden cases in eight" in done.stdout and "--sample 8" in done.stdout
