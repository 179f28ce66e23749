"""Asks a model about one page of a document, and reads its answer.

A *page* is a piece of a document. A *line* is the answer to a page as a dict, with *parts*: one, or several
if the page was asked about in pieces. The *outline* is the type in one line of the prompt.

Each prompt begins with the words that are the same for all pages: the instruction, the outline of the type,
the worked examples. Then comes the page. So an engine and a server read the beginning once. If a page does
not fit, or its list of items was cut off by `max_tokens`, the model is asked about two overlapping halves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Final

from structgen.asking.documents.page_cuts import cut_pages
from structgen.asking.grounding.grounded_grammar import schema_grammar_of
from structgen.asking.grounding.repairs import changed_strings
from structgen.asking.grounding.stated_text import stated_text
from structgen.asking.grounding.unread_values import unverified_text
from structgen.asking.request_reading.example_pairs import Pair
from structgen.base.errors import (
    BudgetError,
    GenerationError,
    NotStatedError,
    OptionError,
    SchemaError,
    StructgenError,
    ValidatorError,
    prefix_place,
)
from structgen.base.json_text.exact_json import Json, JsonMapping, JsonObject, read_exact, write_canonical
from structgen.base.json_text.raw_json import write_json
from structgen.decoding.engine.requests import FinishReason, Result
from structgen.decoding.engine.searches.confidence import confidences_of
from structgen.doors.extraction.extract_options import LEAST_PAGE
from structgen.doors.extraction.found_items import as_json
from structgen.doors.extraction.page_schema import (
    ARRAYS,
    OF_ALL_ITEMS,
    definitions_of,
    resolve_reference,
    with_nullable_members,
    without_counts,
)
from structgen.doors.extraction.unasked_pages import unasked_piece
from structgen.doors.typed.functions import obtain_outcome
from structgen.doors.typed.local import Local
from structgen.doors.typed.options import TypedOptions
from structgen.doors.typed.prompts import PromptSource, TextRequest, narrow_task
from structgen.doors.typed.target_forms import TargetForm, WritingTask
from structgen.doors.typed.worked.worked_examples import Examples, Spelling
from structgen.doors.typed.wrapping import unwrap_document, wrap_document
from structgen.doors.typed.writers import Preparation, Writer
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.machines.core.matcher import Matcher
from structgen.machines.core.string_values import grammar_accepts, over_bytes
from structgen.schema.reading.policies import WIDEST, Policies

_PAGE, _SMALL_PAGE, _SENTENCE = 1_000, 80, 30
"""The default sizes of a page, in tokens; it is less where the context leaves less. The second is for the
small models that our own forward pass runs, which find more on small pages. The third is for lists with the
embedded models, which were trained on single sentences (decision 102)."""
_LONG: Final = 400
"""Pages of at least this many tokens overlap by a twentieth, by default. Shorter pages end with sentences and
do not overlap: half sentences cost small models more than items at borders (decision 102)."""
_BYTES_A_TOKEN: Final = 3
"""The bytes of a token that are assumed for a server, whose tokenizer is not known. Texts of most languages
have four."""
_TRIES: Final = 3
"""The number of times that a page is asked about before it counts as failed."""
_REFUSALS: Final = (400, 413, 422)
"""The HTTP statuses of a request that is refused for its content, such as a prompt that is too long."""
PAUSE: Final = 1.0
"""The seconds before a server is asked again. They double each time."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a document: its characters `start` to `end`."""

    document: str
    number: int
    """The number of the page in its document, from 1."""
    start: int
    end: int
    text: str

    @property
    def key(self) -> str:
        """The name of the page's line in a file of answers."""
        return f"{self.document}:{self.number}"


@dataclass(frozen=True)
class PageQuestion:
    """The question about each page: the model, the type and the options. It can be pickled and sent to other
    machines if its model is a name."""

    model: Any
    target: Any
    prompt: str | None
    options: Mapping[str, Any]
    """The options of `TypedOptions`, including `examples`, as the caller gave them."""
    overlap: int = 0
    """The number of tokens that the halves of a page have in common."""
    at_once: int = 8
    unverified: bool = False
    """Whether a page counts as stating a value that it only looks as if it stated (`guesses_of`)."""

    @cached_property
    def _preparation(self) -> Preparation:
        return Preparation(self.model, None, self.options)

    def __reduce__(self) -> Any:
        """Pickle only the fields: the model is loaded where it is asked."""
        return PageQuestion, tuple(getattr(self, field.name) for field in fields(self))

    @property
    def typed_options(self) -> TypedOptions:
        """The options, read."""
        return self._preparation.options

    @cached_property
    def writer(self) -> Writer:
        """The object that asks the model."""
        return self._preparation.writer()

    @cached_property
    def form(self) -> TargetForm:
        """The form (grammar and reader) of all items of a document, or of its object. Raises the errors of
        `form_of`, and OptionError for free text, for a grammar without a schema, and for lists whose items
        have different types by position."""
        # an iterator of items is asked for as a list
        form = replace(self._preparation.read_form(self.target), items=False)
        schema_grammar_of(form.grammar, "target")
        if "prefixItems" in (form.schema or {}):
            cure = "Use an object with a name for each, or list[T]."
            raise OptionError("A tuple of several types is not a list of items.", where="target", cure=cure)
        return form

    @cached_property
    def is_list(self) -> bool:
        """Whether a document has a list of items, and not one object."""
        return self.plain_schema.get("type") in ARRAYS

    @cached_property
    def plain_schema(self) -> JsonObject:
        """The JSON Schema of the list of items, or of the object, without an object that wraps it."""
        schema = self.form.schema or {}
        # for a server that takes only objects, the list is a member of an object
        if self.form.is_wrapped:
            inner_schema = schema["properties"][self.form.value_pointer[1:]]
            definitions = {key: member for key, member in schema.items() if key == "$defs"}
            schema = {**definitions, **inner_schema}
        root = resolve_reference(schema, schema)[0]
        return {**definitions_of(schema), **root} if root.get("type") in ARRAYS else schema

    @cached_property
    def item_schema(self) -> JsonObject:
        """The JSON Schema of one item, or of the object."""
        schema = self.plain_schema
        items = schema.get("items") if self.is_list else schema
        return {**definitions_of(schema), **(items if isinstance(items, dict) else {})}

    def allows_value(self, schema_part: Any, value: Json) -> bool:
        """Return whether a part of the schema allows a value."""
        whole_schema = (
            {**definitions_of(self.plain_schema), **schema_part}
            if isinstance(schema_part, Mapping)
            else schema_part
        )
        # a value that was read has lost its order of keys and its white space, so any are allowed
        policies = replace(self._grammar.policies, property_order="any", whitespace="any")
        grammar = self._grammar.in_place_of(whole_schema).under(policies)
        return grammar_accepts(over_bytes(grammar), write_canonical(value))

    @property
    def _grammar(self) -> JsonSchemaGrammar:
        """The grammar of the schema."""
        grammar = schema_grammar_of(self.form.grammar, "target").innermost
        assert isinstance(grammar, JsonSchemaGrammar), "it was looked at"
        return grammar

    @cached_property
    def page_form(self) -> TargetForm:
        """The form of what one page says: of an object, any member may be null; of a list, there may be any
        number of items."""
        form = self.form
        if self.is_list and self.plain_schema.keys().isdisjoint(OF_ALL_ITEMS):
            return form
        change = without_counts if self.is_list else with_nullable_members

        def change_grammar(inner: Any) -> Any:
            result = inner.in_place_of(change(inner.schema))
            # the type would refuse what one page leaves out
            result.reader = None
            return result

        assert form.grammar is not None, "it was looked at"
        return replace(form, reader=None, grammar=form.grammar.inside(change_grammar))

    @cached_property
    def page_target(self) -> WritingTask:
        """The task of the model for one page."""
        return WritingTask(self.page_form, self.typed_options, is_async=True)

    @cached_property
    def _item_target(self) -> WritingTask:
        """The task for a single item, or for what a page states of the object. A text that does not state it
        has no item."""
        if not self.is_list:
            return self.page_target
        item_grammar = self._grammar.in_place_of(self.item_schema)
        return replace(self.page_target, form=TargetForm(grammar=item_grammar))

    @property
    def _named_schema(self) -> JsonMapping:
        """The schema of an item; if this is a reference, the schema that it refers to."""
        named_schema: JsonMapping = resolve_reference(self.item_schema, self.item_schema)[0]
        return named_schema

    @property
    def is_union(self) -> bool:
        """Whether a document has one value that is not an object with known members, e.g. of a union."""
        return not self.is_list and "properties" not in self._named_schema

    @cached_property
    def instruction(self) -> str:
        """The words before each page."""
        if self.prompt is not None:
            return self.prompt
        name = str(self._named_schema.get("title", ""))
        if self.is_list:
            return f"List every {name or 'item'} that this text states."
        return f"Read the {name} from this text." if name else "Read the values from this text."

    @cached_property
    def _examples(self) -> Examples | None:
        pairs = self.typed_options.examples
        if not pairs:
            return None
        sources = [self._example_source(pair) for pair in pairs]
        return Examples(sources, [document for _, document in self.example_texts], pairs.max_told)

    @cached_property
    def example_texts(self) -> list[tuple[Any, str]]:
        """The text of each example, and the answer to it as JSON. An answer may have less than the type asks
        for, as that of a page may. Raises OptionError for a value that the type does not allow."""
        forms = Spelling(self.form), Spelling(self.page_form)

        def example_document(pair: Pair) -> str:
            try:
                return forms[0].write_value(pair.value, pair.where).document
            except OptionError as error:
                # the answer to a page may have less than the type asks for
                with suppress(OptionError):
                    return forms[1].write_value(pair.value, pair.where).document
                raise error from None

        return [(pair.call[0], example_document(pair)) for pair in self.typed_options.examples]

    def _example_source(self, pair: Pair) -> PromptSource:
        """Return the prompt source of an example's text. Raises OptionError if it is not a text."""
        arguments, named_arguments = pair.call
        if len(arguments) != 1 or named_arguments or not isinstance(arguments[0], str):
            cure = 'Write examples=[("Ada is 36.", [Person(...)]), ...].'
            raise OptionError("The example has no text.", where=pair.where, cure=cure)
        with prefix_place(pair.where):
            return self._bare_source(arguments[0])

    def _bare_source(self, text: str) -> PromptSource:
        instruction = "" if self._is_trained else self.instruction
        prompt = f"{instruction}\n\n{text}" if instruction else text
        named_texts = (("page", text),)
        return PromptSource(
            prompt, (text,), neutral=self.instruction, named_values=named_texts, instruction=instruction
        )

    @cached_property
    def _is_trained(self) -> bool:
        """Whether the model is one that was trained on texts without an instruction."""
        return isinstance(self.writer, Local) and self.writer.engine.prompts.is_embedded

    def prompt_source(self, text: str) -> PromptSource:
        """Return the prompt of a page, with its examples. Errors: those of `sg.run`."""
        source = self._bare_source(text)
        return source if self._examples is None else self._examples.add_examples(source)

    # --- sizes ----------------------------------------------------------------------------------------------

    @cached_property
    def count_tokens(self) -> Callable[[str], int]:
        """A function that counts the tokens of a text. For a server it is an estimate, seldom too low."""
        writer = self.writer
        if isinstance(writer, Local):
            tokenizer = writer.engine.tokenizer
            return lambda text: len(tokenizer.encode(text.encode()))
        return lambda text: -(-len(text.encode()) // _BYTES_A_TOKEN)

    def page_size(self, page: int | None, overlap: int | None) -> tuple[int, PageQuestion]:
        """Return the most tokens of a page, and the question with the sizes filled in: the overlap of pages,
        and the most tokens of an answer. `page`, `overlap`: the caller's options. Raises OptionError for
        sizes that contradict each other, and if the context has no room for a page."""
        writer = self.writer
        options = self.typed_options
        # the context of a server is not known
        context = 1 << 20
        usual = _PAGE
        if isinstance(writer, Local):
            # optional: torch
            from structgen.decoding.engine.forward_pass.llama import Llama

            context = writer.engine.model.context
            if self._is_trained and self.is_list:
                usual = _SENTENCE
            elif isinstance(writer.engine.model, Llama):
                usual = _SMALL_PAGE
        page_tokens = page or usual
        answer = options.max_tokens or min(
            max(2 * page_tokens + 64, 0 if self.is_list else 512), context // 4
        )
        # the size of a prompt does not depend on what a page states, so these checks are left out
        plain_options = replace(options, grounded=False, quotes=False)
        plain = replace(self.page_target, options=plain_options)
        prompt_tokens = self.count_tokens(writer.prompt_text(TextRequest(plain, self.prompt_source(""))))
        max_tokens = min(page_tokens, context - answer - prompt_tokens)
        if max_tokens < LEAST_PAGE:
            raise OptionError(
                "The prompt, its outline, the examples and the answer leave no room for a piece in "
                f"a context of {context:,} tokens.",
                where="page",
                cure="Reduce max_tokens, pass fewer examples, or use a model with a longer context.",
            )
        overlap_tokens = (max_tokens // 20 if max_tokens >= _LONG else 0) if overlap is None else overlap
        if 2 * overlap_tokens >= max_tokens:
            fault = f"Pieces of {max_tokens:,} tokens cannot overlap by {overlap_tokens:,}."
            raise OptionError(fault, where="overlap", cure="Set less than half of a piece.")
        return max_tokens, replace(
            self, overlap=overlap_tokens, options={**self.options, "max_tokens": answer}
        )

    # --- asking ---------------------------------------------------------------------------------------------

    def check_first_page(self, text: str) -> None:
        """Warn of fields of the type that `grounded` cannot check, and raise the errors that all pages would
        have. These are the errors of the type, the options and the examples, and BudgetError if no item, or
        no object, fits an answer. `text`: the first page."""
        if isinstance(writer := self.writer, Local):
            whole = self._item_target.form.grammar if self.is_list else self.form.grammar
            assert whole is not None, "free text was refused"
            min_tokens = Matcher(writer.engine.compiled(whole)).tokens_to_finish()
            max_tokens = self.typed_options.max_tokens
            if max_tokens is not None and min_tokens > max_tokens:
                raise BudgetError(
                    f"An answer has up to {max_tokens:,} tokens, and the shortest item has {min_tokens:,}.",
                    minimum=min_tokens,
                    where="max_tokens",
                    cure=f"Set at least {min_tokens:,}.",
                )
        with suppress(NotStatedError):
            narrow_task(self.page_target, self.prompt_source(text))

    async def answer_page(self, page: Page) -> JsonObject:
        """Ask about a page, and return its line: the answers of its parts, or the error with which it failed.
        Raises only errors that all other pages would have, too: BudgetError, OptionError."""
        line: JsonObject = {
            "page": page.key,
            "start": page.start,
            "end": page.end,
            "parts": [],
            "prompt_tokens": 0,
            "tokens": 0,
            "requests": 0,
            "remarks": [],
            "unasked": [],
        }
        remaining = [(page.start, page.end)]
        while remaining:
            start, end = remaining.pop(0)
            text = page.text[start - page.start : end - page.start]
            answer, why = await self._ask_piece(text, start, line)
            # a list that was cut because it repeats itself would do the same on half of the page
            is_cut = answer is None or (self.is_list and not _has_repeats(self.read_value(answer)))
            may_pass = isinstance(why, GenerationError) and self._may_pass(why.__cause__)
            is_long = is_cut and not may_pass
            halves = [*self._cut_halves(text)] if why and is_long else []
            # the halves are asked about before the following pieces, so that the parts stay in order
            if halves:
                remaining[:0] = [(start + half.start, start + half.end) for half in halves]
                continue
            if isinstance(why, StructgenError):
                return {**line, "error": str(why)}
            if why:
                line["remarks"].append(why)
            if answer is not None:
                line["parts"].append({"start": start, "end": end, **answer})
        return line

    def _cut_halves(self, text: str) -> Iterator[Any]:
        """Yield the two halves of a page, which overlap; yield nothing if the page is too short for that."""
        max_tokens = self.count_tokens(text) // 2 + self.overlap
        min_tokens = max(LEAST_PAGE, 2 * self.overlap + 1)
        if min_tokens <= max_tokens < self.count_tokens(text):
            yield from cut_pages(text, self.count_tokens, max_tokens, self.overlap)

    async def _ask_piece(
        self,
        text: str,
        start: int,
        line: JsonObject,
    ) -> tuple[Any, Any]:
        """Ask a model about a piece of a page. Return its answer, and why the answer is incomplete.

        The answer is None if there is none, or the text states nothing. The reason is a sentence, an error,
        or "". `start`: the character of the document at which the piece begins. `line`: the line of the page;
        its counts and its list of unasked pieces are updated.
        """
        source = self.prompt_source(text)
        guess_source = unverified_text(source.named_values) if self.unverified else None
        try:
            item_target = narrow_task(self._item_target, source, is_again=True, stated=guess_source)
            page_target = narrow_task(self.page_target, source, is_again=True, stated=guess_source)
        except NotStatedError as error:  # the text states too little, so the model is not asked
            line["unasked"].append(unasked_piece(error, stated_text(source.named_values), start))
            return None, ""
        # a server may be busy once
        for attempt in range(_TRIES):
            if attempt:
                # a server that is busy needs time
                await asyncio.sleep(PAUSE * 2 ** (attempt - 1))
            try:
                outcome = await obtain_outcome(self.writer, page_target, source)
            except OptionError as refusal:
                if refusal.where not in ("prompt", "max_tokens"):
                    raise
                return None, refusal  # the prompt does not fit the context
            usage = outcome.usage
            line["prompt_tokens"] += usage.prompt_tokens
            line["tokens"] += usage.tokens
            line["requests"] += outcome.attempts
            if not self._may_pass(outcome.result.error):
                break
        if isinstance(self.writer, Local) and page_target.form.grammar is not None:
            # the grammar of one page is never used again
            self.writer.engine.let_go_of(page_target.form.grammar)
        if usage.outline and usage.outline not in line["remarks"]:
            line["remarks"].append(usage.outline)
        result = outcome.result
        why = ""
        # if the type refuses the answer, its items are checked one by one when all pages have an answer
        if outcome.error is not None and not (result.error is None and result.text):
            stated_items = self._stated_items(result, item_target.form, page_target.form, line)
            return (None, outcome.error) if stated_items is None else (stated_items, "")
        if result.finish_reason in (FinishReason.STEERED, FinishReason.MAX_TOKENS):
            why = f"The answer was truncated at {self.writer.bound}."
        return self._answer_part(result, page_target.form), why

    def _stated_items(
        self,
        result: Result,
        form: TargetForm,
        page_form: TargetForm,
        line: JsonObject,
    ) -> Any:
        """Return the items of a server's answer that the text does state, when it does not state all of them.
        (Nothing holds a server to the text.) Return None if the answer is not a list. `form`: the form of one
        item; `page_form`: that of the answer."""
        if not isinstance(result.error, ValidatorError) or not self.is_list or form.grammar is None:
            return None
        grammar = form.grammar.innermost
        assert isinstance(grammar, JsonSchemaGrammar), "it was looked at"
        try:
            written_value = self.read_value({"answer": result.text})
        except SchemaError:
            return None
        if not isinstance(written_value, list):
            return None
        document = write_json(written_value, as_json)
        if self.form.is_wrapped:
            document = wrap_document(document)
        answer_value = self.read_value({"answer": page_form.server_schema.repair_quotes(document)})
        widest: Mapping[str, Any] = WIDEST
        item = over_bytes(grammar.under(Policies(**widest)))
        written_items, items = [], []
        for written, value in zip(written_value, answer_value, strict=True):
            if grammar_accepts(item, write_json(value, as_json)):
                written_items.append(written)
                items.append(value)
        line["remarks"].append(
            f"{len(answer_value) - len(items)} of {len(answer_value)} items are not stated there."
        )
        return {
            "answer": write_json(items, as_json),
            "confidences": {},
            "repaired": [*changed_strings(written_items, items)],
        }

    def _may_pass(self, error: BaseException | None) -> bool:
        """Return whether an error came from a server and may be temporary."""
        status = getattr(getattr(error, "__cause__", None), "status_code", None)
        is_servers = getattr(error, "where", "") == getattr(self.writer, "url", None)
        return is_servers and status not in _REFUSALS

    def _answer_part(self, result: Result, form: TargetForm) -> JsonObject:
        """Return the part of a line for an answer: its JSON text, and the probabilities of its scalars."""
        writer = self.writer
        sure = {}
        if isinstance(writer, Local) and not self.typed_options.sampling.strategies:
            confidences = confidences_of(
                result, form.grammar, writer.engine.tokenizer, self.form.value_pointer
            )
            sure = {path: round(confidence.probability, 6) for path, confidence in confidences.items()}
        return {"answer": result.text, "confidences": sure, "repaired": [*result.repairs]}

    def read_value(self, part: JsonMapping) -> Any:
        """Return the list of items, or the object, that a part of a line has."""
        answer = part["answer"]
        return read_exact(unwrap_document(answer) if self.form.is_wrapped else answer)


def _has_repeats(items: list[Any]) -> bool:
    """Return whether at least a third of some items are repetitions. Such a list was cut off because the
    model would never have ended it."""
    return 3 * len({*map(repr, items)}) < 2 * len(items)
