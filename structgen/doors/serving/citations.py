"""Anthropic's citations: the places of documents that state the values of an answer."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

from structgen.asking.grounding.stated_text import stated_text
from structgen.asking.request_reading.document_parts import PartDocument, name_documents
from structgen.asking.tool_calls.tool_shapes import JsonObject
from structgen.base.json_text.exact_json import read_exact

MOST_CITED: Final = 5
"""The most citations of a value."""


def citations_of(text: str, documents: Sequence[PartDocument]) -> list[JsonObject]:
    """Return the citations of an answer, a JSON text, in the order of its values.

    `documents`: those of the conversation; only cited documents are searched. A document is cited by the
    characters `start_char_index` to before `end_char_index` of its text, or by its blocks. `path` is the JSON
    pointer of the value. Cost: as `evidence_of`.
    """
    # start-up: few answers are cited
    from structgen.asking.grounding.evidence import evidence_of

    counts = Counter[str]()
    cited: list[tuple[int, PartDocument]] = []
    for document in documents:
        if document.is_cited:
            cited.append((counts[document.tag], document))
        counts[document.tag] += 1
    texts = name_documents([document for _, document in cited])
    numbered_documents = {name: numbered for (name, _), numbered in zip(texts, cited, strict=True)}
    return [
        {**_citation_of(*numbered_documents[place.text], place.start, place.end), "path": value.path}
        for value in evidence_of(read_exact(text), stated_text(texts))
        for place in value.places[:MOST_CITED]
    ]


def _citation_of(number: int, document: PartDocument, start: int, end: int) -> JsonObject:
    """Return the citation of the characters `start` to before `end` of a document. `number`: the number of
    the document among those with the same tag."""
    kind = "char_location"
    cited_text = document.text[start:end]
    members: JsonObject = {"start_char_index": start, "end_char_index": end}
    if document.blocks:
        kind = "content_block_location"
        starts = list(accumulate((len(block) + 1 for block in document.blocks[:-1]), initial=0))
        first_block = bisect_right(starts, start) - 1
        end_block = bisect_left(starts, end)
        cited_text = "".join(document.blocks[first_block:end_block])
        members = {"start_block_index": first_block, "end_block_index": end_block}
    title = document.title or None
    if document.tag == "search_result":
        kind = "search_result_location"
        members |= {"search_result_index": number, "source": document.source, "title": title}
    else:
        members |= {"document_index": number, "document_title": title}
    return {"type": kind, "cited_text": cited_text, **members}
