"""Schemas that a caller gives beside the root one, by URI, and the standard meta-schemas: where a `$ref` may
lead.

Nothing here opens a file or a connection on behalf of a reference: what is not given is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from structgen.base.errors import OptionError, SchemaError
from structgen.base.json_text.exact_json import Json, exact_copy, read_exact
from structgen.schema.reading.draft_names import URI_OF_DRAFT, draft_of


class Remotes:
    """The resources of one grammar. Copied one by one, when a reference leads there."""

    def __init__(self, resources: Mapping[str, Any] | None = None) -> None:
        """`resources` maps URIs to schemas (dict, bool, JSON text) or to the resources of package
        referencing, as a `referencing.Registry` does; it must not change before the grammar that reads it has
        been made."""
        self._resources: Mapping[str, Any] = resources if resources is not None else {}
        self.used: dict[str, Json] = {}
        """By URI without a fragment: exact copies of the resources to which some reference led."""

    @classmethod
    def from_used(cls, used: Mapping[str, Json]) -> Remotes:
        """Return the resources that earlier ones came to use; nothing is copied again."""
        remotes = cls()
        remotes.used.update(used)
        return remotes

    def get(self, uri: str) -> Json | None:
        """Return the resource given under a URI (without a fragment) as exact JSON, or None.

        Errors: `OptionError` for what is no JSON value, `SchemaError` for a text that is not JSON.
        """
        document = self.used.get(uri)
        if document is None:
            # Some write the empty fragment: "http://json-schema.org/draft-07/schema#".
            for name in (uri, f"{uri}#"):
                if name in self._resources:
                    document = self.used[uri] = _exact_schema(name, self._resources[name])
                    break
        return document

    def all_documents(self) -> Iterator[tuple[str, Json]]:
        """Yield every resource with its URI: one is known by the `$id`s in it, too."""
        given_uris = (name.partition("#")[0] for name in self._resources)
        for uri in dict.fromkeys((*self.used, *given_uris)):
            document = self.get(uri)
            if document is not None:
                yield uri, document

    @staticmethod
    def standard_schema(uri: str) -> Json | None:
        """Return the meta-schema of a draft, or one of its vocabularies', by its URI; None for any other."""
        if "json-schema.org/" not in uri:
            return None
        # Not a dependency of the usual path: importing it takes longer than most schemas.
        # start-up: few schemas refer to a meta-schema
        from jsonschema_specifications import REGISTRY

        contents = REGISTRY.get(uri)
        if contents is None:
            # http for https and the reverse, as `$schema` has it.
            draft = draft_of(uri)
            contents = None if draft is None else REGISTRY.get(URI_OF_DRAFT[draft])
        return None if contents is None else contents.contents


def check_resources(resources: object) -> None:
    """Raise `OptionError` where the option `resources` is no mapping from URIs."""
    if resources is None:
        return
    fault = f"must map URIs to schemas, got {type(resources).__name__}"
    if isinstance(resources, Mapping):
        if all(isinstance(uri, str) and uri.strip("#") for uri in resources):
            return
        fault = "must map URIs to schemas, but one key is not a URI"
    raise OptionError(
        f"{fault}.",
        where="resources",
        cure="Map URIs to schemas (dict, boolean or JSON text), or pass a referencing.Registry.",
    )


def _exact_schema(name: str, value: Any) -> Json:
    # A referencing.Resource, told by its shape: the package need not be imported for that.
    value = getattr(value, "contents", value)
    try:
        if isinstance(value, str):
            value = read_exact(value)
        elif isinstance(value, (dict, bool)):
            value = exact_copy(value)
    except SchemaError as error:
        raise SchemaError(error.what, where=f"resources[{name!r}] {error.where}", cure=error.cure) from None
    if not isinstance(value, (dict, bool)):
        raise OptionError(
            f"The resource must be a schema, got {type(value).__name__}.",
            where=f"resources[{name!r}]",
            cure="Pass a dict, a boolean or a JSON text.",
        )
    return value
