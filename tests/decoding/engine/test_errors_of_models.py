"""A folder that holds no whole model, and a request that is none, are told with the cure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import structgen as sg

TOKENIZER = Path(__file__).parents[2] / "data/bpe/tokenizer.json"
LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "vocab_size": 2000,
}


@pytest.mark.parametrize(
    ("config", "weights"),
    [
        ('{"architectures": ["Nope"]}', None),
        ("{", None),
        ("[]", None),
        (json.dumps(LLAMA), None),
        (json.dumps(LLAMA), b"\xff" * 64),
        (json.dumps({"model_type": "bert", "architectures": ["BertModel"]}), None),
    ],
)
def test_a_folder_that_transformers_cannot_read_is_told(
    tmp_path: Path, config: str, weights: bytes | None
) -> None:
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "tokenizer.json").write_bytes(TOKENIZER.read_bytes())
    if weights is not None:
        (tmp_path / "model.safetensors").write_bytes(weights)
    with pytest.raises(sg.StructgenError, match=r"\.$|\)\.$") as caught:
        sg.Engine(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_folder_whose_tokenizer_has_another_form_says_how_to_pass_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    (tmp_path / "vocab.json").write_text("{}")
    (tmp_path / "merges.txt").write_text("")
    with pytest.raises(
        sg.errors.TokenizerError, match=r"sg\.Engine\(folder, AutoTokenizer\.from_pretrained\(folder\)\)"
    ):
        sg.Engine(tmp_path)


def test_a_model_that_fills_masks_is_told_where_it_belongs() -> None:
    belongs = r"'structgen/infill' fills masks .*with sg\.infill.*; in a shell with structgen infill, .*\."
    with pytest.raises(sg.StructgenError, match=belongs):
        sg.Engine("structgen/infill")


@pytest.mark.parametrize("wrong", ["hello", None, ["hello"], {"prompt": "hello"}])
def test_what_is_no_request_says_how_to_write_one(engine: sg.Engine, wrong: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"Write sg\.Request\(prompt, grammar\)"):
        engine.generate(wrong)


def test_a_stream_of_what_is_no_request(engine: sg.Engine) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"Write sg\.Request"):
        next(engine.stream("hello"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("model.gguf", "llama.cpp's format, GGUF. Name the file: .*model.gguf"),
        ("adapter_config.json", r"only an adapter \(LoRA\).*merge_and_unload\(\)"),
        ("pytorch_model.bin", "it has no config.json. Name the folder that save_pretrained"),
    ],
)
def test_a_model_in_another_format_is_told_by_name(tmp_path: Path, file: str, message: str) -> None:
    (tmp_path / file).write_text("{}")
    with pytest.raises(sg.StructgenError, match=message):
        sg.Engine(tmp_path)


@pytest.mark.parametrize("name", ["http://localhost:8000/v1", "openai:http://localhost:8000/v1#NAME"])
def test_a_server_is_no_engine(name: str) -> None:
    with pytest.raises(
        sg.StructgenError, match=r'sg\.run\("openai:http://localhost:8000/v1#NAME", prompt, type'
    ):
        sg.Engine(name)


def test_what_is_shown_of_an_engine_and_its_results_is_one_short_line(engine: sg.Engine) -> None:
    assert repr(engine) == "<Engine of structgen/extract, 32 rows>"
    (result,) = engine.generate(sg.Request("Ada is 36.", sg.json_schema({"type": "integer"})))
    assert repr(result) == f"<Result stop, {len(result.tokens)} tokens: {result.text!r}>"
    (long,) = engine.generate(sg.Request("Ada", sg.regex("[ab\n]{400}"), max_tokens=400))
    assert len(repr(long).splitlines()) == 1 and len(repr(long)) < 350
    (failed,) = engine.generate(sg.Request("Ada", sg.regex("[ab]{400}"), max_tokens=400, timeout=1e-9))
    assert "error" in repr(failed) and "timeout" in repr(failed)
    for grammar in (sg.json_schema({"enum": list(range(300))}), sg.lark('start: "a"'), sg.regex("a+")):
        compiled = engine.compiled(grammar)
        for one in (grammar, compiled, compiled.start, sg.Matcher(compiled)):
            assert len(repr(one).splitlines()) == 1 and len(repr(one)) < 200
