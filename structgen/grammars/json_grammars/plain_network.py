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
