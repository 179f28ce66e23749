"""`cite`: the spans of a document that a model would quote in answer to a question (CFIC: Qian et al.,
"Grounding Language Model with Chunking-Free In-Context Retrieval", 2024).

A *span* is a part of a document, of one or more sentences. A *beginning* is the first tokens of a sentence.

1. Sentences: each sentence gets the mean log-probability of its first tokens, up to the token that
   distinguishes it from all other sentences. A beam keeps only the best beginnings.
2. Ends: the model reads the document from each chosen sentence on. The span ends at the end of the sentence
   where the model's end token is most probable. Nothing is written token by token.
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
"""The pattern of a sentence: up to its stops and the quotes after them, or to the end of a line."""


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a document: `document[start:end] == text`."""

    start: int
    end: int
    """Offsets in characters."""
    text: str
    score: float
    """The mean log-probability of the tokens that distinguish its first sentence from the others. Joined
    spans have the greatest of their scores."""


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
    k = checks.check_whole("k", k, 1)
    reach = checks.check_whole("reach", reach, 1)
    beam = checks.check_whole("beam", beam, 1)
    places = _find_sentences(text, sentences)
    problem = Problem(model, substring_of(text), tokenizer, name)
    try:
        question = checks.check_text("question", question)
        ids = problem.prompt_ids(f"{text}\n\n{question}\n", "document", reach)
    except OptionError as error:
        # The error says that `max_tokens` is too large, but `cite` does not have this option.
        if error.where != "max_tokens":
            raise
        raise OptionError(error.what, where="document", cure="Cite parts of it one by one.") from error
    encode = problem.tokenizer.encode
    sentence_tokens = [tuple(encode(text[start:end].encode())) for start, end in places]
    (rows,) = problem.row_sources([ids])
    best = _rank_sentences(rows, sentence_tokens, beam)[:k]
    ends = _find_ends(problem, ids, text, places, [at for _, at in best], reach)
    spans = []
    for (score, at), end in zip(best, ends, strict=True):
        start = places[at][0]
        spans.append(Span(start, end, text[start:end], score))
    return sorted(_join_spans(spans, text), key=lambda span: (-span.score, span.start))


def _find_sentences(text: str, pattern: str) -> list[tuple[int, int]]:
    """Return the offsets (begin, end) of the sentences of a text, in characters. Raises OptionError."""
    try:
        matches = [match for match in re.finditer(pattern, text) if match.group().strip()]
    except (re.error, TypeError) as error:
        raise OptionError(
            f"The value must be a regular expression: {error}.",
            where="sentences",
            cure="Correct it, or remove it.",
        ) from error
    if not matches:
        raise OptionError(
            "The text has no sentence.", where="document", cure="Pass a text, or other sentences=."
        )
    return [match.span() for match in matches]


def _rank_sentences(rows: PrefixRows, sentences: Sequence[Tokens], beam: int) -> list[tuple[float, int]]:
    """Return scores and numbers of sentences, best first: the mean log-probability of a sentence's tokens up
    to the one that tells it from all others. Only the `beam` best beginnings of each length go on."""
    ranking: list[tuple[float, int]] = []
    # Of each beginning that goes on: its log-probability, and the numbers of the sentences that have it.
    all_numbers = list(range(len(sentences)))
    open_prefixes: dict[Tokens, tuple[float, list[int]]] = {(): (0.0, all_numbers)}
    while open_prefixes:
        laws = rows.read(list(open_prefixes))
        after: dict[Tokens, tuple[float, list[int]]] = {}
        for (prefix, (total, members)), row in zip(open_prefixes.items(), laws, strict=True):
            depth = len(prefix)
            law = log_law(row, 1.0, depth)
            members_by_token: dict[int, list[int]] = {}
            for at in members:
                members_by_token.setdefault(sentences[at][depth], []).append(at)
            for token, token_members in members_by_token.items():
                after[(*prefix, token)] = total + float(law[token]), token_members
        # All beginnings of a round have the same length, so their totals may be compared.
        length = len(next(iter(after)))
        by_total = sorted(after.items(), key=lambda item: (-item[1][0], item[1][1]))
        open_prefixes = {}
        for prefix, (total, members) in by_total[:beam]:
            # A beginning of one sentence alone tells it from all others.
            finished = [at for at in members if len(members) == 1 or len(sentences[at]) == length]
            ranking += [(total / length, at) for at in finished]
            if rest := [at for at in members if at not in finished]:
                open_prefixes[prefix] = total, rest
    return sorted(ranking, key=lambda item: (-item[0], item[1]))


def _find_ends(
    problem: Problem,
    ids: list[int],
    text: str,
    places: Sequence[tuple[int, int]],
    chosen: Sequence[int],
    reach: int,
) -> list[int]:
    """Return where the span of each chosen sentence ends: at the sentence end with the most probable end
    token among those within `reach` tokens.

    `ids` are the tokens of the prompt. `places` has the offsets (begin, end) of the sentences of `text`.
    `chosen` has the numbers of the first sentences of the spans, for example [3, 0]. The result has an offset
    in characters for each of them.
    """
    # Of each chosen sentence the possible ends, with the tokens from its beginning up to there.
    candidates: list[list[tuple[int, Tokens]]] = []
    for first in chosen:
        tokens: Tokens = ()
        possible_ends: list[tuple[int, Tokens]] = []
        for at in range(first, len(places)):
            # A piece begins where the one before ended, with the blanks between two sentences.
            begin = places[first][0] if at == first else places[at - 1][1]
            end = places[at][1]
            piece = problem.tokenizer.encode(text[begin:end].encode())
            if possible_ends and len(tokens) + len(piece) > reach:
                break
            tokens = (*tokens, *piece)
            possible_ends.append((end, tokens))
        candidates.append(possible_ends)
    # The candidates are prompts of their own, so that the model reads them side by side.
    prompts = [[*ids, *tokens] for possible_ends in candidates for _, tokens in possible_ends]
    row_sources = iter(problem.row_sources(prompts))
    end_tokens = np.array(sorted(problem.compiled.end_tokens), np.int64)
    offsets = []
    for possible_ends in candidates:
        scores = []
        for _, tokens in possible_ends:
            # Behind the whole of its prompt, the empty prefix.
            (row,) = next(row_sources).read([()])
            law = log_law(row, 1.0, len(tokens))
            scores.append(float(np.logaddexp.reduce(law[end_tokens])))
        best_end, _ = possible_ends[int(np.argmax(scores))]
        offsets.append(best_end)
    return offsets


def _join_spans(spans: Sequence[Span], text: str) -> list[Span]:
    """Return the spans after those that overlap were joined."""
    joined_spans: list[Span] = []
    for span in sorted(spans, key=lambda span: span.start):
        if joined_spans and span.start < joined_spans[-1].end:
            last = joined_spans.pop()
            start = last.start
            end = max(last.end, span.end)
            score = max(last.score, span.score)
            span = Span(start, end, text[start:end], score)
        joined_spans.append(span)
    return joined_spans
