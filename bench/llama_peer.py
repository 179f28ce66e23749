"""llama.cpp writes texts, in a process and an environment of its own (bench/bench_published.py starts it).

    python bench/llama_peer.py FILE.gguf

Reads runs from standard input, a line of JSON each: `prompt` (tokens), `tokens` (how many are written), `schema`
(of llama.cpp's own grammar, or null). Writes a line for each: `cpu` (seconds of processor) and `text`. One
thread, greedy; an end token is read on like any other. The first line says which version runs.
"""

from __future__ import annotations

import json
import sys
import time

import llama_cpp


def main() -> None:
    model = llama_cpp.Llama(sys.argv[1], n_ctx=1024, n_threads=1, n_threads_batch=1, verbose=False)
    print(json.dumps({"version": llama_cpp.__version__}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        begun, found = time.process_time(), []
        grammar = None
        if asked["schema"] is not None:
            grammar = llama_cpp.LlamaGrammar.from_json_schema(json.dumps(asked["schema"]), verbose=False)
        model.reset()
        for token in model.generate(asked["prompt"], temp=0.0, repeat_penalty=1.0, grammar=grammar):
            found.append(token)
            if len(found) == asked["tokens"]:
                break
        spent = time.process_time() - begun
        text = model.detokenize(found).decode(errors="replace")
        print(json.dumps({"cpu": spent, "text": text}), flush=True)


if __name__ == "__main__":
    main()
