"""The entry point that vLLM loads.

The public address of `structgen.doors.integrations.vllm_plugin`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from structgen.base.system.public_addresses import address_of

if TYPE_CHECKING:
    from structgen.doors.integrations.vllm_plugin import *  # noqa: F403

__getattr__, __dir__ = address_of("structgen.doors.integrations.vllm_plugin")
