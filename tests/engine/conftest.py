"""The engine needs torch; with how many threads it computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True, scope="session")
def _torch() -> Any:
    return pytest.importorskip("torch")


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.slow)], ids=lambda count: f"{count}_threads")
def threads(request: pytest.FixtureRequest, _torch: Any) -> Iterator[None]:
    """For tests of what must not depend on them."""
    before = _torch.get_num_threads()
    _torch.set_num_threads(request.param)
    yield
    _torch.set_num_threads(before)
