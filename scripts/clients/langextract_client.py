"""The package langextract, by its provider for OpenAI."""

from __future__ import annotations

import textwrap
from typing import Any

import langextract as lx
from features import BOTH, KEY, MODEL, TEXT, V1, feature, first_page, run

PROMPT = textwrap.dedent("""\
    Extract characters, emotions, and relationships in order of appearance.
    Use exact text for extractions. Do not paraphrase or overlap entities.
    Provide meaningful attributes for each entity to add context.""")
EXAMPLES = [
    lx.data.ExampleData(
        text="ROMEO. But soft! What light through yonder window breaks? "
        "It is the east, and Juliet is the sun.",
        extractions=[
            lx.data.Extraction("character", "ROMEO", attributes={"emotional_state": "wonder"}),
            lx.data.Extraction("emotion", "But soft!", attributes={"feeling": "gentle awe"}),
            lx.data.Extraction("relationship", "Juliet is the sun", attributes={"type": "metaphor"}),
        ],
    )
]
JULIET = "Lady Juliet gazed longingly at the stars, her heart aching for Romeo"


def extract(text: str, name: str, **more: Any) -> Any:
    """Return what is extracted, by the provider for OpenAI."""
    config = lx.factory.ModelConfig(
        model_id=name, provider="openai", provider_kwargs={"base_url": V1, "api_key": KEY}
    )
    return lx.extract(
        text_or_documents=text,
        prompt_description=PROMPT,
        examples=EXAMPLES,
        config=config,
        show_progress=False,
        **more,
    )


@first_page("`provider='openai'` and `provider_kwargs={'base_url': 'http://HOST/v1'}` of a `ModelConfig`")
def _() -> None:
    found = extract(JULIET, "gpt-4o")
    assert all(one.extraction_text for one in found.extractions)


@feature("extract, a schema", BOTH)
def _() -> None:
    found = extract(TEXT, MODEL, use_schema_constraints=True)
    assert all(one.extraction_text for one in found.extractions)


run()
