"""What the tests of other people's loops need."""

import pytest

for _name in ("torch", "transformers"):
    pytest.importorskip(_name)
