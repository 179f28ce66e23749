"""The machine's name for structgen.memory."""

from structgen.memory import load8, load32, load64, store8, store32, store64

__all__ = ["load8", "load32", "load64", "store8", "store32", "store64"]
