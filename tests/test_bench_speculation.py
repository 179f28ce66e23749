"""bench_speculation.py: answers and workloads are the frozen ones, counts and tables say what they should."""

from __future__ import annotations

import json
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

import structgen as sg

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests" / "decoding" / "engine")]
pytest.importorskip("torch")

import bench_speculation as counts  # noqa: E402
import speculation_answers as answers  # noqa: E402
import speculation_texts as texts  # noqa: E402
from small_models import TreeFunction  # noqa: E402

from structgen.decoding.speculation.drafts.drafter import RequestFacts  # noqa: E402
from structgen.decoding.speculation.speculation_options import Speculation  # noqa: E402

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


# --- workloads ----------------------------------------------------------------------------------------------


def test_workloads_are_the_frozen_ones() -> None:
    found = json.dumps(texts.workloads()).encode()
    assert blake2b(found, digest_size=8).hexdigest() == "9b52af8d091dc32b"


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
    tokens, calls, _ = counts.counted(answer, chosen, ["one line"])[counts.SAME, counts.LOOKUP, "one line"]
    facts, written, _ = counts.facts_of(answer, counts.SAME, "one line", tokenizer)
    assert calls == _plain_lookup(list(facts.prompt), written, 10, 3)
    assert calls < 0.9 * tokens


def test_calls_per_token_are_all_calls_over_all_tokens_and_ratios_are_to_the_same_answers() -> None:
    def cell(drafters: str) -> tuple[str, str, str]:
        return counts.SAME, drafters, "one line"

    long = {cell(counts.LOOKUP): (100, 50, 0), cell(counts.LLGUIDANCE): (100, 75, 0)}
    short = {cell(counts.LOOKUP): (10, 10, 0)}
    rows = {row["drafters"]: row for row in counts.rows([long, short])}
    assert rows[counts.LOOKUP]["calls_per_token"] == pytest.approx(60 / 110)
    assert rows[counts.LOOKUP]["mean_of_answers"] == pytest.approx((0.5 + 1) / 2)
    assert rows[counts.LLGUIDANCE]["ratio_to_prompt_lookup"] == pytest.approx(75 / 50)


# --- the engine ---------------------------------------------------------------------------------------------


def test_the_engine_takes_the_calls_that_replay_counts(tokenizer: sg.Tokenizer) -> None:
    prompt = tokenizer.encode(b"abc abd abc abd")
    grammar = sg.regex("(ab[cd] ){12}")
    compiled = sg.compile(grammar, tokenizer)
    greedy = sg.Sampling(temperature=0.0)
    engine = texts.free_rows(sg.Engine(TreeFunction(tokenizer.vocab_size), tokenizer, max_rows=1))
    how = Speculation([counts.PromptLookup], nodes=10)
    plain, drafted = (
        engine.generate(sg.Request(prompt, compiled, greedy, max_tokens=90, speculation=one))[0]
        for one in ("off", how)
    )
    assert drafted.tokens == plain.tokens
    # the first token is the prompt's pass's: replay drafts for it, the engine cannot
    matcher = sg.Matcher(compiled)
    matcher.advance(plain.tokens[0])
    facts = RequestFacts([*prompt, plain.tokens[0]], tokenizer)
    view = counts.replay(plain.tokens[1:], [counts.PromptLookup()], facts, matcher, 10)
    assert drafted.usage.calls == view.calls < len(plain.tokens) - 1


def test_without_maskbench_it_says_that_nothing_was_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STRUCTGEN_MASKBENCH", raising=False)
    counts.main(["--results", str(tmp_path)])
    assert "not measured" in capsys.readouterr().out and not [*tmp_path.iterdir()]
