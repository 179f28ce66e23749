"""`model.generate` of transformers under our masks: shapes of models, batches, beams, samples, budgets,
reuse."""

from __future__ import annotations

import ast
import copy
import json
import pickle
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from object_schemas import INTEGER, STRING, object_of
from small_llama import CONFIGS, TOKENIZER, batch, opinionated
from small_llama import END as EOS

import structgen as sg
from structgen.decoding.runs.resources import embedded_model
from structgen.doors.integrations.transformers import LogitsProcessor

PERSON = sg.json_schema(
    object_of(name={"type": "string", "maxLength": 8}, age={"type": "integer", "maximum": 99}),
    whitespace="oneline",
    numbers="plain",
)
COLOURS = sg.json_schema({"enum": ["red", "green", "blue", "black"]}, whitespace="compact")
NUMBERS = sg.json_schema(
    {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "minItems": 2}
)


@pytest.fixture(scope="module")
def model() -> Any:
    return opinionated()


@pytest.mark.parametrize("place", ["arguments", "the model's own config"])
@pytest.mark.parametrize(
    "other",
    [
        {"min_new_tokens": 30},
        {"min_length": 30, "do_sample": True},
        {"no_repeat_ngram_size": 1},
        {"bad_words_ids": [[token] for token in range(1, 256)], "do_sample": True},
    ],
    ids=["min_new_tokens", "min_length", "no_repeat_ngram_size", "bad_words_ids"],
)
def test_what_forbids_all_that_is_allowed_is_refused_by_name(
    model: Any, other: dict[str, Any], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place != "arguments":
        config = copy.deepcopy(model.generation_config)
        config.update(**other)
        monkeypatch.setattr(model, "generation_config", config)
    with pytest.raises(sg.errors.OptionError, match=r"forbidden all tokens.* Remove min_new_tokens"):
        model.generate(
            torch.tensor([[5, 6]]),
            logits_processor=[LogitsProcessor(sg.regex("aaaa"), TOKENIZER)],
            max_new_tokens=40,
            **(other if place == "arguments" else {}),
        )


def test_a_pickled_processor_begins_a_new_generation(model: Any) -> None:
    processor = LogitsProcessor(sg.regex("[ab]{9}"), TOKENIZER)
    model.generate(torch.tensor([[5, 6]]), logits_processor=[processor], max_new_tokens=4)
    again = pickle.loads(pickle.dumps(processor))
    found = model.generate(torch.tensor([[5, 6]]), logits_processor=[again], max_new_tokens=40)
    text = TOKENIZER.decode([one for one in found[0, 2:].tolist() if one != EOS])
    assert re.fullmatch(b"[ab]{9}", text)


def test_min_new_tokens_that_the_text_reaches_anyhow_is_no_hindrance(model: Any) -> None:
    found = model.generate(
        torch.tensor([[5, 6], [5, 7]]),
        logits_processor=[LogitsProcessor([sg.regex("[ab]{9}"), sg.regex("[ab]{2}")], TOKENIZER)],
        max_new_tokens=40,
        min_new_tokens=1,
        no_repeat_ngram_size=9,
        do_sample=True,
    )
    assert TOKENIZER.decode([one for one in found[1, 2:].tolist() if one != EOS]) in (
        b"aa",
        b"ab",
        b"ba",
        b"bb",
    )


def texts(inputs: dict[str, Any], out: Any) -> list[str]:
    """Return the texts behind the prompts, up to their end tokens."""
    found = []
    for row in out[:, inputs["input_ids"].shape[1] :].tolist():
        tokens = row[: row.index(EOS)] if EOS in row else row
        tokens = [token for token in tokens if token < TOKENIZER.vocab_size]  # of rows that are free
        found.append(TOKENIZER.decode(tokens).decode("utf-8", "replace"))
    return found


def is_person(text: str) -> bool:
    value = json.loads(text)
    return isinstance(value["name"], str) and len(value["name"]) <= 8 and value["age"] <= 99


@pytest.mark.parametrize("name", ["gpt2", "qwen2", "gemma"])
def test_each_shape_of_model_writes_documents(name: str) -> None:
    model = opinionated(CONFIGS[name]())
    inputs = batch("a person", "somebody else, over there:")
    processor = LogitsProcessor(PERSON, TOKENIZER, max_new_tokens=40)
    out = model.generate(**inputs, logits_processor=[processor], max_new_tokens=40, do_sample=False)
    assert all(map(is_person, texts(inputs, out)))


def test_the_embedded_model_fills_fields() -> None:
    from structgen.grammars.json_grammars.prompting import extraction_prompt

    folder = embedded_model("structgen/extract")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    schema = object_of(name=STRING, age=INTEGER, city=STRING)
    grammar = sg.json_schema(schema, **{**sg.JSON_DUMPS, "escapes": "utf8"})
    inputs = tokenizer(extraction_prompt(schema, "Ada Lovelace, 36, lives in London."), return_tensors="pt")
    options = {"logits_processor": [LogitsProcessor(grammar, tokenizer)], "max_new_tokens": 64}
    out = model.generate(input_ids=inputs.input_ids, do_sample=False, **options)
    text = tokenizer.decode(out[0, inputs.input_ids.shape[1] :], skip_special_tokens=True)
    assert json.loads(text) == {"name": "Ada Lovelace", "age": 36, "city": "London"}


@pytest.mark.parametrize("way", [{"num_beams": 3, "do_sample": False}, {"do_sample": True, "top_k": 20}])
def test_rows_of_a_prompt_have_its_grammar_and_differ(model: Any, way: dict[str, Any]) -> None:
    inputs, grammars = batch("one", "number two", "three"), [PERSON, None, COLOURS]
    options = {"max_new_tokens": 32, "num_return_sequences": 2, **way}
    processor = LogitsProcessor(grammars, TOKENIZER, max_new_tokens=32)
    found = []
    for _ in range(2):  # and again, with the same processor
        torch.manual_seed(0)
        found.append(texts(inputs, model.generate(**inputs, logits_processor=[processor], **options)))
    assert found[0] == found[1]
    for rows in found:
        assert all(map(is_person, rows[:2])) and rows[0] != rows[1]
        assert all(json.loads(text) in ("red", "green", "blue", "black") for text in rows[4:])
        with pytest.raises(ValueError):  # random weights write no JSON by themselves
            json.loads(rows[2])


def test_one_beam_is_the_greedy_text(model: Any) -> None:
    inputs = batch("one", "number two")
    processor = LogitsProcessor(PERSON, TOKENIZER)
    greedy = model.generate(**inputs, logits_processor=[processor], max_new_tokens=48, do_sample=False)
    prompts = [
        row[seen.bool()].tolist()
        for row, seen in zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
    ]
    plain = sg.Sampling(temperature=0.0, repetition=None)
    requests = [sg.Request(prompt, PERSON, plain, max_tokens=48) for prompt in prompts]
    ours = sg.Engine(model, TOKENIZER).generate(requests)
    # the same model, the same masks, another loop
    assert [result.text for result in ours] == texts(inputs, greedy)


@pytest.mark.parametrize("budget", [9, 20])
def test_documents_are_complete_within_the_budget(model: Any, budget: int) -> None:
    grammar = sg.json_schema({"type": "array", "items": {"type": "string"}, "minItems": 1})
    inputs = batch("one", "number two")
    for seed in range(3):
        torch.manual_seed(seed)
        processor = LogitsProcessor(grammar, TOKENIZER, max_new_tokens=budget)
        out = model.generate(**inputs, logits_processor=[processor], max_new_tokens=budget, do_sample=True)
        assert out.shape[1] - inputs["input_ids"].shape[1] <= budget
        assert all(json.loads(text) for text in texts(inputs, out))


def test_a_budget_that_no_document_fits_is_an_error(model: Any) -> None:
    inputs = batch("one")
    processor = LogitsProcessor(PERSON, TOKENIZER, max_new_tokens=3)
    with pytest.raises(sg.errors.BudgetError) as caught:
        model.generate(**inputs, logits_processor=[processor], max_new_tokens=3)
    assert caught.value.minimum > 3


@pytest.mark.parametrize("budget", [4, 12])
@pytest.mark.parametrize("told", [True, False])
def test_the_next_prompt_may_be_the_last_output(model: Any, budget: int, told: bool) -> None:
    grammar = sg.json_schema({"enum": ["red, green, blue and black"]}, whitespace="compact")
    least = sg.Matcher(sg.compile(grammar, TOKENIZER)).tokens_to_finish()
    budget += least
    out = batch("one")["input_ids"]
    processor = LogitsProcessor(grammar, TOKENIZER, max_new_tokens=budget if told else None)
    for _ in range(3):
        before = out
        out = model.generate(input_ids=before, logits_processor=[processor], max_new_tokens=budget)
        (text,) = texts({"input_ids": before}, out)
        assert json.loads(text) == "red, green, blue and black"


def test_the_next_prompt_may_be_an_output_that_filled_its_budget(model: Any) -> None:
    grammar = sg.json_schema({"type": "string", "minLength": 40, "maxLength": 40}, escapes="ascii")
    out = batch("one")["input_ids"]
    processor = LogitsProcessor(grammar, TOKENIZER, max_new_tokens=12)
    for _ in range(2):
        before = out
        out = model.generate(input_ids=before, logits_processor=[processor], max_new_tokens=12)
        assert out.shape[1] == before.shape[1] + 12 and EOS not in out[0, before.shape[1] :].tolist()
        (text,) = texts({"input_ids": before}, out)
        assert len(json.loads(text)) == 40


def test_the_module_is_found_by_its_name() -> None:
    assert sg.integrations.transformers.LogitsProcessor is LogitsProcessor
    with pytest.raises(AttributeError):
        sg.integrations.nothing  # type: ignore[attr-defined]  # noqa: B018


@dataclass
class Sized:
    size: int


def test_a_type_and_a_dict_are_taken_as_their_schemas(model: Any) -> None:
    schema = {"type": "integer", "maximum": 99, "minimum": 10}
    given = LogitsProcessor([Sized, schema], TOKENIZER)
    ids = model.generate(**batch("a", "b"), logits_processor=[given], max_new_tokens=40, do_sample=False)
    texts = [TOKENIZER.decode(row.tolist()).decode() for row in ids]
    assert '{"size":' in texts[0].replace(" ", "")
    assert re.search(r"\d\d", texts[1])


def test_a_processor_outside_a_list_says_how_to_pass_it(model: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"Write logits_processor=\[processor\]"):
        model.generate(**batch("a"), logits_processor=LogitsProcessor(PERSON, TOKENIZER), max_new_tokens=8)


def test_a_processor_without_a_tokenizer_says_how_to_write_it() -> None:
    wrong: Any = LogitsProcessor
    with pytest.raises(sg.errors.OptionError, match=r"Write LogitsProcessor\(grammar, tokenizer\)"):
        wrong(PERSON)


def test_bad_grammars_are_refused(model: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"grammars: .object. .str. is not a valid target"):
        LogitsProcessor(["object"], TOKENIZER)  # type: ignore[list-item]
    two = LogitsProcessor([PERSON, COLOURS], TOKENIZER)
    with pytest.raises(sg.errors.OptionError, match="3 rows do not fit 2 grammars"):
        model.generate(**batch("a", "b", "c"), logits_processor=[two], max_new_tokens=8)


# --- forced text --------------------------------------------------------------------------------------------

URL = "https://example."
PATH = sg.regex(r"//[a-z]{2,5}\.com")


def _told(row: Any) -> list[int]:
    return [token for token in row.tolist() if token != EOS]


def test_forced_text_has_the_tokens_of_the_tokenizer(model: Any) -> None:
    inputs = batch("A text:")
    for canonical in (False, True):
        processor = LogitsProcessor(sg.literal(URL), TOKENIZER, canonical=canonical)
        torch.manual_seed(0)
        found = model.generate(
            **inputs, logits_processor=[processor], do_sample=True, num_return_sequences=6, max_new_tokens=30
        )
        written = [_told(row[inputs["input_ids"].shape[1] :]) for row in found]
        assert {TOKENIZER.decode(tokens) for tokens in written} == {URL.encode()}
        assert all(tokens == TOKENIZER.encode(URL.encode()) for tokens in written) == canonical


@pytest.mark.parametrize("canonical", [False, True])
@pytest.mark.parametrize("how", [{"num_beams": 3}, {"do_sample": True, "num_return_sequences": 3}])
def test_healed_prompts(model: Any, how: dict[str, Any], canonical: bool) -> None:
    prompts = ["The url is http:", "http:", "The url is", "A person is:"]
    grammars = [PATH, PATH, None, PERSON]
    processor = LogitsProcessor(grammars, TOKENIZER, max_new_tokens=30, canonical=canonical, healing=True)
    inputs = batch(*prompts)
    healed = processor.healed(**inputs)
    assert healed["input_ids"].shape[1] < inputs["input_ids"].shape[1]
    torch.manual_seed(1)
    found = model.generate(**healed, logits_processor=[processor], max_new_tokens=30, **how)
    each = len(found) // len(prompts)
    for at, row in enumerate(found):
        prompt, text = prompts[at // each].encode(), TOKENIZER.decode(_told(row))
        assert text.startswith(prompt)
        if grammars[at // each] is PATH:
            assert re.fullmatch(rb"//[a-z]{2,5}\.com", text[len(prompt) :])
            tokens = [TOKENIZER.token_bytes[token] for token in _told(row)]
            assert b"://" in tokens or not canonical
        if grammars[at // each] is PERSON:
            assert set(json.loads(text[len(prompt) :])) == {"name", "age"}


def test_healing_needs_the_prompts_that_were_healed(model: Any) -> None:
    inputs = batch("The url is http:")
    with pytest.raises(sg.errors.OptionError, match=r"Pass healing=True"):
        LogitsProcessor(PATH, TOKENIZER).healed(**inputs)
    processor = LogitsProcessor(PATH, TOKENIZER, healing=True)
    processor.healed(**inputs)
    with pytest.raises(sg.errors.OptionError, match=r"not those that healed\(\) returned"):
        model.generate(**inputs, logits_processor=[processor], max_new_tokens=10)
    with pytest.raises(sg.errors.OptionError, match=r"3 rows do not fit 2 grammars"):
        LogitsProcessor([PATH, None], TOKENIZER, healing=True).healed(**batch("a", "b", "c"))
    for ids, why in (
        (torch.zeros((0, 3)), "0 rows do not fit 1 grammars"),
        (inputs["input_ids"][0], r"Ids of the shape \[11\] are not rows"),
    ):
        with pytest.raises(sg.errors.OptionError, match=why):
            processor.healed(ids)
    wrong_sizes: Any = [{"max_new_tokens": size} for size in ("10", True, 2.5, -1)]
    for option in ({"canonical": "yes"}, {"healing": 1}, {"heal": True}, *wrong_sizes):
        with pytest.raises(sg.errors.OptionError, match=next(iter(option))):
            LogitsProcessor(PATH, TOKENIZER, **option)


def test_a_processor_that_heals_is_used_again_and_in_another_process(model: Any) -> None:
    processor = LogitsProcessor(PATH, TOKENIZER, healing=True, canonical=True)
    for prompt in ("The url is http:", "ftp:"):
        healed = processor.healed(**batch(prompt))
        (row,) = model.generate(**healed, logits_processor=[processor], max_new_tokens=20)
        assert TOKENIZER.decode(_told(row)).startswith(prompt.encode() + b"//")
        processor = pickle.loads(pickle.dumps(processor))


PAGE = (Path(__file__).parents[3] / "docs" / "serving-engines.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("field", ["response_format", "tool_choice"])
def test_the_server_of_transformers_passes_over_what_the_page_says(field: str) -> None:
    """`transformers serve` is read, not started: it needs packages that nothing else here does."""
    handlers = Path(transformers.__file__).parent / "cli" / "serving" / "chat_completion.py"
    ignored = re.search(r"^UNUSED_CHAT_COMPLETION_FIELDS = (\{.*?^\})", handlers.read_text(), re.S | re.M)
    assert ignored and field in ast.literal_eval(ignored[1])


@pytest.mark.parametrize(
    ("asked", "form"), [({}, '.*"Ada Lovelace".*'), ({"structgen": {"regex": "[A-Z]{3}"}}, "[A-Z]{3}")]
)
def test_the_file_for_transformers_serve_reads_the_grammar_of_a_request(
    asked: dict[str, Any], form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the server does it: the options come as a `generation_config`, the file from the model's folder."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path / "cache")
    folder = shutil.copytree(embedded_model("structgen/extract"), tmp_path / "model")
    (folder / "custom_generate").mkdir()
    (block,) = re.findall(r"^```python sketch\n(# custom_generate/generate.py\n.*?)^```", PAGE, re.S | re.M)
    (folder / "custom_generate" / "generate.py").write_text(block)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer("{name: string}\nAda Lovelace, 36.\n", return_tensors="pt").input_ids
    config = transformers.GenerationConfig(max_new_tokens=24, **asked)
    written = model.generate(input_ids=ids, generation_config=config, tokenizer=tokenizer)
    text = tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True)
    assert re.fullmatch(form, text)
