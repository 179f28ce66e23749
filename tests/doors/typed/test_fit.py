"""`score` and `fit`: right fields, the examples that do best, and thresholds that keep a promised error."""

from __future__ import annotations

import asyncio
import math
import random
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest
from asked import Person, asked, awaited
from pydantic import BaseModel
from told_models import TOKENIZER, Told, told

import structgen as sg
from structgen.asking.pages.html_pages import format_percent
from structgen.doors.typed.worked.fitting import (
    MISSES,
    at_most_wrong,
    find_threshold,
    find_thresholds,
    sizes_to_test,
)
from structgen.doors.typed.worked.scores import Field, ScoredPair, ScoreTable, compare_values

MISSING = ...


class Item(BaseModel):
    name: str
    price: float


class Bill(BaseModel):
    shop: str | None
    items: list[Item]


# --- which fields are right ---------------------------------------------------------------------------------


def right_of(wanted: Any, found: Any) -> int:
    """Return the most right fields, over all ways to match items of lists."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        return sum(right_of(wanted.get(key), found.get(key)) for key in {*wanted, *found})
    if isinstance(wanted, list) and isinstance(found, list) and (wanted or found):
        short, long = sorted((wanted, found), key=len)
        return max(sum(map(right_of, short, some)) for some in permutations(long, len(short)))
    if isinstance(wanted, bool) != isinstance(found, bool):
        return 0
    return int(not isinstance(wanted, dict | list) and wanted == found) + int(wanted == found in ([], {}))


def drawn(source: random.Random, deep: int = 2) -> Any:
    kind = source.randrange(6 if deep else 4)
    if kind == 4:
        return {key: drawn(source, deep - 1) for key in "ab" if source.random() < 0.8}
    if kind == 5:
        return [drawn(source, 0) for _ in range(source.randrange(4))]
    return source.choice([None, True, 1, 1.0, 0, "1", "a"])


def test_right_fields_are_those_of_a_brute_force() -> None:
    """Law, for random values whose lists hold scalars, where the greedy matching is the best one. A value
    beside itself has every field right, and each has a pointer of its own."""
    source = random.Random(5)
    for _ in range(2000):
        wanted, found = drawn(source), drawn(source)
        fields = compare_values(wanted, found)
        assert sum(one.is_right for one in fields) == right_of(wanted, found), (wanted, found)
        whole = compare_values(wanted, wanted)
        assert all(one.is_right for one in whole) and len({one.pointer for one in whole}) == len(whole)


def test_what_is_missing_and_what_is_too_much_are_wrong() -> None:
    items = [{"n": "a", "p": 1}, {"n": "b", "p": 2}]
    assert compare_values({"i": items}, {"i": [items[1]]}) == [
        *[Field(f"/i/*/{key}", f"/i/0/{key}", True) for key in "np"],
        *[Field(f"/i/*/{key}", f"/i/None/{key}", False) for key in "np"],
    ]
    extra = compare_values({"i": items[:1]}, {"i": [items[1], items[0]]})
    assert sorted((one.pointer, one.is_right) for one in extra) == [
        *[("/i/0/n", False), ("/i/0/p", False), ("/i/1/n", True), ("/i/1/p", True)]
    ]
    assert [one.is_right for one in compare_values({"a": None}, {})] == [True]
    assert [one.is_right for one in compare_values({"a": {"b": None}}, {})] == [False]
    assert compare_values({"a/b~": 1}, {"a/b~": 1.0}) == [Field("/a~1b~0", "/a~1b~0", True)]
    assert [one.is_right for one in compare_values([1], {"a": 1})] == [False]
    assert [one.is_right for one in compare_values([], [])] == [True]


def test_long_and_deep_values_take_no_longer_than_their_sizes() -> None:
    assert sum(one.is_right for one in compare_values([*range(5000)], [*range(5000)])) == 5000
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    assert compare_values(deep, deep)[0].is_right


# --- scores of functions ------------------------------------------------------------------------------------

ANSWERS = ['{"name": "Ada", "age": 36}', '{"name": "Bob", "age": 13}', '{"name": "Eve", "age": 44}']
PAIRS = [
    ("Ada is 36", {"name": "Ada", "age": 36}),
    ("Bob is 12", Person(name="Bob", age=12)),
    (("Eve, 44",), {"name": "Ева", "age": 44}),
]


def test_a_score_tells_fields_pairs_and_totals() -> None:
    score = asked(Person, model=told(*ANSWERS)[0]).score(PAIRS)
    assert {name: (one.right, one.count) for name, one in score.fields.items()} == {
        "/name": (2, 3),
        "/age": (2, 3),
    }
    assert (score.right, score.count) == (4, 6)
    assert [(one.value, one.right) for one in score.pairs] == [
        (Person(name="Ada", age=36), 2),
        (Person(name="Bob", age=13), 1),
        (Person(name="Eve", age=44), 1),
    ]
    assert all(0.5 < one.confidence <= 1 for one in score.fields.values())
    assert str(score).splitlines()[1:3] == [
        "all    4      6",
        f"/name  2      3   {format_percent(score.fields['/name'].confidence)}",
    ]
    assert "<td>/age</td><td>2</td><td>3</td>" in score._repr_html_()


def test_a_call_that_fails_has_no_field_right_and_its_error() -> None:
    engine, _ = told('{"name": "Ada", "age": 36}', context=60)
    pairs = [*PAIRS[:1], ("word " * 200, PAIRS[0][1])]
    score = asked(Person, model=engine, max_tokens=30).score(pairs)
    first, second = score.pairs
    assert (first.error, first.right, second.value, second.right) == (None, 2, None, 0)
    assert "context" in str(second.error) and (score.right, score.count) == (2, 4)


def test_scores_of_texts_and_wrapped_values() -> None:
    function = asked(str, model=told("red", "blue")[0], target=sg.choice(["red", "blue"]))
    assert (function.score([("a", "red"), ("b", "red")]).right) == 1
    whole = asked(int, model=told('{"value": 3}')[0], wrap=True).score([("a", 3), ("b", 4)])
    assert [(name, one.right) for name, one in whole.fields.items()] == [("", 1)]
    assert whole.fields[""].confidence is not None


def test_pairs_of_a_score_are_checked_before_a_model_is_asked() -> None:
    engine, model = told("x")
    for pairs, where in (
        ([], "pairs"),
        ([("a", 5)], "pairs[0]"),
        ([*PAIRS, (("a", "b", "c"), PAIRS[0][1])], "pairs[3]"),
        (None, "pairs"),
    ):
        with pytest.raises(sg.errors.OptionError) as caught:
            asked(Person, model=engine).score(pairs)
        assert caught.value.where == where
    assert model.prompts == []


def test_coroutine_functions_are_scored_and_fitted() -> None:
    async def later() -> Any:
        function = awaited(Person, model=told(ANSWERS[0])[0])
        return await function.score(PAIRS), await function.fit([PAIRS[0]] * 8)

    score, fitted = asyncio.run(later())
    assert (score.right, fitted.chosen) == (2, "none")


# --- the examples that do best ------------------------------------------------------------------------------


class Copying(Told):
    """Answers with the last line of JSON in its prompt, as a model does that learns by examples."""

    def prefill(self, tokens: Any) -> Any:
        prompt = TOKENIZER.decode(tokens).decode()
        lines = [line for line in prompt.splitlines() if line.startswith("{")]
        self.texts = tuple(lines[-1:]) or ('{"name": "?", "age": 0}',)
        return super().prefill(tokens)


def copying() -> Any:
    return asked(Person, model=sg.Engine(Copying("x"), TOKENIZER))


def test_fit_takes_the_examples_that_do_best_on_other_pairs() -> None:
    """Questions that share a word have the same answer, and the model copies its last example: the nearest
    one is right, and of those with the nearest as their last, fewest examples are taken."""
    pytest.importorskip("rank_bm25")
    pairs = [(f"word{at % 4}", {"name": f"n{at % 4}", "age": at % 4 + 1}) for at in range(48)]
    fitted = copying().fit(pairs, seed=3)
    rows = {one.name: (one.right, one.of) for one in fitted.candidates}
    assert fitted.chosen == "nearest 2" and rows["nearest 2"] == (48, 48) and rows["none"] == (0, 48)
    assert fitted.function("word3") == Person(name="n3", age=4)
    assert "nearest 2 (chosen)" in str(fitted) and "nearest 2 (chosen)" in fitted._repr_html_()
    assert [*rows] == ["none", "first 1", "first 2", "nearest 2", "first 4", "nearest 4", "first 8"]


def test_no_example_is_a_pair_that_chooses() -> None:
    pairs = [(f"q{at}", {"name": f"n{at}", "age": at}) for at in range(12)]
    engine = sg.Engine(model := Copying("x"), TOKENIZER)
    asked(Person, model=engine).fit(pairs, held_out=0.25, error=0.2)
    examples, asked_for = set[str](), set[str]()
    for prompt in model.prompts:
        *before, last = [line for line in prompt.splitlines() if line.startswith("q")]
        examples |= {*before}
        asked_for.add(last)
    assert not examples & asked_for and len(asked_for) == 3


def test_ties_go_to_fewer_and_a_seed_repeats_it() -> None:
    function = asked(Person, model=told(ANSWERS[0])[0])
    first, second = (function.fit([PAIRS[0]] * 9, seed=4) for _ in range(2))
    assert first.chosen == "none" and first.candidates == second.candidates and first.thresholds == {}
    assert first.function.detailed("x").accepted == () and first.function("x").name == "Ada"


def test_a_model_that_reads_no_examples_is_told_so_in_the_report() -> None:
    function = asked(Person, model="structgen/extract", max_tokens=20)
    fitted = function.fit([PAIRS[0]] * 4)
    assert fitted.chosen == "none"
    assert all("Remove it" in one.fault for one in fitted.candidates if one.name != "none")


def test_what_cannot_be_fitted_is_refused() -> None:
    function = asked(Person, model=told(ANSWERS[0])[0])
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (PAIRS[:1], {}, "pairs"),
        (PAIRS[:2], {"error": 0.1}, "pairs"),
        (PAIRS, {"held_out": 0.0}, "pairs"),
        (PAIRS, {"held_out": 1.0}, "pairs"),
        (PAIRS, {"error": 0}, "error"),
        (PAIRS, {"error": 1}, "error"),
        (PAIRS, {"held_out": 2}, "held_out"),
        (PAIRS, {"seed": "x"}, "seed"),
    ]
    for pairs, how, where in wrong:
        with pytest.raises(sg.errors.OptionError) as caught:
            function.fit(pairs, **how)
        assert caught.value.where == where, how
    with pytest.raises(sg.errors.OptionError, match="no confidences"):
        asked(Person, model="openai:http://127.0.0.1:9/v1#x").fit(PAIRS * 4, error=0.1)


# --- thresholds ---------------------------------------------------------------------------------------------


def test_the_tail_is_the_binomial_law() -> None:
    for count in (1, 7, 40, 300):
        for error in (Fraction(1, 20), Fraction(1, 3)):
            exact = Fraction(0)
            for wrong in range(0, count, max(1, count // 7)):
                exact = sum(
                    math.comb(count, some) * error**some * (1 - error) ** (count - some)
                    for some in range(wrong + 1)
                )
                assert math.isclose(at_most_wrong(count, wrong, float(error)), float(exact), rel_tol=1e-9)
    assert 0.4 < at_most_wrong(100_000, 5_000, 0.05) < 0.6


def test_the_tested_sizes_are_the_least_for_their_errors() -> None:
    for error in (0.01, 0.05, 0.3):
        found = sizes_to_test(error, 3000)
        assert found[0] == math.ceil(math.log(MISSES) / math.log(1 - error)) and found == sorted(found)
        for allowed, size in enumerate(found[:5]):
            assert at_most_wrong(size, allowed, error) <= MISSES < at_most_wrong(size - 1, allowed, error)


def laws(source: random.Random) -> list[tuple[float, Any]]:
    """Return (error, draw) for some known laws; `draw` gives a confidence and whether it is right."""

    def answer(wrong: Any, spread: Any = lambda sure: sure) -> Any:
        def draw() -> tuple[float, bool]:
            sure = source.random()
            return spread(sure), source.random() >= wrong(sure)

        return draw

    return [
        (0.1, answer(lambda sure: 0.101)),  # says nothing of what is right, and is just above the error
        (0.1, answer(lambda sure: 1 - sure)),
        (0.2, answer(lambda sure: 0.5 * (1 - sure) ** 2 + 0.1)),
        (0.2, answer(lambda sure: 0.4 if sure > 0.5 else 0.0)),  # the surer, the more often wrong
        (0.1, answer(lambda sure: 0.3 * (1 - sure), lambda sure: round(sure, 1))),  # many are equally sure
    ]


def test_the_error_of_accepted_answers_is_at_most_the_named_one_as_often_as_promised() -> None:
    """Law: over random calibration pairs of a known law, the true error above the threshold is higher than
    the named one in at most MISSES of the cases, within four standard errors."""
    source, runs = random.Random(11), 600
    for error, draw in laws(source):
        population = [draw() for _ in range(40_000)]
        above: dict[float, float] = {}
        ordered = sorted(population, key=lambda one: -one[0])
        wrong = [0]
        for _, is_right in ordered:
            wrong.append(wrong[-1] + (not is_right))
        misses = found = 0
        for _ in range(runs):
            least = find_threshold([draw() for _ in range(150)], error)
            if least is not None:
                found += 1
                if least not in above:
                    low, high = 0, len(ordered)
                    while low < high:
                        middle = (low + high) // 2
                        low, high = (middle + 1, high) if ordered[middle][0] >= least else (low, middle)
                    above[least] = wrong[low] / max(low, 1)
                misses += above[least] > error
        assert misses <= runs * MISSES + 4 * math.sqrt(runs * MISSES * (1 - MISSES)), (error, misses)
    assert found > runs / 4  # of the last law, so that the claim is not empty


def test_with_fewer_pairs_than_the_bound_needs_there_is_no_threshold() -> None:
    needed = math.ceil(math.log(MISSES) / math.log(0.95))
    right = [(0.5 + at / 1000, True) for at in range(needed + 1)]
    assert find_threshold(right, 0.05) is not None and find_threshold(right[1:], 0.05) is None
    assert find_threshold([], 0.05) is None
    assert find_threshold([(sure, False) for sure, _ in right * 5], 0.05) is None
    for answers in (right, [(1.0, True)] * 60):
        least = find_threshold(answers, 0.05)
        assert least is not None and sum(sure >= least for sure, _ in answers) >= needed


def score_of(rows: list[dict[str, tuple[float, bool]]]) -> ScoreTable:
    return ScoreTable(
        [
            ScoredPair(
                None,
                None,
                [Field(name.partition(" ")[0], name, is_right) for name, (_, is_right) in row.items()],
                {name: sure for name, (sure, _) in row.items()},
            )
            for row in rows
        ]
    )


def test_items_of_one_answer_count_once() -> None:
    """Forty answers with nine items each are forty answers, not 360."""
    rows = [{f"/i {at}": (0.9 - one / 1000, True) for at in range(9)} for one in range(40)]
    (only,) = find_thresholds(score_of(rows), 0.05, 0).values()
    assert (only.threshold, only.pairs, only.needed) == (None, 40, 46)
    (only,) = find_thresholds(score_of(rows * 2), 0.05, 0).values()
    assert only.threshold is not None and only.pairs == 80


def test_a_fitted_function_tells_what_it_accepts_and_what_is_for_review() -> None:
    """The name is always right, the age never: names alone are accepted."""
    pairs = [(f"q{at}", {"name": "Ada", "age": at}) for at in range(100, 140)]
    fitted = asked(Person, model=told(ANSWERS[0])[0]).fit(pairs, error=0.3, held_out=0.9)
    name, age = fitted.thresholds["/name"], fitted.thresholds["/age"]
    assert name.threshold is not None and age.threshold is None and age.pairs >= age.needed
    outcome = fitted.function.detailed("x")
    assert (outcome.accepted, outcome.review) == (("/name",), ("/age",))
    assert "none: too many are wrong" in str(fitted)
    few = asked(Person, model=told(ANSWERS[0])[0]).fit(pairs, error=0.01)
    assert "none: needs 231 pairs" in str(few)
    assert few.function.detailed("x").review == ("/name", "/age")
    assert fitted.function.using(max_tokens=50).detailed("x").accepted == ()
