"""A change of the intervals, or of another method, changes no draw of these methods."""

from __future__ import annotations

import json

from recorded_draws import RECORDED, digests


def test_draws_are_those_that_were_recorded():
    assert dict(digests()) == json.loads(RECORDED.read_text())
