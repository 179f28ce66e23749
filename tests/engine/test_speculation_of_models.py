"""Real passes under the engine's verifier: with drafts the engine writes the same tokens in fewer passes."""

from __future__ import annotations

from typing import Any

import pytest
from request_kinds import PERSON
from small_models import write_llama

import structgen as sg
from structgen.engine import Engine, Request, Sampling
from structgen.engine.huggingface import HuggingFace
from structgen.engine.models import load_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    found, tokenizer = load_model(write_llama(tmp_path_factory.mktemp("llama"), inner=100), device="cpu")
    assert isinstance(found, HuggingFace)
    return found, tokenizer


@pytest.mark.usefixtures("keen")
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_drafts_change_no_token(model: Any, temperature: float) -> None:
    engine = Engine(model[0], tokenizer=model[1], max_rows=3)
    plain, drafted = (
        engine.generate(
            [
                Request(
                    f"{'text ' * i}{i}",
                    PERSON if i % 3 else None,
                    Sampling(temperature, seed=i),
                    max_tokens=24 + 3 * i,
                    speculation=speculation,  # type: ignore[arg-type]
                )
                for i in range(7)
            ]
        )
        for speculation in ("off", sg.Speculation(nodes=8))
    )
    assert [result.tokens for result in drafted] == [result.tokens for result in plain]
    assert all(result.usage.speculation == "" for result in drafted)
    assert sum(result.usage.calls for result in drafted) < sum(result.usage.calls for result in plain)
