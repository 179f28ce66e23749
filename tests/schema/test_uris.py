"""References are resolved as RFC 3986 says, for schemes that nobody has heard of too."""

from __future__ import annotations

import itertools
from urllib.parse import urljoin

import pytest

from structgen.schema.reading.uris import join_uri

BASE = "http://a/b/c/d;p?q"
"""Of the examples of RFC 3986, section 5.4; the standard library resolves references as they say."""


def test_relative_references_are_resolved_as_by_the_standard_library() -> None:
    segments, ends = (".", "..", "g", ";x", "g;x=1", ".g", "g.."), ("", "/", "?y", "?y/./x")
    for size in range(4):
        for some, begin, end in itertools.product(itertools.product(segments, repeat=size), ("", "/"), ends):
            reference = begin + "/".join(some) + end
            # an empty name of a host is one to the RFC, and none to the standard library
            assert reference == "//" or join_uri(BASE, reference) == urljoin(BASE, reference), reference


@pytest.mark.parametrize(
    ("base", "reference", "found"),
    [
        (BASE, "g:h", "g:h"),
        (BASE, "//g", "http://g"),
        (BASE, "http:g", "http:g"),
        (BASE, "../../../../g", "http://a/g"),
        ("vscode://schemas/a/b", "c", "vscode://schemas/a/c"),
        ("foo://host", "c", "foo://host/c"),
        ("urn:uuid:1", "urn:uuid:2", "urn:uuid:2"),
        ("urn:uuid:1", "", "urn:uuid:1"),
        ("", "a/b.json", "a/b.json"),
        ("a/b.json", "c.json", "a/c.json"),
        ("a/b.json", "../c.json", "c.json"),
        ("/root", "x", "/x"),
        ("http://a/b#f", "c#g", "http://a/c"),
    ],
)
def test_other_schemes_and_no_scheme(base: str, reference: str, found: str) -> None:
    assert join_uri(base, reference) == found
