"""Responses that their client wants kept: whose they are, how long they live, and what goes on with them."""

from __future__ import annotations

import json
import random
import re
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import openai
import pytest
from served_apps import ADA, FORMAT, MESSAGES, TEXT, TOOL, app_of, http_client, openai_client, post, run
from served_batches import (
    CHAT_PATH,
    KEYS,
    begun,
    client_of,
    ended,
    kept_rows,
    lines,
    request,
    results,
    served,
)
from starlette.applications import Starlette

import structgen as sg
from structgen.doors.serving import record_store
from structgen.doors.serving.served_model import ServedModel
from structgen.doors.serving.server_options import ServerOptions

PERSON_TEXT = {"format": {"type": "json_schema", "name": "person", "schema": FORMAT["json_schema"]["schema"]}}
ASKED: dict[str, Any] = {"model": "extract", "text": PERSON_TEXT}
LATER_ADA = "Ada Lovelace, 37, lives in Paris."


@pytest.fixture
def kept_app(engine: sg.Engine, tmp_path: Path) -> Starlette:
    return app_of(engine, ServerOptions(files=tmp_path / "files"))


def create(app: Starlette, key: str = "any", **body: Any) -> Any:
    async def work() -> Any:
        return await openai_client(app, key).responses.create(**{**ASKED, **body})

    return run(work)


def retrieve(app: Starlette, name: str, key: str = "any") -> Any:
    async def work() -> Any:
        return await openai_client(app, key).responses.retrieve(name)

    return run(work)


def delete(app: Starlette, name: str, key: str = "any") -> Any:
    async def work() -> Any:
        return await openai_client(app, key).responses.delete(name)

    return run(work)


def input_items(app: Starlette, name: str, key: str = "any", **query: Any) -> list[Any]:
    async def work() -> list[Any]:
        return [item async for item in openai_client(app, key).responses.input_items.list(name, **query)]

    found: list[Any] = run(work)
    return found


def stored_count(folder: Path) -> int:
    (count,) = kept_rows(folder, "SELECT count(*) FROM records WHERE kind = 'responses'")[0]
    return int(count)


# --- what is kept -------------------------------------------------------------------------------------------


def test_only_what_was_asked_for_is_kept(kept_app: Starlette, tmp_path: Path) -> None:
    for body in ({}, {"store": False}, {"store": None}):
        found = create(kept_app, input=TEXT, **body)
        assert found.model_dump()["store"] is False
        with pytest.raises(openai.NotFoundError):
            retrieve(kept_app, found.id)
    assert stored_count(tmp_path / "files") == 0
    kept = create(kept_app, input=TEXT, store=True)
    assert stored_count(tmp_path / "files") == 1 and kept.model_dump()["store"] is True
    assert retrieve(kept_app, kept.id).model_dump() == kept.model_dump()
    assert json.loads(kept.output_text) == ADA


def test_a_stream_is_kept_as_its_end_says(kept_app: Starlette) -> None:
    async def work() -> Any:
        events = await openai_client(kept_app).responses.create(**ASKED, input=TEXT, store=True, stream=True)
        return [event async for event in events][-1].response

    found = run(work)
    assert json.loads(found.output_text) == ADA and found.status == "completed"
    assert retrieve(kept_app, found.id).model_dump() == found.model_dump()


def test_what_was_cut_is_kept_with_its_status(kept_app: Starlette) -> None:
    found = create(kept_app, input=TEXT, store=True, max_output_tokens=3, text=openai.omit)
    assert found.status == retrieve(kept_app, found.id).status == "incomplete"


def test_what_is_deleted_is_gone(kept_app: Starlette) -> None:
    found = create(kept_app, input=TEXT, store=True)
    delete(kept_app, found.id)
    for ask in (retrieve, delete, input_items):
        with pytest.raises(openai.NotFoundError):
            ask(kept_app, found.id)
    with pytest.raises(openai.BadRequestError, match="not found"):
        create(kept_app, input=TEXT, previous_response_id=found.id)
    with pytest.raises(openai.NotFoundError, match="not found"):
        create(kept_app, input=[{"type": "item_reference", "id": found.output[0].id}])


def test_a_response_is_its_keys_alone(engine: sg.Engine, tmp_path: Path) -> None:
    app = app_of(engine, ServerOptions(files=tmp_path / "files", keys=KEYS))
    mine, other = KEYS
    found = create(app, mine, input=[{"role": "user", "content": TEXT, "id": "msg_mine"}], store=True)
    for ask in (retrieve, delete, input_items):
        with pytest.raises(openai.NotFoundError):
            ask(app, found.id, other)
    with pytest.raises(openai.BadRequestError) as caught:
        create(app, other, input=TEXT, previous_response_id=found.id)
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")
    for name in ("msg_mine", found.output[0].id):
        with pytest.raises(openai.NotFoundError):
            create(app, other, input=[{"type": "item_reference", "id": name}])
    # an item of another owner under the same id is another item
    create(app, other, input=[{"role": "user", "content": LATER_ADA, "id": "msg_mine"}], store=True)
    again = create(app, mine, input=[{"type": "item_reference", "id": "msg_mine"}])
    assert json.loads(again.output_text) == ADA
    assert retrieve(app, found.id, mine).id == found.id


def test_a_response_expires(engine: sg.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app, days = app_of(engine, ServerOptions(files=tmp_path / "files", files_days=2)), 0.0
    monkeypatch.setattr(record_store, "time", SimpleNamespace(time=lambda: time.time() + days * 86_400))
    found = create(app, input=TEXT, store=True)
    days = 1.9
    later = create(app, input=LATER_ADA, store=True, previous_response_id=found.id)
    days = 2.1
    with pytest.raises(openai.NotFoundError):
        retrieve(app, found.id)
    with pytest.raises(openai.BadRequestError):
        create(app, input=TEXT, previous_response_id=found.id)
    # one that goes on with it has what it needs
    assert [
        item.content[0].text for item in input_items(app, later.id, order="asc") if item.type == "message"
    ] == [*(TEXT, found.output_text, LATER_ADA)]
    assert create(app, input="And then?", previous_response_id=later.id).output_text


def test_an_owner_has_no_more_room_for_responses_than_for_files(engine: sg.Engine, tmp_path: Path) -> None:
    app = app_of(engine, ServerOptions(files=tmp_path / "files", key_bytes=20_000))
    done, body = 0, {"input": TEXT, "store": True}
    with pytest.raises(openai.APIStatusError) as caught:
        for _ in range(20):
            create(app, **body)
            done += 1
    assert caught.value.status_code == 413 and 0 < done < 5
    assert create(app, input=TEXT).output_text  # what is not kept needs no room
    with pytest.raises(openai.APIStatusError) as caught:
        create(app, input="x" * 20_000, store=True)
    assert caught.value.status_code == 413
    assert stored_count(tmp_path / "files") == done


def test_without_a_folder_a_client_is_told_that_nothing_is_kept(app: Any) -> None:
    for path, body in (("/v1/responses", {"input": TEXT}), (CHAT_PATH, {"messages": MESSAGES})):
        found = post(
            app,
            path,
            {"model": "extract", **body, "store": True, "max_tokens": 3}
            | ({} if path == CHAT_PATH else {"max_output_tokens": 3, "max_tokens": None}),
        )
        assert found.status_code == 200 and "store: nothing is kept" in found.headers["x-structgen-warning"]
        found = post(app, path, {"model": "extract", **body, "store": False})
        assert "store" not in found.headers.get("x-structgen-warning", "")
    for body in ({"previous_response_id": "resp_1"}, {"input": [{"type": "item_reference", "id": "x"}]}):
        found = post(app, "/v1/responses", {"model": "extract", "input": TEXT, **body})
        assert found.status_code == 400


# --- conversations ------------------------------------------------------------------------------------------


CALL = {"type": "function_call", "call_id": "call_1", "name": "save", "arguments": json.dumps(ADA)}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "saved"}


def turn_of(rng: random.Random) -> list[dict[str, Any]]:
    """Return the items of a request."""
    name = rng.choice(("Ada", "Ben", "\u00c4da \U0001f600", "x" * 50))
    text = rng.choice(("input_text", "text"))
    turns: list[list[dict[str, Any]]] = [
        [{"role": "user", "content": f"{name}, 36."}],
        [{"type": "message", "role": "user", "content": [{"type": text, "text": name}] * 2}],
        [{"role": "developer", "content": "Short."}, {"role": "user", "content": name}],
        [CALL, RESULT, {"role": "user", "content": name}],
        [
            {"role": "user", "content": name},
            {"role": "assistant", "content": "Yes."},
            {"role": "user", "content": "?"},
        ],
        [{"type": "reasoning", "summary": []}, {"role": "user", "content": name, "id": f"msg_{name[0]}"}],
    ]
    return rng.choice(turns)


@pytest.mark.parametrize("count", [6, pytest.param(400, marks=pytest.mark.slow)])
def test_a_conversation_is_that_of_its_items_sent_whole(
    engine: sg.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """A client that sends all items itself asks for the same as one that goes on with responses."""
    app, read, asked = (
        app_of(engine, ServerOptions(files=tmp_path / "files")),
        ServedModel.read_chat,
        list[Any](),
    )

    def record(model: ServedModel, body: Any, where: str, messages: Any, documents: Any) -> Any:
        asked.append(json.loads(json.dumps(messages)))
        return read(model, body, where, messages, documents)

    monkeypatch.setattr(ServedModel, "read_chat", record)
    rng = random.Random(count)
    options: dict[str, Any] = {
        "model": "extract",
        "tools": [TOOL],
        "tool_choice": "none",
        "max_output_tokens": 4,
    }
    for _ in range(count):
        whole: list[Any] = []
        previous, items = {}, dict[str, Any]()
        for number in range(rng.randint(2, 5)):
            turn = turn_of(rng)
            if items and rng.random() < 0.4:
                turn = [{"type": "item_reference", "id": rng.choice([*items])}, *turn]
            resolved = [items.get(item.get("id"), item) if len(item) == 2 else item for item in turn]
            instructions = {"instructions": f"Turn {number}."} if rng.random() < 0.5 else {}
            kept = post(
                app, "/v1/responses", {**options, **instructions, **previous, "input": turn, "store": True}
            )
            flat = post(app, "/v1/responses", {**options, **instructions, "input": [*whole, *resolved]})
            assert kept.status_code == flat.status_code == 200, kept.text + flat.text
            # places of calls count the items of the request alone
            first, second = ([strip(message) for message in messages] for messages in asked[-2:])
            assert first == second
            output = kept.json()["output"]
            items |= {item["id"]: item for item in output if item["type"] == "message"}
            whole += [*resolved, *output]
            previous = {"previous_response_id": kept.json()["id"]}


def strip(message: Any) -> Any:
    """Return a message without places, statuses, and the ids of items."""
    if isinstance(message, dict):
        out = {"place", "status"} | ({"id"} if "call_id" in message else set())
        return {name: strip(value) for name, value in message.items() if name not in out}
    return [strip(one) for one in message] if isinstance(message, list) else message


def test_instructions_are_of_one_request(kept_app: Starlette) -> None:
    first = create(kept_app, input=TEXT, instructions="Be short.", store=True)
    assert first.instructions == "Be short."
    second = create(kept_app, input=LATER_ADA, previous_response_id=first.id, store=True)
    assert second.instructions is None and second.previous_response_id == first.id
    assert all(item.role != "system" for item in input_items(kept_app, second.id) if item.type == "message")


def test_branches_and_deletions_leave_a_conversation_whole(kept_app: Starlette) -> None:
    first = create(kept_app, input=TEXT, store=True)
    branches = [
        create(kept_app, input=text, previous_response_id=first.id, store=True)
        for text in (LATER_ADA, "Ben, 5.")
    ]
    delete(kept_app, first.id)
    for branch, text in zip(branches, (LATER_ADA, "Ben, 5."), strict=True):
        texts = [item.content[0].text for item in input_items(kept_app, branch.id, order="asc")]
        assert texts == [TEXT, first.output_text, text]


def test_a_response_that_refers_to_itself_or_to_what_comes_is_refused(kept_app: Starlette) -> None:
    found = create(kept_app, input=TEXT, store=True)
    for name in (f"resp_{'0' * 24}", "resp_", "", "\ud800", "x" * 10_000, "file-" + "0" * 24):
        answer = post(
            kept_app, "/v1/responses", {**ASKED, "input": TEXT, "previous_response_id": name, "store": True}
        )
        error = answer.json()["error"]
        assert (answer.status_code, error["param"]) == (400, "previous_response_id"), name
        assert len(error["message"]) < 400
    # the item of a request that refers to itself, or to an item beside it
    for items in (
        [{"type": "item_reference", "id": "msg_a"}],
        [{"role": "user", "content": TEXT, "id": "msg_a"}, {"type": "item_reference", "id": "msg_a"}],
    ):
        answer = post(kept_app, "/v1/responses", {**ASKED, "input": items, "store": True})
        assert answer.status_code == 404 and answer.json()["error"]["param"] == f"input.{len(items) - 1}.id"
    assert retrieve(kept_app, found.id).id == found.id


def test_a_conversation_has_no_more_bytes_than_a_body(engine: sg.Engine, tmp_path: Path) -> None:
    app = app_of(engine, ServerOptions(files=tmp_path / "files", max_body=4_000))
    previous: dict[str, Any] = {}
    for _ in range(20):
        item = {"type": "reasoning", "summary": [], "encrypted_content": "x" * 900}  # which no model reads
        asked = {**ASKED, "input": [item, {"role": "user", "content": TEXT}], "store": True, **previous}
        answer = post(app, "/v1/responses", asked)
        if answer.status_code != 200:
            break
        previous = {"previous_response_id": answer.json()["id"]}
    assert answer.status_code == 400 and "4,000 bytes" in answer.json()["error"]["message"]


def test_input_items_come_in_pages(kept_app: Starlette) -> None:
    items = [{"role": "user", "content": f"{number}", "id": f"msg_{number}"} for number in range(30)]
    found = create(kept_app, input=items, store=True)
    names = [item["id"] for item in items]
    for order, expected in (("asc", names), ("desc", names[::-1])):
        for limit in (1, 7, 30, 100):
            if limit > 1:
                assert [
                    item.id for item in input_items(kept_app, found.id, order=order, limit=limit)
                ] == expected
            page = page_of(kept_app, found.id, order=order, limit=limit)
            assert [item["id"] for item in page["data"]] == expected[:limit]
            assert page["has_more"] == (limit < 30)
            assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
            page = page_of(kept_app, found.id, order=order, limit=limit, after=expected[10])
            assert [item["id"] for item in page["data"]] == expected[11:][:limit]
    assert [item["id"] for item in page_of(kept_app, found.id)["data"]] == names[::-1][:20]
    for query in ({"after": "msg_99"}, {"order": "up"}, {"limit": "x"}, {"before": "msg_1"}):
        assert "error" in page_of(kept_app, found.id, **query)
    (item,) = page_of(kept_app, found.id, limit=1)["data"]
    content = [{"type": "input_text", "text": "29"}]
    assert item == {**items[29], "content": content, "type": "message", "status": "completed"}


def page_of(app: Starlette, name: str, **query: Any) -> Any:
    async def work() -> Any:
        async with http_client(app) as http:
            return (await http.get(f"/v1/responses/{name}/input_items", params=query)).json()

    return run(work)


def test_a_page_begins_at_any_item_also_where_items_are_repeated(kept_app: Starlette) -> None:
    def item(name: str | None) -> dict[str, Any]:
        return {"role": "user", "content": TEXT, "id": name}

    first = create(kept_app, input=[item("msg_a"), item(None), item("msg_a"), item(None)], store=True)
    reference = {"type": "item_reference", "id": first.output[0].id}
    again = create(
        kept_app, input=[reference, item("msg_a"), reference], store=True, previous_response_id=first.id
    )
    for found, count in ((first, 4), (again, 8)):
        for order in ("asc", "desc"):
            names = [item.id for item in input_items(kept_app, found.id, limit=1, order=order)]
            assert len(names) == len(set(names)) == count
            assert {"msg_a"} < set(names)
    assert first.output[0].id in names


def test_tokens_of_a_conversation_are_counted_and_nothing_is_kept(
    kept_app: Starlette, tmp_path: Path
) -> None:
    found = create(kept_app, input=TEXT, store=True)
    body = {"model": "extract", "input": "x", "previous_response_id": found.id, "store": True}
    answer = post(kept_app, "/v1/responses/input_tokens", body)
    assert answer.status_code == 200 and answer.json()["input_tokens"] > 0
    assert stored_count(tmp_path / "files") == 1


def test_a_line_of_a_batch_keeps_its_response_for_the_owner(engine: sg.Engine, tmp_path: Path) -> None:
    body = {"input": TEXT, "text": PERSON_TEXT, "store": True, "messages": None, "response_format": None}
    with served(engine, tmp_path / "files", keys=KEYS) as address:
        mine, other = client_of(address), client_of(address, KEYS[1])
        asked = lines(request("a", "/v1/responses", **body))
        batch = ended(mine, begun(mine, asked, "/v1/responses"))
        name = results(mine, batch.output_file_id)["a"]["response"]["body"]["id"]
        assert json.loads(mine.responses.retrieve(name).output_text) == ADA
        with pytest.raises(openai.NotFoundError):
            other.responses.retrieve(name)


ODD: Any = (
    *(
        None,
        0,
        -1,
        1.5,
        True,
        "",
        "x",
        "resp_",
        "\ud800",
        "\0",
        "'; --",
        "%",
        "*",
        "x" * 3_000,
        10**30,
        [],
        [[]],
        {},
    ),
    *([{}], {"id": "x"}, ["asc"], "desc", "9" * 5_000, "resp_" + "0" * 24),
)


@pytest.mark.parametrize("count", [400, pytest.param(20_000, marks=pytest.mark.slow)])
def test_no_odd_value_is_an_error_of_the_server(engine: sg.Engine, tmp_path: Path, count: int) -> None:
    app, rng = app_of(engine, ServerOptions(files=tmp_path / "files")), random.Random(count)
    kept = create(app, input=[{"role": "user", "content": TEXT, "id": "msg_1"}], store=True)
    file = post(app, "/v1/files", b"", **{"content-type": "multipart/form-data; boundary=x"})
    assert file.status_code == 400
    names = [kept.id, "msg_1", *(str(one) for one in ODD if "\ud800" not in str(one))]
    statuses = set[int]()

    async def work() -> None:
        async with http_client(app) as http:
            for _ in range(count):
                if rng.random() < 0.5:
                    kind, more = (
                        rng.choice(("responses", "files", "batches")),
                        ["", "/input_items", "/content", "/cancel"],
                    )
                    path = f"/v1/{kind}/{quote(rng.choice(names), safe='')}{rng.choice(more)}"
                    members = ("limit", "after", "order", "purpose", "stream")
                    query = {name: rng.choice(names) for name in members if rng.random() < 0.3}
                    method = rng.choice(("GET", "GET", "POST"))
                    answer = await http.request(method, path, params=query)
                else:
                    reference = {"type": "item_reference", "id": rng.choice((*ODD, "msg_1"))}
                    body: dict[str, Any] = {
                        "model": "extract",
                        "max_output_tokens": 1,
                        "store": rng.choice(ODD),
                    }
                    body |= {
                        "input": rng.choice(
                            (TEXT, [reference], [reference, {"role": "user", "content": "x"}])
                        )
                    }
                    if rng.random() < 0.5:
                        body["previous_response_id"] = rng.choice((*ODD, kept.id))
                    head = {"content-type": "application/json"}
                    answer = await http.post("/v1/responses", content=json.dumps(body), headers=head)
                statuses.add(answer.status_code)
                assert answer.status_code < 500, (answer.request.url, answer.text)
                assert len(answer.text) < 20_000

    run(work)
    assert {200, 400, 404} <= statuses


@pytest.mark.parametrize("begin", ["[", '{"a\\"]":', '{"\u2222]": [', '["}]",'])
def test_what_was_taken_can_be_listed_however_deep_it_is(
    engine: sg.Engine, tmp_path: Path, begin: str
) -> None:
    app, statuses = app_of(engine, ServerOptions(files=tmp_path / "files")), list[int]()
    form = b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    form += b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n{}\r\n--x--'
    file = post(app, "/v1/files", form, **{"content-type": "multipart/form-data; boundary=x"}).json()["id"]
    asked = {"input_file_id": file, "endpoint": CHAT_PATH, "completion_window": "24h"}
    response = {**ASKED, "input": TEXT, "store": True}
    end = "".join({"[": "]", "{": "}"}.get(one, "") for one in reversed(re.sub('".*?"', "", begin)))

    async def listed() -> Any:
        async with http_client(app) as http:
            return await http.get("/v1/batches?limit=2")

    for depth in (5, 400, 497, 498, 499, 500, 600, 900, *range(970, 1000, 3), 5000):
        count = depth // len(end)
        value = f"{begin * count}0{end * count}"
        for path, body in (("/v1/batches", asked), ("/v1/responses", response)):
            text = json.dumps({**body, "metadata": {"a": "HERE"}}).replace('"HERE"', value)
            for encoding in ("utf-8", "utf-16"):
                answer = post(app, path, text.encode(encoding))
                statuses.append(answer.status_code)
                assert answer.status_code == (200 if count * len(end) + 2 <= 500 else 400), answer.text
        found = run(listed)
        assert found.status_code == 200
    assert {200, 400} == set(statuses)


def test_a_conversation_that_is_deleted_while_it_is_read_is_not_half_read(
    kept_app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = [{"role": "user", "content": TEXT}] * 150
    read, delete_at = record_store.RecordStore.lines, [0]

    def lines_of(store: Any, number: int) -> Any:
        for at, line in enumerate(read(store, number)):
            if at == delete_at[0]:
                rows = store._select_rows("SELECT id, owner FROM records WHERE number = ?", (number,))
                for name, owner in rows:
                    store.remove(store.find("responses", name, owner))
            yield line

    for at in (0, 50, 99, 149):
        found = create(kept_app, input=turns, store=True)
        delete_at[0] = at
        with monkeypatch.context() as patch:
            patch.setattr(record_store.RecordStore, "lines", lines_of)
            with pytest.raises(openai.BadRequestError) as caught:
                create(kept_app, input=TEXT, previous_response_id=found.id)
        assert caught.value.code == "previous_response_not_found"
