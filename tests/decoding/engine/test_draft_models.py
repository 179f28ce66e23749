"""Loading a draft model: once, with the tokens of the model that it drafts for, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from draft_replay import replay
from small_models import Function, tokenizer, write_llama

import structgen as sg
from structgen.decoding.engine import draft_models
from structgen.decoding.engine.draft_models import draft_model_of, drafters_of
from structgen.decoding.runs.resources import embedded_model


def embedded_tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(str(embedded_model("structgen/extract")))


def test_a_draft_model_is_loaded_once_and_shared_by_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    load = draft_models.load_model
    monkeypatch.setattr(draft_models, "load_model", lambda name: (loaded.append(name), load(name))[1])
    monkeypatch.setattr(draft_models, "_LOADED", {})
    speculation = sg.Speculation(draft_model="structgen/extract-draft")
    for _ in range(3):
        names = [one.name for one in drafters_of(speculation, embedded_tokenizer())]
        assert names == ["forced", "grammar", "suffix", "model"]
    assert loaded == ["structgen/extract-draft"]


def test_without_a_draft_model_nothing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft_models, "load_model", None)
    assert draft_model_of(sg.Speculation(), tokenizer()) is None
    assert len(drafters_of(sg.Speculation(), tokenizer())) == 3


def test_a_draft_model_with_another_tokenizer_is_refused() -> None:
    other = Function(tokenizer().vocab_size), tokenizer()
    with pytest.raises(
        sg.errors.OptionError, match=r"^draft_model: The draft model has another tokenizer: token \d+ is"
    ) as told:
        drafters_of(sg.Speculation(draft_model=other), embedded_tokenizer())
    assert str(told.value).endswith("the tokenizer of the model, or remove draft_model.")


def test_other_end_tokens_are_no_other_tokenizer() -> None:
    own = embedded_tokenizer()
    ends = [*own.eos_token_ids, own.special_ids[0]]
    other = sg.Tokenizer.from_bytes(list(own.token_bytes), eos_token_id=ends)
    assert other.fingerprint != own.fingerprint
    assert draft_model_of(sg.Speculation(draft_model="structgen/extract-draft"), other) is not None


def test_a_model_and_its_tokenizer_may_be_objects() -> None:
    model, own = Function(tokenizer().vocab_size), tokenizer()
    speculation = sg.Speculation(draft_model=(model, own))
    found = draft_model_of(speculation, own)
    assert found is not None and found.model is model
    assert draft_model_of(speculation, own) is found


def test_a_model_with_too_few_logits_is_refused() -> None:
    own = tokenizer()
    with pytest.raises(sg.errors.OptionError, match=r"^draft_model: The draft model has logits for 7 tokens"):
        draft_model_of(sg.Speculation(draft_model=(Function(7), own)), own)


@pytest.mark.parametrize("name", ["structgen/none", "no/folder"])
def test_a_draft_model_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(sg.StructgenError, match=name):
        draft_model_of(sg.Speculation(draft_model=name), tokenizer())


def test_a_request_with_a_history_or_a_draft_model_of_another_tokenizer_is_refused() -> None:
    own = tokenizer()
    engine = sg.Engine(Function(own.vocab_size), own)
    history = sg.speculation.AnswerHistory(embedded_tokenizer())
    for wrong in (
        sg.Speculation(history=history),
        sg.Speculation(draft_model="structgen/extract-draft"),
    ):
        with pytest.raises(sg.errors.OptionError, match=r"^(history|draft_model): .*tokenizer"):
            engine.submit(sg.Request("x", speculation=wrong))
    assert not engine.step()


@pytest.mark.usefixtures("keen")
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_draft_model_changes_the_calls_and_no_token(temperature: float) -> None:
    engine = sg.Engine("structgen/extract")
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
    grammar = sg.json_schema(schema, **sg.JSON_DUMPS)
    how, prompt = sg.Sampling(temperature=temperature, seed=3), "Ada Lovelace, 36, lives in London."
    drafted = sg.Speculation(drafters=(), draft_model="structgen/extract-draft")
    plain, guessed = engine.generate(
        [sg.Request(prompt, grammar, how, speculation=one) for one in ("off", drafted)]
    )
    assert guessed.tokens == plain.tokens
    assert 0 < guessed.usage.calls < plain.usage.calls and guessed.usage.speculation == ""
    assert guessed.usage.accepted["model"] == sum(step.drafter == "model" for step in guessed.steps) > 0


@pytest.mark.slow  # transformers is loaded
def test_a_folder_that_transformers_reads_drafts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It drafts for itself, so that what it drafts is right."""
    monkeypatch.setattr(draft_models, "_LOADED", {})
    folder = write_llama(tmp_path / "llama", width=64, layers=1)
    speculation = sg.Speculation(drafters=(), draft_model=folder)
    shared = draft_model_of(speculation, tokenizer())
    assert shared is not None
    engine = sg.Engine(shared.model, shared.tokenizer)
    grammar = sg.json_schema({"type": "array", "items": {"enum": ["alpha", "beta"]}, "minItems": 3})
    (result,) = engine.generate(sg.Request("x", grammar, sg.Sampling(temperature=0), speculation="off"))
    tokens = [step.token for step in result.steps]
    (one,) = drafters_of(speculation, tokenizer())
    facts = sg.speculation.RequestFacts(tokenizer().encode(b"x"), tokenizer())
    found = replay(tokens, [one], facts, sg.Matcher(engine.compiled(grammar)), 16, 0.01)
    assert not found.dropped and found.calls <= len(tokens) / 2


def test_few_draft_models_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft_models, "_LOADED", {})
    own = tokenizer()
    for _ in range(draft_models.MOST_MODELS + 3):
        draft_model_of(sg.Speculation(draft_model=(Function(own.vocab_size), own)), own)
    assert len(draft_models._LOADED) == draft_models.MOST_MODELS
