"""Where a `$ref` leads: JSON pointers, anchors and embedded resources of one document, and other documents.

Source: JSON Schema Core, sections 8 and 9 (2020-12; earlier drafts alike), RFC 3986 and RFC 6901; of dynamic
scope sections 7.1 and 8.2.3.2, and 2019-09, section 8.2.4.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import unquote

from structgen.base.json_text.events import spell_pointer
from structgen.base.json_text.exact_json import unescape_segment
from structgen.schema.reading.dialects import dialect_of, with_vocabularies
from structgen.schema.reading.draft_names import DEFAULT_DRAFT, draft_of
from structgen.schema.reading.model import Dialect, Scope
from structgen.schema.reading.remotes import Remotes
from structgen.schema.reading.uris import join_uri

RECURSIVE = ""
"""The name under which `$recursiveAnchor` is kept; no `$dynamicAnchor` has it."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceTarget:
    """Where a reference leads; identity is equality."""

    raw: Any
    """The JSON value of the schema."""
    prefix: str
    """The JSON pointer of the schema, `#...`."""
    scope: Scope


Bindings: TypeAlias = tuple["ReferenceTarget | None", ...]
"""The bindings of a path of references: a target for each name that dynamic references use. It is the
outermost schema on the path with a dynamic anchor of that name; None where there is none yet."""


class NowhereError(Exception):
    """A reference names a schema that its document does not have."""


class RemoteError(Exception):
    """A reference leads to a document that was not given."""


class References:
    """The resources and anchors of a document and of the documents that it refers to, found on demand.

    Only a reference that is no plain JSON pointer needs the index of a whole document.
    """

    def __init__(self, value: Any, draft: str | None, remotes: Remotes) -> None:
        """`draft` None: `$schema` names the draft, perhaps through a meta-schema among the resources."""
        self._remotes = remotes
        self._dialects: dict[str, Dialect | None] = {}
        root_dialect = dialect_of(DEFAULT_DRAFT if draft is None else draft)
        if draft is None and isinstance(value, dict):
            root_dialect = self._dialect_of(value, root_dialect)
        self.root = Scope(value, "#", "", root_dialect)
        # By id of a JSON value: the values live as long as the documents, which this object holds.
        self._scopes: dict[int, Scope] = {}
        # None until some reference needs the index of the whole document.
        self._resources: dict[str, Scope] | None = None
        # By id of the root of a resource, since two resources may have an anchor of one name.
        self._anchors: dict[tuple[int, str], ReferenceTarget] = {}
        self._dynamic: dict[int, dict[str, ReferenceTarget]] = {}
        if isinstance(value, dict):
            self.root.base = _identifier_of(value, root_dialect).partition("#")[0]
            self._scopes[id(value)] = self.root

    def enter_schema(self, scope: Scope, raw: dict[str, Any], at: Any) -> Scope:
        """Return the scope inside a subschema: its own where an identifier gives it another URI. `at`: where
        it stands (`Schema.at`)."""
        known_scope = self._scopes.get(id(raw))
        if known_scope is not None:
            return known_scope
        outer_dialect = scope.dialect
        uri = _identifier_of(raw, outer_dialect).partition("#")[0]
        if not uri:
            return scope
        base = join_uri(scope.base, uri)
        inner_scope = Scope(raw, spell_pointer(at), base, self._dialect_of(raw, outer_dialect))
        self._scopes[id(raw)] = inner_scope
        return inner_scope

    def find_target(self, scope: Scope, reference: str) -> ReferenceTarget:
        """Return the target of a reference in the resource `scope`.

        Raises `NowhereError` where the document has no such place, `RemoteError` where the document was not
        given.
        """
        uri, _, fragment = reference.partition("#")
        if uri:
            uri = join_uri(scope.base, uri)
            if uri != scope.base:
                scope = self._find_resource(uri)
        if fragment and not fragment.startswith("/"):
            self._all_resources()
            name = unquote(fragment)
            target = self._anchors.get((id(scope.root), name))
            if target is None:
                raise NowhereError(f"{scope.prefix} has no anchor {name!r}")
            return target
        return self._target_at_pointer(scope, fragment)

    def _target_at_pointer(self, scope: Scope, pointer: str) -> ReferenceTarget:
        if not pointer:
            return ReferenceTarget(scope.root, scope.prefix, scope)
        start = scope.prefix
        node = scope.root
        tokens = (unquote(pointer) if "%" in pointer else pointer).split("/")
        for depth in range(1, len(tokens)):
            token = unescape_segment(tokens[depth])
            fault = ""
            if node.__class__ is dict:
                # The pointer enters an embedded resource: references below are relative to its URI.
                if scope.dialect.id_key in node:
                    way = map(unescape_segment, tokens[1:depth])
                    scope = self.enter_schema(scope, node, (start, *way))
                if token in node:
                    node = node[token]
                else:
                    fault = f"has no {token!r}"
            elif node.__class__ is list:
                # RFC 6901, section 4: digits without leading zeros.
                # The bound on their number keeps a pointer of a million digits cheap.
                has_digits = token.isascii() and token.isdigit() and len(token) < 10
                index = int(token) if has_digits else len(node)
                if str(index) == token and index < len(node):
                    node = node[index]
                else:
                    fault = f"has {len(node)} items, no {token!r}"
            else:
                fault = "is neither an object nor an array"
            if fault:
                raise NowhereError(f"{start + '/'.join(tokens[:depth])} {fault}")
        return ReferenceTarget(node, start + "/".join(tokens), scope)

    def _find_resource(self, uri: str) -> Scope:
        resources = self._all_resources()
        resource = resources.get(uri)
        if resource is None:
            raw = self._remotes.get(uri)
            if raw is None:
                raw = self._remotes.standard_schema(uri)
            if raw is not None:
                return self._load_document(uri, raw)
            # No document was given under this URI. One of them may have an `$id` in it that is the URI.
            for name, document in self._remotes.all_documents():
                if name not in resources:
                    self._load_document(name, document)
            resource = resources.get(uri)
            if resource is None:
                raise RemoteError(uri)
        return resource

    def _load_document(self, uri: str, raw: Any) -> Scope:
        """Return the scope of another document, and note what is in it."""
        scope = Scope(raw, uri + "#", uri, self.root.dialect)
        if isinstance(raw, dict):
            scope.dialect = self._dialect_of(raw, scope.dialect)
            own_uri = _identifier_of(raw, scope.dialect).partition("#")[0]
            scope.base = join_uri(uri, own_uri)
            self._scopes[id(raw)] = scope
        self._index_document(scope)
        self._all_resources().setdefault(uri, scope)
        return scope

    def _all_resources(self) -> dict[str, Scope]:
        if self._resources is None:
            self._resources = {}
            self._index_document(self.root)
        return self._resources

    def bind_names(self, bindings: Bindings, scope: Scope, names: Sequence[str]) -> Bindings:
        """Return the bindings after a path has entered a resource."""
        anchors = self.dynamic_anchors(scope)
        # The outermost resource of the path decides: a name that is bound stays so.
        return tuple([old or anchors.get(name) for old, name in zip(bindings, names, strict=True)])

    def dynamic_anchors(self, scope: Scope) -> Mapping[str, ReferenceTarget]:
        """Return the dynamic anchors of a resource; `RECURSIVE` stands for `$recursiveAnchor`."""
        self._all_resources()
        return self._dynamic.get(id(scope.root), {})

    @property
    def has_custom_dialects(self) -> bool:
        """Whether some `$schema` names a meta-schema among the resources."""
        return any(self._dialects.values())

    def knows_dialect(self, uri: str) -> bool:
        """Return whether a `$schema` names a draft, or a meta-schema among the resources."""
        return draft_of(uri) is not None or self._dialects.get(uri.rstrip("#")) is not None

    def _dialect_of(self, raw: Mapping[str, Any], outer: Dialect) -> Dialect:
        """Return the dialect of a resource: the one that its `$schema` names, else that of the resource
        around it."""
        uri = raw.get("$schema")
        if not isinstance(uri, str):
            return outer
        draft = draft_of(uri)
        if draft is not None:
            return dialect_of(draft)
        uri = uri.rstrip("#")
        if uri not in self._dialects:
            self._dialects[uri] = None  # where a meta-schema names itself
            meta = self._remotes.get(uri)
            if isinstance(meta, dict):
                meta_dialect = self._dialect_of(meta, dialect_of(DEFAULT_DRAFT))
                self._dialects[uri] = with_vocabularies(meta_dialect, meta)
        return self._dialects[uri] or outer

    def _index_document(self, top: Scope) -> None:
        """Note every resource and anchor of a document, also where no reference leads."""
        assert self._resources is not None
        self._resources.setdefault(top.base, top)
        # Where a schema stands is written as `Schema.at`, and spelled out only where something is found.
        todo: list[tuple[Any, Any, Scope]] = [(top.root, top.prefix, top)]
        while todo:
            raw, path, scope = todo.pop()
            if raw.__class__ is not dict:
                continue
            scope = self.enter_schema(scope, raw, path)
            scope_dialect = scope.dialect
            self._resources.setdefault(scope.base, scope)
            for name in _anchors_of(raw, scope_dialect):
                target = ReferenceTarget(raw, spell_pointer(path), scope)
                self._anchors.setdefault((id(scope.root), name), target)
            if scope_dialect.dynamic_anchor:
                # `$dynamicAnchor` is a name, anywhere; `$recursiveAnchor` is true, at the root of a resource.
                mark = raw.get(scope_dialect.dynamic_anchor)
                name = mark if isinstance(mark, str) else RECURSIVE
                if name or (mark is True and raw is scope.root):
                    target = ReferenceTarget(raw, spell_pointer(path), scope)
                    self._dynamic.setdefault(id(scope.root), {}).setdefault(name, target)
            # Only where the dialect has schemas: an `$id` inside of an `enum` or a `const` names nothing.
            for keyword, shape in scope_dialect.locations.items():
                value = raw.get(keyword)
                if value.__class__ is dict:
                    if shape == "map":
                        todo.extend((sub, (path, keyword, name), scope) for name, sub in value.items())
                    elif shape == "maps":
                        for name, members in value.items():
                            if members.__class__ is dict:
                                todo.extend(
                                    (sub, (path, keyword, name, word), scope) for word, sub in members.items()
                                )
                    elif shape != "list":
                        todo.append((value, (path, keyword), scope))
                elif value.__class__ is list and shape in ("list", "any"):
                    todo.extend((sub, (path, keyword, index), scope) for index, sub in enumerate(value))


def _identifier_of(raw: Mapping[str, Any], dialect: Dialect) -> str:
    """Return the identifier of a subschema; empty where it has none."""
    name = raw.get(dialect.id_key)
    if isinstance(name, str) and not (dialect.hides_siblings and "$ref" in raw):
        return name
    return ""


def _anchors_of(raw: Mapping[str, Any], dialect: Dialect) -> Iterator[str]:
    if not dialect.anchors:
        # Up to draft 7 an anchor is an identifier such as "#name".
        fragment = _identifier_of(raw, dialect).partition("#")[2]
        if fragment and not fragment.startswith("/"):
            yield unquote(fragment)
    for keyword in dialect.anchors:
        name = raw.get(keyword)
        if isinstance(name, str):
            yield name
