"""What a model reads of a request, and how many tokens its text may have: the same for every engine.

`Engine` reads its requests here, and so does whoever gives them to another engine with the same model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from structgen.engine.model_prompts import ModelPrompts, ModelQuestion, Prompt
from structgen.engine.requests import DEFAULT_MAX_TOKENS, Request
from structgen.engine.searches.listed_values import listed
from structgen.engine.thinking import text_behind
from structgen.errors import BudgetError, OptionError
from structgen.json_grammars.prompting import (
    ModelPrompt,
    Outlines,
    schema_outline,
    shorter_outlines,
)
from structgen.tokens.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    """A prompt as a model reads it."""

    question: ModelQuestion
    tokens: list[int]
    shortened: str = ""
    """How much the prompt tells of the schema, where the whole outline does not fit; else ""."""


@dataclass(frozen=True, slots=True)
class RequestTokens:
    """The tokens of requests for one model."""

    prompts: ModelPrompts
    tokenizer: Tokenizer
    vocab_size: int
    """Width of the model's logits."""
    context: int
    """The most tokens of a text, prompt included."""

    def prompt(self, request: Request, instead: str | Sequence[int] | None = None) -> list[int]:
        """Return the tokens of `read`."""
        return self.read(request, instead).tokens

    def read(
        self, request: Request, instead: str | Sequence[int] | None = None, besides: int = 0
    ) -> ReadPrompt:
        """Return a request's prompt in the form that the model needs, or the ids that were given. `instead`:
        another prompt in its place; `besides`: tokens that are neither prompt nor text, as thoughts are.
        Raises OptionError for ids that are none of the model's."""
        prompt = request.prompt if instead is None else instead
        asked: Any = prompt
        if isinstance(prompt, str) or isinstance(next(iter(prompt), None), Mapping):
            schema = request.schema
            outlines = None if schema is None else partial(schema_outline, schema)
            found = self.fitted(_question(request, asked), outlines, request.max_tokens, besides)
        else:
            found = ReadPrompt(ModelQuestion(""), list(asked))
        ids = found.tokens
        most = self.vocab_size
        beyond = next((token for token in dict(request.chosen_by.logit_bias) if token >= most), None)
        if beyond is not None:
            raise OptionError(
                f"Token {beyond} is none of the model's.",
                where="logit_bias",
                cure=f"Give ids from 0 to {most - 1:,}.",
            )
        wrong = next((at for at, token in enumerate(ids) if not 0 <= token < most), None)
        if wrong is not None:
            raise OptionError(
                f"Token {ids[wrong]} is none of the model's.",
                where=f"prompt[{wrong}]",
                cure=f"Give ids from 0 to {most - 1:,}, or the text.",
            )
        return found

    def fitted(
        self,
        question: ModelQuestion,
        outlines: Outlines | None,
        max_tokens: int | None,
        besides: int = 0,
        read: Callable[[ModelQuestion], Sequence[int]] | None = None,
    ) -> ReadPrompt:
        """Return the tokens of a question that leave room for the text. Where there is not enough, a refused
        answer is left out, then the descriptions, then the outline is less deep, then it is left out. Where
        that is not enough either, the shortest is returned. `outlines`: gives those of the schema; None:
        there is no schema.
        `read`: gives the tokens of a question, in place of `ModelPrompts.tokens`.

        Cost: a prompt for each form that is tried, at most ten. Errors: those of `ModelPrompts.tokens`.
        """
        text = min(DEFAULT_MAX_TOKENS, self.context // 4) if max_tokens is None else max_tokens
        found, said = ReadPrompt(question, []), ""
        for one, told in self._shorter(question, outlines):
            tokens = self.prompts.tokens(one, self.tokenizer) if read is None else read(one)
            found, said = ReadPrompt(one, list(tokens)), told
            if len(found.tokens) + text + besides <= self.context:
                break
        if not said:
            return found
        what = f"The prompt tells {said} of the schema: the whole outline and {text:,} tokens of text do not"
        return replace(found, shortened=f"{what} fit the model's context of {self.context:,}.")

    def _shorter(
        self, question: ModelQuestion, outlines: Outlines | None
    ) -> Iterator[tuple[ModelQuestion, str]]:
        """Yield a question in forms that are shorter and shorter, each with what it tells of the schema in
        place of the whole outline."""
        if question.is_choice and outlines is not None:
            both = (next(shorter_outlines(outlines, descriptions=one))[0] for one in (False, True))
            question = replace(question, is_described=len({*both}) > 1)
        bare = replace(question, refused=None)
        if (
            outlines is None
            or isinstance(question.prompt, ModelPrompt)
            or not self.prompts.needs_outline(bare)
        ):
            yield question, ""  # an outline that no prompt shows is not written: it takes time
            if question.refused is not None:
                yield bare, ""
            return
        whole = question if question.refused is not None else None
        # the embedded models were trained on outlines without descriptions
        for told, less in shorter_outlines(outlines, descriptions=not self.prompts.is_embedded):
            if whole is not None:
                yield replace(whole, outline=told), less
                whole = None
            yield replace(bare, outline=told), less
        if not self.prompts.is_embedded:  # which know no prompt without one
            yield bare, "nothing"

    def bounded(self, request: Request, prompt: int, besides: int = 0) -> Request:
        """Return the request with a bound on its tokens: where it says none, what the context leaves.
        `prompt`: the size of its prompt; `besides`: tokens that are neither prompt nor text, as thoughts are.
        Raises OptionError where all of them do not fit the context."""
        room = self.context - prompt - besides
        if request.max_tokens is None:
            request = replace(request, max_tokens=max(min(DEFAULT_MAX_TOKENS, room), 1))
        if prompt >= self.context:
            raise OptionError(
                f"The prompt has {prompt:,} tokens; the model's context, which the text needs too, is "
                f"{self.context:,}.",
                where="prompt",
                cure="Shorten the prompt.",
            )
        if request.most_tokens > room:
            raise OptionError(
                f"{prompt:,} tokens of prompt and max_tokens={request.most_tokens:,} make "
                f"{prompt + besides + request.most_tokens:,}; the model's context is {self.context:,}.",
                where="max_tokens",
                cure="Shorten the prompt, or ask for fewer tokens.",
            )
        return request


def _question(request: Request, prompt: Prompt) -> ModelQuestion:
    """Return what a request asks of the model, without an outline."""
    return ModelQuestion(
        prompt,
        request.schema is not None,
        with_outline=request.outline,
        chat=request.chat,
        refused=request.refused,
        is_choice=bool(listed(request.schema).texts),
        thinks_until=text_behind(request.thinking),
    )


def check_budget(request: Request, least: int) -> None:
    """Raise BudgetError where the shortest text, of `least` tokens, is longer than a request allows."""
    if least > request.most_tokens:
        raise BudgetError(
            f"No document fits max_tokens={request.most_tokens:,}: the shortest takes {least:,}.",
            minimum=least,
            where="max_tokens",
            cure=f"Give at least {least:,}.",
        )
