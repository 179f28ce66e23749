"""The entry point that SGLang loads.

The public address of `structgen.doors.integrations.sglang_plugin`."""

from structgen.doors.integrations.sglang_plugin import *  # noqa: F403
