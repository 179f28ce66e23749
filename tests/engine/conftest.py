"""The models of these tests are tiny: a second thread would only wait, long where a machine is busy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


def _run_with(threads: int) -> Iterator[None]:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    yield from _run_with(1)


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.slow)], ids=lambda count: f"{count}_threads")
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """For tests of what must not depend on them."""
    yield from _run_with(request.param)
