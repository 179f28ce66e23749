"""Engines that the tests of the server share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

for _name in ("torch", "openai", "starlette", "prometheus_client", "tokenizers", "safetensors"):
    pytest.importorskip(_name)

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

import structgen as sg  # noqa: E402


@pytest.fixture(scope="session")
def engine() -> sg.Engine:
    return sg.Engine("structgen/extract")


@pytest.fixture(scope="session")
def app(engine: sg.Engine) -> Any:
    from served_apps import app_of

    return app_of(engine)
