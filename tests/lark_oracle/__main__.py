"""`make lark-oracle`: compare what Lark grammars answer with `digests.txt`.

    python -m lark_oracle [--bless] [--judge] [--kinds mask,counts] [--llama3 FILE] [--syncode FOLDER]
        [--public FOLDER] [NAME...]

Where a digest differs, its case, its place and the text before it are printed. `--judge` holds such a case to
lark, where it has letters: all of their short texts, and the completion of each beginning. Llama 3's
vocabulary and SynCode's grammars are left out, with a line, where nobody says where they are.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

from lark_reference import differences as differences_from_lark
from lark_reference import language

from . import answers as asking
from .book import DIGESTS, Difference, Line, differences, line, read, write
from .cases import Case, cases, tokenizer

_SHOWN = 3
"""Differing texts of one case that are printed, and what lark says against it."""
_LONGEST = 5
"""Letters of the texts of which lark is asked."""


def main() -> int:
    """Return the exit status: 0 where all is as it was, or was blessed; 1 where something differs; 2 where no
    case is named so."""
    options = _options()
    before = read(DIGESTS.read_text("utf-8")) if DIGESTS.exists() else {}
    makers = cases(options.syncode, options.llama3, options.public)
    for left_out in ("@llama3", "syncode/", "public/"):
        if getattr(options, left_out.strip("@/")) is None:
            print(f"{left_out}: left out, --{left_out.strip('@/')} says where it is")
    names = [one for one in makers if not options.only or any(fnmatchcase(one, own) for own in options.only)]
    lines: dict[str, Line] = {}
    tally: Counter[str] = Counter()
    began = time.process_time()
    for name in names:
        case = makers[name]()
        words = tokenizer(case.vocabulary, options.llama3 if case.vocabulary == "llama3" else None)
        said = list(asking.answers(case, words))
        lines[name] = line(case.inputs, said)
        tally["digests"] += len(said)
        was = before.get(name)
        if was is None or was.inputs != case.inputs:
            print(f"{name}: left out, its grammar or its texts are not those of {DIGESTS.name}")
            tally["left out"] += 1
            continue
        found = differences(name, was, said, options.kinds.split(","))
        tally["cases that differ"] += bool(found)
        for one in found[:_SHOWN]:
            print(_told(one), flush=True)
        if len(found) > _SHOWN:
            print(f"{name}: and {len(found) - _SHOWN} texts more")
        if found and options.judge and case.alphabet:
            for told in faults(case)[:_SHOWN] or ["lark has nothing against it"]:
                print(f"    {told}")
    if not names:
        print(f"No case is named {' or '.join(options.only)}.")
        return 2
    if options.bless:
        DIGESTS.write_text(write(before | lines), "utf-8")
    told = "; ".join(f"{what}: {count:,}" for what, count in tally.items())
    print(f"lark-oracle: {len(names):,} cases, {told}, {time.process_time() - began:.0f} s of CPU")
    return 1 if tally["cases that differ"] and not options.bless else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lark_oracle", description=__doc__)
    parser.add_argument("only", nargs="*", help="names of cases, with * and ?; all without one")
    parser.add_argument("--bless", action="store_true", help="write what is answered to digests.txt")
    parser.add_argument("--judge", action="store_true", help="ask lark where a digest differs")
    parser.add_argument("--kinds", default=",".join(asking.KINDS), help="what is compared, comma-separated")
    parser.add_argument("--llama3", help="Llama 3's vocabulary: a file, or `llama3`, which pip fetches")
    parser.add_argument("--syncode", type=Path, help="SynCode's source distribution, unpacked")
    parser.add_argument("--public", type=Path, help="clones of public projects, in folders OWNER+NAME")
    return parser.parse_args()


def faults(case: Case) -> list[str]:
    """Return what lark says against the answers to a case, over all short texts of its letters."""
    try:
        return differences_from_lark(
            case.reference, language(case.source, **case.options), case.alphabet, _LONGEST
        )
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


def _told(one: Difference) -> str:
    """Return a difference in words."""
    text, tokens, before = one.place
    where = "bytes" if tokens is None else f"token {len(tokens)}"
    kinds = ", ".join(one.kinds)
    return f"{one.name}: {kinds}; text {text}, {where}, after {before[-60:]!r}; {one.further} behind it"


if __name__ == "__main__":
    sys.exit(main())
