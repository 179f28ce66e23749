"""Engines that the tests of the server share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

for _name in "torch transformers openai typer starlette prometheus_client tokenizers safetensors".split():
    pytest.importorskip(_name)

_TESTS = Path(__file__).parents[2]
sys.path[:0] = [str(_TESTS / one) for one in ("doors/serving", "decoding/engine", "asking/tool_calls")]

from renewed_engine import renew  # noqa: E402

import structgen as sg  # noqa: E402


@pytest.fixture(scope="session")
def engine() -> sg.Engine:
    return sg.Engine("structgen/extract")


@pytest.fixture(autouse=True)
def _renewed(request: pytest.FixtureRequest) -> None:
    """No test finds what others asked the engine for."""
    if "engine" in request.fixturenames:
        renew(request.getfixturevalue("engine"))


@pytest.fixture(scope="session")
def app(engine: sg.Engine) -> Any:
    from served_apps import app_of

    return app_of(engine)
