"""A change of the intervals, or of another method, changes no draw of these methods."""

from __future__ import annotations

import json

import pytest
from recorded_draws import RECORDED, digests


def test_draws_are_those_that_were_recorded():
    pytest.importorskip("numba", reason="the library rounds sums as older processors do")
    assert dict(digests()) == json.loads(RECORDED.read_text())
