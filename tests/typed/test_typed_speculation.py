"""`speculation=` of typed functions and `sg.run` reaches the engine, and changes nothing that comes back."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("pydantic")

from pydantic import BaseModel

import structgen as sg
from structgen.engine.engine import Engine


class Order(BaseModel):
    customer: str
    paid: bool


PROMPT = "Zorvik has paid."


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what requests say of speculation, as they come."""
    said: list[Any] = []
    submit = Engine.submit

    def noted(self: Engine, request: sg.Request) -> Any:
        said.append(request.speculation)
        return submit(self, request)

    monkeypatch.setattr(Engine, "submit", noted)
    return said


@pytest.mark.parametrize(
    "speculation", ["auto", "off", sg.Speculation(edit='{"customer": "Zorvik"')], ids=str
)
def test_it_reaches_the_engine_and_changes_nothing(speculation: Any, asked: list[Any]) -> None:
    @sg.generate(model="structgen/extract", speculation=speculation)
    def order(text: str) -> Order:
        """{text}"""
        return sg.filled()

    found = order(PROMPT)
    assert sg.run("structgen/extract", PROMPT, Order, speculation=speculation) == found
    assert found == Order(customer="Zorvik", paid=True)
    assert order.batch([PROMPT, PROMPT]) == [found, found]
    assert order.detailed(PROMPT).usage.speculation == ""
    partials = list(order.stream(PROMPT))
    assert partials[-1].result == found
    assert asked == [speculation] * 6


def test_auto_is_the_default(asked: list[Any]) -> None:
    sg.run("structgen/extract", PROMPT, Order)
    assert asked == ["auto"]


@pytest.mark.parametrize("wrong", ["on", None, {"nodes": 4}], ids=str)
def test_a_wrong_value_is_refused_when_it_is_said(wrong: Any) -> None:
    for refused in (
        lambda: sg.generate(model="structgen/extract", speculation=wrong),
        lambda: sg.run("structgen/extract", PROMPT, Order, speculation=wrong),
    ):
        with pytest.raises(sg.errors.OptionError) as caught:
            refused()
        assert caught.value.where == "speculation"


@pytest.mark.parametrize("wanted", ["off", sg.Speculation()], ids=str)
def test_a_server_is_never_told_of_it_in_silence(wanted: Any) -> None:
    pytest.importorskip("openai")
    with pytest.raises(sg.errors.OptionError, match=r"^speculation: "):
        sg.generate(model="openai:http://127.0.0.1:9/v1#none", speculation=wanted)
