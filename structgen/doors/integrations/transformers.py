"""Our masks in `model.generate` of transformers, and in its continuous batching.

A *row* is one text of a batch; a row is *free* if no grammar constrains it. A *generation* is one call of
`generate`. *Healing* writes the last tokens of a prompt again, so that one token may cross the prompt's end.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, TypeAlias, TypeVar, Union

from structgen.base.errors import BudgetError, OptionError, StructgenError, TokenError, options_named
from structgen.base.system.installation import require_extras
from structgen.base.system.waits import announce_wait

with require_extras("structgen.doors.integrations.transformers", "transformers"):
    import torch
    import transformers
from structgen_kernels.reference import NEVER, allowed_of
from torch import Tensor

from structgen.asking.request_reading.targets import read_target
from structgen.base.language.checks import check_switch, check_whole
from structgen.decoding.engine.models import tokenizer_of
from structgen.doors.integrations.engine_grammars import allow_only
from structgen.doors.integrations.generation_ends import (
    end_tokens,
    generation_tokenizer,
    running_config,
    special_ends,
    warn_of_difference,
)
from structgen.grammars.compilation.compiler import compile
from structgen.machines.core.batch import RowStatus, fill_masks
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.core.forced_text import AnyText, prompt_border, with_forced_text
from structgen.machines.core.grammar import Grammar
from structgen.machines.core.matcher import Matcher
from structgen.tokens.token_mask import TokenMask, allocate_mask
from structgen.tokens.tokenizer import Tokenizer

T = TypeVar("T")
Constraint: TypeAlias = Union[Grammar, CompiledGrammar, None]
"""The grammar of a row; None: the row is free."""
RowTarget: TypeAlias = Union[Constraint, type, dict[str, Any]]
"""The argument for a row: a grammar, a type, or a JSON Schema."""


class LogitsProcessor(transformers.LogitsProcessor):  # type: ignore[misc]
    """Masks for `model.generate(..., logits_processor=[processor])`.

    `grammars` is one grammar, type or JSON Schema (dict) for all rows, or one for each prompt of the batch
    (None: free). The number of rows shows how many beams or `num_return_sequences` a prompt has. `tokenizer`
    is transformers' or ours. With `max_new_tokens`, the same as is given to `generate`, each text is complete
    within it; that mask costs more (`Matcher.fill_mask(budget=)`).

    A text ends with an end token of the tokenizer or of the model, and only end tokens come after it. The
    processor reads the model's (`eos_token_id`) in the `generate` that calls it. An end token that is text
    stands in no document, for `generate` would stop there. Where model and tokenizer have no end token in
    common, a warning says so once. In a loop of your own, pass `model`: its configs name its end tokens.

    It may be used for many generations. In a loop of your own, a new one begins where the ids do not continue
    those of the last call. Where they do, call `reset()` before it. A beam without any allowed token gets the
    score -inf and is then ignored.

    `canonical`: forced text is written in the tokenizer's own tokens. `healing`: the last tokens of a prompt
    may be written again, so that one token crosses its border; write
    `model.generate(**processor.healed(**tokenizer(prompts, return_tensors="pt")), ...)`. Both change the law
    of the tokens, as the options of `sg.Request` do (docs/engine.md). Errors: OptionError for `canonical`
    with a tokenizer that does not know its rules, and where the model's end tokens are text without which
    no text of the grammar can be written.
    """

    @options_named("LogitsProcessor(grammar, tokenizer)", name="LogitsProcessor")
    def __init__(
        self,
        grammars: RowTarget | Sequence[RowTarget],
        tokenizer: Any,
        *,
        max_new_tokens: int | None = None,
        canonical: bool = False,
        healing: bool = False,
        model: Any = None,
    ) -> None:
        self.tokenizer = tokenizer_of(tokenizer)
        self.max_new_tokens = (
            None if max_new_tokens is None else check_whole("max_new_tokens", max_new_tokens, 0)
        )
        self.canonical, self.healing = check_switch("canonical", canonical), check_switch("healing", healing)
        self._given_grammars = _compile_targets(grammars, self.tokenizer)
        self._ends: tuple[int, ...] | None = None
        """The end tokens of the model, as far as its logits reach; None before they are known."""
        self._config: Any = None
        """The config of the last generation, to which `_rows` belong."""
        self._grammars = self._given_grammars
        self._taken_back: list[bytes] = [b""] * len(self._given_grammars)
        self._healed_ids: Tensor | None = None
        """The ids that `healed` returned last. `_taken_back` has the text that it took back from each row."""
        if model is not None:
            ends = end_tokens(getattr(model, "generation_config", None), model.config)
            self._learn_ends(ends, model.config.get_text_config().vocab_size)
        self._row_grammars = self._make_row_grammars()
        self._last_ids: Tensor | None = None
        self._prompt_length = 0
        self._rows: list[Matcher | None] = []
        self._dead: list[bool] = []
        self._mask: TokenMask | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the texts, because another process begins a new generation."""
        fresh = dict.fromkeys(("_last_ids", "_config", "_healed_ids", "_mask"))
        return {**self.__dict__, **fresh, "_rows": [], "_dead": []}

    def __bool__(self) -> bool:
        """Return True, because a processor has no length that could be its truth value."""
        return True

    def __len__(self) -> int:
        """Raise OptionError: transformers asks for the length where it was given no list."""
        raise OptionError(
            "transformers takes a list of processors, got a single one.",
            where="logits_processor",
            cure="Write logits_processor=[processor].",
        )

    def reset(self) -> None:
        """Forget the last generation."""
        self._last_ids = None

    def healed(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, **others: Any
    ) -> dict[str, Tensor]:
        """Return the arguments for `generate`: the prompts without the tokens that are written again, padded
        on the left, and their attention mask. `others` (token_type_ids) are left out, because they fit the
        longer prompts. The ids that `generate` returns include the tokens that were written again.

        Errors: OptionError without `healing=True`, and where the rows are not a multiple of the grammars.
        """
        if not self.healing:
            raise OptionError(
                "The processor was made without healing.", where="healing", cure="Pass healing=True."
            )
        if input_ids.ndim != 2:
            raise OptionError(
                f"Ids of the shape {[*input_ids.shape]} are not rows.",
                where="input_ids",
                cure="Pass one row for each prompt.",
            )
        row_grammars = _repeat_for_rows(self._grammars, len(input_ids))
        free = AnyText(self.tokenizer)
        attention = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        short_prompts, self._taken_back = [], []
        for grammar, row, is_attended in zip(row_grammars, input_ids, attention.bool(), strict=True):
            prompt = row[is_attended].tolist()
            size = len(prompt) - prompt_border(free if grammar is None else grammar, prompt)
            self._taken_back.append(self.tokenizer.decode(prompt[size:]))
            short_prompts.append(prompt[:size])
        longest = max(map(len, short_prompts))
        pad = self.tokenizer.eos_token_ids[0]
        ids = [[*[pad] * (longest - len(prompt)), *prompt] for prompt in short_prompts]
        masks = [[*[0] * (longest - len(prompt)), *[1] * len(prompt)] for prompt in short_prompts]
        self._row_grammars, self._healed_ids, self._last_ids = (
            self._make_row_grammars(),
            torch.tensor(ids),
            None,
        )
        inputs = {"input_ids": self._healed_ids, "attention_mask": torch.tensor(masks)}
        return {name: value.to(input_ids) for name, value in inputs.items()}

    def _make_row_grammars(self) -> list[CompiledGrammar | None]:
        """Return the grammar of each row. It begins with the text that `healed` took back."""
        ends = special_ends(self.tokenizer, self._ends or ())
        row_grammars = list[CompiledGrammar | None]()
        for grammar, taken_back in zip(
            _repeat_for_rows(self._grammars, len(self._taken_back)), self._taken_back, strict=True
        ):
            if grammar is not None:
                row_grammars.append(with_forced_text(grammar, canonical=self.canonical, border=taken_back))
            elif taken_back:
                free = AnyText(generation_tokenizer(self.tokenizer, ends))
                row_grammars.append(with_forced_text(free, canonical=False, border=taken_back))
            else:
                row_grammars.append(None)
        return row_grammars

    def _learn_ends(self, ends: Sequence[int], width: int) -> None:
        """Compile the grammars for the end tokens of a model. `width`: the number of its logits."""
        ends = tuple(end for end in ends if 0 <= end < width)  # generate takes -1 for none
        if ends == self._ends:
            return  # the grammars are compiled for these end tokens already
        warn_of_difference(self.tokenizer, ends)
        self._ends = ends
        try:
            ending_grammars = {
                grammar: _compile_for_ends(grammar, ends) for grammar in dict.fromkeys(self._given_grammars)
            }
        except StructgenError as error:
            stops = ", ".join(map(str, ends))
            raise OptionError(
                f"generate stops at {stops}, and nothing else ends a text: {error.what}",
                where="eos_token_id",
                cure=f"Pass eos_token_id={[*self.tokenizer.eos_token_ids]} to generate.",
            ) from error
        self._grammars = [ending_grammars[grammar] for grammar in self._given_grammars]
        self._row_grammars = self._make_row_grammars()

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return the scores [rows, V], -inf for tokens that may not come. Cost: the masks, a pass over them.

        Errors: OptionError where the rows are not a multiple of the grammars; BudgetError where no document
        fits max_new_tokens.
        """
        rows, width = scores.shape
        ids = input_ids.to("cpu")
        config = running_config(self)
        if config is not self._config:
            self._config, self._last_ids = config, None
            if config is not None:
                self._learn_ends(end_tokens(config), width)
        if (parents := self._find_parents(ids)) is not None:
            self._follow_parents(ids, parents)
        elif self._last_ids is None or config is None:
            self._begin_texts(ids)
        else:
            self._write_again(ids)
        self._last_ids = ids
        mask, written_count = self._mask, ids.shape[1] - self._prompt_length
        if mask is None or mask.rows < rows or mask.vocab_size != width:
            mask = self._mask = allocate_mask(rows, width)
        with nullcontext() if written_count else announce_wait("filling the first mask"):
            self._fill_rows(mask, written_count)
        is_allowed = allowed_of(torch.from_numpy(mask.array[:rows]).to(scores.device), width)
        masked_scores: Tensor = scores.masked_fill(~is_allowed, NEVER)
        self._check_left(scores, masked_scores)
        return masked_scores

    def _check_left(self, scores: Tensor, masked_scores: Tensor) -> None:
        """Raise OptionError where processors before this one have left none of the tokens that the grammar
        allows. The next step would be torch's error about probabilities that are no numbers."""
        none_left = (masked_scores == NEVER).all(1) & (scores != NEVER).any(1)
        for row in none_left.nonzero().flatten().tolist():
            matcher = self._rows[row]
            if matcher is None:
                continue
            if matcher.is_finished:  # padding after the text, whatever others say of it
                masked_scores[row, self._ends_behind(matcher)[0]] = 0.0
                continue
            raise OptionError(
                (f"Row {row}: another logits processor has forbidden all tokens that the grammar allows")
                + (", where only the end of the text is allowed." if matcher.is_complete else "."),
                where="logits_processor",
                cure="Remove min_new_tokens, min_length, no_repeat_ngram_size, bad_words_ids: they "
                "ignore the grammar. Bound lengths in the grammar (minLength, minItems).",
            )

    # --- which row is which ---------------------------------------------------------------------------------

    def _find_parents(self, ids: Tensor) -> list[int] | None:
        """Return for each row the row of the last call that it continues; both belong to the same prompt.
        Return None if some row continues none."""
        last_ids, ids_before = self._last_ids, ids[:, :-1]
        if last_ids is None or ids_before.shape != last_ids.shape:
            return None
        written_count = ids.shape[1] - self._prompt_length
        if self._config is None and self.max_new_tokens is not None and written_count >= self.max_new_tokens:
            return None  # the last one ended before this
        if torch.equal(ids_before, last_ids):
            return list(range(len(ids)))
        size = len(ids) // len(self._row_grammars) if len(self._row_grammars) > 1 else len(ids)
        parents = list[int]()
        for row in range(len(ids)):
            first = row // size * size
            equal_rows = (last_ids[first : first + size] == ids_before[row]).all(1).nonzero()
            if not len(equal_rows):
                return None
            parents.append(first + int(equal_rows[0]))
        return parents

    def _begin_texts(self, ids: Tensor) -> None:
        """Begin the texts of new prompts. Errors: OptionError."""
        self._check_healed(ids)
        self._prompt_length = ids.shape[1]
        each = _repeat_for_rows(self._row_grammars, len(ids))
        self._rows = [None if compiled is None else Matcher(compiled) for compiled in each]
        self._dead = [False] * len(ids)

    def _check_healed(self, ids: Tensor) -> None:
        """Raise OptionError if `healing` was asked for, but `ids` are not the prompts that `healed` returned.
        What was taken back would then belong to other prompts."""
        if not self.healing:
            return
        healed_ids = self._healed_ids
        if healed_ids is not None and len(ids) % len(healed_ids) == 0:
            expected_ids = healed_ids.repeat_interleave(len(ids) // len(healed_ids), 0)
            if torch.equal(expected_ids, ids):
                return
        raise OptionError(
            "These prompts are not those that healed() returned.",
            where="input_ids",
            cure="Write model.generate(**processor.healed(**inputs), logits_processor=[processor]).",
        )

    def _write_again(self, ids: Tensor) -> None:
        """Read all tokens of each text anew. This is needed for texts that lose tokens or gain several, as
        the drafts of an assistant model do."""
        prompt_length = self._prompt_length
        self._begin_texts(ids[:, :prompt_length])
        for end in range(prompt_length, ids.shape[1]):
            self._advance_rows(ids[:, end])

    def _follow_parents(self, ids: Tensor, parents: Sequence[int]) -> None:
        """Take a token more in each row."""
        children = Counter(parents)
        rows = list[Matcher | None]()
        for parent in parents:
            row = self._rows[parent]
            # if several beams continue one row, each gets a copy
            rows.append(row.fork() if row is not None and children[parent] > 1 else row)
        self._rows = rows
        self._dead = [self._dead[parent] for parent in parents]
        self._advance_rows(ids[:, -1])

    def _advance_rows(self, tokens: Tensor) -> None:
        """Take a token in each row whose text has not ended."""
        for at, (row, token) in enumerate(zip(self._rows, tokens.tolist(), strict=True)):
            if row is None or self._dead[at] or row.is_finished:
                continue
            try:
                row.advance(token)
            except TokenError:
                self._dead[at] = True

    def _ends_behind(self, row: Matcher) -> Sequence[int]:
        """Return the tokens that are allowed after a text: the model's end tokens that do not spell text; if
        there are none, the end tokens of the row's grammar."""
        return special_ends(self.tokenizer, self._ends or ()) or sorted(row.compiled.end_tokens)

    def _fill_rows(self, mask: TokenMask, written_count: int) -> None:
        """Fill the masks; a text that has ended is padded with an end token."""
        rows = [
            None if dead or (row is not None and row.is_finished) else row
            for row, dead in zip(self._rows, self._dead, strict=True)
        ]
        remaining = None if self.max_new_tokens is None else self.max_new_tokens - written_count
        budgets = None if remaining is None else [remaining] * len(rows)
        statuses = fill_masks(rows, mask, budgets=budgets)
        for at, (row, status) in enumerate(zip(rows, statuses.tolist(), strict=True)):
            if row is not None and status == RowStatus.LIMIT:
                try:  # it says why
                    row.fill_mask(mask, at, budget=remaining)
                except BudgetError as error:
                    error.name_owner("max_new_tokens")
                    raise
        for at, row in enumerate(self._rows):
            if row is not None and row.is_finished:
                allow_only(mask, at, self._ends_behind(row))


def _repeat_for_rows(grammars: Sequence[T], rows: int) -> list[T]:
    """Return the grammar of each row. Raises OptionError."""
    count = len(grammars)
    if not rows or rows % count:
        raise OptionError(
            f"{rows} rows do not fit {count} grammars.",
            where="grammars",
            cure="Pass one grammar, or one for each prompt of the batch.",
        )
    return [grammars[row // (rows // count)] for row in range(rows)]


@options_named(
    "generate_batch(model, tokenizer, prompts, grammars, max_new_tokens=64)", name="generate_batch"
)
def generate_batch(
    model: Any,
    tokenizer: Any,
    inputs: Sequence[Sequence[int]],
    grammars: RowTarget | Sequence[RowTarget],
    *,
    max_new_tokens: int,
    generation_config: Any = None,
    continuous_batching_config: Any = None,
) -> list[Any]:
    """Return an output for each prompt of `inputs` (token ids), by transformers' continuous batching under
    our masks; each text is complete within `max_new_tokens`.

    `grammars` is one for all prompts, or one for each (None: free). The outputs are transformers'
    `GenerationOutput`s, in the order of the prompts: `generated_tokens`, and `error` where a mask could not
    be filled. `generation_config` has the settings of sampling; the steps run one after the other
    (`use_async_batching` and `use_cuda_graph` are refused). Needs transformers 5.23 or 5.24. Errors:
    OptionError; BudgetError where a grammar's shortest text does not fit; those of `sg.compile`.
    """
    # optional: a release that has it
    from structgen.doors.integrations.transformers_batches import write_batch

    ours = tokenizer_of(tokenizer, model)
    each = _compile_targets(grammars, ours)
    if len(each) == 1:
        each *= len(inputs)
    if len(each) != len(inputs):
        raise OptionError(
            f"{len(inputs)} prompts do not fit {len(each)} grammars.",
            where="grammars",
            cure="Pass one grammar, or one for each prompt.",
        )
    config = copy.deepcopy(model.generation_config if generation_config is None else generation_config)
    config.max_new_tokens = max_new_tokens
    if (config.num_return_sequences or 1) > 1:
        raise OptionError(
            "Each prompt has one text.", where="num_return_sequences", cure="Repeat the prompt."
        )
    ends = {end for grammar in each if grammar is not None for end in grammar.end_tokens}
    config.eos_token_id = sorted(ends.union(ours.eos_token_ids))
    return write_batch(model, inputs, each, config, continuous_batching_config) if inputs else []


def _compile_targets(
    grammars: RowTarget | Sequence[RowTarget], tokenizer: Tokenizer
) -> list[CompiledGrammar | None]:
    """Return the compiled grammars of targets, each compiled once. Raises OptionError for none."""
    targets: list[Any] = list(grammars) if isinstance(grammars, list | tuple) else [grammars]
    if not targets:
        raise OptionError(
            "The grammar is missing.", where="grammars", cure="Pass one, or one for each prompt."
        )
    grammar_list = [read_target(target, usual={}, where="grammars").grammar for target in targets]
    compiled_grammars = {
        grammar: grammar
        if grammar is None or isinstance(grammar, CompiledGrammar)
        else compile(grammar, tokenizer)
        for grammar in dict.fromkeys(grammar_list)
    }
    return [compiled_grammars[grammar] for grammar in grammar_list]


def _compile_for_ends(grammar: CompiledGrammar | None, ends: tuple[int, ...]) -> CompiledGrammar | None:
    """Return a grammar compiled for a generation that stops at `ends`; itself where that changes nothing."""
    if grammar is None:
        return None
    tokenizer = generation_tokenizer(grammar.tokenizer, ends)
    return grammar if tokenizer is grammar.tokenizer else compile(grammar.grammar, tokenizer)
