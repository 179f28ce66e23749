"""More draws of a run, and the draws of several runs together: what stays, what is counted once, and what the
intervals are from."""

from __future__ import annotations

import dataclasses
import math
import signal

import numpy as np
import pytest
from exact import ALIVE, TOKENIZER, TOKENS, Bigram
from for_each import for_each
from tasks import Even, Task

import structgen as sg
from structgen.decoding.samplers.run_limits import SamplingRun

TASK = Task("intervals", "[abc]{0,4}(a|cc)", 5, (b"a", b"b", b"c", b"ab"), seed=21)
MANY = Task("many texts", "[abc]{4,7}", 7, (b"a", b"b", b"c"), seed=3, sharp=0.3)
ADDED = ("raj", "cars", "importance", "rejection")
ARRAYS = ("weights", "bounds", "known")


def spelt(tokens: tuple[int, ...]) -> str:
    return b"".join(TOKENS[token] or b"" for token in tokens).decode()


def with_a(text: str) -> bool:
    return text.startswith("a")


# --- Samples.add --------------------------------------------------------------------------------------------


@for_each("method", (*ADDED, "auto"))
def test_the_draws_before_stay_and_the_attempts_go_on(method):
    found = MANY.sample(60, method)
    more = found.add(15)
    together = [*zip(found.token_ids, found.logprobs, strict=True)]
    assert set(together) <= {*zip(more.token_ids, more.logprobs, strict=True)}
    assert len(more) >= 75 if method != "raj" else len(more) == 75
    if method != "raj" and found.method != "raj":
        assert more.token_ids[:60] == found.token_ids
    before, after = found.attempts, more.attempts
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(after, name)[: len(before)], getattr(before, name))
    assert len(after) > len(before) and (np.diff(after.batches) >= 0).all()
    assert after.batches[len(before)] > before.batches[-1]
    assert more.statistics.attempts > found.statistics.attempts
    assert more.statistics.model_rows >= found.statistics.model_rows


@for_each("method", ["cars", "importance", "raj"])
def test_added_draws_use_what_the_run_has_learnt(method):
    """The first bound of the added draws is the last one of the run; a new run begins with the first."""
    found = MANY.sample(30, method)
    more = found.add(10).attempts
    assert more.bounds[len(found.attempts)] <= found.bracket[1] * (1 + 1e-12)
    assert found.bracket[1] < found.attempts.bounds[0]


def test_adding_twice_is_another_run_each_time():
    found = TASK.sample(10, "cars", seed=4)
    once = found.add(10)
    twice = once.add(10)
    assert (len(once), len(twice)) == (20, 30)
    assert twice.about["n"] == 30 and len(set(twice.about["seeds"])) == 3
    assert twice.token_ids[:20] == once.token_ids
    assert twice.token_ids[10:20] != twice.token_ids[20:30]


def test_each_addition_has_the_seconds_that_were_given(monkeypatch):
    """Several prompts share the seconds of their runs; what is added to one of them later has all."""
    given = []

    def watched(*args, **options):
        given.append((run := SamplingRun(*args, **options)).seconds)
        return run

    monkeypatch.setattr("structgen.decoding.samplers.sample.SamplingRun", watched)
    options = {"method": "cars", "seconds": 1000, "tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 5}
    first, _ = sg.sample(Bigram(1, ALIVE), ["a", "b"], sg.regex("[ab]{1,4}"), 3, **options)
    first.add(2)
    assert given[0] < 501 and given[1] < 1000 and given[2] == 1000


@for_each("method", ADDED)
def test_intervals_of_added_draws_hold_and_bets_that_were_won_stay_won(method):
    truth = sum(mass * with_a(spelt(tokens)) for tokens, mass in MANY.law.items()) / MANY.exact.z
    found = MANY.sample(30, method)
    for _ in range(2):
        more = found.add(60)
        (_, few), (_, many) = found.expectation(with_a), more.expectation(with_a)
        if method in ("raj", "importance"):  # the first draws of coins have the exact interval
            assert few.low <= many.low + 1e-9 and many.high <= few.high + 1e-9
        assert more.worth > found.worth and many.low <= truth <= many.high
        low, high = more.log_z_interval
        assert low <= math.log(MANY.exact.z) <= high
        found = more


@pytest.mark.parametrize("method", ["cars", "raj"])
def test_draws_of_a_file_are_not_continued_but_joined(method, tmp_path):
    found = MANY.sample(20, method)
    found.to_jsonl(tmp_path / "draws.jsonl")
    again = sg.Samples.from_jsonl(tmp_path / "draws.jsonl")
    with pytest.raises(sg.errors.OptionError, match="Draws of a file cannot be continued") as caught:
        again.add(5)
    assert caught.value.where == "add" and "cars" in caught.value.cure


@pytest.mark.parametrize("method", ["smc", "awrs", "beams", "masked", "asap"])
def test_draws_without_intervals_are_not_continued(method):
    with pytest.raises(
        sg.errors.OptionError, match=f"Draws by {method} cannot be continued|cannot be continued"
    ):
        MANY.sample(32, method).add(5)


@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_a_number_of_draws_that_is_none_is_refused(n):
    with pytest.raises(sg.errors.OptionError, match="n must be a whole number, at least 1"):
        TASK.sample(5, "cars").add(n)


# --- joined runs --------------------------------------------------------------------------------------------


@for_each("method", ADDED)
def test_a_joined_run_has_the_attempts_of_both_and_estimates_z(method):
    runs = [MANY.sample(40, method, seed=seed) for seed in range(6)]
    found = runs[0]
    for other in runs[1:]:
        found = found.joined(other)
    assert len(found.attempts) == sum(len(one.attempts) for one in runs)
    assert found.worth == pytest.approx(sum(one.worth for one in runs))
    low, high = found.log_z_interval
    assert low <= math.log(MANY.exact.z) <= high
    assert np.logaddexp.reduce(found.log_weights) == pytest.approx(found.log_z)
    assert abs(found.log_z - math.log(MANY.exact.z)) < 0.25
    assert found.statistics.attempts == sum(one.statistics.attempts for one in runs)


def test_a_text_that_two_runs_found_is_one_draw_of_a_list():
    one, other = (TASK.sample(12, "raj", seed=seed) for seed in (1, 2))
    assert set(one.token_ids) & set(other.token_ids)
    found = one.joined(other)
    assert len(set(found.token_ids)) == len(found) == len({*one.token_ids, *other.token_ids})


@for_each("method", ["cars", "importance"])
def test_joining_files_is_joining_the_runs(method, tmp_path):
    one, other = (TASK.sample(15, method, seed=seed) for seed in (1, 2))
    read = []
    for at, found in enumerate((one, other)):
        found.to_jsonl(tmp_path / f"{at}.jsonl")
        read.append(sg.Samples.from_jsonl(tmp_path / f"{at}.jsonl"))
    joined, of_files = one.joined(other), read[0].joined(read[1])
    assert of_files.log_z_interval == joined.log_z_interval
    assert of_files.expectation(len, (0, 20)) == joined.expectation(len, (0, 20))
    with pytest.raises(sg.errors.OptionError, match="Both runs have the seed"):
        joined.joined(read[1])


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"method": "importance"}, "cars, the other importance"),
        ({"temperature": 0.5}, "different targets"),
        ({"max_tokens": 4}, "different targets"),
        ({"checkers": [Even()]}, "different targets"),
        ({"seed": 0}, "Both runs have the seed 0"),
    ],
)
def test_what_does_not_belong_together_is_not_joined(second, said):
    options = {"method": "cars", "seed": 1} | second
    with pytest.raises(sg.errors.OptionError, match=said) as caught:
        TASK.sample(12, "cars").joined(TASK.sample(12, **options))
    assert caught.value.where == "joined"


@pytest.mark.parametrize("method", ["smc", "beams", "asap", "masked"])
def test_draws_without_attempts_are_not_joined(method):
    one, other = (TASK.sample(32, method, seed=seed) for seed in (1, 2))
    with pytest.raises(sg.errors.OptionError, match=f"Draws by {method} have no attempts"):
        one.joined(other)


def test_a_target_without_a_name_is_not_joined_and_is_continued():
    class Nameless(Even):
        fingerprint = None

    one, other = (TASK.sample(8, "cars", seed=seed, checkers=[Nameless()]) for seed in (1, 2))
    assert one.target == ""
    with pytest.raises(sg.errors.OptionError, match="a part without a name"):
        one.joined(other)
    assert len(one.add(4)) == 12


# --- runs that end in the middle of a batch -----------------------------------------------------------------


@for_each("method", ADDED)
@for_each("budget", [25, 40, 41, 42, 43, 60])
def test_a_budget_in_the_middle_of_a_batch_leaves_whole_batches(method, budget):
    """What a cut run tried is the beginning of what the whole run tried, up to the end of a batch."""
    whole, cut = MANY.sample(60, method).attempts, MANY.sample(60, method, budget=budget).attempts
    assert len(cut) < len(whole) and not cut.is_planned
    if len(cut):
        part = whole.first_batches(int(cut.batches[-1]) + 1)
        for name in (*ARRAYS, "batches", "left", "texts"):
            np.testing.assert_array_equal(getattr(cut, name), getattr(part, name))


@for_each("method", ["raj", "cars", "importance"])
def test_an_interrupt_in_the_middle_of_a_batch_leaves_intervals_that_hold(method):
    class Interrupted:
        def __init__(self) -> None:
            self.own, self.asked = MANY.model(), 0

        def __call__(self, ids: list[int]) -> np.ndarray:
            self.asked += 1
            if self.asked == 70:
                signal.raise_signal(signal.SIGINT)
            return self.own(ids)

    found = MANY.sample(500, method, Interrupted())
    assert found.statistics.stopped == "interrupted" and 8 < len(found) < 500
    low, high = found.log_z_interval
    assert low <= math.log(MANY.exact.z) <= high
    truth = sum(mass * len(spelt(tokens)) for tokens, mass in MANY.law.items()) / MANY.exact.z
    _, interval = found.expectation(len, (0, 7))
    assert interval.low <= truth <= interval.high


class Away:
    """A model whose server is away at one of its calls."""

    def __init__(self) -> None:
        self.left = -1

    def __call__(self, ids: list[int]) -> np.ndarray:
        self.left -= 1
        if self.left == 0:
            raise OSError("the server is away")
        return np.log([0.5, 0.5, 1e-300]) if len(ids) < 16 else np.array([-700.0, -700.0, 0.0])


def test_a_run_that_failed_leaves_the_tree_with_other_random_numbers():
    """What the tree has learnt from the numbers of a run is no reason for the same numbers in the next."""
    model, tree = Away(), sg.samplers.PrefixTree()
    tokenizer = sg.Tokenizer.from_bytes([b"a", b"b", None], eos_token_id=2)
    how = {"method": "cars", "tokenizer": tokenizer, "name": "away", "max_tokens": 16, "tree": tree}
    model.left = 200
    with pytest.raises(OSError, match="away"):
        sg.sample(model, [], sg.regex("[ab]{16}"), 50, **how)
    after = sg.sample(model, [], sg.regex("[ab]{16}"), 20, **how)
    fresh = sg.sample(model, [], sg.regex("[ab]{16}"), 20, **(how | {"tree": sg.samplers.PrefixTree()}))
    assert not set(after.texts) & set(fresh.texts)


@pytest.mark.parametrize("method", ["raj", "auto"])
def test_draws_added_to_all_valid_texts_are_exact_still(method):
    tokenizer = sg.Tokenizer.from_bytes([b"a", b"b", None], eos_token_id=2)
    how = {"method": method, "tokenizer": tokenizer, "name": "two", "max_tokens": 3}

    def model(ids: list[int]) -> np.ndarray:
        return np.log([0.7, 0.2, 0.1]) if len(ids) < 3 else np.log([0.1, 0.2, 0.7])

    found = sg.sample(model, [], sg.regex("[ab]{3}"), 2000, **how)
    added = found.add(10)
    assert found.lists_all and added.lists_all
    mean, interval = added.expectation(lambda text: text.count("a"))
    assert (mean, *interval) == pytest.approx((7 / 3, 7 / 3, 7 / 3))


@pytest.mark.parametrize("most", [0, 5000, 20_000])
def test_a_full_tree_ends_a_run_with_as_many_draws_as_were_asked_for(most):
    tokenizer = sg.Tokenizer.from_bytes([b"a", b"b", None], eos_token_id=2)
    how = {"method": "raj", "tokenizer": tokenizer, "name": "flat", "max_tokens": 5}
    tree = sg.samplers.PrefixTree(most=most)
    found = sg.sample(lambda ids: np.zeros(3), [], sg.regex("[ab]{1,5}"), 100, tree=tree, **how)
    assert (len(found), found.statistics.stopped) == (100, "n")


def test_a_value_that_one_draw_named_has_no_lower_bound_but_the_proven_one():
    """Of many rare values those that were drawn look too frequent: the draw that named one says nothing."""
    tokenizer = sg.Tokenizer.from_bytes([*(bytes([c]) for c in b"abcdefghij"), None], eos_token_id=10)

    def model(ids: list[int]) -> np.ndarray:
        return np.append(np.zeros(10), -700.0) if len(ids) < 4 else np.append(np.full(10, -700.0), 0.0)

    how = {"method": "cars", "tokenizer": tokenizer, "name": "flat", "max_tokens": 4}
    found = sg.sample(model, [], sg.regex("[a-j]{4}"), 60, **how)
    once = [one for one in found.marginals(str, most=60) if one.draws == 1]
    assert once and all(one.low <= 1.0000001e-4 <= one.high for one in once)


def test_a_run_whose_walks_all_chose_the_method_has_proven_bounds_alone():
    """No attempt is left to bet on; the known texts are."""
    found = Task("even", "[abc]{0,4}", 4, (b"a", b"b", b"c"), seed=13, checker=Even()).sample(60, "raj")
    attempts = dataclasses.replace(found.attempts, pilot=len(found.attempts))
    without = dataclasses.replace(found, attempts=attempts)
    assert without.expectation(lambda text: "a" in text)[1] == without.proven(lambda text: "a" in text)
    assert all(one.is_proven for one in without.marginals(len))
