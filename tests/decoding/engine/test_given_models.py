"""An engine takes the model and the tokenizer that somebody has, as objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from object_schemas import BOOLEAN, object_of
from small_models import Function, tokenizer, write_llama

import structgen as sg
from structgen.errors import OptionError

SCHEMA = object_of(ok=BOOLEAN, size={"enum": ["small", "large"]})
REQUEST = sg.Request("A text", sg.json_schema(SCHEMA), sg.Sampling(seed=3), max_tokens=60)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llama(tmp_path_factory.mktemp("given"), width=64, layers=1)


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


@pytest.fixture(scope="module")
def fast(folder: Path) -> Any:
    return transformers.PreTrainedTokenizerFast.from_pretrained(folder)


class Processor:
    """As much of a processor of transformers as is read."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer


def test_objects_of_transformers_write_what_their_folder_writes(folder: Path, model: Any, fast: Any) -> None:
    (expected,) = sg.Engine(folder, dtype="float32", device="cpu").generate(REQUEST)
    for handed_over in (fast, fast.backend_tokenizer, Processor(fast), str(folder), tokenizer()):
        engine = sg.Engine(model, handed_over)
        (result,) = engine.generate(REQUEST)
        assert result.tokens == expected.tokens
        assert json.loads(result.text) == result.value == expected.value
        assert engine.tokenizer == tokenizer()


def test_a_folder_with_another_tokenizer_takes_an_object_too(folder: Path, fast: Any) -> None:
    assert sg.Engine(folder, fast, device="cpu").tokenizer == tokenizer()


def test_a_model_of_ones_own_takes_a_tokenizer_of_transformers(fast: Any) -> None:
    (result,) = sg.Engine(Function(tokenizer().vocab_size), fast).generate(REQUEST)
    assert result.value.keys() == {"ok", "size"}


def test_a_slow_tokenizer_with_a_sentencepiece_model_serves(tmp_path: Path) -> None:
    path = tmp_path / "spiece.model"
    with path.open("wb") as written:
        pytest.importorskip("sentencepiece").SentencePieceTrainer.train(
            sentence_iterator=iter(Path(__file__).read_text("utf-8").splitlines()),
            model_writer=written,
            model_type="bpe",
            vocab_size=400,
            byte_fallback=True,
            minloglevel=2,
        )
    slow = transformers.GPTSw3Tokenizer(str(path), name_or_path="small")
    config = transformers.LlamaConfig(
        vocab_size=len(slow) + 30,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=256,
    )
    torch.manual_seed(0)
    engine = sg.Engine(transformers.LlamaForCausalLM(config), slow)
    (result,) = engine.generate(REQUEST)
    assert result.value.keys() == {"ok", "size"}
    behind = slow.sp_model.piece_to_id("t")  # the decoder takes a blank away from the beginning of a text
    assert slow.sp_model.decode([behind, *result.tokens]) == f"t{result.text}"


def test_ends_of_the_generation_config_end_a_text_too(model: Any, fast: Any) -> None:
    assert sg.Engine(model, fast).tokenizer.eos_token_ids == (1,)
    before = model.generation_config.eos_token_id
    try:
        # 2 is special, 40 is a token of text, 9,999 is none of the tokenizer's.
        model.generation_config.eos_token_id = [2, 40, 9_999]
        assert sg.Engine(model, fast).tokenizer.eos_token_ids == (1, 2)
        # Whoever hands over an sg.Tokenizer has said which tokens end a text.
        assert sg.Engine(model, tokenizer()).tokenizer.eos_token_ids == (1,)
    finally:
        model.generation_config.eos_token_id = before


@pytest.mark.parametrize("handed_over", [7, object(), None, [], {}])
def test_what_is_no_model_is_refused(handed_over: Any) -> None:
    with pytest.raises(OptionError, match=r"model: \w+ is not a model: it has no vocab_size.*Pass a name"):
        sg.Engine(handed_over, tokenizer())


def test_models_that_write_no_next_token_are_refused(model: Any, fast: Any) -> None:
    with pytest.raises(OptionError, match=r"LlamaModel is not a causal language model.*AutoModelForCausalLM"):
        sg.Engine(model.model, fast)
    small = {"d_model": 16, "d_ff": 16, "d_kv": 8, "num_heads": 2, "num_layers": 1, "vocab_size": 1536}
    reader = transformers.T5ForConditionalGeneration(transformers.T5Config(**small))
    with pytest.raises(OptionError, match="T5ForConditionalGeneration is not a causal"):
        sg.Engine(reader, fast)


def test_an_object_needs_its_tokenizer(model: Any) -> None:
    with pytest.raises(OptionError, match=r"needs its tokenizer.*AutoTokenizer"):
        sg.Engine(model)


@pytest.mark.parametrize("option", [{"device": "cpu"}, {"dtype": "float32"}])
def test_options_of_loading_are_refused_for_an_object(option: dict[str, str], model: Any, fast: Any) -> None:
    with pytest.raises(OptionError, match="applies only to a model that is loaded by its name"):
        sg.Engine(model, fast, **option)
