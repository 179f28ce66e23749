"""References are resolved as RFC 3986 says, for schemes that nobody has heard of too."""

from __future__ import annotations

import pytest
from for_each import for_each

from structgen.schema.reading.uris import join

# RFC 3986, sections 5.4.1 and 5.4.2, without fragments.
EXAMPLES = {
    "g:h": "g:h",
    "g": "http://a/b/c/g",
    "./g": "http://a/b/c/g",
    "g/": "http://a/b/c/g/",
    "/g": "http://a/g",
    "//g": "http://g",
    "?y": "http://a/b/c/d;p?y",
    "g?y": "http://a/b/c/g?y",
    ";x": "http://a/b/c/;x",
    "g;x": "http://a/b/c/g;x",
    "g;x?y": "http://a/b/c/g;x?y",
    "": "http://a/b/c/d;p?q",
    ".": "http://a/b/c/",
    "./": "http://a/b/c/",
    "..": "http://a/b/",
    "../": "http://a/b/",
    "../g": "http://a/b/g",
    "../..": "http://a/",
    "../../": "http://a/",
    "../../g": "http://a/g",
    "../../../g": "http://a/g",
    "../../../../g": "http://a/g",
    "/./g": "http://a/g",
    "/../g": "http://a/g",
    "g.": "http://a/b/c/g.",
    ".g": "http://a/b/c/.g",
    "g..": "http://a/b/c/g..",
    "..g": "http://a/b/c/..g",
    "./../g": "http://a/b/g",
    "./g/.": "http://a/b/c/g/",
    "g/./h": "http://a/b/c/g/h",
    "g/../h": "http://a/b/c/h",
    "g;x=1/./y": "http://a/b/c/g;x=1/y",
    "g;x=1/../y": "http://a/b/c/y",
    "g?y/./x": "http://a/b/c/g?y/./x",
    "http:g": "http:g",
}


@for_each("reference", EXAMPLES)
def test_the_examples_of_the_rfc(reference: str) -> None:
    assert join("http://a/b/c/d;p?q", reference) == EXAMPLES[reference]


@pytest.mark.parametrize(
    ("base", "reference", "found"),
    [
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
    assert join(base, reference) == found
