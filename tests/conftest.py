"""What every test stands on: a cache folder of its own, no deadlines on a shared machine, the same examples.

`make test` draws the same examples each time, so that a red run says something of the change. New ones are
drawn by `make test-all`, which takes the profile "deep".
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from failure_printing import FailurePrinter
from hypothesis import HealthCheck, settings

# Tests start a hundred processes: each would compile our sources anew where bytecode is not kept.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
# The models of the tests are small: a second thread of torch waits for the first, and takes a core from
# another worker while it does.
os.environ["OMP_NUM_THREADS"] = "1"
# A shell that starts the tests in the background has them ignore Ctrl-C, which some of them send.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "default",
    deadline=None,
    derandomize=True,
    max_examples=24,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "deep", parent=settings.get_profile("default"), derandomize=False, max_examples=1000
)
settings.load_profile("default")


def pytest_configure(config: pytest.Config) -> None:
    """Print each failure when it happens."""
    config.pluginmanager.register(FailurePrinter(config))


def pytest_collection() -> None:
    """Collect tests without garbage collection, which goes through all modules again and again."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Take modules and collected tests out of garbage collection: a tenth of a run went through them."""
    gc.enable()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Give them back: libraries complain of what is left when the interpreter ends."""
    gc.unfreeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` takes: none beside this on one core; four at most, of 2 GB each."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, 4) if cores > 1 else 0


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests out of the user's cache folder, and each run free of what an earlier one left there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRUCTGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def unhandled(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return a keyword that is refused while the test runs."""
    from structgen.schema.reading.dialects import DRAFTS, dialect_of

    keyword = "propertyNames"

    def refuse(document: Any, place: Any, *_: Any) -> None:
        document.refuse_keyword(place, keyword)

    for draft in DRAFTS[2:]:
        monkeypatch.setitem(dialect_of(draft).keywords, keyword, refuse)
    yield keyword
