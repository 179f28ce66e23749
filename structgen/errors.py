"""What can go wrong. All errors are a `StructgenError`; each says what was wrong, where, and how to mend it.

The public address of `structgen.base.errors`."""

from structgen.base.errors import *  # noqa: F403
from structgen.base.errors import __dir__
from structgen.base.errors import _InputWarning as _InputWarning  # listed too: the base of four warnings

__all__ = __dir__()  # `help` passes over what has another address
__path__: list[str] = []  # so that the finder is asked about modules that lay below this name
