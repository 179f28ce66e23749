"""How fast is a lattice, and what does a masked-diffusion model write, with a grammar and without?

    python bench/bench_infill.py [--only lattice|schedulers] [--vocabulary FILE] [--prompts 60]
        [--ways confident-prefix,...]

Lattice: 256 masked slots, one thread, process CPU time, the least and the median of several runs. The
vocabulary is mistral_common's tekken (131,072 tokens, the largest that is installed with `make dev` tools),
or that of `--vocabulary`, a tokenizer.json. Grammars: a flat schema, a nested one, any JSON value at depth 4
(the schema `true`), and a Lark grammar of JSON cut at 8 places of the parser's stack, some four brackets.
Rows: the Boolean pass at first and after one commit, marginals, the best and the two best fillings, a sample;
and logits to class scores, in a slot in the middle and in the first, which few classes fit, in turn with
one pass over the same float32 logits: numpy's sum, its maximum, and a log-sum-exp made of its functions. Each
is given the rows of all slots one after the other, as a step gives them.

Schedulers: structgen/infill on sentences written by hand (tests/data/extract), one canvas for the document.
Beside ours stand the model without a grammar, and the published way (Constrained Decoding of Diffusion LLMs
with Context-Free Grammars, 2025, re-implemented over our automata): each proposed token is checked by whether
some filling is left if every run of masks may hold any number of tokens; what fails is masked and the next
is proposed. It does not know how many masks there are, so some of what it accepts are dead ends: canvases
that no filling makes valid. Columns: tokens a step, steps, passes of the model, share of valid documents (as
jsonschema says), of right fields, of dead ends, process CPU seconds a document, and seconds by the clock of
the lattice, or CPU seconds of the checks.

How many fields are right on more sentences, with the grammar and without: `models/evaluate.py infill`.

Writes bench/results/infill-lattice-DATE.csv and infill-schedulers-DATE.csv.
"""

# ruff: noqa: E402 (how many threads numpy has is said before it is imported)

from __future__ import annotations

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import json
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
from records import arguments, load, version, write

import structgen as sg
from structgen.infilling.automata_of_grammars import language_of
from structgen.infilling.lattice import OPEN, Lattice
from structgen.infilling.lattice_loops import class_scores
from structgen.infilling.presets import load_masked_model
from structgen.infilling.token_automaton import TokenAutomaton
from structgen.json_grammars.prompting import extraction_prompt

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from evaluate import SENTENCES, closed, hand_written, right_fields

SLOTS = 256
TEXT = {"type": "string"}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


FLAT = _object(
    name=TEXT, age={"type": "integer"}, ok={"type": "boolean"}, color={"enum": ["red", "green", "blue"]}
)
NESTED = _object(
    id={"type": "integer"},
    person=_object(name=TEXT, mail=TEXT, address=_object(street=TEXT, city=TEXT)),
    tags={"type": "array", "items": TEXT},
)
JSON = r"""
start: value
?value: object | array | STRING | NUMBER | "true" | "false" | "null"
array: "[" [value ("," value)*] "]"
object: "{" [pair ("," pair)*] "}"
pair: STRING ":" value
STRING: /"([^"\\\x00-\x1f]|\\(["\\\/bfnrt]|u[0-9a-fA-F]{4}))*"/
NUMBER: /-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/
%ignore /[ \n\t\r]+/
"""


def largest_vocabulary() -> sg.Tokenizer:
    """Return the largest tokenizer at hand."""
    found = find_spec("mistral_common")
    if found is None or found.origin is None:
        raise SystemExit("pip install mistral_common, or give --vocabulary")
    return sg.Tokenizer.from_tekken(Path(found.origin).parent / "data" / "tekken_240911.json")


def times(run: Callable[[], object], count: int) -> list[float]:
    """Return the process CPU times of some runs, in milliseconds."""
    taken = []
    for _ in range(count):
        began = time.process_time()
        run()
        taken.append(1e3 * (time.process_time() - began))
    return taken


def lattice_rows(tokenizer: sg.Tokenizer) -> list[list[object]]:
    """Measure each grammar."""
    rows: list[list[object]] = []
    logits = (4 * np.random.default_rng(0).standard_normal((SLOTS, tokenizer.vocab_size))).astype(np.float32)
    grammars: list[tuple[str, Any, int | None]] = [
        ("flat", FLAT, None),
        ("nested", NESTED, None),
        ("any value", True, 4),
        ("json", sg.lark(JSON), 8),
    ]
    for name, given, depth in grammars:
        began = time.process_time()
        automaton = language_of(given, tokenizer, name, depth=depth).automaton
        built = 1e3 * (time.process_time() - began)
        print(f"{name}: {automaton.states:,} states, {automaton.classes} classes")
        for what, taken in {"the automaton": [built], **_measured(automaton, logits)}.items():
            row = [name, what, f"{min(taken):.4f}", f"{np.median(taken):.4f}"]
            rows.append([*row, automaton.states, automaton.classes, tokenizer.vocab_size, load()])
            print(f"  {what:<28}{row[2]:>10} ms, median {row[3]:>10}", flush=True)
    return rows


def _measured(automaton: TokenAutomaton, logits: np.ndarray) -> dict[str, list[float]]:
    fresh = [Lattice(automaton, [OPEN] * SLOTS) for _ in range(9)]
    found = {"Boolean, first": times(lambda: fresh.pop().forced(), 8)}
    lattice = fresh[0]
    for slot in range(SLOTS):
        lattice.set_logits(slot, logits[slot])
    lattice.marginals()  # so that logits are scores in what follows
    masks = lattice.class_mask(0), lattice.class_mask(SLOTS // 2)
    ways: dict[str, Callable[[np.ndarray], object]] = {
        "logits to classes, a slot": lambda row: class_scores(automaton, row, 1.0, masks[1]),
        "the same, the first slot": lambda row: class_scores(automaton, row, 1.0, masks[0]),
        "one sum, a slot": lambda row: row.sum(),
        "one maximum, a slot": lambda row: row.max(),
        "one log-sum-exp, a slot": lambda row: np.log(np.exp(row - row.max()).sum()),
    }
    for turn in range(SLOTS):
        for number, (what, run) in enumerate(ways.items()):
            # 37: so that no way finds a row in the cache that another has just read
            row = logits[(turn + 37 * number) % SLOTS]
            found.setdefault(what, []).extend(times(lambda run=run, row=row: run(row), 1))  # type: ignore[misc]

    def sums() -> None:
        lattice._weights.clear()
        lattice.marginals()

    def best(k: int) -> None:
        lattice._weights.clear()
        lattice.best(k)

    found["marginals"] = times(sums, 5)
    found["best filling"] = times(lambda: best(1), 5)
    found["two best fillings"] = times(lambda: best(2), 5)
    uniforms = np.random.default_rng(1).random((SLOTS, 3))
    found["sample, sums known"] = times(lambda: lattice.sample(uniforms), 9)
    _, filling = lattice.best()[0]
    order = iter(np.random.default_rng(2).permutation(SLOTS).tolist())

    def step() -> None:
        slot = next(order)
        lattice.commit(slot, int(filling[slot]))
        lattice.forced()

    found["Boolean, a step"] = times(step, 64)
    return found


# --- schedulers ---------------------------------------------------------------------------------------------

SCHEDULED = (
    "way tokens_per_step steps passes valid right_fields dead_ends seconds own_seconds prompts load".split()
)
WAYS: list[tuple[str, int | None]] = [
    *(("no grammar", rate) for rate in (1, 4, 16)),
    *(("checked", rate) for rate in (1, 4, 16)),
    *(("low-confidence", rate) for rate in (1, 4, 16, 128)),
    *(("left-to-right", rate) for rate in (1, 4)),
    ("blocks", 4),
    *((way, None) for way in ("threshold", "factor", "entropy-bound", "prophet")),
    ("freedave", 1),
    *((way, None) for way in ("first-hitting", "confident-prefix")),
]
"""Each with the tokens of a step; the last one is the default."""


class Checked:
    """The published check of a proposal: is a filling left if runs of masks hold any number of tokens?"""

    def __init__(self, automaton: TokenAutomaton) -> None:
        self.automaton = automaton
        leads = np.zeros((automaton.states, automaton.states), bool)
        rows, columns = np.nonzero(automaton.transitions >= 0)
        leads[rows, automaton.transitions[rows, columns]] = True
        anywhere = leads | np.eye(automaton.states, dtype=bool)
        while not np.array_equal(wider := anywhere @ anywhere, anywhere):
            anywhere = wider
        self.anywhere = anywhere

    def takes(self, tokens: list[int], ends: set[int]) -> bool:
        """Return whether a canvas (OPEN: masked) is accepted; end tokens stand behind the text."""
        at = np.zeros(self.automaton.states, bool)
        at[self.automaton.start] = True
        is_over = False
        for token in tokens:
            if token == OPEN:
                at = self.anywhere[at].any(axis=0)
            elif token in ends:
                at = at & self.automaton.accepting
                is_over = True
            else:
                column = int(self.automaton.token_class[token])
                after = self.automaton.transitions[at, column] if column >= 0 else np.empty(0, int)
                at = np.zeros(self.automaton.states, bool)
                at[after[after >= 0]] = not is_over
        return bool((at & self.automaton.accepting).any())


def checked(
    model: Any, prompt: list[int], slots: int, rate: int, ends: set[int], check: Checked
) -> tuple[list[int], int, float]:
    """Fill a canvas by the model's confidence, `rate` slots a step, only with what the check accepts. Returns
    the tokens (OPEN: nothing more was accepted), the steps, and the seconds of checks."""
    canvas, steps, seconds = [OPEN] * slots, 0, 0.0
    while OPEN in canvas:
        ids = np.array([*prompt, *(model.mask_id if one == OPEN else one for one in canvas)], np.int64)
        logits = model.forward(ids)[len(prompt) - int(model.shift) :][:slots].astype(np.float64)
        logits[:, model.mask_id] = -np.inf
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        began = time.process_time()
        left = rate
        while left and OPEN in canvas:
            masked = [at for at, one in enumerate(canvas) if one == OPEN]
            at = max(masked, key=lambda one: chances[one].max())
            token = int(chances[at].argmax())
            if chances[at, token] <= 0.0:  # every token of every slot was refused
                return canvas, steps, seconds + time.process_time() - began
            canvas[at] = token
            if not check.takes(canvas, ends):
                canvas[at] = OPEN
                chances[at, token] = 0.0
                continue
            left -= 1
        seconds += time.process_time() - began
        steps += 1
    return canvas, steps, seconds


def by_confidence(
    model: Any, prompt: list[int], slots: int, rate: int, ends: set[int]
) -> tuple[list[int], int]:
    """Fill a canvas without a grammar, the `rate` surest slots a step, until no mask stands before the first
    end token. Return what stands in the slots (OPEN: still masked), and the steps."""
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
        masked = np.flatnonzero(canvas == OPEN)
        chosen = masked[np.argsort(-chance[masked], kind="stable")[:rate]]
        canvas[chosen] = logits[chosen].argmax(axis=1)
        steps += 1


def said(canvas: list[int], ends: set[int], tokenizer: sg.Tokenizer) -> str:
    """Return the text before the first end token."""
    end = next((at for at, one in enumerate(canvas) if one in ends), len(canvas))
    return tokenizer.decode([one for one in canvas[:end] if one >= 0]).decode("utf-8", "replace")


def is_valid(schema: Any, text: str) -> bool:
    """Return whether a text is a document of a schema, as jsonschema says."""
    try:
        return jsonschema.Draft202012Validator(schema).is_valid(json.loads(text))
    except ValueError:
        return False


def drawn_sentences(count: int) -> list[Any]:
    """Return some sentences written by hand, at equal distances in their file."""
    every = hand_written(SENTENCES)
    return [every[at * len(every) // count] for at in range(min(count, len(every)))]


def asked_of(example: Any, tokenizer: sg.Tokenizer) -> tuple[Any, list[int], int]:
    """Return the closed schema of a sentence, the ids of its prompt, and how many slots its canvas has."""
    prompt = list(tokenizer.encode(extraction_prompt(example.schema, example.text).encode()))
    answer = tokenizer.encode(json.dumps(example.answer, ensure_ascii=False).encode())
    slots = next(slots for slots in (64, 96, 128, 192, 256) if len(answer) < slots - 4)
    return closed(example.schema), prompt, slots


def scheduler_rows(count: int, asked: list[str]) -> list[list[object]]:
    """Run every scheduler, or those asked for, over the same prompts."""
    model, tokenizer = load_masked_model("structgen/infill")
    questions = drawn_sentences(count)
    ends = {*tokenizer.eos_token_ids, model.null_id}
    rows: list[list[object]] = []
    heads = ("way", "rate", "steps", "passes", "valid", "fields", "dead", "s", "own s")
    print("".join(f"{head:<16}" if head == "way" else f"{head:>8}" for head in heads))
    for way, rate in WAYS:
        if asked and way not in asked:
            continue
        steps = passes = valid = right = fields = dead = 0
        own = taken_in_all = 0.0
        for one in questions:
            schema, prompt, slots = asked_of(one, tokenizer)
            automaton = language_of(schema, tokenizer, "schema").automaton
            check = Checked(automaton) if way == "checked" else None
            began = time.process_time()
            if way == "no grammar":
                tokens, taken = by_confidence(model, prompt, slots, rate or 1, ends)
                text, taken_passes = said(tokens, ends, tokenizer), taken
            elif check is not None:
                tokens, taken, seconds = checked(model, prompt, slots, rate or 1, ends, check)
                text, taken_passes, own = said(tokens, ends, tokenizer), taken, own + seconds
                end = next((at for at, token in enumerate(tokens) if token in ends), slots)
                dead += OPEN in tokens or not automaton.accepts(tokens[:end])
            else:
                options: dict[str, Any] = {} if rate is None else {"tokens_per_step": rate}
                found = sg.infill(
                    model,
                    grammar=schema,
                    prompt=prompt,
                    slots=slots,
                    scheduler=way,
                    tokenizer=tokenizer,
                    **options,
                )
                text, taken, taken_passes = found.text, found.usage.steps, found.usage.passes
                own += found.usage.lattice_seconds
            taken_in_all += time.process_time() - began
            good = right_fields(one, text).values()
            steps, passes, valid = steps + taken, passes + taken_passes, valid + is_valid(schema, text)
            right, fields = right + sum(good), fields + len(good)
        seconds = taken_in_all
        n = len(questions)
        row: list[object] = [
            way,
            rate or "",
            f"{steps / n:.1f}",
            f"{passes / n:.1f}",
            f"{valid / n:.3f}",
            f"{right / fields:.3f}",
            f"{dead / n:.3f}" if way == "checked" else "",
            f"{seconds / n:.3f}",
            f"{own / n:.4f}",
            n,
            load(),
        ]
        rows.append(row)
        print(f"{way:<16}" + "".join(f"{one!s:>8}" for one in row[1:9]), flush=True)
    return rows


def main() -> None:
    """Measure and write."""
    parser = arguments(__doc__)
    parser.add_argument("--only", choices=("lattice", "schedulers"))
    parser.add_argument("--vocabulary", type=Path, help="a tokenizer.json in place of tekken")
    parser.add_argument("--prompts", type=int, default=60, help="of the table by scheduler")
    parser.add_argument("--ways", help="of that table, with commas between (default: all)")
    options = parser.parse_args()
    about = {"version": version()}
    if options.only != "schedulers":
        given = options.vocabulary
        tokenizer = largest_vocabulary() if given is None else sg.Tokenizer.from_huggingface(given)
        names = "grammar what milliseconds median states classes vocabulary load".split()
        write(options.results, "infill-lattice", about, names, lattice_rows(tokenizer))
    if options.only != "lattice":
        rows = scheduler_rows(options.prompts, options.ways.split(",") if options.ways else [])
        write(options.results, "infill-schedulers", about, SCHEDULED, rows)


if __name__ == "__main__":
    main()
