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
    files = {path.name for path in nonempty((ROOT / "scripts/clients").glob("*_client.py"))}
    assert files == {f"{name.replace('-', '_')}_client.py" for name in CLIENTS["CLIENTS"]}
    assert len(ROWS) == len(files) == 16


def test_every_feature_that_fails_has_somebody_s_fault() -> None:
    assert [row for row in ROWS if "not examined" in row] == []


def test_rows_of_other_clients_stay() -> None:
    page = CLIENTS["written"](PAGE, {"llm": "| llm 99.0 | today | all | |"})
    assert page.count("llm 99.0") == 1
    assert [row for row in ROWS if row not in page] == [row for row in ROWS if row.startswith("| llm ")]


def test_a_row_tells_each_feature_once() -> None:
    rows = [
        {"name": "a", "model": "smollm2", "error": "", "fault": ""},
        {"name": "b", "model": "smollm2", "error": "x", "fault": "theirs"},
        {"name": "b", "model": "extract", "error": "", "fault": "theirs"},
        {"name": "c", "model": "extract", "error": "x", "fault": ""},
    ]
    row = CLIENTS["table_row"](rows, "llm 1")
    assert row.startswith("| llm 1 | 20") and row.endswith("| *a* | b (smollm2): theirs. c: not examined |")
