"""Masks for models of transformers.

The public address of `structgen.doors.integrations.transformers`."""

from structgen.doors.integrations.transformers import *  # noqa: F403
