"""Reads the header of a GGUF file: the model's metadata, and the places of its tensors.

The *metadata* are pairs of a key and a typed value, such as "llama.block_count" and 30. A *tensor* is a named
array of weights; its *kind* is the way its numbers are quantised; its *offset* is its place in the file. In
order, the header has the magic word `GGUF`, a version, two counts, the metadata, and the name, shape, kind
and offset of each tensor (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).

The package gguf could read it too, but takes 4 CPU seconds for a vocabulary of 49,152 tokens, and
transformers does so three times for one model.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

from structgen.base.errors import StructgenError

MAGIC: Final = b"GGUF"
_VERSIONS: Final = (2, 3)
"""The versions of the format that are read. Version 1 had counts of 32 bits; no model is published in it
today."""
_SCALARS: Final = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""The types of single values by their numbers in the format, as the module struct writes them: 4 is "I", a
uint32."""
_STRING, _ARRAY = 8, 9
"""The numbers of the two other types."""
_MOST_DIMENSIONS: Final = 4
"""The most dimensions of a tensor in ggml: a file with a greater number is damaged."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """The place and the form of a tensor in a file."""

    shape: tuple[int, ...]
    """The shape in torch's order, which is the reverse of the file's."""
    kind: int
    """The number of its quantisation (gguf.GGMLQuantizationType)."""
    offset: int
    """The number of bytes from the beginning of the file to the tensor."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """The metadata of a model in a GGUF file, and the places of its tensors."""

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, StoredTensor]

    @classmethod
    def read_file(cls, path: Path) -> GgufHeader:
        """Return the header of a file. Raises StructgenError for a file that is cut off, damaged or of
        another version. Cost: about 1 us for each token of the vocabulary."""
        # The file is mapped: the header is a few megabytes of gigabytes, and its length is not known in
        # advance.
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return cls._from_reader(path, _Reader(path, data))

    @classmethod
    def _from_reader(cls, path: Path, reader: _Reader) -> GgufHeader:
        """Return the header that a reader at the beginning of the file finds."""
        # The values are read in the order of the file.
        reader.read_bytes(len(MAGIC))  # `gguf_file` has checked these bytes
        if (version := reader.read_number("I")) not in _VERSIONS:
            raise StructgenError(
                f"{path.name} has version {version} of GGUF; versions 2 and 3 are supported.",
                where=str(path),
                cure="Convert the model again with a current llama.cpp.",
            )
        tensor_count = reader.read_number("Q")
        pair_count = reader.read_number("Q")
        metadata: dict[str, Any] = {}
        for _ in range(reader.check_count(pair_count)):
            key = reader.read_string()
            kind = reader.read_number("I")
            metadata[key] = reader.read_value(kind)
        stored_tensors = [reader.read_tensor() for _ in range(reader.check_count(tensor_count))]
        # The data begin at the next multiple of the alignment, 32 bytes by default; `or`, because a damaged
        # file may have 0. `-(-a // b)` rounds up.
        alignment = int(metadata.get("general.alignment", 32)) or 32
        data_start = -(-reader.offset // alignment) * alignment
        tensors = {
            name: StoredTensor(shape, kind, data_start + offset)
            for name, shape, kind, offset in stored_tensors
        }
        return cls(path, metadata, tensors)

    def architecture_value(self, name: str) -> Any:
        """Return a metadata value of the model's architecture, such as `block_count` for the key
        "llama.block_count"; None if the file does not have it."""
        return self.metadata.get(f"{self.metadata.get('general.architecture')}.{name}")


@dataclass(eq=False)
class _Reader:
    """Reads values one after another, from `offset` on. Each method raises StructgenError for a damaged
    file."""

    path: Path
    data: mmap.mmap
    offset: int = 0
    """The offset of the next value, in bytes."""

    def read_bytes(self, count: int) -> bytes:
        part = self.data[self.offset : self.offset + count]
        if len(part) < count:
            raise self.make_fault(f"it ends after {len(self.data):,} bytes, inside its header")
        self.offset += count
        return part

    def read_number(self, kind: str) -> Any:
        number_bytes = self.read_bytes(struct.calcsize(kind))
        (number,) = struct.unpack(f"<{kind}", number_bytes)  # little-endian
        return number

    def check_count(self, count: int) -> int:
        """Return `count`, a number of values that take at least a byte each. Raises StructgenError if the
        file is too small for so many."""
        # This is checked before a list of that length is made: a damaged count would take all memory.
        if count > len(self.data):
            raise self.make_fault(f"byte {self.offset:,} announces {count:,} values, more than the file has")
        return count

    def read_string(self) -> str:
        size = self.check_count(self.read_number("Q"))
        try:
            return self.read_bytes(size).decode()
        except UnicodeDecodeError as error:
            raise self.make_fault(f"the text before byte {self.offset:,} is not UTF-8") from error

    def read_value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.read_string()
        if kind == _ARRAY:
            kind = self.read_number("I")
            count = self.check_count(self.read_number("Q"))
            if kind == _STRING:
                return [self.read_string() for _ in range(count)]
            if kind in _SCALARS:
                # one call of `unpack` for the whole array, since a vocabulary has some 50,000 numbers
                form = f"<{count}{_SCALARS[kind]}"
                return list(struct.unpack(form, self.read_bytes(struct.calcsize(form))))
        elif kind in _SCALARS:
            return self.read_number(_SCALARS[kind])
        # this includes arrays of arrays, which no published model has
        raise self.make_fault(f"byte {self.offset:,} has a value of the unknown type {kind}")

    def read_tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        """Return the name, the shape and the kind of a tensor, and its offset from the beginning of the
        data."""
        name = self.read_string()
        dimensions = self.read_number("I")
        if dimensions > _MOST_DIMENSIONS:
            raise self.make_fault(f"tensor {name!r} has {dimensions:,} dimensions")
        shape = [self.read_number("Q") for _ in range(dimensions)]
        if prod(shape) > 2**40:  # a terabyte of weights: no file has them
            raise self.make_fault(f"tensor {name!r} has the shape {shape}")
        kind = self.read_number("I")
        offset = self.read_number("Q")
        return name, tuple(reversed(shape)), kind, offset

    def make_fault(self, fault: str) -> StructgenError:
        return StructgenError(
            f"{self.path.name} is truncated or damaged: {fault}.",
            where=str(self.path),
            cure="The file is damaged or truncated: download it again.",
        )
