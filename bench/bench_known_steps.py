"""Which share of the steps of a further document leads to a state whose mask is known already?

    python bench/bench_known_steps.py FOLDER [--schemas 150] [--classes 20] [--seed 0] [--tokenizer llama3]

A step takes one token of a document. Its state *is known* if the mask of that state was worked out before:
then a table of states, on a device too, has the next mask without a question to the host. Schemas are drawn
from FOLDER, which has MaskBench's files. Nine documents of a schema are its first valid instance with other
strings and numbers put in: each value becomes one of another schema, or gets other letters and digits, if the
schema allows it; keys, lengths of arrays and the order stay. A grammar is compiled anew, writes 0, 1 or 8 of
the documents, and then the ninth, which is counted. All its masks are filled, as in a decoding loop.

A row of bench/results/known-steps-DATE.csv is one number of documents before: the share of steps to a known
state; the share of those that take a token which was taken in that state before; the share of ninth documents
of which all steps lead to known states; medians over schemas of the states and of the different masks after
all documents, and the most; the bytes of a mask. Documents have at most LONGEST characters, and at least
SHORTEST tokens.

bench/results/step-classes-DATE.csv has the table that a step needs: for some of the schemas, after all
documents, the states after every allowed token of every known state, and the classes of tokens with the same
effect in all known states. A schema is *large* if it comes to MOST_STATES states; it is not in the medians.
"""

from __future__ import annotations

import copy
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
from records import arguments, load, show, versions, write
from vocabularies import load as load_tokenizer

import structgen as sg
from structgen.doors.maskbench.readers import Case, select_cases
from structgen.grammars.json_grammars.schema_grammar import unwarned_schema

BEFORE: Final = (0, 1, 8)
"""Documents that are written before the one whose steps are counted."""
LONGEST, SHORTEST = 2_000, 8
MOST_STATES: Final = 100_000
TRIES: Final = 6
"""Values that are tried for a place: one of another schema, then others of the same shape."""
COLUMNS: Final = (
    *("documents before", "schemas", "steps", "known", "token taken before", "documents all known"),
    *("median states", "median masks", "most masks", "mask bytes", "values replaced"),
)
CLASS_COLUMNS: Final = (
    *("schemas", "large", "median known states", "median states", "median classes", "most classes"),
    "cpu ms a known state",
)
Tokens = list[int]
Slot = tuple[Any, Any]
"""The container of a string or number in a document, and its key or position there."""


def slots_of(value: Any) -> Iterator[Slot]:
    """Yield the places of all strings and numbers below a list or an object."""
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in entries:
        if isinstance(item, dict | list):
            yield from slots_of(item)
        elif isinstance(item, str | int | float) and not isinstance(item, bool):
            yield value, key


def other_text(text: str, draw: random.Random) -> str:
    """Return a text with other letters and digits, each of the same kind."""

    def other_character(character: str) -> str:
        if character.isdigit():
            return draw.choice("0123456789")
        if not (character.isascii() and character.isalpha()):
            return character
        letter = draw.choice("abcdefghijklmnopqrstuvwxyz")
        return letter.upper() if character.isupper() else letter

    return "".join(map(other_character, text))


def other_values(value: Any, pool: list[str], draw: random.Random) -> Iterator[Any]:
    """Yield values that may take the place of a string or a number."""
    if isinstance(value, str):
        yield draw.choice(pool)
        for _ in range(TRIES - 1):
            yield other_text(value, draw)
    else:
        for _ in range(TRIES):
            whole = draw.randrange(10 ** draw.randint(1, 5))
            yield whole if isinstance(value, int) else whole + round(draw.random(), draw.randint(1, 4))


@dataclass
class Subject:
    """A schema and its documents, as tokens."""

    schema: str
    documents: list[Tokens]
    replaced: list[bool] = field(default_factory=list)
    """For each string and number of the documents, whether another value took its place."""


def subject_of(case: Case, tokenizer: sg.Tokenizer, pool: list[str], draw: random.Random) -> Subject | None:
    """Return a schema with one document more than the most of BEFORE; None if it has no instance for it."""
    texts = [instance.text for instance in case.instances if instance.valid]
    if not texts or len(texts[0]) > LONGEST:
        return None
    original = json.loads(texts[0])
    try:
        # a grammar of its own judges the documents: the measured one must not have seen them
        judge = sg.compile(unwarned_schema(case.schema), tokenizer, store=False)
    except sg.StructgenError:
        return None

    def tokens_of(document: Any) -> Tokens:
        return list(tokenizer.encode(json.dumps(document, ensure_ascii=False).encode()))

    def is_valid(document: Any) -> bool:
        tokens, matcher = tokens_of(document), sg.Matcher(judge)
        return matcher.accepts([*tokens, tokenizer.eos_token_ids[0]]) == len(tokens) + 1

    if not isinstance(original, dict | list) or not is_valid(original):
        return None
    subject = Subject(case.schema, [])
    for _ in range(max(BEFORE) + 1):
        document = copy.deepcopy(original)
        for container, key in slots_of(document):
            old = container[key]
            for new in other_values(old, pool, draw):
                container[key] = new
                if new != old and is_valid(document):
                    break
            else:
                container[key] = old
            subject.replaced.append(container[key] != old)
        subject.documents.append(tokens_of(document))
    return subject if min(map(len, subject.documents)) >= SHORTEST else None


@dataclass
class Steps:
    """What the steps of the last document of a schema met."""

    count: int = 0
    known: int = 0
    repeated: int = 0
    """Steps that take a token which was taken in the same state before."""
    states: int = 0
    masks: int = 0
    """Different masks of all states that were met."""


def count_steps(subject: Subject, before: int, tokenizer: sg.Tokenizer) -> Steps:
    """Write some documents of a schema under a grammar compiled anew, and count the steps of one more."""
    compiled = sg.compile(unwarned_schema(subject.schema), tokenizer, store=False)
    mask, steps = sg.allocate_mask(1, tokenizer.vocab_size), Steps()
    taken: set[tuple[int, int]] = set()
    masks: dict[int, bytes] = {}
    for document in [*subject.documents[:before], subject.documents[-1]]:
        steps.count = steps.known = steps.repeated = 0
        matcher = sg.Matcher(compiled)
        matcher.fill_mask(mask)
        masks[matcher.state_index] = mask.array.tobytes()
        for token in document:
            steps.repeated += (matcher.state_index, token) in taken
            taken.add((matcher.state_index, token))
            matcher.advance(token)
            is_known = matcher.fill_known(mask, 0)
            steps.count, steps.known = steps.count + 1, steps.known + is_known
            if not is_known:
                matcher.fill_mask(mask)
            masks[matcher.state_index] = mask.array.tobytes()
    steps.states, steps.masks = len(masks), len(set(masks.values()))
    return steps


@dataclass
class Classes:
    """The size of the table of all known states."""

    known: int
    states: int
    classes: int
    seconds: float
    """Of the processor, for the states after the tokens of all known states."""


def count_classes(subject: Subject, tokenizer: sg.Tokenizer) -> Classes | None:
    """Return the size of the table behind all documents of a schema; None for a large one."""
    limits = sg.Limits(parser_states=MOST_STATES)
    compiled = sg.compile(unwarned_schema(subject.schema), tokenizer, store=False, limits=limits)
    mask, allowed = sg.allocate_mask(1, tokenizer.vocab_size), dict[int, Any]()
    ends = np.array(sorted(compiled.end_tokens))
    for document in subject.documents:
        matcher = sg.Matcher(compiled, compiled.start)
        for token in document:
            if matcher.state_index not in allowed:
                matcher.fill_mask(mask)
                allowed[matcher.state_index] = np.setdiff1d(mask.allowed(), ends)
            matcher.advance(token)
        if matcher.compiled is not compiled:
            return None  # the documents alone have met the limit, and the matcher went on in another grammar
    started, states = time.process_time(), set[int](allowed)
    classes = np.zeros(tokenizer.vocab_size, np.int64)
    try:
        for state, tokens in allowed.items():
            effect = np.full(tokenizer.vocab_size, -1, np.int64)
            effect[tokens] = compiled.after_tokens(state, tokens)
            states.update(np.unique(effect[tokens]).tolist())
            classes = np.unique(classes << 32 | effect + 1, return_inverse=True)[1].reshape(-1)
    except sg.errors.LimitError:
        return None
    return Classes(len(allowed), len(states), int(classes.max()) + 1, time.process_time() - started)


def class_row(found: list[Classes | None]) -> tuple[object, ...]:
    """Return the row of the results of some schemas."""
    small = [table for table in found if table is not None and table.states < MOST_STATES]
    return (
        len(found),
        len(found) - len(small),
        statistics.median(table.known for table in small),
        statistics.median(table.states for table in small),
        statistics.median(table.classes for table in small),
        max(table.classes for table in small),
        f"{1e3 * sum(table.seconds for table in small) / sum(table.known for table in small):.2f}",
    )


def draw_subjects(folder: Path, tokenizer: sg.Tokenizer, draw: random.Random) -> Iterator[Subject]:
    """Yield schemas with documents, in an order drawn once. Strings of the cases before the first fill the
    pool from which other strings are drawn."""
    sources = select_cases([folder])
    draw.shuffle(sources)
    pool: list[str] = []
    for position, (_, read) in enumerate(sources):
        case = read()
        values = [json.loads(instance.text) for instance in case.instances[:1] if instance.valid]
        pool += [box[key] for box, key in slots_of(values) if isinstance(box[key], str)]
        if position >= 50 and (subject := subject_of(case, tokenizer, pool, draw)) is not None:
            yield subject


def main() -> int:
    """Measure, print the table and write the results."""
    parser = arguments(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--schemas", type=int, default=150)
    parser.add_argument("--classes", type=int, default=20, help="schemas whose tables are counted")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokenizer", default="llama3")
    options = parser.parse_args()
    load_before, tokenizer = load(), load_tokenizer(options.tokenizer)
    drawn = draw_subjects(options.folder, tokenizer, random.Random(options.seed))
    subjects = [*islice(drawn, options.schemas)]
    replaced = [flag for subject in subjects for flag in subject.replaced]
    rows = []
    for before in BEFORE:
        found = [count_steps(subject, before, tokenizer) for subject in subjects]
        count = sum(steps.count for steps in found)
        rows.append(
            (
                *(before, len(found), count),
                f"{sum(steps.known for steps in found) / count:.4f}",
                f"{sum(steps.repeated for steps in found) / count:.4f}",
                f"{sum(steps.known == steps.count for steps in found) / len(found):.3f}",
                statistics.median(steps.states for steps in found),
                statistics.median(steps.masks for steps in found),
                max(steps.masks for steps in found),
                4 * ((tokenizer.vocab_size + 31) // 32),
                f"{sum(replaced) / max(1, len(replaced)):.3f}",
            )
        )
    classes = [class_row([count_classes(subject, tokenizer) for subject in subjects[: options.classes]])]
    about = {
        "load": f"{load_before} -> {load()}",
        "versions": versions(),
        "options": f"--schemas {options.schemas} --seed {options.seed} --tokenizer {options.tokenizer}",
    }
    show(COLUMNS, rows)
    show(CLASS_COLUMNS, classes)
    print(write(options.results, "known-steps", about, COLUMNS, rows))
    print(write(options.results, "step-classes", about, CLASS_COLUMNS, classes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
