"""The errors of this package; each message says what was wrong, where, and last how to mend it."""

from __future__ import annotations


class KernelError(ValueError):
    """An argument has a wrong type, device, shape, stride or value.

    `where` is the name of the argument; `cure` is the last sentence of the message, and says how to mend it.
    """

    def __init__(self, what: str, *, where: str, cure: str) -> None:
        self.what, self.where, self.cure = what, where, cure
        super().__init__(f"{where}: {what} {cure}")
