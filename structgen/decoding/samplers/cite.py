"""`cite`: the spans of a document that a model would quote in answer to a question (CFIC: Qian et al.,
"Grounding Language Model with Chunking-Free In-Context Retrieval", 2024).

1. Sentences: the model begins to write a sentence of the document, until the tokens say which one. A
   sentence's score is the mean log-probability of these tokens. A beam keeps the best beginnings.
2. Ends: behind the beginning of each chosen sentence the model reads on in the document, and the span ends at
   the end of the sentence where the model's end token is most probable. Nothing is written token by token.
3. Spans that overlap become one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from structgen.base.errors import OptionError, options_named
from structgen.base.language import checks
from structgen.decoding.samplers.problem import Problem
from structgen.decoding.samplers.rows import PrefixRows
from structgen.decoding.samplers.sample import GivenModel
from structgen.decoding.samplers.target import log_law
from structgen.decoding.speculation.drafts.model_rows import Tokens
from structgen.grammars.text_grammars.word_runs import substring_of
from structgen.tokens.tokenizer import Tokenizer

SENTENCE: Final = r"[^\s.!?][^.!?\n]*[.!?]*[\"')\]]*"
"""Up to its stops and the quotes behind them, or to the end of a line."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a document: `document[start:end] == text`."""

    start: int
    end: int
    """Offsets in characters."""
    text: str
    score: float
    """The mean log-probability of the tokens that tell its first sentence from the others; of spans that were
    joined, the greatest."""


@options_named("sg.cite(engine, document, question)")
def cite(
    model: GivenModel,
    document: str,
    question: str,
    *,
    k: int = 3,
    reach: int = 256,
    beam: int = 16,
    sentences: str = SENTENCE,
    tokenizer: Tokenizer | Any | None = None,
    name: str = "",
) -> list[Span]:
    """Return at most `k` spans of a document that answer a question, the best first.

    The model, `tokenizer` and `name` are those of `sample`. It reads the document, an empty line, and the
    question, in the form that it needs. `reach` is the most tokens of a span (but one sentence is always
    whole), `beam` the most beginnings of sentences that go on side by side; with as many as there are
    sentences no sentence is missed. `sentences` is a regular expression of Python's `re`, whose matches are
    the sentences.

    A model that was not trained to quote in this way cites what it finds probable, which may be of no use.

    Cost: the prompt, a pass for each token of the longest beginning, and one pass over at most `k` times the
    sentence ends within `reach`. Raises OptionError for options out of range, a document without sentences,
    and a document that is longer than the model's context, with its length.
    """
    text = checks.check_text("document", document)
    k, reach, beam = (
        checks.check_whole(name_, value, 1) for name_, value in (("k", k), ("reach", reach), ("beam", beam))
    )
    places = _find_sentences(text, sentences)
    problem = Problem(model, substring_of(text), tokenizer, name)
    try:
        ids = problem.prompt_ids(f"{text}\n\n{checks.check_text('question', question)}\n", "document", reach)
    except OptionError as error:
        if error.where != "max_tokens":
            raise
        raise OptionError(error.what, where="document", cure="Cite parts of it one by one.") from error
    encode = problem.tokenizer.encode
    sentence_tokens = [tuple(encode(text[start:end].encode())) for start, end in places]
    (rows,) = problem.row_sources([ids])
    best = _rank_sentences(rows, sentence_tokens, beam)[:k]
    spans = [
        Span(places[at][0], end, text[places[at][0] : end], score)
        for (score, at), end in zip(
            best, _find_ends(problem, ids, text, places, [at for _, at in best], reach), strict=True
        )
    ]
    return sorted(_join_spans(spans, text), key=lambda span: (-span.score, span.start))


def _find_sentences(text: str, pattern: str) -> list[tuple[int, int]]:
    """Return where the sentences begin and end. Raises OptionError."""
    try:
        places = [match.span() for match in re.finditer(pattern, text) if match.group().strip()]
    except (re.error, TypeError) as error:
        raise OptionError(
            f"It is no regular expression: {error}.", where="sentences", cure="Give one, or leave it out."
        ) from error
    if not places:
        raise OptionError("It has no sentence.", where="document", cure="Give a text, or other sentences=.")
    return places


def _rank_sentences(rows: PrefixRows, sentences: Sequence[Tokens], beam: int) -> list[tuple[float, int]]:
    """Return scores and numbers of sentences, best first: the mean log-probability of a sentence's tokens up
    to the one that tells it from all others. Only the `beam` best beginnings of each length go on."""
    done: list[tuple[float, int]] = []
    open_: dict[Tokens, tuple[float, list[int]]] = {(): (0.0, list(range(len(sentences))))}
    while open_:
        laws = rows.read(list(open_))
        after: dict[Tokens, tuple[float, list[int]]] = {}
        for (prefix, (total, members)), row in zip(open_.items(), laws, strict=True):
            law = log_law(row, 1.0, len(prefix))
            for token in dict.fromkeys(sentences[at][len(prefix)] for at in members):
                own = [at for at in members if sentences[at][len(prefix)] == token]
                after[(*prefix, token)] = total + float(law[token]), own
        length = len(next(iter(after)))
        kept_prefixes = sorted(after.items(), key=lambda item: (-item[1][0], item[1][1]))[:beam]
        open_ = {}
        for prefix, (total, members) in kept_prefixes:
            finished = [at for at in members if len(members) == 1 or len(sentences[at]) == length]
            done += [(total / length, at) for at in finished]
            if rest := [at for at in members if at not in finished]:
                open_[prefix] = total, rest
    return sorted(done, key=lambda item: (-item[0], item[1]))


def _find_ends(
    problem: Problem,
    ids: list[int],
    text: str,
    places: Sequence[tuple[int, int]],
    chosen: Sequence[int],
    reach: int,
) -> list[int]:
    """Return where the span of each chosen sentence ends: at the sentence end with the most probable end
    token among those within `reach` tokens."""
    candidates: list[list[tuple[int, Tokens]]] = []
    for first in chosen:
        tokens: Tokens = ()
        own: list[tuple[int, Tokens]] = []
        for at in range(first, len(places)):
            begin = places[first][0] if at == first else places[at - 1][1]
            piece = problem.tokenizer.encode(text[begin : places[at][1]].encode())
            if own and len(tokens) + len(piece) > reach:
                break
            tokens = (*tokens, *piece)
            own.append((places[at][1], tokens))
        candidates.append(own)
    row_sources = iter(problem.row_sources([[*ids, *tokens] for own in candidates for _, tokens in own]))
    ends = np.array(sorted(problem.compiled.end_tokens), np.int64)
    offsets = []
    for own in candidates:
        laws = [log_law(next(row_sources).read([()])[0], 1.0, len(tokens)) for _, tokens in own]
        scores = [float(np.logaddexp.reduce(law[ends])) for law in laws]
        offsets.append(own[int(np.argmax(scores))][0])
    return offsets


def _join_spans(spans: Sequence[Span], text: str) -> list[Span]:
    """Return spans of which none overlaps another."""
    joined_spans: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if joined_spans and span.start < joined_spans[-1].end:
            last = joined_spans.pop()
            end = max(last.end, span.end)
            span = Span(last.start, end, text[last.start : end], max(last.score, span.score))
        joined_spans.append(span)
    return joined_spans
