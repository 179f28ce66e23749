"""`structgen maskbench`: JSONSchemaBench replayed token by token, coverage and speed."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from structgen.base.errors import OptionError
from structgen.base.language import checks
from structgen.base.language.checks import OneOf
from structgen.base.system.progress import progress
from structgen.base.system.text_files import naming
from structgen.doors.cli.named_options import Given, reads
from structgen.doors.cli.output import echo, echo_table, payload

if TYPE_CHECKING:
    from structgen.doors.maskbench.measurements import CaseResult
    from structgen.doors.maskbench.readers import Case
    from structgen.doors.maskbench.runner import BenchRun


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
    from structgen.doors.maskbench.engines import engine_configs
    from structgen.doors.maskbench.measurements import Verdict
    from structgen.doors.maskbench.readers import data_digest, select
    from structgen.doors.maskbench.run_report import report_of, tables
    from structgen.doors.maskbench.runner import BenchRun
    from structgen.doors.maskbench.vocabularies import load
    from structgen.schema.reading.policies import WIDEST

    begun, tokenizer = datetime.now(UTC), given.get("tokenizer")
    policy = OneOf(("default", "widest"))("policy", given.get("policy"))
    policies = dict(WIDEST) if policy == "widest" else {}
    timeout = checks.number("timeout", given.get("timeout"), 0.01, 1e9, "seconds, at least 0.01")
    if ("ray" in given and ("out" not in given or given.get("jobs") > 1)) or (
        "workers" in given and "ray" not in given
    ):
        what = "--ray takes --out FILE and --workers, not --jobs."
        raise OptionError(what, where="ray", cure="Add --ray and --out, or leave them out.")
    drawn = {"sample": given.get("sample"), "seed": given.get("seed")}
    cases, words = [read() for _, read in select(paths, **drawn)], load(tokenizer)
    bench = BenchRun(
        engine_configs(given.get("engine"), tokenizer, policies),
        timeout=timeout,
        jobs=given.get("jobs"),
        out=given.get("out"),
        on_ray="ray" in given,
        workers=given.get("workers"),
    )
    results = _results(bench, cases, given.get("failures", Path(os.devnull)))
    about = {
        "paths": [str(path) for path in paths],
        "schemas": len(cases),
        **drawn,
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
    report = report_of(results)
    if "json" in given:
        payload(json.dumps({**about, **report}, indent=2))
    else:
        for title, head, rows in tables(report):
            echo(f"{title}:")
            echo_table(head, rows)
            echo()
        echo(_citation(about))
    judged = {"structgen"} & bench.versions.keys() or bench.versions.keys()
    raise typer.Exit(int(any(case.engine in judged and case.outcome != Verdict.RIGHT for case in results)))


def _results(bench: BenchRun, cases: Sequence[Case], failures: Path) -> list[CaseResult]:
    """Return the results of all cases. Each failure is a line of a file, as soon as it is known."""
    results: list[CaseResult] = []
    with naming(failures), failures.open("w", encoding="utf-8") as file, progress("maskbench") as tell:
        for at, of_case in enumerate(bench.results(cases), 1):
            results += of_case
            for failure in (failure for result in of_case for failure in result.failures()):
                print(json.dumps(failure, ensure_ascii=False), file=file, flush=True)
            tell(at, len(cases))
    return results


def _citation(about: Mapping[str, Any]) -> str:
    """Return what a reader needs to make the run again, a fact a line."""
    drawn = "" if about["sample"] is None else f", a sample of {about['sample']:,} by seed {about['seed']}"
    words = about["vocabulary"]
    return f"""To cite this run:
Date: {about["date"]}
Machine: {about["machine"]}
Engines: {", ".join(f"{name} {version}" for name, version in about["versions"].items())}
Tokenizer: {about["tokenizer"]}, {words["tokens"]:,} tokens, digest {words["digest"]}
Policy: {about["policy"]}; timeout {about["timeout_s"]:g} s; jobs {about["jobs"]}
Data: {about["schemas"]:,} schemas{drawn}, digest {about["data_digest"]}"""
