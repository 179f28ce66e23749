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
from structgen.base.language.checks import ChoiceCheck
from structgen.base.system.text_files import name_file_in_errors
from structgen.decoding.runs.progress import open_progress
from structgen.doors.cli.named_options import CommandOptions, takes_options
from structgen.doors.cli.output import echo, echo_table, print_payload

if TYPE_CHECKING:
    from structgen.doors.maskbench.measurements import CaseResult
    from structgen.doors.maskbench.readers import Case
    from structgen.doors.maskbench.runner import BenchRun


@takes_options(
    *("policy", "engine", "jobs", "ray", "workers", "out", "timeout", "sample", "seed", "tokenizer", "json"),
    "failures",
)
def maskbench(
    options: CommandOptions,
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
    from structgen.doors.maskbench.readers import data_digest, select_cases
    from structgen.doors.maskbench.run_report import report_of, report_tables
    from structgen.doors.maskbench.runner import BenchRun
    from structgen.doors.maskbench.vocabularies import load_tokenizer
    from structgen.schema.reading.policies import WIDEST

    start_time, tokenizer = datetime.now(UTC), options.get("tokenizer")
    policy = ChoiceCheck(("default", "widest"))("policy", options.get("policy"))
    policies = dict(WIDEST) if policy == "widest" else {}
    timeout = checks.check_number("timeout", options.get("timeout"), 0.01, 1e9, "seconds, at least 0.01")
    # workers on Ray leave their results in a file, and are many processes already
    is_ray_alone = "ray" in options and ("out" not in options or options.get("jobs") > 1)
    if is_ray_alone or ("workers" in options and "ray" not in options):
        fault = "--ray takes --out FILE and --workers, not --jobs."
        raise OptionError(fault, where="ray", cure="Add --ray and --out, or remove them.")
    sample_options = {"sample": options.get("sample"), "seed": options.get("seed")}
    cases, words = (
        [read_case() for _, read_case in select_cases(paths, **sample_options)],
        load_tokenizer(tokenizer),
    )
    bench = BenchRun(
        engine_configs(options.get("engine"), tokenizer, policies),
        timeout=timeout,
        jobs=options.get("jobs"),
        out=options.get("out"),
        on_ray="ray" in options,
        workers=options.get("workers"),
    )
    results = _run_cases(bench, cases, options.get("failures", Path(os.devnull)))
    # all that a reader needs to make the run again
    about = {
        "paths": [str(path) for path in paths],
        "schemas": len(cases),
        **sample_options,
        "policy": policy,
        "policies": policies,
        "tokenizer": tokenizer,
        "vocabulary": {"tokens": words.vocab_size, "digest": words.fingerprint},
        "data_digest": data_digest(cases),
        "date": start_time.isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.platform()}, Python {platform.python_version()}",
        "timeout_s": timeout,
        "jobs": bench.jobs,
        "versions": bench.versions,
    }
    report = report_of(results)
    if "json" in options:
        print_payload(json.dumps({**about, **report}, indent=2))
    else:
        for title, head, rows in report_tables(report):
            echo(f"{title}:")
            echo_table(head, rows)
            echo()
        echo(_write_citation(about))
    # beside others, the exit status is that of structgen
    judged_engines = {"structgen"} & bench.versions.keys() or bench.versions.keys()
    judged_results = [case for case in results if case.engine in judged_engines]
    raise typer.Exit(int(any(case.outcome != Verdict.RIGHT for case in judged_results)))


def _run_cases(bench: BenchRun, cases: Sequence[Case], failures: Path) -> list[CaseResult]:
    """Return the results of all cases. Each failure is written to a file as soon as it is known, one a
    line."""
    results: list[CaseResult] = []
    with (
        name_file_in_errors(failures),
        failures.open("w", encoding="utf-8") as file,
        open_progress("maskbench") as report,
    ):
        for number, case_results in enumerate(bench.results_of_cases(cases), 1):
            results += case_results
            for failure in (failure for result in case_results for failure in result.failure_records()):
                print(json.dumps(failure, ensure_ascii=False), file=file, flush=True)
            report(number, len(cases))
    return results


def _write_citation(about: Mapping[str, Any]) -> str:
    """Return the facts with which a reader makes the run again, one a line."""
    sample_text = (
        "" if about["sample"] is None else f", a sample of {about['sample']:,} by seed {about['seed']}"
    )
    words = about["vocabulary"]
    return f"""To cite this run:
Date: {about["date"]}
Machine: {about["machine"]}
Engines: {", ".join(f"{name} {version}" for name, version in about["versions"].items())}
Tokenizer: {about["tokenizer"]}, {words["tokens"]:,} tokens, digest {words["digest"]}
Policy: {about["policy"]}; timeout {about["timeout_s"]:g} s; jobs {about["jobs"]}
Data: {about["schemas"]:,} schemas{sample_text}, digest {about["data_digest"]}"""
