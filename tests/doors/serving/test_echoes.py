"""A refusal repeats at most 200 characters of what was sent, whatever that is and wherever it was sent."""

from __future__ import annotations

import copy
import json
import random
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from served_apps import app_of, http_client, run
from test_mutated_bodies import BODIES, PATHS, holder_of, paths_in

import structgen as sg
from structgen.doors.serving.api_errors import ApiError
from structgen.doors.serving.server_options import ServerOptions

MOST = 200
LETTERS = "\u0391\u0392\u0393\u0394\u0398\u03a9"
"""Letters that no message of ours has."""
REPEATED = re.compile(rf"[{LETTERS}7\[\]{{}}\u202e]|U\+[0-9A-F]{{4,6}}")
"""What of an answer was sent: those letters, one digit, brackets, what is written as a code."""
OTHERS = {
    *("/v1/responses/input_tokens", "/v1/messages/count_tokens", "/v1/batches", "/v1/files", "/v1/nowhere"),
    *("/v1/files/file-7/content",),
}


def text_of(draw: random.Random, size: int) -> str:
    """Return a text of these letters, between which stand other characters or none."""
    between = draw.choice(
        ["", "", " ", "'", '"', "\n", "/", ".", ", ", "' '", "[", "}", "\\", "\u202e", ": ", "7"]
    )
    words = ("".join(draw.choices(LETTERS, k=draw.choice([1, 3, 30]))) for _ in range(size // 2))
    return between.join(words)[:size]


def value_of(draw: random.Random) -> Any:
    """Return a value that is long in some way."""
    text, size = text_of(draw, draw.choice([40, 300, 5000])), draw.choice([30, 3000])
    nested: Any = 7
    for _ in range(draw.choice([5, 300])):
        nested = [nested]
    return draw.choice(
        [
            text,
            text,
            [7] * size,
            [[]] * size,
            [text] * 9,
            {text: 7},
            {f"{at}{LETTERS}": {} for at in range(size)},
            {"type": [7] * size},
            {"type": text, "enum": [text] * 3, "pattern": text, "$ref": f"#/{text}", text: text},
            {
                "properties": {f"{LETTERS}{at}": {"type": LETTERS} for at in range(100)},
                "minimum": 8,
                "maximum": 2,
            },
            [{text: text}] * 9,
            [{"type": "function", "function": {"name": f"{LETTERS}{at}"}} for at in range(100)],
            nested,
            f"start: {text}",
            "start: " + " ".join(f"{LETTERS.lower()}{at}" for at in range(200)),
            f"({text}",
            f"root ::= {text}",
            7 * 10**size if size < 100 else 7.5,
        ]
    )


def hostile(draw: random.Random) -> tuple[str, Any]:
    """Return an address and a body with one or two long values or names."""
    address, body = draw.choice(BODIES)
    body = copy.deepcopy({**body, "model": "extract"})
    for _ in range(draw.choice([1, 1, 2])):
        path = draw.choice(list(paths_in(body)))
        holder, key = holder_of(body, path), path[-1]
        if isinstance(holder, dict) and draw.random() < 0.3:
            holder[text_of(draw, draw.choice([40, 300, 5000]))] = holder.pop(key)
        else:
            holder[key] = value_of(draw)
    path = PATHS[address]
    return draw.choice([path, path, path, *sorted(OTHERS)]), body


def echo(answer: Any) -> int:
    """Return how many characters of an error were sent."""
    error = answer["error"]
    said = f"{error['message']} {error.get('param') or ''}"
    return sum(len(one) for one in REPEATED.findall(said))


def check_echoes(app: Any, seeds: range) -> None:
    cases = [hostile(random.Random(seed)) for seed in seeds]

    async def work() -> None:
        async with http_client(app) as http:
            for seed, (path, body) in zip(seeds, cases, strict=True):
                headers = {"content-type": "application/json"}
                answer = await http.post(path, content=json.dumps(body).encode(), headers=headers)
                if answer.status_code != 200:
                    assert answer.status_code < 500, (seed, path, answer.text)
                    assert echo(answer.json()) <= MOST, (seed, path, answer.text[:3000])

    run(work)


@pytest.fixture
def whole(engine: sg.Engine, tmp_path: Path) -> Any:
    """An application that has all addresses."""
    return app_of(engine, ServerOptions(files=tmp_path / "files"))


def test_a_refusal_repeats_at_most_200_characters(whole: Any) -> None:
    check_echoes(whole, range(100))


@pytest.mark.slow
def test_two_thousand_refusals_repeat_at_most_200_characters(whole: Any) -> None:
    check_echoes(whole, range(1000, 3000))


def test_a_refusal_repeats_little_of_an_address_a_query_and_a_form(engine: sg.Engine, tmp_path: Path) -> None:
    app = app_of(engine, ServerOptions(files=tmp_path / "files", hosts=("test",)))

    async def work() -> None:
        async with http_client(app) as http:
            for seed in range(15):
                draw = random.Random(seed)
                text = text_of(draw, draw.choice([300, 5000])).replace("/", "")
                said = quote(text)
                head = f'--XY\r\nContent-Disposition: form-data; name="{said}"\r\n\r\n'.encode()
                form = {"content-type": "multipart/form-data; boundary=XY"}
                bad = {"content-type": f"multipart/form-data; boundary={said}"}
                raw = f'--XY\r\nContent-Disposition: form-data; name="{LETTERS * 50} {LETTERS * 50}"\r\n\r\n'
                answers = [
                    await http.get(f"/v1/{said}"),
                    await http.post(f"/{said}/{said}"),
                    await http.get(f"/v1/models/{said}"),
                    await http.get(f"/v1/files/{said}"),
                    await http.get("/v1/files", params={text: text}),
                    await http.get("/v1/batches", params={"order": text}),
                    await http.get("/v1/batches", params={"after": text}),
                    await http.post("/v1/files", content=head, headers=form),
                    await http.post("/v1/files", content=raw.encode(), headers=form),
                    await http.post("/v1/files", content=head, headers=bad),
                    await http.post("/v1/chat/completions", content=b"{}", headers={"content-type": said}),
                    await http.post("/v1/chat/completions", json={}, headers={"host": said}),
                ]
                for at, answer in enumerate(answers):
                    assert 400 <= answer.status_code < 500, (seed, at, answer.text)
                    assert echo(answer.json()) <= MOST, (seed, at, answer.text[:3000])
                    codes = re.findall("%[0-9A-F]{2}", answer.text)
                    assert len("".join(codes)) <= MOST, (seed, at, answer.text[:3000])

    run(work)


def test_several_places_together_repeat_no_more() -> None:
    for seed in range(300):
        draw = random.Random(seed)
        spans = [draw.choice(["'{}'", '"{}"', "[{}]", "'{}...", "{}"]) for _ in range(draw.randint(1, 6))]
        said = [one.format("\u0391" * draw.choice([5, 35, 150, 9000])) for one in spans]
        place = draw.choice([None, "tools/0", "tools/" + "\u0391 " * draw.choice([30, 9000])])
        where = f"{place}: " * bool(place)
        error = ApiError(f"{where}It is {', and not '.join(said)}. Leave it out.", param=place)
        assert echo(error.body) <= MOST + 6 * 30, (seed, error.body)
        assert "It is" in error.message and error.body["error"]["message"].endswith("Leave it out.")
        if all(len(one) > 35 for one in said):
            assert echo(error.body) <= MOST, (seed, error.body)
