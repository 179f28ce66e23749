"""Typed functions ask models of torch, and servers, whose clients are made quickly and ask again at once."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest


@pytest.fixture(autouse=True, scope="session")
def _torch() -> None:
    pytest.importorskip("torch")


@pytest.fixture(autouse=True, scope="package")
def _quick_clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave out the certificates, which each client reads for 30 ms, and the pause before it asks again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("certificates")))
        if find_spec("openai"):
            patch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0)
        yield
