"""`structgen sample-report`: a table of draws, and a page with pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import structgen as sg
from structgen.cli import app
from structgen.tokens.tokenizer import byte_tokenizer


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

    schema = {
        "type": "object",
        "properties": {"paid": {"type": "boolean"}},
        "required": ["paid"],
        "additionalProperties": False,
    }
    found = sg.sample(
        model,
        [],
        sg.json_schema(schema, **sg.JSON_DUMPS),
        20,
        method="beams",
        tokenizer=tokenizer,
        name="toy",
        max_tokens=20,
    )
    path = tmp_path_factory.mktemp("draws") / "draws.jsonl"
    found.to_jsonl(path)
    return path


@pytest.fixture
def run() -> Callable[..., Any]:
    return lambda *arguments: CliRunner().invoke(app(), ["sample-report", *map(str, arguments)])


def test_the_table(run: Callable[..., Any], draws: Path) -> None:
    done = run(draws)
    assert done.exit_code == 0, done.stderr
    for said in (
        "effective sample size",
        "accepted",
        "KL(target || masked)",
        "paid",
        "75.0%",
        "75.0% (95 %: 75.0%, to the digits shown) 75.0% True",
        "share under masking value",
    ):
        assert said in " ".join(done.stdout.split())
    # Six tenths of the mass behind `{"paid": ` would go on with `null`.
    assert " 10 60.0% (95 %: 60.0%, to the digits shown) " in " ".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_numbers_as_json(run: Callable[..., Any], draws: Path) -> None:
    said = json.loads(run(draws, "--json", "--false-accepts", "0.1").stdout)
    (paid,) = [field for field in said["fields"] if field["field"] == "paid"]
    assert [one["value"] for one in paid["values"]] == [True, False]
    assert paid["values"][0]["share"][0] == pytest.approx(0.75, abs=1e-6)
    assert said["removed_by_position"][9]["removed"][0] == pytest.approx(0.6, abs=1e-6)
    assert said["ceiling"]["right"][0] == pytest.approx(0.3 / 0.9, abs=1e-6)
    assert said["ceiling"]["right_given_accepted"][0] == pytest.approx((0.3 / 0.9) / 0.4, abs=1e-6)


def test_the_page(run: Callable[..., Any], draws: Path, tmp_path: Path) -> None:
    done = run(draws, "--html", tmp_path / "page.html", "--false-accepts", "0.1")
    assert done.exit_code == 0, done.stderr
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for title in ("Mass removed by position", "Distribution of the weights", "Ceiling of accuracy", "Fields"):
        assert title in page
    assert "token 10: 60.0% removed" in page
    assert [one.name for one in tmp_path.iterdir()] == ["page.html"]


@pytest.mark.parametrize("as_json", [False, True])
def test_a_damaged_file_has_exit_status_2_and_its_line(
    run: Callable[..., Any], draws: Path, tmp_path: Path, as_json: bool
) -> None:
    (tmp_path / "draws.jsonl").write_bytes(draws.read_bytes()[:-9])
    done = run(tmp_path / "draws.jsonl", *(["--json"] if as_json else []))
    assert done.exit_code == 2
    assert "draws.jsonl, line" in done.output


def test_a_comparison_takes_draws_by_masking(run: Callable[..., Any], draws: Path) -> None:
    done = run(draws, "--masked", draws)
    assert (done.exit_code, "draws by beams" in done.stderr) == (2, True)


def test_a_file_that_is_not_there_and_a_share_that_is_none(run: Callable[..., Any], draws: Path) -> None:
    assert run("nothing.jsonl").exit_code == 2
    done = run(draws, "--false-accepts", "1.5")
    assert (done.exit_code, "false_accepts" in done.stderr) == (2, True)


def test_a_grammar_that_removes_nothing_is_told(run: Callable[..., Any], tmp_path: Path) -> None:
    def model(ids: list[int]) -> np.ndarray:
        row = np.full(257, -99.0)
        row[[256] if ids else [ord("a"), ord("b")]] = 0.0
        return row

    found = sg.sample(model, [], sg.regex("[ab]"), 2, tokenizer=byte_tokenizer(), name="free")
    found.to_jsonl(tmp_path / "draws.jsonl")
    assert "The grammar removes less than 0.05% of the model's mass" in run(tmp_path / "draws.jsonl").stdout
