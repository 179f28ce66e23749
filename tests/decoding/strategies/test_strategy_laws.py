"""Every strategy of the package keeps the laws of `strategy_laws`."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import strategy_laws
from strategy_laws import LAWS, MOST
from strategy_models import LETTERS, TEXTS, scrambled

import structgen as sg
from structgen.decoding.engine import Engine, Request, Sampling
from structgen.decoding.engine.searches.cursor import Cursor
from structgen.decoding.engine.strategies.strategy import Strategy
from structgen.doors.cli.named_values import STRATEGIES, read_strategy
from structgen.errors import GONE

pytestmark = pytest.mark.usefixtures("rewards_here")


def _worth(text: str) -> float:
    """A reward that likes the letter b."""
    return text.count("b") / 8


EACH: dict[str, Strategy] = {
    "mirostat": sg.strategies.Mirostat(tau=1.0, eta=0.5),
    "guidance": sg.strategies.Guidance([3, 2], scale=3.0),
    "plan": sg.strategies.PlanningSearch(seconds=60, reward=_worth, rollouts=6),
}
NEUTRAL: dict[str, Strategy] = {
    "mirostat": sg.strategies.Mirostat(tau=math.inf),
    "guidance": sg.strategies.Guidance([3, 2], scale=1.0),
    "plan": sg.strategies.PlanningSearch(seconds=60, reward=_worth, rollouts=1),
}
MOST_ROWS: dict[str, int] = {"plan": 6 * MOST}
"""The stated bounds of searches for a text."""


def test_the_table_has_each_strategy() -> None:
    assert set(EACH) == set(NEUTRAL) == set(STRATEGIES)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", sorted(EACH))
def test_each_strategy_keeps_each_law(name: str, law: Callable[[Strategy], None]) -> None:
    law(EACH[name])


@pytest.mark.parametrize("name", sorted(EACH))
def test_a_neutral_setting_is_plain_token_for_token_and_a_strategy_changes_texts(name: str) -> None:
    strategy_laws.neutral_is_plain(EACH[name], NEUTRAL[name])


@pytest.mark.parametrize("name", sorted(EACH))
def test_calls_are_counted(name: str) -> None:
    strategy_laws.calls_are_counted(EACH[name], most_rows=MOST_ROWS.get(name, 0))


def test_a_limit_that_other_documents_used_up_begins_the_decision_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = Engine(scrambled(21), LETTERS)
    how = Sampling(temperature=0.0, strategy=EACH["plan"])
    request = Request([0], engine.compiled(TEXTS), how, max_tokens=10)
    (plain,) = engine.generate(request)
    after, met = Cursor.after, [0]

    def used_up(self: Cursor, token: int) -> Cursor:
        if self.compiled is request.grammar and len(self.tokens) == 1:
            met[0] += 1
            raise sg.errors.LimitError("It is full.", limit="parser_states")
        return after(self, token)

    monkeypatch.setattr(Cursor, "after", used_up)
    (again,) = engine.generate(request)
    assert (again.tokens, again.finish_reason, met[0]) == (plain.tokens, plain.finish_reason, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(EACH))
def test_an_interrupt_at_any_pass_changes_nothing_whole(name: str) -> None:
    strategy_laws.an_interrupt_at_any_pass_changes_nothing(EACH[name], range(2, 24))


def test_names_of_the_command_line_make_strategies() -> None:
    assert read_strategy("mirostat") == sg.strategies.Mirostat()
    assert read_strategy("mirostat:tau=2.5,eta=0.2") == sg.strategies.Mirostat(tau=2.5, eta=0.2)
    assert read_strategy("mirostat:tau=inf") == sg.strategies.Mirostat(tau=math.inf)


@pytest.mark.parametrize("name", GONE)
def test_a_method_that_went_says_where_it_is(name: str) -> None:
    said = f"{GONE[name]} is no longer .* bench/methods"
    with pytest.raises(AttributeError, match=said):
        getattr(sg.strategies, GONE[name])
    with pytest.raises(sg.errors.OptionError, match=said):
        read_strategy(f"{name}:k=3")


def _few_letters(value: object) -> float:
    return -len(str(value)) / 100


def test_a_search_of_a_llama_over_shared_pages_does_not_depend_on_the_batch() -> None:
    strategy = sg.strategies.PlanningSearch(seconds=60, reward=_few_letters, rollouts=5)
    strategy_laws.on_a_llama_texts_do_not_depend_on_the_batch(strategy, Engine("structgen/extract"))
