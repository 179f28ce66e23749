"""Vocabularies of these tests go when nobody holds them, so that files are read and made anew."""

from __future__ import annotations

from collections import deque
from weakref import WeakValueDictionary

import pytest

from structgen.tokens.vocabulary import Vocabulary


@pytest.fixture(autouse=True)
def none_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Vocabulary, "_recent", deque(maxlen=0))
    # Other tests of the process may still hold some.
    monkeypatch.setattr(Vocabulary, "_open", WeakValueDictionary())
