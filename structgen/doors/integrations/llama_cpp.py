"""Our masks in llama-cpp-python, as a logits processor.

llama-cpp-python calls processors from compiled code. There an exception is only printed, and the text goes on
without a mask. So if a mask fails, the text is ended at once, and the exception is raised afterwards.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from structgen.base.errors import OptionError, options_named
from structgen.base.system.installation import require_extras

with require_extras("structgen.doors.integrations.llama_cpp", "llama-cpp-python"):
    import llama_cpp

from structgen.doors.integrations.engine_grammars import allow_only, check_room
from structgen.grammars.compilation.compiler import compile
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.core.grammar import Grammar
from structgen.machines.core.matcher import Matcher
from structgen.tokens.token_mask import allocate_mask
from structgen.tokens.tokenizer import Tokenizer

_LONGEST = 1 << 12
"""The most bytes of a token. The longest tokens of known vocabularies, runs of blanks, have some hundreds."""


def tokenizer_of(llama: Any) -> Tokenizer:
    """Return the tokenizer of a loaded model (`llama_cpp.Llama`), with all tokens at which the model ends a
    text. Raises TokenizerError if masks cannot be made for it. Cost: a call for each token, so keep the
    result for several grammars.
    """
    vocabulary = llama_cpp.llama_model_get_vocab(llama.model)
    buffer = ctypes.create_string_buffer(_LONGEST)
    tokens: list[bytes | None] = []
    ends = []
    for token in range(llama.n_vocab()):
        if llama_cpp.llama_vocab_is_eog(vocabulary, token):
            ends.append(token)
        size = llama_cpp.llama_token_to_piece(vocabulary, token, buffer, _LONGEST, 0, False)
        special = size <= 0 or llama_cpp.llama_vocab_is_control(vocabulary, token)
        tokens.append(None if special else buffer.raw[:size])
    return Tokenizer.from_bytes(tokens, ends)


class MaskProcessor:
    """A logits processor that masks the tokens of one text. Made by `constrained`."""

    def __init__(self, compiled_grammar: CompiledGrammar, max_tokens: int | None) -> None:
        self.matcher = Matcher(compiled_grammar)
        self.failure: BaseException | None = None
        """The error that ended the text; after it only an end token is allowed. None: there was none."""
        self._max_tokens = max_tokens
        self._mask = allocate_mask(1, compiled_grammar.vocab_size)
        self._prompt_count, self._token_count = 0, 0

    def __call__(
        self, input_ids: npt.NDArray[np.intc], scores: npt.NDArray[np.single]
    ) -> npt.NDArray[np.single]:
        """Set the scores [V] of tokens that are not allowed next to -inf, in place, and return them."""
        try:
            if self.failure is None:
                self._fill_mask(input_ids)
        except BaseException as error:  # Ctrl-C too: llama-cpp-python would swallow it
            self.failure = error
            allow_only(self._mask, 0, self.matcher.compiled.end_tokens)
        is_allowed = np.unpackbits(self._mask.array[0].view(np.uint8), bitorder="little").astype(bool)
        scores[..., ~is_allowed[: scores.shape[-1]]] = -np.inf
        return scores

    def _fill_mask(self, input_ids: npt.NDArray[np.intc]) -> None:
        """Take the token that was chosen, and fill the mask of the next one. Raises OptionError and
        BudgetError."""
        count = len(input_ids)
        if not self._token_count:  # at the first call the ids are those of the prompt
            self._prompt_count = count
        elif count != self._token_count + 1:
            new_count = count - self._token_count
            raise OptionError(
                f"{new_count} tokens were added since the last mask, not one: this is another text.",
                where="logits_processor",
                cure="Call constrained() for each text.",
            )
        else:
            self.matcher.advance(int(input_ids[-1]))
        self._token_count = count
        budget = None if self._max_tokens is None else self._max_tokens - 1 - (count - self._prompt_count)
        self.matcher.fill_mask(self._mask, budget=budget)


@contextmanager
@options_named("constrained(llama, grammar)", name="constrained")
def constrained(
    llama: Any, grammar: Grammar | CompiledGrammar, *, max_tokens: int | None = None
) -> Iterator[Any]:
    """Yield the `logits_processor` for one call of `llama.create_completion` or `create_chat_completion`. An
    error of the processor is raised at the end of the block.

        with constrained(llama, sg.json_schema(schema), max_tokens=64) as processors:
            reply = llama.create_completion(prompt, max_tokens=64, logits_processor=processors)

    `grammar`: if it was compiled for `tokenizer_of(llama)`, the tokenizer need not be read again.
    `max_tokens`: the same number as that of the call; the text is then complete within it. Read a stream
    inside the block. Raises OptionError for a model with a `draft_model` (its drafts are not masked), and for
    two texts in one block; BudgetError if no text fits; and the errors of `sg.compile`.
    """
    if llama.draft_model is not None:
        raise OptionError(
            "llama-cpp-python ignores errors of processors in drafts, and continues without a mask.",
            where="draft_model",
            cure="Load the model without draft_model.",
        )
    compiled_grammar = (
        grammar if isinstance(grammar, CompiledGrammar) else compile(grammar, tokenizer_of(llama))
    )
    vocabulary = llama_cpp.llama_model_get_vocab(llama.model)
    if not any(llama_cpp.llama_vocab_is_eog(vocabulary, end) for end in compiled_grammar.end_tokens):
        raise OptionError(
            "The model does not stop at any end token for which the grammar was compiled.",
            where="grammar",
            cure="Compile it for structgen.doors.integrations.llama_cpp.tokenizer_of(llama).",
        )
    if max_tokens is not None:
        check_room(compiled_grammar, max_tokens, "max_tokens")
    processor = MaskProcessor(compiled_grammar, max_tokens)
    yield llama_cpp.LogitsProcessorList([processor])
    if processor.failure is not None:
        raise processor.failure
