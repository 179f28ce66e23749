"""Whose are the microseconds before a request's first text in vLLM? What each back end does, without a model.

    VENV/bin/python bench/serving_parts.py [--count 96]     in the environment of scripts/serving_engines.py

vLLM's back ends are made in this process, as its engine makes them. The schemas are those that
`bench_serving.py --model smollm2` asks for, each one new; the back ends take turns at each of them. Columns,
microseconds of the processor, medians: `validate`, the check of a request in the front end; `compile`, the
grammar in the engine; `first mask`; `take`, the first token; `second mask`. Writes
bench/results/published-serving-parts-DATE.csv.
"""

from __future__ import annotations

import itertools
import json
import statistics
import time
from types import SimpleNamespace
from typing import Any

import torch
from bench_serving import short_documents, written_model
from records import arguments, load, version, write
from transformers import AutoTokenizer
from vllm.sampling_params import SamplingParams, StructuredOutputsParams
from vllm.v1.structured_output.backend_guidance import GuidanceBackend, validate_guidance_grammar
from vllm.v1.structured_output.backend_types import StructuredOutputOptions
from vllm.v1.structured_output.backend_xgrammar import XgrammarBackend, validate_xgrammar_grammar

from structgen.integrations.engine_grammars import EngineGrammars
from structgen.integrations.vllm_backend import VllmBackend, check_request

PARTS = ("validate", "compile", "first mask", "take", "second mask")
WORDS = 49152
"""Tokens of SmolLM2's vocabulary."""
END = 2
MOST = 120
FIRST = 8
"""Schemas whose times are not counted: what is compiled once is no request's."""


def configuration() -> Any:
    """Return what the back ends read of vLLM's configuration."""
    model = SimpleNamespace(
        hf_config=SimpleNamespace(model_type="llama"),
        max_model_len=1024,
        get_vocab_size=lambda: WORDS,
        try_get_generation_config=lambda: {"eos_token_id": END},
    )
    return SimpleNamespace(
        structured_outputs_config=SimpleNamespace(
            disable_any_whitespace=False, disable_additional_properties=False
        ),
        model_config=model,
        speculative_config=None,
        num_speculative_tokens=0,
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--count", type=int, default=96)
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(written_model())
    brace = tokenizer.convert_tokens_to_ids("{")
    made = configuration()
    front = EngineGrammars(tokenizer, [END], WORDS)
    backends: dict[str, Any] = {
        "structgen": VllmBackend(made, tokenizer, WORDS),
        "xgrammar": XgrammarBackend(made, tokenizer, WORDS),
        "guidance": GuidanceBackend(made, tokenizer, WORDS),
    }
    checks: dict[str, Any] = {
        "structgen": lambda params: check_request(params, front),
        "xgrammar": validate_xgrammar_grammar,
        "guidance": lambda params: validate_guidance_grammar(params, tokenizer=None),
    }
    masks = {name: one.allocate_token_bitmask(16) for name, one in backends.items()}

    def grammar_of(name: str, params: Any, schema: str) -> Any:
        if name != "structgen":
            return backends[name].compile_grammar(StructuredOutputOptions.JSON, schema)
        asked = SimpleNamespace(
            sampling_params=params, request_id="", max_tokens=MOST, num_prompt_tokens=40, num_output_tokens=0
        )
        return backends[name].grammar_of(asked, thinks=False)

    found: dict[str, list[list[float]]] = {name: [] for name in backends}
    for schema in map(json.dumps, short_documents(FIRST + options.count)):
        for name in backends:
            wanted = StructuredOutputsParams(json=schema)
            params = SamplingParams(max_tokens=MOST, temperature=0, structured_outputs=wanted)
            times = [time.process_time()]
            checks[name](params)
            times.append(time.process_time())
            grammar = grammar_of(name, params, schema)
            times.append(time.process_time())
            grammar.fill_bitmask(masks[name], 0)
            times.append(time.process_time())
            assert grammar.accept_tokens("", [brace])
            times.append(time.process_time())
            grammar.fill_bitmask(masks[name], 0)
            times.append(time.process_time())
            found[name].append([1e6 * (end - begin) for begin, end in itertools.pairwise(times)])
    rows = []
    for name, each in found.items():
        middle = [round(statistics.median(part)) for part in zip(*each[FIRST:], strict=True)]
        rows.append((name, options.count, *middle))
        print(*rows[-1])
    about = {"load": load(), "structgen": version()}
    print(write(options.results, "published-serving-parts", about, ("backend", "schemas", *PARTS), rows))


if __name__ == "__main__":
    main()
