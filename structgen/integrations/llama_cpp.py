"""Masks for llama-cpp-python.

The public address of `structgen.doors.integrations.llama_cpp`."""

from structgen.doors.integrations.llama_cpp import *  # noqa: F403
