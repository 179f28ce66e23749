"""The drafts of JSON Schema by name, and the URI of each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

DRAFTS = ("3", "4", "6", "7", "2019-09", "2020-12", "v1")
"""The drafts, oldest first; "v1" is the coming release, as far as the official test suite describes it."""
DEFAULT_DRAFT = "2020-12"

URI_OF_DRAFT: Mapping[str, str] = MappingProxyType(
    {
        "3": "http://json-schema.org/draft-03/schema",
        "4": "http://json-schema.org/draft-04/schema",
        "6": "http://json-schema.org/draft-06/schema",
        "7": "http://json-schema.org/draft-07/schema",
        "2019-09": "https://json-schema.org/draft/2019-09/schema",
        "2020-12": "https://json-schema.org/draft/2020-12/schema",
        "v1": "https://json-schema.org/v1",
    }
)
"""Draft -> its meta-schema's URI, without a fragment."""
_DRAFT_OF = MappingProxyType({uri.partition("://")[2]: draft for draft, uri in URI_OF_DRAFT.items()})


def draft_of(uri: str) -> str | None:
    """Return the draft (of DRAFTS) that a `$schema` URI names, http or https, or None."""
    plain_uri = uri.rstrip("#")
    rest = plain_uri.removeprefix("https://").removeprefix("http://")
    # Without a scheme it is no URI of a draft, though the rest may look like one.
    if rest != plain_uri:
        return _DRAFT_OF.get(rest)
    return None
