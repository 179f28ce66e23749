"""bench_speculation.py: answers and workloads are the frozen ones, models and tables say what they should."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import structgen as sg

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "bench"))
pytest.importorskip("torch")

import speculation_answers as answers  # noqa: E402
import speculation_counts as counts  # noqa: E402
import speculation_walls as walls  # noqa: E402
import speculation_workloads as workloads  # noqa: E402
import torch  # noqa: E402
from speculation_models import Recorded, random_llama  # noqa: E402

from structgen.speculation.drafts.drafter import RequestFacts  # noqa: E402
from structgen.speculation.planning.row_trial import RowTrial  # noqa: E402
from structgen.speculation.speculation_options import Speculation  # noqa: E402

SCHEMA = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in "abcdefgh"} | {"n": {"type": "integer"}},
    "required": ["a", "n"],
    "additionalProperties": False,
}
VALUES = [{"a": "one", "n": 1}, {"a": "two", "n": 22}, {"a": "one"}]


# --- the frozen answers -------------------------------------------------------------------------------------


def _frozen_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Write a MaskBench of one case, and freeze it; returns the row."""
    case = {
        "schema": SCHEMA,
        "tests": [{"valid": at != 2, "data": value} for at, value in enumerate(VALUES)],
    }
    (folder / "one.json").write_text(json.dumps(case))
    row = {"name": "one.json", "answer": 1, "earlier": 0, "changed": [["a"], ["n"]]}
    value = answers._replaced(VALUES[1], [("a",), ("n",)], "one.json")
    row["digest"] = answers.digest(
        answers.Answer("one.json", json.dumps(SCHEMA), VALUES[1], VALUES[0], value)
    )
    monkeypatch.setattr(answers, "frozen", lambda: {"answers": [row]})
    return row


def test_the_frozen_list_has_800_answers_of_as_many_cases() -> None:
    kept = answers.frozen()
    assert (kept["seed"], kept["spellings"]) == (answers.SEED, list(answers.SPELLINGS))
    assert len({row["name"] for row in kept["answers"]}) == len(kept["answers"]) == answers.COUNT
    assert sum(row["changed"] is not None for row in kept["answers"]) == 472


def test_a_frozen_answer_is_read_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _frozen_from(tmp_path, monkeypatch)
    (found,) = answers.answers(tmp_path)
    assert (found.value, found.earlier) == (VALUES[1], VALUES[0])
    assert json.loads(found.schema) == SCHEMA
    assert {key for key in found.value if found.value[key] != found.changed[key]} == {"a", "n"}


def test_another_text_than_the_frozen_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = _frozen_from(tmp_path, monkeypatch)
    other = (tmp_path / "one.json").read_text().replace("22", "23")
    (tmp_path / "one.json").write_text(other)
    with pytest.raises(answers.AnswersError, match="another text"):
        answers.answers(tmp_path)
    row["name"] = "two.json"
    with pytest.raises(answers.AnswersError, match=r"There is no case two\.json"):
        answers.answers(tmp_path)


def test_two_fields_are_changed_where_the_grammar_takes_it() -> None:
    document = {name: f"value {name}" for name in "abcdefghij"}
    paths = answers.changed_paths(document, "x", lambda made: made["a"] == document["a"])
    assert paths is not None and len(paths) == 2 and ("a",) not in paths
    assert answers.changed_paths(document, "x", lambda _: False) is None
    assert answers.changed_paths({"a": "too short"}, "x", lambda _: True) is None


# --- workloads ----------------------------------------------------------------------------------------------


def test_workloads_are_made_the_same_twice() -> None:
    assert workloads.digest(workloads.workloads()) == workloads.DIGEST
    assert workloads.digest(workloads.workloads()) == workloads.DIGEST


def test_a_changed_order_has_two_other_values() -> None:
    for item in workloads.workloads()[workloads.CHANGED].items:
        words = [prompt.split() for prompt in (item.before, item.prompt)]
        changed = sum(one != two for one, two in zip(*words, strict=True))
        assert 1 <= changed <= 4, item  # a date has three words, and a drawn value may be the old one


# --- counting -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer() -> sg.Tokenizer:
    return sg.Tokenizer.from_huggingface(str(ROOT / "tests" / "data" / "bpe"))


def _plain_lookup(prompt: list[int], tokens: list[int], most: int, longest: int) -> int:
    """Return the calls of prompt lookup, worked out by scanning: the first place of the longest suffix."""
    at = calls = 0
    while at < len(tokens):
        text = prompt + tokens[:at]
        draft: list[int] = []
        for length in range(min(longest, len(text) - 1), 0, -1):
            places = [i for i in range(len(text) - length) if text[i : i + length] == text[-length:]]
            if places:
                draft = text[places[0] + length :][:most]
                break
        while draft and at < len(tokens) and draft[0] == tokens[at]:
            draft, at = draft[1:], at + 1
        at, calls = at + 1, calls + 1
    return calls


def test_prompt_lookup_is_counted_as_a_scan_of_the_text_counts_it(
    tokenizer: sg.Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "_tokenizer", lambda: tokenizer)
    value = {"a": "k78a m78b n78c m78b n78c m78b n78c", "n": 77}
    answer = answers.Answer("x", json.dumps(SCHEMA), value, {"a": "", "n": 0})
    chosen = [one for one in counts.SETS if one.title == counts.LOOKUP]
    found = [one for one in counts.counted(answer, 0, chosen, ["one line"]) if one.drafters == counts.LOOKUP]
    facts, tokens, _ = counts.facts_of(answer, counts.SAME, "one line", tokenizer)
    assert [one.calls for one in found] == [_plain_lookup(list(facts.prompt), tokens, 10, 3)]
    assert found[0].calls < 0.9 * found[0].tokens


def test_calls_per_token_are_all_calls_over_all_tokens_and_ratios_are_to_the_same_answers() -> None:
    def one(answer: int, drafters: str, tokens: int, calls: int) -> counts.Count:
        return counts.Count(answer, "one line", counts.SAME, drafters, tokens, calls, 0)

    made = [one(0, counts.LOOKUP, 100, 50), one(1, counts.LOOKUP, 10, 10), one(0, counts.LLGUIDANCE, 100, 75)]
    made += [one(0, "tree of 16", 100, 30), one(1, "tree of 16", 10, 8)]
    rows = {row[2]: dict(zip(counts.COLUMNS, row, strict=True)) for row in counts.rows(made)}
    assert rows[counts.LOOKUP]["calls_per_token"] == pytest.approx(60 / 110)
    assert rows[counts.LLGUIDANCE]["ratio_to_prompt_lookup"] == pytest.approx(75 / 50)
    assert rows["tree of 16"]["reached"] == "yes"
    assert "| 0.345 |" in counts.markdown(counts.rows(made))


# --- a model that is told what to choose --------------------------------------------------------------------


def test_the_engine_writes_the_recorded_answer_and_takes_the_calls_that_replay_counts(
    tokenizer: sg.Tokenizer,
) -> None:
    import speculation_engine_counts as engine_counts

    model = random_llama(64, 1, 128, -(-tokenizer.vocab_size // 64) * 64, context=1024)
    prompt = tokenizer.encode(b"abc abd abc abd")
    recorded = [*tokenizer.encode(b'{"a": "abc abd abc abd", "n": 12}'), tokenizer.eos_token_ids[0]]
    compiled = sg.compile(sg.json_schema(SCHEMA, **sg.JSON_DUMPS), tokenizer)
    engine: Any = sg.Engine(Recorded(model, [(prompt, recorded)]), tokenizer, max_rows=1)
    engine._loop._speculator = engine_counts.FreeRows()
    how = Speculation([counts.PromptLookup], nodes=10)
    greedy = sg.Sampling(temperature=0.0)
    for speculation in ("off", how):
        (result,) = engine.generate(
            sg.Request(prompt, compiled, greedy, max_tokens=60, speculation=speculation)
        )
        assert walls.with_end(result, tokenizer) == recorded
    # the first token is the prompt's pass's: replay drafts for it, the engine cannot
    view = counts.replay(
        recorded[1:],
        [counts.PromptLookup()],
        RequestFacts([*prompt, recorded[0]], tokenizer),
        _behind(compiled, recorded[0]),
        10,
    )
    assert result.usage.calls == view.calls < len(recorded) - 1


def _behind(compiled: Any, token: int) -> sg.Matcher:
    matcher = sg.Matcher(compiled)
    matcher.advance(token)
    return matcher


def test_a_text_that_left_its_answer_has_the_models_own_logits() -> None:
    model = random_llama(64, 1, 128, 64, context=64)
    told = Recorded(model, [([1, 2], [5, 6, 7, 8])])
    first, cache = told.prefill([1, 2])
    assert int(first.argmax()) == 5
    _, own = model.prefill([1, 2])
    tree = told.decode_tree([5, 6, 9], [-1, 0, 0], [3], [cache])
    expected = model.decode_tree([5, 6, 9], [-1, 0, 0], [3], [own])
    assert tree[:2].argmax(-1).tolist() == [6, 7]
    assert torch.equal(tree[2], expected[2])


# --- wall times ---------------------------------------------------------------------------------------------


def test_a_speed_up_is_the_median_of_paired_ratios_and_goals_stand_at_the_best_setting() -> None:
    about = "extract", workloads.CHANGED, 1
    plain = walls.Cell(*about, walls.OFF, [2.0, 4.0, 9.0], [2.0, 4.0, 9.0], 10, 10)
    auto = walls.Cell(*about, walls.AUTO, [2.0, 2.0, 6.0], [1.0, 1.0, 1.0], 10, 5)
    best = walls.Cell(*about, "caller's text", [1.0, 2.0, 3.0], [1.0, 1.0, 1.0], 10, 2, differ=1)
    table = walls.rows([plain, auto, best])
    rows = {row[3]: dict(zip(walls.COLUMNS, row, strict=True)) for row in table}
    assert [rows[mode]["speedup_wall"] for mode in rows] == [1.0, 1.5, 2.0]
    assert (rows["caller's text"]["goal"], rows["caller's text"]["reached"]) == (1.8, "yes")
    assert rows[walls.AUTO]["goal"] == walls.NEVER_UNDER
    assert rows["caller's text"]["calls_per_token"] == 0.2
    assert walls.partings([plain, auto, best]) == 1
    assert "| caller's text |" in walls.markdown(table)


def test_what_auto_costs_is_the_median_of_paired_ratios_with_an_interval() -> None:
    about = "extract", workloads.SAME, 1
    seconds = [1.0 + 0.01 * at for at in range(100)]
    cells = [
        walls.Cell(*about, walls.OFF, seconds, seconds),
        walls.Cell(*about, walls.AUTO, [1.2 * one for one in seconds], seconds, drafted=3, differ=1),
        walls.Cell("extract", workloads.CHANGED, 1, walls.OFF, [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]),
        walls.Cell("extract", workloads.CHANGED, 1, walls.AUTO, [1.0, 2.0, 3.0], [1.0, 1.0, 1.0]),
    ]
    rows = [dict(zip(walls.PAIR_COLUMNS, row, strict=True)) for row in walls.pair_rows(cells)]
    assert [row["workload"] for row in rows] == [workloads.SAME, workloads.CHANGED, "all"]
    assert rows[0]["wall_ratio"] == pytest.approx(1.2) and rows[0]["cpu_ratio"] == 1.0
    assert [rows[1][name] for name in ("wall_ratio", "wall_from", "wall_to")] == [2.0, 1.0, 3.0]
    assert [rows[2][name] for name in ("pairs", "drafted", "differ")] == [103, 3, 1]


def test_every_workload_is_measured_off_and_auto_first() -> None:
    for name in workloads.NAMES:
        titles = [mode.title for mode in walls.modes(name)]
        assert titles[:2] == [walls.OFF, walls.AUTO] and len(set(titles)) == len(titles) > 2


@pytest.mark.slow
def test_another_device_is_measured_at_batch_1_with_replayed_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import bench_speculation
    import speculation_models

    def small(device: str, dtype: torch.dtype) -> Any:
        return random_llama(64, 1, 128, 4096, context=2048, device=device, dtype=dtype)

    monkeypatch.setattr(speculation_models, "llama_1b", small)
    # it stands in for a large model, whose drafts pay
    monkeypatch.setattr(RowTrial, "measure", lambda trial, _: setattr(trial, "pays", True))
    monkeypatch.setattr(workloads, "NAMES", (workloads.HELD_OUT,))
    words = ["--device", "cpu:0", "--dtype", "bfloat16", "--quick", "--results", str(tmp_path)]
    assert bench_speculation.main(words) == 0
    assert "| 1B | held-out sentences | 1 | auto |" in capsys.readouterr().out
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("speculation-walls-cpu-")
    with file.open() as lines:
        rows = {row["mode"]: row for row in csv.DictReader(lines)}
    assert float(rows["auto"]["calls_per_token"]) < 0.9 < float(rows["off"]["calls_per_token"])
    assert {row["differ"] for row in rows.values()} == {"0"}


def test_without_maskbench_and_without_a_gpu_it_says_that_nothing_was_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import bench_speculation

    monkeypatch.delenv("STRUCTGEN_MASKBENCH", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    words = ["--results", str(tmp_path)]
    assert bench_speculation.main(["--parts", "counts", *words]) == 0
    assert bench_speculation.main(["--device", "cuda", *words]) == 0
    assert capsys.readouterr().out.count("not measured") == 2
