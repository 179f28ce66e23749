"""What README.md shows is what happens, and docs/ names what there is."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from structgen.schema.reading.dialects import DRAFTS, dialect

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False
    )
    return done.stdout + done.stderr


EXAMPLES = re.findall(r"```python\n(.*?)```\n```\n(.*?)```", README, re.DOTALL)


def test_each_block_of_python_has_its_output() -> None:
    assert len(EXAMPLES) == README.count("```python")


def test_the_first_example_is_a_typed_function() -> None:
    assert "@sg.generate" in EXAMPLES[0][0]


@pytest.mark.parametrize(
    ("code", "output"), EXAMPLES, ids=["typed function", "engine", "tool calls", "grammar", "library"]
)
def test_an_example_prints_what_the_readme_says(code: str, output: str) -> None:
    if "pydantic" in code or "sg.Engine" in code:
        pytest.importorskip("torch")
        pytest.importorskip("pydantic")
    assert run("-c", code) == output


def test_check_prints_what_the_readme_says() -> None:
    block = re.search(r"\$ structgen (check [^\n]*)\n(.*?)```", README, re.DOTALL)
    assert block is not None
    command = "from structgen.cli import main; main()"
    assert run("-c", command, *shlex.split(block[1])) == block[2]


def test_explain_prints_what_the_readme_says() -> None:
    block = re.search(r"\$ structgen (explain [^\n]*)\n(.*?)```", README, re.DOTALL)
    assert block is not None
    assert run("-c", "from structgen.cli import main; main()", *shlex.split(block[1])).startswith(block[2])


def test_maskbench_prints_what_the_readme_says() -> None:
    block = re.search(r"\$ structgen (maskbench [^\n]*)\n(.*?)```", README, re.DOTALL)
    assert block is not None
    said = run("-c", "from structgen.cli import main; main()", *shlex.split(block[1]))
    assert block[2] in said


def test_the_example_prints_what_the_readme_says() -> None:
    block = re.search(r"\$ python (examples/\S*)\n.*?\n(.*?)```", README, re.DOTALL)
    assert block is not None
    assert block[2] in run(block[1])


def test_a_document_is_generated_as_the_readme_says() -> None:
    pytest.importorskip("torch")
    block = re.search(r"\$ structgen (generate [^\n]*)\n(.*?)\$ structgen", README, re.DOTALL)
    assert block is not None
    assert run("-c", "from structgen.cli import main; main()", *shlex.split(block[1])) == block[2]


def test_an_object_is_infilled_as_the_readme_says() -> None:
    block = re.search(r"\$ structgen (infill [^\n]*)\n(.*?)\.\.\.\n(.*?)\$ python", README, re.DOTALL)
    assert block is not None
    said = run("-c", "from structgen.cli import main; main()", *shlex.split(block[1]))
    assert said.startswith(block[3] + block[2])  # run() puts what is on stdout before what is on stderr


@pytest.mark.parametrize("keyword", sorted({name for draft in DRAFTS for name in dialect(draft).keywords}))
def test_a_keyword_that_is_enforced_is_documented(keyword: str) -> None:
    assert f"`{keyword}`" in (ROOT / "docs/json-schema.md").read_text(encoding="utf-8")
