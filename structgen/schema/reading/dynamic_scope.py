"""Dynamic scope: the target of a `$dynamicRef` or `$recursiveRef` depends on the path of references to it.

A schema with such a reference may mean something else on each path, so a place of the document is then a
schema *and* the bindings of the path: for each name the outermost resource on the path with a dynamic anchor
of that name (the first one counts). Names and resources are finitely many, and so are bindings. Names that no
reference uses are left out.

Source: JSON Schema Core 2020-12, sections 7.1 (dynamic scope), 8.2.3.2; 2019-09, section 8.2.4.2.
"""

from __future__ import annotations

from collections.abc import Mapping

from structgen.schema.reading.model import Scope
from structgen.schema.reading.references import References, ReferenceTarget

NOTHING = 0
"""The bindings of the empty path."""


class Bindings:
    """The bindings of paths, interned: equal bindings have equal numbers."""

    __slots__ = ("_after", "_bound", "_known", "_references", "names")

    def __init__(self, references: References, names: frozenset[str]) -> None:
        """`names` are the dynamic anchors that some reference asks for."""
        self._references, self.names = references, names
        self._bound: list[Mapping[str, ReferenceTarget]] = [{}]
        self._known: dict[tuple[tuple[str, int], ...], int] = {(): NOTHING}
        self._after: dict[tuple[int, int], int] = {}

    def enter(self, bindings: int, scope: Scope) -> int:
        """Return the bindings after a path has entered a resource."""
        key = bindings, id(scope)
        found = self._after.get(key)
        if found is None:
            bound = dict(self._bound[bindings])
            for name, target in self._references.dynamic_anchors(scope).items():
                if name in self.names:
                    bound.setdefault(name, target)
            told = tuple(sorted((name, id(target.raw)) for name, target in bound.items()))
            found = self._known.setdefault(told, len(self._bound))
            if found == len(self._bound):
                self._bound.append(bound)
            self._after[key] = found
        return found

    def target(self, bindings: int, name: str) -> ReferenceTarget | None:
        """Return the schema that is bound to a name."""
        return self._bound[bindings].get(name)
