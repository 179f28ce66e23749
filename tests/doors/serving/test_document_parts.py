"""Documents as parts of messages: what a model reads of them, what they state, and how they are cited."""

from __future__ import annotations

import json
import random
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

from served_apps import app_of, http_client, post, run, schema_format

import structgen as sg
from structgen.doors.serving.server_options import ServerOptions

sys.path.append(str(Path(__file__).parents[2] / "asking" / "documents"))

from pdf_files import lines, pdf_of

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
ADA = {"name": "Ada Lovelace", "age": 36}
TEXT = "Dear all, Ada Lovelace is 36."
CITED: dict[str, Any] = {"citations": {"enabled": True}}
HEADER = "x-structgen-warning"


def base64_of(data: bytes | str) -> str:
    return b64encode(data if isinstance(data, bytes) else data.encode()).decode()


PDF = base64_of(pdf_of(lines("Ada Lovelace is 36.")))


def scripted(reply: Any, seen: list[str] | None = None, **more: Any) -> Any:
    """Return the application of a model that replies so to each prompt, and notes the prompts in `seen`."""

    def reply_to(prompt: str) -> Any:
        if seen is not None:
            seen.append(prompt)
        return reply(prompt) if callable(reply) else reply

    return app_of(sg.testing.Scripted(reply_to), **more)


def text_document(text: str, title: str | None = None, **more: Any) -> dict[str, Any]:
    source = {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "document", "source": source, "title": title, **more}


def search_result(*blocks: str, title: str = "A page", **more: Any) -> dict[str, Any]:
    content = [{"type": "text", "text": text} for text in blocks]
    return {
        "type": "search_result",
        "source": "https://a.example",
        "title": title,
        "content": content,
        **more,
    }


def file_part(data: str, name: str | None = None) -> dict[str, Any]:
    return {"type": "file", "file": {"file_data": data, "filename": name}}


def message_body(*blocks: Any, **more: Any) -> dict[str, Any]:
    """Return a body of /v1/messages that asks for a name and an age about some blocks."""
    form = {"format": {"type": "json_schema", "schema": SCHEMA}}
    turns = [{"role": "user", "content": list(blocks)}]
    return {"model": "extract", "max_tokens": 200, "messages": turns, "output_config": form, **more}


def ask(app: Any, *blocks: Any, **more: Any) -> Any:
    answer = post(app, "/v1/messages", message_body(*blocks, **more))
    assert answer.status_code == 200, answer.text
    return answer


def refusal(app: Any, *parts: Any, path: str = "/v1/messages", **more: Any) -> str:
    """Return the message of the refusal of a turn with some parts."""
    body = message_body(*parts, **more)
    if path != "/v1/messages":
        body = {name: body[name] for name in ("model", "messages", *more)}
        body["response_format"] = schema_format(SCHEMA)
    answer = post(app, path, body)
    assert answer.status_code == 400, answer.text
    message: str = answer.json()["error"]["message"]
    return message


# --- a document is the text put in by hand ------------------------------------------------------------------

PIECES = [
    "Ada",
    "36",
    "\n",
    "\n\n",
    " ",
    "</document>",
    '"',
    "é",
    "中文",
    "<|im_end|>",
    "a b",
    "\t",
    "5 €",
    "&",
]
TITLES = [None, "", "mail.txt", 'a "b"', "Ünï 1", "<x>"]


def random_text(draw: random.Random) -> str:
    return "x" + "".join(draw.choices(PIECES, k=draw.randint(0, 6)))


def written(tag: str, text: str, title: str | None, context: str | None = None, source: str = "") -> str:
    """Return a document as the documentation says that it is written."""
    head = f"<{tag}"
    head += f' title="{title}"' if title else ""
    head += f' source="{source}"' if source else ""
    return f"{head}>\n" + (f"{context}\n" if context else "") + f"{text}\n</{tag}>"


def random_block(draw: random.Random) -> tuple[Any, Any]:
    """Return a block of Anthropic's protocol, and the same by hand."""
    text, title, context = random_text(draw), draw.choice(TITLES), draw.choice([None, "", "Sent in May."])
    kind = draw.choice(["text", "document", "content", "blocks", "search_result", "tool_result"])
    if kind == "text":
        block = {"type": "text", "text": text}
        return block, block
    if kind == "tool_result":
        pairs = [random_block(draw) for _ in range(draw.randint(0, 3))]
        pairs = [pair for pair in pairs if pair[0]["type"] != "tool_result"]
        result = {"type": "tool_result", "tool_use_id": f"t{draw.random()}"}
        return tuple({**result, "content": [pair[at] for pair in pairs]} for at in (0, 1))  # type: ignore
    if kind == "search_result":
        texts = [random_text(draw) for _ in range(draw.randint(1, 3))]
        block = search_result(*texts, title=title or "", **draw.choice([{}, CITED]))
        by_hand = written("search_result", "\n".join(texts), title, source="https://a.example")
        return block, {"type": "text", "text": by_hand}
    block = text_document(text, title, context=context, **draw.choice([{}, CITED]))
    if kind == "content":
        block["source"] = {"type": "content", "content": text}
    if kind == "blocks":
        texts = [text, *(random_text(draw) for _ in range(draw.randint(0, 2)))]
        block["source"] = {"type": "content", "content": [{"type": "text", "text": one} for one in texts]}
        text = "\n".join(texts)
    return block, {"type": "text", "text": written("document", text, title, context)}


def random_file(draw: random.Random, kind: str) -> tuple[Any, Any]:
    """Return a part of OpenAI's protocol (`kind`: "file", "input_file"), and the same by hand."""
    text, title = random_text(draw), draw.choice(TITLES)
    text_type = "text" if kind == "file" else "input_text"
    if draw.random() < 0.3:
        return ({"type": text_type, "text": text},) * 2
    data = draw.choice(
        [
            f"data:text/plain;base64,{base64_of(text)}",
            f"data:text/csv;charset=utf-8;base64,{base64_of(text)}",
            f"data:;base64,{base64_of(text)}",
            base64_of("\ufeff" + text),
            f"{text} ... {text}",
        ]
    )
    text = data if " ... " in data else text
    members = {"file_data": data, "filename": title}
    part = {"type": kind, "file": members} if kind == "file" else {"type": kind, **members}
    return part, {"type": text_type, "text": written("document", text, title)}


def random_bodies(draw: random.Random) -> tuple[str, Any, Any]:
    """Return a path, a body with documents, and the same body with their texts put in by hand."""
    bodies: list[dict[str, Any]]
    path = draw.choice(["/v1/messages", "/v1/chat/completions", "/v1/responses"])
    if path == "/v1/messages":
        turns = [[random_block(draw) for _ in range(draw.randint(1, 3))] for _ in range(draw.randint(1, 3))]
        bodies = [{"messages": [], "max_tokens": 99} for _ in (0, 1)]
        for turn in turns:
            ids = [pair[0]["tool_use_id"] for pair in turn if pair[0]["type"] == "tool_result"]
            calls = [{"type": "tool_use", "id": each, "name": "f", "input": {}} for each in ids]
            for at, body in enumerate(bodies):
                if calls:
                    body["messages"].append({"role": "assistant", "content": calls})
                body["messages"].append({"role": "user", "content": [pair[at] for pair in turn]})
    elif path == "/v1/chat/completions":
        roles = draw.choices(["user", "system", "tool"], k=draw.randint(1, 3))
        bodies = [{"messages": []} for _ in (0, 1)]
        for number, role in enumerate(roles):
            turn = [random_file(draw, "file") for _ in range(draw.randint(1, 3))]
            function = {"name": "f", "arguments": "{}"}
            calls = [{"id": f"c{number}", "type": "function", "function": function}]
            for at, body in enumerate(bodies):
                message: dict[str, Any] = {"role": role, "content": [pair[at] for pair in turn]}
                if role == "tool":
                    body["messages"].append({"role": "assistant", "content": None, "tool_calls": calls})
                    message["tool_call_id"] = f"c{number}"
                body["messages"].append(message)
    else:
        turns = [[random_file(draw, "input_file") for _ in range(draw.randint(1, 3))] for _ in range(3)]
        call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
        result = {"type": "function_call_output", "call_id": "c"}
        bodies = [
            {
                "input": [
                    {"role": "user", "content": [pair[at] for pair in turns[0]]},
                    call,
                    {**result, "output": [pair[at] for pair in turns[1]]},
                    {"type": "message", "role": "user", "content": [pair[at] for pair in turns[2]]},
                ]
            }
            for at in (0, 1)
        ]
    return path, {"model": "extract", **bodies[0]}, {"model": "extract", **bodies[1]}


def reply_of(answer: Any) -> Any:
    """Return what an answer says, without its id and time, and without what of its prompt was kept."""
    found = answer.json()
    if "choices" in found:
        return found["choices"]
    return found["output"][0]["content"] if "output" in found else found["content"]


def check_by_hand(seeds: range) -> None:
    seen: list[str] = []
    app = scripted(lambda prompt: f"{len(prompt)} {sum(map(ord, prompt))}", seen)
    for seed in seeds:
        path, body, by_hand = random_bodies(random.Random(seed))
        answers = [post(app, path, each) for each in (body, by_hand)]
        assert answers[0].status_code == answers[1].status_code == 200, (
            seed,
            answers[0].text,
            answers[1].text,
        )
        assert seen[-2] == seen[-1] and reply_of(answers[0]) == reply_of(answers[1]), seed


def test_a_request_with_documents_is_the_request_with_their_texts_put_in_by_hand() -> None:
    check_by_hand(range(60))


@pytest.mark.slow
def test_two_thousand_requests_with_documents_are_those_with_their_texts_put_in_by_hand() -> None:
    check_by_hand(range(1000, 3000))


def test_a_document_counts_as_many_tokens_as_its_text() -> None:
    app = scripted("x")
    bodies = [
        message_body(text_document(TEXT, "m")),
        message_body({"type": "text", "text": written("document", TEXT, "m")}),
    ]
    counts = [post(app, "/v1/messages/count_tokens", body).json()["input_tokens"] for body in bodies]
    assert counts[0] == counts[1] > len(TEXT)


def test_a_stored_response_goes_on_with_its_document(tmp_path: Path) -> None:
    seen: list[str] = []
    app = scripted("Yes.", seen, options=ServerOptions(files=tmp_path))
    part = {"type": "input_file", "filename": "m", "file_data": TEXT}
    body = {"model": "extract", "input": [{"role": "user", "content": [part]}], "store": True}
    first = post(app, "/v1/responses", body).json()
    post(app, "/v1/responses", {"model": "extract", "input": "Sure?", "previous_response_id": first["id"]})
    assert written("document", TEXT, "m") in seen[0] and written("document", TEXT, "m") in seen[1]


# --- what documents state -----------------------------------------------------------------------------------

OTHERS = {"type": "text", "text": "In 5 words: Bob, or who, is 12?"}


def stated_age(app: Any, *turns: Any, **more: Any) -> int:
    """Return the age of an answer that is held to the last turn of the user. The model wants 12."""
    answer = post(app, "/v1/messages", {**message_body(), "messages": list(turns), "grounded": True, **more})
    assert answer.status_code == 200, answer.text
    return int(json.loads(answer.json()["content"][0]["text"])["age"])


def test_true_stands_for_the_documents_of_the_last_turn_of_the_user(engine: sg.Engine) -> None:
    app = app_of(engine)
    user = {"role": "user"}
    earlier = {**user, "content": [text_document("He is 99.", "a")]}
    turn = {**user, "content": [text_document("Ada is 36.", "Page 7", context="Sent on day 8."), OTHERS]}
    assistant = {"role": "assistant", "content": "He is 5."}
    assert stated_age(app, turn) == 36
    assert stated_age(app, earlier, assistant, turn) == 36
    assert stated_age(app, turn, grounded="He is 41.") == 41
    # without documents it is the text of the turn
    assert stated_age(app, earlier, assistant, {**user, "content": "She is 17."}) == 17
    called = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [search_result("She is 44.")]}
    question = {**user, "content": [OTHERS]}
    assert stated_age(app, earlier, assistant, question, called, {**user, "content": [result]}) == 44


def test_equal_titles_and_none_are_documents_of_their_own() -> None:
    titles = ["a (3)", "a", "a", "document 5", None, None]
    documents = [text_document(f"Ada is {age}.", title) for age, title in enumerate(titles, 1)]
    for age in range(1, 7):
        answer = ask(scripted({"name": "Ada", "age": age}), *documents, grounded=True)
        assert json.loads(answer.json()["content"][0]["text"])["age"] == age


def test_a_result_of_a_tool_without_documents_leaves_those_of_the_question() -> None:
    turns = [
        {"role": "user", "content": [text_document("Nobody."), OTHERS]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "She is 12."}]},
    ]
    answer = post(scripted(ADA), "/v1/messages", {**message_body(), "messages": turns, "grounded": True})
    assert answer.status_code == 400
    assert "'Nobody.' states no number for /age" in answer.json()["error"]["message"]


def test_files_of_openai_are_what_true_stands_for(engine: sg.Engine) -> None:
    app = app_of(engine)
    parts = [file_part(f"data:text/plain;base64,{base64_of('Ada is 36.')}", "9.txt"), OTHERS]
    body = {"model": "extract", "messages": [{"role": "user", "content": parts}], "grounded": True}
    answer = post(app, "/v1/chat/completions", {**body, "response_format": schema_format(SCHEMA)})
    assert json.loads(answer.json()["choices"][0]["message"]["content"])["age"] == 36
    parts = [{"type": "input_file", "file_data": "Ada is 36."}, {**OTHERS, "type": "input_text"}]
    form = {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}}
    body = {"model": "extract", "input": [{"role": "user", "content": parts}], "grounded": True, "text": form}
    answer = post(app, "/v1/responses", body)
    assert json.loads(answer.json()["output"][0]["content"][0]["text"])["age"] == 36


# --- citations ----------------------------------------------------------------------------------------------

LEADS = ["", "\U0001f600 ", "\n"]
NAMES = ["Ada", "Bob Ray", "Eve-Ann Li", "Zoë", "von Ütz"]


def citing_document(draw: random.Random, number: int) -> tuple[Any, list[str], bool]:
    """Return a document whose numbers no other has, its texts, and whether it is cited."""
    is_cited = draw.random() < 0.8
    more = CITED if is_cited else draw.choice([{}, {"citations": {"enabled": False}}])
    first = 1000 * number + draw.randint(1, 300)
    texts = [
        f"{draw.choice(LEADS)}{draw.choice(NAMES)} N{number} is {first + 400 * at},\u00a0or so."
        for at in range(draw.randint(1, 3))
    ]
    title = draw.choice([None, "a", "b"])
    kind = draw.choice(["text", "blocks", "search_result"])
    if kind == "search_result":
        return search_result(*texts, title=title or "", **more), texts, is_cited
    if kind == "text":
        return text_document(texts[0], title, **more), texts[:1], is_cited
    source = {"type": "content", "content": [{"type": "text", "text": text} for text in texts]}
    return {**text_document("", title, **more), "source": source}, texts, is_cited


def check_citations(app: Any, replies: list[Any], seeds: range) -> None:
    cited_count = 0
    for seed in seeds:
        draw = random.Random(seed)
        documents = [citing_document(draw, number) for number in range(1, draw.randint(2, 5))]
        _, texts, is_cited = draw.choice(documents)
        words = draw.choice(texts).split()
        answer = {"name": " ".join(words[-6:-4]), "age": int(words[-3].strip(","))}
        replies.append(answer)
        turns = [{"role": "user", "content": [each[0]]} for each in documents[:-1]]
        last = [documents[-1][0], {"type": "text", "text": "Who?"}]
        turns.append({"role": "user", "content": last})
        grounded = {str(at): "\n".join(each[1]) for at, each in enumerate(documents)}
        body = {**message_body(), "messages": turns, "grounded": grounded, "quotes": True}
        response = post(app, "/v1/messages", body)
        assert response.status_code == 200, (seed, response.text)
        (content,) = response.json()["content"]
        assert json.loads(content["text"]) == answer, seed
        citations = content.get("citations", [])
        cited_count += len(citations)
        by_tag: dict[str, list[Any]] = {"document": [], "search_result": []}
        for each in documents:
            by_tag[each[0]["type"]].append(each)
        for citation in citations:
            is_result = citation["type"] == "search_result_location"
            index = citation["search_result_index" if is_result else "document_index"]
            cited, cited_texts, asks = by_tag["search_result" if is_result else "document"][index]
            assert asks and citation["title" if is_result else "document_title"] == (cited["title"] or None)
            if citation["type"] == "char_location":
                place = slice(citation["start_char_index"], citation["end_char_index"])
                assert cited["source"]["data"][place] == citation["cited_text"], seed
            else:
                place = slice(citation["start_block_index"], citation["end_block_index"])
                assert place.stop > place.start and "".join(cited_texts[place]) == citation["cited_text"], (
                    seed
                )
            value = answer[citation["path"][1:]]
            assert str(value) in " ".join(citation["cited_text"].split()), seed
        # the numbers of a document are its own
        ages = [one for one in citations if one["path"] == "/age"]
        assert len(ages) == is_cited, seed
        assert not any(one["path"] == "/name" for one in citations) or any(each[2] for each in documents)
    assert cited_count > len(seeds)


def check_random_citations(seeds: range) -> None:
    replies: list[Any] = []
    check_citations(scripted(lambda _: replies[-1]), replies, seeds)


def test_a_citation_is_the_text_at_its_place() -> None:
    check_random_citations(range(30))


@pytest.mark.slow
def test_two_thousand_citations_are_the_texts_at_their_places() -> None:
    check_random_citations(range(1000, 3000))


def test_a_stream_has_the_citations_of_the_whole() -> None:
    anthropic = pytest.importorskip("anthropic")
    app = scripted(ADA)
    body = message_body(
        text_document(TEXT, "m", **CITED), search_result(TEXT, **CITED), quotes=True, grounded=True
    )
    whole = post(app, "/v1/messages", body).json()["content"][0]["citations"]
    client = anthropic.AsyncAnthropic(
        base_url="http://test", api_key="any", max_retries=0, http_client=http_client(app)
    )
    more = {"quotes": body.pop("quotes"), "grounded": body.pop("grounded")}

    async def work() -> Any:
        async with client.messages.stream(**body, extra_body=more) as stream:
            return await stream.get_final_message(), await client.messages.create(**body, extra_body=more)

    for message in run(work):
        assert [one.model_dump(exclude_unset=True) for one in message.content[0].citations] == whole
    kinds = {"char_location": "Ada Lovelace", "search_result_location": TEXT}
    assert {(one["type"], one["cited_text"]) for one in whole if one["path"] == "/name"} == set(kinds.items())


def test_the_fields_of_citations_are_those_of_anthropic_s_client() -> None:
    types = pytest.importorskip("anthropic.types")
    blocks = {"type": "content", "content": [{"type": "text", "text": TEXT}]}
    documents = [
        text_document(TEXT, **CITED),
        {**text_document("", **CITED), "source": blocks},
        search_result(TEXT, **CITED),
    ]
    (content,) = ask(scripted(ADA), *documents, quotes=True).json()["content"]
    kinds = {
        "char_location": types.CitationCharLocation,
        "content_block_location": types.CitationContentBlockLocation,
        "search_result_location": types.CitationsSearchResultLocation,
    }
    assert {one["type"] for one in content["citations"]} == kinds.keys()
    for citation in content["citations"]:
        kind = kinds[citation["type"]]
        assert citation.keys() - {"path"} == kind.model_fields.keys() - {"file_id"}
        kind.model_validate(citation)


def test_an_answer_that_goes_on_with_a_turn_is_cited_as_a_whole() -> None:
    turns = [
        {"role": "user", "content": [text_document(TEXT, **CITED)]},
        {"role": "assistant", "content": '{"name": "Ada'},
    ]
    body = {**message_body(), "messages": turns, "quotes": True, "grounded": TEXT}
    (content,) = post(scripted(' Lovelace", "age": 36}'), "/v1/messages", body).json()["content"]
    assert content["text"] == ' Lovelace", "age": 36}'
    assert [one["cited_text"] for one in content["citations"]] == ["Ada Lovelace", "36"]


def test_nothing_is_cited_where_nothing_is_held_or_stated() -> None:
    app, document = scripted(ADA), text_document(TEXT, **CITED)
    for more in ({}, {"grounded": False}):
        answer = ask(app, document, **more)
        assert "citations" not in answer.json()["content"][0]
        assert answer.headers[HEADER].startswith(
            "citations: no citations, because the answer is not grounded"
        )
    free = post(scripted("Ada."), "/v1/messages", {**message_body(document), "output_config": None})
    assert free.headers[HEADER].startswith("citations: ") and "citations" not in free.json()["content"][0]
    answer = ask(app, text_document("Nobody.", **CITED), grounded=True, missing="free")
    assert HEADER not in answer.headers and "citations" not in answer.json()["content"][0]
    assert HEADER not in ask(app, text_document(TEXT)).headers
    assert "states no number for /age" in refusal(app, text_document("Nobody.", **CITED), grounded=True)


def test_a_value_with_many_places_has_five_citations() -> None:
    (content,) = ask(scripted(ADA), text_document(f"{TEXT} " * 40, **CITED), quotes=True).json()["content"]
    assert [one["path"] for one in content["citations"]] == ["/name"] * 5 + ["/age"] * 5


# --- bad input ----------------------------------------------------------------------------------------------


def test_images_sounds_and_files_elsewhere_are_refused_by_their_type() -> None:
    app, messages, chat = scripted(ADA), "/v1/messages", "/v1/chat/completions"
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}

    def sourced(source: Any) -> dict[str, Any]:
        return {"type": "document", "source": source}

    for part, path, message in (
        (image, messages, ": Images are not supported, got 'image'."),
        (search_result(""), messages, ": The document contains no text."),
        (search_result(), messages, ": The document contains no text."),
        (text_document(" \n"), messages, ": The document contains no text."),
        ({**search_result(), "content": None}, messages, "/content is missing."),
        (
            sourced({"type": "content", "content": [image]}),
            messages,
            "/source/content/0: Images are not supported",
        ),
        (
            sourced(image["source"]),
            messages,
            "/source/data: The file must be a text in UTF-8, got 'image/png'.",
        ),
        (
            sourced({"type": "url", "url": "file:///etc/passwd"}),
            messages,
            ": The document contains no text. Send its text: files and addresses are not fetched.",
        ),
        (
            sourced({"type": "file", "file_id": "f"}),
            messages,
            ": The document contains no text. Send its text",
        ),
        (
            sourced({"type": "base64", "media_type": "application/pdf", "data": PDF}),
            messages,
            "/source/data: PDF files are not supported by this server.",
        ),
        (sourced({"type": "txt", "data": "x"}), messages, "/source/type must be a known type, got 'txt'"),
        (sourced({"type": "text"}), messages, "/source/data is missing."),
        (text_document(TEXT, citations={"enabled": "yes"}), messages, "/citations/enabled"),
        (
            {"type": "tool_result", "tool_use_id": "t", "content": [search_result("")]},
            messages,
            "/content/0: The document contains no text.",
        ),
        (
            {"type": "image_url", "image_url": {"url": "x"}},
            chat,
            ": Images are not supported, got 'image_url'.",
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "x", "format": "mp3"}},
            chat,
            ": Such parts are not supported, got 'input_audio'.",
        ),
        (
            {"type": "file", "file": {"file_id": "f"}},
            chat,
            ": The document contains no text. Send its text",
        ),
        ({"type": "file", "file": {}}, chat, ": The document contains no text."),
        (file_part("data:text/plain;base64,%%%"), chat, "/file/file_data: The data must be base64"),
        (file_part("data:text/plain;base64,QUFBQ"), chat, "/file/file_data: The data must be base64"),
        (
            file_part("data:image/png;base64,iVBORw0KGgo="),
            chat,
            "/file/file_data: The file must be a text in UTF-8",
        ),
        (
            file_part(f"data:application/pdf;base64,{PDF}"),
            chat,
            "/file/file_data: PDF files are not supported by this server.",
        ),
        (
            file_part(f"data:text/plain;base64,{PDF}"),
            chat,
            "/file/file_data: PDF files are not supported by this server.",
        ),
        (file_part(PDF), chat, "/file/file_data: PDF files are not supported by this server."),
        (
            file_part(f"data:application/zip;base64,{base64_of(bytes(range(256)))}"),
            chat,
            "/file/file_data: The file must be a text in UTF-8, got 'application/zip'.",
        ),
        (
            file_part(base64_of(bytes(range(256)))),
            chat,
            "/file/file_data: The file must be a text in UTF-8, got 'other bytes'.",
        ),
        (file_part("QUFB" * 40 + "A"), chat, "/file/file_data: The data must be base64"),
    ):
        assert refusal(app, part, path=path).startswith(f"messages/0/content/0{message}"), part
    body = {
        "model": "extract",
        "input": [{"role": "user", "content": [{"type": "input_file", "file_url": "x"}]}],
    }
    error = post(app, "/v1/responses", body).json()["error"]
    assert error["param"] == "input.0.content.0" and "are not fetched" in error["message"]


def test_short_words_and_lists_of_words_are_texts_and_not_base64() -> None:
    seen: list[str] = []
    app = scripted("Yes.", seen)
    for text in (
        "Adam",
        "abcd",
        "data: 5, 6",
        "data:,x",
        "a" * 63,
        "\n".join(["word", "other"] * 30),
        "dGVzdA",
    ):
        body = {"model": "extract", "messages": [{"role": "user", "content": [file_part(text)]}]}
        assert post(app, "/v1/chat/completions", body).status_code == 200
        assert f"<document>\n{text}\n</document>" in seen[-1]


def test_a_document_of_ten_megabytes_is_refused_in_a_sentence(engine: sg.Engine) -> None:
    app = scripted(ADA)
    document = text_document("Ada is 36. " * 1_000_000, **CITED)
    answer = post(app, "/v1/messages", message_body(document))
    assert answer.status_code == 413 and "more than 8,388,608 bytes" in answer.json()["error"]["message"]
    app = scripted(ADA, options=ServerOptions(max_body=32 << 20))
    message = refusal(app, document, grounded=True, quotes=True)
    assert message.startswith("grounded: The texts have 11,000,000 characters; the limit is 4,000,000.")
    app = app_of(engine)
    assert refusal(app, text_document("Ada is 36. " * 10_000)).startswith("prompt is too long: 90018 tokens")


def test_the_text_of_a_pdf_is_read_where_the_server_allows_it() -> None:
    pytest.importorskip("pypdf")
    seen: list[str] = []
    app = scripted(ADA, seen, documents=True)
    source = {"type": "base64", "media_type": "application/pdf", "data": PDF}
    pdf = {**text_document("", "a.pdf", **CITED), "source": source}
    (content,) = ask(app, pdf, grounded=True, quotes=True).json()["content"]
    assert written("document", "Ada Lovelace is 36.", "a.pdf") in seen[-1]
    assert [one["cited_text"] for one in content["citations"]] == ["Ada Lovelace", "36"]
    broken = {**pdf, "source": {**source, "data": base64_of("%PDF-1.4 and no more")}}
    assert refusal(app, broken).startswith("messages/0/content/0/source/data: The file cannot be read")
    message = refusal(app, *[pdf] * 9)
    assert message.startswith("messages/0/content/8/source/data: More than 8 PDF files are not supported")
