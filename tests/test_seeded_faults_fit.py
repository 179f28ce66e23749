"""Each seeded fault stands once in the sources: a script that runs for minutes must not tell it late."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts")]

import mutants  # noqa: E402

LISTS = [faults for sets in mutants.SETS.values() for faults in sets]


@pytest.mark.parametrize("faults", LISTS, ids=[faults.listed for faults in LISTS])
def test_every_seeded_fault_fits_its_source(faults: mutants.Faults) -> None:
    assert faults.mutants
    times = {one.name: (ROOT / one.file).read_text(encoding="utf-8").count(one.old) for one in faults.mutants}
    assert {name: count for name, count in times.items() if count != 1} == {}
