"""An outline that does not fit the context is shortened at every door, and each door tells the same."""

from __future__ import annotations

import json
import random
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("pydantic")
pytest.importorskip("transformers")

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from asked import asked  # noqa: E402
from pydantic import create_model  # noqa: E402
from small_models import CHAT_TEMPLATE, write_chat_llama, write_llama  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

import structgen as sg  # noqa: E402
from structgen.cli import app  # noqa: E402
from structgen.engine.requests import Request  # noqa: E402
from structgen.json_grammars.prompting import schema_outline  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chat_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def engine(folder: Path) -> sg.Engine:
    return sg.Engine(folder)


def random_schema(draw: random.Random, depth: int) -> dict[str, Any]:
    """Return an object whose members are all optional, with some that are deep."""
    members = {
        f"{draw.choice(['size', 'colour', 'name of the thing'])} {at}": random_schema(draw, depth - 1)
        if depth and draw.random() < 0.5
        else {"type": draw.choice(["string", "integer", "boolean"])}
        for at in range(draw.randint(1, 6))
    }
    return {"type": "object", "properties": members, "additionalProperties": False}


@pytest.mark.parametrize("seed", range(10))
def test_prompt_and_budget_fit_the_context_or_an_error_names_both(
    engine: sg.Engine, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    draw = random.Random(seed)
    schema = random_schema(draw, draw.randint(0, 4))
    context, most = draw.randint(40, 900), draw.choice([None, 2, 20, 200])
    monkeypatch.setattr(type(engine.model), "context", context)
    grammar = sg.json_schema(schema, **sg.JSON_DUMPS)
    whole = schema_outline(schema)
    refused = ("{}" * draw.randint(1, 40), "Too short.") if draw.random() < 0.3 else None
    prompt = "Tell me. " * draw.randint(1, 30)
    request = Request(prompt, grammar, max_tokens=most, refused=refused)
    read = engine.reading.read(request)
    least = engine.reading.read(Request(prompt, grammar, max_tokens=most, outline=False))
    text = min(512, context // 4) if most is None else most
    if len(read.tokens) + text > context:
        assert read.tokens == least.tokens  # nothing is left to leave out
        assert "tells nothing of the schema" in read.shortened
        if most is not None:
            with pytest.raises(sg.errors.OptionError, match=rf"(?s){len(read.tokens):,} tokens.*{context:,}"):
                engine.submit(request)
        return
    assert bool(read.shortened) is (read.question.outline != whole)
    if read.shortened:
        longer = replace(read.question, outline=whole, refused=None)
        assert len(engine.prompts.tokens(longer, engine.tokenizer)) + text > context


def test_a_function_warns_once_that_its_outline_is_shortened(
    engine: sg.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(engine.model), "context", 300)
    kind = create_model("Wide", **{f"member_{at}": (str | None, None) for at in range(60)})
    wide = asked(kind, "Which?", model=engine, max_tokens=40)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        wide()
        wide()
    said = [str(one.message) for one in seen if "of the schema" in str(one.message)]
    assert len(said) == 1 and "context of 300" in said[0] and "outline=False" in said[0]
    found = wide.detailed()
    assert found.usage.outline in said[0]
    assert "member_59" not in found.prompt
    assert wide.prompt() == found.prompt


def test_listed_values_are_compared_alike_in_python_in_the_shell_and_by_the_engine(
    folder: Path, engine: sg.Engine, tmp_path: Path
) -> None:
    schema = {"enum": ["up", "down", "upwards"]}
    (tmp_path / "s.json").write_text(json.dumps(schema))
    ours = sg.run(engine, "Which?", schema, detailed=True)
    assert "Answer in JSON" not in ours.prompt and max(ours.probabilities.values()) > 0
    (plain,) = engine.generate(Request("Which?", sg.json_schema(schema)))
    assert plain.text == ours.text and plain.usage.strategy_rows > 0
    words = ["--model", str(folder), "--schema", str(tmp_path / "s.json"), "--prompt", "Which?", "--json"]
    told, tokens = (
        json.loads(CliRunner().invoke(app(), ["generate", *words, *more]).stdout)
        for more in ([], ["-o", "choices=tokens"])
    )
    assert told["text"] == ours.text and told["probabilities"] == pytest.approx(ours.probabilities)
    by_tokens = sg.run(engine, "Which?", schema, choices="tokens", detailed=True)
    assert tokens["text"] == by_tokens.text and not by_tokens.probabilities


def test_a_text_of_a_pattern_is_asked_for_as_a_string_in_an_object(engine: sg.Engine) -> None:
    for pattern in ('[ab]{2,3}"', r"\\[a-z]\n", "é|ü{2}", "[0-9]{4}-[0-9]{2}", "(?i:ab)c?"):
        grammar = sg.regex(pattern)
        found = sg.run(engine, "Which?", grammar, detailed=True, max_tokens=60)
        assert found.prompt.endswith("Answer in JSON: {value: string}</user><assistant>")
        assert found.value == found.text
        assert json.loads(found.result.reply) == {"value": found.text}
        language = grammar.language(grammar.limits)
        state = language.start()
        for byte in found.text.encode():
            state = language.step(state, byte)
        assert language.accepts(state)
    bare = sg.run(engine, "Which?", sg.regex("[ab]{2,3}"), wrap=False, detailed=True, max_tokens=20)
    assert not bare.result.reply and "Answer in JSON" not in bare.prompt


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('No users!') }}",
        "{{ messages[9].content }}",
        "{% if %}",
        "{{ 1 / 0 }}",
        "{{ messages[0].content + 1 }}",
        "{{ messages[0].content.no() }}",
    ],
)
def test_a_template_that_raises_is_told_with_its_words(tmp_path: Path, template: str) -> None:
    made = write_llama(tmp_path)
    (made / "chat_template.jinja").write_text(template)
    with pytest.raises(sg.errors.OptionError, match="chat template refuses") as caught:
        sg.run(str(made), "Hi", int, max_tokens=8)
    if "raise" in template:
        assert "No users!" in str(caught.value)


def test_a_model_without_a_template_is_asked_plainly_and_messages_are_refused(tmp_path: Path) -> None:
    made = write_llama(tmp_path)
    assert isinstance(sg.run(str(made), "Hi", bool), bool)
    with pytest.raises(sg.errors.OptionError, match="no chat template"):
        sg.run(str(made), [{"role": "user", "content": "Hi"}], bool)


# --- chat templates -----------------------------------------------------------------------------------------


def test_the_template_is_applied_where_there_is_one_and_may_be_left_out(folder: Path) -> None:
    number = asked(int, "Count {text}", model=folder, outline=True, max_tokens=16)
    assert number.prompt("a") == "<user>Count a\n\nAnswer in JSON: {value: integer}</user><assistant>"
    assert isinstance(number("a"), int)
    assert asked(int, "Count {text}", model=folder, chat=False).prompt("a") == "Count a\n"


@pytest.mark.parametrize(
    ("shown", "until", "is_told"),
    [
        ("", "</think>", False),
        ("", "\n\n", False),
        ("", 5, True),
        ("{# <think></think> #}", "</think>", True),
        ("{# <think></think> #}", ".", False),
    ],
)
def test_the_outline_is_told_before_thoughts_where_the_template_shows_their_end(
    folder: Path, shown: str, until: str | int, is_told: bool
) -> None:
    engine, thinking = sg.Engine(folder), sg.Thinking(until, 4)
    engine.prompts.use_template(CHAT_TEMPLATE + shown)
    outline = "\n\nAnswer in JSON: {value: integer}"
    number = asked(int, "Count", model=engine, thinking=thinking)
    assert number.prompt() == f"<user>Count{outline * is_told}</user><assistant>"
    schema = sg.json_schema({"type": "object", "properties": {"n": {"type": "integer"}}})
    told = [sg.Request("Count", schema, thinking=one, max_tokens=20) for one in (thinking, None)]
    short, long = (engine.prompt_tokens(one) for one in told)
    assert (len(short) == len(long)) is is_told


def test_messages_are_sent_as_they_are(folder: Path) -> None:
    @sg.generate(model=folder, max_tokens=16, outline=False)
    def number(text: str) -> int:
        return sg.filled([{"role": "system", "content": "Count."}, {"role": "user", "content": text}])

    assert number.prompt("a") == "<system>Count.</system><user>a</user><assistant>"
    assert isinstance(number("a"), int)


def test_an_engine_knows_its_folder(folder: Path) -> None:
    engine = sg.Engine(folder)
    assert isinstance(sg.run(engine, "Count", int, max_tokens=16), int)


def test_a_template_that_is_asked_for_and_is_not_there() -> None:
    with pytest.raises(sg.errors.OptionError, match="no chat template"):
        sg.run("structgen/extract", "Count", int, chat=True, outline=False)
