"""llama.cpp loads the embedded models, splits prompts as they do, and writes what our engine writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf", reason="gguf writes the file (pip install gguf)")
llama_cpp = pytest.importorskip(
    "xllamacpp", reason="xllamacpp is llama.cpp for Python (pip install xllamacpp)"
)

import structgen as sg  # noqa: E402
from structgen.decoding.runs import resources  # noqa: E402
from structgen.grammars.json_grammars.prompting import extraction_prompt  # noqa: E402

SENTENCES = Path(__file__).parents[1] / "data" / "extract" / "hand_written.jsonl"
COUNT, LONGEST = 12, 96


@pytest.mark.parametrize("name", ["extract", "extract-draft"])
def test_llama_cpp_writes_the_same(name: str, tmp_path: Path) -> None:
    from to_gguf import NUMBERS, convert

    folder, file = resources.embedded_model(f"structgen/{name}"), tmp_path / "model.gguf"
    # in single precision: llama.cpp rounds to bfloat16 what it multiplies with such weights
    convert(folder, file, NUMBERS["f32"])
    params = llama_cpp.CommonParams()
    params.model.path, params.n_ctx, params.warmup, params.n_parallel = str(file), 1024, False, 1
    params.cpuparams.n_threads, params.verbosity = 1, 0
    server = llama_cpp.Server(params)
    engine = sg.Engine(f"structgen/{name}")
    for line in SENTENCES.read_text(encoding="utf-8").splitlines()[:COUNT]:
        sentence = json.loads(line)
        prompt = extraction_prompt(sentence["schema"], sentence["text"])
        (ours,) = engine.generate(sg.Request(prompt, None, sg.Sampling(temperature=0.0), max_tokens=LONGEST))
        theirs = server.handle_completions({"prompt": prompt, "max_tokens": LONGEST, "temperature": 0})
        assert theirs["usage"]["prompt_tokens"] == ours.usage.prompt_tokens
        assert theirs["choices"][0]["text"] == ours.text
