"""Each seeded fault stands once in the sources: a script that runs for minutes must not tell it late."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]
SCRIPTS = ("golden_mutants", "sampling_mutants", "speculation_mutants", "strategy_mutants")


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_seeded_fault_fits_its_source(script: str) -> None:
    said = (ROOT / "scripts" / f"{script}.py").read_text(encoding="utf-8")
    called = re.search(r'main\(MUTANTS, [^,]+, "([^"]+)"', said)
    package = ROOT / (called[1] if called else "structgen")
    mutants = import_module(script).MUTANTS
    assert mutants
    times = {one.name: (package / one.file).read_text(encoding="utf-8").count(one.old) for one in mutants}
    assert {name: count for name, count in times.items() if count != 1} == {}
