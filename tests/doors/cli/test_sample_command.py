"""`structgen sample`: draws from the model's own distribution, on the command line."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Result, commanded

import structgen as sg
from structgen.tokens.tokenizer import byte_tokenizer

PROMPT = "Zorvik has paid."
SCHEMA = {
    "type": "object",
    "properties": {"paid": {"type": "boolean"}},
    "required": ["paid"],
    "additionalProperties": False,
}
BOTH = {'{"paid": true}', '{"paid": false}'}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "paid.json").write_text(json.dumps(SCHEMA))
    monkeypatch.chdir(tmp_path)


def run(command: str, *arguments: str) -> Result:
    return commanded(command, "--model", "structgen/extract-draft", "--prompt", PROMPT, *arguments)


def test_texts_are_printed_one_a_line_and_a_summary_beside() -> None:
    done = run("sample", "--schema", "paid.json", "--method", "importance", "--n", "5", "--max-tokens", "30")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 5
    assert set(lines) <= BOTH
    for said in ("weighted", "log Z", "Z, proven", "accepted", "model rows", "worth"):
        assert said in done.stderr


def test_equal_samples_bring_a_hint() -> None:
    schema = ["--schema", "paid.json", "--max-tokens", "30"]
    for options, same in (
        (["--n", "2", *schema], True),
        (["--n", "2", "--temperature", "1", *schema], False),
        (schema, False),
    ):
        told = run("generate", *options).stderr
        assert ("all samples are the same. Add --temperature 1." in told) == same


def test_policies_of_the_schema_arrive() -> None:
    schema = ["--schema", "paid.json", "--max-tokens", "30"]
    assert run("generate", *schema, "-o", "whitespace=compact").stdout in (
        '{"paid":true}\n',
        '{"paid":false}\n',
    )
    assert '{\n  "paid": ' in run("generate", *schema, "-o", "whitespace=2").stdout
    Path("list.json").write_text('{"type": "array", "items": {"type": "string"}, "minItems": 1}')
    bounded = run("generate", "--schema", "list.json", "-o", "max_string=2", "-o", "max_items=1")
    (text,) = json.loads(bounded.stdout)
    assert len(text) <= 2
    refused = run("generate", "--regex", "a", "-o", "max_string=2")
    assert (refused.exit_code, "-o max_string: The option needs a schema" in refused.stderr) == (2, True)


def test_weights_stand_before_the_texts() -> None:
    done = run("sample", "--schema", "paid.json", "--n", "9", "-o", "weights=true", "--max-tokens", "30")
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert sum(float(weight) for weight, *_ in rows) == pytest.approx(1, abs=1e-4)
    assert all(float(logprob) < 0 and text in BOTH for _, _, logprob, text in rows)


def test_the_draws_are_those_of_the_library() -> None:
    """The same prompt as `generate` sends, the same options."""
    from structgen.grammars.json_grammars.prompting import extraction_prompt

    options = ["--method", "cars", "--n", "3", "--seed", "7", "-o", "temperature=0.5", "--max-tokens", "30"]
    done = run("sample", "--schema", "paid.json", *options, "--json")
    grammar = sg.json_schema(SCHEMA, **(sg.JSON_DUMPS | {"escapes": "utf8"}))
    found = sg.sample(
        "structgen/extract-draft",
        extraction_prompt(grammar, PROMPT),
        grammar,
        3,
        method="cars",
        seed=7,
        temperature=0.5,
        max_tokens=30,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["token_ids"] for line in lines] == [list(tokens) for tokens in found.token_ids]
    assert [line["weight"] for line in lines] == pytest.approx([1 / 3] * 3)
    assert [line["logprob"] for line in lines] == pytest.approx(list(found.logprobs))


def test_every_option_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def sample(model: Any, prompt: Any, grammar: Any, n: int, **options: Any) -> Any:
        seen.update(options, n=n)
        raise sg.StructgenError("Seen.")

    monkeypatch.setattr("structgen.decoding.samplers.sample.sample", sample)
    numbers = {"n": 7, "budget": 11, "seconds": 2.5, "until": 0.1, "seed": 3, "max_tokens": 9}
    options = [
        text
        for name, value in numbers.items()
        for text in (
            ("-o", f"{name}={value}")
            if name in ("seconds", "until")
            else (f"--{name.replace('_', '-')}", str(value))
        )
    ]
    assert run("sample", "--regex", "a", "--method", "cars", "-o", "temperature=0.7", *options).exit_code == 1
    assert {name: seen[name] for name in numbers} == numbers
    assert (seen["temperature"], seen["method"]) == (0.7, "cars")
    run("sample", "--regex", "a", "--method", "smc")
    assert seen["temperature"] == 1.0


def test_the_interval_that_ends_a_run_may_be_that_of_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def sample(*arguments: Any, until: Any, **options: Any) -> Any:
        seen.append(until)
        raise sg.StructgenError("Seen.")

    monkeypatch.setattr("structgen.decoding.samplers.sample.sample", sample)
    Path("options.toml").write_text('until = ["paid", 0.2]')
    schema = ("sample", "--schema", "paid.json")
    assert run(*schema, "-o", 'until=["paid", 0.2]').exit_code == 1
    assert run(*schema, "--options", "options.toml").exit_code == 1
    assert seen == [["paid", 0.2], ["paid", 0.2]]
    refused = run(*schema, "-o", 'until=["paid"]')
    assert (refused.exit_code, "-o until" in refused.stderr, '("path", width)' in refused.stderr) == (
        2,
        True,
        True,
    )


def test_a_run_ends_where_the_interval_of_a_field_is_narrow() -> None:
    options = ("--method", "cars", "--n", "5000", "--max-tokens", "30", "-o", 'until=["paid", 0.5]')
    done = run("sample", "--schema", "paid.json", *options)
    assert "as the interval was narrow enough" in done.stderr
    assert len(done.stdout.splitlines()) < 5000


def test_draws_are_written_to_a_file_in_place_of_printing(tmp_path: Path) -> None:
    done = run("sample", "--schema", "paid.json", "--n", "4", "--out", "draws.jsonl")
    assert (done.exit_code, done.stdout) == (0, "")
    found = sg.Samples.from_jsonl(tmp_path / "draws.jsonl")
    assert set(found.texts) <= BOTH
    assert found.about["model"] == "structgen/extract-draft"


def test_a_budget_too_small_for_one_draw_has_exit_status_1_and_a_bracket() -> None:
    done = run("sample", "--schema", "paid.json", "--method", "rejection", "--budget", "1")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "Z, proven" in done.stderr
    assert "budget" in done.stderr


def test_a_language_without_a_text_in_reach_has_exit_status_1() -> None:
    done = run("sample", "--regex", "(yes){200}", "--max-tokens", "2", "--budget", "5000")
    assert done.exit_code == 1
    assert "Z = 0" in done.stderr


def test_ctrl_c_prints_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    from structgen.decoding.speculation.drafts.model_rows import ModelRows

    read, told = ModelRows.read, []

    def interrupted(self: ModelRows, prefixes: Any) -> Any:
        told.append(prefixes)
        if len(told) == 100:
            signal.raise_signal(signal.SIGINT)
        return read(self, prefixes)

    monkeypatch.setattr(ModelRows, "read", interrupted)
    options = ("--method", "rejection", "--n", "500", "-o", "max_rows=1", "--max-tokens", "30")
    done = run("sample", "--schema", "paid.json", *options)
    assert done.exit_code == 130
    assert 0 < len(done.stdout.splitlines()) < 500
    assert "by an interrupt" in done.stderr


@pytest.mark.parametrize(
    ("options", "where"),
    [
        (["sample", "--method", "cras", "--regex", "a"], "method"),
        (["sample"], "--schema"),
        (["sample", "--regex", "a", "-o", "temperature=0"], "temperature"),
        (["sample", "--regex", "a", "-o", "stop=x"], "belongs to structgen bulk and to structgen generate"),
        (["sample", "--regex", "a", "-o", "seconds=0"], "seconds"),
        (["sample", "--regex", "a", "-o", "until=nan"], "until"),
        (["sample", "--regex", "a", "--method", "smc", "-o", "until=1"], "smc has no intervals"),
        (["sample", "--regex", "a", "--out", "nowhere/draws.jsonl"], "--out"),
        (["sample", "--regex", "a", "-o", "standard_error=1"], "Write until="),
        (["sample", "--regex", "a", "-o", "tree=tree.npz"], "sg.sample(tree="),
    ],
)
def test_options_that_do_not_go_together_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, options: list[str], where: str
) -> None:
    def loaded(*arguments: Any, **named: Any) -> Any:
        pytest.fail("The model is not needed to tell.")

    monkeypatch.setattr("structgen.decoding.engine.Engine", loaded)
    done = run(*options)
    assert (done.exit_code, where in done.stderr) == (2, True), done.stderr


# --- structgen sample-report --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def draws(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of draws from a model that writes `true` three times of four, and `null` behind some of them."""
    tokenizer = byte_tokenizer()
    wanted = {b'{"paid": ': {b"t": 0.3, b"f": 0.1, b"n": 0.6}}

    def model(ids: list[int]) -> np.ndarray:
        text = tokenizer.decode(ids)
        row = np.full(tokenizer.vocab_size, -30.0)
        for whole in (b'{"paid": true}', b'{"paid": false}'):
            if whole.startswith(text) and len(text) < len(whole):
                row[whole[len(text)]] = 0.0
        for byte, share in wanted.get(text, {}).items():
            row[byte[0]] = np.log(share)
        if text.endswith(b"}"):
            row[list(tokenizer.eos_token_ids)] = 0.0
        return row

    found = sg.sample(
        model,
        [],
        sg.json_schema(SCHEMA, **sg.JSON_DUMPS),
        20,
        method="beams",
        tokenizer=tokenizer,
        name="toy",
        max_tokens=20,
    )
    path = tmp_path_factory.mktemp("draws") / "draws.jsonl"
    found.to_jsonl(path)
    return path


def run_report(*arguments: object) -> Result:
    return commanded("sample-report", *arguments)


def test_the_table(draws: Path) -> None:
    done = run_report(draws)
    assert done.exit_code == 0, done.stderr
    for said in (
        "worth every valid text is known: no sampling error",
        "accepted",
        "KL(target || masked)",
        "paid = True 75.0% (proven: 75.0%, to the digits shown)",
        # Six tenths of the mass behind `{"paid": ` would go on with `null`.
        "removed at token 10 60.0% (proven: 60.0%, to the digits shown) of the model's mass; 100% of",
    ):
        assert said in " ".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_numbers_as_json(draws: Path) -> None:
    said = json.loads(run_report(draws, "--json").stdout)
    (paid,) = [field for field in said["fields"] if field["field"] == "paid"]
    assert [one["value"] for one in paid["values"]] == [True, False]
    assert paid["values"][0]["share"][0] == pytest.approx(0.75, abs=1e-6)
    assert said["removed_by_position"][9]["removed"][0] == pytest.approx(0.6, abs=1e-6)


def test_the_page(draws: Path, tmp_path: Path) -> None:
    done = run_report(draws, "--html", tmp_path / "page.html")
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for title in ("Mass removed by position", "The heaviest draws", "Fields"):
        assert title in page
    assert "token 10: 60.0% removed" in page
    assert {one.name for one in tmp_path.iterdir()} == {"page.html", "paid.json"}


@pytest.mark.parametrize("as_json", [False, True])
def test_a_damaged_file_has_exit_status_2_and_its_line(draws: Path, tmp_path: Path, as_json: bool) -> None:
    (tmp_path / "draws.jsonl").write_bytes(draws.read_bytes()[:-9])
    done = run_report(tmp_path / "draws.jsonl", *(["--json"] if as_json else []))
    assert done.exit_code == 2
    assert "draws.jsonl, line" in done.output


def test_a_comparison_takes_draws_by_masking(draws: Path) -> None:
    done = run_report(draws, "--masked", draws)
    assert (done.exit_code, "draws by beams" in done.stderr) == (2, True)


def test_a_file_that_is_not_there_and_an_option_that_went(draws: Path) -> None:
    assert run_report("nothing.jsonl").exit_code == 2
    done = run_report(draws, "--false-accepts", "0.1")
    assert (done.exit_code, "a / (a + (1 - a) f)" in done.stderr) == (2, True)


def test_a_grammar_that_removes_nothing_is_told(tmp_path: Path) -> None:
    def model(ids: list[int]) -> np.ndarray:
        row = np.full(257, -99.0)
        row[[256] if ids else [ord("a"), ord("b")]] = 0.0
        return row

    found = sg.sample(model, [], sg.regex("[ab]"), 2, tokenizer=byte_tokenizer(), name="free")
    found.to_jsonl(tmp_path / "draws.jsonl")
    told = " ".join(run_report(tmp_path / "draws.jsonl").stdout.split())
    assert "The grammar removes less than 0.05% of the mass at each token" in told
