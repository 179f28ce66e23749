"""Worked examples: the documents of their values, and which of them a prompt has.

What comes in: the form of what is wanted, and pairs (`example_pairs`). What goes out: for each value the
document that the model shall write, checked by the form's grammar and type; for each question its examples.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from functools import cached_property, partial
from typing import Any, Final, NamedTuple

from structgen.asking.request_reading.example_pairs import Pairs
from structgen.base.errors import OptionError, ValidatorError
from structgen.base.language import checks
from structgen.base.system.installation import require_extras
from structgen.doors.typed.prompts import PromptSource
from structgen.doors.typed.target_forms import TargetForm
from structgen.doors.typed.worked.field_values import by_fields
from structgen.doors.typed.wrapping import WRAPPER, is_object, unwrap_document, wrap_document
from structgen.machines.core.string_values import fault_in, over_bytes

SPELLINGS: Final[Sequence[dict[str, Any]]] = tuple(
    {"ensure_ascii": is_ascii, **layout}
    for layout in ({}, {"separators": (",", ":")}, {"indent": 2}, {"indent": 4}, {"indent": "\t"})
    for is_ascii in (False, True)
)
"""Of JSON, for `json.dumps`: the first that the grammar's policies allow is what the model reads."""
_EXPONENT: Final = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.]*[eE][-+]?[0-9]+')
"""In JSON: a string, or a numeral with an exponent."""
_WORD: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")
"""A word; of Chinese and Japanese, which put no space between words, a character."""


class WrittenValue(NamedTuple):
    """What a model shall write for a value."""

    document: str
    """The text that is written, in its wrapper if it has one."""
    value: Any
    """The plain JSON value; of a text that is no JSON, the text."""


def spell_value(value: Any) -> Iterator[str]:
    """Yield the texts of a plain JSON value, in the order of `SPELLINGS`, with and without exponents. Errors:
    those of `json.dumps`."""
    for json_options in SPELLINGS:
        yield (text := json.dumps(value, **json_options))
        # a grammar may have no exponents: 1e+20 has other spellings
        if "e" in text and (plain := _EXPONENT.sub(_without_exponent, text)) != text:
            yield plain


def _without_exponent(match: re.Match[str]) -> str:
    """Return a numeral without its exponent; a string as it is."""
    return match[0] if match[0].startswith('"') else f"{Decimal(match[0]):f}"


class Spelling:
    """The way between the values of a form and their texts."""

    def __init__(self, form: TargetForm) -> None:
        self._form = form
        self._is_json = form.grammar is not None and form.grammar.policies is not None

    def write_value(self, value: Any, where: str) -> WrittenValue:
        """Return the document that a model shall write for a value: an object of the type, its plain JSON
        value, or a text. `where`: the location of the pair, for errors. Cost: linear in the document.

        Errors: OptionError for a value whose document the type or the grammar refuses, with its location.
        """
        form, faults = self._form, list[tuple[str, str]]()
        if form.grammar is None:
            return WrittenValue(checks.check_text(where, value), value)
        for text in self._texts_of_value(value, where, faults):
            pointer, fault = self._find_fault(text)
            if not fault:
                plain_value: Any = json.loads(text) if self._is_json else text
                if form.value_pointer:
                    plain_value = plain_value[WRAPPER]
                return WrittenValue(self._text_as_sent(text), plain_value)
            faults.append((pointer, fault))
        pointer, fault = faults[0]  # of the first spelling, which is the plainest
        raise OptionError(
            f"The value does not match the type: {fault.rstrip('.')}.",
            where=where + pointer,
            cure="Correct the value, or the type.",
        )

    def read_text(self, text: str) -> Any:
        """Return the plain JSON value of the text of an outcome without an error; of a text that is no JSON,
        the text itself."""
        if not self._is_json or self._form.is_text_in_string:
            return text
        return json.loads(unwrap_document(text) if self._form.is_wrapped else text)

    def _texts_of_value(self, value: Any, where: str, faults: list[tuple[str, str]]) -> Iterator[str]:
        """Yield the texts that may be written for a value; add the faults of others to `faults`."""
        form = self._form
        if not self._is_json:
            yield checks.check_text(where, value)
            return
        wrapped = {WRAPPER: value} if form.value_pointer else value
        try:
            for plain_value in self._plain_values(wrapped, faults):
                yield from (checks.check_encodable(where, text) for text in spell_value(plain_value))
        except (TypeError, ValueError, RecursionError) as error:
            faults.append(("", f"{checks.show_value(value)} is not a JSON value ({error})"))
        if isinstance(value, str):  # it may be the document itself
            yield wrap_document(value) if form.value_pointer else value

    def _plain_values(self, value: Any, faults: list[tuple[str, str]]) -> Iterator[Any]:
        """Yield the plain JSON values of a value: as it is, then as its type has it. Add the reason to
        `faults` where the type has none."""
        if self._form.reader is None:
            yield value
            yield _simplify_numbers(value, value)
            return
        # optional: pydantic
        from pydantic_core import PydanticSerializationError, ValidationError

        with suppress(TypeError):  # an object of the type is no JSON yet
            json.dumps(value)
            yield value
        validator, serializer = self._type_converters
        try:
            instance = validator.validate_python(value)
            dump = partial(serializer.to_python, instance, by_alias=True, warnings=False)
            yield _simplify_numbers(dump(), dump(mode="json"))
            yield by_fields(instance)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            pointer = "".join(f"/{part}" for part in first["loc"]).removeprefix(self._form.value_pointer)
            faults.append((pointer, first["msg"]))
        except PydanticSerializationError as error:
            faults.append(("", str(error)))

    @cached_property
    def _type_converters(self) -> tuple[Any, Any]:
        """The validator and the serializer of pydantic: from values to objects, and to plain JSON values."""
        # optional: pydantic
        from pydantic_core import SchemaSerializer, SchemaValidator

        assert self._form.reader is not None
        core = self._form.reader.core_schema
        return SchemaValidator(core), SchemaSerializer(core)

    def _find_fault(self, text: str) -> tuple[str, str]:
        """Return the JSON pointer and the reason of a refusal, by the type first; ("", "") for a text that is
        accepted."""
        form = self._form
        try:
            if form.reader is not None:
                form.reader.read_document(text)
        except ValidatorError as error:
            return error.where, error.what
        return "", fault_in(text, over_bytes(form.grammar))

    def _text_as_sent(self, text: str) -> str:
        """Return the document as a server is asked for it: a text of no type is wrapped into an object."""
        form = self._form
        if not form.wrap or form.reader is not None or is_object(form.schema or {}):
            return text
        return wrap_document(text if form.string_schema is None else json.dumps(text, ensure_ascii=False))


def _simplify_numbers(value: Any, plain_value: Any) -> Any:
    """Return the plain JSON value of a value, with `7` for 7.0, which a grammar may not have. Decimals are
    numbers, unless they have more digits than a float. `plain_value`: the value as pydantic dumps it."""
    match value:
        case dict():
            # JSON's keys are strings: the two differ in keys, and not in their order
            items = zip(plain_value, value.values(), strict=True)
            return {key: _simplify_numbers(item, plain_value[key]) for key, item in items}
        case list() | tuple():
            return [_simplify_numbers(*both) for both in zip(value, plain_value, strict=True)]
        case Decimal() if value.is_finite() and Decimal(repr(float(value))) == value:
            return _simplify_numbers(float(value), float(value))
        case float() if value.is_integer():
            return int(value)
    return plain_value


class Examples:
    """Examples, and the choice of those that stand before a question."""

    def __init__(self, sources: Sequence[PromptSource], documents: Sequence[str], max_count: int) -> None:
        """`max_count`: the number of examples in a prompt. Where there are more, it has those that are most
        like the question, by BM25 (Robertson and Zaragoza 2009)."""
        self._sources, self._documents, self._max_count = sources, documents, max_count

    def add_examples(self, source: PromptSource) -> PromptSource:
        """Return a source with its examples: all in their order, or the most similar ones, the most similar
        last. Cost: the words of the question times the examples. Errors: those of `load_text_similarity`."""
        chosen: Sequence[int] = range(len(self._sources))
        if len(chosen) > self._max_count:
            words = [*dict.fromkeys(_question_words(source))]
            similarities = self._word_statistics.get_scores(words)
            # of equally similar ones the first counts more; the model reads the best one last
            ranked = sorted(chosen, key=lambda index: (similarities[index], -index))
            chosen = ranked[-self._max_count :]
        examples = tuple((self._sources[index].prompt, self._documents[index]) for index in chosen)
        return replace(source, examples=examples)

    @cached_property
    def _word_statistics(self) -> Any:
        """The statistics of words of the examples."""
        return load_text_similarity()([_question_words(source) for source in self._sources])


def load_text_similarity() -> Any:
    """Return the class that ranks texts by a question (BM25). Errors: StructgenError where its package is not
    installed."""
    with require_extras("To choose examples by their question", "grounded", where="examples"):
        from rank_bm25 import BM25Okapi  # optional: rank-bm25
    return BM25Okapi


def _question_words(source: PromptSource) -> list[str]:
    """Return the words of a question's arguments, or of its messages; at least one."""
    texts = source.values or (str(source.prompt),)
    return [word for text in texts for word in _WORD.findall(text.casefold())] or [""]


def write_pair_values(form: TargetForm, pairs: Pairs) -> list[WrittenValue]:
    """Return the documents that a model shall write for the values of pairs. Errors: those of
    `Spelling.write_value`."""
    spelling = Spelling(form)
    return [spelling.write_value(pair.value, pair.where) for pair in pairs]
