"""Chat templates: a model whose folder has one is asked in its own form."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("pydantic")
pytest.importorskip("transformers")

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from asked import asked  # noqa: E402
from small_models import CHAT_TEMPLATE, write_chat_llama  # noqa: E402

import structgen as sg  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chat_llama(tmp_path_factory.mktemp("llama"))


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
