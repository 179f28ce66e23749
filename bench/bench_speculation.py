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

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import speculation_answers as answers
import vocabularies
from draft_replay import replay
from records import arguments
from speculation_answers import Answer
from told import tell

import structgen as sg
from structgen.decoding.speculation.drafters.answer_history import AnswerHistory
from structgen.decoding.speculation.drafters.grammar_tree import ForcedBytes, GrammarTree
from structgen.decoding.speculation.drafters.ngrams import KnownTexts, callers_text
from structgen.decoding.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.decoding.speculation.drafts.drafter import DraftContext, Drafter, RequestFacts

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

Cell = tuple[str, str, str]
"""A workload, a set of drafters, a spelling."""
Count = tuple[int, int, int]
"""What one answer took: tokens, calls, drafted tokens."""


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
    answer: Answer, sets: Sequence[Drafters] = SETS, spellings: Iterable[str] = tuple(answers.SPELLINGS)
) -> dict[Cell, Count]:
    """Return the counts of an answer, in all spellings, workloads and sets."""
    tokenizer, found = _tokenizer(), dict[Cell, Count]()
    for spelling in spellings:
        compiled = sg.compile(answers.grammar_of(answer.schema, spelling), tokenizer)
        for workload in (SAME,) if answer.changed is None else (SAME, CHANGED):
            facts, tokens, earlier = facts_of(answer, workload, spelling, tokenizer)
            history = AnswerHistory(tokenizer)
            history.add(facts.tenant, facts.schema, earlier)
            found[workload, "none", spelling] = len(tokens), len(tokens), 0
            for one in sets:
                if workload not in one.workloads:
                    continue
                matcher = sg.Matcher(compiled)
                made = replay(tokens, one.make(history), facts, matcher, one.nodes, chain=one.chain)
                if made.dropped:
                    raise RuntimeError(f"{answer.name}, {spelling}, {one.title}: {made.dropped}")
                found[workload, one.title, spelling] = made.tokens, made.calls, made.drafted
            if workload == SAME and find_spec("llguidance") is not None:
                theirs = _of_llguidance(answer.schema, spelling, tokens)
                if theirs is not None:
                    found[workload, LLGUIDANCE, spelling] = len(tokens), *theirs
    return found


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
    from peers import LlguidanceVocabulary

    tokenizer = _tokenizer()
    wrapper: Any = TokenizerWrapper(LlguidanceVocabulary(tokenizer))  # type: ignore[arg-type]
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


def _counted(folder: Path, count: int | None, place: int) -> dict[Cell, Count]:
    return counted(_answers(folder, count)[place])


def rows(counts: Iterable[dict[Cell, Count]]) -> Iterator[dict[str, Any]]:
    """Yield a row for each workload, set and spelling, from the counts of all answers.

    `calls_per_token` is all calls over all tokens, `mean_of_answers` the mean over answers of their own. The
    ratio is to prompt lookup on the answers that are counted: llguidance does not take all.
    """
    each = list(counts)
    for cell in itertools.product((SAME, CHANGED), TITLES, answers.SPELLINGS):
        mine = [one for one in each if cell in one]
        if not mine:
            continue
        tokens, calls, drafted = (sum(one[cell][at] for one in mine) for at in range(3))
        lookup = sum(one[cell[0], LOOKUP, cell[2]][1] for one in mine)
        yield {
            "workload": cell[0],
            "spelling": cell[2],
            "drafters": cell[1],
            "answers": len(mine),
            "tokens": tokens,
            "calls": calls,
            "drafted": drafted,
            "calls_per_token": calls / tokens,
            "mean_of_answers": sum(one[cell][1] / one[cell][0] for one in mine) / len(mine),
            "ratio_to_prompt_lookup": calls / lookup,
        }


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
    vocabularies.load("llama3")
    work = partial(_counted, options.path, options.answers)
    places = range(len(answers.frozen()["answers"][: options.answers]))
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        tell(options, "speculation-counts", rows(pool.map(work, places, chunksize=10)), ["llguidance"])


if __name__ == "__main__":
    main()
