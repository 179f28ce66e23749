"""A form that the card of a model does not list is told, once; one that it lists never is."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from for_each import for_each

import structgen as sg
from structgen.decoding.engine import model_cards
from structgen.decoding.runs.resources import MODELS
from structgen.doors.typed.writers import Preparation

pytest.importorskip("pydantic")


@dataclass
class Person:
    name: str


def weather(city: str) -> str:
    """Tell the weather."""
    return city


JSON_IN_LARK = sg.lark('start: "[" NUMBER "]"\nNUMBER: /[0-9]/')
FORMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "a type": (Person, {}),
    "a label": (bool, {}),
    "a schema": ({"type": "integer"}, {}),
    "JSON in Lark": (JSON_IN_LARK, {}),
    "one tool": (None, {"tools": [weather], "tool_choice": "required"}),
    "a pattern": (sg.regex("[0-9]+"), {}),
    "a choice": (sg.choice(["yes", "no"]), {}),
    "free text": (None, {}),
    "tools": (None, {"tools": [weather]}),
}
JSON_ALONE = {"a type", "a label", "a schema", "JSON in Lark", "one tool"}
ANSWERED = {
    "extract": JSON_ALONE,
    "extract-draft": JSON_ALONE,
    "infill": JSON_ALONE - {"one tool"},
    "guarded-programs": {"JSON in Lark", "a pattern", "a choice", "free text"},
}
"""The forms that each embedded model answers by its card."""
REFUSED = {("infill", "tools"), ("infill", "one tool")}


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_cards, "_WARNED", set())


def told(model: object, form: str) -> list[str]:
    """Return the warnings of a call up to its prompt: no model is loaded."""
    target, options = FORMS[form]
    tools = options.get("tools")
    given = {name: value for name, value in options.items() if name != "tools"}
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        Preparation(model, tools, given).read_form(sg.Reply if tools and target is None else target)
    return [str(one.message) for one in found if one.category is sg.errors.ModelWarning]


def test_each_embedded_model_is_judged() -> None:
    assert set(ANSWERED) == set(MODELS)


@for_each(
    ("model", "form"), [(model, form) for model in MODELS for form in FORMS if (model, form) not in REFUSED]
)
def test_what_a_card_does_not_list_is_told(model: str, form: str) -> None:
    model_cards._WARNED.clear()
    assert len(told(f"structgen/{model}", form)) == (form not in ANSWERED[model])


def test_the_warning_names_the_model_the_form_the_card_and_another_model() -> None:
    (said,) = told("structgen/guarded-programs", "a type")
    for part in (
        "structgen/guarded-programs is asked for JSON",
        "free text and texts of",
        "Use structgen/extract",
    ):
        assert part in said
    (said,) = told("structgen/extract", "a pattern")
    assert "its card lists only JSON" in said and "Use smollm2" in said


def test_it_is_told_once_for_a_model_and_a_form() -> None:
    assert [len(told("extract", form)) for form in ("a pattern", "a choice", "free text", "a pattern")] == [
        *(1, 0, 1, 0)
    ]


def test_the_warning_points_at_the_line_of_the_caller() -> None:
    with pytest.warns(sg.errors.ModelWarning) as found:
        Preparation("structgen/extract", None, {}).read_form(None)
    assert found[0].filename == __file__


def test_a_model_on_a_server_and_one_without_a_card_are_asked_for_anything(tmp_path: Path) -> None:
    server = sg.Server("http://127.0.0.1:9/v1", "extract")
    assert told(server, "free text") == []
    assert model_cards.answers_of(str(tmp_path)) == ()
    (tmp_path / "README.md").write_text("# A model\nstructgen_answers: [JSON]\n")
    model_cards.answers_of.cache_clear()
    assert model_cards.answers_of(str(tmp_path)) == ()


def test_a_folder_of_ones_own_may_have_the_line(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(
        "---\nlicense: mit\nstructgen_answers: [text, grammar]\n---\n# A model\n"
    )
    assert model_cards.answers_of(str(tmp_path)) == ("text", "grammar")


def test_each_card_lists_known_forms() -> None:
    for model in MODELS:
        listed = model_cards.answers_of(f"structgen/{model}")
        assert listed and set(listed) <= set(model_cards.FORMS)
        assert not re.search(r"\s", "".join(listed))
