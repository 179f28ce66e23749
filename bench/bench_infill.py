"""How fast is a lattice, and what do schedulers make of a masked-diffusion model, with a grammar and without?

    python bench/bench_infill.py [--only lattice|schedulers] [--vocabulary FILE] [--prompts 20] [--slots 40]

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
that no filling makes valid. Columns: tokens a step, steps, share of valid documents, of right fields, of dead
ends, seconds a document of which the lattice.

Writes bench/results/infill-lattice-DATE.csv and infill-schedulers-DATE.csv.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from records import add_results, load, version, write

import structgen as sg
from structgen.infilling.automata_of_grammars import language_of, written_as_dumps
from structgen.infilling.lattice import OPEN, Lattice
from structgen.infilling.presets import load_masked_model
from structgen.infilling.token_automaton import TokenAutomaton
from structgen.prompting import extraction_prompt

ROOT = Path(__file__).parent.parent
SENTENCES = ROOT / "tests" / "data" / "extract" / "hand_written.jsonl"
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
    found = {"Boolean, first": times(lambda: fresh.pop().is_feasible, 8)}
    lattice = fresh[0]
    for slot in range(SLOTS):
        lattice.set_logits(slot, logits[slot])
    ways: dict[str, Callable[[np.ndarray], object]] = {
        "logits to classes, a slot": lambda row: lattice._reduce(SLOTS // 2, row),
        "the same, the first slot": lambda row: lattice._reduce(0, row),
        "one sum, a slot": lambda row: row.sum(),
        "one maximum, a slot": lambda row: row.max(),
        "one log-sum-exp, a slot": lambda row: np.log(np.exp(row - row.max()).sum()),
    }
    for turn in range(SLOTS):
        for number, (what, run) in enumerate(ways.items()):
            # 37: so that no way finds a row in the cache that another has just read
            row = logits[(turn + 37 * number) % SLOTS]
            found.setdefault(what, []).extend(times(lambda run=run, row=row: run(row), 1))  # type: ignore[misc]
    for slot in (0, SLOTS // 2):
        lattice._reduce(slot, logits[slot])

    def sums() -> None:
        lattice._stale[:] = 1
        lattice._forward, lattice._backward = 0, SLOTS
        lattice.marginals()

    def best(k: int) -> None:
        lattice._best_forward = 0
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
        lattice._settle()

    found["Boolean, a step"] = times(step, 64)
    return found


# --- schedulers ---------------------------------------------------------------------------------------------


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


def unconstrained(
    model: Any, prompt: list[int], slots: int, rate: int, ends: set[int], check: Checked | None
) -> tuple[list[int], int, bool, float]:
    """Fill a canvas by the model's confidence alone, `rate` slots a step; with a check, only with what it
    accepts. Returns the tokens, the steps, whether nothing more was accepted, and the seconds of checks."""
    canvas, steps, seconds = [OPEN] * slots, 0, 0.0
    is_dead = False
    while OPEN in canvas:
        ids = np.array([*prompt, *(model.mask_id if one == OPEN else one for one in canvas)], np.int64)
        logits = model.forward(ids)[len(prompt) - int(model.shift) :][:slots].astype(np.float64)
        logits[:, model.mask_id] = -np.inf
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        began = time.perf_counter()
        left = rate
        while left and OPEN in canvas:
            masked = [at for at, one in enumerate(canvas) if one == OPEN]
            at = max(masked, key=lambda one: chances[one].max())
            token = int(chances[at].argmax())
            if chances[at, token] <= 0.0:
                is_dead = True  # every token of every slot was refused
                return canvas, steps, True, seconds
            canvas[at] = token
            if check is not None and not check.takes(canvas, ends):
                canvas[at] = OPEN
                chances[at, token] = 0.0
                continue
            left -= 1
        seconds += time.perf_counter() - began
        steps += 1
    return canvas, steps, is_dead, seconds


def right_fields(example: dict[str, Any], text: str) -> tuple[int, int]:
    """Return how many of an example's fields a text has right, and how many there are."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    right = 0
    for path in example["kinds"]:
        wanted, given = example["answer"], document
        for key in path.split("."):
            wanted = wanted[key]
            given = given.get(key, ...) if isinstance(given, dict) else ...
        right += given == wanted and isinstance(given, bool) == isinstance(wanted, bool)
    return right, len(example["kinds"])


def scheduler_rows(count: int, slots: int) -> list[list[object]]:
    """Run every scheduler over the same prompts."""
    model, tokenizer = load_masked_model("structgen/infill")
    lines = SENTENCES.read_text(encoding="utf-8").splitlines()
    examples = [json.loads(line) for line in lines[:: max(1, len(lines) // count)]][:count]
    ends = {*tokenizer.eos_token_ids, getattr(model, "null_id", None)} - {None}
    ways: list[tuple[str, int | None]] = [
        ("no grammar", 1),
        ("no grammar", 4),
        ("no grammar", 16),
        ("checked", 1),
        ("checked", 4),
        ("checked", 16),
        ("low-confidence", 1),
        ("low-confidence", 4),
        ("low-confidence", 16),
        ("low-confidence", slots),
        ("blocks", 4),
        ("threshold", None),
        ("factor", None),
        ("entropy-bound", None),
        ("prophet", None),
        ("freedave", 1),
        ("first-hitting", None),
        ("auto", None),
    ]
    rows: list[list[object]] = []
    heads = ("way", "rate", "steps", "passes", "valid", "fields", "dead", "s", "own s")
    print("".join(f"{head:<16}" if head == "way" else f"{head:>8}" for head in heads))
    for way, rate in ways:
        steps = passes = valid = right = fields = dead = 0
        own = 0.0
        began = time.perf_counter()
        for example in examples:
            schema = example["schema"]
            prompt = tokenizer.encode(extraction_prompt(written_as_dumps(schema), example["text"]).encode())
            automaton = language_of(schema, tokenizer, "schema").automaton
            if way in ("no grammar", "checked"):
                check = Checked(automaton) if way == "checked" else None
                tokens, taken, _, seconds = unconstrained(model, prompt, slots, rate or 1, ends, check)
                end = next((at for at, one in enumerate(tokens) if one in ends), slots)
                text = tokens[:end]
                is_valid = OPEN not in text and automaton.accepts(text)
                dead += way == "checked" and not is_valid
                said = tokenizer.decode([one for one in text if one >= 0]).decode("utf-8", "replace")
                steps, passes, own = steps + taken, passes + taken, own + seconds
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
                said, is_valid = found.text, automaton.accepts(list(found.tokens))
                steps, passes = steps + found.usage.steps, passes + found.usage.passes
                own += found.usage.lattice_seconds
            good, all_of = right_fields(example, said)
            valid, right, fields = valid + is_valid, right + good, fields + all_of
        seconds = time.perf_counter() - began
        n = len(examples)
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
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("lattice", "schedulers"))
    parser.add_argument("--vocabulary", type=Path, help="a tokenizer.json in place of tekken")
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--slots", type=int, default=40)
    add_results(parser)
    options = parser.parse_args()
    about = {"version": version()}
    if options.only != "schedulers":
        given = options.vocabulary
        tokenizer = largest_vocabulary() if given is None else sg.Tokenizer.from_huggingface(given)
        names = ("grammar", "what", "milliseconds", "median", "states", "classes", "vocabulary", "load")
        write(options.results, "infill-lattice", about, names, lattice_rows(tokenizer))
    if options.only != "lattice":
        names = (
            "way",
            "tokens_per_step",
            "steps",
            "passes",
            "valid",
            "right_fields",
            "dead_ends",
            "seconds",
            "own_seconds",
            "prompts",
            "load",
        )
        rows = scheduler_rows(options.prompts, options.slots)
        write(options.results, "infill-schedulers", about, names, rows)


if __name__ == "__main__":
    main()
