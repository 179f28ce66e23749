"""Kept sets of code points with a right digest that are no sets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from structgen.automata.unicode import cached_sets
from structgen.errors import StoreWarning

LETTERS = ((65, 90), (97, 122))


@pytest.mark.parametrize(
    "ends",
    [
        [65],
        [90, 65],
        [65, 90, 91, 122],
        [97, 122, 65, 90],
        [-1, 90],
        [65, 0x110000],
        [65, 90.5],
        [True, 90],
        ["a", "z"],
        {"65": 90},
        None,
    ],
)
def test_a_set_that_is_none_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: object
) -> None:
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path))
    assert cached_sets.kept("letters", lambda: LETTERS) == LETTERS
    (path,) = tmp_path.rglob(f"*{cached_sets.SUFFIX}")
    said = json.dumps(ends).encode()
    path.write_bytes(cached_sets._digest(said) + b"\n" + said)
    with pytest.warns(StoreWarning, match="is damaged"):
        assert cached_sets.kept("letters", lambda: LETTERS) == LETTERS
    assert cached_sets.kept("letters", lambda: ()) == LETTERS
