"""What `bench_engine.py` times: our engine, transformers' own loop, and that loop with the peers' processors.

All write the same number of tokens after the same prompts with the same weights, and none of their texts
ends before: the documents are arrays too long for it, free texts cannot end.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

import structgen as sg
from structgen.engine.forward_pass.gguf_models import gguf_file
from structgen.engine.forward_pass.llama import Llama
from structgen.engine.huggingface import HuggingFace
from structgen.json_grammars.prompting import extraction_prompt
from structgen.system.resources import embedded_model

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
_HARD = {
    "oneOf": [
        {
            "type": "object",
            "properties": {
                "kind": {"const": "part"},
                "code": {"type": "string", "pattern": "^[A-Z]{2,3}-[0-9]{4}(/[a-z]+)?$"},
                "made": {"type": "string", "format": "date-time"},
                "price": {"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 500},
            },
            "required": ["kind", "code", "price"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"kind": {"const": "person"}, "mail": {"type": "string", "format": "email"}},
            "required": ["kind", "mail"],
            "patternProperties": {"^x-": {"type": ["integer", "string"]}},
            "additionalProperties": False,
        },
    ]
}
SCHEMAS: dict[str, dict[str, Any]] = {
    ORDINARY: {"type": "array", "items": _ORDINARY, "minItems": 60},
    HARD: {"type": "array", "items": _HARD, "minItems": 60},
}
"""The shortest documents take some thousand tokens."""
_SENTENCE = "Zorvik, {age}, of Mandelport bought {count} lamps and a chair from Quill, who is {other}."


@dataclass(frozen=True)
class Timing:
    """One run: seconds in all, the prompts read among them, and of each further step."""

    seconds: float
    steps: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Setting:
    """A model in both forms, its tokenizer in all, and where it runs."""

    name: str
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

    def prompts(self, count: int) -> list[str]:
        """Return different prompts of nearly the same length."""
        return [
            extraction_prompt(
                SCHEMAS[ORDINARY], _SENTENCE.format(age=20 + i % 60, count=2 + i, other=70 - i % 50)
            )
            for i in range(count)
        ]


def setting(model: str, device: torch.device) -> Setting:
    """Return a model: `extract`, `smollm2` or `random` (a Llama of 1.2 billion random weights), `tiny` (of
    two million), or a folder. The embedded tokenizer serves the random ones, whose vocabularies are as wide
    as a Llama's and as its own."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

    folder = embedded_model("structgen/extract")
    kind = torch.float32 if device.type == "cpu" else torch.bfloat16
    if model in ("random", "tiny"):
        big = model == "random"
        config = LlamaConfig(
            hidden_size=2048 if big else 128,
            intermediate_size=8192 if big else 256,
            num_hidden_layers=16 if big else 2,
            num_attention_heads=32 if big else 2,
            num_key_value_heads=8 if big else 1,
            vocab_size=128_256 if big else 2048,
            max_position_embeddings=4096,
            rope_theta=500_000.0,
            tie_word_embeddings=True,
        )
        torch.manual_seed(0)
        with torch.device(device):
            theirs = AutoModelForCausalLM.from_config(config, dtype=kind)
        ours: Any = HuggingFace(theirs)
    elif model == "smollm2":
        file = gguf_file(model)
        assert file is not None
        read = {"gguf_file": file.name, "local_files_only": True}
        theirs = AutoModelForCausalLM.from_pretrained(file.parent, dtype=kind, **read).to(device)
        engine = sg.Engine(model, device=str(device))
        their_tokenizer = AutoTokenizer.from_pretrained(file.parent, padding_side="left", **read)
        their_tokenizer.pad_token_id = their_tokenizer.pad_token_id or 0
        return Setting(model, device, engine.model, theirs.eval(), engine.tokenizer, their_tokenizer)
    else:
        folder = folder if model == "extract" else Path(model)
        theirs = AutoModelForCausalLM.from_pretrained(folder, dtype=kind, local_files_only=True).to(device)
        is_ours = model == "extract" and device.type == "cpu"
        ours = Llama.read(folder) if is_ours else HuggingFace(theirs)
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left", local_files_only=True)
    tokenizer.pad_token_id = tokenizer.pad_token_id or 0
    return Setting(model, device, ours, theirs.eval(), sg.Tokenizer.from_huggingface(str(folder)), tokenizer)


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

    def run(self, prompts: list[str], kind: str, tokens: int, temperature: float) -> tuple[Timing, list[Any]]:
        """Write so many tokens after each prompt; returns the times, and results."""
        engine, synchronize = self.engine, self.where.synchronize
        grammar = None if kind == FREE else self.grammars[kind]
        most = min(1600, engine.model.context - 200)
        requests = [
            sg.Request(
                prompt,
                grammar,
                sg.Sampling(temperature=temperature, seed=i),
                max_tokens=most,
                speculation="off",
            )
            for i, prompt in enumerate(prompts)
        ]
        times = [time.perf_counter()]
        handles = [handle for request in requests for handle in engine.submit(request)]
        for _ in range(tokens):
            engine.step()
            synchronize()
            times.append(time.perf_counter())
        for result in (handle.result for handle in handles if handle.result is not None):
            raise RuntimeError(
                f"a text ended after {len(result.tokens)} tokens: {result.error or result.text}"
            )
        for handle in handles:
            handle.cancel()
        engine.drive(handles)
        steps = [after - before for before, after in pairwise(times[1:])]
        return Timing(times[-1] - times[0], steps), [handle.result for handle in handles]


class Theirs:
    """transformers' generate, with a processor of logits or without."""

    def __init__(self, where: Setting, peer: str = "") -> None:
        self.where, self.peer = where, peer
        self.name = f"transformers+{peer}" if peer else "transformers"
        self._made: dict[str, Any] = {}

    def run(self, prompts: list[str], kind: str, tokens: int, temperature: float) -> tuple[Timing, list[Any]]:
        """Write so many tokens after each prompt; returns the time, and texts."""
        where = self.where
        began = time.perf_counter()
        batch = where.their_tokenizer(prompts, return_tensors="pt", padding=True).to(where.device)
        processors = [] if kind == FREE else [self._processor(kind, len(prompts))]
        config = {"do_sample": temperature > 0, "temperature": temperature or 1.0, "top_k": 0, "top_p": 1.0}
        with torch.inference_mode():
            out = where.theirs.generate(
                input_ids=batch["input_ids"],
                attention_mask=batch["attention_mask"],
                max_new_tokens=tokens,
                eos_token_id=None,
                pad_token_id=where.their_tokenizer.pad_token_id,
                logits_processor=processors,
                **(config if temperature else {"do_sample": False}),
            )
        where.synchronize()
        seconds = time.perf_counter() - began
        written = out[:, batch["input_ids"].shape[1] :]
        if written.shape[1] != tokens:
            raise RuntimeError(f"{self.name} wrote {written.shape[1]} tokens, not {tokens}")
        return Timing(seconds), where.their_tokenizer.batch_decode(written)

    def _processor(self, kind: str, rows: int) -> Any:
        if self.peer == "xgrammar":
            import xgrammar as xgr

            if kind not in self._made:
                width = self.where.theirs.config.vocab_size
                info = xgr.TokenizerInfo.from_huggingface(self.where.their_tokenizer, vocab_size=width)
                compiler = xgr.GrammarCompiler(info)
                self._made[kind] = compiler.compile_json_schema(json.dumps(SCHEMAS[kind]))
            # one is used for one generation
            return xgr.contrib.hf.LogitsProcessor(self._made[kind])
        if kind not in self._made:
            self._made[kind] = _Llguidance(self.where, SCHEMAS[kind])
        return self._made[kind].fresh(rows)


class _Llguidance:
    """llguidance's matchers behind transformers' interface, with its own calls for a batch."""

    def __init__(self, where: Setting, schema: dict[str, Any]) -> None:
        import llguidance
        import llguidance.hf

        self._module = llguidance
        self._tokenizer = llguidance.hf.from_tokenizer(
            where.their_tokenizer, n_vocab=where.theirs.config.vocab_size
        )
        self._grammar = llguidance.LLMatcher.grammar_from_json_schema(schema)
        self._executor = llguidance.LLExecutor()
        self._rows = 0

    def fresh(self, rows: int) -> _Llguidance:
        """Return itself, with matchers at the start."""
        import llguidance.torch

        self._matchers = [
            (self._module.LLMatcher(self._tokenizer, self._grammar), row) for row in range(rows)
        ]
        self._mask = llguidance.torch.allocate_token_bitmask(rows, self._tokenizer.vocab_size)
        self._begun = False
        return self

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        import llguidance.torch as parts

        if self._begun:
            for (matcher, _), token in zip(self._matchers, ids[:, -1].tolist(), strict=True):
                matcher.consume_token(token)
        self._begun = True
        parts.fill_next_token_bitmask_par(self._executor, self._matchers, self._mask)
        parts.apply_token_bitmask_inplace(scores, self._mask.to(scores.device))
        return scores


def peers() -> Iterator[str]:
    """Yield the peers that are installed."""
    from importlib.util import find_spec

    for name in ("llguidance", "xgrammar"):
        if find_spec(name) is not None:
            yield name


def nbytes(value: Any) -> int:
    """Return the bytes of a result: of itself, its steps and their numbers."""
    if isinstance(value, list | tuple):
        return sys.getsizeof(value) + sum(map(nbytes, value))
    slots = [getattr(value, name) for name in getattr(type(value), "__slots__", ())]
    return sys.getsizeof(value) + sum(map(nbytes, slots))


def near_ties(where: Setting, prompts: list[str], tokens: int, batch: int) -> tuple[int, int, int]:
    """Return how many texts differ between alone and in a batch, how many of those part where the two best
    logits are closer than 1e-3, and how many part elsewhere. Greedy, free."""
    ends = where.tokenizer.eos_token_ids
    requests = [
        sg.Request(prompt, None, sg.Sampling(temperature=0.0), max_tokens=tokens, logprobs=2)
        for prompt in prompts
    ]
    engine = sg.Engine(Endless(where.model, ends), where.tokenizer, max_rows=batch)
    together = engine.generate(requests)
    differ = near = 0
    for request, one in zip(requests, together, strict=True):
        (alone,) = engine.generate(request)
        at = next((i for i, (a, b) in enumerate(zip(alone.tokens, one.tokens, strict=True)) if a != b), None)
        if at is None:
            continue
        differ += 1
        best = [p for _, p in alone.steps[at].likeliest_allowed]
        near += best[0] - best[1] < 1e-3
    return differ, near, differ - near
