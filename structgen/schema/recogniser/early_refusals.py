"""Walks through the first places of a schema's language, so that a refusal comes before the first token.

A *place* is a point of a document at which a value stands. Which sets of strings a value decides between is
known only at its place. Some places cannot be compiled and are refused. For example an array counts items by
a grammar that is not regular (`contains`, `maxContains`). Or two schemas of an object ask two such grammars
of one key.

The walk visits each place once: first the places at the beginning of objects and arrays, then those after
other members. It ends after `_MAX_STEPS` steps. A later place is refused when a text reaches it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from structgen.base.errors import LimitError, UnsupportedError

if TYPE_CHECKING:
    from structgen.base.language.ir import Key
    from structgen.schema.recogniser.schema_network import SchemaNetwork

_MAX_STEPS: Final = 2000


def refuse_early(network: SchemaNetwork) -> None:
    """Raise `UnsupportedError`, with the schemas, for a place whose strings cannot be decided.

    Cost: some 50 us a step. A step is one member or item at one residue of an object or array.
    """
    places = deque((network.root,))
    residues = deque[tuple[int, int]]()
    members: deque[tuple[int, Key, int, int]] = deque()
    seen_places = {network.root}
    seen_residues = set[int]()
    steps = 0
    while (places or residues or members) and steps < _MAX_STEPS:
        steps += 1
        # The place that an error names.
        source_place = network.root
        try:
            if places:
                source_place = places.popleft()
                entry = network.entry(source_place)
                new_residues = [residue for residue in (entry.object, entry.array) if residue is not None]
            elif residues:
                residue, source_place = residues.popleft()
                next_places, is_read = network.member_places(residue)
                steps += len(next_places)
                for key, place in next_places.items():
                    if place not in seen_places:
                        seen_places.add(place)
                        places.append(place)
                    # Where later values depend on the text of an item, there is no text to go on with.
                    if not is_read:
                        width = len(network.tables.places[place])
                        members.extend((residue, key, met, source_place) for met in range(width))
                continue
            else:
                residue, key, met, source_place = members.popleft()
                new_residues = [network.after(residue, key, network.outcomes(frozenset((met,))))]
            residues.extend(
                (residue, source_place) for residue in new_residues if residue not in seen_residues
            )
            seen_residues.update(new_residues)
        except UnsupportedError as error:
            error.name_schemas(network.sources(source_place))
            raise
        except LimitError:
            continue  # it is raised again where a text reaches the place
