"""Small faults, seeded one at a time into a copy of structgen: each must turn the golden cases red.

    PYTHONPATH=tests python scripts/golden_mutants.py [name ...]

A mutant that stays green is a case that is missing in tests/golden. Those of compiled code have the inner
loops compiled anew, some minutes each.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import signal
import sys
import tempfile
import time
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from golden.book import DIGESTS, differences, read
from golden.cases import CASES
from golden.run import ShareFailed, run

ROOT = Path(__file__).resolve().parent.parent

_PATIENCE = 1800.0
"""Seconds after which a process that answers no more is red, too."""
_MEMORY = 16 << 30
"""Bytes of address space of a process: some faults have a search go on for ever."""


class Mutant(NamedTuple):
    """A fault: in a file of structgen, a text that stands there once, and what is put in its place."""

    name: str
    file: str
    old: str
    new: str
    cases: tuple[str, ...]
    """Names of the cases that are run, with * and ?."""


MUTANTS = (
    Mutant(
        "maxProperties is one less",
        "schema/recogniser/objects.py",
        "max(shape.lo, count + missing) > shape.hi:",
        "max(shape.lo, count + missing) >= shape.hi:",
        ("schema/object/m*",),
    ),
    Mutant(
        "maxItems lets one more come",
        "schema/recogniser/array_progress.py",
        "index >= shape.hi):\n            return []",
        "index > shape.hi):\n            return []",
        ("schema/array/[me]*",),
    ),
    Mutant(
        "minItems is one less",
        "schema/recogniser/array_progress.py",
        "if count < shape.lo or (",
        "if count + 1 < shape.lo or (",
        ("schema/array/[me]*",),
    ),
    Mutant(
        "minContains is one less",
        "schema/recogniser/array_progress.py",
        "if any(n < counter.least for",
        "if any(n + 1 < counter.least for",
        ("schema/array/*contains*",),
    ),
    Mutant(
        "exclusiveMinimum takes its bound",
        "schema/meaning/scalars.py",
        "Interval(schema.exclusive_minimum, None, open_low=True)",
        "Interval(schema.exclusive_minimum, None, open_low=False)",
        ("schema/number/*", "schema/integer/*"),
    ),
    Mutant(
        "minLength refuses a constant of its length",
        "schema/meaning/scalars.py",
        "return least <= len(text) and",
        "return least < len(text) and",
        ("schema/enum/*",),
    ),
    Mutant(
        "equal lengths are no length",
        "json_machine/answers/expander.py",
        "if most >= 0 and least > most:",
        "if most >= 0 and least >= most:",
        ("schema/string/*",),
    ),
    Mutant(
        "a required key of a plain object is forgotten",
        "json_machine/answers/expander.py",
        "needed[at] = at if plain.required[at] else needed[at + 1]",
        "needed[at] = needed[at + 1]",
        ("schema/object/re*", "sample/*"),
    ),
    Mutant(
        "a budget allows one token less",
        "json_grammars/completion/token_costs.py",
        "over = int(costs.max(initial=most)), some[costs[which] > left]",
        "over = int(costs.max(initial=most)), some[costs[which] >= left]",
        ("schema/object/*", "policy/*"),
    ),
    Mutant(
        "an address of IPv6 has one group less",
        "automata/formats/named_formats.py",
        "for before in range(9 - least_hidden):",
        "for before in range(8 - least_hidden):",
        ("schema/format/ip*",),
    ),
    Mutant(
        "twenty keys are nineteen",
        "json_machine/expected.py",
        "MOST = 20\n",
        "MOST = 19\n",
        ("schema/object/many*",),
    ),
    Mutant(
        "the longest rest counts as the shortest",
        "text_grammars/context_free/shortest_rests.py",
        "if best is None or length <= best[0]:",
        "if best is None or length >= best[0]:",
        ("ebnf/*",),
    ),
    Mutant(
        "a span may not be one character",
        "text_grammars/substrings.py",
        "return state > 0 and not read",
        "return state > 1 and not read",
        ("text/span*",),
    ),
    Mutant(
        "a control character has no escape",
        "text_grammars/composition/json_escapes.py",
        "return point < 0x20 and point not in _LETTER",
        "return point < 0x1F and point not in _LETTER",
        ("composed/json-string*",),
    ),
    Mutant(
        "one or more is none or more",
        "text_grammars/context_free/ebnf_reader.py",
        "least, most, self.at = 1, None, self.at + 1",
        "least, most, self.at = 0, None, self.at + 1",
        ("ebnf/*",),
    ),
    Mutant(
        "repeats count from one more",
        "text_grammars/text_grammar.py",
        "combined.RepeatedLanguage(copy, grammar.least, grammar.most)",
        "combined.RepeatedLanguage(copy, grammar.least + 1, grammar.most)",
        ("composed/*repeat*",),
    ),
    Mutant(
        "any_text may be one longer",
        "text_grammars/composition/structural_tags.py",
        r"[\s\S]{{0,{chars}}}$",
        r"[\s\S]{{0,{chars + 1}}}$",
        ("tag/*",),
    ),
    Mutant(
        "low priorities of terminals go first",
        "lark_grammars/reading/lark_loader.py",
        "return -terminal.priority, -pattern.max_width",
        "return terminal.priority, -pattern.max_width",
        ("lark/priority*", "lark/keyword"),
    ),
    Mutant(
        "the last byte of a token of JSON is not read (compiled)",
        "json_machine/masks/state_walk.py",
        "start, end = offsets[token], offsets[token + 1]\n    code =",
        "start, end = offsets[token], offsets[token + 1] - 1\n    code =",
        ("schema/type/*",),
    ),
    Mutant(
        "the last byte of a token is not read (compiled)",
        "text_grammars/machine/stepping.py",
        "        for at in range(offsets[token], offsets[token + 1]):\n            reached = follow",
        "        for at in range(offsets[token], offsets[token + 1] - 1):\n            reached = follow",
        ("text/*", "regex/*"),
    ),
)


def main() -> int:
    """Return 0 where every mutant is red, 1 where one is green, 2 where one no longer fits its source."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="names of mutants, with * and ?; all without one")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left behind
    chosen = [
        one for one in MUTANTS if not options.only or any(fnmatchcase(one.name, of) for of in options.only)
    ]
    status = 0
    for mutant in chosen:
        began = time.monotonic()
        verdict, why = judge(mutant, options.jobs)
        status = max(status, {"red": 0, "GREEN": 1, "STALE": 2}[verdict])
        print(
            f"{verdict:<6} {mutant.name:<52} {mutant.file:<28} {why}  ({time.monotonic() - began:.0f} s)",
            flush=True,
        )
    return status


def judge(mutant: Mutant, jobs: int) -> tuple[str, str]:
    """Return "red", "GREEN", or "STALE" where the text is not in the source once, and what turned red."""
    with tempfile.TemporaryDirectory(prefix="golden-mutant-") as temporary:
        package = Path(temporary)
        for name in ("structgen", "kernels/structgen_kernels"):
            shutil.copytree(ROOT / name, package / Path(name).name, symlinks=True)
        (package / "models").symlink_to(ROOT / "models")
        file = package / "structgen" / mutant.file
        source = file.read_text(encoding="utf-8")
        if source.count(mutant.old) != 1:
            return "STALE", f"the text stands there {source.count(mutant.old)} times"
        file.write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")
        names = [name for name in CASES if any(fnmatchcase(name, one) for one in mutant.cases)]
        try:
            ran = run([CASES[name] for name in names], jobs, package, _PATIENCE)
        except ShareFailed as failure:
            return "red", f"a process failed: {str(failure).strip().splitlines()[-1][:60]}"
    found = differences(read(DIGESTS.read_text(encoding="utf-8")), ran.lines, ran.lines)
    if not found:
        return "GREEN", f"{len(ran.lines)} lines are as they were"
    kinds = sorted({one.kind for one in found})
    count = len({one.name for one in found})
    return "red", f"{count} of {len(ran.lines)} lines ({', '.join(kinds)}), first {found[0].name}"


if __name__ == "__main__":
    sys.exit(main())
