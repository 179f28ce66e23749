"""Superposed decoding: some drafts from one row (Shen et al., "Superposed Decoding: Multiple Generations from
a Single Autoregressive Inference Pass", 2024).

The drafts share one cache. Its next input is the mean of the embeddings of their last tokens, weighted by
their probabilities. One law comes out. For each draft it is narrowed to the tokens that this draft may take;
the `candidates` likeliest ones at `temperature` have the score (1 - a) log p + a log q, where q mixes n-grams
of 2 to 6 tokens of given texts, read behind the draft's own tokens. A token that no n-gram knows loses 200.
The best drafts of all candidates go on. A draft that ends leaves the mean.

The model's table of embeddings has one row more than there are tokens, for the mean: `superposable` makes
such a Llama.

Scores are no log-probabilities of the model. The text's own row reads the chosen draft again, and so each
step has the model's figures. `n` samples are the best n drafts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, ClassVar, Final, TypeAlias

import numpy as np
import torch

import structgen as sg
from methods.layer_skipping import weights_of
from structgen.decoding.engine.forward_pass.llama import Llama
from structgen.strategies import Branch, Decision, SearchStrategy, TextPlace

_WEIGHTS: Final = {2: 0.01, 3: 0.04, 4: 0.15, 5: 0.18, 6: 0.12}
"""Of the n-grams, by n, from the paper's code."""
_UNKNOWN: Final = -200.0
"""What a token loses that no n-gram knows."""
_Ngrams: TypeAlias = tuple[Counter[tuple[int, ...]], Counter[tuple[int, ...]]]
"""The count of each n-gram in some texts, and of the places where a token follows all its tokens but the
last."""


@dataclass(frozen=True, slots=True)
class SuperposedDecoding(SearchStrategy):
    """The best of `k` drafts that share one row; for models that `superposable` makes."""

    name: ClassVar[str] = "superposed"
    is_greedy: ClassVar[bool] = True
    k: int = 3
    """How many drafts; 1 is greedy."""
    texts: Sequence[str] = field(default=(), repr=False)
    """Texts whose n-grams say how a draft goes on; without them p alone counts."""
    a: float = 0.02
    """The weight of the n-grams, 0 to 1; fitted to `structgen/extract`. The paper's, for Llama 2, is 0.54."""
    candidates: int = 9
    """How many tokens of each draft are looked at."""
    temperature: float = 0.06
    """Of the law in the scores; the paper's."""

    def begin(self, model: Any, tokenizer: sg.Tokenizer) -> tuple[Any, _Ngrams]:
        """Return the model, and the n-grams of the texts. Cost: microseconds for each token of the texts,
        once for the latest few of them. Raises OptionError for a model without a row for the mean."""
        if len(getattr(model, "embedding", ())) <= model.vocab_size:
            raise sg.errors.OptionError(
                f"A {type(model).__name__} does not read the mean of some tokens.",
                where="strategy",
                cure="Take the engine of superposable(name).",
            )
        return model, _ngrams(tuple(self.texts), tokenizer)

    def plan(
        self, place: TextPlace, held: tuple[Any, _Ngrams]
    ) -> Generator[Sequence[Branch], list[Any], Decision]:
        """Return the rest of the draft with the number of the sample. Cost: one row for each token of the
        longest draft."""
        if self.k == 1:
            return Decision()
        model, grams = held
        drafts, ended = [(place.root(), 0.0)], list[tuple[Branch, float]]()
        logits, cache = place.logits, place.cache.copy()
        while True:
            drafts = self._best(drafts, logits, self.k - len(ended), grams)
            ended += [one for one in drafts if one[0].is_over]
            drafts = [one for one in drafts if not one[0].is_over]
            if not drafts or len(ended) >= self.k:
                break
            shares = torch.softmax(torch.tensor([score for _, score in drafts], dtype=torch.float64), 0)
            last = torch.tensor([branch.tokens[-1] for branch, _ in drafts])
            rows = model.embedding[last]
            model.embedding[-1] = (shares.to(rows)[:, None] * rows).sum(0)
            logits = model.decode([len(model.embedding) - 1], [cache])[0].double().cpu().numpy()
            place.passes += 1
            place.rows += 1
            yield []
        order = sorted(range(len(ended)), key=lambda at: -ended[at][1])
        branch, score = ended[order[place.sample % len(order)]]
        return Decision(branch.tokens, state=(score, float(len(ended))))

    def _best(
        self, drafts: Sequence[tuple[Branch, float]], logits: Any, count: int, grams: _Ngrams
    ) -> list[tuple[Branch, float]]:
        """Return the best continuations of some drafts, each under its own mask."""
        a = self.a if self.texts else 0.0
        found: list[tuple[float, int, int]] = []
        for at, (branch, score) in enumerate(drafts):
            law = branch.scores(logits)[branch.allowed] / self.temperature
            law -= np.logaddexp.reduce(law)
            order = np.argsort(-law, kind="stable")[: self.candidates]
            before = (*branch.place.tokens, *branch.tokens)
            for token, logprob in zip(branch.allowed[order].tolist(), law[order].tolist(), strict=True):
                gram = _log_q(grams, before, token) if a else 0.0
                found.append((score + (1 - a) * logprob + a * gram, at, token))
        found.sort(key=lambda one: -one[0])
        return [(drafts[at][0].after(token), score) for score, at, token in found[:count]]


def superposable(name: str) -> sg.Engine:
    """Return an engine of a Llama that structgen reads itself, with a further row of embeddings. Cost: the
    weights are read anew."""
    weights = weights_of(name)
    table = torch.cat((weights.embedding, torch.zeros_like(weights.embedding[:1])))
    model: Any = Llama(replace(weights, embedding=table))
    model.embedding, model.asked_as = table, name
    return sg.Engine(model, sg.Engine(name).tokenizer)


@lru_cache(maxsize=4)
def _ngrams(texts: tuple[str, ...], tokenizer: sg.Tokenizer) -> _Ngrams:
    """Return how often the tokens of texts follow others, and how often anything does: the requests of a
    batch share them."""
    runs, contexts = Counter[tuple[int, ...]](), Counter[tuple[int, ...]]()
    for text in texts:
        tokens = tuple(tokenizer.encode(text.encode()))
        for n in _WEIGHTS:
            found = [tokens[at : at + n] for at in range(len(tokens) + 1 - n)]
            runs.update(found)
            contexts.update(run[:-1] for run in found)
    return runs, contexts


def _log_q(grams: _Ngrams, before: tuple[int, ...], token: int) -> float:
    """Return log q of a token behind others."""
    runs, contexts = grams
    q = 0.0
    for n, weight in _WEIGHTS.items():
        context = before[len(before) + 1 - n :]
        if len(before) + 1 >= n and context in contexts:
            q += weight * runs[*context, token] / contexts[context]
    return float(np.log(q)) if q > 0 else _UNKNOWN
