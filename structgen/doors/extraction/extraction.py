"""`Extraction`: what is found in documents, with the places, and how it is made of the answers to pages.

An *item* is one value of the type that the caller asks for. A *page* is a piece of a document that the model
is asked about; a *line* is the answer to it, as a dict. A *place* is where a document states a value.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Generic, TypeVar, get_args, get_origin
from urllib.parse import quote

from structgen.asking.documents.documents import TextDocument
from structgen.asking.documents.sheets import Sheet, sheet_finder
from structgen.asking.grounding.result_texts import AnyPath, ResultTexts, write_or_return
from structgen.asking.pages.html_pages import format_count
from structgen.asking.python_types.type_hints import TypeReader, read_type
from structgen.base.errors import GenerationError, NotStatedError, OptionError, ValidatorError
from structgen.base.json_text.exact_json import Json, JsonMapping
from structgen.base.json_text.raw_json import write_json
from structgen.base.system.output_files import check_path
from structgen.doors.extraction.extract_options import ExtractSettings
from structgen.doors.extraction.extraction_page import page_of
from structgen.doors.extraction.extraction_tables import build_table, to_csv, to_jsonl
from structgen.doors.extraction.found_items import FoundItem, Items, PageAnswer, add_sheets, as_json
from structgen.doors.extraction.merging import keys_of, merge_answers
from structgen.doors.extraction.page_asking import Page, PageQuestion
from structgen.doors.extraction.page_schema import count_fault, find_unstated, without_needless_nulls
from structgen.doors.extraction.unasked_pages import UnaskedPiece, name_piece, unasked_remarks

R = TypeVar("R")
_CURE: Final = " Set unverified=True to ask about such pieces."
_UNSTATED: Final = "The document does not state "
"""The beginning of the error of an item whose required value no piece states, before the path."""
_COUNTS: Final = ("tokens", "prompt_tokens", "requests")
"""The members of lines that are added up."""


@dataclass(frozen=True, slots=True)
class FailedPage:
    """A piece that has no answer: the characters `start` to `end` of its document, and the last error.
    `page`: its number. For a document that could not be read, `page`, `start` and `end` are 0."""

    document: str
    page: int
    start: int
    end: int
    error: str
    sheet: Sheet | None = None
    """The sheet at which the piece begins, as of a `FoundValue`."""

    def __str__(self) -> str:
        if not self.page:
            return self.error
        return f"{name_piece(self.page, self.sheet)} of {self.document!r} failed ({self.error})"


@dataclass(frozen=True, eq=False, repr=False)
class Extraction(ResultTexts, Sequence[FoundItem], Generic[R]):
    """What is found in documents: a sequence of items, each with its places. Made by `sg.extract`."""

    items: tuple[FoundItem, ...]
    """The items, in the order of the documents, and in a document in the order of their first places."""
    doubtful: tuple[FoundItem, ...]
    """The items whose probability is below `least_confidence`. They are not a part of `value`."""
    documents: tuple[TextDocument, ...]
    """The documents that could be read. Places count characters of their texts."""
    pages: int
    """How many pieces the documents were cut into."""
    asked: int
    """How many pieces the model was asked about, and answered."""
    unasked: tuple[UnaskedPiece, ...]
    """The pieces, and halves of pieces, that the model was not asked about, because they do not state a value
    that each item must have."""
    failed: tuple[FailedPage, ...]
    """The documents that could not be read, and the pieces without an answer."""
    remarks: tuple[str, ...]
    """Sentences about what the readers of documents left out or guessed, and about answers that are
    incomplete."""
    tokens: int
    """The number of tokens of all answers."""
    prompt_tokens: int
    requests: int
    _done: int
    """The number of pieces that were answered, failed, or need not be asked about."""
    _values: Mapping[str, Any]
    """The value of each document, by its name: the object, the list of items, or the error that there is
    none."""
    is_limited: bool
    """Whether `max_requests` ended the work."""

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, at: Any) -> Any:
        return self.items[at]

    def __repr__(self) -> str:
        counts = f"{format_count(len(self), 'item')} of {format_count(len(self.documents), 'document')}"
        return f"<Extraction of {counts}; write(path) writes its page>"

    @property
    def is_complete(self) -> bool:
        """Whether all documents could be read, no piece failed, and nobody stopped the work. Each piece then
        has an answer, or states too little to be asked about."""
        return not self.failed and not self.is_stopped

    @property
    def is_stopped(self) -> bool:
        """Whether pieces were not asked, because somebody stopped the work, or `max_requests` ended it."""
        return self._done < self.pages

    @property
    def value(self) -> R:
        """The object of the only document, or the list of its items. Raises OptionError if there are several
        documents, NotStatedError if no piece states a required field, and GenerationError if the type refuses
        the object."""
        count = len(self.documents) + sum(not part.page for part in self.failed)
        if count != 1:
            fault = f"The result has {count} documents."
            raise OptionError(fault, where="value", cure="Use .values, which has them by name.")
        return self.values[self.documents[0].name]

    @property
    def values(self) -> dict[str, R]:
        """The value of each document that could be read, by its name: its object, or the list of its items.
        Raises the errors of `value`, except the one about several documents."""
        for value in self._values.values():
            if isinstance(value, GenerationError):
                raise value
        return dict(self._values)

    def told_missing(self) -> str:
        """Return a sentence about documents that could not be read and pieces that have no answer; "" if
        there are none."""
        clauses = [*map(str, self.failed[:3])]
        if further_count := len(self.failed) - len(clauses):
            clauses.append(f"{further_count:,} more failed")
        if unasked_count := self.pages - self._done:
            clauses.append(f"{format_count(unasked_count, 'piece')} of {self.pages:,} were not asked")
        return "; ".join(clauses)

    def to_jsonl(self, path: AnyPath | None = None) -> Any:
        """Write a line of JSON for each item, with its value, places, confidences, conflicts, pieces
        (`pages`) and sheets, or return these lines. `to_json` makes an array of the same objects."""
        return write_or_return(path, to_jsonl(self.items))

    def _json_text(self) -> str:
        return f"[{','.join(to_jsonl(self.items).splitlines())}]"

    def _csv_text(self, formulas: bool) -> str:
        """Return a line for each item, and a column for each field."""
        return to_csv(self.items, formulas=formulas)

    def table(self) -> Any:
        """Return a `pandas.DataFrame` of the rows of `to_csv`. Raises StructgenError where pandas is not
        installed (the extra `tables`)."""
        return build_table(self.items)

    def page(self) -> str:
        """Return one file of HTML: the documents with marks, and a table of the items beside them. Its links
        to PDFs lead there from the working folder."""
        return self._page_in(Path())

    def _page_in(self, folder: Path) -> str:
        """Return the page whose links lead to PDFs from a folder."""
        return page_of(
            {text.name: text.text for text in self.documents},
            self.items,
            [*filter(None, (self.told_missing(), *self.remarks))],
            self.doubtful,
            {text.name: _link_to(text.path, folder) for text in self.documents if text.sheets and text.path},
        )

    def to_html(self, path: AnyPath | None = None) -> Any:
        """Write the page of the result, or return its text. Its links lead to PDFs from the page's folder, or
        else from the working folder."""
        folder = Path() if path is None else check_path("path", path).parent
        return write_or_return(path, self._page_in(folder))

    def _text_of(self, ending: str) -> str:
        """Return lines of JSON, for a path that names no table and no page."""
        return to_jsonl(self.items)


def _link_to(path: Path, folder: Path) -> str:
    """Return the address of a file for a page in a folder: relative, or whole where no relative one leads to
    another drive."""
    try:
        # a colon, a slash and the like in a name are escaped, so that the address is one of a file
        return quote(os.fsencode(Path(os.path.relpath(path, folder)).as_posix()))
    except ValueError:
        return path.as_uri()


class _Objects:
    """Makes objects of the caller's type from the values that pages give."""

    def __init__(self, question: PageQuestion) -> None:
        form = question.form
        self._is_list = question.is_list
        self._schema = question.plain_schema
        self._holds = question.allows_value
        self._whole_reader: TypeReader[Any] | None = form.reader
        is_annotated = get_origin(form.hint) is Annotated
        hint = get_args(form.hint)[0] if is_annotated else form.hint
        args = get_args(hint)
        # a tuple of fixed length, such as tuple[int, str], has no single type of its items
        is_open_tuple = args[1:] == (...,)
        is_list = len(args) == 1 and get_origin(hint) is not tuple
        has_items = is_open_tuple or is_list
        self._item_reader = read_type(args[0]) if self._is_list and has_items else None

    def add_object(self, item: FoundItem) -> FoundItem:
        """Return an item with its object (`made`), or with the reason why there is none (`error`)."""
        reader = self._item_reader if self._is_list else self._whole_reader
        value = item.value if self._is_list else without_needless_nulls(item.value, self._schema)
        if not self._is_list and (fault := self._find_fault(value)):
            return replace(item, error=fault)
        try:
            return replace(item, made=_read_value(value, reader))
        except ValidatorError as error:
            nulls = {field.path for field in item.fields if field.value is None}
            # the type refuses a null where no page states the value
            if error.where in nulls:
                return replace(item, error=f"{_UNSTATED}{error.where or 'a value'}.")
            return replace(item, error=str(error))

    def _find_fault(self, value: Json) -> str:
        """Return why the schema does not allow the value of a document; "" if it does. It is called for a
        target that is a schema and not a Python type. The model was held to the parts of the schema, but not
        to the whole."""
        if self._whole_reader is not None:
            return ""
        if self._is_list:
            assert isinstance(value, list), "it is made of items"
            return count_fault(value, self._schema, self._holds)
        path = find_unstated(value, self._schema, self._schema, self._holds)
        return "" if path is None else f"{_UNSTATED}{path or 'a value'}."

    def document_value(self, items: Items, document: TextDocument) -> Any:
        """Return the object of a document, or the list of its items, or the error that it has none."""
        cure = "Check .items, or relax the type."
        if not self._is_list:
            nothing = FoundItem(document.name, None, (), error=f"{_UNSTATED}a value.")
            item = items[0] if items else nothing
            if not item.error:
                return item.made
            # that no piece states a value is a NotStatedError of its own, which has the texts
            if item.error.startswith(_UNSTATED):
                nulls = [field.path for field in item.fields if item.error == f"{_UNSTATED}{field.path}."]
                advice = "Make the field optional (`| None`), or mark a conclusion with sg.Inferred."
                texts = {document.name: document.text}
                return NotStatedError(item.error, path=nulls[0] if nulls else "", texts=texts, cure=advice)
            return GenerationError(item.error, text=write_json(item.value, as_json), cure=cure)
        sound: list[Json] = [item.value for item in items if not item.error]
        try:
            fault = self._find_fault(sound)
            return _read_value(sound, self._whole_reader) if not fault else GenerationError(fault, cure=cure)
        except ValidatorError as error:
            return GenerationError(str(error), cure=cure)


def _read_value(value: Json, reader: TypeReader[Any] | None) -> Any:
    """Return the object that a type's reader makes of a value. Without a reader, return the plain value, with
    an int for each whole number."""
    text = write_json(value, as_json)
    return json.loads(text) if reader is None else reader.read_document(text)


def extraction_of(
    question: PageQuestion,
    documents: Sequence[TextDocument],
    pages: Sequence[Page],
    lines: Sequence[JsonMapping],
    settings: ExtractSettings,
    unread: Mapping[str, OptionError],
) -> Extraction[Any]:
    """Return the extraction that the answers to pages make together. The order of the lines does not matter.

    `lines`: the lines of `page_runs`. `settings`: the options of `sg.extract`. `unread`: the error of each
    document that could not be read, by its name. Cost: reading the pages, then near n log n in the items.
    """
    find_sheets = {text.name: sheet_finder(text.text, text.sheets) for text in documents}
    line_contents = _Lines(question, pages, lines, find_sheets)
    objects = _Objects(question)
    keys = keys_of(question.item_schema)
    values = dict[str, Any]()
    items = list[FoundItem]()
    doubtful = list[FoundItem]()
    remarks = list[str]()
    for document in documents:
        answers = line_contents.answers[document.name]
        sure = list[FoundItem]()
        for item in merge_answers(
            _of_one_shape(answers) if question.is_union else answers,
            document.text,
            is_object=not question.is_list,
            keys=keys,
            mode=settings.merge,
        ):
            item = objects.add_object(add_sheets(item, find_sheets[document.name]))
            confidences = (field.confidence for field in item.fields if field.confidence is not None)
            # the only object of a document is its value, however unsure the model is
            is_sure = not question.is_list or math.prod(confidences) >= settings.least_confidence
            (sure if is_sure else doubtful).append(item)
        values[document.name] = objects.document_value(sure, document)
        items += sure
        remarks += _remarks_of(document, sure)
    texts = {document.name: document.text for document in documents}
    return Extraction(
        items=tuple(items),
        doubtful=tuple(doubtful),
        documents=tuple(documents),
        pages=len(pages),
        asked=line_contents.asked,
        unasked=tuple(line_contents.unasked),
        failed=(
            *(FailedPage(name, 0, 0, 0, str(error)) for name, error in unread.items()),
            *line_contents.failed,
        ),
        remarks=(
            *remarks,
            *unasked_remarks(line_contents.unasked, texts, "" if question.unverified else _CURE),
            *line_contents.remarks,
        ),
        **{name: line_contents.counts[name] for name in _COUNTS},
        _done=len(lines),
        _values=values,
        is_limited=False,
    )


def _remarks_of(document: TextDocument, items: Items) -> list[str]:
    """Return the remarks about a document, each with its name: those of its reader, and one for items that
    the type refuses."""
    remarks = [*document.remarks, *(f"An item was refused: {item.error}" for item in items if item.error)]
    if not remarks and not document.text.strip():
        remarks = ["The document contains no text."]
    return [f"{document.name}: {remark}" for remark in remarks]


class _Lines:
    """The contents of the lines of pages, in the order of the pages."""

    def __init__(
        self,
        question: PageQuestion,
        pages: Sequence[Page],
        lines: Sequence[JsonMapping],
        find_sheets: Mapping[str, Callable[[int], Sheet | None]],
    ) -> None:
        self.answers = defaultdict[str, list[PageAnswer]](list)
        self.failed = list[FailedPage]()
        self.remarks = list[str]()
        self.unasked = list[UnaskedPiece]()
        self.asked = 0
        self.counts = Counter[str]()
        by_key = {line["page"]: line for line in lines}
        for page in pages:
            # a page without a line was not asked about, because the work ended before
            if (line := by_key.get(page.key)) is None:
                continue
            self.counts.update({name: line[name] for name in _COUNTS})
            find_sheet = find_sheets[page.document]
            for piece in line["unasked"]:
                sheet = find_sheet(piece["start"])
                self.unasked.append(UnaskedPiece(page.document, page.number, **piece, sheet=sheet))
            sheet = find_sheet(page.start)
            self.asked += "error" not in line and line["requests"] > 0
            if "error" in line:
                span = page.document, page.number, page.start, page.end
                self.failed.append(FailedPage(*span, line["error"], sheet))
            piece_name = name_piece(page.number, sheet)
            self.remarks += [f"{page.document}, {piece_name}: {remark}" for remark in line["remarks"]]
            for part in line["parts"]:
                span = page.document, page.number, part["start"], part["end"]
                is_exact = question.typed_options.quotes == "exact"
                repaired = None if is_exact else part.get("repaired", ())
                answer = PageAnswer(
                    *span, question.read_value(part), part["confidences"], question.unverified, repaired
                )
                self.answers[page.document].append(answer)


def _of_one_shape(answers: Sequence[PageAnswer]) -> list[PageAnswer]:
    """Return the answers about one object that have the same member names as the likeliest answer.

    If the type is a union, pages may have answered by different alternatives of it. Only one can be used.
    """
    shapes = defaultdict[frozenset[str], list[PageAnswer]](list)
    for answer in answers:
        if isinstance(answer.value, dict):
            # the alternatives of a union are told apart by the names of their members
            shapes[frozenset(answer.value)].append(answer)

    def shape_likelihood(shape: frozenset[str]) -> float:
        return max(math.prod(answer.confidences.values()) for answer in shapes[shape])

    return shapes[max(shapes, key=shape_likelihood)] if shapes else [*answers]
