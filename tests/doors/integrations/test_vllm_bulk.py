"""Bulk work with vLLM in the workers, against a stand-in of `LLM`: the request's own grammar holds, lines are
those of a run with our own engine, and what vLLM does otherwise is refused.

tests/doors/serving has the real one."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import in_process_workers
import pytest
import vllm_stand_in
from object_schemas import STRING, object_of
from typer.testing import CliRunner

import structgen as sg
from structgen.decoding.engine import bulk_runs
from structgen.decoding.engine.bulk_runs import run_bulk, run_bulk_on_ray
from structgen.doors.cli import app
from structgen.doors.integrations.engine_grammars import EngineGrammars

FOLDER = Path(__file__).parents[2] / "data" / "bpe"
TOKENIZER = sg.Tokenizer.from_huggingface(str(FOLDER))
COUNT = 11
PERSON = object_of(name=STRING, ages={"type": "array", "items": {"type": "integer"}})
COMPACT = sg.json_schema(PERSON, whitespace="compact")
pytestmark = pytest.mark.usefixtures("vllm", "workers")


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> Any:
    """vLLM's hooks and its `LLM`; what was imported over them is forgotten afterwards."""
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
    monkeypatch.setattr(EngineGrammars, "preload_kinds", lambda self: None)
    monkeypatch.setattr(bulk_runs, "check_causal", lambda name: None)  # FOLDER has a tokenizer alone
    put = lambda name, made: monkeypatch.setitem(sys.modules, name, made)  # noqa: E731
    yield vllm_stand_in.install(vllm_stand_in.VERSIONS[0], put)
    sys.modules.pop("structgen.doors.integrations.vllm_backend", None)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> in_process_workers.InProcessWorkers:
    return in_process_workers.use(monkeypatch, bulk_runs)


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "p.jsonl"
    lines = [{"prompt": f"p{i}", "id": f"id{i}", "seed": i} for i in range(COUNT)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


class Asks:
    """What makes a request of a prompt; it goes through pickle, as on Ray."""

    def __init__(self, grammar: Any = COMPACT, **options: Any) -> None:
        self.grammar, self.options = grammar, {"max_tokens": 60, **options}

    def __call__(self, text: str) -> sg.Request:
        return sg.Request(text, self.grammar, **self.options)


def _fits_p3(text: str) -> sg.Request:
    return sg.Request(text, COMPACT, max_tokens=2 if text == "p3" else 60)


def _by_length(text: str) -> sg.Request:
    return sg.Request(text, sg.choice([f"answer {len(text)}"]), max_tokens=60)


def _refuses_p3(text: str) -> sg.Request:
    return sg.Request("" if text == "p3" else text, COMPACT, max_tokens=60)


def run(prompts: Path, request_of: Callable[[str], Any], **options: Any) -> list[dict[str, Any]]:
    """Return the lines of a run."""
    options = {"engine": "vllm", "shard_size": 4, **options}
    out = prompts.parent / "out"
    run_bulk_on_ray(FOLDER, prompts, out, request_of, **options)
    return sorted(map(json.loads, out.read_bytes().splitlines()), key=lambda line: line["line"])


# --- the grammar of a request -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grammar", "judge"),
    [
        (COMPACT, lambda text: json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)),
        (
            sg.json_schema({"const": {"a": [1, 2]}}, whitespace=2),
            lambda _: '{\n  "a": [\n    1,\n    2\n  ]\n}',
        ),
        # no constraint of vLLM's says that a text is of two languages
        (sg.regex("[a-d]{3,9}") & sg.regex("a.*d"), lambda text: re.fullmatch("a[a-d]{1,7}d", text)[0]),
        (sg.lark('start: "x" A+\nA: "y" | "z"'), lambda text: re.fullmatch("x[yz]+", text)[0]),
    ],
    ids=["compact", "indented", "both", "lark"],
)
def test_the_requests_own_grammar_holds_with_its_policies(
    prompts: Path, grammar: Any, judge: Callable[[str], str]
) -> None:
    found = run(prompts, Asks(grammar))
    assert [line["line"] for line in found] == list(range(COUNT))
    for line in found:
        assert line["finish_reason"] == "stop" and line["text"] == judge(line["text"])


def test_each_text_of_a_shard_has_the_grammar_of_its_own_request(prompts: Path) -> None:
    found = run(prompts, _by_length, shard_size=COUNT)
    assert [line["text"] for line in found] == ["answer 2"] * 10 + ["answer 3"]


def test_a_grammar_is_held_for_its_shard_alone_and_no_text_names_it(
    prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: dict[str, Any] = {}
    plain = EngineGrammars.answer_with
    monkeypatch.setattr(
        EngineGrammars,
        "answer_with",
        lambda self, *given: (held.update(self=self, asked=given[0]), plain(self, *given)),
    )
    run(prompts, Asks())
    name = held["asked"]["structured_outputs"]["regex"]
    # whoever asks a server for it is held to the text of the name, as to any other pattern
    compiled = held["self"].compile_constraint(held["asked"])
    state = compiled.step_bytes(compiled.start, name.encode())
    assert state is not None and state.is_complete


def test_texts_are_complete_within_max_tokens_and_the_least_is_told(prompts: Path) -> None:
    found = run(prompts, _fits_p3)
    assert "No document fits max_tokens=2: the shortest takes" in found.pop(3)["error"]
    least = int(
        run(prompts, Asks(max_tokens=2), start_over=True)[0]["error"].split("at least ")[1].rstrip(".")
    )
    for most in (least, least + 1, 20):
        for line in run(prompts, Asks(max_tokens=most), start_over=True):
            assert json.loads(line["text"]) == line["value"] and line["tokens"] <= most
    assert "the shortest takes" in run(prompts, Asks(max_tokens=least - 1), start_over=True)[0]["error"]


def test_the_end_token_has_its_place_in_the_window_of_the_model(prompts: Path) -> None:
    asks, size = Asks(sg.literal("x" * 50), max_tokens=50), len(TOKENIZER.encode(b"p0"))
    for window, reason in ((size + 50, None), (size + 51, "stop")):
        options = {"max_model_len": window}
        line = run(prompts, asks, engine_options=options, start_over=True)[0]
        assert line.get("finish_reason") == reason


def test_prompts_that_leave_no_room_are_refused_in_their_lines(prompts: Path) -> None:
    options = {"max_model_len": 70}
    texts = run(prompts, Asks(max_tokens=69), engine_options=options)
    assert all("the model's context is 70" in line["error"] for line in texts)
    texts = run(prompts, Asks(max_tokens=None), engine_options=options, start_over=True)
    assert all(line["finish_reason"] == "stop" for line in texts)


def test_a_mask_that_cannot_be_filled_is_the_error_of_its_line(
    prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from structgen.doors.integrations.engine_grammars import EngineText

    taken = EngineText.take_token

    def take(self: EngineText, token: int) -> None:
        if self.size == 5:
            raise sg.StructgenError("It cannot be filled.", cure="Ask for less.")
        taken(self, token)

    monkeypatch.setattr(EngineText, "take_token", take)
    assert {line["finish_reason"] for line in run(prompts, Asks())} == {"error"}


# --- lines --------------------------------------------------------------------------------------------------


def test_lines_have_the_shape_of_our_own_engine(prompts: Path, tmp_path: Path) -> None:
    run_bulk(sg.Engine("structgen/extract", device="cpu"), prompts, tmp_path / "one.jsonl", _refuses_p3)
    own = {line["line"]: line for line in map(json.loads, (tmp_path / "one.jsonl").read_text().splitlines())}
    for line in run(prompts, _refuses_p3):
        assert list(line) == list(own[line["line"]])
        assert (line["id"], line.get("error")) == (own[line["line"]]["id"], own[line["line"]].get("error"))


def test_free_texts_end_at_a_stop_string_or_at_max_tokens(prompts: Path) -> None:
    free = run(prompts, Asks(None, max_tokens=30))
    assert all(line["finish_reason"] == "max_tokens" and line["tokens"] == 30 for line in free)
    stop = free[0]["text"][10:12]
    cut = run(prompts, Asks(None, max_tokens=30, stop=stop), start_over=True)[0]
    assert (cut["text"], cut["finish_reason"]) == (free[0]["text"].partition(stop)[0], "stop")


def test_what_a_request_says_of_sampling_reaches_vllm(
    prompts: Path, vllm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    plain = vllm.LLM.generate
    monkeypatch.setattr(
        vllm.LLM,
        "generate",
        lambda self, a, params, **b: (seen.extend(params), plain(self, a, params, **b))[1],
    )
    how = {"temperature": 0.5, "top_p": 0.9, "top_k": 7, "presence_penalty": 1.0, "frequency_penalty": -1.0}
    run(prompts, Asks(sampling=sg.Sampling(**how, logit_bias={50: 2.0})))
    for one in seen:
        assert {name: getattr(one, name) for name in how} == how and one.logit_bias == {50: 2.0}
        assert one.max_tokens == 61
    assert sorted(one.seed for one in seen) == list(range(COUNT))
    seen.clear()
    run(prompts, Asks(), start_over=True)
    assert {one.temperature for one in seen} == {0.0}


def test_results_of_another_engine_or_other_options_are_refused(prompts: Path) -> None:
    run(prompts, Asks())
    with pytest.raises(sg.errors.OptionError, match=r"another model\."):
        run(prompts, Asks(), engine_options={"max_model_len": 300})
    path = prompts.parent / "out.run"
    path.write_text(path.read_text().replace(" with vllm 0.32.0", ""))
    with pytest.raises(sg.errors.OptionError, match=r"another version of structgen"):
        run(prompts, Asks())


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("n", {"n": 2}),
        ("timeout", {"timeout": 3.0}),
        ("logprobs", {"logprobs": 2}),
        ("thinking", {"thinking": sg.Thinking()}),
        ("speculation", {"speculation": sg.Speculation()}),
        ("end_margin", {"end_margin": 3}),
        ("healing", {"healing": True}),
        ("special_texts", {"special_texts": True}),
        ("temperature", {"sampling": sg.Sampling(temperature=0.001)}),
        ("temperature", {"sampling": sg.Sampling(temperature=3.0)}),
        ("presence_penalty", {"sampling": sg.Sampling(presence_penalty=2.5)}),
        ("frequency_penalty", {"sampling": sg.Sampling(frequency_penalty=-3.0)}),
        ("min_p", {"sampling": sg.Sampling(min_p=0.1, top_p=0.9)}),
        ("logit_bias", {"sampling": sg.Sampling(logit_bias={4: 1.0}, repetition_penalty=1.1)}),
        ("min_tokens", {"grammar": None, "stop": "x", "sampling": sg.Sampling(min_tokens=2)}),
    ],
)
def test_what_vllm_does_otherwise_is_refused_before_anything_is_begun(
    prompts: Path, workers: in_process_workers.InProcessWorkers, name: str, options: dict[str, Any]
) -> None:
    with pytest.raises(sg.errors.OptionError, match=f"what {name} asks for here") as caught:
        run(prompts, Asks(**options))
    assert caught.value.where == name and not workers.shards and not (prompts.parent / "out").exists()


def test_an_engine_that_is_not_known_is_refused_with_those_that_are(prompts: Path) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"engine must be one of structgen, vllm, got 'tgi'"):
        run(prompts, Asks(), engine="tgi")
    with pytest.raises(sg.errors.OptionError, match="engine_options"):
        run(prompts, Asks(), engine="structgen", engine_options={"dtype": "auto"})


def test_a_release_that_is_not_known_is_refused(prompts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["vllm"], "__version__", "0.34.0")
    with pytest.raises(sg.StructgenError, match=r"does not know vllm 0\.34\.0"):
        run(prompts, Asks())


def test_a_vllm_that_is_missing_or_does_not_start_is_told(
    prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(sg.StructgenError, match="This vLLM runs on cpu"):
        run(prompts, Asks(), device="xpu")
    for name in ("unheard_of", "max_num_seqs"):
        with pytest.raises(sg.StructgenError, match=rf"vLLM did not start: .*{name}"):
            run(prompts, Asks(), engine_options={name: 3})
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(sg.StructgenError, match=r"vLLM needs vllm, which is not installed.*pip install vllm"):
        run(prompts, Asks())


def test_the_command_names_the_engine(prompts: Path) -> None:
    out = prompts.parent / "out"
    given = ["bulk", "--prompts", str(prompts), "--out", str(out), "--regex", "ab{2}", "--model", str(FOLDER)]
    refused = CliRunner().invoke(app(), [*given, "-o", "engine=vllm"])
    assert refused.exit_code == 2 and "Add --ray" in refused.stderr
    refused = CliRunner().invoke(app(), [*given, "--ray", "-o", "engine=vllm", "-o", "engine_options=[1]"])
    assert (
        refused.exit_code == 2
        and "engine_options must be Mapping or None, got list. Pass an object" in refused.stderr
    )
    options = ["--ray", "-o", "engine=vllm", "-o", 'engine_options={"max_model_len": 99}']
    found = CliRunner().invoke(app(), [*given, *options])
    assert found.exit_code == 0, found.output
    assert [json.loads(line)["text"] for line in out.read_bytes().splitlines()] == ["abb"] * COUNT
    assert "max_model_len" not in out.with_name("out.run").read_text(), "options may hold a secret"
