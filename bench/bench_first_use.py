"""How long does the first mask take after an installation?

    python bench/bench_first_use.py [--runs 3]

Each run is a process with empty folders for compiled code and for kept masks: it reads a tokenizer.json of
1,536 tokens, compiles a schema, fills the first mask, and fills the masks along a short document. Wall
seconds and processor seconds count from the start of the process; the processes that it starts are included.
The ways alternate, run by run:

- `compiled`: the inner loops that are needed, compiled in the process itself;
- `library`: STRUCTGEN_MACHINE_CODE names a folder of `structgen warmup --target generic`;
- `kept`: a second process of the same user, after the first.

Prints a table and writes bench/results/first-use-DATE.csv, a row a way and schema, with medians.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import numba
from records import arguments, load, show, version, write

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ("first_mask_s", "first_mask_cpu_s", "document_s", "document_cpu_s")
WAYS = ("compiled", "library", "kept")
SCHEMAS = {
    "strings and integers": '{"type": "string"}',
    "with a pattern": '{"type": "string", "pattern": "^[a-z]+$"}',
}
FIRST = """
import resource, sys, time
begun = time.time() - time.process_time()
import json
import structgen as sg
def told():
    cpu = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(time.time() - begun, cpu)
tokenizer = sg.Tokenizer.from_huggingface("tests/data/bpe/tokenizer.json")
properties = {"name": json.loads(sys.argv[1]), "age": {"type": "integer"}}
schema = {"type": "object", "properties": properties, "required": ["name", "age"]}
matcher = sg.Matcher(sg.compile(sg.json_schema(schema), tokenizer))
mask = sg.allocate_mask(1, tokenizer.vocab_size)
matcher.fill_mask(mask)
told()
for token in tokenizer.encode(b'{"name": "ada", "age": 36}'):
    matcher.fill_mask(mask)
    matcher.advance(token)
told()
"""


def first(way: str, schema: str, folder: Path, code: Path) -> list[float]:
    """Return wall and processor seconds until the first mask, and until the end of the document."""
    environment = {
        **os.environ,
        "STRUCTGEN_CACHE": str(folder / "masks"),
        "STRUCTGEN_MACHINE_CODE": str(code if way == "library" else folder / "compiled"),
    }
    command = [sys.executable, "-c", FIRST, schema]
    return [float(word) for word in subprocess.check_output(command, env=environment, cwd=ROOT).split()]


def main() -> None:
    """Run all ways in turn, print the table and write the rows."""
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    taken: dict[tuple[str, str], list[list[float]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as temporary:
        code = Path(temporary, "code")
        begin = [sys.executable, "-c", "from structgen.doors.cli import main; main()"]
        subprocess.run([*begin, "warmup", "--target", "generic", "--output", str(code)], check=True)
        for number in range(options.runs):
            for title, schema in SCHEMAS.items():
                for way in WAYS:
                    # A kept run follows the one that compiles, and has its folders.
                    name = "compiled" if way == "kept" else way
                    folder = Path(temporary, f"{number}-{title}-{name}")
                    taken[title, way].append(first(way, schema, folder, code))
                    print(f"run {number + 1}, {title}, {way}: {taken[title, way][-1]}", file=sys.stderr)
    rows = []
    for (title, way), runs in taken.items():
        medians = [f"{statistics.median(values):.2f}" for values in zip(*runs, strict=True)]
        rows.append((title, way, *medians))
    show(("schema", "way", *FIGURES), rows)
    about = {"load": load(), "version": version(), "numba": numba.__version__, "runs": options.runs}
    print(write(options.results, "first-use", about, ("schema", "way", *FIGURES), rows))


if __name__ == "__main__":
    main()
