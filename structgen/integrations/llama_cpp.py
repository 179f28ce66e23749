"""Masks for llama-cpp-python.

The public address of `structgen.doors.integrations.llama_cpp`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from structgen.base.system.public_addresses import address_of

if TYPE_CHECKING:
    from structgen.doors.integrations.llama_cpp import *  # noqa: F403

__getattr__, __dir__ = address_of("structgen.doors.integrations.llama_cpp")
