"""Reads the fields of a trie's node, which is one word of 64 bits. No other module takes words apart.

A *node* stands for a beginning of tokens; its *byte* is the last byte of it, and its *depth* the number of
its bytes. A *slot* is the number of a distinct string of tokens.

    bits 0-7     byte
    bits 8-19    depth: 1 for the root's children
    bits 20-39   slot plus one; 0: no string ends at the node
    bits 40-63   end: the index of the first node after the subtree

Compiled code calls the four functions: inlined, each is a shift and a mask. Python code calls `fields_of`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from structgen.base.native.jit import jit

DEPTH_SHIFT: Final = 8
SLOT_SHIFT: Final = 20
END_SHIFT: Final = 40
DEPTH_BITS: Final = (1 << SLOT_SHIFT - DEPTH_SHIFT) - 1
SLOT_BITS: Final = (1 << END_SHIFT - SLOT_SHIFT) - 1
END_BITS: Final = (1 << 64 - END_SHIFT) - 1


@jit
def byte_of(word: Any) -> Any:
    """Return the byte of a node."""
    return word & 0xFF


@jit
def depth_of(word: Any) -> Any:
    """Return the depth of a node; the root's children have depth 1."""
    return (word >> DEPTH_SHIFT) & DEPTH_BITS


@jit
def slot_of(word: Any) -> Any:
    """Return the slot of the string that ends at a node, plus one; 0: none ends there."""
    return (word >> SLOT_SHIFT) & SLOT_BITS


@jit
def end_of(word: Any) -> Any:
    """Return the index of the first node after a node's subtree."""
    return (word >> END_SHIFT) & END_BITS


class NodeFields(NamedTuple):
    """The fields of a node's word, or of an array of words."""

    byte: Any
    depth: Any
    slot: Any
    """The slot plus one; 0: no string ends at the node."""
    end: Any


def fields_of(word: Any) -> NodeFields:
    """Return the fields of a word, or of an array of words (int64) as arrays. For Python, not for compiled
    code."""
    return NodeFields(
        word & 0xFF,
        (word >> DEPTH_SHIFT) & DEPTH_BITS,
        (word >> SLOT_SHIFT) & SLOT_BITS,
        (word >> END_SHIFT) & END_BITS,
    )
