"""What does the engine cost: masks in a decode step, and throughput beside transformers' own loop?

    python bench/bench_engine.py [--device cpu] [--model extract|smollm2|random|FOLDER] [--batches 1,8,32]
        [--without-hard] [--alone]

Each batch writes `--tokens` tokens after each prompt, with the same weights in both, and none of the texts
ends before: the documents are arrays too long for it, free texts cannot end. Seconds are those from the
prompts (as text) to the last token. The systems take turns within each of `--repeats` rounds, in another
order each time; figures are medians over the rounds. Columns: tokens a second over all texts; milliseconds of
our steps; `masks_percent`, the part of our median step under a grammar that a step of free text has not, both
at temperature 1; `times`, our rate for the same text and temperature over this system's; `spread_percent`,
how far the slowest round lies from the fastest, in parts of the median.

"ordinary" and "hard" are the schemas below. The peers' processors run in transformers' loop as their
documentation has it, over the ordinary schema. Random weights: `--model random` is a Llama of 1.2 billion in
bfloat16, the default on cuda. Prints a table, and writes bench/results/engine-DEVICE-MODEL-DATE.csv. Without
the device it says that nothing was measured.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from records import arguments, in_turns
from told import tell

import structgen as sg
from structgen.decoding.engine.forward_pass.gguf_models import gguf_file, gguf_tokenizer
from structgen.decoding.engine.forward_pass.llama import Llama
from structgen.decoding.engine.huggingface import HuggingFace
from structgen.decoding.engine.models import tokenizer_of
from structgen.decoding.runs.resources import embedded_model
from structgen.grammars.json_grammars.prompting import extraction_prompt

FREE, ORDINARY, HARD = "free", "ordinary", "hard"
_ORDINARY = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "city": {"type": "string"},
        "size": {"enum": ["S", "M", "L", None]},
    },
    "required": ["name", "age", "city"],
    "additionalProperties": False,
}
_PART = {
    "type": "object",
    "properties": {
        "kind": {"const": "part"},
        "code": {"type": "string", "pattern": "^[A-Z]{2,3}-[0-9]{4}(/[a-z]+)?$"},
        "made": {"type": "string", "format": "date-time"},
        "price": {"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 500},
    },
    "required": ["kind", "code", "price"],
    "additionalProperties": False,
}
_PERSON = {
    "type": "object",
    "properties": {"kind": {"const": "person"}, "mail": {"type": "string", "format": "email"}},
    "required": ["kind", "mail"],
    "patternProperties": {"^x-": {"type": ["integer", "string"]}},
    "additionalProperties": False,
}
SCHEMAS: dict[str, dict[str, Any]] = {
    ORDINARY: {"type": "array", "items": _ORDINARY, "minItems": 60},
    HARD: {"type": "array", "items": {"oneOf": [_PART, _PERSON]}, "minItems": 60},
}
"""The shortest documents take some thousand tokens."""
_SENTENCE = "Zorvik, {age}, of Mandelport bought {count} lamps and a chair from Quill, who is {other}."

Timing = tuple[float, list[float]]
"""Of one run: seconds in all, the prompts read among them, and of each further step."""


@dataclass(frozen=True)
class Setting:
    """A model in both forms, its tokenizer in both, and where it runs."""

    device: torch.device
    model: Any
    theirs: Any
    """transformers' model."""
    tokenizer: sg.Tokenizer
    their_tokenizer: Any

    def synchronize(self) -> None:
        """Wait until the device has done what it was told."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    @staticmethod
    def prompts(count: int) -> list[str]:
        """Return different prompts of nearly the same length."""
        asked = [_SENTENCE.format(age=20 + i % 60, count=2 + i, other=70 - i % 50) for i in range(count)]
        return [extraction_prompt(SCHEMAS[ORDINARY], one) for one in asked]


def setting(model: str, device: torch.device) -> Setting:
    """Return a model: `extract`, `smollm2` or `random` (a Llama of 1.2 billion random weights), `tiny` (of
    two million), or a folder. The embedded tokenizer serves the random ones, whose vocabularies are as wide
    as a Llama's and as its own."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

    folder, read = embedded_model("structgen/extract"), {"local_files_only": True}
    kind = torch.float32 if device.type == "cpu" else torch.bfloat16
    if model in ("random", "tiny"):
        names = "hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads"
        sizes = (2048, 8192, 16, 32, 8, 128_256) if model == "random" else (128, 256, 2, 2, 2, 2048)
        config = LlamaConfig(
            **dict(zip([*names.split(), "vocab_size"], sizes, strict=True)),
            max_position_embeddings=4096,
            rope_theta=500_000.0,
            tie_word_embeddings=True,
        )
        torch.manual_seed(0)
        with torch.device(device):
            theirs = AutoModelForCausalLM.from_config(config, dtype=kind)
    else:
        if model == "smollm2":
            file = gguf_file(model)
            assert file is not None
            folder, read = file.parent, read | {"gguf_file": file.name}
        elif model != "extract":
            folder = Path(model)
        theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=kind, **read).to(device)
    if model == "smollm2":
        tokenizer = gguf_tokenizer(file)
        tokenizer.padding_side, tokenizer.pad_token_id = "left", tokenizer.pad_token_id or 0
        # reading it twice takes longer than measuring
        llama: Any = HuggingFace(theirs) if device.type != "cpu" else sg.Engine(model, device="cpu").model
        return Setting(device, llama, theirs.eval(), tokenizer_of(tokenizer), tokenizer)
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left", **read)
    tokenizer.pad_token_id = tokenizer.pad_token_id or 0
    is_ours = model == "extract" and device.type == "cpu"
    ours: Any = Llama.read_folder(folder) if is_ours else HuggingFace(theirs)
    return Setting(device, ours, theirs.eval(), sg.Tokenizer.from_huggingface(str(folder)), tokenizer)


class Endless:
    """A model whose texts do not end: the logits of the end tokens are minus infinity."""

    def __init__(self, model: Any, ends: Sequence[int]) -> None:
        self._model, self._ends = model, torch.tensor(list(ends))
        self.vocab_size, self.context = model.vocab_size, model.context

    def prefill(self, tokens: Sequence[int]) -> tuple[torch.Tensor, Any]:
        logits, cache = self._model.prefill(tokens)
        return self._ended(logits), cache

    def prefill_many(self, prompts: Sequence[Sequence[int]]) -> list[tuple[torch.Tensor, Any]]:
        return [(self._ended(logits), cache) for logits, cache in self._model.prefill_many(prompts)]

    def decode(self, tokens: Sequence[int], caches: Sequence[Any]) -> torch.Tensor:
        return self._ended(self._model.decode(tokens, caches))

    def _ended(self, logits: torch.Tensor) -> torch.Tensor:
        self._ends = self._ends.to(logits.device)
        with torch.inference_mode():
            # in place: where the model's logits stay in the same memory, so do these
            return logits.index_fill_(-1, self._ends, -torch.inf)


class Ours:
    """The engine of structgen."""

    name = "structgen"

    def __init__(self, where: Setting, rows: int) -> None:
        self.where = where
        model = Endless(where.model, where.tokenizer.eos_token_ids)
        self.engine = sg.Engine(model, where.tokenizer, max_rows=rows)
        dumps = {**sg.JSON_DUMPS, "escapes": "utf8"}
        self.grammars = {name: sg.json_schema(schema, **dumps) for name, schema in SCHEMAS.items()}

    def run(self, prompts: list[str], kind: str, tokens: int, temperature: float) -> Timing:
        """Write so many tokens after each prompt."""
        engine, how = self.engine, {"max_tokens": min(1600, self.where.model.context - 200)}
        times = [time.perf_counter()]
        handles = []
        for seed, prompt in enumerate(prompts):
            sampling = sg.Sampling(temperature=temperature, seed=seed)
            asked = sg.Request(prompt, self.grammars.get(kind), sampling, speculation="off", **how)
            handles += engine.submit(asked)
        for _ in range(tokens):
            engine.step()
            self.where.synchronize()
            times.append(time.perf_counter())
        for result in (handle.result for handle in handles if handle.result is not None):
            raise RuntimeError(f"a text ended after {len(result.tokens)} tokens: {result.error}")
        for handle in handles:
            handle.cancel()
        engine.drive(handles)
        return times[-1] - times[0], [after - before for before, after in pairwise(times[1:])]


class Theirs:
    """transformers' generate, with a processor of logits or without."""

    def __init__(self, where: Setting, peer: str = "") -> None:
        self.where, self.peer = where, peer
        self.name = f"transformers+{peer}" if peer else "transformers"
        self._compiled: Any = None

    def run(self, prompts: list[str], kind: str, tokens: int, temperature: float) -> Timing:
        """Write so many tokens after each prompt."""
        where, began = self.where, time.perf_counter()
        batch = where.their_tokenizer(prompts, return_tensors="pt", padding=True).to(where.device)
        sampled = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        with torch.inference_mode():
            out = where.theirs.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                max_new_tokens=tokens,
                eos_token_id=None,
                pad_token_id=where.their_tokenizer.pad_token_id,
                logits_processor=[] if kind == FREE else [self._processor(len(prompts))],
                **(sampled if temperature else {"do_sample": False}),
            )
        where.synchronize()
        seconds, written = time.perf_counter() - began, out.shape[1] - batch["input_ids"].shape[1]
        if written != tokens:
            raise RuntimeError(f"{self.name} wrote {written} tokens, not {tokens}")
        return seconds, []

    def _processor(self, rows: int) -> Any:
        """Return the peer's processor for one generation; what it compiles is kept."""
        tokenizer, width = self.where.their_tokenizer, self.where.theirs.config.vocab_size
        if self.peer == "xgrammar":
            import xgrammar

            if self._compiled is None:
                info = xgrammar.TokenizerInfo.from_huggingface(tokenizer, vocab_size=width)
                compiler = xgrammar.GrammarCompiler(info)
                self._compiled = compiler.compile_json_schema(json.dumps(SCHEMAS[ORDINARY]))
            return xgrammar.contrib.hf.LogitsProcessor(self._compiled)
        import llguidance.hf

        if self._compiled is None:
            made = llguidance.hf.from_tokenizer(tokenizer, n_vocab=width)
            grammar = llguidance.LLMatcher.grammar_from_json_schema(SCHEMAS[ORDINARY])
            self._compiled = made, grammar, llguidance.LLExecutor()
        return _of_llguidance(*self._compiled, rows)


def _of_llguidance(tokenizer: Any, grammar: str, executor: Any, rows: int) -> Any:
    """Return llguidance's matchers behind transformers' interface, with its own calls for a batch."""
    import llguidance
    import llguidance.torch as parts

    matchers = [(llguidance.LLMatcher(tokenizer, grammar), row) for row in range(rows)]
    mask = parts.allocate_token_bitmask(rows, tokenizer.vocab_size)
    begun = False

    def processor(ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        nonlocal begun
        for (matcher, _), token in zip(matchers, ids[:, -1].tolist() if begun else (), strict=begun):
            matcher.consume_token(token)
        begun = True
        parts.fill_next_token_bitmask_par(executor, matchers, mask)
        parts.apply_token_bitmask_inplace(scores, mask.to(scores.device))
        return scores

    return processor


def peers() -> Iterator[str]:
    """Yield the peers that are installed."""
    yield from (name for name in ("llguidance", "xgrammar") if find_spec(name) is not None)


def measured(
    where: Setting,
    batches: Sequence[int],
    texts: Sequence[str],
    beside: Sequence[str],
    tokens: int,
    rounds: int,
) -> Iterator[dict[str, Any]]:
    """Yield a row for each batch, system, text and temperature. `beside`: the peers."""
    free, others = Theirs(where), [Theirs(where, peer) for peer in beside]
    for batch in batches:
        ours = Ours(where, batch)
        runs = [(ours, kind, heat) for heat in (0.0, 1.0) for kind in texts]
        runs += [(free, FREE, 0.0), (free, FREE, 1.0), *((peer, ORDINARY, 0.0) for peer in others)]
        prompts = where.prompts(batch)
        ways: Any = {
            (system.name, kind, heat): partial(system.run, prompts, kind, tokens, heat)
            for system, kind, heat in runs
        }
        found: Any = {key: [made for _, made in taken] for key, taken in in_turns(ways, rounds).items()}
        seconds = {key: statistics.median(one for one, _ in timings) for key, timings in found.items()}
        steps = {
            key: statistics.median(step for _, all_steps in timings for step in all_steps)
            for key, timings in found.items()
            if key[0] == ours.name
        }
        for (system, kind, heat), taken in seconds.items():
            key = (ours.name, kind, heat)
            rounds_of = [one for one, _ in found[system, kind, heat]]
            is_masked = system == ours.name and kind != FREE and heat == 1
            yield {
                "batch": batch,
                "system": system,
                "text": kind,
                "temperature": heat,
                "tokens_per_second": batch * tokens / taken,
                "seconds": taken,
                "step_ms": 1e3 * steps[key] if system == ours.name else "",
                "masks_percent": 100 * (1 - steps[ours.name, FREE, 1.0] / steps[key]) if is_masked else "",
                "times": taken / seconds[key],
                "spread_percent": 100 * (max(rounds_of) - min(rounds_of)) / taken,
            }


def main() -> int:
    """Measure, print and write."""
    parser = arguments(__doc__)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ...")
    parser.add_argument("--model", default="", help="extract, smollm2, random, tiny, or a folder")
    parser.add_argument("--batches", default="", help="default 1,8,32; on cuda 1,32,256")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--without-hard", action="store_true", help="without texts of the hard schema")
    parser.add_argument("--alone", action="store_true", help="without xgrammar and llguidance")
    parser.add_argument("--threads", type=int, help="of torch; default: torch's own choice")
    options = parser.parse_args()
    torch.set_num_threads(options.threads or torch.get_num_threads())
    try:
        device = torch.device(options.device)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        print(f"not measured on {options.device}: {str(error).partition(chr(10))[0]}")
        return 0
    on_cpu = device.type == "cpu"
    model = options.model or ("extract" if on_cpu else "random")
    where = setting(model, device)
    batches = (options.batches or ("1,8,32" if on_cpu else "1,32,256")).split(",")
    beside = [] if options.alone else [*peers()]
    texts = [FREE, ORDINARY] if options.without_hard else [FREE, ORDINARY, HARD]
    rows = measured(where, [*map(int, batches)], texts, beside, options.tokens, options.repeats)
    about = {
        "device": options.device if on_cpu else f"{options.device}, {torch.cuda.get_device_name(device)}",
        "dtype": str(next(where.theirs.parameters()).dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "tokens": options.tokens,
        "repeats": options.repeats,
    }
    tell(
        options,
        f"engine-{device.type}-{Path(model).name}",
        rows,
        ["torch", "transformers", *beside],
        **about,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
