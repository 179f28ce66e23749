"""The embedded models are standard models, small, with one tokenizer, and transformers computes the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from nonempty import nonempty

import structgen as sg
from structgen.decoding.runs import resources

NAMES = [f"structgen/{name}" for name in resources.MODELS]
CAUSAL = ["structgen/extract", "structgen/extract-draft", "structgen/guarded-programs"]


def config(name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(
        (resources.embedded_model(name) / "config.json").read_text(encoding="utf-8")
    )
    return value


def test_all_together_are_small() -> None:
    sizes = [
        path.stat().st_size
        for name in NAMES
        for path in nonempty(resources.embedded_model(name).iterdir())
        if path.is_file()
    ]
    assert sum(sizes) <= 25_000_000
    assert max(sizes) <= 6_000_000


@pytest.mark.parametrize("name", NAMES)
def test_shape(name: str) -> None:
    found = config(name)
    assert found["head_dim"] == 64
    assert found["hidden_size"] == 64 * found["num_attention_heads"]
    assert found["vocab_size"] % 64 == 0
    assert found["max_position_embeddings"] >= 2048
    assert found["architectures"] == ["LlamaForCausalLM" if name in CAUSAL else "StructgenInfill"]


@pytest.mark.parametrize("name", NAMES)
def test_files(name: str) -> None:
    folder = resources.embedded_model(name)
    tokenizer = resources.embedded_model("structgen/extract") / "tokenizer.json"
    assert (folder / "tokenizer.json").read_bytes() == tokenizer.read_bytes()
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "README.md",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(sg.StructgenError, match="structgen/extract-draft"):
        resources.embedded_model("extract")


def test_copying_is_copying_tokens() -> None:
    tokenizer = sg.Tokenizer.from_huggingface(resources.embedded_model("structgen/extract"))
    assert tokenizer.vocab_size == config("structgen/extract")["vocab_size"]
    pytest.importorskip("tokenizers")
    for word in ("Zorvikant", "O'Brien", "Qxvbt", "2026", "41.75", "lamb", "Łódź"):
        alone = tokenizer.encode(word.encode())
        assert tokenizer.encode(f"to {word}".encode())[-len(alone) :] == alone
        quoted = tokenizer.encode(f'": "{word}'.encode())
        assert quoted[-len(alone) :] == alone


@pytest.fixture
def plain() -> Any:
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    import model

    return model


@pytest.mark.parametrize("name", CAUSAL)
def test_transformers_computes_the_same(name: str, plain: Any) -> None:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    folder = resources.embedded_model(name)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = torch.tensor([tokenizer.encode('{name: string}\nZorvik paid.\n{"name": "Zorvik"}')])
    with torch.no_grad():
        assert torch.allclose(theirs(ids).logits, plain.load(folder)(ids), atol=2e-4)
    assert tokenizer.decode(ids[0]) == '{name: string}\nZorvik paid.\n{"name": "Zorvik"}'
