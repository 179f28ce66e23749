"""What the tests of monitors need, and the table models of the strategies' tests."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

for _name in ("torch", "jedi"):
    pytest.importorskip(_name)

sys.path.insert(0, str(Path(__file__).parents[1] / "strategies"))


@pytest.fixture(autouse=True)
def _processes_end_with_their_test() -> Iterator[None]:
    from monitor_examples import MADE

    yield
    while MADE:
        MADE.pop().close()


@pytest.fixture
def monitors_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have monitors answer in this process; test_analysers.py has what their processes are for."""
    from in_this_process import InThisProcess

    monkeypatch.setattr("structgen.monitors.monitor.WorkerProcess", InThisProcess)
