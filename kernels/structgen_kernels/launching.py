"""Kernels that are launched again: what does not change between calls is found out once.

Triton looks at each argument of each launch to find the kernel that was compiled for it, and a launcher
checks its arguments: together ten times what the launch itself takes. Both depend on the outline of the
arguments alone: their types, shapes, strides, devices, and whether their memory begins at a multiple of 16
bytes. A call whose outline is known launches at once. This module needs no Triton.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from torch import Tensor

Outline: TypeAlias = tuple[Any, ...]

_MOST = 256
"""Outlines that are kept. A batch of another size has another one."""


class Plan:
    """The kernels of a launcher, compiled for arguments of one outline."""

    def __init__(self) -> None:
        self._compiled: dict[int, Any] = {}

    def launch(self, kernel: Any, programs: int, *arguments: Any, warps: int = 4, **constants: int) -> None:
        """Launch a kernel on the current stream. `constants` are its last parameters, in their order."""
        compiled = self._compiled.get(id(kernel))
        if compiled is None:
            made = kernel[(programs,)](*arguments, **constants, num_warps=warps)
            # Triton's interpreter compiles nothing
            self._compiled[id(kernel)] = kernel if made is None else made
        else:
            compiled[(programs, 1, 1)](*arguments, *constants.values())


class Plans:
    """The plans of a launcher, by outline."""

    def __init__(self) -> None:
        self._known: dict[Outline, Plan] = {}

    def known(self, outline: Outline | None) -> Plan | None:
        """Return the plan of an outline, or None if there is none."""
        return None if outline is None else self._known.get(outline)

    def made(self, outline: Outline | None, given: tuple[Any, ...], checked: tuple[Any, ...]) -> Plan:
        """Return a plan for checked arguments. It is kept if they are the arguments that were given: then
        later ones of this outline need no check and no conversion."""
        plan = Plan()
        if outline is not None and all(a is b for a, b in zip(given, checked, strict=True)):
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[outline] = plan
        return plan


def is_planned(first: object) -> bool:
    """Return whether calls have an outline: on a GPU, where the values of tensors are not checked."""
    return isinstance(first, Tensor) and first.is_cuda


def outline_of(*arguments: object) -> Outline | None:
    """Return the outline of arguments that are tensors or None; None if there is another one."""
    if not is_planned(arguments[0]):
        return None
    found: list[Any] = []
    for one in arguments:
        if isinstance(one, Tensor):
            found += one.dtype, one.shape, one.stride(), one.device, one.data_ptr() % 16
        elif one is None:
            found.append(None)
        else:
            return None
    return tuple(found)
