"""`sg.sample`: what it takes, what it refuses, and what ends a run."""

from __future__ import annotations

import inspect
import itertools
import math
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from exact import ALIVE, TOKENIZER, Bigram
from for_each import for_each

import structgen as sg
from structgen.decoding.samplers.methods import METHODS
from structgen.decoding.samplers.sample import SampleOptions, sample

WORDS = sg.regex("[abc]{1,6}")


def draw(n=10, model=None, **options):
    options = {"tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 8} | options
    return sg.sample(model or Bigram(1, ALIVE), "a", WORDS, n, **options)


class Never:
    """No text is valid, and no prefix tells."""

    fingerprint = "never"

    def viable(self, prefix):
        return True

    def final(self, text):
        return False


@for_each(
    ("options", "where"),
    [
        ({"top_p": 0.0}, "top_p"),
        ({"top_k": -5}, "top_k"),
        ({"min_p": 1.1}, "min_p"),
        ({"presence_penalty": 1.0}, "presence_penalty"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": -1.0}, "temperature"),
        ({"method": "cras"}, "method"),
        ({"budget": 0}, "budget"),
        ({"budget": 1.5}, "budget"),
        ({"seconds": 0}, "seconds"),
        ({"until": math.inf}, "until"),
        ({"until": (len,)}, "until"),
        ({"until": (3, 0.1)}, "until"),
        ({"until": (len, 0)}, "until[1]"),
        ({"until": 0.1, "method": "beams"}, "until"),
        ({"standard_error": 0.1}, "standard_error"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"seed": -1}, "seed"),
        ({"seed": 1 << 64}, "seed"),
        ({"progress": 3}, "progress"),
        ({"tree": "tree.npz"}, "tree"),
        ({"name": ""}, "model"),
        ({"tokenizer": None}, "model"),
    ],
)
def test_an_option_without_a_meaning_is_refused_by_name(options, where):
    with pytest.raises(sg.StructgenError) as caught:
        draw(**options)
    assert caught.value.where == where


@for_each(
    "prompt",
    [
        *([1.5], [1, "a"], "\ud800", [10**9], [-1], [True], None, 5, b"ab", {"a"}, ["a", 5], [[1.5]]),
        *({}, b"", np.array(5)),
    ],
)
def test_a_prompt_that_is_none_is_refused(prompt):
    with pytest.raises(sg.errors.OptionError, match="prompt"):
        sg.sample(Bigram(1, ALIVE), prompt, WORDS, 1, tokenizer=TOKENIZER, name="bigram")


def test_the_typed_options_are_the_keywords():
    shown = inspect.signature(sample).parameters
    assert all(shown[name].kind is inspect.Parameter.KEYWORD_ONLY for name in SampleOptions.__annotations__)
    assert shown["max_tokens"].default == 256


def test_a_keyword_that_does_not_exist_is_refused_with_the_one_that_was_meant():
    with pytest.raises(sg.errors.OptionError, match=r"no option 'metod'\. Did you mean method\?"):
        draw(metod="cars")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_logits_that_are_no_numbers_are_an_error(bad):
    with pytest.raises(sg.StructgenError, match="logits"):
        draw(model=lambda ids: np.full(TOKENIZER.vocab_size, bad))


@for_each(
    "said",
    [
        np.zeros(3),
        np.zeros((1, TOKENIZER.vocab_size)),
        0.5,
        None,
        "abc",
        [[1.0], [2.0, 3.0]],
        np.zeros(TOKENIZER.vocab_size, np.complex128),
        np.zeros(TOKENIZER.vocab_size, np.bool_),
    ],
)
def test_what_is_no_row_of_the_vocabulary_is_an_error(said):
    with pytest.raises(sg.errors.OptionError, match="function returned") as caught:
        draw(model=lambda ids: said)
    assert caught.value.where == "model"


def _tensor(row):
    return pytest.importorskip("torch").tensor(row, requires_grad=True)


def _bfloat16(row):
    torch = pytest.importorskip("torch")
    return torch.tensor(row).to(torch.bfloat16)


def _longer(row):
    """A model's vocabulary may be wider than its tokenizer's: what no token has is never allowed."""
    return np.append(row, [-np.inf, -np.inf])


@pytest.mark.parametrize("form", [list, np.float32, _tensor, _longer, _bfloat16])
def test_rows_may_be_lists_tensors_of_less_precision_or_longer(form):
    expected = draw(method="cars", seed=3)
    found = draw(model=lambda ids: form(Bigram(1, ALIVE)(ids)), method="cars", seed=3)
    assert found.token_ids == expected.token_ids or form is _bfloat16
    np.testing.assert_allclose(
        found.logprobs[0], expected.logprobs[0], rtol=0.1 if form is _bfloat16 else 1e-5
    )


def test_mass_of_ids_without_a_token_is_not_valid():
    def model(ids):
        return np.append(Bigram(1, ALIVE)(ids), 0.0)  # as likely as all tokens together

    found = draw(10_000, model, max_tokens=1, method="beams")
    one = draw(10_000, max_tokens=1, method="beams")
    assert found.statistics.stopped == one.statistics.stopped == "exhausted"
    np.testing.assert_allclose(found.log_z, one.log_z - 2 * math.log(2))  # a token and an end


def test_a_function_may_use_its_array_again():
    own = Bigram(1, ALIVE)
    buffer = np.zeros(TOKENIZER.vocab_size)

    def model(ids):
        buffer[:] = own(ids)
        return buffer

    found, expected = draw(8, model, method="smc"), draw(8, method="smc")
    assert found.token_ids == expected.token_ids


@pytest.mark.parametrize("method", METHODS)
def test_what_a_function_raises_reaches_the_caller_and_the_tree_serves_on(method):
    tree = sg.samplers.PrefixTree()
    own, asked = Bigram(1, ALIVE), []

    def model(ids):
        asked.append(ids)
        if len(asked) == 7:
            raise RuntimeError("out of order")
        return own(ids)

    with pytest.raises(RuntimeError, match="out of order"):
        draw(100, model, method=method, tree=tree)
    assert draw(20, model, method=method, tree=tree).values


def test_a_model_of_transformers_is_no_function():
    class Module:
        config = None

        def __call__(self, ids):
            raise AssertionError("it was asked as a function")

        def get_output_embeddings(self):
            return None

    with pytest.raises(sg.errors.OptionError, match="not a causal language model"):
        draw(model=Module())


def test_a_grammar_of_another_tokenizer_is_refused():
    other = sg.Tokenizer.from_bytes([bytes((byte,)) for byte in range(256)] + [None], eos_token_id=256)
    with pytest.raises(sg.errors.OptionError, match="compiled for") as caught:
        sg.sample(Bigram(1, ALIVE), "a", sg.compile(WORDS, other), 1, tokenizer=TOKENIZER, name="bigram")
    assert caught.value.where == "grammar"


def test_an_engine_with_another_tokenizer_than_given_is_refused():
    pytest.importorskip("torch")
    with pytest.raises(sg.errors.OptionError, match="The engine has") as caught:
        sg.sample(sg.Engine("structgen/extract-draft"), "a", WORDS, 1, tokenizer=TOKENIZER)
    assert caught.value.where == "tokenizer"


def test_a_tokenizer_without_an_end_token_is_refused():
    with pytest.raises(sg.errors.TokenizerError, match="the end token is missing"):
        sg.Tokenizer.from_bytes([b"a", b"b"], eos_token_id=[])


@pytest.mark.parametrize("method", ["beams", "cars", "importance", "asap"])
def test_with_a_tree_an_empty_language_is_proved(method):
    with pytest.raises(sg.StructgenError, match=r"Z = 0"):
        draw(5, method=method, checkers=[Never()], max_tokens=2)


@pytest.mark.parametrize("method", ["rejection", "masked", "smc"])
def test_without_a_tree_an_empty_language_has_no_draws(method, monkeypatch):
    monkeypatch.setattr("structgen.decoding.samplers.run_limits.FRUITLESS", 50)
    found = draw(5, method=method, checkers=[Never()], max_tokens=2)
    assert found.values == []
    assert found.bracket == (0.0, 1.0)
    assert found.statistics.stopped == ("n" if method == "smc" else "fruitless")


@pytest.mark.parametrize("method", METHODS)
def test_weights_that_are_all_zero_give_no_draw(method):
    found = draw(5, method=method, checkers=[Never()], budget=30)
    low, high = found.log_z_bounds
    assert low == -math.inf and high == math.log(found.bracket[1])
    assert (found.values, found.texts, len(found.weights)) == ([], [], 0)
    with pytest.raises(sg.StructgenError, match="at least one draw"):
        found.expectation(len)
    with pytest.raises(sg.StructgenError, match="at least one draw"):
        found.resample(1)


def test_a_run_with_a_budget_goes_on_after_many_fruitless_attempts(monkeypatch):
    monkeypatch.setattr("structgen.decoding.samplers.run_limits.FRUITLESS", 5)
    found = draw(5, method="rejection", checkers=[Never()], budget=500)
    assert found.statistics.stopped == "budget"


@for_each("budget", [1, 2, 40])
@for_each("method", METHODS)
def test_a_budget_ends_a_run_with_what_is_known(method, budget):
    model = Bigram(1, ALIVE)
    found = draw(10**15, model, method=method, budget=budget)
    assert found.statistics.stopped in ("budget", "exhausted")
    assert model.asked == found.statistics.model_rows <= budget
    assert 0 <= found.bracket[0] <= found.bracket[1] <= 1
    if budget == 1:  # too little for a text
        low, high = found.log_z_bounds
        assert (found.values, found.bracket[0], low) == ([], 0.0, -math.inf) and high > -math.inf
        assert found.log_z_interval is None and math.isnan(found.log_z)


@pytest.mark.parametrize("method", ["importance", "raj", "cars", "auto"])
def test_a_run_ends_once_an_interval_is_narrow(method):
    for until, interval in (
        (0.3, lambda found: found.log_z_interval),
        ((lambda text: "a" in text, 0.3), lambda found: found.expectation(lambda text: "a" in text)[1]),
    ):
        found = draw(2000, method=method, until=until)
        width = 0.3 if isinstance(until, float) else until[1]
        assert found.statistics.stopped == "until" and len(found) < 2000
        low, high = interval(found)
        assert high - low <= width


@pytest.mark.parametrize("method", METHODS)
def test_different_seeds_give_different_draws(method):
    """Of great seeds too, which no float holds: their highest bits are alike."""
    for seeds in (range(3), range((1 << 63) - 2, (1 << 63) + 3), [(1 << 64) - 2, (1 << 64) - 1]):
        found = [tuple(draw(30, method=method, seed=seed).token_ids) for seed in seeds]
        assert len(set(found)) == len(found)


@pytest.mark.parametrize("options", [{"n": 12}, {"n": 2000, "budget": 25}])
def test_n_and_a_budget_end_a_run_whose_interval_is_not_narrow_yet(options):
    found = draw(**options, method="importance", until=1e-6)
    assert found.statistics.stopped == ("budget" if "budget" in options else "n")
    assert len(found) <= options["n"] and found.statistics.model_rows <= options.get("budget", 10**9)


@pytest.mark.parametrize("method", METHODS)
def test_seconds_end_a_run_of_a_function_between_two_calls(method, monkeypatch):
    """The clock goes on with the model alone: a second a call."""
    own = Bigram(1, ALIVE)
    monkeypatch.setattr("structgen.decoding.samplers.run_limits.time.monotonic", lambda: float(own.asked))
    found = draw(10**9, own, method=method, max_tokens=40, checkers=[Never()], seconds=100)
    assert found.statistics.stopped == "seconds"
    assert own.asked == 100


@pytest.mark.parametrize("method", ["cars", "importance", "asap"])
def test_seconds_end_a_run_that_the_tree_answers_alone(method, monkeypatch):
    tree = sg.samplers.PrefixTree()
    draw(10_000, method="beams", max_tokens=2, tree=tree)
    ticks = iter(range(10**9))
    monkeypatch.setattr("structgen.decoding.samplers.run_limits.time.monotonic", lambda: float(next(ticks)))
    found = draw(10**9, method=method, max_tokens=2, tree=tree, seconds=50)
    assert (found.statistics.stopped, found.statistics.model_rows) == ("seconds", 0)


class Breaking:
    """A model that is interrupted at one of its calls."""

    def __init__(self, at, interrupt):
        self.at, self.asked, self.interrupt, self.own = at, 0, interrupt, Bigram(1, ALIVE)

    def __call__(self, ids):
        self.asked += 1
        if self.asked == self.at:
            self.interrupt()
        return self.own(ids)


def raised():
    raise KeyboardInterrupt


def pressed():
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("most", [4, pytest.param(10**6, marks=pytest.mark.slow)], ids=["some", "all"])
@pytest.mark.parametrize("interrupt", [raised, pressed])
@pytest.mark.parametrize("method", METHODS)
def test_an_interrupt_at_any_call_returns_what_is_known(method, interrupt, most):
    """At each call; of many calls at `most` of them, the first and the last among them."""
    z = math.exp(draw(10_000, method="beams", max_tokens=3).log_z)
    calls = draw(6, method=method, max_tokens=3).statistics.model_rows
    for at in sorted(set(np.linspace(1, calls, min(calls, most)).round().astype(int).tolist())):
        tree = sg.samplers.PrefixTree()
        found = draw(6, Breaking(at, interrupt), method=method, max_tokens=3, tree=tree)
        assert found.statistics.stopped == "interrupted"
        low, high = found.bracket
        assert low <= z * (1 + 1e-12) and z <= high * (1 + 1e-12)
        assert np.isfinite(found.log_weights).all()
        assert len(found.texts) == len(found.token_ids) == len(found.logprobs) == found.statistics.accepted
        again = draw(3, method=method, max_tokens=3, tree=tree)
        assert again.bracket[0] <= z * (1 + 1e-12) and z <= again.bracket[1] * (1 + 1e-12)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def places_of(run):
    """Return the lines of the samplers that a run reaches once it has begun."""
    folder = Path(sg.__file__).parent / "decoding" / "samplers"
    reached = {}

    def line(frame, event, arg):
        if event == "line":
            reached.setdefault((frame.f_code.co_filename, frame.f_lineno))
        return line

    def call(frame, event, arg):
        if reached or frame.f_code.co_name == "draw_for_prompt":
            return line if Path(frame.f_code.co_filename).is_relative_to(folder) else None
        return None

    traced(call, run)
    return list(reached)


def traced(tracer, run):
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        return run()
    finally:
        sys.settrace(before)


def pressing_at(place):
    """Return a tracer that presses Ctrl-C when a line is reached for the first time."""
    left = [place]

    def line(frame, event, arg):
        if event == "line" and left and (frame.f_code.co_filename, frame.f_lineno) == place:
            left.clear()
            pressed()
        return line

    return lambda frame, event, arg: line if left and frame.f_code.co_filename == place[0] else None


@pytest.mark.parametrize(
    ("method", "stride"),
    [("beams", 11), ("smc", 11), *(pytest.param(method, 1, marks=pytest.mark.slow) for method in METHODS)],
)
def test_an_interrupt_at_any_line_of_the_samplers_returns_what_is_known(method, stride):
    def run():
        return draw(3, method=method, max_tokens=2)

    places = places_of(run)
    assert len(places) > 100
    for place in places[::stride]:
        try:
            found = traced(pressing_at(place), run)
        except KeyboardInterrupt:
            pytest.fail(f"the interrupt at {place} was not held")
        assert len(found.texts) == len(found.weights) == found.statistics.accepted, place
        assert 0 <= found.bracket[0] <= found.bracket[1] <= 1, place


def test_a_second_interrupt_does_not_wait_for_the_model():
    waited = []

    def twice():
        pressed()
        pressed()
        waited.append(True)

    found = draw(30, Breaking(9, twice), method="cars")
    assert found.statistics.stopped == "interrupted"
    assert not waited


def test_another_handler_of_the_interrupt_is_left_alone():
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        found = draw(30, Breaking(9, pressed), method="cars")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (found.statistics.stopped, len(heard)) == ("n", 1)


@pytest.mark.parametrize("method", sorted({*METHODS} - {"beams"}))
def test_equal_seeds_give_equal_draws_and_others_do_not(method):
    first, second, third = (draw(12, method=method, seed=seed).token_ids for seed in (4, 4, 5))
    assert first == second != third


BOUNDS = itertools.count(1200)


def draw_objects(method, **options):
    """Each text of free keys takes states of the grammar that stay: a run of days meets any bound. Each call
    has another bound, so that none finds the states of the one before."""
    alive = (b"{", b"}", b'"', b":", b"1", b"a", b"b", b",")
    free = sg.json_schema({"type": "object"}, limits=sg.Limits(parser_states=next(BOUNDS)))
    options = {"tokenizer": TOKENIZER, "name": "b", "max_tokens": 30} | options
    return sg.sample(Bigram(2, alive), [97], free, 10**6, method=method, **options)


@pytest.mark.parametrize("method", ["beams", "importance", "smc"])
def test_a_bound_of_the_grammar_ends_a_run_with_what_is_known(method):
    found = draw_objects(method)
    assert found.statistics.stopped == "limit"
    assert found.values


@pytest.mark.parametrize("method", ["beams", "importance", "smc"])
def test_a_bound_of_the_grammar_before_the_first_text_is_an_error_that_names_it(method):
    with pytest.raises(sg.errors.LimitError, match="parser states") as caught:
        draw_objects(method, checkers=[Never()])
    assert caught.value.limit == "parser_states"


def test_options_may_be_numbers_of_numpy():
    plain = {"max_tokens": 4, "seed": 7, "budget": 500, "temperature": 0.5, "seconds": 100.0}
    numpy = {
        "max_tokens": np.int64(4),
        "seed": np.uint64(7),
        "budget": np.int32(500),
        "temperature": np.float32(0.5),
        "seconds": np.float32(100.0),
    }
    for method in METHODS:
        found = draw(np.int64(9), method=method, tree=sg.samplers.PrefixTree(), **numpy)
        assert found.token_ids == draw(9, method=method, tree=sg.samplers.PrefixTree(), **plain).token_ids


def test_runs_of_particles_are_independent():
    found = draw(64, method="smc")
    quarters = [tuple(found.token_ids[at : at + 16]) for at in range(0, 64, 16)]
    assert len(set(quarters)) == 4


def test_progress_is_lines_on_the_standard_error_output_where_it_is_wanted(capsys, monkeypatch):
    monkeypatch.setattr("structgen.decoding.runs.progress._SECONDS_A_LINE", 0.0)
    draw(50, method="cars", progress=False)
    assert capsys.readouterr() == ("", "")
    draw(50, method="cars", progress=True)
    out, err = capsys.readouterr()
    assert out == "" and err.endswith("\n")
    line = err.splitlines()[-1]
    assert line.startswith("sample: 50 of 50 texts, ") and " rows, " in line and "<= Z <=" in line


def test_statistics_count_what_the_tree_answered_and_what_checkers_were_asked():
    asked = []

    class Even:
        fingerprint = "even"

        def viable(self, prefix):
            asked.append(prefix)
            return True

        def final(self, text):
            asked.append(text)
            return len(text) % 2 == 0

    tree, even = sg.samplers.PrefixTree(), Even()
    first = draw(30, method="cars", tree=tree, checkers=[even]).statistics
    assert first.checks == len(asked) > 0
    assert 0 < first.accepted < first.attempts
    assert first.tree_rows > 0
    draw(10_000, method="beams", max_tokens=8, tree=tree, checkers=[even])
    last = draw(30, method="cars", tree=tree, checkers=[even]).statistics
    assert (last.model_rows, last.reread_positions) == (0, 0)
    assert last.tree_rows >= 30


def test_resampling_follows_the_weights():
    found = draw(40, method="importance")
    texts = found.resample(4000, seed=1)
    for text in set(found.texts):
        share = sum(w for w, one in zip(found.weights, found.texts, strict=True) if one == text)
        assert abs(texts.count(text) / 4000 - share) < 5 * math.sqrt(share / 4000)


# --- several prompts in one call ----------------------------------------------------------------------------


SHORT = sg.regex("[abc]{1,3}")
PROMPTS = [[97], [98], [97]]


def draw_all(prompt, n=20, model=None, **options):
    options = {"tokenizer": TOKENIZER, "name": "bigram", "max_tokens": 4, "method": "cars"} | options
    return sg.sample(model or Bigram(1, ALIVE), prompt, SHORT, n, **options)


@pytest.mark.parametrize(
    ("prompts", "one"),
    [
        (["a", "b"], "a"),
        ([[97], [98]], [97]),
        (([97], [98]), (97,)),
        (["a", [98]], "a"),
        (np.array([[97], [98]]), np.array([97])),
    ],
)
def test_a_list_of_prompts_gives_a_list_and_one_prompt_does_not(prompts, one):
    found = draw_all(prompts)
    assert isinstance(found, list)
    assert [len(samples) for samples in found] == [20, 20]
    assert isinstance(draw_all(one), sg.Samples)


def test_no_number_at_all_is_one_empty_prompt():
    assert isinstance(draw_all([]), sg.Samples)
    assert [type(one) for one in draw_all([[]])] == [sg.Samples]


def test_each_prompt_has_the_law_of_its_own():
    found = draw_all([[97], [98]], 10_000, method="beams")
    for prompt, samples in zip(([97], [98]), found, strict=True):
        alone = draw_all(prompt, 10_000, method="beams")
        assert samples.statistics.stopped == alone.statistics.stopped == "exhausted"
        assert samples.log_z == pytest.approx(alone.log_z)
        assert dict(zip(samples.token_ids, samples.weights, strict=True)) == pytest.approx(
            dict(zip(alone.token_ids, alone.weights, strict=True))
        )
    assert found[0].log_z != pytest.approx(found[1].log_z)


def test_equal_prompts_have_draws_of_their_own_and_equal_calls_equal_draws():
    first, again = (draw_all(PROMPTS, seed=5) for _ in range(2))
    assert [one.token_ids for one in first] == [one.token_ids for one in again]
    assert first[0].token_ids != first[2].token_ids
    assert first[0].token_ids != draw_all(PROMPTS, seed=6)[0].token_ids


def test_a_budget_is_for_each_prompt():
    for samples in draw_all(PROMPTS, 10_000, method="rejection", budget=30):
        assert samples.statistics.stopped == "budget"
        assert 20 <= samples.statistics.model_rows <= 30


def test_seconds_are_for_all_prompts_together(monkeypatch):
    ticks = iter(range(10**9))

    def clock():
        return float(next(ticks))

    monkeypatch.setattr(
        "structgen.decoding.samplers.run_limits.time.monotonic", clock
    )  # the module time: for all
    found = draw_all(PROMPTS, 10**9, method="rejection", seconds=600)
    assert [one.statistics.stopped for one in found] == ["seconds"] * 3
    assert next(ticks) < 700
    rows = [one.statistics.model_rows for one in found]
    assert max(rows) < 2 * min(rows)


@pytest.mark.parametrize("press", [False, True])
def test_an_interrupt_returns_what_is_known_for_all(press):
    asked = []
    own = Bigram(1, ALIVE)

    def model(ids):
        asked.append(ids)
        if ids[0] == 98 and len(asked) > 40:
            if press:
                signal.raise_signal(signal.SIGINT)
            else:
                raise KeyboardInterrupt
        return own(ids)

    found = draw_all(PROMPTS, 25, model)
    assert [one.statistics.stopped for one in found] == ["n", "interrupted", "interrupted"]
    assert (len(found[0]), found[2].values, found[2].bracket) == (25, [], (0.0, 1.0))
    assert math.isnan(found[2].log_z)
    assert found[2].statistics.model_rows == 0


def test_an_impossible_prompt_does_not_spoil_the_others():
    class NoneBehindB:
        def __call__(self, ids):
            row = Bigram(1, ALIVE)(ids)
            if ids[0] == 98:
                row[[97, 98, 99]] = -np.inf
                row[[TOKENIZER.token_bytes.index(text) for text in (b"ab", b"ba")]] = -np.inf
            return row

    found = draw_all([[97], [98]], 10, NoneBehindB())
    assert len(found[0]) == 10
    assert (found[1].values, found[1].bracket) == ([], (0.0, 0.0))


def test_each_prompt_may_have_a_tree():
    trees = [sg.samplers.PrefixTree(), sg.samplers.PrefixTree()]
    draw_all([[97], [98]], 10_000, tree=trees, method="beams")
    again = draw_all([[97], [98]], 10_000, tree=trees, method="beams")
    assert [one.statistics.model_rows for one in again] == [0, 0]


@pytest.mark.parametrize("tree", ["one", "short", "twice", "other"])
def test_trees_that_do_not_fit_the_prompts_are_refused(tree):
    own = sg.samplers.PrefixTree()
    given = {"one": own, "short": [own], "twice": [own, own], "other": [own, 5]}[tree]
    with pytest.raises(sg.errors.OptionError) as caught:
        draw_all([[97], [98]], tree=given)
    assert caught.value.where == "tree"


def test_a_list_of_trees_for_one_prompt_is_refused():
    with pytest.raises(sg.errors.OptionError, match="its own PrefixTree"):
        draw_all([97], tree=[sg.samplers.PrefixTree()])


def test_a_wrong_prompt_among_several_is_named():
    with pytest.raises(sg.errors.OptionError) as caught:
        draw_all([[97], [10**9]])
    assert caught.value.where == "prompt[1][0]"


def test_progress_tells_the_prompt():
    seen = []
    draw_all(PROMPTS, progress=seen.append)
    assert {one.wanted for one in seen} == {20}
    assert [one.prompt for one in seen if one.accepted == 20] == [0, 1, 2]
    assert {one.prompts for one in seen} == {3}


@pytest.mark.parametrize("method", ["cars", "smc"])
def test_equal_seeds_give_equal_draws_for_each_max_rows(method):
    pytest.importorskip("torch")
    engines = [sg.Engine("structgen/extract-draft", max_rows=rows) for rows in (2, 9)]
    options = {"method": method, "max_tokens": 6}
    runs = [sg.sample(engine, "Zorvik", sg.regex("[a-z]{1,3}"), 6, **options) for engine in engines]
    assert runs[0].token_ids == runs[1].token_ids
    assert runs[0].log_weights.tolist() == runs[1].log_weights.tolist()


def test_prompts_that_begin_alike_are_read_in_one_pass():
    pytest.importorskip("torch")

    engine = sg.Engine("structgen/extract-draft", max_rows=4)
    read = []
    model = engine.model

    class Noting:
        vocab_size, context = model.vocab_size, model.context

        def prefill(self, tokens):
            read.append([list(tokens)])
            return model.prefill(tokens)

        def prefill_many(self, prompts):
            read.append([list(prompt) for prompt in prompts])
            return model.prefill_many(prompts)

        def decode(self, tokens, caches):
            return model.decode(tokens, caches)

    other = sg.Engine(Noting(), engine.tokenizer, max_rows=4)
    prompts = [f"Zorvik has paid {number} times: " for number in range(6)]
    found = sg.sample(other, prompts, sg.choice(["yes", "no"]), 5, max_tokens=8, name="noting")
    assert [len(one) for one in read] == [4, 2]
    assert all(set(samples.texts) <= {"yes", "no"} for samples in found)
    whole = {"method": "beams", "max_tokens": 8, "name": "noting"}  # they list both texts: log Z is exact
    alone = sg.sample(engine, prompts[5], sg.choice(["yes", "no"]), 10_000, **whole)
    together = sg.sample(other, prompts, sg.choice(["yes", "no"]), 10_000, **whole)
    assert alone.log_z == pytest.approx(together[5].log_z)
