"""An option is declared in few files: in its dataclass, and where another name of it is told."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "scripts")]
import declarations  # noqa: E402

TEXT = """
def run(model, *, seed: int = 0): ...
async def arun(seed): ...
class Options(TypedDict):
    seed: int
FLAGS = {"fit seed": Flag(int, "The same seed gives the same texts."), "other": 1}
MemberRow(ALL, "integer top_k seed; flag|repetitions repetition; 'seed'|'free' missing")
seed: int = 3
"""


@cache
def found() -> dict[tuple[str, str], list[Any]]:
    """Return the declarations of all options. Cost: the sources of the package are parsed."""
    return declarations.declarations()


def test_each_form_of_a_declaration_is_found() -> None:
    places = declarations.find_declarations(TEXT, declarations.MEMBER_FILE)
    holders = [place.holder for place in places if place.name == "seed"]
    assert sorted(holders) == ["FLAGS", "Options", "arun", "members", "run"]


def test_no_option_is_declared_in_more_than_five_files() -> None:
    counts = {option: declarations.count_files(places) for option, places in found().items() if option[0]}
    assert len(counts) > 60
    assert {option: count for option, count in counts.items() if count > 5} == {}


def test_the_whole_package_declares_max_tokens_in_eight_files_at_most() -> None:
    assert declarations.count_files(found()["", "max_tokens"]) <= 8


def test_each_word_that_is_another_thing_stands_there() -> None:
    idle = {
        (name, file)
        for name, files in declarations.OTHER_THINGS.items()
        for file in files
        if file not in {place.file for place in found()["", name]}
    }
    assert idle == set()
