"""The engine needs torch; with how many threads it computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True, scope="session")
def _torch() -> Any:
    return pytest.importorskip("torch")


@pytest.fixture
def keen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every guess verified, whatever it costs: how long passes last is not for a test to say."""
    from structgen.speculation.drafts.draft import NO_DRAFT
    from structgen.speculation.planning.row_trial import RowTrial
    from structgen.speculation.planning.speculator import Speculator

    def propose(self: Speculator, draftings: Any, views: Any, mosts: Any) -> list[Any]:
        return [
            NO_DRAFT if drafting is None else drafting.candidates(view, most)
            for drafting, view, most in zip(draftings, views, mosts, strict=True)
        ]

    monkeypatch.setattr(RowTrial, "measure", lambda trial, _: setattr(trial, "pays", True))
    monkeypatch.setattr(Speculator, "wants_drafts", lambda *_: True)
    monkeypatch.setattr(Speculator, "propose", propose)


@pytest.fixture(params=[1, pytest.param(2, marks=pytest.mark.slow)], ids=lambda count: f"{count}_threads")
def threads(request: pytest.FixtureRequest, _torch: Any) -> Iterator[None]:
    """For tests of what must not depend on them."""
    before = _torch.get_num_threads()
    _torch.set_num_threads(request.param)
    yield
    _torch.set_num_threads(before)
