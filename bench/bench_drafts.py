"""What do our drafts save in vLLM, and are the tokens the same?

    python bench/bench_drafts.py [--model smollm2] [--count 100] [--at-once 1 16] [--law]
                                 [--ways none ours always ngram]

vLLM runs on a CPU, in a process of its own for each way and number of requests at once; the model computes in
float32. Half of the requests ask for JSON, half for a tool call, each under another schema. A row of
bench/results/drafts-DATE.csv is one such process. Ways: `none`; `ours`, the drafts of
structgen.integrations.vllm_drafts as they are, made where they save time; `always`, the same made in each
step; `ngram`, vLLM's own prompt lookup. `passes a token`: how often a request was in a pass of the model, for
each token that it has. `same`: requests whose tokens are those of `none`, greedily. `seeded`: the same, drawn
at temperature 1 with a seed for each request. `law`: the probability that 200 answers drawn without a seed
differ as much from those of `none`, were they of one law (chi-square over the answers to one question); both
with `--law`. Exit status 1 where `same` or
`seeded` of our ways lacks a request, or `law` is below 0.001. With `--model` the rows stand behind those of
the day.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "bench")]

from bench_serving import short_documents, written_model  # noqa: E402
from serving_checks import MODEL, PROMPT, in_engines  # noqa: E402

COLUMNS = (
    *("model", "way", "at once", "requests", "tokens", "passes a token", "drafted a token"),
    *("accepted of drafted", "processor seconds", "seconds", "same", "seeded", "law", "load"),
)
OURS = {"model": "structgen.integrations.vllm_drafts.Drafts", "num_speculative_tokens": 8}
WAYS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "ours": OURS,
    "always": OURS,
    "ngram": {"method": "ngram", "num_speculative_tokens": 4, "prompt_lookup_max": 4},
}
FEW = {
    "type": "object",
    "properties": {"size": {"enum": ["small", "medium", "large"]}, "is_it_paid": {"type": "boolean"}},
    "required": ["size", "is_it_paid"],
    "additionalProperties": False,
}
SMALL = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "OMP_NUM_THREADS": "1",
}


def always_drafted() -> None:
    """Let our drafts be made in each step, whatever they cost."""
    from structgen.decoding.speculation.drafts.draft import NO_DRAFT
    from structgen.doors.integrations import engine_drafts

    class Always(engine_drafts.Speculator):
        def wants_drafts(self, count: int, drafters: Any) -> bool:
            return True

        def propose_drafts(self, draftings: Any, views: Any, mosts: Any) -> list[Any]:
            return [
                NO_DRAFT if view is None else drafting.propose_tree(view, most)
                for drafting, view, most in zip(draftings, views, mosts, strict=True)
            ]

    engine_drafts.Speculator = Always  # type: ignore[misc]


def asked(count: int, temperature: float, *, seeded: bool) -> list[Any]:
    """Return the parameters of requests: JSON, then a tool call, and so on, each of another schema."""
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    made = []
    for number, schema in enumerate(short_documents(count)):
        says: dict[str, Any] = {"json": schema}
        if number % 2:
            call = {"type": "tag", "content": {"type": "json_schema", "json_schema": schema}}
            call["begin"] = f'<tool_call>\n{{"name": "order_{number}", "arguments": '
            call["end"] = "}\n</tool_call>"
            says = {"structural_tag": json.dumps({"type": "structural_tag", "format": call})}
        outputs, seed = StructuredOutputsParams(**says), number if seeded else None
        params = SamplingParams(
            temperature=temperature, seed=seed, max_tokens=200, structured_outputs=outputs
        )
        made.append(params)
    return made


def child(model: str, way: str, at_once: int, count: int, law: bool) -> dict[str, Any]:
    """Return what one way writes, and what it takes."""
    os.environ.update(SMALL)
    from vllm.plugins import load_general_plugins

    load_general_plugins()
    if way == "always":
        always_drafted()
    from vllm import LLM, SamplingParams
    from vllm.sampling_params import StructuredOutputsParams

    llm = LLM(
        model,
        dtype="float32",
        enforce_eager=True,
        max_model_len=1024,
        max_num_seqs=at_once,
        structured_outputs_config={"backend": "structgen"},
        **({} if WAYS[way] is None else {"speculative_config": WAYS[way]}),
    )
    core = llm.llm_engine.engine_core.engine_core  # type: ignore[attr-defined]
    passes = drafted = 0
    execute = core.model_executor.execute_model

    def counted(output: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal passes, drafted
        passes += len(output.num_scheduled_tokens)
        drafted += sum(map(len, output.scheduled_spec_decode_tokens.values()))
        return execute(output, *args, **kwargs)

    core.model_executor.execute_model = counted

    def texts(params: list[Any]) -> list[list[int]]:
        outputs = llm.generate([PROMPT] * len(params), params, use_tqdm=False)
        return [list(output.outputs[0].token_ids) for output in outputs]

    texts(asked(2, 0.0, seeded=False))
    passes = drafted = 0
    before, spent = time.perf_counter(), time.process_time()
    greedy = texts(asked(count, 0.0, seeded=False))
    found: dict[str, Any] = {"processor seconds": round(time.process_time() - spent, 1)}
    found |= {"seconds": round(time.perf_counter() - before, 1), "load": round(os.getloadavg()[0], 1)}
    tokens = sum(map(len, greedy))
    found |= {"tokens": tokens, "passes a token": round(passes / tokens, 3), "greedy": greedy}
    found["drafted a token"] = round(drafted / tokens, 2)
    found["accepted of drafted"] = round((tokens - passes) / drafted, 2) if drafted else ""
    # one after the other with greedy ones, which are drafted for
    mixed = zip(asked(count, 0.0, seeded=False), asked(count, 1.0, seeded=True), strict=True)
    found["seeded"] = texts([one for pair in mixed for one in pair])[1::2] if law else []
    few = SamplingParams(temperature=1.0, max_tokens=60, structured_outputs=StructuredOutputsParams(json=FEW))
    found["drawn"] = [llm.get_tokenizer().decode(one) for one in texts([few] * 200)] if law else []
    return found


def likelihood(one: list[str], other: list[str]) -> float:
    """Return the probability that two lists of answers of one law differ as much: chi-square, layouts set
    aside, answers that are rare put together."""
    from torch import tensor
    from torch.special import gammaincc

    counts = [Counter(repr(json.loads(text.partition("<|")[0])) for text in texts) for texts in (one, other)]
    common = [name for name in counts[0] | counts[1] if counts[0][name] + counts[1][name] >= 10]
    pairs = [(counts[0][name], counts[1][name]) for name in common]
    pairs.append((len(one) - sum(pair[0] for pair in pairs), len(other) - sum(pair[1] for pair in pairs)))
    pairs = [pair for pair in pairs if sum(pair)]
    # the lists are equally long
    distance = sum((first - second) ** 2 / (first + second) for first, second in pairs)
    return float(gammaincc(tensor((len(pairs) - 1) / 2), tensor(distance / 2)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="", choices=("", "smollm2"), help="in place of models/extract")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--at-once", type=int, nargs="*", default=[1, 16])
    parser.add_argument("--ways", nargs="*", default=["none", "ours", "always"], choices=tuple(WAYS))
    parser.add_argument("--law", action="store_true", help="fill `seeded` and `law` too")
    parser.add_argument("--python", type=Path, help="of an environment that has vLLM")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    in_engines(options.python)
    model = str(ROOT / "build" / "smollm2") if options.model else str(ROOT / MODEL)
    if options.child:
        made = child(model, *options.ways, *options.at_once, options.count, options.law)
        Path(options.child).write_text(json.dumps(made), encoding="utf-8")
        return
    if options.model:
        written_model()
    from importlib.metadata import version as version_of

    from records import version, write

    rows, good = [], True
    for at_once in options.at_once:
        first: dict[str, Any] = {}
        for way in options.ways:
            path = ROOT / "build" / f"drafts-{way}-{at_once}.json"
            path.parent.mkdir(exist_ok=True)
            again = [sys.executable, __file__, "--child", str(path), "--model", options.model]
            again += ["--count", str(options.count), "--at-once", str(at_once), "--ways", way]
            subprocess.run([*again, *(["--law"] if options.law else [])], check=True)
            found = json.loads(path.read_text(encoding="utf-8"))
            first = first or found
            row = {**found, "model": options.model or "extract", "way": way, "at once": at_once, "law": ""}
            row |= {"requests": options.count, "seeded": ""}
            for name, of in (("same", "greedy"), *([("seeded", "seeded")] if options.law else [])):
                row[name] = sum(a == b for a, b in zip(first[of], found[of], strict=True))
                good = good and (way == "ngram" or row[name] == options.count)
            if options.law:
                row["law"] = round(likelihood(first["drawn"], found["drawn"]), 3)
                good = good and row["law"] >= 0.001
            rows.append(tuple(row[column] for column in COLUMNS))
            print(dict(zip(COLUMNS, rows[-1], strict=True)), flush=True)
    about = {"structgen": version(), "vllm-cpu": version_of("vllm-cpu")}
    write(options.results, "drafts", about, COLUMNS, rows, more=bool(options.model))
    sys.exit(not good)


if __name__ == "__main__":
    main()
