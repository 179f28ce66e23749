"""What the tests of monitors need, and the table models of the strategies' tests."""

import sys
from pathlib import Path

import pytest

for _name in ("torch", "jedi"):
    pytest.importorskip(_name)

sys.path.insert(0, str(Path(__file__).parents[1] / "strategies"))
