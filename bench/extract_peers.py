"""langextract reads the documents of bench/extract_documents.py, in a process and an environment of its own.

    python bench/extract_peers.py --url http://... --server PID --settings JSON NAME...

For each document it writes a line of JSON: `items`, a list of `{"value", "spans"}`, by field the place in the
text; `seconds` of processor, the server's too; `requests`, `prompt_tokens` and `tokens`, as the server counts
them; `omitted`, the chunks whose answer could not be read; `error`. The first line says which version reads.

Settings are those of `langextract.extract`, beside instruction, examples and model: those of the provider
stand under `provider`. The text of an extraction is the field that tells items apart, and the other fields
are its attributes, as the worked examples show.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import sys
import urllib.request
from importlib.metadata import version
from typing import Any

from answer_peers import processor_seconds
from extract_documents import NAMES, read_document

COUNTS = {
    "requests": "structgen_texts_total",
    "prompt_tokens": "structgen_prompt_tokens_total",
    "tokens": "structgen_generated_tokens_total",
}
"""By what is told, the name under which a server counts it."""


class Omitted(logging.Handler):
    """Counts the chunks that langextract leaves out, of which it tells in its log alone."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count a record of the log."""
        self.count += "Chunk omitted" in record.getMessage()


def counted(url: str) -> dict[str, int]:
    """Return what a server has counted so far."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/metrics", timeout=60) as reply:
        page = reply.read().decode()
    return {
        name: int(sum(float(one) for one in re.findall(rf"^{line}(?:\{{.*\}})? (\S+)$", page, re.MULTILINE)))
        for name, line in COUNTS.items()
    }


def read(name: str, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the items that langextract finds in a document."""
    import langextract as lx

    document = read_document(name)
    kind = document.item.__name__.lower()
    settings = json.loads(asked.settings)
    provider = {"base_url": asked.url, "api_key": "any", "max_workers": 8, **settings.pop("provider", {})}
    examples = []
    for text, items in document.examples:
        made = []
        for item in items:
            rest = {field: one for field, one in item.items() if field != document.key}
            made.append(lx.data.Extraction(kind, item[document.key], attributes=rest))
        examples.append(lx.data.ExampleData(text=text, extractions=made))
    config = lx.factory.ModelConfig(
        model_id=asked.model, provider="OpenAILanguageModel", provider_kwargs=provider
    )
    found = lx.extract(
        text_or_documents=document.text,
        prompt_description=document.prompt,
        examples=examples,
        config=config,
        show_progress=False,
        **{"batch_length": 8, "max_workers": 8, **settings},
    )
    told = []
    for one in found.extractions or ():
        if one.extraction_class != kind:  # a reader of the result would pass over it, too
            continue
        place = one.char_interval
        spans = {} if place is None else {document.key: (place.start_pos, place.end_pos)}
        told.append({"value": {document.key: one.extraction_text, **(one.attributes or {})}, "spans": spans})
    return told


def main() -> None:
    """Read the documents."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", choices=NAMES)
    parser.add_argument("--url", required=True)
    parser.add_argument("--server", type=int, default=0)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--settings", default="{}")
    asked = parser.parse_args()
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8", buffering=1)
    sys.stdout = sys.stderr  # what libraries print is no answer
    try:
        import langextract
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), file=out)
        return
    assert langextract
    omitted = Omitted()
    logging.getLogger("absl").addHandler(omitted)
    print(json.dumps({"version": f"langextract {version('langextract')}"}), file=out)
    for name in asked.names:
        begun, before, error, items = processor_seconds(asked.server), counted(asked.url), "", []
        omitted.count = 0
        try:
            items = read(name, asked)
        except Exception as raised:  # whatever a library raises is its answer
            error = f"{type(raised).__name__}: {' '.join(str(raised).split())[:300]}"
        spent = processor_seconds(asked.server) - begun
        after = counted(asked.url)
        told = {one: after[one] - before[one] for one in COUNTS}
        row = {"name": name, "items": items, "seconds": spent, "omitted": omitted.count, "error": error}
        print(json.dumps({**row, **told}), file=out)


if __name__ == "__main__":
    main()
