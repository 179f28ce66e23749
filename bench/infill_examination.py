"""The examination of `bench_infill.py`: valid documents and right fields, with the grammar and without.

500 templated sentences from a seed that neither training nor its own evaluation draws from, with made-up
names that training never has, and the sentences written by hand (tests/data/extract/hand_written.jsonl). Each
document is filled with the grammar and without, 1, 2, 4 and 8 tokens a step and all at once, by the same
schedule both times, so that the two are paired: "left-to-right" (the first masked slot, and the surest n - 1
of the next 2 n - 2) or "low-confidence" (the surest of all). A canvas has 64 slots, or 96, 128, ...
where the right document leaves fewer than four of them empty; as many for both. Without the
grammar the text is what stands before the first end token, and a canvas is done when no mask stands before
it.

Valid: jsonschema accepts the text as a document of the schema, closed (no key that it does not name). A field
is right when its value is. The difference of the shares of right fields has a 95 % interval by the bootstrap
over sentences (2,000 draws, a frozen seed). Seconds are process CPU time with one thread, automata apart.

What is measured is kept line by line in build/bench, by the model's weights and the commit: a run that was
cut off goes on, and `--part 1/2` and `--part 2/2` may run side by side.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
from records import revision

import structgen as sg
from structgen.infilling.automata_of_grammars import language_of
from structgen.infilling.lattice import OPEN
from structgen.json_grammars.prompting import extraction_prompt

ROOT = Path(__file__).parent.parent
SENTENCES = ROOT / "tests" / "data" / "extract" / "hand_written.jsonl"
WEIGHTS = ROOT / "models" / "infill" / "model.safetensors"
KEPT = ROOT / "build" / "bench"
SEED = 88_000_000
RATES = (1, 2, 4, 8, 0)
"""Tokens a step; 0: all at once."""
_DRAWS = 2000
_SHARES = ("valid", "valid_without", "right", "right_without")
SCHEDULERS = ("left-to-right", "low-confidence")
NAMES = (
    "scheduler", "sentences", "tokens_per_step", "prompts", "fields", "valid", "valid_without", "right",
    "right_without", "difference", "low", "high", "right_with_alone", "right_without_alone", "steps",
    "steps_without", "passes", "passes_without", "seconds", "seconds_without", "compile_seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Question:
    """A sentence, the schema that asks about it, and the right document."""

    of: str
    number: int
    schema: Any
    text: str
    answer: Any
    kinds: dict[str, str]

    @property
    def grammar(self) -> Any:
        """The schema, closed."""
        return closed(self.schema)

    def slots(self, tokenizer: sg.Tokenizer) -> int:
        """Return how many slots its canvas has."""
        said = tokenizer.encode(json.dumps(self.answer, ensure_ascii=False).encode())
        return next(slots for slots in (64, 96, 128, 192, 256) if len(said) < slots - 4)

    def prompt(self, tokenizer: sg.Tokenizer) -> list[int]:
        """Return the ids of the prompt, as training wrote it."""
        return list(tokenizer.encode(extraction_prompt(self.schema, self.text).encode()))

    def right(self, text: str) -> list[bool]:
        """Return for each field of the document whether a text has its value."""
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        found = []
        for path in self.kinds:
            wanted, given = self.answer, document
            for key in path.split("."):
                wanted = wanted[key]
                given = given.get(key, ...) if isinstance(given, dict) else ...
            found.append(given == wanted and isinstance(given, bool) == isinstance(wanted, bool))
        return found

    def is_valid(self, text: str) -> bool:
        """Return whether a text is a document of the closed schema, as jsonschema says."""
        try:
            document = json.loads(text)
        except ValueError:
            return False
        return jsonschema.Draft202012Validator(self.grammar).is_valid(document)


def weights() -> str:
    """Return what tells the model's weights from others: the beginning of their SHA-256."""
    return hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()[:12]


def closed(schema: Any) -> Any:
    """Return the schema with no keys in its objects that it does not name."""
    if isinstance(schema, list):
        return [closed(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(inner) for key, inner in schema.items()}
    return found | {"additionalProperties": False} if isinstance(found.get("properties"), dict) else found


def hand_written(count: int | None = None) -> list[Question]:
    """Return the sentences written by hand, or so many of them, evenly spread."""
    lines = [json.loads(line) for line in SENTENCES.read_text(encoding="utf-8").splitlines()]
    chosen = range(len(lines)) if count is None else _spread(len(lines), count)
    return [
        Question(
            "hand-written",
            at,
            lines[at]["schema"],
            lines[at]["text"],
            lines[at]["answer"],
            lines[at]["kinds"],
        )
        for at in chosen
    ]


def templated(count: int) -> list[Question]:
    """Return the first `count` templated sentences of the frozen seed."""
    sys.path.insert(0, str(ROOT / "models"))
    from data.sentences import Examples

    source = Examples(SEED, unseen=True)
    drawn = [source.draw() for _ in range(count)]
    return [
        Question("templated", at, one.schema, one.text, one.answer, one.kinds) for at, one in enumerate(drawn)
    ]


def _spread(of: int, count: int) -> list[int]:
    return sorted({at * of // count for at in range(min(count, of))})


@dataclass(frozen=True)
class Answer:
    """How one canvas was filled."""

    of: str
    number: int
    rate: int
    way: str
    """"with" or "without" the grammar."""
    valid: bool
    right: list[bool]
    steps: int
    passes: int
    seconds: float
    compile_seconds: float
    text: str


def answers(model: Any, tokenizer: sg.Tokenizer, one: Question, scheduler: str) -> Iterator[Answer]:
    """Fill a question's canvas at each rate, with the grammar and without."""
    prompt, slots, ends = one.prompt(tokenizer), one.slots(tokenizer), end_tokens(model, tokenizer)
    began = time.process_time()
    language_of(one.grammar, tokenizer, "schema")
    compiled = time.process_time() - began
    for rate in RATES:
        began = time.process_time()
        found = sg.infill(
            model,
            grammar=one.grammar,
            prompt=prompt,
            slots=slots,
            scheduler=scheduler,
            tokens_per_step=rate or slots,
            tokenizer=tokenizer,
        )
        yield _answer(one, rate, "with", found.text, found.usage.steps, found.usage.passes, began, compiled)
        began = time.process_time()
        canvas, steps = by_confidence(
            model, prompt, slots, rate or slots, ends, is_left=scheduler == "left-to-right"
        )
        text = said(canvas, ends, tokenizer)
        yield _answer(one, rate, "without", text, steps, steps, began, 0.0)


def _answer(
    one: Question, rate: int, way: str, text: str, steps: int, passes: int, began: float, compiled: float
) -> Answer:
    seconds = time.process_time() - began
    valid, right = one.is_valid(text), one.right(text)
    return Answer(
        one.of,
        one.number,
        rate,
        way,
        valid,
        right,
        steps,
        passes,
        round(seconds, 4),
        round(compiled, 4),
        text,
    )


def end_tokens(model: Any, tokenizer: sg.Tokenizer) -> set[int]:
    """Return the tokens behind a text: ends and padding."""
    return {*tokenizer.eos_token_ids, getattr(model, "null_id", None)} - {None}


def by_confidence(
    model: Any, prompt: list[int], slots: int, rate: int, ends: set[int], *, is_left: bool = False
) -> tuple[list[int], int]:
    """Fill a canvas without a grammar, the `rate` surest slots a step (`is_left`: the first masked one and
    the surest behind it, as "left-to-right" does), until no mask stands before the first end token.
    Return what stands in the slots (OPEN: still masked), and the steps."""
    canvas, steps = np.full(slots, OPEN), 0
    while True:
        at_end = np.flatnonzero(np.isin(canvas, list(ends)))
        before = canvas[: at_end[0]] if len(at_end) else canvas
        if not (before == OPEN).any():
            return canvas.tolist(), steps
        ids = np.concatenate((np.array(prompt), np.where(canvas == OPEN, model.mask_id, canvas)))
        rows = np.arange(slots) + len(prompt) - int(model.shift)
        some = getattr(model, "forward_rows", None)
        logits = (model.forward(ids)[rows] if some is None else some(ids, rows)).astype(np.float64)
        logits[:, model.mask_id] = -np.inf
        top = logits.max(axis=1)
        chance = 1.0 / np.exp(logits - top[:, None]).sum(axis=1)
        masked = np.flatnonzero(canvas == OPEN)[: 2 * rate - 1 if is_left else None]
        sure = chance[masked]
        if is_left:
            sure[0] = np.inf
        chosen = masked[np.argsort(-sure, kind="stable")[:rate]]
        canvas[chosen] = logits[chosen].argmax(axis=1)
        steps += 1


def said(canvas: list[int], ends: set[int], tokenizer: sg.Tokenizer) -> str:
    """Return the text before the first end token."""
    end = next((at for at, one in enumerate(canvas) if one in ends), len(canvas))
    return tokenizer.decode([one for one in canvas[:end] if one >= 0]).decode("utf-8", "replace")


def examine(
    model: Any,
    tokenizer: sg.Tokenizer,
    questions: list[Question],
    scheduler: str,
    part: tuple[int, int] = (1, 1),
) -> list[Answer]:
    """Return the answers to all questions that were measured, here or in a run before; tells progress on
    stderr. Of several parts only the questions of one are asked."""
    KEPT.mkdir(parents=True, exist_ok=True)
    file = KEPT / f"infill-examination-{scheduler}-{weights()}-{revision()}.jsonl"
    kept = [Answer(**one) for one in _lines(file)]
    complete = 2 * len(RATES)
    counted: dict[tuple[str, int], int] = {}
    for one in kept:
        counted[one.of, one.number] = counted.get((one.of, one.number), 0) + 1
    done = {key for key, count in counted.items() if count == complete}
    own = [one for at, one in enumerate(questions) if at % part[1] == part[0] - 1]
    left = [one for one in own if (one.of, one.number) not in done]
    found = [one for one in kept if (one.of, one.number) in done]
    began = time.monotonic()
    for number, question in enumerate(left):
        new = list(answers(model, tokenizer, question, scheduler))
        found += new
        with file.open("a", encoding="utf-8") as out:
            out.write("".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in new))
        spent = time.monotonic() - began
        rest = spent / (number + 1) * (len(left) - number - 1)
        print(
            f"\r{len(own) - len(left) + number + 1} of {len(own)}, {spent:.0f} s, about {rest:.0f} s left ",
            end="",
            file=sys.stderr,
            flush=True,
        )
    print(file=sys.stderr)
    asked = {(one.of, one.number) for one in questions}
    return [one for one in found if (one.of, one.number) in asked]


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue  # the last line of a run that was cut off


def rows(found: list[Answer], scheduler: str) -> list[list[object]]:
    """Return a row for each kind of sentences and each rate, and for all sentences together."""
    by = {(one.of, one.number, one.rate, one.way): one for one in found}
    made: list[list[object]] = []
    kinds = list(dict.fromkeys(one.of for one in found))
    for kind in [*kinds, "all"] if len(kinds) > 1 else kinds:
        for rate in RATES:
            pairs = [
                (one, by[one.of, one.number, rate, "without"])
                for one in found
                if one.rate == rate and one.way == "with" and kind in (one.of, "all")
            ]
            made.append([scheduler, kind, rate or "all", *_row(pairs)])
    return made


def _row(pairs: list[tuple[Answer, Answer]]) -> list[object]:
    ours = [np.array(one.right) for one, _ in pairs]
    theirs = [np.array(other.right) for _, other in pairs]
    every, others = np.concatenate(ours), np.concatenate(theirs)
    low, high = interval(
        np.array([float(one.sum()) - float(two.sum()) for one, two in zip(ours, theirs, strict=True)]),
        np.array([len(one) for one in ours]),
    )
    means = [
        (np.mean([getattr(one, name) for one, _ in pairs]), np.mean([getattr(two, name) for _, two in pairs]))
        for name in ("valid", "steps", "passes", "seconds")
    ]
    (valid, steps, passes, seconds) = means
    return [
        len(pairs),
        len(every),
        *(f"{one:.4f}" for one in valid),
        f"{every.mean():.4f}",
        f"{others.mean():.4f}",
        f"{every.mean() - others.mean():.4f}",
        f"{low:.4f}",
        f"{high:.4f}",
        int((every & ~others).sum()),
        int((others & ~every).sum()),
        *(f"{one:.2f}" for one in (*steps, *passes)),
        *(f"{one:.4f}" for one in seconds),
        f"{np.mean([one.compile_seconds for one, _ in pairs]):.4f}",
    ]


def interval(differences: np.ndarray, fields: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of a difference of shares by the bootstrap over sentences. `differences`: of
    each sentence, right fields with the grammar less those without; `fields`: how many it has."""
    chance = np.random.default_rng(SEED)
    drawn = chance.integers(0, len(fields), (_DRAWS, len(fields)))
    shares = differences[drawn].sum(axis=1) / fields[drawn].sum(axis=1)
    low, high = np.quantile(shares, (0.025, 0.975))
    return float(low), float(high)


def table(made: list[list[object]]) -> str:
    """Return the rows as a table for people."""
    heads = (
        "sentences",
        "a step",
        "valid",
        "without",
        "right",
        "without",
        "difference",
        "interval",
        "steps",
        "s",
    )
    lines = ["".join(f"{head:>16}" for head in heads)]
    for row in made:
        one = dict(zip(NAMES, row, strict=True))
        cells = [
            one["sentences"], one["tokens_per_step"],
            *(f"{100 * float(str(one[name])):.1f} %" for name in _SHARES),
            f"{100 * float(str(one['difference'])):+.1f}",
            f"{100 * float(str(one['low'])):+.1f} to {100 * float(str(one['high'])):+.1f}",
            one["steps"], one["seconds"],
        ]  # fmt: skip
        lines.append("".join(f"{cell!s:>16}" for cell in cells))
    return "\n".join(lines)
