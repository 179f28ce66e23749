"""What does speculation save: model calls per output token of recorded answers, by drafters, without a model?

    python bench/bench_speculation.py PATH [--answers 200]      PATH: MaskBench's folder

Each answer of speculation_answers.py, its end token included, is written again by `draft_replay.replay`: the
model is taken to choose exactly the recorded tokens, and the passes that it would have run are counted. Every
row of a pass is free here, so each draft has as many nodes as its set may have and as are guessed at all.

The prompt is the schema's text; for "two fields changed" the document as it was stands behind it, for all
drafters alike. The earlier answer to the same schema is one: the other instance of the case.

llguidance is asked itself: at each place `compute_ff_tokens()` gives the tokens that it would inject. They
are counted as a draft, so that those which the recorded answer has otherwise cost a pass, and do not change
it.

PATH may stand in STRUCTGEN_MASKBENCH instead; without it nothing is measured. Prints a table, and writes
bench/results/speculation-counts-DATE.csv. What drafts save on a model that runs: `bench_published.py
speculation`, and two checkouts beside one another, `turns.py`.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import speculation_answers as answers
from draft_replay import replay
from records import arguments, load, versions, write
from records import markdown as table_of
from speculation_answers import Answer

import structgen as sg
from structgen.maskbench import vocabularies
from structgen.speculation.drafters.answer_history import AnswerHistory
from structgen.speculation.drafters.grammar_tree import ForcedBytes, GrammarTree
from structgen.speculation.drafters.ngrams import KnownTexts, callers_text
from structgen.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.speculation.drafts.drafter import DraftContext, Drafter, RequestFacts
from structgen.speculation.planning.drafting import Drafting

SAME, CHANGED = "answers", "two fields changed"
LOOKUP: Final = "prompt lookup, 10 tokens"
"""What ratios are to: prompt lookup as transformers' documentation has it, `prompt_lookup_num_tokens=10`."""
LLGUIDANCE: Final = "llguidance's fast-forward tokens"


@dataclass(frozen=True, slots=True)
class Drafters:
    """A set of drafters, and how many nodes a draft of theirs may have."""

    title: str
    make: Callable[[AnswerHistory], list[Drafter]]
    nodes: int
    chain: bool = False
    workloads: tuple[str, ...] = (SAME,)


class Chain:
    """The likeliest chain of what some drafters propose together, as a drafter."""

    name = "chain"

    def __init__(self, drafters: Sequence[Drafter]) -> None:
        self._drafters = drafters
        self._drafting: Drafting | None = None

    def begin(self, facts: RequestFacts) -> None:
        """Begin the drafters."""
        self._drafting = Drafting(self._drafters, facts, chain=True)

    def propose(self, view: DraftContext, most: int) -> Draft:
        """Return the chain."""
        return NO_DRAFT if self._drafting is None else self._drafting.candidates(view, most)

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Tell the drafters."""
        if self._drafting is not None:
            self._drafting.observe(taken, accepted)

    def end(self) -> None:
        """End the drafters."""
        if self._drafting is not None:
            self._drafting.end()


class PromptLookup:
    """Prompt lookup (Saxena 2023): copies from the first occurrence of the last three tokens, or of fewer."""

    name = "prompt lookup"

    def begin(self, facts: RequestFacts) -> None:
        """Take the prompt."""
        self._text = list(facts.prompt)
        self._first: dict[tuple[int, ...], int] = {}
        """Behind each run of at most three tokens, the place where it stood first."""
        self._seen = 0

    def propose(self, view: DraftContext, most: int) -> Draft:
        """Return what followed."""
        text = self._text
        for end in range(self._seen + 1, len(text)):
            for size in (3, 2, 1):
                self._first.setdefault(tuple(text[max(end - size, 0) : end]), end)
        self._seen = max(len(text) - 1, 0)
        for size in (3, 2, 1):
            at = self._first.get(tuple(text[-size:])) if size <= len(text) else None
            if at is not None:
                return Draft.chain(text[at : at + most])
        return NO_DRAFT

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        """Take the tokens."""
        self._text += taken

    def end(self) -> None:
        """Do nothing."""


def _usual() -> list[Drafter]:
    """Return the drafters of `speculation="auto"`."""
    return [ForcedBytes(), GrammarTree(), KnownTexts()]


SETS: Final = (
    Drafters("forced tokens", lambda _: [ForcedBytes()], 64),
    Drafters("prompt lookup, 5 tokens", lambda _: [PromptLookup()], 5),
    Drafters(LOOKUP, lambda _: [PromptLookup()], 10, False, (SAME, CHANGED)),
    Drafters("prompt lookup, 16 tokens", lambda _: [PromptLookup()], 16),
    Drafters("chain of 5", lambda _: _usual(), 5, True),
    Drafters("tree of 16", lambda _: _usual(), 16, False, (SAME, CHANGED)),
    Drafters("chain of 5, earlier answer", lambda known: [*_usual(), known.drafter()], 5, True),
    Drafters("tree of 16, earlier answer", lambda known: [*_usual(), known.drafter()], 16),
    Drafters("tree of 16, caller's text", lambda _: [*_usual(), callers_text()], 16, False, (CHANGED,)),
    Drafters("tree of 32, caller's text", lambda _: [*_usual(), callers_text()], 32, False, (CHANGED,)),
)
TITLES: Final = ("none", LLGUIDANCE, *(one.title for one in SETS))


@dataclass(frozen=True, slots=True)
class Count:
    """What one answer took, in one spelling, with one set of drafters."""

    answer: int
    """Its place in the frozen list."""
    spelling: str
    workload: str
    drafters: str
    tokens: int
    calls: int
    drafted: int


def facts_of(
    answer: Answer, workload: str, spelling: str, tokenizer: sg.Tokenizer
) -> tuple[RequestFacts, list[int], list[int]]:
    """Return what is known of a request, the tokens of its answer, and those of the earlier answer."""
    end = tokenizer.eos_token_ids[0]
    before = answers.spelled(answer.value, spelling)
    if workload == CHANGED:
        prompt = answers.prompt_of(answer, with_document=before.decode())
        written = answers.spelled(answer.changed, spelling)
    else:
        prompt, written = answers.prompt_of(answer), before
    earlier = answers.spelled(answer.earlier, spelling)
    facts = RequestFacts(
        tokenizer.encode(prompt.encode()),
        tokenizer,
        text=before if workload == CHANGED else b"",
        schema=answer.name,
        tenant="bench",
    )
    return facts, [*tokenizer.encode(written), end], [*tokenizer.encode(earlier), end]


def counted(
    answer: Answer,
    place: int,
    sets: Sequence[Drafters] = SETS,
    spellings: Iterable[str] = tuple(answers.SPELLINGS),
) -> Iterator[Count]:
    """Yield the counts of an answer, in all spellings, workloads and sets."""
    tokenizer = _tokenizer()
    for spelling in spellings:
        compiled = sg.compile(answers.grammar_of(answer.schema, spelling), tokenizer)
        for workload in (SAME, CHANGED):
            if workload == CHANGED and answer.changed is None:
                continue
            facts, tokens, earlier = facts_of(answer, workload, spelling, tokenizer)
            history = AnswerHistory(tokenizer)
            history.add(facts.tenant, facts.schema, earlier)
            about = place, spelling, workload
            yield Count(*about, "none", len(tokens), len(tokens), 0)
            for one in sets:
                if workload not in one.workloads:
                    continue
                drafters = one.make(history)
                made = [Chain(drafters)] if one.chain else drafters
                matcher = sg.Matcher(compiled)
                found = replay(tokens, made, facts, matcher, one.nodes)
                if found.dropped:
                    raise RuntimeError(f"{answer.name}, {spelling}, {one.title}: {found.dropped}")
                yield Count(*about, one.title, found.tokens, found.calls, found.drafted)
            if workload == SAME and find_spec("llguidance") is not None:
                theirs = _of_llguidance(answer.schema, spelling, tokens)
                if theirs is not None:
                    yield Count(*about, LLGUIDANCE, len(tokens), *theirs)


# --- llguidance ---------------------------------------------------------------------------------------------

_WHITE: Final[dict[str, dict[str, Any]]] = {
    "one line": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "},
    "compact": {"whitespace_flexible": False, "item_separator": ",", "key_separator": ":"},
    "free": {"whitespace_flexible": True},
    "indented": {"whitespace_flexible": True},
}


@cache
def _their_tokenizer() -> Any:
    from llguidance import LLTokenizer
    from llguidance._tokenizer import TokenizerWrapper

    from structgen.maskbench.peers import _Vocabulary

    tokenizer = _tokenizer()
    wrapper: Any = TokenizerWrapper(_Vocabulary(tokenizer))  # type: ignore[arg-type]
    return LLTokenizer(wrapper, n_vocab=tokenizer.vocab_size, eos_token=list(tokenizer.eos_token_ids))


def _of_llguidance(schema: str, spelling: str, tokens: Sequence[int]) -> tuple[int, int] | None:
    """Return the calls and the injected tokens; None where llguidance refuses the schema or the answer. Its
    end token costs no call where nothing else can follow."""
    from llguidance import LLMatcher

    try:
        grammar = LLMatcher.grammar_from_json_schema(schema, overrides=_WHITE[spelling])
    except ValueError:
        return None
    matcher = LLMatcher(_their_tokenizer(), grammar, log_level=0)
    calls = drafted = at = 0
    while at < len(tokens):
        if matcher.is_stopped() and not matcher.is_error() and at == len(tokens) - 1:
            break  # it stops by itself where nothing but the end can follow
        if matcher.is_error() or matcher.is_stopped():
            return None
        forced = matcher.compute_ff_tokens()
        accepted = 0
        while accepted < min(len(forced), len(tokens) - at) and forced[accepted] == tokens[at + accepted]:
            accepted += 1
        taken = list(tokens[at : at + accepted + 1])
        ends_here = at + len(taken) == len(tokens)
        if matcher.try_consume_tokens(taken) < len(taken) - ends_here:
            return None
        calls, drafted, at = calls + 1, drafted + len(forced), at + len(taken)
    return calls, drafted


# --- all answers --------------------------------------------------------------------------------------------


@cache
def _tokenizer() -> sg.Tokenizer:
    return vocabularies.load("llama3")


@cache
def _answers(folder: Path, count: int | None) -> list[Answer]:
    return answers.answers(folder, count)


def _counted(folder: Path, count: int | None, place: int) -> list[Count]:
    try:
        return list(counted(_answers(folder, count)[place], place))
    except Exception as error:
        raise RuntimeError(
            f"answer {place}, {answers.frozen()['answers'][place]['name']}: {error}"
        ) from error


def measure(folder: Path, count: int | None, processes: int) -> list[Count]:
    """Return the counts of the first `count` answers (None: all), counted in several processes."""
    vocabularies.ready("llama3")
    places = range(len(answers.frozen()["answers"][:count]))
    found: list[Count] = []
    if processes == 1:
        for place in places:
            found += _counted(folder, count, place)
        return found
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        size = 10
        tasks = pool.map(_counted, [folder] * len(places), [count] * len(places), places, chunksize=size)
        for place, counts in enumerate(tasks):
            found += counts
            if (place + 1) % 100 == 0:
                print(f"{place + 1} of {len(places)} answers", file=sys.stderr, flush=True)
    return found


COLUMNS: Final = (
    "workload", "spelling", "drafters", "answers", "tokens", "calls", "drafted",
    "calls_per_token", "mean_of_answers", "ratio_to_prompt_lookup",
)  # fmt: skip


def rows(counts: Iterable[Count]) -> list[tuple[object, ...]]:
    """Return a row for each workload, spelling and set; see COLUMNS.

    `calls_per_token` is all calls over all tokens, `mean_of_answers` the mean over answers of their own.
    llguidance's ratio is to prompt lookup on the answers that it takes.
    """
    cells: dict[tuple[str, str, str], dict[int, Count]] = defaultdict(dict)
    for one in counts:
        cells[one.workload, one.spelling, one.drafters][one.answer] = one
    found: list[tuple[object, ...]] = []
    for workload in (SAME, CHANGED):
        for title in TITLES:
            for spelling in answers.SPELLINGS:
                mine = cells.get((workload, spelling, title))
                if not mine:
                    continue
                base = cells[workload, spelling, LOOKUP]
                share = _share(mine.values())
                sums = (
                    sum(getattr(one, of) for one in mine.values()) for of in ("tokens", "calls", "drafted")
                )
                mean = sum(one.calls / one.tokens for one in mine.values()) / len(mine)
                ratio = share / _share(base[place] for place in mine)
                found.append((workload, spelling, title, len(mine), *sums, share, mean, ratio))
    return found


def _share(counts: Iterable[Count]) -> float:
    listed = list(counts)
    return sum(one.calls for one in listed) / sum(one.tokens for one in listed)


def markdown(found: Sequence[Sequence[object]]) -> str:
    """Return the table: a line for each workload and set, the spellings beside one another."""
    cells = {tuple(row[:3]): dict(zip(COLUMNS, row, strict=True)) for row in found}
    lines = []
    for workload in (SAME, CHANGED):
        for title in TITLES:
            row = [cells.get((workload, name, title)) for name in answers.SPELLINGS]
            present = [one for one in row if one is not None]
            if present:
                ratios = " / ".join(f"{one['ratio_to_prompt_lookup']:.2f}" for one in present)
                shares = [one["calls_per_token"] if one else "" for one in row]
                lines.append((f"{workload}: {title}", present[0]["answers"], *shares, ratios))
    return table_of(("calls per token", "texts", *answers.SPELLINGS, "ratio to prompt lookup"), lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Count, print and write."""
    parser = arguments(__doc__)
    known = os.environ.get("STRUCTGEN_MASKBENCH")
    parser.add_argument("path", nargs="?", type=Path, default=Path(known) if known else None)
    parser.add_argument("--answers", type=int, help="of the 800, the first so many")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(argv)
    if options.path is None:
        print("not measured: no folder of MaskBench was given")
        return
    before = load()
    table = rows(measure(options.path, options.answers, options.processes))
    about = {"load": f"{before} -> {load()}", "versions": versions("llguidance")}
    lines = [[f"{one:.5g}" if isinstance(one, float) else one for one in row] for row in table]
    print(markdown(table))
    print(write(options.results, "speculation-counts", about, COLUMNS, lines))


if __name__ == "__main__":
    main()
