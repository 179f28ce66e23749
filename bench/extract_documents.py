"""The documents of bench/bench_extract.py: seven texts of 1,000 to 60,000 words, which state certain items.

    python bench/extract_documents.py [FOLDER]

Writes each document into FOLDER as NAME.txt and NAME.json (instruction, schema of an item, worked examples,
items with their places); without FOLDER prints a line for each. They are made anew each time, from seeds;
DIGESTS says what they are, and was committed before anything was measured on them. The defaults of
`sg.extract` may be chosen by `open` documents. `sealed` ones are for the record alone.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from extract import (
    auction_lots,
    company_people,
    contract_payments,
    grant_minutes,
    neighbours,
    order_mails,
    station_log,
)
from extract.writing import ExtractDocument

_WRITERS = {
    "minutes": grant_minutes.document,
    "mailbox": order_mails.document,
    "log": station_log.document,
    "history": company_people.document,
    "contract": contract_payments.document,
    "catalogue": auction_lots.document,
    "persons": neighbours.document,
}
NAMES = tuple(_WRITERS)
"""The shortest first; `persons` is for the model structgen/extract, which knows persons alone."""
DIGESTS = {
    "minutes": "d7bc85fc6bf8cf2942515fe42e8d36152439eb67998d8bd0e7fd7de1dee0e507",
    "mailbox": "f0fbd81d2ddda113c541c7916f5352b14e1ede8f01be9b699b49b3cdd259038e",
    "log": "0e660db5cb3a00e8f6e48c006708f46571371a08e633f5f7850b9c8bbd5bb598",
    "history": "68b32119e66811709410a930912ee757dfaaf1486a2b93dde23489aec795975c",
    "contract": "b563094ab4a5710f03b2c8d886861df943e427e50d49addfbf373666e62a2514",
    "catalogue": "9e39e389386c8a07cc79bad940be11f1125e934ef67160a45f2883698265abf1",
    "persons": "51ea176df0d8b853be4c60e89b41da9af28ab9d2274873738c18eb6ea735f8e5",
}
"""SHA-256 of what `described` returns, as JSON, and of the text."""


@functools.cache
def read_document(name: str) -> ExtractDocument:
    """Return a document; the largest takes a fifth of a second."""
    return _WRITERS[name]()


def described(document: ExtractDocument) -> dict[str, Any]:
    """Return all of a document but its text, as JSON has it."""
    return {
        "kind": document.kind,
        "half": document.half,
        "key": document.key,
        "prompt": document.prompt,
        "schema": document.item.model_json_schema(),
        "examples": document.examples,
        "items": [{"value": one.value, "places": one.places} for one in document.items],
    }


def digest(document: ExtractDocument) -> str:
    """Return the digest of a document."""
    written = json.dumps(described(document), sort_keys=True) + document.text
    return hashlib.sha256(written.encode()).hexdigest()


def main() -> None:
    """Write the documents, or say what they are."""
    for name in NAMES:
        one = read_document(name)
        if len(sys.argv) > 1:
            folder = Path(sys.argv[1])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.txt").write_text(one.text, encoding="utf-8")
            written = json.dumps(described(one), indent=1, ensure_ascii=False)
            (folder / f"{name}.json").write_text(written + "\n", encoding="utf-8")
        words, known = len(one.text.split()), len(one.items)
        print(f"{name} ({one.half}): {words:,} words, {known} items, {digest(one)}")


if __name__ == "__main__":
    main()
