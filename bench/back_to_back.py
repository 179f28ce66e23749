"""One process that compiles one schema after another, as a server does: what a schema costs it in all.

    python bench/back_to_back.py ENGINE TOKENIZER CASES [--only-start]

CASES is a file of JSON: a list of pairs, a schema's text and the tokens of its instances. For each schema the
clock runs while the grammar of the schema before is let go of, the schema is compiled, and the first mask is
filled; then the instances are replayed without a clock. Prints one line of JSON: the nanoseconds of each
schema that was compiled, None for one that was refused. `bench_masks.py` runs this and reads, besides, the
processor time of the whole process, its threads and its exit included; `--only-start` does all but the
schemas, so that what a process costs without them can be taken away.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter_ns
from typing import NamedTuple

from structgen.errors import StructgenError
from structgen.maskbench.engines import EngineConfig, EngineRefusal, Session, create
from structgen.maskbench.readers import Case
from structgen.maskbench.runner import engine_config
from structgen.maskbench.vocabularies import load

ENGINES = ("structgen:cold", "llguidance")
"""The engines that are measured so, where a run names them."""
_ROUNDS = 3


class BackToBack(NamedTuple):
    """What one process spent on some schemas."""

    nanoseconds: list[int | None]
    """Of each schema, from letting go of the one before to the first mask; None where it is refused."""
    processor: float
    """Seconds of the processor for all schemas with their instances, threads and exit included; without what
    the process spends before the first schema."""


class Figures(NamedTuple):
    """What an engine spent on schemas that all engines compile."""

    nanoseconds: list[int]
    """Of each schema in each round."""
    processor: list[int]
    """Nanoseconds of the processor a schema, in each round."""


def figures(
    cases: Iterable[Case], configs: Sequence[EngineConfig], tokenizer: str, rounds: int = _ROUNDS
) -> dict[str, Figures]:
    """Return what each engine spends on those of the cases that all of them compile. The engines take turns,
    so that what else the machine does falls on all of them."""
    encode = load(tokenizer).encode
    texts = [
        (case.schema, [list(encode(one.text)) for one in case.instances if one.valid])
        for case in cases
        if not case.problem
    ]
    with TemporaryDirectory(prefix="structgen-back-to-back-") as folder:
        path = Path(folder) / "cases.json"
        path.write_text(json.dumps(texts), encoding="utf-8")
        for config in configs:
            taken = measured(config, path).nanoseconds
            texts = [one for one, spent in zip(texts, taken, strict=True) if spent is not None]
            path.write_text(json.dumps(texts), encoding="utf-8")
        found = {config.name: Figures([], []) for config in configs}
        for _ in range(rounds):
            for config in configs:
                spent = measured(config, path)
                found[config.name].nanoseconds.extend(one for one in spent.nanoseconds if one is not None)
                found[config.name].processor.append(round(1e9 * spent.processor / max(len(texts), 1)))
    return found


def measured(config: EngineConfig, path: Path) -> BackToBack:
    """Return what a new process spends on the cases of a file; its cache holds the vocabulary alone."""
    with TemporaryDirectory(prefix="structgen-back-to-back-") as folder:
        _process(config, path, folder, start=True)  # the vocabulary is kept, as one of a server is
        without = [_process(config, path, folder, start=True)[1]]
        lines, seconds = _process(config, path, folder)
        without.append(_process(config, path, folder, start=True)[1])
    return BackToBack(json.loads(lines), max(0.0, seconds - sum(without) / 2))


def _process(config: EngineConfig, path: Path, folder: str, *, start: bool = False) -> tuple[str, float]:
    """Return what a process writes, and its seconds of the processor."""
    command = [sys.executable, __file__, config.name, config.tokenizer, str(path)]
    environment = {**os.environ, "STRUCTGEN_CACHE": folder}
    with subprocess.Popen(
        [*command, "--only-start"] if start else command, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        lines = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return lines, usage.ru_utime + usage.ru_stime


def run(config: EngineConfig, cases: Sequence[tuple[str, list[list[int]]]]) -> list[int | None]:
    """Return the nanoseconds of each schema, in this process."""
    engine, _ = create(config)
    found: list[int | None] = []
    begin_session: Callable[[], Session] | None = None
    session: Session | None = None
    for schema, instances in cases:
        begin = perf_counter_ns()
        begin_session = session = None  # the clock runs while the grammar before is let go of
        try:
            begin_session = engine.compile(schema)
            session = begin_session()
            session.fill()
        except EngineRefusal:
            found.append(None)
            continue
        found.append(perf_counter_ns() - begin)
        try:
            for number, tokens in enumerate(instances):
                session = session if number == 0 else begin_session()
                for position, token in enumerate(tokens):
                    if number or position:  # the first mask is there
                        session.fill()
                    if not session.allows(token) or session.commit(token) is False:
                        break
        except StructgenError:
            found[-1] = None  # a limit is met in the middle of a document
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("engine")
    parser.add_argument("tokenizer")
    parser.add_argument("cases", type=Path)
    parser.add_argument("--only-start", action="store_true")
    options = parser.parse_args()
    cases = json.loads(options.cases.read_text(encoding="utf-8"))
    config = engine_config(options.engine, options.tokenizer, {})
    print(json.dumps(run(config, [] if options.only_start else cases)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
