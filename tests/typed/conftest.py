"""Typed functions ask models of torch."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def _torch() -> None:
    pytest.importorskip("torch")
