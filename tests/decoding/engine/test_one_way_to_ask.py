"""Engine, `sg.run`, typed functions, samplers, infilling and commands ask a model in the same way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from object_schemas import INTEGER, STRING, object_of
from typer.testing import CliRunner

import structgen as sg
from structgen.decoding.engine.model_prompts import ModelPrompts, ModelQuestion
from structgen.decoding.engine.requests import COMPLETE
from structgen.decoding.infilling.infill import InfillSettings, _prompt_tokens
from structgen.decoding.runs.resources import embedded_model
from structgen.decoding.samplers.problem import Problem
from structgen.doors.cli import app
from structgen.grammars.json_grammars.prompting import extraction_prompt, schema_outline

SCHEMA = object_of(name=STRING, age=INTEGER, city=STRING)
TEXT = "Ada Lovelace, 36, lives in London."


def test_a_prompt_that_was_made_for_the_model_is_read_as_it_is(engine: sg.Engine) -> None:
    grammar = sg.json_schema(SCHEMA)
    made = extraction_prompt(grammar, TEXT)
    asked = engine.prompt_tokens(sg.Request(TEXT, grammar))
    assert engine.prompt_tokens(sg.Request(made, grammar)) == asked
    assert asked == engine.tokenizer.encode(made.encode())
    assert engine.prompt_tokens(sg.Request(TEXT, grammar, outline=False)) != asked
    assert engine.prompt_tokens(sg.Request(TEXT)) == engine.tokenizer.encode(TEXT.encode())


def test_documents_are_greedy_unless_told_and_texts_are_drawn() -> None:
    grammar = sg.json_schema(SCHEMA)
    assert sg.Request("x", grammar).chosen_by == sg.Sampling(temperature=0.0)
    assert sg.Request("x", grammar, n=2).chosen_by == sg.Sampling()
    assert sg.Request("x", grammar, sg.Sampling(temperature=0.5)).chosen_by.temperature == 0.5
    assert sg.Request("x").chosen_by == sg.Sampling()


def test_without_max_tokens_a_text_has_what_the_context_leaves(engine: sg.Engine) -> None:
    context = engine.model.context
    assert engine.reading.bound_tokens(None, context - 40) == 40
    (result,) = engine.generate(sg.Request([5] * (context - 40), sg.json_schema(SCHEMA)))
    assert len(result.tokens) <= 40 and result.finish_reason in COMPLETE


def test_a_model_that_is_asked_again_reads_what_was_refused() -> None:
    plain = ModelPrompts("")
    question = ModelQuestion("How old?", sg.json_schema(SCHEMA), refused=("200", "age: too old."))
    assert (
        plain.render_text(question)
        == "How old?\n\nThis answer was refused: 200\nage: too old.\nAnswer again:\n"
    )
    assert [one["role"] for one in question.to_messages()] == ["user", "assistant", "user"]
    assert "age: too old." in question.to_messages()[-1]["content"]


class Chatting:
    """A tokenizer of transformers with a chat template, as far as it is needed."""

    chat_template = "{{ messages }}"

    @staticmethod
    def apply_chat_template(messages: list[dict[str, Any]], *, tokenize: bool, **_: Any) -> Any:
        text = "".join(f"<{one['role']}>{one['content']}" for one in messages)
        return list(text.encode()) if tokenize else text


def test_a_tokenizer_that_was_handed_over_brings_its_chat_template() -> None:
    prompts = ModelPrompts("", Chatting())
    assert prompts.render_text(ModelQuestion("Hi", chat=None)) == "<user>Hi"
    assert prompts.render_text(ModelQuestion("Hi", chat=False)) == "Hi"
    asked = ModelQuestion("Hi", sg.json_schema({"type": "integer"}), with_outline=True)
    assert prompts.render_text(asked) == "<user>Hi\n\nAnswer in JSON: integer"


def test_samplers_put_a_text_into_the_form_of_the_engine(engine: sg.Engine) -> None:
    grammar = sg.json_schema(SCHEMA)
    problem = Problem(engine, grammar, None, "")
    asked = engine.prompt_tokens(sg.Request(TEXT, grammar))
    assert problem.prompt_ids(TEXT, "prompt", 8) == asked
    assert problem.prompt_ids(extraction_prompt(grammar, TEXT), "prompt", 8) == asked
    assert Problem(engine, grammar, None, "", outline=False).prompt_ids(
        TEXT, "prompt", 8
    ) == engine.tokenizer.encode(f"{TEXT}\n".encode())
    raw = engine.tokenizer.encode(TEXT.encode())
    assert problem.prompt_ids(raw, "prompt", 8) == raw
    assert Problem(engine, sg.choice(["yes", "no"]), None, "").prompt_ids(TEXT, "prompt", 8) == raw


def test_draws_and_scores_are_of_the_prompt_that_the_engine_reads(engine: sg.Engine) -> None:
    grammar = sg.json_schema(SCHEMA, **{**sg.JSON_DUMPS, "escapes": "utf8"})
    (result,) = engine.generate(sg.Request(TEXT, grammar))
    draws = sg.sample(engine, TEXT, grammar, 3, max_tokens=40)
    assert result.text in draws.texts
    (likely,) = sg.score(engine, TEXT, grammar, [result.text], max_tokens=40)
    (unlikely,) = sg.score(engine, TEXT, grammar, [result.text], max_tokens=40, outline=False)
    assert likely.logprob > unlikely.logprob + 5


@pytest.mark.parametrize("option", ["outline", "chat"])
def test_a_function_has_no_form_of_prompts(option: str) -> None:
    tokenizer = sg.Tokenizer.from_bytes([b"a", None], eos_token_id=1)
    with pytest.raises(sg.errors.OptionError, match="a function reads the prompt as it is"):
        sg.sample(
            lambda _: [0.0, 0.0], "a", sg.literal("a"), 1, tokenizer=tokenizer, name="f", **{option: True}
        )


def test_infilling_puts_a_text_into_the_form_of_its_model(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps(SCHEMA))
    grammar = sg.json_schema(SCHEMA, **{**sg.JSON_DUMPS, "escapes": "utf8"})
    made = extraction_prompt(grammar, TEXT)
    found = sg.infill("structgen/infill", grammar=SCHEMA, prompt=made, slots=32)
    assert (found.value["name"], found.value["age"]) == ("Ada Lovelace", 36)
    assert sg.infill("structgen/infill", grammar=SCHEMA, prompt=TEXT, slots=32).tokens == found.tokens
    assert sg.infill("structgen/infill", grammar=grammar, prompt=TEXT, slots=32).tokens == found.tokens
    options = ["infill", "--schema", str(tmp_path / "s.json"), "--prompt", TEXT, "--slots", "32", "--stream"]
    assert CliRunner().invoke(app(), options).stdout == f"{found.text}\n"


def test_infilling_takes_outline_and_chat() -> None:
    tokenizer = sg.Tokenizer.from_huggingface(str(Path(__file__).parents[2] / "data/bpe/tokenizer.json"))
    embedded, chatting = ModelPrompts("structgen/infill"), ModelPrompts("", Chatting())
    plain = tokenizer.encode(f"{TEXT}\n".encode())

    def tokens_of(prompts: ModelPrompts, **options: Any) -> list[int]:
        settings = InfillSettings(**{"grammar": SCHEMA, **options})
        return list(_prompt_tokens(prompts, TEXT, settings, tokenizer))

    assert tokens_of(embedded) == list(tokenizer.encode(extraction_prompt(SCHEMA, TEXT).encode()))
    assert tokens_of(embedded, outline=False) == list(plain)
    assert tokens_of(chatting, outline=False) == list(f"<user>{TEXT}".encode())
    with_outline = f"<user>{TEXT}\n\nAnswer in JSON: {schema_outline(SCHEMA)}"
    assert tokens_of(chatting) == list(with_outline.encode())
    assert tokens_of(chatting, chat=False) == list(plain)
    assert tokens_of(embedded, grammar=None, template="Ada {{name}}") == list(tokenizer.encode(TEXT.encode()))


def test_a_folder_with_an_embedded_model_is_asked_like_it() -> None:
    asked = ModelQuestion(TEXT, outline="{name: string}")
    folder = ModelPrompts(str(embedded_model("structgen/extract")))
    assert folder.render_text(asked) == ModelPrompts("structgen/extract").render_text(asked)


@pytest.mark.parametrize("config", ["{}", '{"model_type": "llama"}', "not JSON"])
def test_another_folder_is_asked_as_it_is(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    assert (
        ModelPrompts(str(tmp_path)).render_text(ModelQuestion(TEXT, sg.json_schema(SCHEMA))).startswith(TEXT)
    )


def test_an_outline_longer_than_the_context_is_shortened_and_the_text_is_whole(engine: sg.Engine) -> None:
    inner = {f"key_{at}": {"type": "string", "maxLength": 3} for at in range(60)}
    properties = {f"part_{at}": {"type": "object", "properties": inner} for at in range(40)}
    schema = sg.json_schema({"type": "object", "properties": properties, "required": ["part_7"]})
    request = sg.Request("part 7", schema, max_tokens=80)
    assert len(engine.prompt_tokens(request)) < engine.model.context - 80
    (result,) = engine.generate([request])
    assert "part_7" in result.value


def test_examples_of_messages_without_a_chat_template_are_refused_by_name() -> None:
    messages = [{"role": "user", "content": "Where does she live?"}]
    asked = ModelQuestion(TEXT, chat=False, examples=((messages, "Paris"),))
    with pytest.raises(sg.errors.OptionError, match="Messages need the chat template"):
        ModelPrompts("", Chatting()).render_text(asked)
