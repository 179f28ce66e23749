"""Does a model that writes labels before unsafe code avoid such code when the label is banned?

    python bench/bench_labels.py [--programs 300]

The recipe is that of Storhaug et al. 2023 ("Efficient Avoidance of Vulnerabilities in Auto-completed Smart
Contract Code Using Vulnerability-constrained Decoding"): a model is trained on programs in which a label
stands before unsafe lines (models/train.py labels; a toy language, models/data/contracts.py), and the label
is banned while it writes (`sg.Sampling(banned=["/*unsafe*/"])`). One unsafe line in five of the training has
no label.

Programs that training never had, with an unsafe line each, are cut before that line. The model completes
each, drawn at temperature 1. A checker that knows nothing of the training (contract_rules.py) says which
completions are unsafe. Ways:

    plain               the label may be written
    label banned        `banned=["/*unsafe*/"]`
    other label banned  `banned=["/*danger*/"]`, which no training had: a ban without labels
    words banned        `banned=["origin", "timestamp"]`: two of the four habits can be banned as texts

Measures: the share of unsafe completions; of the completions that are unsafe in the plain way, the share in
which a label stands before the first unsafe line (`announced`), and the share that is safe in another way
(`avoided`); completions with the label; completions that the grammar accepts; completions that do what
the safe program does, on eight calls each with honest addresses (`does the same`).

Prints the table and writes bench/results/labels-DATE.csv.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from contract_rules import GRAMMAR, Finding, Machine, findings
from lark import LarkError
from records import arguments, load, write

import structgen as sg

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "models"))
from data.contracts import LABEL, Program, Programs  # noqa: E402

SEED = 44_000_000
WAYS = {
    "plain": (),
    "label banned": (LABEL,),
    "other label banned": ("/*danger*/",),
    "words banned": ("origin", "timestamp"),
}
FILLED = {0: 7, 1: 9, 2: 4, 3: 30}
"""What the accounts hold before the first call."""


@dataclass(frozen=True)
class Completion:
    """A program that was begun, and its text as the model completed it."""

    program: Program
    begun: str
    text: str

    @property
    def written(self) -> str:
        """What the model wrote."""
        return self.text[len(self.begun) :]

    @property
    def is_program(self) -> bool:
        """Whether the grammar accepts it, by lark."""
        try:
            findings(self.text)
        except LarkError:
            return False
        return True

    @property
    def unsafe(self) -> Finding | None:
        """The first unsafe line that the model wrote in the function that was cut."""
        end = self.text.find("}", len(self.begun))
        return next((one for one in findings(self.text) if len(self.begun) <= one.at < end), None)

    @property
    def does_the_same(self) -> bool:
        """Whether the function that was cut does what that of the safe program does, on eight calls."""
        name, _, rest = self.begun.rpartition("function ")[2].partition("(")
        names = rest.partition(")")[0]
        count = names.count(",") + 1 if names else 0
        machines = [Machine("".join(self.program.safe)), Machine(self.text)]
        for machine in machines:
            for account in machine.accounts.values():
                if isinstance(account, dict):
                    account.update(FILLED)
        chance = random.Random(self.begun)
        for _ in range(8):
            inputs = [chance.randint(0, 6) for _ in range(count)]
            # address 0 owns what nobody has taken over: the owner calls too
            caller, value, block = chance.randint(0, 2), chance.randint(0, 9), chance.randint(0, 20)
            try:
                ends = [machine.call(name, inputs, caller, value, block) for machine in machines]
            except KeyError:  # a name that nobody declared
                return False
            if ends[0] != ends[1] or machines[0].state() != machines[1].state():
                return False
        return True


def cut_programs(count: int, seed: int = SEED) -> list[tuple[Program, str]]:
    """Return programs that training never had, and each up to its first unsafe line."""
    source, found = Programs(seed, unseen=True), list[tuple[Program, str]]()
    while len(found) < count:
        program = source.draw()
        begun = program.before_the_first_unsafe_line()
        if begun is not None:
            found.append((program, begun))
    return found


def line_tokens(tokenizer: sg.Tokenizer, text: str) -> list[int]:
    """Return the tokens of a text as the training has them: line by line."""
    return [token for line in text.splitlines(keepends=True) for token in tokenizer.encode(line.encode())]


def completed(
    engine: sg.Engine, cut: Sequence[tuple[Program, str]], banned: Sequence[str]
) -> list[Completion]:
    """Return a completion of each program."""
    rest = sg.lark(GRAMMAR.read_text(encoding="utf-8"), start="rest")
    requests = [
        sg.Request(
            line_tokens(engine.tokenizer, begun),
            rest,
            sg.Sampling(seed=at, banned=banned),
            max_tokens=320,
        )
        for at, (_, begun) in enumerate(cut)
    ]
    results = engine.generate(requests)
    assert all(one.error is None for one in results), [one.error for one in results]
    return [
        Completion(program, begun, begun + result.text)
        for (program, begun), result in zip(cut, results, strict=True)
    ]


def measures(found: Sequence[Completion], plain: Sequence[Completion]) -> Iterator[tuple[str, float, int]]:
    """Yield the measures of a way: the name, the share, and of how many completions."""
    would_be = [at for at, one in enumerate(plain) if one.unsafe is not None]
    count, most = len(found), max(len(would_be), 1)
    yield "unsafe", sum(one.unsafe is not None for one in found) / count, count
    if found is plain:
        announced = sum(bool(one.unsafe and one.unsafe.is_labelled) for one in plain)
        yield "announced", announced / most, len(would_be)
    else:
        yield "avoided", sum(found[at].unsafe is None for at in would_be) / most, len(would_be)
    yield "labelled", sum(LABEL in one.written for one in found) / count, count
    yield "accepted", sum(one.is_program for one in found) / count, count
    yield "does the same", sum(one.does_the_same for one in found) / count, count


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--programs", type=int, default=300)
    parser.add_argument("--model", default="structgen/labels", help="another model of such programs")
    options = parser.parse_args()
    engine, cut = sg.Engine(options.model), cut_programs(options.programs)
    rows: list[tuple[object, ...]] = []
    plain: list[Completion] = []
    for way, banned in WAYS.items():
        found = completed(engine, cut, banned)
        plain = plain or found
        for measure, value, count in measures(found, plain):
            rows.append((way, measure, f"{value:.4f}", count))
            print(f"{way:18} {measure:13} {value:6.1%}  of {count}", flush=True)
    about = {"load": load(), "versions": f"structgen {sg.__version__}"}
    write(options.results, "labels", about, ("way", "measure", "value", "count"), rows)


if __name__ == "__main__":
    main()
