"""What the tests of strategies need, and the models of the engine's tests."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parents[2] / "decoding" / "engine"))


@pytest.fixture
def rewards_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have rewards answer in this process; test_rewarded.py has what their processes are for."""
    from in_this_process import InThisProcess

    monkeypatch.setattr("structgen.decoding.engine.searches.rewards.WorkerProcess", InThisProcess)
