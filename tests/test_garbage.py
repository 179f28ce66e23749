"""Garbage collection that is held back, and on again."""

from __future__ import annotations

import gc

import pytest

import structgen as sg
from structgen.system.garbage import uncollected


def test_collection_waits_and_goes_on_after_an_error() -> None:
    with pytest.raises(KeyError), uncollected():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()


def test_whoever_has_turned_collection_off_finds_it_off() -> None:
    gc.disable()
    try:
        with uncollected(), uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_tag_that_is_refused_leaves_collection_on() -> None:
    with pytest.raises(sg.errors.OptionError):
        sg.structural_tag({"format": {"type": "sequence", "elements": []}})
    assert gc.isenabled()
