"""openai over a connection: `python openai_client.py ADDRESS`. Prints a line for each check.

tests/serving/test_served_clients.py has the same client without a connection, and more of it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import openai
from person import ADA, TEXT, Person

MESSAGES: Any = [{"role": "user", "content": TEXT}]


client = openai.OpenAI(base_url=sys.argv[1], api_key="any", max_retries=0)
chat = client.chat.completions
schema: Any = {"type": "json_schema", "json_schema": {"name": "p", "schema": Person.model_json_schema()}}
made = chat.create(model="extract", messages=MESSAGES, response_format=schema)
assert json.loads(made.choices[0].message.content or "") == ADA.model_dump()
print("openai create: a document")
parsed = chat.parse(model="extract", messages=MESSAGES, response_format=Person)
assert parsed.choices[0].message.parsed == ADA
print("openai parse: an object")
with chat.stream(model="extract", messages=MESSAGES, response_format=Person) as events:
    count = sum(event.type == "content.delta" for event in events)
    assert count > 5 and events.get_final_completion().choices[0].message.parsed == ADA
print("openai stream: an object in pieces")
tool = openai.pydantic_function_tool(Person)
called = chat.parse(model="extract", messages=MESSAGES, tools=[tool], tool_choice="required")
assert (called.choices[0].message.tool_calls or [])[0].function.parsed_arguments == ADA
print("openai tools: a call")
many = chat.create(model="extract", messages=MESSAGES, response_format=schema, n=3, temperature=1)
assert all(json.loads(one.message.content or "") for one in many.choices) and len(many.choices) == 3
print("openai n: three documents")
assert client.responses.parse(model="extract", input=TEXT, text_format=Person).output_parsed == ADA
print("openai responses: an object")
wrong: Any = {"type": "json_schema", "json_schema": {"name": "p", "schema": {"type": "strnig"}}}
try:
    chat.create(model="extract", messages=MESSAGES, response_format=wrong)
except openai.BadRequestError as error:
    assert "strnig" in error.message
    print("openai errors: the message of a schema that is refused")
