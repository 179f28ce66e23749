"""Where a `$ref` leads: JSON pointers, anchors and embedded resources of one document, and the meta-schemas.

Source: JSON Schema Core, sections 8 and 9 (2020-12; earlier drafts alike), RFC 3986 and RFC 6901.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote, urljoin

from structgen.schema.scan import Dialect, dialect, draft_of
from structgen.schema.text import escape


@dataclass(slots=True, eq=False)
class Scope:
    """One schema resource: the base of the references in it."""

    root: Any
    """Its JSON value."""
    prefix: str
    """Its root's place, `#...`."""
    base: str
    """Its URI without a fragment, or "" where it has none."""
    dialect: Dialect


@dataclass(frozen=True, slots=True)
class Found:
    """Where a reference leads."""

    raw: Any
    prefix: str
    scope: Scope


class NowhereError(Exception):
    """A reference names a place that its document does not have."""


class RemoteError(Exception):
    """A reference leads out of the document."""


class References:
    """The resources and anchors of one document, found as they are asked for.

    Only a reference that is no plain JSON pointer needs the index of the whole document.
    """

    __slots__ = ("_anchors", "_resources", "_scopes", "root")

    def __init__(self, value: Any, draft: str) -> None:
        known = dialect(draft)
        self.root = Scope(value, "#", "", known)
        self._scopes: dict[int, Scope] = {}
        self._resources: dict[str, Scope] | None = None
        self._anchors: dict[tuple[int, str], Found] = {}
        if isinstance(value, dict):
            name = value.get(known.id_key)
            if isinstance(name, str) and not (known.hides_siblings and "$ref" in value):
                self.root.base = name.partition("#")[0]
            self._scopes[id(value)] = self.root

    def enter(self, scope: Scope, raw: dict[str, Any], prefix: Callable[[], str]) -> Scope:
        """Return the scope inside a subschema: its own where an identifier gives it another URI."""
        own = self._scopes.get(id(raw))
        if own is not None:
            return own
        known = scope.dialect
        name = raw.get(known.id_key)
        if not isinstance(name, str) or (known.hides_siblings and "$ref" in raw):
            return scope
        uri = name.partition("#")[0]
        if not uri:
            return scope
        own = Scope(raw, prefix(), urljoin(scope.base, uri), _dialect_of(raw, known))
        self._scopes[id(raw)] = own
        return own

    def find(self, scope: Scope, reference: str) -> Found:
        """Return where a reference leads that stands in `scope`; `NowhereError`, `RemoteError`."""
        uri, _, fragment = reference.partition("#")
        if uri:
            uri = urljoin(scope.base, uri)
            if uri != scope.base:
                scope = self._resource(uri)
        if fragment and not fragment.startswith("/"):
            return self._anchor(scope, unquote(fragment))
        return self._pointed(scope, fragment)

    def _pointed(self, scope: Scope, pointer: str) -> Found:
        if not pointer:
            return Found(scope.root, scope.prefix, scope)
        start, node = scope.prefix, scope.root
        tokens = (unquote(pointer) if "%" in pointer else pointer).split("/")
        for at in range(1, len(tokens)):
            token = tokens[at]
            if "~" in token:
                token = token.replace("~1", "/").replace("~0", "~")
            if node.__class__ is dict:
                if scope.dialect.id_key in node:
                    scope = self.enter(scope, node, partial(_joined, start, tokens, at))
                if token not in node:
                    raise NowhereError(f"{start + '/'.join(tokens[:at])} has no member {token!r}")
                node = node[token]
            elif node.__class__ is list:
                # RFC 6901, section 4: digits without leading zeros.
                digits = token.isascii() and token.isdigit() and len(token) < 10
                if not digits or str(int(token)) != token or int(token) >= len(node):
                    raise NowhereError(f"{start + '/'.join(tokens[:at])} has {len(node)} items, no {token!r}")
                node = node[int(token)]
            else:
                raise NowhereError(f"{start + '/'.join(tokens[:at])} is neither an object nor an array")
        return Found(node, start + "/".join(tokens), scope)

    def _resource(self, uri: str) -> Scope:
        if self._resources is None:
            self._resources = {}
            self._index(self.root)
        found = self._resources.get(uri)
        if found is None:
            # Not a dependency of the usual path: importing it takes longer than most schemas.
            from jsonschema_specifications import REGISTRY

            contents = REGISTRY.get(uri)
            if contents is None:
                raise RemoteError(uri)
            raw = contents.contents
            found = Scope(raw, uri + "#", uri, _dialect_of(raw, dialect("2020-12")))
            self._scopes[id(raw)] = found
            self._index(found)
            self._resources.setdefault(uri, found)
        return found

    def _anchor(self, scope: Scope, name: str) -> Found:
        if self._resources is None:
            self._resources = {}
            self._index(self.root)
        found = self._anchors.get((id(scope.root), name))
        if found is None:
            raise NowhereError(f"{scope.prefix} has no anchor {name!r}")
        return found

    def _index(self, top: Scope) -> None:
        """Note every resource and anchor of a document, also where no reference leads."""
        assert self._resources is not None
        self._resources.setdefault(top.base, top)
        # A place is a chain of links (up, segments), spelled out only where something is found.
        todo: list[tuple[Any, Any, Scope]] = [(top.root, None, top)]
        while todo:
            raw, path, scope = todo.pop()
            if raw.__class__ is not dict:
                continue
            scope = self.enter(scope, raw, partial(_spelled, top.prefix, path))
            known = scope.dialect
            self._resources.setdefault(scope.base, scope)
            for name in _anchors_of(raw, known):
                found = Found(raw, _spelled(top.prefix, path), scope)
                self._anchors.setdefault((id(scope.root), name), found)
            for keyword, shape in known.locations.items():
                value = raw.get(keyword)
                if value.__class__ is dict:
                    if shape == "map":
                        todo.extend((sub, (path, keyword, name), scope) for name, sub in value.items())
                    elif shape != "list":
                        todo.append((value, (path, keyword), scope))
                elif value.__class__ is list and shape in ("list", "any"):
                    todo.extend((sub, (path, keyword, index), scope) for index, sub in enumerate(value))


def _joined(start: str, tokens: list[str], most: int) -> str:
    return start + "/".join(tokens[:most])


def _spelled(prefix: str, path: Any) -> str:
    parts: list[str] = []
    while path is not None:
        path, *segments = path
        parts.append("".join("/" + escape(segment) for segment in segments))
    return prefix + "".join(reversed(parts))


def _dialect_of(raw: Mapping[str, Any], outer: Dialect) -> Dialect:
    """Return the dialect of a resource: the draft that its own `$schema` names, or the outer one."""
    uri = raw.get("$schema")
    draft = draft_of(uri) if isinstance(uri, str) else None
    return outer if draft is None or draft == "3" else dialect(draft)


def _anchors_of(raw: Mapping[str, Any], known: Dialect) -> Iterator[str]:
    if not known.anchors:
        name = raw.get(known.id_key)
        if isinstance(name, str) and "#" in name and not (known.hides_siblings and "$ref" in raw):
            fragment = name.partition("#")[2]
            if fragment and not fragment.startswith("/"):
                yield unquote(fragment)
    for keyword in known.anchors:
        name = raw.get(keyword)
        if isinstance(name, str):
            yield name
