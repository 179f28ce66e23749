"""Whole values: the likeliest of listed texts, by enumeration of the spellings."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import pytest

torch = pytest.importorskip("torch")

from small_models import write_llama  # noqa: E402
from strategy_models import scrambled  # noqa: E402

import structgen as sg  # noqa: E402
from structgen.engine import Engine, Request  # noqa: E402
from structgen.engine.searches.listed_values import listed_values  # noqa: E402
from structgen.engine.searches.whole_values import WholeValues, comparing, spellings  # noqa: E402

LETTERS = sg.Tokenizer.from_bytes([b"a", b"b", b"c", b"ab", b"A", b"<end>"], eos_token_id=5)
WORDS = ("ab", "ba", "cab", "bc")


def _logprob(model: object, prompt: list[int], text: str) -> float:
    """Return the sum of the log-probabilities of a text's tokens, read one by one."""
    found, read = 0.0, list(prompt)
    for token in LETTERS.encode(text.encode()):
        found += float(torch.log_softmax(model.logits(read).double(), -1)[token])  # type: ignore[attr-defined]
        read.append(token)
    return found


@pytest.mark.parametrize("neutral", [(), (1,)])
@pytest.mark.parametrize("seed", range(12))
def test_the_likeliest_text_by_all_its_spellings_is_written(seed: int, neutral: tuple[int, ...]) -> None:
    model = scrambled(seed, size=6)
    how = WholeValues(WORDS, neutral)
    (found,) = Engine(model, LETTERS).generate(
        Request([2], sg.choice(list(WORDS)), sg.Sampling(temperature=0.0, strategy=how))
    )

    def worth(prompt: list[int]) -> dict[str, float]:
        # B and C are no tokens of this vocabulary, so that only A has another spelling
        each = {text: {text, *(one for one in spellings(text) if one[0] == "A")} for text in WORDS}
        return {
            text: math.log(sum(math.exp(_logprob(model, prompt, one)) for one in some))
            for text, some in each.items()
        }

    wanted = worth([2])
    if neutral:
        wanted = {text: one - worth([1])[text] for text, one in wanted.items()}
    assert found.text == max(wanted, key=lambda text: wanted[text])
    mass = sum(map(math.exp, wanted.values()))
    state = next(step.state for step in found.steps if step.state)
    assert list(state) == pytest.approx([math.exp(wanted[text]) / mass for text in WORDS])


def test_values_are_listed_by_enum_const_boolean_references_and_alternatives() -> None:
    assert listed_values({"enum": ["a", 1, None]}) == ["a", 1, None]
    optional = {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}], "$defs": {"A": {"const": "x"}}}
    assert listed_values(optional) == ["x", None]
    assert listed_values({"type": "boolean"}) == [True, False]
    endless = {"$ref": "#/$defs/B", "$defs": {"B": {"$ref": "#/$defs/B"}}}
    for other in ({"type": "string"}, {"enum": [[1]]}, endless):
        assert listed_values(other) == []


def test_sixty_five_values_are_chosen_token_by_token() -> None:
    many = sg.choice([f"{at:02}" for at in range(65)])
    plain = sg.Sampling(temperature=0.0)
    assert comparing(plain, many) == plain
    assert comparing(plain, sg.choice(["a", "b"])).strategies
    assert comparing(sg.Sampling(temperature=0.5), sg.choice(["a", "b"])) == sg.Sampling(temperature=0.5)


def test_a_detailed_result_tells_the_prompt_and_the_probability_of_each_value(tmp_path: Path) -> None:
    folder = write_llama(tmp_path)
    outcome = sg.run(folder, "Which?", Literal["yes", "no", "nothing"], detailed=True)
    assert set(outcome.probabilities) == {'"yes"', '"no"', '"nothing"'}
    assert sum(outcome.probabilities.values()) == pytest.approx(1.0)
    assert outcome.probabilities[outcome.text] == max(outcome.probabilities.values())
    assert outcome.prompt == "Which?\n"
    assert not sg.run(folder, "Which?", Literal["yes", "no"], choices="tokens", detailed=True).probabilities
    with pytest.raises(sg.OptionError, match="whole, calibrated, tokens"):
        sg.run(folder, "Which?", Literal["yes", "no"], choices="best")
