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
from structgen.base.system.installation import needing
from structgen.doors.typed.prompts import PromptSource
from structgen.doors.typed.wanted_forms import WantedForm
from structgen.doors.typed.worked.field_values import by_fields
from structgen.doors.typed.wrapping import WRAPPER, is_object, unwrapped, wrapper_of
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


def spelled(value: Any) -> Iterator[str]:
    """Yield the texts of a plain JSON value, in the order of `SPELLINGS`, with and without exponents. Errors:
    those of `json.dumps`."""
    for how in SPELLINGS:
        yield (text := json.dumps(value, **how))
        if "e" in text and (plain := _EXPONENT.sub(_without_exponent, text)) != text:
            yield plain


def _without_exponent(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else f"{Decimal(found[0]):f}"


class Spelling:
    """How the values of a form are written."""

    def __init__(self, form: WantedForm) -> None:
        self._form = form
        self._is_json = form.grammar is not None and form.grammar.policies is not None

    def written(self, value: Any, where: str) -> WrittenValue:
        """Return what a model shall write for an object of the type, its plain JSON value, or a text.
        `where`: the place of the pair, for errors. Cost: linear in the document.

        Errors: OptionError for a value whose document the type or the grammar refuses, with its place.
        """
        form, faults = self._form, list[tuple[str, str]]()
        if form.grammar is None:
            return WrittenValue(checks.text(where, value), value)
        for text in self._texts(value, where, faults):
            place, fault = self._fault(text)
            if not fault:
                made: Any = json.loads(text) if self._is_json else text
                return WrittenValue(self._sent(text), made[WRAPPER] if form.holder else made)
            faults.append((place, fault))
        place, fault = faults[0]
        raise OptionError(
            f"The value is none of those that are asked for: {fault.rstrip('.')}.",
            where=where + place,
            cure="Mend the value, or the type that it is one of.",
        )

    def read(self, text: str) -> Any:
        """Return the plain JSON value of a text of an outcome that has no error; of no JSON, the text."""
        if not self._is_json or self._form.is_said:
            return text
        return json.loads(unwrapped(text) if self._form.is_wrapped else text)

    def _texts(self, value: Any, where: str, faults: list[tuple[str, str]]) -> Iterator[str]:
        """Yield the texts that may be written for a value. Notes why there are none."""
        form = self._form
        if not self._is_json:
            yield checks.text(where, value)
            return
        try:
            for made in self._plain({WRAPPER: value} if form.holder else value, faults):
                yield from (checks.encodable(where, text) for text in spelled(made))
        except (TypeError, ValueError, RecursionError) as error:
            faults.append(("", f"{checks.shown(value)} is no value of JSON ({error})"))
        if isinstance(value, str):  # it may be the document itself
            yield wrapper_of(value) if form.holder else value

    def _plain(self, held: Any, faults: list[tuple[str, str]]) -> Iterator[Any]:
        """Yield the plain JSON values of a value: as it is, then as its type has it. Notes why there are
        none."""
        if self._form.reader is None:
            yield held
            yield _numerals(held, held)
            return
        # optional: pydantic
        from pydantic_core import PydanticSerializationError, ValidationError

        with suppress(TypeError):
            json.dumps(held)
            yield held
        validator, serializer = self._types
        try:
            made = validator.validate_python(held)
            dump = partial(serializer.to_python, made, by_alias=True, warnings=False)
            yield _numerals(dump(), dump(mode="json"))
            yield by_fields(made)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = "".join(f"/{part}" for part in first["loc"]).removeprefix(self._form.holder)
            faults.append((place, first["msg"]))
        except PydanticSerializationError as error:
            faults.append(("", str(error)))

    @cached_property
    def _types(self) -> tuple[Any, Any]:
        """What makes objects of values of Python, and plain JSON values of objects."""
        # optional: pydantic
        from pydantic_core import SchemaSerializer, SchemaValidator

        assert self._form.reader is not None
        core = self._form.reader.core_schema
        return SchemaValidator(core), SchemaSerializer(core)

    def _fault(self, text: str) -> tuple[str, str]:
        """Return where and why a text is refused, by the type first; "" twice where it is not."""
        form = self._form
        try:
            if form.reader is not None:
                form.reader.read_document(text)
        except ValidatorError as error:
            return error.where, error.what
        return "", fault_in(text, over_bytes(form.grammar))

    def _sent(self, text: str) -> str:
        """Return what a server is asked for, where that holds a text that is no type's in an object."""
        form = self._form
        if not form.wrap or form.reader is not None or is_object(form.schema or {}):
            return text
        return wrapper_of(text if form.spoken is None else json.dumps(text, ensure_ascii=False))


def _numerals(made: Any, said: Any) -> Any:
    """Return the plain JSON value `said` of a value. It has `7` for 7.0, which a grammar may not have, and
    numbers for decimals, unless they have more digits than a float."""
    match made:
        case dict():
            return {key: _numerals(item, said[key]) for key, item in zip(said, made.values(), strict=True)}
        case list() | tuple():
            return [_numerals(*both) for both in zip(made, said, strict=True)]
        case Decimal() if made.is_finite() and Decimal(repr(float(made))) == made:
            return _numerals(float(made), float(made))
        case float() if made.is_integer():
            return int(made)
    return said


class Examples:
    """Examples, and which of them stand before a question."""

    def __init__(self, sources: Sequence[PromptSource], documents: Sequence[str], most: int) -> None:
        """`most`: how many a prompt has; where there are more, those most like the question (BM25)."""
        self._sources, self._documents, self._most = sources, documents, most

    def beside(self, source: PromptSource) -> PromptSource:
        """Return a source with its examples: all in their order, or the most like ones, the most like of them
        last. Cost: the words of the question times the examples. Errors: those of `likeness`."""
        chosen: Sequence[int] = range(len(self._sources))
        if len(chosen) > self._most:
            alike = self._index.get_scores([*dict.fromkeys(_words(source))])
            chosen = sorted(chosen, key=lambda at: (alike[at], -at))[-self._most :]
        return replace(
            source, examples=tuple((self._sources[at].prompt, self._documents[at]) for at in chosen)
        )

    @cached_property
    def _index(self) -> Any:
        """The statistics of words of the examples."""
        return likeness()([_words(source) for source in self._sources])


def likeness() -> Any:
    """Return what tells how like a question texts are (BM25). Errors: StructgenError where it is missing."""
    with needing("To choose examples by their question", "grounded", where="examples"):
        from rank_bm25 import BM25Okapi  # optional: rank-bm25
    return BM25Okapi


def _words(source: PromptSource) -> list[str]:
    """Return the words of a question's arguments, or of its messages; at least one."""
    said = source.values or (str(source.prompt),)
    return [word for text in said for word in _WORD.findall(text.casefold())] or [""]


def written_pairs(form: WantedForm, pairs: Pairs) -> list[WrittenValue]:
    """Return what a model shall write for the values of pairs. Errors: those of `Spelling.written`."""
    spelling = Spelling(form)
    return [spelling.written(pair.value, pair.where) for pair in pairs]
