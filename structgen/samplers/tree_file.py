"""A prefix tree in a file (`native.array_file`).

Nodes are numbered in preorder, the root first. `counts` says how many tokens each node keeps; `tokens`,
`probabilities`, `uppers` and `lowers` hold those of all nodes, one after another; `nodes` has the numbers of
each node; `children` has a row (parent, slot, child) for each edge; `fingerprint` is the target's, in UTF-8.
Each number is checked against its range when a file is read, and the bounds of each node are recomputed.

Several processes may read one file, and each then has a tree of its own. A file is replaced atomically, and
only by a tree that was loaded from it or last saved to it. Otherwise what another process saved meanwhile
would be lost. The lock file `.NAME.lock` beside it lets one process at a time compare and replace; the system
releases the lock when that process ends.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from structgen.errors import OptionError, StructgenError
from structgen.native.array_file import DamagedArrays, decode_arrays, encode_arrays
from structgen.samplers.prefix_node import Node
from structgen.samplers.target import TargetStep
from structgen.system.cache import writing
from structgen.system.file_locks import exclusive

_KIND: Final = "prefix-tree-3"
_EACH: Final = ("end", "end_upper", "end_lower", "rest", "rest_count", "upper", "lower", "estimate")
"""The numbers of a node, in the columns of `nodes`."""
_FLAT: Final = ("tokens", "probabilities", "uppers", "lowers")
_SLACK: Final = 1e-9
"""How far the probabilities of a node may exceed 1 by rounding."""


class StoredTree(Protocol):
    """The fields of a `tree.PrefixTree` that a file holds, without `saved`."""

    root: Node | None
    kept: int
    most: int
    nbytes: int
    fingerprint: str
    saved: str
    """The digest of the file that the tree was last loaded from or saved to."""


def write_tree(tree: StoredTree, path: Path, overwrite: bool = False) -> None:
    """Write a tree to a file, replacing an existing one.

    Raises OSError; and OptionError if the file holds what this tree has not seen and `overwrite` is False, or
    while another process is saving to it.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    whole = encode_arrays(_KIND, "", {"kept": tree.kept, "most": tree.most}, _arrays(tree))
    with exclusive(path.with_name(f".{path.name}.lock")) as is_alone:
        if not is_alone:
            raise OptionError(
                "Another process is saving a tree there.", where=str(path), cure="Save once more."
            )
        if not overwrite and path.exists() and _digest(path.read_bytes()) != tree.saved:
            raise OptionError(
                "The file is not the one that this tree was loaded from or saved to: another process may "
                "have saved what it has learnt.",
                where=str(path),
                cure="Load it and repeat the run with it, save under another name, or pass overwrite=True.",
            )
        with writing(path, sync=True) as file:
            file.write(whole)
    tree.saved = _digest(whole)


def _arrays(tree: StoredTree) -> dict[str, Any]:
    """Return the arrays of a tree."""
    nodes, children = _listed(tree)
    arrays: dict[str, Any] = {name: _joined([getattr(node, name) for node in nodes]) for name in _FLAT}
    arrays["tokens"] = arrays["tokens"].astype(np.int64)
    arrays["counts"] = np.array([len(node.tokens) for node in nodes], np.int64)
    numbers = [[getattr(node, name) for name in _EACH] for node in nodes]
    arrays["nodes"] = np.array(numbers, np.float64).reshape(-1, len(_EACH))
    arrays["children"] = np.array(children, np.int64).reshape(-1, 3)
    arrays["fingerprint"] = np.frombuffer(tree.fingerprint.encode(), np.uint8)
    return arrays


def _digest(content: bytes | bytearray) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _joined(parts: list[Any]) -> Any:
    return np.concatenate(parts) if parts else np.empty(0)


def _listed(tree: StoredTree) -> tuple[list[Node], list[tuple[int, int, int]]]:
    """Return the nodes of a tree in preorder, and the edges between them by their numbers."""
    nodes: list[Node] = []
    children: list[tuple[int, int, int]] = []
    waiting = [(tree.root, -1, -1)] if tree.root is not None else []
    while waiting:
        node, parent, slot = waiting.pop()
        if parent >= 0:
            children.append((parent, slot, len(nodes)))
        nodes.append(node)
        # Siblings in order of their first visit, so that a loaded tree lists its texts in the order of the
        # saved one.
        waiting += [(child, len(nodes) - 1, slot) for slot, child in reversed(node.children.items())]
    return nodes, children


def read_tree(tree: StoredTree, path: Path) -> None:
    """Fill an empty tree from a file. Raises StructgenError if it is damaged or no tree; OSError."""
    content = path.read_bytes()
    try:
        numbers, arrays = decode_arrays(np.frombuffer(content, np.uint8), _KIND, "")
    except DamagedArrays as error:
        raise _refused(path, "it is damaged, or another version of structgen wrote it") from error
    try:
        tree.most, tree.kept = numbers["most"], numbers["kept"]
        tree.fingerprint = arrays["fingerprint"].tobytes().decode()
        _fill(tree, arrays)
    except (ValueError, LookupError, TypeError, OverflowError, StructgenError) as error:
        raise _refused(path, f"{type(error).__name__}: {error}") from error
    tree.saved = _digest(content)


def _refused(path: Path, why: str) -> StructgenError:
    return StructgenError(
        f"No prefix tree can be read from it ({why}).",
        where=str(path),
        cure="Begin a new one with sg.samplers.PrefixTree(), and save it there with overwrite=True.",
    )


def _fill(tree: StoredTree, arrays: dict[str, Any]) -> None:
    """Add the nodes in some arrays to a tree. Raises ValueError for numbers out of range."""
    counts, each, children = arrays["counts"], arrays["nodes"], arrays["children"]
    _hold(
        counts.ndim == 1 and each.shape == (len(counts), len(_EACH)) and children.shape[1:] == (3,), "shapes"
    )
    _hold(bool((counts >= 0).all()), "counts")
    ends = np.cumsum(counts)
    for name in _FLAT:
        _hold(arrays[name].shape == (int(ends[-1]) if len(ends) else 0,), name)
    _hold(bool((arrays["tokens"] >= 0).all()), "tokens")
    for name in _FLAT[1:]:
        _hold(bool(((arrays[name] >= 0) & (arrays[name] <= 1)).all()), name)
    _hold(bool((arrays["lowers"] <= arrays["uppers"]).all()), "bounds")
    nodes = list(_nodes(arrays, ends))
    # Each node but the root has a parent with a smaller number, so there is no cycle.
    _hold(len(children) == max(len(nodes) - 1, 0), "edges")
    _hold(sorted(children[:, 2].tolist()) == list(range(1, len(nodes))), "edges")
    for parent, slot, child in children.tolist():
        _hold(0 <= parent < child and 0 <= slot < len(nodes[parent].tokens), "edges")
        _hold(slot not in nodes[parent].children, "edges")
        nodes[parent].children[slot] = nodes[child]
    if nodes:
        tree.root = nodes[0]
        tree.nbytes = sum(node.nbytes for node in nodes)


def _nodes(arrays: dict[str, Any], ends: Any) -> Iterator[Node]:
    for numbers, end, count in zip(
        arrays["nodes"].tolist(), ends.tolist(), arrays["counts"].tolist(), strict=True
    ):
        said = dict(zip(_EACH, numbers, strict=True))
        _hold(all(0 <= said[name] <= 1 for name in _EACH if name != "rest_count"), "numbers of a node")
        _hold(said["rest_count"] >= 0 and said["end_lower"] <= said["end_upper"], "numbers of a node")
        node = Node(TargetStep(np.empty(0, np.int64), np.empty(0), said["end"]), 0)
        for name in _FLAT:
            setattr(node, name, np.array(arrays[name][end - count : end]))
        node.end_upper, node.end_lower = said["end_upper"], said["end_lower"]
        node.rest, node.rest_count = said["rest"], int(said["rest_count"])
        total = float(node.probabilities.sum()) + node.end + node.rest
        _hold(
            total <= 1 + _SLACK and len(np.unique(node.tokens)) == len(node.tokens), "probabilities of a node"
        )
        node.upper, node.lower = 1.0, 0.0
        node.estimate = said["estimate"]
        node.settle()
        yield node


def _hold(valid: bool, what: str) -> None:
    if not valid:
        raise ValueError(f"{what} out of range")
