"""What the tests of strategies need, and the models of the engine's tests."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
