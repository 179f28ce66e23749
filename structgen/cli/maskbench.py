"""`structgen maskbench`: JSONSchemaBench replayed token by token, coverage and speed."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from structgen.cli.output import console, echo, payload
from structgen.system.progress import progress
from structgen.system.text_files import naming

if TYPE_CHECKING:
    from structgen.maskbench.measurements import CaseResult


def maskbench(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="MaskBench files, bare schemas, parquet files, or a folder of them.",
            show_default=False,
        ),
    ],
    policy: Annotated[
        Literal["default", "widest"],
        typer.Option(help="Our policies: coverage is judged under the widest."),
    ] = "widest",
    engine: Annotated[
        str,
        typer.Option(
            help="Engines, by commas: structgen, and for another one module:function, which makes it "
            "(bench/peers.py has llguidance, xgrammar and glrmask)."
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
            help="A file that takes the results; the next call does what is missing.",
            show_default=False,
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.01, help="Seconds for a compilation, and for each instance.")
    ] = 60.0,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Only so many schemas, drawn by the seed.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 0,
    tokenizer: Annotated[
        str,
        typer.Option(
            help="small, bytes, a tokenizer.json, a tekken.json, a SentencePiece model, a folder with one of "
            "them, the name of a model, or module:function, which returns a tokenizer."
        ),
    ] = "small",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
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
    if (ray and (out is None or jobs > 1)) or (workers is not None and not ray):
        raise typer.BadParameter("--ray takes --out FILE and --workers, not --jobs", param_hint="--ray")
    from structgen.maskbench.engines import engine_configs
    from structgen.maskbench.measurements import Verdict
    from structgen.maskbench.readers import data_digest, select
    from structgen.maskbench.run_report import report_of, tables
    from structgen.maskbench.runner import BenchRun
    from structgen.maskbench.vocabularies import load
    from structgen.schema.reading.policies import WIDEST

    begun, policies = datetime.now(UTC), dict(WIDEST) if policy == "widest" else {}
    every: list[CaseResult] = []
    cases, words = [read() for _, read in select(paths, sample=sample, seed=seed)], load(tokenizer)
    configs = engine_configs(engine, tokenizer, policies)
    bench = BenchRun(configs, timeout=timeout, jobs=jobs, out=out, on_ray=ray, workers=workers)
    told_in = failures or Path(os.devnull)
    with naming(told_in), told_in.open("w", encoding="utf-8") as file, progress("maskbench") as tell:
        for at, results in enumerate(bench.results(cases), 1):
            every += results
            for failure in (failure for result in results for failure in result.failures()):
                print(json.dumps(failure, ensure_ascii=False), file=file, flush=True)
            tell(at, len(cases))
    about = {
        "paths": [str(path) for path in paths],
        "schemas": len(cases),
        "sample": sample,
        "seed": seed,
        "policy": policy,
        "policies": policies,
        "tokenizer": tokenizer,
        "vocabulary": {"tokens": words.vocab_size, "digest": words.fingerprint},
        "data_digest": data_digest(cases),
        "date": begun.isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}",
        "timeout_s": timeout,
        "jobs": bench.jobs,
        "versions": bench.versions,
    }
    report = report_of(every)
    if as_json:
        payload(json.dumps({**about, **report}, indent=2))
    else:
        for title, table in tables(report):
            console().print(f"[bold]{title}:", table, "", sep="\n")
        drawn = "" if sample is None else f", a sample of {sample:,} by seed {seed}"
        echo(f"""To cite this run:
Date: {about["date"]}
Machine: {about["machine"]}
Engines: {", ".join(f"{name} {version}" for name, version in bench.versions.items())}
Tokenizer: {tokenizer}, {words.vocab_size:,} tokens, digest {words.fingerprint}
Policy: {policy}; timeout {timeout:g} s; jobs {bench.jobs}
Data: {len(cases):,} schemas{drawn}, digest {about["data_digest"]}""")
    judged = {"structgen"} & bench.versions.keys() or bench.versions.keys()
    raise typer.Exit(int(any(case.engine in judged and case.outcome != Verdict.RIGHT for case in every)))
