"""Makes the network of a schema without a machine, for callers who ask what documents the schema has.

The *network* is the schema as a recogniser of documents: which keys, items and values may come next.
"""

from __future__ import annotations

from structgen.automata.numbers.number_pool import NumberPool
from structgen.automata.strings.string_pool import StringPool
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.json_grammars.text_readers import TextReaders
from structgen.machines.json_machine.answers.scalar_questions import Numbers, Strings
from structgen.schema.reading.document import Document
from structgen.schema.recogniser.schema_network import SchemaNetwork


def network_of(document: Document) -> SchemaNetwork:
    """Return a network, with automata of its own, that no machine runs. `document`: the schema that was read.
    The steps of the work are counted in the present public call, or in a new one if there is none."""
    limits = document.limits
    policies = document.policies
    # only escapes of every kind can write a surrogate that stands alone
    readers = TextReaders(None, limits, None)
    pool = StringPool(limits, lone=policies.escapes == "any", texts=readers)
    strings = Strings(pool, document.quoting.write_literal)
    number_pool = NumberPool(policies.numbers, limits, document.missing)
    numbers = Numbers(number_pool, strings.outcomes)
    with THIS_CALL.begin_call(limits):
        return SchemaNetwork(document, strings, numbers)
