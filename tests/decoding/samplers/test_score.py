"""`sg.score`: log P of texts, and log P given that a text is valid, against sums by enumeration."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import pytest
from exact import TOKENIZER, Bigram, law_of_texts
from tasks import texts_of

import structgen as sg

ALIVE = (b"a", b"b", b"c", b"ab", b"ba", b"abc")
WORDS = sg.regex("[abc]{1,3}")
TEXTS = ["a", "ab", "abc", "cab", "bab"]


class Even:
    """Texts of an even number of bytes that have no c in them."""

    fingerprint = "even"

    def viable(self, prefix):
        return b"c" not in prefix

    def final(self, text):
        return len(text) % 2 == 0


def score(texts=TEXTS, model=None, grammar=WORDS, **options):
    options = {"tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 4} | options
    return sg.score(model or Bigram(1, ALIVE), [97], grammar, texts, **options)


def draw(n=10_000, **options):
    options = {"method": "beams", "tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 4} | options
    return sg.sample(Bigram(1, ALIVE), [97], WORDS, n, **options)


def exact(temperature=1.0):
    return law_of_texts(Bigram(1, ALIVE), texts_of("[abc]{1,3}"), 4, temperature=temperature)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_log_p_is_that_of_the_canonical_tokens_and_an_end(temperature):
    expected = exact(temperature)
    for found, text in zip(score(temperature=temperature), TEXTS, strict=True):
        tokens = tuple(TOKENIZER.encode(text.encode()))
        assert (found.text, found.token_ids, found.is_valid, found.reason) == (text, tokens, True, "")
        assert found.logprob == pytest.approx(math.log(expected[tokens]), rel=1e-12)


def test_log_p_of_a_text_beyond_all_floats_is_a_number():
    def model(ids):
        row = np.zeros(TOKENIZER.vocab_size)
        row[97] = -900.0
        return row

    (found,) = score(["aaa"], model)
    assert -3000 < found.logprob < -900


def test_a_valid_text_whose_tokens_have_no_mass_is_valid():
    (found,) = score(["a"], lambda ids: np.where(np.arange(TOKENIZER.vocab_size) == 98, 0.0, -np.inf))
    assert (found.is_valid, found.logprob, found.logprob_given_valid) == (True, -math.inf, -math.inf)


def test_an_exhausted_language_gives_log_p_given_valid_exactly():
    z = math.fsum(exact().values())
    for found in score(samples=draw()):
        assert found.logprob_given_valid == pytest.approx(found.logprob - math.log(z), rel=1e-9)
        assert found.interval == pytest.approx((found.logprob_given_valid,) * 2, rel=1e-9)


def test_draws_that_a_budget_cut_estimate_z_and_its_interval():
    true = {found.text: found.logprob_given_valid for found in score(samples=draw())}
    for found in score(samples=draw(budget=40)):
        low, high = found.interval
        assert low <= found.logprob_given_valid <= high <= 0.0
        assert found.logprob < low <= true[found.text]


def test_draws_without_an_estimate_leave_what_is_proved():
    for found in score(samples=draw(budget=1)):
        assert math.isnan(found.logprob_given_valid)
        assert found.logprob <= found.interval[0] < found.interval[1] <= 0.0


def test_without_a_run_the_scored_texts_bound_z():
    everything = math.fsum(math.exp(one.logprob) for one in score())
    for found in score():
        assert math.isnan(found.logprob_given_valid)
        assert found.interval == pytest.approx((found.logprob, found.logprob - math.log(everything)))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("abca", "the grammar refuses byte 3, b'a', after b'abc'"),
        ("", "the grammar does not let the text end there"),
        ("a\n", r"the grammar refuses byte 1, b'\n', after b'a'"),
        ("abx", "the grammar refuses byte 2, b'x', after b'ab'"),
    ],
)
def test_a_text_that_the_grammar_refuses_says_where(text, reason):
    (found,) = score([text])
    assert (found.logprob, found.logprob_given_valid, found.interval) == (-math.inf,) * 2 + (
        (-math.inf,) * 2,
    )
    assert (found.is_valid, found.reason) == (False, reason)


def test_a_text_that_is_too_long_says_so():
    (found,) = score(["cab"], max_tokens=1)
    assert found.reason == "it has 2 tokens, and max_tokens=1"
    assert found.logprob == -math.inf


def test_a_checker_that_refuses_a_text_is_told_from_one_that_rules_out_a_prefix():
    found = {one.text: one.reason for one in score(["ab", "cab", "a"], checkers=[Even()])}
    assert found["ab"] == ""
    assert found["cab"] == "a checker rules out what begins with b'c'"
    assert found["a"] == "a checker refuses the whole text"


def test_each_prefix_of_the_valid_texts_is_read_once():
    model = Bigram(1, ALIVE)
    prefixes = {
        tuple(TOKENIZER.encode(text.encode()))[:end] for text in TEXTS for end in range(len(text) + 1)
    }
    score([*TEXTS, *TEXTS, "xxxxxxxxx"], model)
    assert model.asked == len(prefixes)


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({"texts": "ab"}, "texts"),
        ({"texts": [1]}, "texts[0]"),
        ({"texts": ["a", "\ud800"]}, "texts[1]"),
        ({"temperature": 0}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"name": ""}, "model"),
    ],
)
def test_what_cannot_be_scored_is_refused_by_name(options, where):
    with pytest.raises(sg.errors.OptionError) as caught:
        score(**options)
    assert caught.value.where == where


@pytest.mark.parametrize(
    "other", [{"temperature": 0.5}, {"max_tokens": 3}, {"name": "another"}, {"checkers": [Even()]}]
)
def test_samples_of_another_target_are_refused(other):
    with pytest.raises(sg.errors.OptionError, match="another model, prompt") as caught:
        score(samples=draw(), **other)
    assert caught.value.where == "samples"


def test_samples_that_say_nothing_of_z_are_refused():
    with pytest.raises(sg.errors.OptionError, match="carry no information about Z"):
        score(samples=draw(5, method="masked"))
    with pytest.raises(sg.errors.OptionError, match=r"no option 'budget'.*samples=sg\.sample"):
        score(budget=5)


def test_texts_of_a_type_are_scored_and_its_validators_are_asked():
    pydantic = pytest.importorskip("pydantic")
    size = Annotated[int, pydantic.Field(ge=1, le=99), pydantic.AfterValidator(odd)]
    found = score(["7", "8", "x"], lambda ids: np.zeros(TOKENIZER.vocab_size), size)
    assert [one.is_valid for one in found] == [True, False, False]
    assert found[1].reason.startswith("a checker")
    assert found[0].logprob == pytest.approx(-2 * math.log(TOKENIZER.vocab_size) + math.log(2))


def odd(number):
    assert number % 2 == 1
    return number


def test_logits_that_are_no_numbers_are_an_error():
    with pytest.raises(sg.StructgenError, match="logits"):
        score(["a"], lambda ids: np.full(TOKENIZER.vocab_size, math.nan))


def test_an_engine_scores_as_its_rows_say():
    torch = pytest.importorskip("torch")
    engine = sg.Engine("structgen/extract-draft", max_rows=2)
    answers = ["yes", "no", "yesno"]
    target = engine, "Zorvik has paid: ", sg.choice(["yes", "no"])
    draws = sg.sample(*target, 400, method="beams", max_tokens=8)
    found = sg.score(*target, answers, samples=draws, max_tokens=8)
    assert [one.is_valid for one in found] == [True, True, False]
    for one in found[:2]:
        ids = engine.tokenizer.encode(b"Zorvik has paid: ")
        total = 0.0
        for token in one.token_ids:
            logits, _ = engine.model.prefill(ids)
            total += float(torch.log_softmax(logits.double(), -1)[token])
            ids = [*ids, token]
        logits, _ = engine.model.prefill(ids)
        ends = torch.log_softmax(logits.double(), -1)[list(engine.tokenizer.eos_token_ids)]
        assert one.logprob == pytest.approx(total + float(torch.logsumexp(ends, 0)), rel=1e-9)
        assert one.interval[0] <= one.logprob_given_valid <= one.interval[1]
