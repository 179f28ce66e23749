"""The table of clients in docs/serving.md, as `make test-clients` writes it."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from nonempty import nonempty

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/serving.md").read_text(encoding="utf-8")
CLIENTS: dict[str, Any] = runpy.run_path(str(ROOT / "scripts/clients/__main__.py"), run_name="clients")
ROWS = PAGE.partition(CLIENTS["BEGIN"])[2].partition(CLIENTS["END"])[0].splitlines()[2:]


def test_the_page_has_a_row_for_each_client() -> None:
    files = [path.stem for path in nonempty((ROOT / "scripts/clients").glob("*_client.*"))]
    names = [*CLIENTS["CLIENTS"], *CLIENTS["NODE_CLIENTS"]]
    assert sorted(files) == sorted(f"{name.replace('-', '_')}_client" for name in names)
    assert len(ROWS) == len(files)


def test_the_first_page_of_each_client_has_an_outcome_and_a_line() -> None:
    for row in ROWS:
        client, _, outcome, line, *_ = (cell.strip() for cell in row.strip("|").split("|"))
        assert outcome and line, client


def test_every_feature_that_fails_has_somebody_s_fault() -> None:
    assert [row for row in ROWS if "not examined" in row] == []


def test_rows_of_other_clients_stay() -> None:
    page = CLIENTS["written"](PAGE, {"llm": "| llm 99.0 | today | ok | a line | all | |"})
    assert page.count("llm 99.0") == 1
    assert [row for row in ROWS if row not in page] == [row for row in ROWS if row.startswith("| llm ")]


def test_a_row_tells_each_feature_once() -> None:
    rows = [
        row_of("a", "smollm2"),
        row_of("b", "smollm2", error="x", fault="theirs"),
        row_of("b", "extract", fault="theirs"),
        row_of("c", "extract", error="x"),
    ]
    row = CLIENTS["table_row"](rows, "llm 1")
    assert row.startswith("| llm 1 | 20")
    assert row.endswith("|  |  | *a* | b (smollm2): theirs. c: not examined |")


def row_of(name: str, model: str, *, error: str = "", fault: str = "", line: str = "") -> dict[str, str]:
    return {"name": name, "model": model, "error": error, "fault": fault, "line": line}


def test_a_first_page_has_its_outcome_and_the_lines_that_it_needs() -> None:
    chat = row_of("first page: chat", "smollm2", line="the address")
    words = row_of("first page: words", "smollm2", error="x", fault="theirs", line="the address")
    mended = row_of("first page: words, mended", "smollm2", line="the mode")
    other = row_of("a", "smollm2")
    row = CLIENTS["table_row"]([chat, other], "llm 1")
    assert row.endswith("| ok (chat) | the address | *a* |  |")
    row = CLIENTS["table_row"]([chat, words, mended, other], "llm 1")
    assert row.endswith("| chat: ok; words: theirs | the address; the mode | *a* |  |")
    words["fault"] = ""
    row = CLIENTS["table_row"]([words, mended], "llm 1")
    assert "| words: not examined | the address; the mode |" in row
    mended["error"] = "x"  # the line does not mend it
    assert "words, mended: not examined" in CLIENTS["table_row"]([words, mended], "llm 1")
