"""A walk through the first places of a language, so that a refusal comes before the first token.

Which strings a value must decide is known only at its place. Where an array counts its items by a grammar
that is not regular (`contains`, `maxContains`), or another schema of an object asks for a second grammar of
the same key, the place is refused. The walk visits each place once, the nearest first, and ends after `_MOST`
steps: a place behind these is refused when a text reaches it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from structgen.base.errors import LimitError, UnsupportedError

if TYPE_CHECKING:
    from structgen.base.language.ir import Key
    from structgen.schema.recogniser.schema_network import SchemaNetwork

Node: TypeAlias = "tuple[bool, int]"
"""Whether it is the residue of an object or array, and the number of this or of a place."""

_MOST: Final = 2000


def refuse_early(network: SchemaNetwork) -> None:
    """Raise `UnsupportedError`, with the schemas, for a place whose strings cannot be decided.

    Cost: some 20 us a step, `_MOST` steps at most.
    """
    known = {(False, network.root): network.root}
    nodes = deque(known)
    for _ in range(_MOST):
        if not nodes:
            return
        node = nodes.popleft()
        is_residue, number = node
        place = known[node]
        try:
            for other in _behind(network, number) if is_residue else _inside(network, number):
                if other not in known:
                    known[other] = place if other[0] else other[1]
                    nodes.append(other)
        except UnsupportedError as error:
            error.name_schemas(network.sources(place))
            raise
        except LimitError:
            continue  # it is raised again where a text reaches the place


def _inside(network: SchemaNetwork, place: int) -> Iterator[Node]:
    """Yield the object and the array with which a value may begin."""
    entry = network.entry(place)
    yield from ((True, residue) for residue in (entry.object, entry.array) if residue is not None)


def _behind(network: SchemaNetwork, residue: int) -> Iterator[Node]:
    """Yield the places of the next values in an object or array, and its residues behind them."""
    places: dict[Key, int] = {}
    if network.is_array(residue):
        items = network.items(residue)
        places.update({} if items.item is None else {None: items.item})
        skips = items.values  # an item may be another one than those before
    else:
        menu = network.menu(residue)
        places.update(menu.named)
        places.update(menu.extra_places.items())
        skips = False
    for key, place in places.items():
        yield False, place
        for met in () if skips else range(len(network.tables.places[place])):
            yield True, network.after(residue, key, network.outcomes(frozenset((met,))))
