"""vLLM's proposer of forced text: named in `--speculative-config`.

The public address of `structgen.doors.integrations.vllm_drafts`."""

from structgen.doors.integrations.vllm_drafts import *  # noqa: F403
