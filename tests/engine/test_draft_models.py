"""Loading a draft model: once, with the tokens of the model that it drafts for, or not at all."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from small_models import Function, tokenizer

import structgen as sg
from structgen.engine import draft_models
from structgen.engine.draft_models import draft_model_of, drafters_of
from structgen.resources import embedded_model


def embedded_tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(str(embedded_model("structgen/extract")))


def test_a_draft_model_is_loaded_once_and_shared_by_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    load = draft_models.load_model
    monkeypatch.setattr(draft_models, "load_model", lambda name: (loaded.append(name), load(name))[1])
    monkeypatch.setattr(draft_models._Loaded, "models", type(draft_models._Loaded.models)())
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
    with pytest.raises(sg.OptionError, match=r"^draft_model: It has another tokenizer: token \d+ is") as told:
        drafters_of(sg.Speculation(draft_model=other), embedded_tokenizer())
    assert str(told.value).endswith("the tokenizer of the model, or leave draft_model out.")


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
    with pytest.raises(sg.OptionError, match=r"^draft_model: It has logits for 7 tokens"):
        draft_model_of(sg.Speculation(draft_model=(Function(7), own)), own)


@pytest.mark.parametrize("name", ["structgen/none", "no/folder"])
def test_a_draft_model_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(sg.StructgenError, match=name):
        draft_model_of(sg.Speculation(draft_model=name), tokenizer())


def test_few_draft_models_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft_models._Loaded, "models", type(draft_models._Loaded.models)())
    own = tokenizer()
    for _ in range(draft_models.MOST_MODELS + 3):
        draft_model_of(sg.Speculation(draft_model=(Function(own.vocab_size), own)), own)
    assert len(draft_models._Loaded.models) == draft_models.MOST_MODELS
