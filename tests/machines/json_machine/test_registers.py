"""Python reads the registers of a state by the names that compiled code has for them."""

from __future__ import annotations

from structgen.base.native.typed_blocks import word_of
from structgen.machines.json_machine.inspection import StateRegisters
from structgen.machines.json_machine.tables.json_blocks import JsonState


def test_the_registers_stand_in_the_order_of_the_block() -> None:
    assert [word_of(JsonState, name) for name in StateRegisters._fields] == list(
        range(len(StateRegisters._fields))
    )
