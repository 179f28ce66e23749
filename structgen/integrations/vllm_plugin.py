"""The entry point that vLLM loads.

The public address of `structgen.doors.integrations.vllm_plugin`."""

from structgen.doors.integrations.vllm_plugin import *  # noqa: F403
