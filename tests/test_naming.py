"""The figures of names (scripts/naming.py): what counts, and that a room's figures do not get worse."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import house  # noqa: E402
import naming  # noqa: E402

READABLE = """\
def read_header(stream, size, limit, encoding):
    \"\"\"Return the header, for example `b"GET"`.\"\"\"
    # The size comes first.
    data = stream.take(size)
    text = data.decode()
    return text
"""


def measure(text: str) -> naming.NameCounts:
    """Return the counts of a file of one text."""
    counts = naming.NameCounts()
    counts.add_file(text, ast.parse(text))
    return counts


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("said = 1", 1000),
        ("_said = size = 1", 500),
        ("def f(how): return size", 500),
        ("size.kept = 1", 500),
        ("said_word = 1", 0),
        ("'said'", 0),
    ],
)
def test_words_of_the_list_are_counted_where_they_are_the_whole_identifier(text: str, listed: int) -> None:
    assert measure(text).figures()["listed"] == listed


@pytest.mark.parametrize(
    ("text", "share"), [("chained = 1", 1000), ("token = 1", 0), ("is_chained = 1", 0), ("said = 1", 0)]
)
def test_participles_are_identifiers_of_one_word(text: str, share: int) -> None:
    assert measure(text).figures()["participles"] == share


def test_functions_of_one_word_are_a_share_of_all_but_special_methods() -> None:
    text = (
        "def read(): ...\ndef read_header(): ...\ndef _write(): ...\nclass A:\n    def __len__(self): ...\n"
    )
    assert measure(text).figures()["one_word"] == 67


def test_docstrings_and_comments_are_no_tokens_of_a_line() -> None:
    text = '"""Four words of prose."""\na = b  # a reason\n'
    assert measure(text).figures()["density"] == 30


def test_comments_stand_beside_lines_of_code() -> None:
    assert measure("a = 1  # one\nb = 2\n").figures()["comments"] == 50


def test_examples_are_asked_of_functions_with_more_than_three_parameters() -> None:
    plain = 'def f(a, b, c, d):\n    """Return nothing."""\n'
    method = 'class A:\n    def f(self, a, b, c):\n        """Return nothing."""\n'
    assert measure(READABLE + plain).figures()["examples"] == 50
    assert measure(READABLE + method).figures()["examples"] == 100


def test_a_worse_figure_names_the_room_and_its_worst_words() -> None:
    counts = measure("said = told = said = size = 1")
    allowed = counts.figures() | {"listed": 500}
    (message,) = naming.worst_figures("doors/typed", counts, allowed)
    assert message.startswith("structgen/doors/typed has 750 identifiers of the list")
    assert "house.toml allows 500" in message and "`said` (2), `told` (1)" in message


@pytest.mark.parametrize("figure", naming.RISING)
def test_a_figure_that_may_only_rise_is_a_fault_where_it_falls(figure: str) -> None:
    counts = measure(READABLE)
    assert list(naming.worst_figures("tokens", counts, counts.figures())) == []
    (message,) = naming.worst_figures("tokens", counts, counts.figures() | {figure: 101})
    assert "may only rise" in message


def test_a_room_that_house_toml_does_not_know_is_held_to_the_goals() -> None:
    assert list(naming.worst_figures("new", measure(READABLE), {})) == []
    assert list(naming.worst_figures("new", measure("def said(): ...\n# why\n"), {})) != []


def package(tmp_path: Path, text: str) -> Path:
    """Write a package of one room and its house.toml."""
    (tmp_path / "structgen/tokens").mkdir(parents=True)
    (tmp_path / "structgen/tokens/one.py").write_text(text)
    (tmp_path / "house.toml").write_text("")
    house.rewrite(house.weights(tmp_path), tmp_path, upward=True)
    return tmp_path


def test_figures_get_better_by_themselves_and_worse_by_hand(tmp_path: Path) -> None:
    root = package(tmp_path, "said = size = 1  # why\n")
    before = house.allowed_names(root)["tokens"]
    for text, listed in (("size = size = 1  # why\n", 0), ("said = said = 1  # why\n", 0)):
        (root / "structgen/tokens/one.py").write_text(text)
        house.rewrite(house.weights(root), root, upward=False)
        assert house.allowed_names(root)["tokens"] == before | {"listed": listed}
    assert house.worse_names(house.measure_names(root), house.allowed_names(root)) != []
    house.rewrite(house.weights(root), root, upward=True)
    assert house.allowed_names(root)["tokens"]["listed"] == 1000


def test_every_banned_function_is_counted() -> None:
    functions = "".join(f"def {name}(): ...\n" for name in sorted(naming.BANNED_FUNCTIONS))
    assert len(house.functions_without_object(ast.parse(functions + "def read_line(): ...\n"))) == len(
        naming.BANNED_FUNCTIONS
    )
