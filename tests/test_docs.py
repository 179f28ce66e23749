"""What tables in docs/ say is so. tests/test_documented_code.py runs the code."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from for_each import for_each
from jsonschema import Draft202012Validator

import structgen as sg
from structgen.tokens.tokenizer import byte_tokenizer

ROOT = Path(__file__).parent.parent
SCHEMAS = (ROOT / "docs/json-schema.md").read_text(encoding="utf-8")
LIMITS = (ROOT / "docs/limits.md").read_text(encoding="utf-8")
CORNERS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in SCHEMAS.partition("## Corners")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| `{")
]


def test_the_corners_are_read() -> None:
    assert len(CORNERS) > 15


@for_each(("schema", "documents", "said"), CORNERS)
def test_corners(schema: str, documents: str, said: str) -> None:
    value = json.loads(schema.strip("`"))
    grammar = sg.json_schema(value, **sg.WIDEST)
    if said.startswith("refused"):
        with pytest.raises(sg.errors.UnsatisfiableSchema):
            sg.compile(grammar, byte_tokenizer())
        return
    compiled = sg.compile(grammar, byte_tokenizer())
    texts = re.findall("`([^`]+)`", documents)
    assert texts and said.startswith(("valid", "not valid"))
    for text in texts:
        state = compiled.step_bytes(compiled.start, text.encode())
        accepted = state is not None and compiled.accepts_end(state)
        assert accepted is said.startswith("valid"), text
        # jsonschema-rs takes no lone surrogates.
        judge: Any = Draft202012Validator(value) if "\\ud83d" in (schema + text).lower() else None
        judge = judge or jsonschema_rs.validator_for(value)
        assert judge.is_valid(json.loads(text)) is accepted, text


SPECULATION = (ROOT / "docs/speculation.md").read_text(encoding="utf-8")


def test_every_option_of_speculation_is_described_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `?([^|`]+)`? \|", SPECULATION, re.M)
    told = {name: default for name, default in rows if name in sg.Speculation.__dataclass_fields__}
    for field in fields(sg.Speculation):
        assert told[field.name].strip() == repr(field.default).replace("'", '"')


def test_every_limit_is_described_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", LIMITS, re.M))
    for field in fields(sg.Limits):
        shown = rows[field.name].strip()
        assert shown == (f"{field.default:,}" if isinstance(field.default, int) else f'`"{field.default}"`')


ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
FINDING = ARCHITECTURE.partition("## Where to find it")[2].partition("\n## ")[0]


def test_every_file_that_the_architecture_names_for_a_task_is_there() -> None:
    named = re.findall(r"`(structgen/[\w/]+\.py)`", FINDING)
    assert len(named) >= 14
    assert [path for path in named if not (ROOT / path).is_file()] == []


METHODS = (ROOT / "docs/methods.md").read_text(encoding="utf-8")
PAPERS = [
    [cell.strip() for cell in line[1:-1].split("|")]
    for line in METHODS.splitlines()
    if line.startswith("| ") and not line.startswith("| paper") and line.count("|") == 6
]
SECTIONS = {part.partition("\n")[0]: part for part in METHODS.split("\n## ")}
FAMILIES = {"Speculation": "drafters", "Infilling": "schedulers", "Draws from the model's law": "domains"}


def test_each_paper_says_what_became_of_it_with_a_figure_and_a_file_or_a_reason() -> None:
    assert len(PAPERS) > 70
    for paper, where, figure, file, when in PAPERS:
        state = re.match(r"(default|option|bench|argued against|not built)\b", where)
        assert state, paper
        if state[1] in ("default", "option", "bench"):
            assert figure and when and re.fullmatch(r"`(structgen|bench)/[\w/]+\.py`", file), paper
            assert file.startswith("`bench/") is (state[1] == "bench"), paper
        else:
            assert not figure and not file and (when or state[1] == "not built"), paper


def test_every_file_that_the_table_of_papers_names_is_there() -> None:
    there = {
        str(path.relative_to(ROOT)) for room in ("structgen", "bench") for path in (ROOT / room).rglob("*.py")
    }
    for paper, where, _figure, file, _when in PAPERS:
        family = next((name for name in FAMILIES if f"{paper} | {where}" in SECTIONS[name]), "")
        # A family of bench/methods is here if its rows are.
        if file and (where[:5] != "bench" or f"bench/methods/{FAMILIES.get(family)}_rows.py" in there):
            assert file.strip("`") in there, paper


def test_the_table_of_papers_has_what_the_package_has_by_name() -> None:
    from structgen.infilling import schedulers
    from structgen.samplers import methods

    for name in methods.METHODS:
        assert f"`{name}`" in METHODS, name
    for name in schedulers.NAMES:
        assert name == "auto" or f"`{name}`" in METHODS, name
    files = {file.strip("`") for *_, file, _when in PAPERS}
    for room in ("strategies", "searches", "composed_models"):
        for path in (ROOT / "structgen/engine" / room).glob("*.py"):
            if re.search(r"\b(et al\.|\w+, \")", path.read_text(encoding="utf-8")[:300]):
                assert str(path.relative_to(ROOT)) in files, path


def test_every_link_of_the_table_of_papers_leads_somewhere() -> None:
    links = re.findall(r"\]\(([\w/.-]+\.md)?(?:#([\w-]+))?\)", METHODS)
    assert len(links) > 10
    for page, heading in links:
        text = (ROOT / "docs" / (page or "methods.md")).read_text(encoding="utf-8")
        titles = re.findall(r"^#+ (.*)$", text, re.M)
        anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
        assert not heading or heading in anchors, (page, heading)


def test_links_to_the_table_of_papers_lead_to_its_sections() -> None:
    titles = re.findall(r"^#+ (.*)$", METHODS, re.M)
    anchors = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md")]
    named = [one for page in pages for one in re.findall(r"methods\.md#([\w-]+)\)", page)]
    assert len(named) >= 4
    assert {*named} <= anchors


def test_no_page_promises() -> None:
    for page in (ROOT / "docs").rglob("*.md"):
        if "decisions" not in page.parts:
            assert not re.search(r"^\|.*\bplanned\b", page.read_text(encoding="utf-8"), re.M), page
