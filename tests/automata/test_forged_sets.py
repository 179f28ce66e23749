"""Kept sets of code points with a right checksum that are no sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from structgen.automata.unicode import cached_sets
from structgen.errors import StoreWarning
from structgen.native.cache_entries import CacheEntries, entry_key

LETTERS = ((65, 90), (97, 122))


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
def test_a_set_that_is_none_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: object
) -> None:
    monkeypatch.setenv("STRUCTGEN_CACHE", str(tmp_path))
    assert cached_sets.cached("letters", lambda: LETTERS) == LETTERS
    entries = CacheEntries(tmp_path / cached_sets.FOLDER, cached_sets.SUFFIX)
    key = entry_key(cached_sets.KIND, "letters")
    forged = np.array(ends, np.int32) if isinstance(ends, list) else ends
    entries.write(cached_sets.KIND, key, {} if forged is None else {"ends": forged})  # type: ignore[dict-item]
    with pytest.warns(StoreWarning, match="is damaged"):
        assert cached_sets.cached("letters", lambda: LETTERS) == LETTERS
    assert cached_sets.cached("letters", lambda: ()) == LETTERS
