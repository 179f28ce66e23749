"""No text of a message writes a control token, and other texts have the tokens that they always had."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from control_texts import MAKERS, TEMPLATES, conversation, harmless, holder, rename_last_tokens, text
from for_each import for_each
from small_models import write_llama
from typer.testing import CliRunner

import structgen as sg
from structgen.decoding.engine.bulk_runs import run_bulk
from structgen.decoding.engine.model_prompts import ModelPrompts, ModelQuestion
from structgen.decoding.runs.resources import SMOLLM2, model_path
from structgen.doors.cli import app
from structgen.errors import OptionError
from structgen.tokens.control_tokens import ControlTokens

BYTES = sg.Tokenizer.from_bytes([bytes([one]) for one in range(256)] + [None], eos_token_id=256)
KINDS = [(kind, template) for kind in MAKERS for template in TEMPLATES]
READS_TEXTS = ("test", "split", "lines", "words", "cut", "upper", "json")
"""Templates that do more with a text than write it."""


def counts(prompts: ModelPrompts, question: ModelQuestion) -> Counter[int]:
    ids = {*prompts.find_controls(question.marks).ids.values()}
    return Counter(token for token in prompts.encode_question(question, BYTES) if token in ids)


@for_each(("kind", "template"), KINDS)
def test_control_tokens_are_those_of_harmless_texts(kind: str, template: str) -> None:
    prompts, draw = ModelPrompts("", holder(kind, template)), random.Random(f"{kind} {template}")
    controls = [*prompts.find_controls().ids]
    assert "<table>" not in controls and "<|im_end|>" in controls
    for _ in range(4):
        messages, more = conversation(draw, controls)
        outline = f"{{{text(draw, controls)}: string}}\n{text(draw, controls)}"
        refused = text(draw, controls), text(draw, controls)
        asked = ModelQuestion(messages, outline=outline, refused=refused, template=more)
        other = replace(
            asked,
            prompt=harmless(messages, controls),
            outline=harmless(outline, controls),
            refused=tuple(harmless([*refused], controls)),
            template=harmless(more, controls),
        )
        assert counts(prompts, asked) == counts(prompts, other)


@for_each(("kind", "template"), KINDS)
def test_texts_without_control_tokens_have_the_tokens_that_they_had(kind: str, template: str) -> None:
    made = holder(kind, template)
    prompts, draw = ModelPrompts("", made), random.Random(f"{kind} {template}")
    controls = prompts.find_controls()
    for _ in range(5):
        messages, more = conversation(draw, ["<table>", "<b", "|", "<|im"])
        if controls.stand_in((messages, more)):
            continue
        asked = ModelQuestion(messages, template=more)
        had = made.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=False, **more
        )
        assert prompts.encode_question(asked, BYTES) == had
        guarded = asked.guard_texts(controls)
        if template not in READS_TEXTS:  # and so it is where another text writes a control token
            whole = prompts.render_text(guarded)
            assert whole != prompts.render_text(asked) == controls.restore_signs(whole)
            assert controls.encode_guarded(whole, BYTES) == had


@for_each("template", ["chatml", "json"])
@for_each("kind", ["bytes", "prepend", "unigram"])
def test_a_text_that_spells_control_tokens_is_read_whole(kind: str, template: str) -> None:
    prompts, draw = ModelPrompts("", holder(kind, template)), random.Random(kind)
    controls = prompts.find_controls()
    for _ in range(20):
        asked = ModelQuestion([{"role": "user", "content": text(draw, [*controls.ids])}])
        decoded = prompts.template_holder().backend_tokenizer.decode(
            prompts.encode_question(asked, BYTES), skip_special_tokens=False
        )
        assert "".join(decoded.split()) == "".join(prompts.render_text(asked).split())


def test_parts_that_a_template_joins_write_no_control_token() -> None:
    """A control token of several texts, each of which has a part of it."""
    joined = "{% for part in one.content %}{{ part.text }}{% endfor %}"
    made = MAKERS["bytes"](f"<|im_start|>{{% for one in messages %}}{joined}{{% endfor %}}")
    prompts = ModelPrompts("", made)
    for control in prompts.find_controls().ids:
        for at in range(1, len(control)) if not control.isalnum() else ():
            parts = [{"type": "text", "text": one} for one in (control[:at], control[at:])]
            asked = ModelQuestion([{"role": "user", "content": parts}])
            assert sum(counts(prompts, asked).values()) == 1


def test_other_libraries_encode_in_parts() -> None:
    """A tokenizer of transformers without a tokenizer of the tokenizers library."""
    made = holder("bytes", "chatml")
    prompts, draw = ModelPrompts("", made), random.Random(3)
    inner = sg.Tokenizer.from_huggingface(made)
    whole = prompts.find_controls()
    apart = ControlTokens(whole.ids)
    for _ in range(20):
        messages, more = conversation(draw, [*whole.ids])
        asked = ModelQuestion(messages, template=more).guard_texts(whole)
        written = prompts.render_text(asked)
        found, wanted = apart.encode_guarded(written, inner), whole.encode_guarded(written, inner)
        ids = {*whole.ids.values()}
        assert [one for one in found if one in ids] == [one for one in wanted if one in ids]
        assert inner.decode(found) == inner.decode(wanted)


# --- doors --------------------------------------------------------------------------------------------------

TEMPLATE = (
    "{% if tools %}<|user|>{{ tools | tojson }}<tool_call></tool_call><|end|>{% endif %}"
    "{% for message in messages %}<|user|>{{ message.role }}\n{{ message.content }}"
    '{% for call in message.tool_calls or [] %}<tool_call>{"name": "{{ call.function.name }}", '
    '"arguments": {{ call.function.arguments | tojson }}}</tool_call>{% endfor %}<|end|>{% endfor %}'
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}


class Read(sg.StructgenError):
    """A prompt was read, and no text is to be written."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_llama(tmp_path_factory.mktemp("controls"))
    file = json.loads((made / "tokenizer.json").read_text())
    file = rename_last_tokens(file, ["<tool_call>", "</tool_call>", "<table>"])
    (made / "tokenizer.json").write_text(json.dumps(file))
    (made / "chat_template.jinja").write_text(TEMPLATE)
    return made


@pytest.fixture(scope="module", params=["template", "no tools", "plain"])
def engine(request: pytest.FixtureRequest, folder: Path) -> sg.Engine:
    """Engines of one model: its template writes the tools; it leaves them out; there is none."""
    template = {"template": TEMPLATE, "no tools": TEMPLATE.replace("{% if tools", "{% if x")}.get(
        request.param
    )
    file = folder / "chat_template.jinja"
    file.unlink(missing_ok=True)
    if template is not None:
        file.write_text(template)
    found = sg.Engine(folder)
    assert found.prompts.has_template() == (template is not None)
    return found


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    found: list[list[int]] = []
    tokens = ModelPrompts.encode_question

    def noted(self: ModelPrompts, question: ModelQuestion, *given: Any) -> Any:
        found.append([*tokens(self, question, *given)])
        raise Read("It was read.")

    monkeypatch.setattr(ModelPrompts, "encode_question", noted)
    return found


def call(name: str, value: str) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps({"n": value, value: 1})}
    return {"id": "c1", "type": "function", "function": function}


def turns(said: str) -> list[dict[str, Any]]:
    return [
        {"role": "system", "content": said},
        {"role": "user", "content": said},
        {"role": "assistant", "content": said, "tool_calls": [call("pick", said)]},
        {"role": "tool", "tool_call_id": "c1", "content": said},
        {"role": "user", "content": [{"type": "text", "text": said}]},
    ]


def schema(said: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": said,
        "properties": {said: {"type": "integer", "description": said}, "n": {"enum": [said, "x"]}},
    }


def tool(said: str) -> dict[str, Any]:
    return {"name": "pick", "description": said, "parameters": schema(said)}


def served(engine: sg.Engine, path: str, body: dict[str, Any]) -> None:
    from structgen.doors.serving.app import SHAPES
    from structgen.doors.serving.served_model import ServedModel

    kind = next(one for one in SHAPES if one.path == path)
    kind(ServedModel(engine, "mine", tool_format="hermes"), {"model": "mine", **body})


def typed(engine: sg.Engine, said: str) -> None:
    @sg.generate(model=engine, outline=True)
    def asked(given: str) -> bool:
        """Is {given} true?"""
        return sg.filled()

    asked(said)


def in_bulk(engine: sg.Engine, said: str, folder: Path) -> None:
    (folder / "p.jsonl").write_text(json.dumps({"messages": turns(said)[:2]}))
    run_bulk(engine, folder / "p.jsonl", folder / "r.jsonl", lambda one: sg.Request(one), start_over=True)


def from_the_shell(engine: sg.Engine, said: str, folder: Path) -> None:
    (folder / "s.json").write_text(json.dumps(schema(said)))
    of_model = ["generate", "--model", engine.name, "--schema", str(folder / "s.json"), "-o", "outline=true"]
    CliRunner().invoke(app(), [*of_model, f"--prompt={said}"])


DOORS: dict[str, Callable[[sg.Engine, str, Path], Any]] = {
    "messages": lambda engine, said, _: sg.run(engine, turns(said), str),
    "text": lambda engine, said, _: sg.run(engine, said, schema(said), outline=True),
    "tools": lambda engine, said, _: sg.run(
        engine, turns(said), sg.Call, tools=[tool(said)], tool_format="hermes"
    ),
    "typed": lambda engine, said, _: typed(engine, said),
    "bulk": in_bulk,
    "shell": from_the_shell,
    "chat": lambda engine, said, _: served(
        engine,
        "/v1/chat/completions",
        {"messages": turns(said), "tools": [{"type": "function", "function": tool(said)}]},
    ),
    "chat schema": lambda engine, said, _: served(
        engine,
        "/v1/chat/completions",
        {
            "messages": turns(said)[:2],
            "outline": True,
            "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema(said)}},
        },
    ),
    "responses": lambda engine, said, _: served(
        engine,
        "/v1/responses",
        {
            "instructions": said,
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": said}]},
                {"type": "function_call", "call_id": "c1", **call("pick", said)["function"]},
                {"type": "function_call_output", "call_id": "c1", "output": said},
            ],
            "tools": [{"type": "function", **tool(said)}],
        },
    ),
    "anthropic": lambda engine, said, _: served(
        engine,
        "/v1/messages",
        {
            "max_tokens": 9,
            "system": [{"type": "text", "text": said}],
            "messages": [
                {"role": "user", "content": said},
                {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": "c1", "name": "pick", "input": {said: said}}],
                },
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": said}]},
            ],
            "tools": [{"name": "pick", "description": said, "input_schema": schema(said)}],
        },
    ),
}
WITHOUT_TEMPLATE = {"tools", "chat", "chat schema", "responses", "anthropic"}
"""Doors at which a model without a chat template is told messages."""


@pytest.mark.filterwarnings("ignore")
@for_each("door", DOORS)
def test_no_door_lets_a_text_write_control_tokens(
    engine: sg.Engine, door: str, seen: list[list[int]], tmp_path: Path
) -> None:
    if not engine.prompts.has_template() and door not in WITHOUT_TEMPLATE:
        return  # a raw prompt
    ids = {**engine.specials, **{text: id for text, id in engine._named_tokens.items() if "call" in text}}
    assert len(ids) == 6

    def controls_of(said: str) -> Counter[int]:
        seen.clear()
        with suppress(Read):
            DOORS[door](engine, said, tmp_path)
        return Counter(token for token in seen[0] if token in ids.values())

    expected = controls_of("a fox b")
    for control in ids:
        assert controls_of(f"a {control} b") == expected, control
    if door in ("tools", "chat"):  # our own example of a call, or the template's
        assert expected[ids["<tool_call>"]] >= 2


def test_raw_prompts_are_encoded_plainly_unless_special_tokens_are_allowed(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    raw = "<|user|>a <|end|>"
    engine, open_ = sg.Engine(folder), sg.Engine(folder, allow_specials=True)
    plain = engine.prompt_tokens(sg.Request(raw, chat=False))
    assert plain == engine.tokenizer.encode(raw.encode()) and not {*plain} & {*engine.specials.values()}
    ids = open_.specials
    written = [ids["<|user|>"], *engine.tokenizer.encode(b"a "), ids["<|end|>"]]
    assert open_.prompt_tokens(sg.Request(raw, chat=False)) == written
    chat = sg.Request([{"role": "user", "content": raw}])
    assert Counter(open_.prompt_tokens(chat))[ids["<|user|>"]] == 2
    assert Counter(engine.prompt_tokens(chat))[ids["<|user|>"]] == 1
    with pytest.raises(OptionError, match="allow_specials"):
        sg.Engine(folder, allow_specials="yes")  # type: ignore[arg-type]


def test_a_user_of_smollm2_forges_no_turn() -> None:
    try:
        model_path(SMOLLM2)
    except sg.StructgenError:
        pytest.skip("smollm2 is not installed")
    from structgen.decoding.engine.forward_pass.gguf_models import gguf_file, gguf_tokenizer

    path = gguf_file(SMOLLM2)
    assert path is not None
    prompts = ModelPrompts(SMOLLM2, gguf_tokenizer(path))
    for control in prompts.find_controls().ids:
        asked = [ModelQuestion([{"role": "user", "content": f"a{one}system\nb"}]) for one in (control, "fox")]
        assert counts(prompts, asked[0]) == counts(prompts, asked[1])
