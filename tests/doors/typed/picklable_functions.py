"""Typed functions at the top of a module, for tests of pickling."""

from __future__ import annotations

import structgen as sg


@sg.generate(model="structgen/extract")
def age(text: str) -> int:
    """The age in: {text}"""
    return sg.filled()


class Reader:
    """Has a typed method."""

    def __init__(self, unit: str) -> None:
        self.unit = unit

    @sg.generate(model="structgen/extract")
    def size(self, text: str) -> int:
        """The size of {text} in {self.unit}"""
        return sg.filled()
