"""Laws that every strategy keeps, in one table: grammar and budget, batches, counted calls, the raw law,
drafts, thoughts, interrupts, other devices."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from strategy_models import LETTERS, Table, scrambled  # noqa: E402

import structgen as sg  # noqa: E402
from structgen.engine import Engine, Request, Result, Sampling, loop  # noqa: E402
from structgen.engine.choice import choose_anywhere  # noqa: E402
from structgen.engine.model_protocol import DraftSupport  # noqa: E402
from structgen.engine.searches.cursor import Cursor  # noqa: E402
from structgen.engine.strategies.strategy import Mixture, SearchStrategy, Strategy  # noqa: E402
from structgen.engine.strategies.strategy_names import STRATEGIES, strategy_named  # noqa: E402

TEXTS = sg.regex("(ab?c|c[ab]{1,3}){1,9}")
SMALL, OTHER = scrambled(21), scrambled(22)


def _worth(text: str) -> float:
    """A reward that likes the letter b."""
    return text.count("b") / 8


def _sampling(strategy: Strategy, seed: int = 0) -> Sampling:
    return Sampling(seed=seed, temperature=0.0 if strategy.is_greedy else 1.0, strategy=strategy)


EACH: dict[str, Strategy] = {
    "mirostat": sg.strategies.Mirostat(tau=1.0, eta=0.5),
    "momentum": sg.strategies.Momentum(alpha=0.5, k=2),
    "guidance": sg.strategies.Guidance([3, 2], scale=3.0),
    "contrast": sg.strategies.Contrast([3, 2], weight=3.0),
    "contrastive": sg.strategies.ContrastiveDecoding((SMALL, LETTERS), weight=1.0),
    "proxy": sg.strategies.ProxyTuning((SMALL, LETTERS), (OTHER, LETTERS)),
    "cautious": sg.strategies.Cautious(trials=4, high=0.6),
    "pause": sg.strategies.PauseAndRerank(tau=0.3, depth=3),
    "plan": sg.strategies.PlanningSearch(reward=_worth, rollouts=12),
    "valued": sg.strategies.ValueGuided(reward=_worth, k=3, continuations=2),
    "superposed": sg.strategies.SuperposedDecoding(temperature=0.5, texts=["abcabcabc", "cababc"]),
}
NEUTRAL: dict[str, Strategy] = {
    "mirostat": sg.strategies.Mirostat(tau=math.inf),
    "momentum": sg.strategies.Momentum(alpha=0.0),
    "guidance": sg.strategies.Guidance([3, 2], scale=1.0),
    "contrast": sg.strategies.Contrast([3, 2], weight=0.0),
    "contrastive": sg.strategies.ContrastiveDecoding((SMALL, LETTERS), weight=0.0),
    "proxy": sg.strategies.ProxyTuning((SMALL, LETTERS), (SMALL, LETTERS)),
    "cautious": sg.strategies.Cautious(trials=1),
    "pause": sg.strategies.PauseAndRerank(tau=math.inf),
    "plan": sg.strategies.PlanningSearch(reward=_worth, rollouts=1),
    "valued": sg.strategies.ValueGuided(reward=_worth, alpha=math.inf),
    "superposed": sg.strategies.SuperposedDecoding(k=1, texts=["abcabcabc"]),
}
MOST_ROWS: dict[str, int] = {
    "cautious": 4 * 14 * 14,
    "pause": 3 * 3 * 14,
    "plan": 12 * 14,
    "valued": 3 * 2 * 14 * 14,
    "superposed": 14,
}
"""The stated bounds of searches for a text of 14 tokens."""


def test_the_table_has_each_strategy() -> None:
    assert set(EACH) == set(NEUTRAL) == set(STRATEGIES)


def _results(
    model: Any, strategy: Strategy | None, count: int = 6, rows: int = 8, **options: Any
) -> list[Result]:
    how = Sampling() if strategy is None else _sampling(strategy)
    requests = [
        Request([0, 1, at % 4], TEXTS, replace(how, seed=at), **{"max_tokens": 14, **options})
        for at in range(count)
    ]
    found = Engine(model, LETTERS, max_rows=rows).generate(requests)
    assert all(one.error is None for one in found), [one.error for one in found]
    return found


def _told(results: list[Result]) -> list[object]:
    assert [one.error for one in results] == [None] * len(results)
    return [
        (one.tokens, one.finish_reason, [(s.token, s.logprob, s.constrained, s.state) for s in one.steps])
        for one in results
    ]


@pytest.mark.parametrize("name", sorted(EACH))
def test_a_neutral_setting_is_plain_token_for_token(name: str) -> None:
    strategy = NEUTRAL[name]
    temperature = 0.0 if strategy.is_greedy else 1.0
    model = scrambled(3)
    plain, neutral = (
        Engine(model, LETTERS).generate(
            [
                Request(
                    [at % 3], TEXTS, Sampling(temperature=temperature, seed=at, strategy=one), max_tokens=20
                )
                for at in range(30)
            ]
        )
        for one in ((), strategy)
    )
    assert [one.tokens for one in plain] == [one.tokens for one in neutral]


@pytest.mark.parametrize("name", sorted(EACH))
def test_a_strategy_changes_texts(name: str) -> None:
    """Without this, a strategy that does nothing would keep all laws."""
    how = _sampling(EACH[name])
    changed = Engine(scrambled(3), LETTERS).generate(
        [Request([at % 4], TEXTS, replace(how, seed=at), max_tokens=20) for at in range(12)]
    )
    plain = Engine(scrambled(3), LETTERS).generate(
        [Request([at % 4], TEXTS, replace(how, seed=at, strategy=()), max_tokens=20) for at in range(12)]
    )
    assert [one.tokens for one in changed] != [one.tokens for one in plain]


@pytest.mark.parametrize("most", [2, 5, 9])
@pytest.mark.parametrize("name", sorted(EACH))
def test_texts_are_of_the_grammar_within_the_budget(name: str, most: int) -> None:
    compiled = sg.compile(TEXTS, LETTERS)
    for one in _results(scrambled(4), EACH[name], 10, max_tokens=most):
        matcher = sg.Matcher(compiled)
        for token in one.tokens:
            matcher.advance(token)
        assert matcher.is_complete
        assert len(one.tokens) <= most


@pytest.mark.parametrize("name", sorted(EACH))
def test_texts_are_the_same_alone_and_in_any_batch(name: str) -> None:
    expected = _told(_results(scrambled(5), EACH[name], 6, rows=1))
    for rows in (2, 6):
        assert _told(_results(scrambled(5), EACH[name], 6, rows=rows)) == expected


@pytest.mark.parametrize("name", sorted(EACH))
def test_calls_are_counted(name: str) -> None:
    """At most one pass for each further row and token, the prompt's included."""
    model = scrambled(6)
    before = SMALL.passes + OTHER.passes
    (one,) = _results(model, EACH[name], 1, speculation="off")
    strategy = EACH[name]
    further = len(strategy.seconds) if isinstance(strategy, Mixture) else 0
    if isinstance(strategy, SearchStrategy):
        assert 0 < one.usage.strategy_calls <= one.usage.strategy_rows <= MOST_ROWS[name]
        assert model.rows == one.usage.calls + one.usage.strategy_rows
    else:
        assert one.usage.strategy_calls <= further * len(one.steps)
        assert (one.usage.strategy_calls > 0) == (further > 0)
    assert (
        model.passes + SMALL.passes + OTHER.passes - before == 1 + one.usage.calls + one.usage.strategy_calls
    )


@pytest.mark.parametrize("name", sorted(EACH))
def test_the_law_before_the_strategy_stays_in_the_step(name: str) -> None:
    model = scrambled(7)
    compiled = sg.compile(TEXTS, LETTERS)
    for at, one in enumerate(_results(model, EACH[name])):
        matcher, read = sg.Matcher(compiled), [0, 1, at % 4]
        for step in one.steps:
            law = torch.log_softmax(model.logits(read).double(), -1)
            allowed = [token for token in range(5) if matcher.accepts([token])]
            assert step.logprob == pytest.approx(float(law[step.token]), abs=1e-5)
            within = float(law[step.token] - torch.logsumexp(law[allowed], 0))
            if not step.steered:
                assert step.constrained == pytest.approx(within, abs=1e-5)
            matcher.advance(step.token)
            read.append(step.token)


class _Trees(Table):
    """A table that verifies drafts."""

    def __init__(self, seed: int) -> None:
        super().__init__(scrambled(seed)._law)
        self._paths: dict[int, list[list[int]]] = {}

    draft_support = DraftSupport("tree")

    def decode_tree(self, tokens: Any, parents: Any, counts: Any, caches: Any) -> Any:
        rows, first = [], 0
        for count, cache in zip(counts, caches, strict=True):
            paths: list[list[int]] = []
            for node in range(first, first + count):
                paths.append([*(paths[parents[node]] if parents[node] >= 0 else []), tokens[node]])
                rows.append(self.logits([*cache.tokens, *paths[-1]]))
            self._paths[id(cache)] = paths
            first += count
        return torch.stack(rows)

    def keep(self, paths: Any, caches: Any) -> None:
        for path, cache in zip(paths, caches, strict=True):
            cache.tokens += self._paths[id(cache)][path[-1]]


@pytest.mark.parametrize("name", sorted(EACH))
def test_drafts_leave_the_texts_as_they_are(name: str) -> None:
    """Rejected guesses roll nothing back: the state of a strategy follows decided tokens alone."""
    plain = _told(_results(_Trees(8), EACH[name], speculation="off"))
    guessed = _results(_Trees(8), EACH[name], speculation=sg.Speculation(drafters=("grammar", "suffix")))
    assert _told(guessed) == plain
    if isinstance(EACH[name], SearchStrategy):
        assert all("reads ahead itself" in one.usage.speculation for one in guessed)
    else:
        assert sum(one.usage.drafted for one in guessed) > 0


@pytest.mark.parametrize("name", sorted(EACH))
def test_texts_are_the_same_where_tokens_are_chosen_on_a_device(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = _results(scrambled(9), EACH[name])
    monkeypatch.setattr(loop, "choose", choose_anywhere)
    there = _results(scrambled(9), EACH[name])
    assert [one.tokens for one in here] == [one.tokens for one in there]


@pytest.mark.parametrize("name", ["cautious", "pause", "plan", "valued"])
def test_a_limit_that_other_documents_used_up_begins_the_decision_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(SMALL, LETTERS)
    request = Request([0], engine.compiled(TEXTS), _sampling(EACH[name]), max_tokens=10)
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


@pytest.mark.parametrize("name", sorted(EACH))
def test_an_interrupt_at_any_pass_changes_nothing(name: str) -> None:
    expected = _told(_results(scrambled(10), EACH[name], 3))
    for at in range(2, 14):
        model = scrambled(10)
        decode, seen = model.decode, []

        def cut(*inputs: Any, _decode: Any = decode, _seen: list[int] = seen, _at: int = at) -> Any:
            _seen.append(0)
            if len(_seen) == _at:
                raise KeyboardInterrupt
            return _decode(*inputs)

        model.decode = cut  # type: ignore[method-assign]
        engine = Engine(model, LETTERS, max_rows=8)
        handles = [
            handle
            for one in range(3)
            for handle in engine.submit(
                Request([0, 1, one], TEXTS, _sampling(EACH[name], one), max_tokens=14)
            )
        ]
        try:
            engine.drive(handles)
        except KeyboardInterrupt:
            engine.drive(handles)
        found = [one.result for one in handles if one.result is not None]
        assert _told(found) == expected


@pytest.mark.parametrize("name", sorted(EACH))
def test_thoughts_are_drawn_without_the_strategy(name: str) -> None:
    strategy = EACH[name]
    thinking = sg.Thinking(until="c", max_tokens=4)
    found = _results(scrambled(11), strategy, thinking=thinking)
    how = Sampling(temperature=0.0 if strategy.is_greedy else 1.0)
    others = Engine(scrambled(11), LETTERS).generate(
        [
            Request([0, 1, at % 4], TEXTS, replace(how, seed=at), max_tokens=14, thinking=thinking)
            for at in range(6)
        ]
    )
    assert [one.thoughts for one in found] == [one.thoughts for one in others]


@pytest.mark.parametrize("name", sorted(EACH))
def test_free_text_takes_each_strategy(name: str) -> None:
    found = Engine(scrambled(12), LETTERS).generate(
        Request([0, 1], None, _sampling(EACH[name]), max_tokens=12, n=4)
    )
    assert all(one.error is None for one in found)


@pytest.mark.parametrize(
    ("told", "where"),
    [
        ("mirostat:tau=0", "tau"),
        ("mirostat:taus=1", "taus"),
        ("mirostat:tau", "strategy"),
        ("mirostat:tau=x", "tau"),
        ("mirostatt", "strategy"),
    ],
)
def test_a_wrong_name_or_option_of_the_command_line_is_refused(told: str, where: str) -> None:
    with pytest.raises(sg.errors.OptionError) as caught:
        strategy_named(told)
    assert caught.value.where == where


def test_names_of_the_command_line_make_strategies() -> None:
    assert strategy_named("mirostat") == sg.strategies.Mirostat()
    assert strategy_named("mirostat:tau=2.5,eta=0.2") == sg.strategies.Mirostat(tau=2.5, eta=0.2)
    assert strategy_named("mirostat:tau=inf") == sg.strategies.Mirostat(tau=math.inf)


@pytest.mark.parametrize("name", ["cautious", "pause", "plan", "superposed"])
def test_searches_of_a_llama_over_shared_pages_do_not_depend_on_the_batch(name: str) -> None:
    grammar = sg.json_schema(
        {"type": "object", "properties": {"what": {"type": "string"}, "count": {"type": "integer"}}},
        **sg.JSON_DUMPS,
    )
    strategy = {
        "cautious": sg.strategies.Cautious(trials=3, low=0.0, high=0.01),
        "pause": sg.strategies.PauseAndRerank(tau=0.001),
        "plan": sg.strategies.PlanningSearch(reward=_few_letters, rollouts=5),
        "superposed": sg.strategies.SuperposedDecoding(temperature=1.0),
    }[name]
    requests = [
        Request(text, grammar, max_tokens=30, strategy=strategy)
        for text in ("Nine brooms were sold, two of them green.", "Zorvik took 3 lamps.", "A big lamp?")
    ]
    engine = Engine("structgen/extract")
    alone = [_told(engine.generate(one)) for one in requests]
    assert [_told([one]) for one in engine.generate(requests)] == alone


def _few_letters(value: Any) -> float:
    return -len(str(value)) / 100
