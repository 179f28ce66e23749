"""One process's share of the cases: compiled cold, or, if Lark grammars, read back from another process."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import structgen as sg

from .answers import Answers, again, cold
from .book import Line
from .case import Case


@dataclass
class Said:
    """What one process says of a case under one vocabulary."""

    name: str
    line: Line
    walks: tuple[list[int], list[int]]
    before: list[str]
    """The text before each step of the first walk."""
    cpu: float
    """Seconds."""


def said_cold(cases: Sequence[Case], folder: Path) -> Iterator[Said]:
    """Compile each case against its vocabularies, and leave it in a store in `folder`."""
    store, memory = sg.MaskStore(folder / "store"), sg.MaskStore()
    for case in cases:
        for name in case.vocabularies:
            began = time.process_time()
            answers = cold(case, name, store, memory)
            yield _said(case, name, answers, time.process_time() - began)


def said_again(cases: Sequence[Case], folder: Path, before: dict[str, Said]) -> Iterator[Said]:
    """Read each case of a Lark grammar back, and say what is answered on the walks of `before`: the others
    leave no file."""
    store = sg.MaskStore(folder / "store")
    for case in cases:
        if "lark" not in case.name:
            continue
        for name in case.vocabularies:
            began = time.process_time()
            answers = again(case, name, store, before[f"{case.name}@{name}"].walks)
            yield _said(case, name, answers, time.process_time() - began)


def _said(case: Case, name: str, answers: Answers, cpu: float) -> Said:
    line = dict(answers.tracks)
    line["refused"] = answers.refused or "-"
    return Said(f"{case.name}@{name}", line, answers.walks, answers.before, cpu)


def load(path: Path) -> dict[str, Said]:
    """Return what a process has written, by name."""
    found = (Said(**json.loads(row)) for row in path.read_text(encoding="utf-8").splitlines())
    return {said.name: said for said in found}


def work(part: str, cases: Sequence[Case], folder: Path) -> None:
    """Do one part ("cold" or "kept") of a share, and write what is said to `folder`."""
    warnings.simplefilter("error", sg.errors.StoreWarning)
    said = (
        said_cold(cases, folder) if part == "cold" else said_again(cases, folder, load(folder / "cold.jsonl"))
    )
    with open(folder / f"{part}.jsonl", "w", encoding="utf-8") as file:
        for one in said:
            file.write(json.dumps(asdict(one)) + "\n")
            file.flush()  # where a case hangs, the last line tells the one before it
