"""A request has known members alone, each of its type, at every depth; all else is refused by its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
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


def test_the_data_are_many_and_no_two_are_equal() -> None:
    assert len({text_of(one["request"]) for one in DATA}) == len(DATA) >= 300


@pytest.mark.parametrize("part", range(10))
def test_each_malformed_request_of_the_data_is_refused_with_its_place(part: int) -> None:
    for one in DATA[part::10]:
        fault_of(Malformed(one["request"], one["place"], one.get("meant", "")))


@pytest.mark.parametrize("part", range(4))
def test_seeded_faults_are_refused_with_their_place_and_the_nearest_name(part: int) -> None:
    for seed in range(10_000 + part, 10_600, 4):
        fault_of(malformed(seed))
