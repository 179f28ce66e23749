"""What tables in docs/ say is so. tests/test_documented_code.py runs the code."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from functools import cache
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema_rs
import pytest
from compiled_texts import takes
from for_each import for_each
from jsonschema import Draft202012Validator
from nonempty import nonempty

import structgen as sg
from structgen.base.system.shipped_files import GRAMMARS
from structgen.decoding.runs import resources
from structgen.doors.typed.signatures.call_options import FunctionOptions
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
        accepted = takes(compiled, text)
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


FOREIGN = {"eagle_utils.py", "person.py"}
"""Files of other projects, and of the reader, that pages name."""


def missing_paths(page: str) -> list[str]:
    """Return the files and folders of the repository that a page names in backticks and that are not there.
    A path may begin in the package. The names of models that ship look like paths of it."""
    prose = re.sub(r"^ *```.*?^ *```", "", page, flags=re.M | re.S)
    named = [word for code in re.findall(r"`([^`\n]+)`", prose) for word in code.split()]
    paths = [path for path in named if re.fullmatch(r"[a-z][\w-]*(/[\w.-]+)*/?(\.py)?", path)]
    ours = [path for path in paths if "/" in path and (ROOT / path.partition("/")[0]).is_dir()]
    ours += [path for path in paths if path.endswith(".py") and "/" not in path]
    return [path for path in ours if not re.search(r"\b[A-Z]{3,}\b", path) and not is_there(path)]


def is_there(path: str) -> bool:
    if "/" not in path:
        return path in FOREIGN or path in names_of_files()
    is_model = path in resources.NAMED_MODELS or path.removeprefix("structgen/") in resources._RENAMED
    is_grammar = path.removeprefix("structgen/") in GRAMMARS
    return is_model or is_grammar or (ROOT / path).exists() or (ROOT / "structgen" / path).exists()


@cache
def names_of_files() -> frozenset[str]:
    folders = ("structgen", "tests", "bench", "scripts", "models", "kernels")
    return frozenset(path.name for one in folders for path in nonempty((ROOT / one).rglob("*.py")))


def test_a_path_that_leads_nowhere_is_found() -> None:
    page = "`docs/none.md` `structgen/extract` `docs/engine.md` `models/NAME.json` `none_such.py` `engine.py`"
    assert missing_paths(page) == ["docs/none.md", "none_such.py"]


def test_every_path_that_a_page_names_is_there() -> None:
    """Records of decisions apart: they tell of what went."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *nonempty((ROOT / "docs").rglob("*.md"))]
    pages += [*nonempty((ROOT / "models").rglob("README.md")), ROOT / "bench/README.md"]
    found = {
        str(page.relative_to(ROOT)): missing_paths(page.read_text(encoding="utf-8"))
        for page in pages
        if "decisions" not in page.parts
    }
    assert {page: paths for page, paths in found.items() if paths} == {}


def test_no_page_promises() -> None:
    for page in nonempty((ROOT / "docs").rglob("*.md")):
        if "decisions" not in page.parts:
            assert not re.search(r"^\|.*\bplanned\b", page.read_text(encoding="utf-8"), re.M), page


MOST_WORDS = 25
"""A sentence of a page has at most this number of words."""


def sentences(page: str) -> list[str]:
    """Return the sentences of a page's prose, without tables, blocks of code, titles and pictures. Code in
    a line counts as one word."""
    prose = re.sub(r"^ *```.*?^ *```", "\n\n", page, flags=re.M | re.S)
    prose = re.sub(r"^ *(\||#|!\[|<).*$", "\n", prose, flags=re.M)
    prose = re.sub(r"`+[^`]*`+", "code", re.sub(r"\]\([^)]*\)", "]", prose))
    blocks = re.split(r"\n\s*\n|\n(?= *(?:[-*]|\d+\.) )", prose)
    return [text for block in blocks for text in re.split(r"(?<=[.!?])[\"*)\]]*\s", " ".join(block.split()))]


def test_sentences_are_separated() -> None:
    page = (
        "# A title\nOne `x. y` [two](a.md#b). *Three.* Four\nfive.\n- Six\n- seven\n```\ncode\n```\n| row |\n"
    )
    assert [*filter(None, sentences(page))] == [
        "One code [two].",
        "*Three.",
        "Four five.",
        "- Six",
        "- seven",
    ]


@for_each(
    "page",
    [
        ROOT / "README.md",
        *sorted(nonempty((ROOT / "docs").glob("*.md"))),
        *sorted(nonempty((ROOT / "docs/cookbook").glob("*.md"))),
    ],
)
def test_no_sentence_of_a_page_is_too_long(page: Path) -> None:
    """At most 25 words: README.md and the pages of docs/, without docs/decisions and docs/inside. A reader in
    a hurry, or in a second language, does not follow a longer sentence."""
    texts = sentences(page.read_text(encoding="utf-8"))
    assert [text for text in texts if len(text.split()) > MOST_WORDS] == []


def test_the_table_of_typed_functions_has_every_option() -> None:
    page = (ROOT / "docs/typed-functions.md").read_text(encoding="utf-8")
    table = page.partition("## Options\n")[2].partition("\n## ")[0]
    told = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.partition(" | ")[0])}
    assert told == {*FunctionOptions.__annotations__} - {"model"}


def test_the_page_of_words_has_twenty_each_with_a_file_that_has_the_word() -> None:
    page = (ROOT / "docs/words.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z]+) \| [^|]+ \| ([a-z_/]+\.py) \|$", page, re.MULTILINE)
    assert len(rows) == 20
    texts = {file: (ROOT / "structgen" / file).read_text(encoding="utf-8").lower() for _, file in rows}
    assert [word for word, file in rows if word not in texts[file]] == []


def test_the_page_of_stability_names_all_public_modules_keywords_and_variables() -> None:
    page = (ROOT / "docs/stability.md").read_text(encoding="utf-8")
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in nonempty((ROOT / "structgen").rglob("*.py"))
    )
    inner = {"STRUCTGEN_CHECKED", "x-api-key", "x-structgen-model", "x-structgen-warning", "x-guidance"}
    named = set(re.findall(r'"(STRUCTGEN_[A-Z_]+|x-[a-z-]+)"', sources)) - inner
    named |= {f"structgen.{name}" for name in dir(sg) if isinstance(getattr(sg, name), ModuleType)}
    assert {name for name in named if f"`{name}`" not in page} == set()


def test_the_members_that_are_announced_are_there() -> None:
    page = (ROOT / "docs/stability.md").read_text(encoding="utf-8")
    table = page.partition("| class | members |")[2].partition("\n\n")[0]
    rows = nonempty(re.findall(r"^\| (`sg\..*?) \| (.*) \|$", table, re.MULTILINE))
    for classes, members in rows:
        for path, names in zip(re.findall(r"`sg\.([\w.]+)`", classes), members.split("; "), strict=True):
            public_class = attrgetter(path)(sg)
            for name in re.findall(r"`(\w+)`", names):
                annotated = any(
                    name in vars(base).get("__annotations__", {}) for base in public_class.__mro__
                )
                assert annotated or hasattr(public_class, name), f"{path}.{name}"
