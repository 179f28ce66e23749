"""Typed functions ask models of torch, and servers, whose clients are made quickly and ask again at once."""

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

if not all(map(find_spec, ("torch", "transformers", "pydantic", "openai"))):
    collect_ignore_glob = ["test_*.py"]
sys.path.insert(0, str(Path(__file__).parents[2] / "decoding" / "engine"))


@pytest.fixture(autouse=True, scope="package")
def _quick_clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave out the certificates, which each client reads for 30 ms, and the pause before it asks again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("certificates")))
        patch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0)
        if find_spec("anthropic"):
            patch.setattr("anthropic._base_client.INITIAL_RETRY_DELAY", 0)
        yield
