"""Makes the command with which a person installs a missing package.

An *extra* is a named group of optional packages: `pip install structgen-toolkit[ray]` installs the extra
`ray`. A *distribution* is a package under its name on PyPI. A copy of structgen that was installed from a
folder or a file must be installed from there again, since an index may not have it. Pip's record of the copy
(PEP 610) names the place.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from structgen.base.errors import StructgenError

DISTRIBUTION: Final = "structgen-toolkit"
_CHECKOUT: Final = Path(__file__).resolve().parents[3]
_TYPED: Final = ("pydantic",)
_TOKENIZERS: Final = ("sentencepiece", "tiktoken", "tokenizers")
_TORCH: Final = ("safetensors", "torch")
_TRANSFORMERS: Final = (*_TOKENIZERS, *_TORCH, "transformers")
EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {
    "anthropic": ("anthropic", *_TYPED),
    "compile": ("llvmlite", "numba"),
    "gguf": ("accelerate", "gguf", *_TRANSFORMERS),
    "documents": (
        "beautifulsoup4",
        "charset-normalizer",
        "cryptography",
        "lxml",
        "markdownify",
        "pypdf",
        "webencodings",
    ),
    "grounded": ("babel", "rank-bm25", "text2num"),
    "openai": ("openai", *_TYPED),
    "ray": ("ray",),
    "serve": (
        "prometheus-client",
        "python-multipart",
        "starlette",
        "uvicorn",
        *_TOKENIZERS,
        *_TORCH,
        *_TYPED,
    ),
    "tables": ("pandas",),
    "tokenizers": _TOKENIZERS,
    "torch": _TORCH,
    "transformers": _TRANSFORMERS,
    "typed": _TYPED,
}
"""The packages of each extra that an error may ask for, as in pyproject.toml."""
_MODULES: Final = {
    "beautifulsoup4": "bs4",
    "llama-cpp-python": "llama_cpp",
    "rank-bm25": "rank_bm25",
    "text2num": "text_to_num",
}
"""The modules of packages whose module has another name."""


def not_installed(
    who: str,
    *extras: str,
    where: str = "",
    kind: type[StructgenError] = StructgenError,
    otherwise: str = "",
) -> StructgenError:
    """Return the error of `who`, which needs some extras: it names all of their packages that are missing,
    and the command that installs them.

    `extras`: names of EXTRAS, or packages that no extra has. `otherwise`: what one can do instead. For an
    `except ImportError` too: where all packages are found, the import that failed is told. Cost: a search
    of the import path for each package.
    """
    packages = _missing_packages(extras)
    error = "" if packages else f", and an import failed: {sys.exception()}"
    absent = f", which {'is' if len(packages) == 1 else 'are'} not installed"
    *others, last = packages or _packages_of(extras)
    package_names = f"{', '.join(others)} and {last}" if others else last
    command = install_command(*extras) or f"pip install --force-reinstall {' '.join(_packages_of(extras))}"
    cure = command + (otherwise and f" ({otherwise})")
    return kind(f"{who} needs {package_names}{error or absent}.", where=where, cure=cure)


@contextmanager
def require_extras(who: str, *extras: str, **error_options: Any) -> Iterator[None]:
    """Raise the error of `not_installed` for an ImportError of a block, which imports what `who` needs."""
    try:
        yield
    except ImportError as error:
        raise not_installed(who, *extras, **error_options) from error


def install_command(*extras: str) -> str:
    """Return the command that installs what is missing of some extras, or packages that no extra has; ""
    where nothing is missing."""
    packages = _missing_packages(extras)
    if not packages:
        return ""
    missing_extras = [extra for extra in extras if extra in EXTRAS and _missing_packages([extra])]
    if missing_extras:
        requirement = _pip_requirement(",".join(missing_extras))
        if requirement is not None:
            # The extras of this copy bring their packages; only those of no extra are named beside them.
            packages_of_no_extra = [extra for extra in extras if extra not in EXTRAS]
            packages = [*requirement, *_missing_packages(packages_of_no_extra)]
    return " ".join(("pip install", *packages))


def _packages_of(extras: Iterable[str]) -> list[str]:
    """Return the packages of some extras, sorted; a name that is no extra is a package itself."""
    packages: set[str] = set()
    for extra in extras:
        packages.update(EXTRAS.get(extra, (extra,)))
    return sorted(packages)


def _missing_packages(extras: Iterable[str]) -> list[str]:
    """Return the packages of some extras that cannot be found. None is imported."""
    return [package for package in _packages_of(extras) if not _is_there(package)]


def _is_there(package: str) -> bool:
    try:
        return find_spec(_MODULES.get(package, package.replace("-", "_"))) is not None
    except (ImportError, ValueError):  # a finder refuses it; a module that was made by hand has no spec
        return False


def _pip_requirement(extras: str) -> tuple[str, ...] | None:
    """Return pip's arguments that install this copy of structgen with some extras; None where nothing is
    known from which it can be installed."""
    # start-up: needed where an error is made alone
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        record = distribution(DISTRIBUTION).read_text("direct_url.json")
    except PackageNotFoundError:
        if _is_checkout():
            return ("-e", _quote_argument(f"{_CHECKOUT}[{extras}]"))
        return None
    if record is None:  # it came from an index
        return (_quote_argument(f"{DISTRIBUTION}[{extras}]"),)
    place: dict[str, Any] = json.loads(record)
    url = place["url"]
    version_control = place.get("vcs_info")
    if version_control is not None:
        url = f"{version_control['vcs']}+{url}@{version_control['commit_id']}"
    if "subdirectory" in place:
        url += f"#subdirectory={place['subdirectory']}"
    if not url.startswith("file:"):
        return (_quote_argument(f"{DISTRIBUTION}[{extras}] @ {url}"),)
    path = Path(url2pathname(urlsplit(url).path))
    if not path.exists():
        return None
    is_editable = place.get("dir_info", {}).get("editable", False)
    requirement = _quote_argument(f"{path}[{extras}]")
    return ("-e", requirement) if is_editable else (requirement,)


def _is_checkout() -> bool:
    """Return whether the package lies in a clone of the repository."""
    try:
        return f'\nname = "{DISTRIBUTION}"\n' in (_CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    except OSError:
        return False


def _quote_argument(text: str) -> str:
    """Return an argument for a shell, in the quotes that all shells have where they will do."""
    if set(text) & set('"$`!'):
        return shlex.quote(text)
    return f'"{text}"'
