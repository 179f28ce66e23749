"""What a request may say about speculation: everything else is refused by the name of its field."""

from __future__ import annotations

from typing import Any

import forked
import pytest
from draft_cases import Own, tokenizer
from for_each import for_each

import structgen as sg
from structgen.decoding.speculation.speculation_options import MOST_EDIT, own_drafters


@for_each(
    ("field", "value"),
    [
        ("drafters", ("forced", "speed")),
        ("drafters", (Own(),)),
        ("drafters", ("suffix", "suffix")),
        ("drafters", 5),
        ("drafters", b"forced"),
        ("nodes", 0),
        ("nodes", 257),
        ("nodes", True),
        ("nodes", 2.0),
        ("chain", 1),
        ("edit", b"old"),
        ("edit", "\ud800"),
        ("edit", "x" * (MOST_EDIT + 1)),
        ("history", {}),
        ("tenant", None),
        ("tenant", "\ud800"),
        ("draft_model", ""),
        ("draft_model", 5),
        ("draft_model", ("a model",)),
        ("draft_model", ("a model", None)),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(field: str, value: Any) -> None:
    with pytest.raises(sg.errors.OptionError) as caught:
        sg.Speculation(**{field: value})
    assert caught.value.where is not None and caught.value.where.startswith(field)
    assert caught.value.cure or "must be " in caught.value.what
    assert len(str(caught.value)) < 400


def test_an_unknown_drafter_is_told_the_known_ones() -> None:
    with pytest.raises(
        sg.errors.OptionError, match=r"drafters\[1\] must be one of forced, grammar, suffix, samples.*'speed'"
    ):
        sg.Speculation(drafters=("forced", "speed"))


def test_drafters_are_made_anew_for_each_text_in_the_order_of_the_options() -> None:
    speculation = sg.Speculation(
        drafters=("suffix", Own), edit="old", history=sg.speculation.AnswerHistory(tokenizer()), tenant="a"
    )
    first, second = own_drafters(speculation), own_drafters(speculation)
    assert [one.name for one in first] == ["suffix", "own", "text", "earlier"]
    assert all(one is not other for one, other in zip(first, second, strict=True))


def test_one_name_alone_is_taken_and_no_name_at_all() -> None:
    assert [one.name for one in own_drafters(sg.Speculation(drafters="forced"))] == ["forced"]
    assert own_drafters(sg.Speculation(drafters=())) == []


def _raises() -> Own:
    raise ValueError("no luck")


@pytest.mark.parametrize(("make", "told"), [(_raises, "ValueError: no luck"), (dict, "no name and no begin")])
def test_a_function_that_makes_no_drafter_is_refused(make: Any, told: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=f"^drafters: .*{told}"):
        own_drafters(sg.Speculation(drafters=(make,)))


@pytest.mark.parametrize("value", ["auto", "off", sg.Speculation(nodes=3)], ids=str)
def test_a_request_takes_auto_off_and_options(value: Any) -> None:
    assert sg.Request("x", speculation=value).speculation == value


def test_what_a_drafter_of_ones_own_needs_is_public_and_brings_no_torch() -> None:
    names = "AnswerHistory Draft Drafter RequestFacts DraftContext".split()
    code = (
        f"import sys, structgen; [getattr(structgen.speculation, name) for name in {names}]; "
        "structgen.Speculation(); print('torch' in sys.modules)"
    )
    assert forked.run(code).stdout.strip() == "False"
    assert isinstance(Own(), sg.speculation.Drafter)
