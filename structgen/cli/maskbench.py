"""`structgen maskbench`: JSONSchemaBench replayed token by token, coverage and speed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from structgen.cli.output import console, echo, payload, unreadable
from structgen.printable import printable
from structgen.system.progress import progress
from structgen.system.text_files import naming

if TYPE_CHECKING:
    from structgen.maskbench.measurements import CaseResult


class Policy(StrEnum):
    """Under which policies our own engine compiles."""

    default = "default"
    widest = "widest"


def maskbench(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="MaskBench files, bare schemas, a folder or tar of them, or what `datasets` saved.",
            show_default=False,
        ),
    ],
    policy: Annotated[
        Policy, typer.Option(help="Our policies: coverage is judged under the widest.")
    ] = Policy.widest,
    engine: Annotated[
        str,
        typer.Option(
            help="Engines, by commas: structgen, llguidance, xgrammar, glrmask. structgen:cold begins with "
            "an empty cache folder; structgen:same-process has run the same schemas once before."
        ),
    ] = "structgen",
    jobs: Annotated[int, typer.Option(min=1, help="Schemas at a time; more than 1 disturbs the times.")] = 1,
    ray: Annotated[
        bool,
        typer.Option(
            "--ray", help="Work on Ray, on the cluster of RAY_ADDRESS or on this machine. It needs --out."
        ),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --ray: how many.  [default: one for each processor]", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="With --ray: a file that takes the results; the next call does what is missing.",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.01, help="Seconds for a compilation, and for each instance.")
    ] = 60.0,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many schemas, the first by name.")] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Only so many schemas, drawn by the seed.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    tokenizer: Annotated[
        str,
        typer.Option(
            help="small, bytes, llama3, qwen (by pip), or a tokenizer.json, a tekken.json, a SentencePiece "
            "model, a folder with one of them, a file of byte-pair ranks, or the name of a model."
        ),
    ] = "small",
    memory: Annotated[
        float, typer.Option(min=0, help="GiB of address space for each engine's process; 0: no bound.")
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV rows.")] = False,
    failures: Annotated[
        Path | None,
        typer.Option(
            help="Write each failure here, a JSON object a line.", dir_okay=False, show_default=False
        ),
    ] = None,
) -> None:
    """Replay JSONSchemaBench token by token, and report coverage and speed.

    A schema passes if it compiles, all its valid instances are accepted, and all its invalid instances are
    rejected.

    Exit status: 0 all schemas pass, 1 some do not, 2 wrong usage. If structgen is among the engines, the
    status is that of structgen.
    """
    if as_json and as_csv:
        raise typer.BadParameter("print JSON or CSV, not both", param_hint="--json / --csv")
    varies = any(f":{one}" in engine for one in ("cold", "same-process"))
    if (ray and (out is None or jobs > 1 or varies)) or (not ray and (out, workers) != (None, None)):
        told = "--ray takes --out FILE and --workers, not --jobs, and no engine :cold or :same-process"
        raise typer.BadParameter(told, param_hint="--ray")
    names = list(dict.fromkeys(name.strip() for name in engine.split(",") if name.strip()))
    if not names:
        raise typer.BadParameter("name at least one engine", param_hint="--engine")
    from structgen.maskbench import engines
    from structgen.maskbench.citation import case_digest, citation_lines, data_digest, machine
    from structgen.maskbench.measurements import FINE
    from structgen.maskbench.on_ray import RayBenchRun
    from structgen.maskbench.readers import select
    from structgen.maskbench.run_report import first_use_line, report_of, show, tables, to_csv
    from structgen.maskbench.runner import BenchRun
    from structgen.maskbench.vocabularies import load
    from structgen.schema.reading.policies import WIDEST

    begun, policies = datetime.now(UTC), dict(WIDEST) if policy is Policy.widest else {}
    every: list[CaseResult] = []
    digests: list[bytes] = []
    selection, read = select(paths, limit=limit, sample=sample, seed=seed), load(tokenizer)
    bound = int(memory * (1 << 30))
    configs = [engines.engine_config(name, tokenizer, policies, memory=bound) for name in names]
    bench: BenchRun | RayBenchRun = BenchRun(configs, timeout=timeout, jobs=jobs)
    if out is not None:
        bench = RayBenchRun(configs, timeout=timeout, out=out, workers=workers)
    with bench as run, _failure_file(failures) as write, progress("maskbench") as tell:
        # a process of the same name runs all schemas once before
        total = len(selection) * (1 + sum(name.endswith(":same-process") for name in names))
        done = count(1)

        def tick() -> None:
            tell(next(done), total)

        run.prepare(selection.cases, tick)
        if set(names) <= set(run.unavailable):
            _none_runs(run.unavailable)
        for case, results in run.results(selection.cases()):
            every += results
            digests.append(case_digest(case))
            write(results)
            tick()
    about = {
        "paths": [str(path) for path in paths],
        "schemas": len(selection),
        "sample": sample,
        "seed": seed,
        "policy": policy.value,
        "policies": policies,
        "tokenizer": tokenizer,
        "vocabulary": {"tokens": read.vocab_size, "digest": read.fingerprint},
        "data_digest": data_digest(digests),
        "date": begun.isoformat(timespec="seconds"),
        "machine": machine(),
        "timeout_s": timeout,
        "jobs": bench.jobs,
        "versions": bench.versions,
        "unavailable": bench.unavailable,
        "first_use_s": bench.first_use,
    }
    report = report_of(every)
    if as_json:
        payload(json.dumps({**about, **report}, indent=2))
    elif as_csv:
        payload(printable(to_csv(report)), newline=False)
    else:
        show(console(), tables(report, bench.unavailable))
        if bench.first_use:
            echo(first_use_line(bench.first_use))
        echo("\n".join(["", "To cite this run:", *citation_lines(about, names)]))
    judged = [name for name in names if name.startswith("structgen")] or names
    missing = {name: bench.unavailable[name] for name in judged if name in bench.unavailable}
    if missing:
        _none_runs(missing)
    raise typer.Exit(int(any(one.engine in judged and one.outcome not in FINE for one in every)))


def _none_runs(reasons: Mapping[str, str]) -> NoReturn:
    for name, reason in reasons.items():
        echo(f"{name} cannot run: {reason}", err=True)
    raise typer.Exit(2)


@contextmanager
def _failure_file(path: Path | None) -> Iterator[Callable[[Iterable[CaseResult]], None]]:
    """Yield what writes a case's failures as JSON lines."""
    if path is None:
        yield lambda results: None
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise unreadable(error, str(path), "--failures") from error
    with naming(path), file:

        def write(results: Iterable[CaseResult]) -> None:
            for failure in (one for result in results for one in result.failures):
                print(json.dumps(asdict(failure), ensure_ascii=False), file=file, flush=True)

        yield write
