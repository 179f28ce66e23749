"""What do schemas cost that were made to be hard?

    python bench/bench_hostile.py [NAME...] [--tokenizer small] [--seconds 1] [--mib 1024]
                                  [--calls-tokenizer llama3] [--calls-seconds 4]

Each schema of tests/schema/hostile_schemas.py whose name holds one of the NAMEs (without any: all), in a
process of its own whose compiled code is loaded: the time to read and compile it, of the first mask, and of
200 tokens more, mask and commit, along its first document and then at random; and the peak of the process's
memory, Python and the vocabulary included. Times are processor seconds of the one thread that works, so that
other work on the machine shows little. The three together are held to `--seconds`, the memory to `--mib`,
under the widest policies. A schema that must be refused is refused by the name of a limit within the same
bounds.

Then the calls of hostile_calls.py (text and Lark grammars, requests, tools, numbers), each in a process of
its own, with Llama 3's vocabulary, or the small one where that is not on this machine: the grammar is read
and compiled, its least number of tokens is asked, and 30 tokens are walked. No call (a mask, a token) may
take more than `--calls-seconds`; each ends in an answer, or in an error of structgen's.

Prints a table, and writes bench/results/hostile-DATE.csv, a row a schema; the exit status is 1 where
any misses.
"""

from __future__ import annotations

import argparse
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from records import arguments, machine, show, version
from records import load as load_averages
from records import write as write_rows

import structgen as sg
from structgen.maskbench.vocabularies import load, ready
from structgen.system.worker_process import EndedError, LateError, WorkerProcess

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "schema"))

from hostile_calls import CALLS
from hostile_schemas import HOSTILE, REFUSED, Hostile

TOKENS = 200
PATIENCE_S = 60
"""No answer after this many processor seconds is a result: the process is killed."""
ADDRESS_SPACE = 8 << 30
"""Bytes that a process may map: a schema that asks for more must not take the machine with it."""
FIGURES = ("compile_s", "first_mask_s", "walk_s", "slowest_mask_s", "peak_mib", "tokens")


def warm_up(tokenizer: sg.Tokenizer) -> None:
    """Load the compiled code: a schema's time begins when a process has served others."""
    schema = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 9},
            "number": {"type": "number", "multipleOf": 0.5, "minimum": 1, "maximum": 10**30},
            "list": {"type": "array", "uniqueItems": True, "items": {"enum": [1, "a", {"b": 1}]}},
        },
        "patternProperties": {"^x": {"type": "integer"}},
        "required": ["text", "number"],
        "minProperties": 3,
    }
    compiled = sg.compile(sg.json_schema(schema, **sg.WIDEST), tokenizer, store=False)
    text = b'{"text":"abc","number":1.50,"list":[1,"a"],"x\\u0061":1}'
    walk(compiled, tokenizer, [text], random.Random(0))


def pieces(text: bytes, tokenizer: sg.Tokenizer, most: int) -> Iterator[int]:
    """Yield the numbers of the tokens, each the longest that fits, that spell at most so much of a text."""
    numbers = {data: number for number, data in enumerate(tokenizer.token_bytes) if data}
    longest, at = max(map(len, numbers)), 0
    for _ in range(most):
        if at >= len(text):
            return
        end = next(end for end in range(at + longest, at, -1) if text[at:end] in numbers)
        yield numbers[text[at:end]]
        at = min(end, len(text))


def walk(
    compiled: sg.CompiledGrammar, tokenizer: sg.Tokenizer, texts: list[bytes], chance: random.Random
) -> tuple[float, float, int]:
    """Return the seconds that masks and commits took, the slowest mask, and how many tokens were written."""
    ends = set(tokenizer.eos_token_ids)
    planned = list(pieces(texts[0], tokenizer, TOKENS)) if texts else []
    planned.reverse()
    matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, tokenizer.vocab_size)
    total = slowest = 0.0
    for _ in range(TOKENS):
        begin = time.process_time()
        matcher.fill_mask(mask)
        took = time.process_time() - begin
        total, slowest = total + took, max(slowest, took)
        bits = np.unpackbits(mask.array[0].view(np.uint8), bitorder="little")[: tokenizer.vocab_size]
        allowed = [token for token in np.flatnonzero(bits).tolist() if token not in ends]
        if planned:
            token = planned.pop()
            assert bits[token], "a document of the schema is not allowed"
        elif allowed:
            token = chance.choice(allowed)
        else:
            assert matcher.is_complete, "an empty mask"
            matcher = sg.Matcher(compiled)
            continue
        begin = time.process_time()
        matcher.advance(token)
        total += time.process_time() - begin
        if not planned and texts and matcher.is_complete:
            texts, matcher = [], sg.Matcher(compiled)
    return total, slowest, TOKENS


def measure(case: Hostile, tokenizer: sg.Tokenizer) -> dict[str, Any]:
    """Return the figures of one schema."""
    schema = case.make()
    texts = [document.encode() for document in case.good()[:1]]
    mask = sg.allocate_mask(1, tokenizer.vocab_size)
    begin = time.process_time()
    try:
        compiled = sg.compile(sg.json_schema(schema, **sg.WIDEST), tokenizer, store=False)
        compiled_at = time.process_time()
        sg.Matcher(compiled).fill_mask(mask)
    except sg.errors.LimitError as error:
        return {"verdict": f"refused: {error.limit}", "compile_s": time.process_time() - begin}
    masked_at = time.process_time()
    try:
        walk_s, slowest, tokens = walk(compiled, tokenizer, texts, random.Random(case.name))
    except sg.errors.LimitError as error:
        return {"verdict": f"limit met in a walk: {error.limit}", "walk_s": time.process_time() - masked_at}
    return {
        "verdict": "compiled",
        "compile_s": compiled_at - begin,
        "first_mask_s": masked_at - compiled_at,
        "walk_s": walk_s,
        "slowest_mask_s": slowest,
        "tokens": tokens,
    }


def measure_calls(name: str, tokenizer: sg.Tokenizer) -> dict[str, Any]:
    """Return the figures of one of the calls: of each kind the slowest, and the slowest of all."""
    took: dict[str, float] = {}

    def timed(figure: str, call: Callable[..., Any], *arguments: Any) -> Any:
        begin = time.process_time()
        try:
            return call(*arguments)
        finally:
            took[figure] = max(took.get(figure, 0.0), time.process_time() - begin)

    mask, chance = sg.allocate_mask(1, tokenizer.vocab_size), random.Random(name)
    verdict = "compiled"
    try:
        grammar = timed("compile_s", CALLS[name])
        compiled = timed("compile_s", lambda: sg.compile(grammar, tokenizer, store=False))
        matcher = sg.Matcher(compiled)
        timed("first_mask_s", matcher.fill_mask, mask)
        for _ in range(30):
            timed("walk_s", matcher.tokens_to_finish)
            timed("walk_s", matcher.fill_mask, mask)
            allowed = sorted({*mask.allowed(0).tolist()} - {*tokenizer.eos_token_ids})
            if not allowed:
                break
            timed("walk_s", matcher.advance, chance.choice(allowed))
    except sg.StructgenError as error:
        verdict = f"refused: {getattr(error, 'limit', type(error).__name__)}"
    return {"verdict": verdict, **took, "slowest_mask_s": max(took.values())}


def serve(name: str, spec: str) -> dict[str, Any]:
    """Return the figures of one schema, or of one of the calls, measured in this process."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE_S, PATIENCE_S + 1))
    tokenizer = load(spec)
    warm_up(tokenizer)
    try:
        if name in CALLS:
            found = measure_calls(name, tokenizer)
        else:
            found = measure(next(case for case in HOSTILE if case.name == name), tokenizer)
    except Exception as error:  # whatever it is, it is this schema's result
        found = {"verdict": f"{type(error).__name__}: {error}"[:300]}
    return found | {"peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def ask(name: str, spec: str) -> dict[str, Any]:
    """Return what a process of its own found of a schema, or of one of the calls."""
    process = WorkerProcess(serve, name, "", is_fresh=True)
    try:
        found: dict[str, Any] = process.ask((name, spec), 10.0 * PATIENCE_S, "for its figures", "")
        return found
    except LateError:
        return {"verdict": f"no answer within {PATIENCE_S} s"}
    except EndedError as error:
        if -(error.code or 0) in (signal.SIGXCPU, signal.SIGKILL):
            return {"verdict": f"no answer within {PATIENCE_S} s"}
        return {"verdict": f"died: {error.code}"}
    finally:
        process.end()


def missed(case: Hostile, found: dict[str, Any], seconds: float, mib: float) -> str:
    """Return what a schema's figures miss, "" where nothing."""
    if case.name in REFUSED:
        if not found["verdict"].startswith("refused"):
            return "not refused"
    elif found["verdict"] != "compiled":
        return str(found["verdict"])
    spent = sum(found.get(name, 0.0) for name in ("compile_s", "first_mask_s", "walk_s"))
    if spent > seconds:
        return "time"
    return "memory" if found["peak_mib"] > mib else ""


def missed_call(found: dict[str, Any], seconds: float, mib: float) -> str:
    """Return what the figures of one of the calls miss, "" where nothing."""
    if not found["verdict"].startswith(("compiled", "refused")):
        return str(found["verdict"])
    if found["slowest_mask_s"] > seconds:
        return "time"
    return "memory" if found["peak_mib"] > mib else ""


def at_hand(spec: str) -> str:
    """Return a tokenizer's name, or that of the small one where it cannot be had."""
    try:
        return ready(spec)
    except sg.errors.TokenizerError as error:
        print(f"{spec}: {error.what} The small vocabulary stands for it.", file=sys.stderr)
        return "small"


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("names", nargs="*", help="parts of names; default all")
    parser.add_argument("--tokenizer", default="small", help="small, llama3, qwen, or a path")
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--mib", type=float, default=1024.0)
    parser.add_argument("--calls-tokenizer", default="llama3")
    parser.add_argument("--calls-seconds", type=float, default=4.0)
    options = parser.parse_args()
    warm_up(load(options.tokenizer))  # compiles the inner loop, so that no schema waits for it
    chosen = [case for case in HOSTILE if not options.names or any(n in case.name for n in options.names)]
    rows: list[list[object]] = []
    failed = 0
    calls = [name for name in CALLS if not options.names or any(n in name for n in options.names)]
    calls_tokenizer = at_hand(options.calls_tokenizer) if calls else ""
    for one in (*chosen, *calls):
        if isinstance(one, Hostile):
            name, found = one.name, ask(one.name, options.tokenizer)
            miss = missed(one, found, options.seconds, options.mib)
        else:
            name, found = one, ask(one, calls_tokenizer)
            miss = missed_call(found, options.calls_seconds, options.mib)
        failed += bool(miss)
        figures = ["" if found.get(name) is None else f"{found[name]:.3f}" for name in FIGURES[:4]]
        peak = "" if found.get("peak_mib") is None else f"{found['peak_mib']:.0f}"
        rows.append([name, found["verdict"], *figures, peak, found.get("tokens", ""), miss])
        print(f"{name}: {' '.join(figures)} s, {peak} MiB {miss}", file=sys.stderr, flush=True)
    if not options.names:
        write(rows, options)
    show(("schema", "verdict", *FIGURES, "misses"), rows)
    print(
        f"{len(chosen)} schemas and {len(calls)} calls, {failed} past {options.seconds:g} s "
        f"({options.calls_seconds:g} s a call) or {options.mib:g} MiB; {machine()}"
    )
    return 1 if failed else 0


def write(rows: list[list[object]], options: argparse.Namespace) -> None:
    """Write the day's results."""
    about = {
        "load": load_averages(),
        "version": version(),
        "policy": "widest",
        "tokenizer": Path(options.tokenizer).name,
        "calls_tokenizer": Path(options.calls_tokenizer).name,
    }
    write_rows(options.results, "hostile", about, ("schema", "verdict", *FIGURES, "misses"), rows)


if __name__ == "__main__":
    sys.exit(main())
