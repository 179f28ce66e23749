"""The error for a template that cannot be filled."""

from __future__ import annotations

from structgen.errors import StructgenError


class NoFillingError(StructgenError):
    """A template has no valid filling. `fixed` is the fixed text that prevents it; "" if a hole does. `slots`
    is the number that a hole needs where more slots mend the fault; else 0."""

    def __init__(
        self, what: str, *, fixed: str = "", slots: int = 0, where: str = "", cure: str = ""
    ) -> None:
        self.fixed = fixed
        self.slots = slots
        super().__init__(what, where=where, cure=cure)
