"""The network of a schema that no machine runs, for those who ask what its documents are."""

from __future__ import annotations

from structgen.automata.numbers.number_pool import NumberPool
from structgen.automata.strings.string_pool import StringPool
from structgen.base.system.public_calls import THIS_CALL
from structgen.grammars.json_grammars.text_readers import TextReaders
from structgen.machines.json_machine.answers.scalar_questions import Numbers, Strings
from structgen.schema.reading.document import Document
from structgen.schema.recogniser.schema_network import SchemaNetwork


def network_of(document: Document) -> SchemaNetwork:
    """Return the network of a document that no machine runs, with automata of its own. It is a public call of
    its own, or a part of the one that asks: the steps to find a document are counted."""
    limits, policies = document.limits, document.policies
    pool = StringPool(limits, lone=policies.escapes == "any", texts=TextReaders(None, limits, None))
    strings = Strings(pool, document.quoting.write_literal)
    numbers = NumberPool(policies.numbers, limits, document.missing)
    with THIS_CALL.begin_call(limits):
        return SchemaNetwork(document, strings, Numbers(numbers, strings.outcomes))
