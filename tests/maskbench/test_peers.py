from __future__ import annotations

import pytest

from structgen.maskbench.peers import group


@pytest.mark.parametrize(
    ("message", "grouped"),
    [
        ('Unimplemented keys: ["not"]', 'Unimplemented keys: ["not"]'),
        ("Cannot resolve reference '#/definitions/a_1'\nmore", "Cannot resolve reference <name>"),
        ('Unimplemented keys: ["if","then"]', 'Unimplemented keys: ["if","then"]'),
        (
            "error: #/allOf/0/if: no intersection of object/array",
            "error: <pointer> no intersection of object/array",
        ),
        ("too many states: 12345 > 10000", "too many states: <n> > <n>"),
        ("bad pointer /properties/a~1b/items", "bad pointer <pointer>"),
        ("", "no message"),
    ],
)
def test_messages_of_one_cause_are_grouped(message, grouped):
    assert group(message) == grouped
