"""What every test stands on: a cache folder of its own, no deadlines on a shared machine, the same examples.

`make test` draws the same examples each time, so that a red run says something of the change. New ones are
drawn by `make test-all`, which takes the profile "deep".
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "default",
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "deep", parent=settings.get_profile("default"), derandomize=False, max_examples=1000
)
settings.load_profile("default")


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests out of the user's cache folder, and each run free of what an earlier one left there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRUCTGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def unhandled(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return a keyword that nothing enforces while the test runs."""
    from structgen.schema import scan

    keyword = "propertyNames"
    monkeypatch.setattr(scan, "HANDLED", scan.HANDLED - {keyword})
    scan.dialect.cache_clear()
    yield keyword
    scan.dialect.cache_clear()
