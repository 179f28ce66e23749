"""What a model is asked about one page, and its answer.

The words that are the same for all pages stand first in each prompt: the instruction, the outline of the
type, the worked examples, then the page. So an engine and a server read them once. A page that does not fit,
or whose list of items was cut off by `max_tokens`, is asked by halves that overlap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Final

from structgen.asking.documents.page_cuts import cut
from structgen.asking.grounding.grounded_grammar import schema_grammar_of
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
    within,
)
from structgen.base.json_text.exact_json import Json, read, target_of, write
from structgen.base.json_text.raw_json import written
from structgen.decoding.engine.requests import FinishReason, Result
from structgen.decoding.engine.searches.confidence import confidences_of
from structgen.doors.extraction.extract_options import LEAST_PAGE
from structgen.doors.extraction.extraction_tables import as_json
from structgen.doors.extraction.page_schema import (
    ARRAYS,
    OF_ALL_ITEMS,
    referred,
    resolved,
    with_nullable_members,
    without_counts,
)
from structgen.doors.extraction.unasked_pages import unasked_piece
from structgen.doors.typed.functions import obtain_outcome
from structgen.doors.typed.local import Local
from structgen.doors.typed.options import TypedOptions
from structgen.doors.typed.prompts import PromptSource, narrow_task
from structgen.doors.typed.target_forms import TargetForm, WritingTask
from structgen.doors.typed.worked.worked_examples import Examples, Spelling
from structgen.doors.typed.wrapping import unwrap_document
from structgen.doors.typed.writers import Preparation, Writer
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar
from structgen.machines.core.matcher import Matcher
from structgen.machines.core.string_values import accepts, over_bytes
from structgen.schema.reading.policies import WIDEST, Policies

_PAGE, _SMALL_PAGE, _SENTENCE = 1_000, 80, 30
"""Tokens of a page where nobody says how many, fewer where the context leaves fewer. The second is for the
small models that our own forward pass runs, which find more on small pages; the third for lists of the
embedded models, which were trained on single sentences (decision 102)."""
_LONG: Final = 400
"""Pages of so many tokens have a twentieth in common, where nobody says how many. Shorter ones, which end
where sentences do, have none: half sentences cost small models more than items at borders (decision 102)."""
_BYTES_A_TOKEN: Final = 3
"""Of a server, whose tokenizer is not known: texts have four in most languages."""
_TRIES: Final = 3
"""A page that fails so often has no answer."""
_REFUSALS: Final = (400, 413, 422)
"""The statuses of a request that is refused for what it says, such as a prompt that is too long."""
PAUSE: Final = 1.0
"""Seconds before a server is asked again; each time twice as many."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a document: its characters `start` to `end`."""

    document: str
    number: int
    """From 1 in its document."""
    start: int
    end: int
    text: str

    @property
    def key(self) -> str:
        """The name of its line in a file of answers."""
        return f"{self.document}:{self.number}"


@dataclass(frozen=True)
class PageQuestion:
    """What is asked about each page. It can be sent to other machines, if its model is a name."""

    model: Any
    target: Any
    prompt: str | None
    options: Mapping[str, Any]
    """Of `TypedOptions`; `examples` among them."""
    overlap: int = 0
    """Tokens that the halves of a page have in common."""
    at_once: int = 8
    unverified: bool = False
    """Whether a page may also state what it only looks as if it stated (`guesses_of`)."""

    @cached_property
    def _prepared(self) -> Preparation:
        return Preparation(self.model, None, self.options)

    def __reduce__(self) -> Any:
        """Pickle what was given alone: the model is loaded where it is asked."""
        return PageQuestion, tuple(getattr(self, field.name) for field in fields(self))

    @property
    def said(self) -> TypedOptions:
        """The options, read."""
        return self._prepared.options

    @cached_property
    def writer(self) -> Writer:
        """What asks the model."""
        return self._prepared.writer()

    @cached_property
    def form(self) -> TargetForm:
        """The form of all items of a document, or of its object. Errors: those of `form_of`; OptionError for
        free text, for a grammar that no schema says, and for lists with items of several kinds by place."""
        form = replace(self._prepared.read_form(self.target), items=False)
        schema_grammar_of(form.grammar, "target")
        if "prefixItems" in (form.schema or {}):
            cure = "Ask for an object with a name for each, or for list[T]."
            raise OptionError("A tuple of several kinds is no list of items.", where="target", cure=cure)
        return form

    @cached_property
    def is_list(self) -> bool:
        """Whether a document has any number of items, and not one object."""
        return self.plain_schema.get("type") in ARRAYS

    @cached_property
    def plain_schema(self) -> dict[str, Any]:
        """The JSON Schema of the items together, or of the object, without what may hold it."""
        schema = self.form.schema or {}
        if self.form.is_wrapped:
            held = schema["properties"][self.form.value_pointer[1:]]
            schema = {**{key: member for key, member in schema.items() if key == "$defs"}, **held}
        root = resolved(schema, schema)[0]
        return {**referred(schema), **root} if root.get("type") in ARRAYS else schema

    @cached_property
    def item_schema(self) -> dict[str, Any]:
        """The JSON Schema of one item, or of the object."""
        schema = self.plain_schema
        items = schema.get("items") if self.is_list else schema
        return {**referred(schema), **(items if isinstance(items, dict) else {})}

    def holds(self, part: Any, value: Json) -> bool:
        """Tell whether a value is one of a part of the schema."""
        whole = {**referred(self.plain_schema), **part} if isinstance(part, Mapping) else part
        policies = replace(self._grammar.policies, property_order="any", whitespace="any")
        return accepts(over_bytes(self._grammar.in_place_of(whole).under(policies)), write(value))

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

        def changed(inner: Any) -> Any:
            made = inner.in_place_of(change(inner.schema))
            made.reader = None
            return made

        assert form.grammar is not None, "it was looked at"
        return replace(form, reader=None, grammar=form.grammar.inside(changed))

    @cached_property
    def wanted(self) -> WritingTask:
        """What the model is asked for."""
        return WritingTask(self.page_form, self.said, is_async=True)

    @cached_property
    def _one(self) -> WritingTask:
        """One item, or what a page says of the object: a text that does not state it has nothing."""
        if not self.is_list:
            return self.wanted
        return replace(self.wanted, form=TargetForm(grammar=self._grammar.in_place_of(self.item_schema)))

    @property
    def _named_schema(self) -> Mapping[str, Any]:
        """The schema of an item, or what it refers to."""
        schema = self.item_schema
        return (target_of(schema, str(schema["$ref"])) or {}) if "$ref" in schema else schema

    @property
    def is_union(self) -> bool:
        """Whether a document has one value, and none of an object whose members are known."""
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
        pairs = self.said.examples
        if not pairs:
            return None
        sources = [self._example(pair) for pair in pairs]
        return Examples(sources, [document for _, document in self.example_texts], pairs.most)

    @cached_property
    def example_texts(self) -> list[tuple[Any, str]]:
        """The texts of the examples, and the documents that answer them: less than the type asks for is what
        a page may say. Errors: OptionError for a value that is none of what is asked for."""
        forms = Spelling(self.form), Spelling(self.page_form)

        def document(pair: Pair) -> str:
            try:
                return forms[0].write_value(pair.value, pair.where).document
            except OptionError as error:
                with suppress(OptionError):
                    return forms[1].write_value(pair.value, pair.where).document
                raise error from None

        return [(pair.call[0], document(pair)) for pair in self.said.examples]

    def _example(self, pair: Pair) -> PromptSource:
        """Return the source of an example's text. Errors: OptionError for what is no text."""
        arguments, named = pair.call
        if len(arguments) != 1 or named or not isinstance(arguments[0], str):
            cure = 'Write examples=[("Ada is 36.", [Person(...)]), ...].'
            raise OptionError("It has no text.", where=pair.where, cure=cure)
        with within(pair.where):
            return self._asked(arguments[0])

    def _asked(self, text: str) -> PromptSource:
        begun = "" if self._is_trained else self.instruction
        prompt = f"{begun}\n\n{text}" if begun else text
        named = (("page", text),)
        return PromptSource(prompt, (text,), neutral=self.instruction, named_values=named, instruction=begun)

    @cached_property
    def _is_trained(self) -> bool:
        """Whether the model is one that was trained on texts without an instruction."""
        return isinstance(self.writer, Local) and self.writer.engine.prompts.is_embedded

    def source(self, text: str) -> PromptSource:
        """Return the prompt of a page, with its examples. Errors: those of `sg.run`."""
        source = self._asked(text)
        return source if self._examples is None else self._examples.add_examples(source)

    # --- sizes ----------------------------------------------------------------------------------------------

    @cached_property
    def count(self) -> Callable[[str], int]:
        """Returns the tokens of a text; of a server, an estimate that is seldom too low."""
        writer = self.writer
        if isinstance(writer, Local):
            tokenizer = writer.engine.tokenizer
            return lambda text: len(tokenizer.encode(text.encode()))
        return lambda text: -(-len(text.encode()) // _BYTES_A_TOKEN)

    def page_size(self, page: int | None, overlap: int | None) -> tuple[int, PageQuestion]:
        """Return the most tokens of a page, and the question with the tokens that two pages have in common,
        and that an answer may have. Errors: OptionError for sizes that contradict each other, and where the
        context has no room for a page."""
        writer, said = self.writer, self.said
        context, usual = 1 << 20, _PAGE
        if isinstance(writer, Local):
            # optional: torch
            from structgen.decoding.engine.forward_pass.llama import Llama

            context = writer.engine.model.context
            if self._is_trained and self.is_list:
                usual = _SENTENCE
            elif isinstance(writer.engine.model, Llama):
                usual = _SMALL_PAGE
        wanted = page or usual
        answer = said.max_tokens or min(max(2 * wanted + 64, 0 if self.is_list else 512), context // 4)
        plain = replace(self.wanted, options=replace(said, grounded=False, quotes=False))
        most = min(wanted, context - answer - self.count(writer.prompt_text(plain, self.source(""))))
        if most < LEAST_PAGE:
            raise OptionError(
                "The prompt, its outline, the examples and the answer leave no room for a page in a context "
                f"of {context:,} tokens.",
                where="page",
                cure="Lower max_tokens, give fewer examples, or take a model with a longer context.",
            )
        shared = (most // 20 if most >= _LONG else 0) if overlap is None else overlap
        if 2 * shared >= most:
            what = f"Pages of {most:,} tokens cannot have {shared:,} in common."
            raise OptionError(what, where="overlap", cure="Give less than half of a page.")
        return most, replace(self, overlap=shared, options={**self.options, "max_tokens": answer})

    # --- asking ---------------------------------------------------------------------------------------------

    def check(self, text: str) -> None:
        """Warn of what `grounded` does not know of the type, and raise the errors that all pages would have:
        those of the type, the options and the examples, and BudgetError where no item, or no object, fits an
        answer. `text`: the first page."""
        if isinstance(writer := self.writer, Local):
            whole = self._one.form.grammar if self.is_list else self.form.grammar
            assert whole is not None, "free text was refused"
            least, most = Matcher(writer.engine.compiled(whole)).tokens_to_finish(), self.said.max_tokens
            if most is not None and least > most:
                raise BudgetError(
                    f"An answer has at most {most:,} tokens, and the shortest item has {least:,}.",
                    minimum=least,
                    where="max_tokens",
                    cure=f"Give at least {least:,}.",
                )
        with suppress(NotStatedError):
            narrow_task(self.wanted, self.source(text))

    async def answer(self, page: Page) -> dict[str, Any]:
        """Return the line of a page: what its parts say, or the error with which it failed. Errors: those
        that no other page would be spared: a BudgetError, an OptionError."""
        line: dict[str, Any] = {"page": page.key, "start": page.start, "end": page.end, "parts": []}
        line |= {"prompt_tokens": 0, "tokens": 0, "requests": 0, "remarks": [], "unasked": []}
        left = [(page.start, page.end)]
        while left:
            start, end = left.pop(0)
            text = page.text[start - page.start : end - page.start]
            answer, why = await self._ask_piece(text, start, line)
            is_cut = answer is None or (self.is_list and not _repeats(self.value(answer)))
            is_long = is_cut and not (isinstance(why, GenerationError) and self._may_pass(why.__cause__))
            halves = [*self._halves(text)] if why and is_long else []
            if halves:
                left[:0] = [(start + half.start, start + half.end) for half in halves]
                continue
            if isinstance(why, StructgenError):
                return {**line, "error": str(why)}
            if why:
                line["remarks"].append(why)
            if answer is not None:
                line["parts"].append({"start": start, "end": end, **answer})
        return line

    def _halves(self, text: str) -> Iterator[Any]:
        """Yield the halves of a page, which overlap; nothing where it is too short for that."""
        most = self.count(text) // 2 + self.overlap
        if most >= max(LEAST_PAGE, 2 * self.overlap + 1) and most < self.count(text):
            yield from cut(text, self.count, most, self.overlap)

    async def _ask_piece(self, text: str, start: int, line: dict[str, Any]) -> tuple[Any, Any]:
        """Return what a model says of a text, None where the text states nothing, and why it is not all of
        it: a sentence, an error, or "". Adds to the counts of a line, and to what was not asked of it.
        `start`: where the text stands in the document."""
        source = self.source(text)
        stated = unverified_text(source.named_values) if self.unverified else None
        try:
            of_item = narrow_task(self._one, source, is_again=True, stated=stated)
            held = narrow_task(self.wanted, source, is_again=True, stated=stated)
        except NotStatedError as error:  # nothing can be said of it: the model is not asked
            line["unasked"].append(unasked_piece(error, stated_text(source.named_values), start))
            return None, ""
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(PAUSE * 2 ** (attempt - 1))
            try:
                outcome = await obtain_outcome(self.writer, held, source)
            except OptionError as refusal:
                if refusal.where not in ("prompt", "max_tokens"):
                    raise
                return None, refusal  # it does not fit the context
            usage = outcome.usage
            line["prompt_tokens"] += usage.prompt_tokens
            line["tokens"] += usage.tokens
            line["requests"] += outcome.attempts
            if not self._may_pass(outcome.result.error):
                break
        if isinstance(self.writer, Local) and held.form.grammar is not None:
            self.writer.engine.let_go_of(held.form.grammar)
        if usage.outline and usage.outline not in line["remarks"]:
            line["remarks"].append(usage.outline)
        result, why = outcome.result, ""
        # of an answer that the type refuses, the items are judged one by one when all pages have an answer
        if outcome.error is not None and not (result.error is None and result.text):
            stated = self._stated_items(result, of_item.form, line)
            return (None, outcome.error) if stated is None else (stated, "")
        if result.finish_reason in (FinishReason.STEERED, FinishReason.MAX_TOKENS):
            why = f"The answer was cut at {self.writer.bound}."
        return self._written(result, held.form), why

    def _stated_items(self, result: Result, form: TargetForm, line: dict[str, Any]) -> Any:
        """Return, of a list that the text does not state, the items that it does state: of a server, nothing
        holds the answers to the text. None for what is no list. `form`: that of one item."""
        if not isinstance(result.error, ValidatorError) or not self.is_list or form.grammar is None:
            return None
        grammar = form.grammar.innermost
        assert isinstance(grammar, JsonSchemaGrammar), "it was looked at"
        try:
            said = self.value({"answer": result.text})
        except SchemaError:
            return None
        if not isinstance(said, list):
            return None
        widest: Mapping[str, Any] = WIDEST
        item = over_bytes(grammar.under(Policies(**widest)))
        items = [value for value in said if accepts(item, written(value, as_json))]
        line["remarks"].append(f"{len(said) - len(items)} of {len(said)} items are not stated there.")
        return {"answer": written(items, as_json), "confidences": {}}

    def _may_pass(self, error: BaseException | None) -> bool:
        """Tell whether an error is a server's, and may pass."""
        status = getattr(getattr(error, "__cause__", None), "status_code", None)
        is_servers = getattr(error, "where", "") == getattr(self.writer, "url", None)
        return is_servers and status not in _REFUSALS

    def _written(self, result: Result, form: TargetForm) -> dict[str, Any]:
        """Return the document of an answer as text, and how sure the model was of its scalars."""
        writer, sure = self.writer, {}
        if isinstance(writer, Local) and not self.said.sampling.strategies:
            confidences = confidences_of(
                result, form.grammar, writer.engine.tokenizer, self.form.value_pointer
            )
            sure = {path: round(confidence.probability, 6) for path, confidence in confidences.items()}
        return {"answer": result.text, "confidences": sure}

    def value(self, part: Mapping[str, Any]) -> Any:
        """Return the list of items, or the object, that a part of a line says."""
        answer = part["answer"]
        return read(unwrap_document(answer) if self.form.is_wrapped else answer)


def _repeats(items: list[Any]) -> bool:
    """Tell whether a third of some items are repetitions: the list was cut off because it has no end."""
    return 3 * len({*map(repr, items)}) < 2 * len(items)
