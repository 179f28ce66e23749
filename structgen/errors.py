"""What can go wrong. All errors are a `StructgenError`; each says what was wrong, where, and how to mend it.

The public address of `structgen.base.errors`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from structgen.base.system.public_addresses import address_of

if TYPE_CHECKING:
    from structgen.base.errors import *  # noqa: F403

__getattr__, __dir__ = address_of("structgen.base.errors")
__path__: list[str] = []  # so that the finder is asked about modules that lay below this name
