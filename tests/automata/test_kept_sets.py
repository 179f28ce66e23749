"""Sets of code points in the cache folder: what Python says, asked once, or again where a file has none."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import structgen as sg
from structgen.automata.regex import python_sets
from structgen.automata.unicode import cached_sets
from structgen.automata.unicode.cached_sets import cached
from structgen.automata.unicode.charsets import Ranges
from structgen.native.cache_entries import CacheEntries, entry_key

RANGES = ((0x41, 0x5A), (0x10000, 0x10FFFF))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path))
    return tmp_path / "characters"


def never() -> Ranges:
    raise AssertionError("asked again")


def test_a_set_is_asked_once() -> None:
    assert cached("letters", lambda: RANGES) == RANGES
    assert cached("letters", never) == RANGES
    with pytest.raises(AssertionError, match="asked again"):
        cached("others", never)


@pytest.mark.parametrize(
    "ends",
    [
        [65, 90],
        [[90, 65]],
        [[65, 90], [91, 122]],
        [[97, 122], [65, 90]],
        [[-1, 90]],
        [[65, 0x110000]],
        [[65, 90, 97]],
        np.array([[65, 90]], np.int64),
        None,
    ],
)
def test_a_set_that_is_none_is_made_anew(folder: Path, ends: object) -> None:
    assert cached("letters", lambda: RANGES) == RANGES
    entries = CacheEntries(folder, cached_sets.SUFFIX)
    key = entry_key(cached_sets.KIND, "letters")
    forged = np.array(ends, np.int32) if isinstance(ends, list) else ends
    entries.write(cached_sets.KIND, key, {} if forged is None else {"ends": forged})  # type: ignore[dict-item]
    with pytest.warns(sg.errors.StoreWarning, match="is damaged"):
        assert cached("letters", lambda: RANGES) == RANGES
    assert cached("letters", never) == RANGES


@pytest.mark.slow
@pytest.mark.parametrize("letter", ["d", "s", "w"])
def test_categories_are_those_of_re_read_or_made(letter: str) -> None:
    pattern = re.compile(f"\\{letter}")
    for _ in range(2):
        python_sets.category.cache_clear()
        ranges = python_sets.category(letter, False)
        members = {point for low, high in ranges for point in range(low, high + 1)}
        assert members == {point for point in range(0x110000) if pattern.match(chr(point))}


def test_what_has_case_is_read_as_it_was_made() -> None:
    found = []
    for _ in range(2):
        python_sets.cased_points.cache_clear()
        found.append(python_sets.cased_points())
    assert found[0] == found[1]
    ranges, text = found[0]
    assert text == "".join(chr(point) for low, high in ranges for point in range(low, high + 1))
    assert {"a", "A", "ß", "\u0130", "\U0001e900"} <= set(text)
    assert not {"1", "_", "\u4e00"} & set(text)
