"""A claim about many cases as one test: pytest takes longer to hand out a test than most cases take."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

from nonempty import nonempty


def for_each(
    names: str | Sequence[str], cases: Iterable[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that runs a test with each case, named as `pytest.mark.parametrize` names them, one
    after another. A note of the error says which case failed; those behind it are not run. At least one."""
    is_one = isinstance(names, str) and "," not in names
    keys = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    rows = [(case,) if is_one else tuple(case) for case in nonempty(cases)]

    def over(test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def every(**given: Any) -> None:
            for row in rows:
                try:
                    test(**given, **dict(zip(keys, row, strict=True)))
                except Exception as error:
                    error.add_note(f"The case: {dict(zip(keys, row, strict=True))!r:.2000}")
                    raise

        asked = inspect.signature(test)
        left = [one for name, one in asked.parameters.items() if name not in keys]
        every.__signature__ = asked.replace(parameters=left)  # type: ignore[attr-defined]
        return every

    return over
