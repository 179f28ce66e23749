"""`speculation=` of typed functions and `sg.run` reaches the engine, and changes nothing that comes back."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("pydantic")

from asked import asked
from pydantic import BaseModel

import structgen as sg
from structgen.engine.engine import Engine


class Order(BaseModel):
    customer: str
    paid: bool


PROMPT = "Zorvik has paid."


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what requests say of speculation, as they come."""
    seen: list[Any] = []
    submit = Engine.submit

    def noted(self: Engine, request: sg.Request) -> Any:
        seen.append(request.speculation)
        return submit(self, request)

    monkeypatch.setattr(Engine, "submit", noted)
    return seen


@pytest.mark.parametrize(
    "speculation", ["auto", "off", sg.Speculation(edit='{"customer": "Zorvik"')], ids=str
)
def test_it_reaches_the_engine_and_changes_nothing(speculation: Any, said: list[Any]) -> None:
    order = asked(Order, model="structgen/extract", speculation=speculation)
    found = order(PROMPT)
    assert sg.run("structgen/extract", PROMPT, Order, speculation=speculation) == found
    assert found == Order(customer="Zorvik", paid=True)
    assert order.batch([PROMPT, PROMPT]) == [found, found]
    assert order.detailed(PROMPT).usage.speculation == ""
    partials = list(order.stream(PROMPT))
    assert partials[-1].result == found
    assert said == [speculation] * 6


def test_auto_is_the_default(said: list[Any]) -> None:
    sg.run("structgen/extract", PROMPT, Order)
    assert said == ["auto"]
