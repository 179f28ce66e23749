"""Scores of given texts: `echo` with `logprobs`, `prompt_logprobs`, and the addresses about tokens."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from for_each import for_each
from served_apps import ADA, CHAT, FORMAT, app_of, http_client, post, run
from small_models import CHAT_TEMPLATE, Function, TreeFunction, tokenizer, write_chat_llama

import structgen as sg

TOKENIZER = tokenizer()
MODELS: dict[str, type[Function]] = {"tokens one by one": Function, "chains": TreeFunction}
PATH = "/v1/completions"
USER = {"role": "user", "content": "Hi"}


def engine_of(kind: str = "chains", context: int = 4096) -> tuple[Function, sg.Engine]:
    """Return a model, whose vocabulary is larger than the tokenizer's, and its engine."""
    model = MODELS[kind](TOKENIZER.vocab_size + 5, context)
    return model, sg.Engine(model, TOKENIZER)


def expected_laws(model: Function, tokens: list[int]) -> list[torch.Tensor]:
    """Return the log-probabilities of all tokens before each token but the first, by the model's own forward
    pass."""
    return [model.logits(tokens[:size]).double().log_softmax(0) for size in range(1, len(tokens))]


def asked(prompt: Any, **body: Any) -> dict[str, Any]:
    return {"model": "extract", "prompt": prompt, "max_tokens": 1, "temperature": 0, **body}


def random_prompt(draw: random.Random, size: int) -> list[int]:
    """Return the ids of tokens that spell whole characters."""
    plain = [token for token in range(300) if (TOKENIZER.token_bytes[token] or b"\xff").isascii()]
    return draw.choices(plain, k=size)


def get(app: Any, path: str) -> Any:
    return run(lambda: http_client(app).get(path))


def choices_of(app: Any, body: Any) -> list[Any]:
    answer = post(app, PATH, body)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["choices"])


@for_each("kind", list(MODELS))
def test_the_logprobs_of_echo_are_the_models_own(kind: str) -> None:
    model, engine = engine_of(kind)
    app = app_of(engine)
    draw = random.Random(3)
    for size in (1, 2, 3, 64, 65, 66, 130, 200):
        tokens = random_prompt(draw, size)
        (choice,) = choices_of(app, asked(tokens, echo=True, logprobs=3))
        found = choice["logprobs"]
        assert found["token_logprobs"][0] is None and found["top_logprobs"][0] is None
        laws = expected_laws(model, tokens)
        expected = [float(law[token]) for law, token in zip(laws, tokens[1:], strict=True)]
        assert found["token_logprobs"][1:size] == pytest.approx(expected, abs=1e-6)
        assert len(found["token_logprobs"]) == size + 1  # and the token that was written
        for law, tops in zip(laws, found["top_logprobs"][1:size], strict=True):
            assert max(tops.values()) == pytest.approx(float(law.max()), abs=1e-6)
        assert TOKENIZER.decode(tokens).decode() == "".join(found["tokens"][:size])
        for token, offset in zip(found["tokens"][:size], found["text_offset"], strict=False):
            assert choice["text"].startswith(token, offset)


def test_the_sum_of_the_logprobs_is_that_of_score() -> None:
    _, engine = engine_of()
    app = app_of(engine)
    context = random_prompt(random.Random(5), 9)
    texts = ["Berlin", "Paris, of course", "Rome."]
    scores = sg.score(engine, context, sg.choice(texts), texts)
    (end,) = TOKENIZER.eos_token_ids
    prompts = [[*context, *score.token_ids, end] for score in scores]
    choices = choices_of(app, asked(prompts, echo=True, logprobs=0, max_tokens=0))
    for choice, score, text in zip(choices, scores, texts, strict=True):
        found = choice["logprobs"]["token_logprobs"]
        assert sum(found[len(context) :]) == pytest.approx(score.logprob, abs=1e-5)
        assert text in choice["text"]


def test_nothing_is_written_where_max_tokens_is_zero() -> None:
    model, engine = engine_of()
    app = app_of(engine)
    texts = ["Ada is 36.", "B"]
    answer = post(app, PATH, asked(texts, echo=True, max_tokens=0, n=2, min_tokens=0)).json()
    assert [choice["text"] for choice in answer["choices"]] == [texts[0]] * 2 + [texts[1]] * 2
    assert answer["usage"]["completion_tokens"] == 0
    assert not model.batches and not model.trees  # type: ignore[attr-defined]
    scored = choices_of(app, asked(texts, echo=True, max_tokens=0, logprobs=1, n=2, ignore_eos=True))
    counts = [len(choice["logprobs"]["tokens"]) for choice in scored]
    assert counts == [len(TOKENIZER.encode(text.encode())) for text in texts for _ in range(2)]


def test_echo_comes_first_in_a_stream_and_the_logprobs_at_its_end() -> None:
    app = app_of(engine_of()[1])
    body = asked("Ada is 36.", echo=True, logprobs=2, max_tokens=5, n=2, temperature=1, seed=7)
    whole = choices_of(app, body)
    lines = post(app, PATH, {**body, "stream": True}).text.split("\n\n")
    events = [json.loads(line[6:])["choices"][0] for line in lines if line and "[DONE]" not in line]
    for choice in whole:
        pieces = [event for event in events if event["index"] == choice["index"]]
        assert pieces[0]["text"] == "Ada is 36." and pieces[-1]["logprobs"] == choice["logprobs"]
        assert "".join(event["text"] for event in pieces) == choice["text"]
    # scoring a prompt changes nothing of what is written after it
    plain = choices_of(app, {**body, "echo": False})
    assert ["Ada is 36." + choice["text"] for choice in plain] == [choice["text"] for choice in whole]


@for_each("path", [PATH, "/v1/chat/completions"])
def test_prompt_logprobs_have_vllms_form(path: str) -> None:
    model, engine = engine_of()
    app = app_of(engine)
    messages = [{"role": "user", "content": "Ada is 36."}]
    own = {"messages": messages} if "chat" in path else {"prompt": "Ada is 36."}
    body = {"model": "extract", "max_tokens": 3, "prompt_logprobs": 2, **own}
    answer = post(app, path, body).json()
    holder = answer if "chat" in path else answer["choices"][0]
    first, *others = holder["prompt_logprobs"]
    tokens = post(app, "/tokenize", own).json()["tokens"]
    assert first is None and len(others) == len(tokens) - 1
    for law, token, likely in zip(expected_laws(model, tokens), tokens[1:], others, strict=True):
        best = law.topk(2).indices.tolist()
        assert set(likely) == {str(token), *map(str, best)}
        own_figures = likely[str(token)]
        assert own_figures["logprob"] == pytest.approx(float(law[token]), abs=1e-6)
        assert own_figures["rank"] == int((law > law[token]).sum()) + 1
        assert [likely[str(one)]["rank"] for one in best] == [1, 2]
    assert post(app, path, {**body, "stream": True}).json()["error"]["param"] == "stream"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"prompt": [5] * 100_000, "echo": True, "logprobs": 1}, "maximum context length is 4096"),
    ({"prompt": [[5] * 4000] * 100, "echo": True, "logprobs": 20}, "at most 1,048,576"),
    ({"prompt_logprobs": -1}, "prompt_logprobs must be from 0 to 20"),
    ({"prompt_logprobs": 21}, "prompt_logprobs must be from 0 to 20"),
    ({"max_tokens": 0, "echo": True, "regex": "a*"}, "max_tokens"),
]


@for_each("body, message", REFUSED)
def test_what_cannot_be_scored_is_refused(body: Any, message: str) -> None:
    app = app_of(engine_of()[1])
    answer = post(app, PATH, {**asked("A"), **body})
    assert answer.status_code == 400 and message in answer.json()["error"]["message"], answer.text


def test_prompt_logprobs_of_a_response_are_refused() -> None:
    app = app_of(engine_of()[1])
    answer = post(app, "/v1/responses", {"model": "extract", "input": "A", "prompt_logprobs": 0})
    assert answer.json()["error"]["code"] == "unsupported_parameter"


def test_a_long_prompt_is_scored_in_passes_of_few_rows() -> None:
    model, engine = engine_of()
    prompt = random_prompt(random.Random(1), 4000)
    (choice,) = choices_of(app_of(engine), asked(prompt, echo=True, logprobs=0, max_tokens=0))
    assert len(choice["logprobs"]["token_logprobs"]) == 4000
    assert max(max(counts) for counts in model.trees) <= 64  # type: ignore[attr-defined]


# --- tokens ---------------------------------------------------------------------------------------------


def roundtrip(app: Any, text: str) -> None:
    """Check that the tokens of a text spell it."""
    found = post(app, "/tokenize", {"prompt": text, "return_token_strs": True}).json()
    assert found["count"] == len(found["tokens"]) == len(found["token_strs"])
    assert post(app, "/detokenize", {"tokens": found["tokens"]}).json() == {"prompt": text}


def random_text(draw: random.Random) -> str:
    letters = [
        "a",
        " ",
        "\n",
        "\u00e4",
        "\u20ac",
        "\U0001f600",
        "<|",
        "|>",
        "<|im_end|>",
        "</s>",
        "9",
        "\x00",
    ]
    return "".join(draw.choices(letters, k=draw.randrange(12)))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model of random weights, which has a chat template and special tokens."""
    return write_chat_llama(tmp_path_factory.mktemp("llama"))


def test_the_logprobs_of_a_llama_are_those_of_transformers(llama: Path) -> None:
    from transformers import AutoModelForCausalLM

    reference = AutoModelForCausalLM.from_pretrained(llama)
    wrapped = sg.Engine(reference, TOKENIZER)
    for engine in (sg.Engine(str(llama)), wrapped):
        app = app_of(engine)
        prompts = [random_prompt(random.Random(size), size) for size in (2, 66, 140)]
        choices = choices_of(app, asked(prompts, echo=True, logprobs=1))
        for prompt, choice in zip(prompts, choices, strict=True):
            with torch.inference_mode():
                law = reference(torch.tensor([prompt])).logits[0].double().log_softmax(-1)
            expected = [float(row[token]) for row, token in zip(law, prompt[1:], strict=False)]
            found = choice["logprobs"]["token_logprobs"][1 : len(prompt)]
            assert found == pytest.approx(expected, abs=2e-3)


def test_the_name_of_a_special_token_is_that_token(llama: Path) -> None:
    app = app_of(engine := sg.Engine(str(llama)))
    info = get(app, "/tokenizer_info").json()
    assert info["chat_template"] == CHAT_TEMPLATE
    assert post(app, "/tokenize", {"prompt": info["eos_token"]}).json()["tokens"] == [
        engine.tokenizer.eos_token_ids[0]
    ]
    messages = [{"role": "user", "content": info["eos_token"]}]
    found = post(app, "/tokenize", {"messages": messages}).json()
    # nobody forges a turn in a message
    assert engine.tokenizer.eos_token_ids[0] not in found["tokens"]
    text = f"<user>{info['eos_token']}</user><assistant>"
    assert post(app, "/detokenize", {"tokens": found["tokens"]}).json() == {"prompt": text}


def test_the_server_says_its_version_and_its_context(llama: Path) -> None:
    app = app_of(sg.Engine(str(llama)))
    assert get(app, "/version").json() == {"version": sg.__version__}
    assert get(app, "/v1/models").json()["data"][0]["max_model_len"] == 512
    refusal = post(app, "/v1/embeddings", {"model": "extract", "input": "A"})
    assert refusal.status_code == 404 and "Embeddings are not supported" in refusal.json()["error"]["message"]


BAD_TOKENS: list[tuple[str, Any, str]] = [
    ("/tokenize", {}, "messages"),
    ("/tokenize", {"prompt": ["A"]}, "prompt"),
    ("/tokenize", {"prompt": "A", "return_token_strs": 1}, "return_token_strs"),
    ("/tokenize", {"prompt": "A", "temperature": 1}, "temperature"),
    ("/tokenize", {"prompt": "A", "messages": []}, "messages"),
    ("/tokenize", {"messages": [{"role": "user", "content": "A"}], "prompt": "A"}, "messages"),
    (
        "/tokenize",
        {"messages": [{"role": "user", "content": "A"}], "add_generation_prompt": False},
        "add_generation_prompt",
    ),
    ("/tokenize", {"prompt": "\ud800"}, "prompt"),
    ("/tokenize", {"prompt": "A", "promt": "B"}, "promt"),
    ("/tokenize", {"prompt": "A", "model": "other"}, "model"),
    ("/detokenize", {}, "tokens"),
    ("/detokenize", {"tokens": [True]}, "tokens"),
    ("/detokenize", {"tokens": [-1]}, "tokens"),
    ("/detokenize", {"tokens": [10**9]}, "tokens"),
    ("/detokenize", {"tokens": [1], "prompt": "A"}, "prompt"),
]


@for_each("path, body, param", BAD_TOKENS)
def test_bad_bodies_about_tokens_are_refused(app: Any, path: str, body: Any, param: str) -> None:
    answer = post(app, path, body)
    assert answer.status_code in (400, 404) and str(answer.json()["error"]["param"]).startswith(param)


# --- ignore_eos -----------------------------------------------------------------------------------------


@for_each("path", [PATH, "/v1/chat/completions", "/v1/responses"])
def test_ignore_eos_has_free_text_use_up_its_tokens(path: str) -> None:
    app = app_of(engine_of()[1])
    name = "max_output_tokens" if "responses" in path else "max_tokens"
    own = {PATH: {"prompt": "A"}, "/v1/responses": {"input": "A"}}
    default = {"messages": [{"role": "user", "content": "A"}]}
    ends = {str(TOKENIZER.eos_token_ids[0]): 100}
    body = {"model": "extract", **own.get(path, default), name: 40, "logit_bias": ends}
    usages = [post(app, path, {**body, "ignore_eos": flag}).json()["usage"] for flag in (False, True)]
    counts = [usage.get("completion_tokens", usage.get("output_tokens")) for usage in usages]
    assert counts == [0, 40]


def test_ignore_eos_beside_a_grammar_is_told(app: Any) -> None:
    answer = post(app, "/v1/chat/completions", {**CHAT, "response_format": FORMAT, "ignore_eos": True})
    assert json.loads(answer.json()["choices"][0]["message"]["content"]) == ADA
    assert answer.headers["x-structgen-warning"].startswith("ignore_eos: it acts on free text alone")


def test_the_tokens_of_a_text_spell_it(llama: Path) -> None:
    app = app_of(sg.Engine(str(llama)))
    for seed in range(60):
        roundtrip(app, random_text(random.Random(seed)))


@pytest.mark.slow
def test_the_tokens_of_two_thousand_texts_spell_them(llama: Path) -> None:
    app = app_of(sg.Engine(str(llama)))
    for seed in range(1000, 3000):
        roundtrip(app, random_text(random.Random(seed)))


# --- bodies with a fault --------------------------------------------------------------------------------

WHOLE: list[tuple[str, dict[str, Any]]] = [
    (PATH, asked(["A", "Bo"], echo=True, logprobs=2, prompt_logprobs=1, n=2, seed=1)),
    (PATH, asked([5, 6, 7], echo=True, logprobs=0, max_tokens=0, stream=True, ignore_eos=True)),
    ("/v1/chat/completions", {"messages": [USER], "max_tokens": 3, "prompt_logprobs": 2, "ignore_eos": True}),
    ("/tokenize", {"prompt": "Ada", "return_token_strs": True, "add_special_tokens": False}),
    ("/tokenize", {"messages": [USER], "add_generation_prompt": True, "chat_template_kwargs": {}}),
    ("/detokenize", {"tokens": [5, 6]}),
]
ODD: list[Any] = [
    *(None, True, 7, -1, 0, 10**30, 1e308, -1.5, "", "x", "\ud800", "\x00", [], [3], ["A"], [[5], [6]]),
    *([[]], {}, {"x": 1}, [True], [10**9], [-1], [1.5], [None]),
]


def check_faulty_bodies(app: Any, seeds: range) -> None:
    for seed in seeds:
        draw = random.Random(seed)
        path, body = draw.choice(WHOLE)
        body = {"model": "extract", "max_tokens": 2, **body} if path.startswith("/v1") else dict(body)
        name = draw.choice([*body, "echo", "logprobs", "stream", "promt", "max_tokens", "stop"])
        body[name] = draw.choice(ODD)
        if draw.random() < 0.2:
            del body[name]
        answer = post(app, path, body)
        assert answer.status_code < 500, (seed, path, body, answer.text)


def test_faulty_bodies_are_no_errors_of_the_server() -> None:
    check_faulty_bodies(app_of(engine_of()[1], schema_in_prompt=True), range(250))


@pytest.mark.slow
def test_ten_thousand_faulty_bodies_are_no_errors_of_the_server() -> None:
    check_faulty_bodies(app_of(engine_of()[1], schema_in_prompt=True), range(1000, 11_000))
