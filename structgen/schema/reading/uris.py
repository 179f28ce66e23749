"""URI references resolved against a base, for every scheme.

Source: RFC 3986, section 5.2. The standard library's `urljoin` resolves for the schemes that it knows alone.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# RFC 3986, appendix B, with the scheme of section 3.1.
_PARTS = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.S)


class _Uri(NamedTuple):
    scheme: str | None
    authority: str | None
    path: str
    query: str | None


def join(base: str, reference: str) -> str:
    """Return the URI that a reference names in a document whose URI is `base`; fragments are left out.

    With an empty base a relative reference stays relative.
    """
    own, outer = _split(reference), _split(base)
    if own.scheme is not None:
        found = own._replace(path=_plain(own.path) if own.authority is not None else own.path)
    elif own.authority is not None:
        found = own._replace(scheme=outer.scheme, path=_plain(own.path))
    elif not own.path:
        found = outer._replace(query=outer.query if own.query is None else own.query)
    else:
        path = own.path
        if not path.startswith("/"):
            if outer.authority is not None and not outer.path:
                path = "/" + path
            else:
                path = outer.path[: outer.path.rfind("/") + 1] + path
        found = _Uri(outer.scheme, outer.authority, _plain(path), own.query)
    return _text(found)


def _split(text: str) -> _Uri:
    found = _PARTS.match(text)
    assert found is not None, "every text has parts"
    scheme, authority, path, query, _ = found.groups()
    return _Uri(scheme, authority, path, query)


def _text(uri: _Uri) -> str:
    parts = [uri.path]
    if uri.authority is not None:
        parts.insert(0, f"//{uri.authority}")
    if uri.scheme is not None:
        parts.insert(0, f"{uri.scheme}:")
    if uri.query is not None:
        parts.append(f"?{uri.query}")
    return "".join(parts)


def _plain(path: str) -> str:
    """Return a path without its "." and ".." segments (section 5.2.4)."""
    out: list[str] = []
    segments = path.split("/")
    for index, segment in enumerate(segments):
        last = index == len(segments) - 1
        if segment == ".":
            if last:
                out.append("")
        elif segment == "..":
            if len(out) > 1 or (out and out[0]):
                out.pop()
            if last:
                out.append("")
        else:
            out.append(segment)
    return "/".join(out)
