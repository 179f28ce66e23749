"""What a model reads of a request, and how many tokens its text may have: the same for every engine.

`Engine` reads its requests here, and so does whoever gives them to another engine with the same model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from structgen.engine.asking import ModelPrompts, ModelQuestion
from structgen.engine.requests import DEFAULT_MAX_TOKENS, Request
from structgen.engine.searches.listed_values import compared_texts
from structgen.engine.thinking import text_behind
from structgen.errors import BudgetError, OptionError
from structgen.json_grammars.prompting import ModelPrompt, fitting_outline
from structgen.tokens.tokenizer import Tokenizer


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
        """Return the tokens of a request's prompt in the form that the model needs, or the ids that were
        given. `instead`: another prompt in its place. Raises OptionError for ids that are none of the
        model's."""
        prompt = request.prompt if instead is None else instead
        if isinstance(prompt, str):
            ids = list(self.prompts.tokens(self._question(request, prompt), self.tokenizer))
        else:
            ids = list(prompt)
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
        return ids

    def _question(self, request: Request, prompt: str) -> ModelQuestion:
        """Return what is asked of the model."""
        schema = request.schema
        asked = ModelQuestion(
            prompt,
            schema is not None,
            with_outline=request.outline,
            chat=request.chat,
            refused=request.refused,
            is_choice=bool(compared_texts(schema)),
            thinks_until=text_behind(request.thinking),
        )
        if schema is None or isinstance(prompt, ModelPrompt) or not self.prompts.needs_outline(asked):
            return asked  # an outline that no prompt shows is not written: for a large schema it takes time
        # the outline leaves room for the text: where the whole one does not, it is less deep
        room = self.context - len(self.tokenizer.encode(prompt.encode()))
        room -= self.context // 4 if request.max_tokens is None else request.max_tokens
        outline = fitting_outline(schema, lambda one: len(self.tokenizer.encode(one.encode())) < room)
        return replace(asked, outline=outline)

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


def check_budget(request: Request, least: int) -> None:
    """Raise BudgetError where the shortest text, of `least` tokens, is longer than a request allows."""
    if least > request.most_tokens:
        raise BudgetError(
            f"No document fits max_tokens={request.most_tokens:,}: the shortest takes {least:,}.",
            minimum=least,
            where="max_tokens",
            cure=f"Give at least {least:,}.",
        )
