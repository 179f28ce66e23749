"""URI references resolved against a base, for every scheme.

Source: RFC 3986, section 5.2. The standard library's `urljoin` resolves for the schemes that it knows alone.
"""

from __future__ import annotations

import re

# RFC 3986, appendix B, with the scheme of section 3.1; what is absent is empty.
# The scheme keeps its ":", the authority its "//", the query its "?": the parts are joined as they are.
_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:)?(//[^/?#]*)?([^?#]*)(\?[^#]*)?", re.S)


def join_uri(base: str, reference: str) -> str:
    """Return the URI that a reference names in a document whose URI is `base`; fragments are left out.

    With an empty base a relative reference stays relative.
    """
    scheme, authority, outer, outer_query = _PARTS.findall(base)[0]
    own_scheme, own_authority, path, query = _PARTS.findall(reference)[0]
    if own_scheme or own_authority:
        # The reference is whole: of the base at most the scheme counts.
        path = _plain_path(path) if own_authority else path
        return "".join((own_scheme or scheme, own_authority, path, query))
    if not path:
        # A query or a fragment alone: the document of the base.
        return "".join((scheme, authority, outer, query or outer_query))
    if not path.startswith("/"):
        # Relative to the directory of the base (section 5.2.3).
        directory = outer[: outer.rfind("/") + 1]
        path = f"/{path}" if authority and not outer else directory + path
    return "".join((scheme, authority, _plain_path(path), query))


def _plain_path(path: str) -> str:
    """Return a path without its "." and ".." segments (section 5.2.4)."""
    out: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            # Above the root there is nothing: such a segment goes without effect.
            if out not in ([], [""]):
                out.pop()
        elif segment != ".":
            out.append(segment)
    # A path that ends in one of them names a directory: it ends in "/".
    if segment in (".", ".."):
        out.append("")
    return "/".join(out)
