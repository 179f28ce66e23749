"""What is found in long documents, beside langextract on the same model?

    python bench/bench_extract.py [--documents minutes log ...] [--ways structgen ...] [--peers PYTHON]
        [--model smollm2] [--max-tokens 400] [--kept FILE]

The documents are those of bench/extract_documents.py, the shortest first. Defaults are chosen by the open
ones alone (`--documents minutes log contract`). The items of a sealed one are not looked at: a row is.

All ways have the same model, instruction and two worked examples. `structgen` is `sg.extract` in this
process. langextract runs in an environment of its own, whose interpreter is `--peers`; it asks `structgen
serve` with eight requests at once. `langextract` has its defaults: a schema made of the examples, which the
server holds the answer to. An answer has at most `--max-tokens` tokens, since this model writes on to its
end. `short answers`: at most 150, with which it invents least. `no schema`: its option
`use_schema_constraints=False`, so that any JSON is an answer. `yaml`, which must be named: its other format,
free text.

Columns: bench/extract_judge.py; `omitted`: chunks whose answer langextract could not read; seconds of
processor, the server's too; `requests`; tokens of prompts and of answers. Rows go to
bench/results/extract-DATE.csv as they are there. `--kept`: a file of what each way has found in each
document, a line of JSON; what it has is judged again and not asked again.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from extract.writing import ExtractDocument
from extract_documents import NAMES, read_document
from extract_judge import FoundItem, rightness
from records import arguments, warm_engine
from told import tell

import structgen as sg

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import serving_checks

EMBEDDED = "extract"
"""It reads a text below the outline of a type, and neither instructions nor examples."""
Told = dict[str, Any]
"""What a way tells of a document: `items`, and figures."""


class Bench:
    """What all ways share: the options, the engine, the server; the last two are made when they are
    needed."""

    def __init__(self, asked: argparse.Namespace, stack: ExitStack) -> None:
        self.asked = asked
        self._stack = stack
        self._engine: sg.Engine | None = None
        self._server: tuple[str, Any] | None = None

    @property
    def engine(self) -> sg.Engine:
        if self._engine is None:
            self._engine = warm_engine(self.asked.model)
        return self._engine

    @property
    def server(self) -> tuple[str, Any]:
        if self._server is None:
            serving = serving_checks.serving(model=self.asked.model, OMP_NUM_THREADS="1")
            self._server = self._stack.enter_context(serving)
        return self._server


Way = Callable[[Bench, str], Told]


def asked_as(document: ExtractDocument) -> dict[str, Any]:
    """Return the instruction and the worked examples of a document, as options of `sg.extract`."""
    shown = [(text, list(items)) for text, items in document.examples]
    return {"prompt": document.prompt, "examples": shown}


def ours(**options: Any) -> Way:
    """Return `sg.extract` under options."""

    def found(bench: Bench, name: str) -> Told:
        document = read_document(name)
        engine, begun = bench.engine, time.process_time()
        made = sg.extract(
            engine,
            document.text,
            list[document.item],  # type: ignore[name-defined]
            **(asked_as(document) if bench.asked.model != EMBEDDED else {}),
            **options,
        )
        spent = time.process_time() - begun
        items = [
            {
                "value": one.value,
                "spans": {
                    each.path.removeprefix("/"): (each.start, each.end)
                    for each in one.fields
                    if each.start is not None
                },
            }
            for one in made.items
        ]
        told = {"items": items, "seconds": spent, "omitted": len(made.failed), "error": ""}
        told |= {"requests": made.requests, "prompt_tokens": made.prompt_tokens, "tokens": made.tokens}
        return {**told, "version": f"structgen {sg.__version__}"}

    return found


def peer(**settings: Any) -> Way:
    """Return langextract under settings, in a process of its own."""

    def found(bench: Bench, name: str) -> Told:
        asked = bench.asked
        provider = {"max_output_tokens": asked.max_tokens, **settings.get("provider", {})}
        url, server = bench.server
        command = [asked.peers, str(Path(__file__).with_name("extract_peers.py")), name, "--url", url]
        command += ["--server", str(server.pid), "--model", asked.model]
        command += ["--settings", json.dumps({**settings, "provider": provider})]
        said = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [json.loads(line) for line in said.stdout.splitlines()]
        if len(lines) < 2:
            nothing = (said.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise OSError(lines[0]["missing"] if lines and "missing" in lines[0] else nothing)
        return {**lines[1], **lines[0]}

    return found


WAYS: dict[str, Way] = {
    "structgen": ours(),
    "langextract": peer(),
    "langextract, no schema": peer(use_schema_constraints=False),
    "langextract, short answers": peer(provider={"max_output_tokens": 150}),
    "langextract, yaml": peer(
        use_schema_constraints=False, format_type="yaml", provider={"format_type": "yaml"}
    ),
}


def read_kept(path: Path | None, model: str) -> dict[tuple[str, str], Told]:
    """Return what a file has of a model, by way and document."""
    if path is None or not path.exists():
        return {}
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {(one["way"], one["document"]): one for one in lines if one.get("model", "smollm2") == model}


def measured(bench: Bench) -> Iterator[dict[str, Any]]:
    """Yield a row for each document and way."""
    asked = bench.asked
    kept = read_kept(asked.kept, asked.model)
    for name in (one for one in NAMES if one in asked.documents):
        document = read_document(name)
        for way in asked.ways:
            told = kept.get((way, name))
            if told is None:
                try:
                    told = WAYS[way](bench, name)
                except (OSError, sg.StructgenError) as error:
                    print(f"{way}, {name}: not run: {error}", flush=True)
                    continue
                about = {"way": way, "document": name, "model": asked.model}
                if asked.kept is not None:
                    with asked.kept.open("a", encoding="utf-8") as file:
                        file.write(json.dumps({**about, **told}, default=str) + "\n")
            items = [FoundItem(one["value"], one["spans"]) for one in told["items"]]
            words = len(document.text.split())
            row = {"document": name, "half": document.half, "words": words, "way": way}
            row |= rightness(document, items)
            row |= {one: told[one] for one in ("omitted", "requests", "prompt_tokens", "tokens")}
            yield row | {
                "cpu_seconds": round(told["seconds"], 1),
                "error": told["error"],
                "by": told["version"],
            }


def main() -> None:
    """Ask, print and write."""
    parser = arguments(__doc__)
    usual = [name for name in NAMES if name != "persons"]
    usual_ways = [way for way in WAYS if "yaml" not in way]
    parser.add_argument("--documents", nargs="+", choices=NAMES, default=usual)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=usual_ways, metavar="WAY")
    parser.add_argument("--model", default="smollm2", help="smollm2, extract, or a GGUF file")
    parser.add_argument("--max-tokens", type=int, default=400, help="of an answer to langextract")
    parser.add_argument("--peers", default=sys.executable, help="the interpreter of langextract")
    parser.add_argument("--kept", type=Path, help="a file of what was found, which is not asked again")
    parser.add_argument("--more", action="store_true", help="add to the day's file, not in its place")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the processes that this one started end too
    with ExitStack() as stack:
        rows = measured(Bench(asked, stack))
        tell(asked, "extract", rows, ["torch"], model=asked.model, max_tokens=asked.max_tokens)


if __name__ == "__main__":
    main()
