"""Targets with weights, products of models, truncated models, proposals and clouds, by enumeration: the mean
weight of each text, over all random outcomes, is its probability times the exp of its log-weight."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from enumeration import outcomes
from exact import Ngram, law_of_texts
from for_each import for_each
from tasks import PROMPT, SMALL, TOKENIZER, Task, cloud_of, texts_of
from test_enumerated import agree, end_of_outcomes, masses_of_cloud, mean_masses, walker_of

import structgen as sg
from structgen.decoding.samplers.checkers import GeneratedText
from structgen.decoding.samplers.methods import awrs
from structgen.decoding.samplers.methods.smc import propose_masked, proposed_by
from structgen.decoding.samplers.target import Target, Truncation
from structgen.decoding.samplers.tree import PrefixTree
from structgen.decoding.samplers.walk import Finish

PLAIN = [task for task in SMALL if task.checker is None]


class Weight:
    """A random log-weight of each text, and an unrelated random guess at each prefix."""

    def __init__(self, seed: int = 0, guesses: bool = False) -> None:
        self.seed = seed
        if guesses:
            self.guess = self._guess

    def weigh(self, text: GeneratedText) -> float:
        assert text.value == text.text.decode()
        return _number(self.seed, text.text)

    def _guess(self, prefix: GeneratedText) -> float:
        return 1.5 * _number(self.seed + 1, prefix.text)


class Zero:
    """Texts that begin with "a" have no weight, and the critic says so at once or not."""

    def __init__(self, guesses: bool) -> None:
        if guesses:
            self.guess = self.weigh

    def weigh(self, text: GeneratedText) -> float:
        return -math.inf if text.text.startswith(b"a") else 0.5


def _number(seed: int, text: bytes) -> float:
    return float(np.random.default_rng([seed, *text]).normal())


def _target(task: Task, checkers: list[Any]) -> Target:
    plain = task.target()
    return Target(
        plain.rows,
        task.compiled,
        temperature=task.temperature,
        max_tokens=task.max_tokens,
        checkers=[*task.checkers, *checkers],
    )


def _weighted(task: Task, weight: Any) -> dict[tuple[int, ...], float]:
    """Return the law times the exp of the weights, without texts of no weight."""
    texts = {tokens: b"".join(TOKENIZER.token_bytes[one] or b"" for one in tokens) for tokens in task.law}
    found = {
        tokens: mass * math.exp(weight(GeneratedText(tokens, texts[tokens], texts[tokens].decode())))
        for tokens, mass in task.law.items()
    }
    return {tokens: mass for tokens, mass in found.items() if mass}


@for_each("guesses", [False, True])
@for_each(("count", "forced"), [(1, 0), (2, 1)])
@for_each("task", SMALL[:6])
def test_particles_have_the_weighted_masses_whatever_the_critic_guesses(task, count, forced, guesses):
    weight = Weight(guesses=guesses)
    target = _target(task, [weight])
    found = outcomes(lambda source: masses_of_cloud(cloud_of(target, count, source, forced=forced)))
    agree(mean_masses(found), _weighted(task, weight.weigh))


@pytest.mark.parametrize("task", [SMALL[1], SMALL[4]], ids=str)
@pytest.mark.parametrize("method", ["importance", "awrs"])
def test_other_methods_have_the_weighted_masses(task, method, monkeypatch):
    weight = Weight(3, guesses=method == "awrs")
    target = _target(task, [weight])

    def second_walk(source):
        walker = walker_of(target, Finish.WEIGHT, PrefixTree(), source)
        _, second = walker.make_attempts(1)[0], walker.make_attempts(1)[0]
        return {second.tokens: second.weight} if second.weight > 0 else {}

    def particle(source):
        return masses_of_cloud(cloud_of(target, 1, source, propose=awrs.propose_checked))

    end_of_outcomes(monkeypatch)
    found = outcomes(second_walk if method == "importance" else particle)
    agree(mean_masses(found), _weighted(task, weight.weigh))


@pytest.mark.parametrize("guesses", [False, True])
def test_a_text_without_weight_is_not_drawn(guesses):
    task, weight = SMALL[3], Zero(guesses)
    target = _target(task, [weight])
    found = outcomes(lambda source: masses_of_cloud(cloud_of(target, 2, source, forced=1)))
    agree(mean_masses(found), _weighted(task, weight.weigh))


@for_each("power", [1.0, -0.5, 0.0])
@for_each("task", PLAIN[:3])
def test_a_product_of_models_has_the_product_of_their_laws(task, power):
    other = Ngram(77, task.alive, order=1)
    theirs = replace(task, seed=77).law
    expert = sg.samplers.Expert(other, list(PROMPT), power, tokenizer=TOKENIZER, name="other")
    target = _target(task, [expert])
    found = outcomes(lambda source: masses_of_cloud(cloud_of(target, 2, source, forced=1)))
    agree(mean_masses(found), {one: mass * theirs[one] ** power for one, mass in task.law.items()})
    assert (expert.model_rows > 0) == (power != 0)


def test_an_expert_weighs_a_text_of_thousands_of_tokens():
    size = TOKENIZER.vocab_size
    expert = sg.samplers.Expert(lambda ids: np.zeros(size), list(PROMPT), tokenizer=TOKENIZER, name="flat")
    weight = expert.weigh(GeneratedText((0,) * 2000, b""))
    assert weight == pytest.approx(-2001 * math.log(size) + math.log(len(TOKENIZER.eos_token_ids)))


def test_an_expert_of_another_tokenizer_is_refused():
    letters = sg.Tokenizer.from_bytes([b"a", b"b", b"<end>"], eos_token_id=2)
    expert = sg.samplers.Expert(lambda ids: np.zeros(3), [0], tokenizer=letters, name="other")
    with pytest.raises(sg.errors.OptionError, match="tokenizer"):
        SMALL[0].sample(4, "smc", checkers=[expert])


@for_each("seed", range(2))
@for_each("task", SMALL)
def test_any_positive_proposal_has_the_masses_of_the_target(task, seed):
    def proposal(written, tokens, probabilities):
        assert len(tokens) + 1 == len(probabilities)
        return 0.1 + np.random.default_rng([seed, len(written.tokens)]).random(len(probabilities))

    target = task.target()
    found = outcomes(
        lambda source: masses_of_cloud(
            cloud_of(target, 1 + seed, source, forced=seed, propose=proposed_by(proposal))
        )
    )
    agree(mean_masses(found), task.law)


@pytest.mark.parametrize(
    "wrong",
    [lambda *_: None, lambda *_: [1.0], lambda w, t, p: -p, lambda w, t, p: np.where(p == p.max(), 0, p)],
)
def test_a_wrong_proposal_is_refused(wrong):
    with pytest.raises(sg.StructgenError) as caught:
        SMALL[3].sample(4, "smc", proposal=wrong)
    assert caught.value.where == "proposal"


class Learns:
    """A proposal that is an object: it prefers what it has been asked about less often, and so changes."""

    def __init__(self) -> None:
        self.seen: dict[int, int] = defaultdict(int)
        self.calls = 0

    def __call__(self, text, tokens, probabilities):
        self.calls += 1
        for token in tokens:
            self.seen[int(token)] += 1
        return probabilities / [*(self.seen[int(token)] for token in tokens), 1]


@pytest.mark.parametrize("task", SMALL[:6], ids=str)
def test_a_proposal_that_learns_has_the_masses_of_the_target(task):
    target = task.target()
    found = outcomes(
        lambda source: masses_of_cloud(cloud_of(target, 2, source, forced=1, propose=proposed_by(Learns())))
    )
    agree(mean_masses(found), task.law)


def test_a_proposal_that_raises_is_an_error_that_names_it():
    class Broken(Learns):
        def __call__(self, text, tokens, probabilities):
            return {}["weights"]

    with pytest.raises(sg.StructgenError, match=r"proposal: .*Broken raised KeyError.*after b''") as caught:
        SMALL[3].sample(4, "smc", proposal=Broken())
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_proposal_cannot_change_what_the_particles_share():
    def zeroes(text, tokens, probabilities):
        given = probabilities.copy()
        probabilities[:] = 0.0
        return given

    assert SMALL[3].sample(64, "smc", proposal=zeroes).log_z == SMALL[3].sample(64, "smc").log_z

    def overwrites(text, tokens, probabilities):
        tokens[:] = 0
        return probabilities

    with pytest.raises(sg.StructgenError, match=r"overwrites raised ValueError.*read-only"):
        SMALL[3].sample(4, "smc", proposal=overwrites)


def test_a_slow_proposal_ends_with_the_seconds_of_the_run(monkeypatch):
    """The clock goes on with the proposal alone: a second a call."""
    slow = Learns()
    monkeypatch.setattr("structgen.decoding.samplers.run_limits.time.monotonic", lambda: float(slow.calls))
    found = SMALL[3].sample(64, "smc", proposal=slow, seconds=0.5)
    assert (found.statistics.stopped, slow.calls) == ("seconds", 1)


@pytest.mark.parametrize("weight", [True, None, "1", math.nan, math.inf, 301.0])
def test_a_wrong_weight_is_refused(weight):
    class Wrong:
        def weigh(self, text):
            return weight

    with pytest.raises(sg.StructgenError, match="log-weight"):
        SMALL[3].sample(4, "smc", checkers=[Wrong()])


@pytest.mark.parametrize("method", ["auto", "cars", "rejection", "asap", "masked"])
def test_methods_without_weights_refuse_them(method):
    with pytest.raises(sg.errors.OptionError) as caught:
        SMALL[3].sample(4, method, checkers=[Weight()])
    assert caught.value.where == "method"


def test_the_estimate_of_z_through_the_door_is_that_of_the_weighted_target():
    task, weight = SMALL[7], Weight(9)
    exact = math.log(math.fsum(_weighted(task, weight.weigh).values()))
    for method in ("smc", "importance"):
        found = task.sample(1024, method, checkers=[weight], seed=3)
        assert abs(found.log_z - exact) < 0.1 and found.log_z_interval is None
        assert found.marginals("")[0].interval[1] <= 1.0


# --- truncated models --------------------------------------------------------------------------------------


def _kept(row: np.ndarray, top_k: int, top_p: float, min_p: float) -> np.ndarray:
    """Truncate a law by the definitions, token by token."""
    order = sorted(range(len(row)), key=lambda one: (-row[one], one))
    if top_k:
        order = order[:top_k]
    whole, mass, kept = math.fsum(row[one] for one in order), 0.0, []
    for one in order:
        if top_p < 1.0 and mass >= top_p * whole - 1e-12:
            break
        kept.append(one)
        mass += row[one]
    kept = [one for one in kept if row[one] >= min_p * row[order[0]]]
    found = np.zeros(len(row))
    found[kept] = row[kept] / math.fsum(row[one] for one in kept)
    return found


TRUNCATIONS = [(2, 1.0, 0.0), (0, 0.7, 0.0), (0, 1.0, 0.4), (4, 0.9, 0.1)]


@pytest.mark.parametrize("how", TRUNCATIONS)
def test_truncation_keeps_what_its_definition_says(how):
    rng = np.random.default_rng(1)
    for _ in range(200):
        law_of_step = rng.dirichlet(np.ones(12) * 0.5).round(3)
        law_of_step /= law_of_step.sum()
        assert Truncation(*how).truncate_law(law_of_step) == pytest.approx(
            _kept(law_of_step, *how), abs=1e-12
        )


@pytest.mark.parametrize("how", TRUNCATIONS)
def test_the_target_of_a_truncated_model_is_its_law_on_the_valid_texts(how):
    """Beams list all texts; that the other methods draw from their target is held for each elsewhere."""
    task = Task("truncated", "(ab|b)a?b?", 4, (b"a", b"b", b"ab"), seed=12)
    plain = task.model()

    def model(ids: list[int]) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(_kept(np.exp(plain(ids)), *how))

    exact = law_of_texts(model, texts_of(task.pattern), task.max_tokens, PROMPT)
    top_k, top_p, min_p = how
    found = task.sample(10_000, "beams", top_k=top_k, top_p=top_p, min_p=min_p)
    assert found.statistics.stopped == "exhausted"
    assert dict(zip(found.token_ids, np.exp(found.log_weights), strict=True)) == pytest.approx(
        exact, rel=1e-9
    )


# --- clouds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("particles", "n", "clouds"), [(8, 64, 8), (64, 64, 1), (7, 20, 3), (1, 5, 5)])
def test_particles_say_how_large_clouds_are(particles, n, clouds):
    found = SMALL[3].sample(n, "smc", particles=particles)
    assert found.statistics.attempts == particles * clouds
    assert len(found.log_z_of_clouds) == clouds
    assert found.log_z == pytest.approx(math.log(np.exp(found.log_z_of_clouds).mean()))


def test_estimates_of_clouds_stay_in_a_file(tmp_path):
    found = SMALL[3].sample(64, "smc", particles=8, checkers=[Weight()])
    found.to_jsonl(tmp_path / "draws.jsonl")
    again = sg.Samples.from_jsonl(tmp_path / "draws.jsonl")
    assert again.log_z_of_clouds == pytest.approx(found.log_z_of_clouds)
    assert again.bracket == found.bracket


@pytest.mark.parametrize(("threshold", "is_resampled"), [(0.0, False), (1.0, True)])
def test_the_threshold_says_when_particles_are_resampled(threshold, is_resampled, monkeypatch):
    from structgen.decoding.samplers.methods.smc import Cloud

    resampled, resample = [], Cloud._resample_particles
    monkeypatch.setattr(
        Cloud, "_resample_particles", lambda *given: (resampled.append(1), resample(*given))[1]
    )
    SMALL[7].sample(64, "smc", resampling_threshold=threshold)
    assert bool(resampled) == is_resampled


@for_each(
    ("options", "where"),
    [
        ({"method": "cars", "particles": 4}, "particles"),
        ({"method": "auto", "resampling_threshold": 0.9}, "resampling_threshold"),
        ({"method": "smc", "resampling_threshold": 1.5}, "resampling_threshold"),
        ({"method": "smc", "particles": 0}, "particles"),
        ({"method": "awrs", "proposal": propose_masked}, "proposal"),
        ({"method": "smc", "proposal": 3}, "proposal"),
        ({"method": "smc", "top_k": -1}, "top_k"),
        ({"method": "smc", "top_p": 0.0}, "top_p"),
        ({"method": "smc", "min_p": 2.0}, "min_p"),
    ],
)
def test_options_of_particles_and_truncation_are_checked(options, where):
    with pytest.raises(sg.errors.OptionError) as caught:
        SMALL[3].sample(4, **options)
    assert caught.value.where == where
