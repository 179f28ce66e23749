"""Is a keyword lost in silence? Each is deleted, one by one, and the language must change.

    python bench/bench_loss.py PATH [--sample 500] [--seed 0] [--jobs 2] [--progress FILE]

PATH is a folder, tar or file of MaskBench; without it the environment's STRUCTGEN_MASKBENCH, and without that
nothing is looked at. For each keyword of each place that a schema's root reaches, the schema is read with it
and without it (widest policies), and a value is looked for that only one of the two takes (bench/loss.py).
Prints how many keywords came to what, and writes it to bench/results/loss-DATE.csv:

changed      a witness was found, and jsonschema-rs tells the two schemas apart too (or does not read it)
needed       without the keyword it is no schema: a reference would lead nowhere
annotation   nothing changes, and the report says so: it is no constraint
redundant    nothing changes, and the report says so: a constraint that its own place makes idle, or the rest
             of the schema, as a proof of `structgen explain --prove` shows
implied      nothing changes, as the oracle proves, and the report says enforced: so long a proof it skips
local        the language of the keyword's place changes; about the whole document the oracle did not decide
disputed     a witness was found, and the judges see no difference on it
unknown      not decided within the limits, or in time
left         more keywords than --most in one schema: an even choice was taken
silent       nothing changes, and jsonschema-rs sees a difference
untrue       the report says that nothing changes, and something does

Exit status: 0, or 1 where any was silent or untrue. A line of --progress has what is not plain of a schema.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator

from judging import Outcome, Question, run
from loss import FAULTS, VERDICTS, Subject, TimeUpError, at_most

import structgen as sg
from structgen.maskbench.readers import Case, select

LEFT = "left"


class Loss(Question):
    """Deletes keywords."""

    name = "loss"
    source = "STRUCTGEN_MASKBENCH"
    keys = ("keywords",)
    figures = ("count",)
    bad = FAULTS
    always = (*VERDICTS, LEFT)
    told = ("sample", "seed", "most")
    each = 40

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(sample=500, timeout=7200.0)
        parser.add_argument("--most", type=int, default=400, help="keywords of one schema")
        parser.add_argument("--seconds", type=float, default=2.0, help="for one keyword")

    def cases(self, wanted: Callable[[str], bool]) -> Iterator[Case]:
        chosen = select(self.options.paths, sample=self.options.sample, seed=self.options.seed)
        return (case for case in chosen.cases() if wanted(case.name))

    def judged(self, case: Case) -> Outcome:
        outcome, most = Outcome(case.name), self.options.most
        outcome.count("schemas", "count")
        try:
            with at_most(10 * self.options.seconds):
                values = [json.loads(instance.text) for instance in case.instances]
                subject = Subject(case.schema, values, self.options.seconds)
        except (sg.StructgenError, TimeUpError) as error:
            outcome.verdict = type(error).__name__
            outcome.count(f"schemas refused: {outcome.verdict}", "count")
            return outcome
        findings = subject.report.findings
        chosen = findings[:: -(-len(findings) // most)] if findings else ()
        outcome.count(LEFT, "count", len(findings) - len(chosen))
        for finding in subject.prove(chosen):
            one = subject.verdict(finding)
            if one.kind in ("changed", "annotation", "redundant"):
                outcome.count(one.kind, "count")
            else:
                place = f"{one.pointer}/{one.keyword}"
                outcome.fault(one.kind, one.kind, one.why, figure="count", place=place, witness=one.witness)
        return outcome


if __name__ == "__main__":
    sys.exit(run(Loss, __doc__))
