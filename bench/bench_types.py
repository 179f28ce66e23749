"""Twenty types through outlines, instructor and structgen: what comes back, what is refused, what is wrong.

    python bench/bench_types.py [--texts 20]

outlines and ours constrain the embedded model (temperature 1.5, at most 120 tokens, so that it strays), a
text is judged by the type itself: valid, no JSON (as a text that was cut off), or wrong. instructor
sends a schema to a server and judges what returns; the server of this process answers with documents of the
very schema that was sent, so what is wrong there is what the schema does not say (instructor would ask
again). What is not installed is left out. No times are taken.
Prints a table in Markdown and writes bench/results/types-DATE.csv.
"""

from __future__ import annotations

import ast
import contextlib
import json
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from records import arguments, write
from typed_cases import CASES

import structgen as sg
from structgen.system.resources import embedded_model

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "typed"))
from openai_server import serving

TOKENS = 120


def said(counts: Counter[str], example: str) -> str:
    """Return the cell of a library that wrote texts."""
    parts = [f"{counts[kind]} {kind}" for kind in ("valid", "no JSON", "wrong") if counts[kind]]
    return ", ".join(parts) + (f", such as `{example[:60]}`" if example else "")


def refused(error: Exception) -> str:
    """Return the cell of a library that does not take a type."""
    first = " ".join(str(error).split())
    return f"refused: {type(error).__name__}: {first[:70]}"


def ours(count: int) -> Callable[[Any], str]:
    """Return what judges a type through structgen."""
    engine = sg.Engine("structgen/extract")

    def judge(hint: Any) -> str:
        counts: Counter[str] = Counter()
        example = ""
        for seed in range(count):
            how = sg.Sampling(temperature=1.5, seed=seed)
            try:
                sg.run(engine, "Ada took 3 lamps.", hint, sampling=how, max_tokens=TOKENS, attempts=1)
                counts["valid"] += 1
            except sg.errors.GenerationError as error:
                counts["wrong"] += 1
                example = example or error.text
        return said(counts, example)

    return judge


def outlines(count: int) -> Callable[[Any], str]:
    """Return what judges a type through outlines."""
    import outlines
    import transformers

    folder = embedded_model("structgen/extract")
    network = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    model = outlines.from_transformers(network, transformers.AutoTokenizer.from_pretrained(folder))

    def judge(hint: Any) -> str:
        generator = outlines.Generator(model, hint)
        counts: Counter[str] = Counter()
        example = ""
        # attrs classes are read by our reader, all others by pydantic alone
        adapter = TypeAdapter(hint) if "attrs" not in str(type(hint)) else None
        for seed in range(count):
            torch.manual_seed(seed)
            text = generator("Ada took 3 lamps.\n", max_new_tokens=TOKENS, do_sample=True, temperature=1.5)
            kind = verdict(adapter, text)
            counts[kind] += 1
            if kind != "valid":
                example = example or text
        return said(counts, example)

    return judge


def verdict(adapter: Any, text: str) -> str:
    """Return what a type thinks of a text: taken as JSON, as it stands, or as a literal of Python's."""
    try:
        adapter.validate_json(text)
        return "valid"
    except ValidationError:
        pass
    literal: Any = text
    with contextlib.suppress(ValueError, SyntaxError):
        literal = ast.literal_eval(text)
    for value in (text, literal):
        try:
            adapter.validate_python(value)
            return "valid"
        except ValidationError:
            continue
    try:
        json.loads(text)
    except ValueError:
        return "no JSON"
    return "wrong"


def instructor(count: int) -> Callable[[Any], str]:
    """Return what judges a type through instructor, before a server that keeps the schema sent to the
    letter."""
    import instructor
    from openai import OpenAI

    engine = sg.Engine("structgen/extract")

    def kept(body: dict[str, Any]) -> str:
        """Answer with a document of the schema that came with the request."""
        schema = body["response_format"]["json_schema"]["schema"]
        seeds.append(len(seeds))
        how = sg.Sampling(temperature=1.5, seed=len(seeds))
        options = {"whitespace": "oneline", "numbers": "plain", "escapes": "utf8"}
        found = sg.run(
            engine,
            "Ada took 3 lamps.",
            schema,
            sampling=how,
            max_tokens=TOKENS,
            policies=options,
            detailed=True,
        )
        return str(found.text)

    seeds: list[int] = []

    def judge(hint: Any) -> str:
        counts: Counter[str] = Counter()
        example = ""
        for _ in range(count):
            texts: list[str] = []

            def answer(body: dict[str, Any], texts: list[str] = texts) -> str:
                texts.append(kept(body))
                return texts[-1]

            with serving(answer) as server:
                url = server.model.removeprefix("openai:").partition("#")[0]
                client = instructor.from_openai(
                    OpenAI(base_url=url, api_key="x", max_retries=0), mode=instructor.Mode.JSON_SCHEMA
                )
                try:
                    client.chat.completions.create(
                        model="small",
                        response_model=hint,
                        messages=[{"role": "user", "content": "Ada took 3 lamps."}],
                        max_retries=0,
                    )
                    counts["valid"] += 1
                except Exception:
                    if not texts:
                        raise
                    counts["wrong"] += 1
                    example = example or texts[-1]
        return said(counts, example)

    return judge


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--texts", type=int, default=20)
    options = parser.parse_args()
    count = options.texts
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    judges: dict[str, Callable[[Any], str]] = {}
    for name, made in (("structgen", ours), ("outlines", outlines), ("instructor", instructor)):
        try:
            judges[f"{name} {sg.__version__ if name == 'structgen' else version(name)}"] = made(count)
        except ImportError as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
    rows = []
    print(f"| type | {' | '.join(judges)} |\n|---|{'---|' * len(judges)}")
    for name, hint in CASES.items():
        cells = []
        for judge in judges.values():
            try:
                cells.append(judge(hint))
            except Exception as error:
                cells.append(refused(error))
        rows.append([name, *cells])
        print(f"| {name} | {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |", flush=True)
    write(options.results, "types", {"texts": count}, ("type", *judges), rows)


if __name__ == "__main__":
    main()
