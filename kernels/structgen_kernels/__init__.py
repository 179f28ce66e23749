"""Kernels that apply token masks to logits on a GPU, sample under them, verify drafts and step automata.

It is a package of its own and imports nothing of structgen. It needs torch. Its kernels need Triton (`pip
install 'structgen-toolkit[triton]'`); without Triton, torch operations compute the same, slower.
docs/inside/kernels.md explains layouts and has drawings of the tiles.
"""

from structgen_kernels.automata import advance
from structgen_kernels.errors import KernelError
from structgen_kernels.masking import apply_mask_, apply_store_mask_
from structgen_kernels.reference import Advanced, Sampled, Verified
from structgen_kernels.sampling import masked_sample
from structgen_kernels.trees import sample_tree, verify

__all__ = [
    "Advanced",
    "KernelError",
    "Sampled",
    "Verified",
    "advance",
    "apply_mask_",
    "apply_store_mask_",
    "masked_sample",
    "sample_tree",
    "verify",
]
