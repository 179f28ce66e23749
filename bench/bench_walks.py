"""Does every walk end in a valid document? Random walks over the masks, and what became of each.

    python bench/bench_walks.py PATH... [--sample 300] [--seed 0] [--jobs 2] [--policies widest]

PATH is a folder, tar or file of MaskBench, or of the JSON-Schema-Test-Suite. Each schema that has a valid
instance is walked 20 times: uniformly over the allowed tokens, drawn towards closing, and within a budget a
little above the least. A walk that is not over after some tokens is finished within `tokens_to_finish()`. An
empty mask, an error, a budget that does not suffice is a *dead end*; a document that jsonschema-rs refuses
(formats asserted; the arbiter of tests/oracles decides where it knows better) is *invalid*. The exit status
is 1 where there was either.
"""

from __future__ import annotations

import argparse
import collections
import csv
import datetime
import json
import multiprocessing
import multiprocessing.connection
import os
import random
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from bench_masks import machine, revision

import structgen as sg
from structgen.maskbench.readers import open_source, select
from structgen.maskbench.vocabularies import load

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "oracles"))

KINDS = ("uniform", "closing", "budget")
MOST_EXPONENT = 2_000
POLICIES: dict[str, dict[str, Any]] = {"default": {}, "widest": dict(sg.WIDEST)}


@dataclass(frozen=True)
class Subject:
    """A schema that is to be walked."""

    name: str
    schema: str
    draft: str | None = None


@dataclass
class Outcome:
    """What came of the walks of one schema."""

    name: str
    verdict: str = "walked"
    walks: int = 0
    faults: list[dict[str, Any]] = field(default_factory=list)


class Stuck(Exception):
    """A walk that cannot go on; `text` is what was written."""

    def __init__(self, why: str, text: bytes) -> None:
        super().__init__(why)
        self.text = text


class Walker:
    """Walks the masks of one compiled grammar."""

    def __init__(self, compiled: sg.CompiledGrammar, tokens: list[bytes], chance: random.Random) -> None:
        self.compiled, self.tokens, self.chance = compiled, tokens, chance
        self.mask = sg.allocate_mask(1, len(tokens))
        self.ends = np.array([not token for token in tokens])
        """Tokens that write nothing: end tokens among them."""
        self.closers = np.array([any(byte in token for byte in b'"}]') for token in tokens])

    def allowed(self, matcher: sg.Matcher, text: bytes, budget: int | None = None) -> np.ndarray:
        """Return the allowed tokens that write something; raises `Stuck` where the mask is empty."""
        matcher.fill_mask(self.mask, budget=budget)
        bits = np.unpackbits(self.mask.array[0].view(np.uint8), bitorder="little")[: len(self.tokens)]
        if not bits.any():
            raise Stuck("the mask is empty", text)
        return np.flatnonzero(bits.astype(bool) & ~self.ends)

    def walk(self, kind: str, most: int) -> bytes:
        """Return the document that one walk writes; `most` tokens are free, the rest finishes it."""
        matcher, text, chance = sg.Matcher(self.compiled), bytearray(), self.chance
        try:
            free = 0 if kind == "budget" else most
            for _ in range(free):
                if matcher.is_complete and chance.random() < 0.3:
                    return bytes(text)
                tokens = self.allowed(matcher, text)
                if kind == "closing" and chance.random() < 0.6:
                    closing = tokens[self.closers[tokens]]
                    tokens = closing if len(closing) else tokens
                if not len(tokens):
                    return self._complete(matcher, text)
                self._take(matcher, text, int(tokens[chance.randrange(len(tokens))]))
            left = matcher.tokens_to_finish() + (chance.randrange(12) if kind == "budget" else 0)
            while not matcher.is_complete or (left and chance.random() < 0.7):
                tokens = self.allowed(matcher, text, left)
                if not len(tokens):
                    return self._complete(matcher, text)
                self._take(matcher, text, int(tokens[chance.randrange(len(tokens))]))
                left -= 1
        except sg.StructgenError as error:
            raise Stuck(f"{type(error).__name__}: {error}", bytes(text)) from error
        return bytes(text)

    def _complete(self, matcher: sg.Matcher, text: bytes) -> bytes:
        if not matcher.is_complete:
            raise Stuck("only the end is allowed, and the document is not complete", bytes(text))
        return bytes(text)

    def _take(self, matcher: sg.Matcher, text: bytearray, token: int) -> None:
        matcher.advance(token)
        text += self.tokens[token]


class Judge:
    """Says what is wrong with a document: jsonschema-rs, and where it refuses, the arbiter too."""

    def __init__(self, subject: Subject) -> None:
        import jsonschema_rs
        from arbiter import Arbiter
        from schema_text import draft_of

        schema = json.loads(subject.schema)
        exact = json.loads(subject.schema, parse_float=Decimal)
        draft = draft_of(schema, subject.draft)
        self._arbiter = Arbiter(exact, draft)
        numbers = {"4": 4, "6": 6, "7": 7, "2019-09": 201909, "2020-12": 202012}
        self._rust: Any = None
        try:
            if draft in numbers:
                make = getattr(jsonschema_rs, f"Draft{numbers[draft]}Validator")
                self._rust = make(schema, validate_formats=True)
        except ValueError:
            # A schema that jsonschema-rs does not take is the arbiter's alone.
            pass

    def fault(self, text: bytes) -> str | None:
        """Return why a text is no valid document, or None; "disputed" where the judges differ."""
        from arbiter import Unknown

        try:
            value = json.loads(text, parse_float=_number)
        except ArithmeticError:
            return "unjudged: a number beyond what the judges hold"
        message = ""
        if self._rust is not None:
            try:
                error = next(iter(self._rust.iter_errors(value)), None)
            except (ValueError, UnicodeEncodeError):
                error = None  # a lone surrogate, which jsonschema-rs does not read
            if error is None:
                return None
            message = f"{'/'.join(map(str, error.schema_path))}: {error.message}"[-300:]
            if error.schema_path and error.schema_path[-1] == "format":
                # The arbiter asks the same judge: nobody has decided.
                return f"format: {message}"
        try:
            if self._arbiter.valid(value):
                return f"disputed: {message}" if message else None
        except (Unknown, ValueError, KeyError, StopIteration, RecursionError) as error:
            return f"invalid: {message}" if message else f"unjudged: {type(error).__name__} {error}"
        return f"invalid: {message or 'the arbiter refuses it'}"


def _number(text: str) -> Decimal:
    """Return a number; ArithmeticError where exact arithmetic on it would take long."""
    number = Decimal(text)
    if abs(number.adjusted()) > MOST_EXPONENT:
        raise OverflowError(text)
    return number


def attempt(subject: Subject, tokenizer: sg.Tokenizer, options: argparse.Namespace) -> Outcome:
    """Return what came of all walks of a subject."""
    outcome = Outcome(subject.name)
    chance = random.Random(f"{options.seed} {subject.name}")
    try:
        grammar = sg.json_schema(subject.schema, draft=subject.draft, **POLICIES[options.policies])
        compiled = sg.compile(grammar, tokenizer)
    except sg.StructgenError as error:
        outcome.verdict = type(error).__name__
        outcome.faults.append({"kind": "compile", "why": f"{type(error).__name__}: {error}"[:400]})
        return outcome
    judge = Judge(subject)
    walker = Walker(compiled, [data or b"" for data in tokenizer.token_bytes], chance)
    walker.ends[list(tokenizer.eos_token_ids)] = True
    for number in range(options.walks):
        kind = KINDS[number % len(KINDS)]
        outcome.walks += 1
        try:
            text = walker.walk(kind, options.tokens)
            why = judge.fault(text)
        except Stuck as error:
            text, why = error.text, f"dead end: {error}"
        except Exception:
            text, why = b"", f"crash: {traceback.format_exc(limit=-4)}"
        if why is not None:
            outcome.faults.append({"kind": kind, "why": why, "text": text.decode("utf-8", "replace")})
    return outcome


def serve(pipe: multiprocessing.connection.Connection, options: argparse.Namespace) -> None:
    """Answer subjects with outcomes until None comes."""
    tokenizer = load(options.tokenizer)
    # The inner loop is compiled, or read from the cache, before a schema's time runs.
    sg.Matcher(sg.compile(sg.json_schema({}), tokenizer)).tokens_to_finish()
    pipe.send(None)
    while (subject := pipe.recv()) is not None:
        pipe.send(attempt(subject, tokenizer, options))


class Worker:
    """A process that walks; killed and started anew where a schema takes too long."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.subject: Subject | None = None
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, self.options), daemon=True)
        self.process.start()
        theirs.close()
        self.pipe.recv()

    def give(self, subject: Subject) -> None:
        self.subject, self.since = subject, time.monotonic()
        self.pipe.send(subject)

    def take(self) -> Outcome | None:
        """Return the outcome if there is one, a failure after too long, None before."""
        assert self.subject is not None
        why = ""
        try:
            if self.pipe.poll(0):
                return self.pipe.recv()  # type: ignore[no-any-return]
        except (EOFError, ConnectionError):
            why = "the process died"
        if not why and time.monotonic() - self.since < self.options.timeout:
            return None
        self.process.kill()
        self.process.join()
        name = self.subject.name
        self.start()
        why = why or f"no answer within {self.options.timeout:g} s"
        return Outcome(name, "died", 0, [{"kind": "run", "why": why}])


def subjects(options: argparse.Namespace) -> Iterator[Subject]:
    """Yield the schemas that have a valid instance, of MaskBench or the suite."""
    for path in options.paths:
        if (path / "tests").is_dir():
            yield from suite(path / "tests", options)
            continue
        open_source(path)
        for case in select([path], limit=options.limit, sample=options.sample, seed=options.seed).cases():
            if case.bare or any(instance.valid for instance in case.instances):
                yield Subject(case.name, case.schema)


def suite(folder: Path, options: argparse.Namespace) -> Iterator[Subject]:
    """Yield the schemas of the official suite, sampled like the others."""
    found: list[Subject] = []
    for file in sorted(folder.glob("draft[0-9]*/**/*.json")):
        name = file.relative_to(folder).as_posix()
        draft = name.split("/")[0].removeprefix("draft")
        if draft == "-next":
            continue
        for at, group in enumerate(json.loads(file.read_text(encoding="utf-8"))):
            if any(test["valid"] for test in group["tests"]):
                found.append(Subject(f"{name}#{at}", json.dumps(group["schema"]), draft))
    if options.sample is not None and options.sample < len(found):
        found = random.Random(options.seed).sample(found, options.sample)
    yield from found[: options.limit]


def run(options: argparse.Namespace) -> Iterator[Outcome]:
    """Yield the outcome of every subject, as they come."""
    load(options.tokenizer)
    waiting = subjects(options)
    workers = [Worker(options) for _ in range(options.jobs)]
    busy: list[Worker] = []
    for worker in workers:
        if (subject := next(waiting, None)) is not None:
            worker.give(subject)
            busy.append(worker)
    while busy:
        multiprocessing.connection.wait([worker.pipe for worker in busy], timeout=0.5)
        for worker in list(busy):
            outcome = worker.take()
            if outcome is None:
                continue
            yield outcome
            busy.remove(worker)
            if (subject := next(waiting, None)) is not None:
                worker.give(subject)
                busy.append(worker)
    for worker in workers:
        worker.process.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, help="default: STRUCTGEN_MASKBENCH")
    parser.add_argument("--sample", type=int, help="this many schemas of each path, drawn by the seed")
    parser.add_argument("--limit", type=int, help="at most this many schemas of each path")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for all walks of a schema")
    parser.add_argument("--walks", type=int, default=20)
    parser.add_argument(
        "--tokens", type=int, default=120, help="free tokens of a walk, before it is finished"
    )
    parser.add_argument("--policies", choices=POLICIES, default="widest")
    parser.add_argument("--tokenizer", default="small")
    parser.add_argument("--failures", type=Path, help="write each fault here, a JSON object a line")
    parser.add_argument("--results", type=Path, default=Path(__file__).parent / "results")
    options = parser.parse_args()
    if not options.paths and os.environ.get("STRUCTGEN_MASKBENCH"):
        options.paths = [Path(os.environ["STRUCTGEN_MASKBENCH"])]
    if not options.paths:
        print("Nothing walked: give the path of MaskBench or of the suite, or set STRUCTGEN_MASKBENCH.")
        return 0
    counts: collections.Counter[str] = collections.Counter()
    failures = options.failures.open("w", encoding="utf-8") if options.failures else None
    for outcome in run(options):
        counts["schemas"] += 1
        counts[f"schemas {outcome.verdict}"] += 1
        counts["walks"] += outcome.walks
        for fault in outcome.faults:
            kind = fault["why"].partition(":")[0] if outcome.verdict == "walked" else "not walked"
            counts[kind] += 1
            if failures is not None:
                print(json.dumps({"schema": outcome.name, **fault}), file=failures, flush=True)
            if kind in ("dead end", "invalid", "crash"):
                where = fault.get("text", "")[-160:]
                print(f"{outcome.name} [{fault['kind']}] {fault['why'][:400]}\n    ...{where!r}", flush=True)
    write(counts, options)
    for name, count in sorted(counts.items()):
        print(f"{count:>9,}  {name}")
    return 1 if counts["dead end"] or counts["invalid"] or counts["crash"] else 0


def write(counts: collections.Counter[str], options: argparse.Namespace) -> None:
    """Add one row for each count to the day's results."""
    now = datetime.datetime.now(datetime.UTC)
    options.results.mkdir(parents=True, exist_ok=True)
    target = options.results / f"walks-{now:%Y-%m-%d}.csv"
    fresh = not target.exists()
    version = f"{sg.__version__} {revision()}".strip()
    about = (f"{now:%Y-%m-%d}", machine(), version, options.policies, options.tokenizer)
    about = (*about, "+".join(path.name for path in options.paths), options.sample or "all", options.seed)
    with target.open("a", newline="", encoding="utf-8") as file:
        out = csv.writer(file, lineterminator="\n")
        if fresh:
            names = ("date", "machine", "version", "policies", "tokenizer", "paths", "sample", "seed")
            out.writerow((*names, "what", "count"))
        out.writerows((*about, name, count) for name, count in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main())
