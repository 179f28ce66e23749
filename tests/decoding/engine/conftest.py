"""What the tests of the engine need; how many threads it computes with; drafts that are all verified."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

for _name in "torch transformers safetensors tokenizers typer pydantic gguf accelerate".split():
    if find_spec(_name) is None:  # to import them all takes two seconds, and few tests need them all
        pytest.skip(f"needs {_name}", allow_module_level=True)

_ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(_ROOT / "bench"), str(_ROOT / "models")]


@pytest.fixture(scope="session")
def engine() -> Any:
    """One engine of the small model, for tests that change nothing in it."""
    import structgen as sg

    return sg.Engine("structgen/extract")


@pytest.fixture
def keen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every guess verified, whatever it costs: how long passes last is not for a test to say."""
    from structgen.decoding.speculation.drafts.draft import NO_DRAFT
    from structgen.decoding.speculation.planning.speculator import Speculator

    def propose(self: Speculator, draftings: Any, views: Any, mosts: Any) -> list[Any]:
        return [
            NO_DRAFT if drafting is None else drafting.propose_tree(view, most)
            for drafting, view, most in zip(draftings, views, mosts, strict=True)
        ]

    monkeypatch.setattr(Speculator, "wants_drafts", lambda *_: True)
    monkeypatch.setattr(Speculator, "propose_drafts", propose)


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.slow)], ids=lambda count: f"{count}_threads")
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """For tests of what must not depend on them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)
