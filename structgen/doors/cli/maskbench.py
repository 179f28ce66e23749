"""`structgen maskbench`: JSONSchemaBench replayed token by token, coverage and speed."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from structgen.base.errors import OptionError
from structgen.base.language import checks
from structgen.base.language.checks import OneOf
from structgen.base.system.progress import progress
from structgen.base.system.text_files import naming
from structgen.doors.cli.named_options import Given, reads
from structgen.doors.cli.output import console, echo, payload

if TYPE_CHECKING:
    from structgen.doors.maskbench.measurements import CaseResult


@reads(
    *("policy", "engine", "jobs", "ray", "workers", "out", "timeout", "sample", "seed", "tokenizer", "json"),
    "failures",
)
def maskbench(
    given: Given,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="MaskBench files, bare schemas, parquet files, or a folder of them.",
            show_default=False,
        ),
    ],
) -> None:
    """Replay JSONSchemaBench token by token, and report coverage and speed.

    A schema passes if it compiles, all its valid instances are accepted, and all its invalid instances are
    rejected.

    Exit status: 0 all schemas pass, 1 some do not, 2 wrong usage. If structgen is among the engines, the
    status is that of structgen.
    """
    policy, tokenizer = OneOf(("default", "widest"))("policy", given.get("policy")), given.get("tokenizer")
    jobs, seed = checks.whole("jobs", given.get("jobs"), 1), checks.whole("seed", given.get("seed"))
    timeout = checks.number("timeout", given.get("timeout"), 0.01, 1e9, "seconds, at least 0.01")
    sample, out, workers = (given.get(name) for name in ("sample", "out", "workers"))
    if ("ray" in given and (out is None or jobs > 1)) or (workers is not None and "ray" not in given):
        what = "--ray takes --out FILE and --workers, not --jobs."
        raise OptionError(what, where="ray", cure="Add --ray and --out, or leave them out.")
    from structgen.doors.maskbench.engines import engine_configs
    from structgen.doors.maskbench.measurements import Verdict
    from structgen.doors.maskbench.readers import data_digest, select
    from structgen.doors.maskbench.run_report import report_of, tables
    from structgen.doors.maskbench.runner import BenchRun
    from structgen.doors.maskbench.vocabularies import load
    from structgen.schema.reading.policies import WIDEST

    begun, policies = datetime.now(UTC), dict(WIDEST) if policy == "widest" else {}
    every: list[CaseResult] = []
    cases, words = [read() for _, read in select(paths, sample=sample, seed=seed)], load(tokenizer)
    configs = engine_configs(given.get("engine"), tokenizer, policies)
    bench = BenchRun(
        configs,
        timeout=timeout,
        jobs=jobs,
        out=None if out is None else Path(out),
        on_ray="ray" in given,
        workers=workers,
    )
    told_in = Path(given.get("failures", os.devnull))
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
    if "json" in given:
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
