"""A request has known members alone, each of its type, at every depth; all else is refused by its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from for_each import for_each
from good_requests import GOOD, Malformed, malformed, text_of

import structgen as sg

DATA: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "malformed_requests.json").read_text(encoding="utf-8")
)


def refusal(request: Any) -> sg.StructgenError:
    with pytest.raises(sg.StructgenError) as caught:
        sg.read_request(request)
    return caught.value


def fault_of(one: Malformed) -> None:
    error = refusal(one.request)
    # a value of an object's member that tells its shape is at fault where it stands
    assert error.where == one.place or error.where.startswith(f"{one.place}/"), (str(error), one.place)
    if one.meant:
        assert repr(one.meant) in str(error) or one.meant in error.cure, str(error)


def test_forty_good_requests_are_read() -> None:
    assert len(GOOD) == 40
    for request in GOOD:
        sg.read_request(request)
        sg.read_request(json.loads(text_of(request)))


@for_each("one", DATA)
def test_each_malformed_request_of_the_data_is_refused_with_its_place(one: dict[str, Any]) -> None:
    fault_of(Malformed(one["request"], one["place"], one.get("meant", "")))


@for_each("seed", range(600))
def test_seeded_faults_are_refused_with_their_place_and_the_nearest_name(seed: int) -> None:
    fault_of(malformed(seed))
