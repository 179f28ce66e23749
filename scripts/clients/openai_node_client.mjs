// The package openai of Node.

import { ASK, BOTH, CHATS, MODEL, TEXT, WEATHER } from "./features.mjs";
import { feature, firstPage, isAda, isWeather, run, told, weather } from "./features.mjs";
import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const client = new OpenAI({ maxRetries: 0 });
const Person = z.object({ name: z.string(), age: z.int(), city: z.string().nullable() });
const messages = [{ role: "user", content: TEXT }];
const where = [{ role: "user", content: ASK }];
const tools = [{ type: "function", function: { name: "weather", parameters: WEATHER } }];
const LINE = "`OPENAI_BASE_URL=http://HOST/v1`";

firstPage(
  LINE,
  async () => {
    const response = await new OpenAI().responses.create({
      model: "gpt-5.5",
      instructions: "You are a coding assistant that talks like a pirate",
      input: "Are semicolons optional in JavaScript?",
    });
    assert.ok(response.output_text);
  },
  { name: "first page: responses" },
);

firstPage(
  LINE,
  async () => {
    const completion = await new OpenAI().chat.completions.create({
      model: "gpt-5.5",
      messages: [
        { role: "developer", content: "Talk like a pirate." },
        { role: "user", content: "Are semicolons optional in JavaScript?" },
      ],
    });
    assert.ok(completion.choices[0].message.content);
  },
  { name: "first page: chat" },
);

feature("chat: stream", CHATS, async () => {
  let text = "";
  const stream = await client.chat.completions.create({ model: MODEL, messages: where, max_tokens: 20, stream: true });
  for await (const event of stream) text += event.choices[0]?.delta?.content ?? "";
  assert.ok(text);
});

feature("chat: parse", BOTH, async () => {
  const response_format = zodResponseFormat(Person, "person");
  const found = await client.chat.completions.parse({ model: MODEL, messages, response_format });
  isAda(found.choices[0].message.parsed);
});

feature("chat: stream of a parsed object", BOTH, async () => {
  const response_format = zodResponseFormat(Person, "person");
  const found = await client.chat.completions.stream({ model: MODEL, messages, response_format }).finalChatCompletion();
  isAda(found.choices[0].message.parsed);
});

feature("chat: tools", BOTH, async () => {
  const reply = await client.chat.completions.create({ model: MODEL, messages: where, tools, tool_choice: "required" });
  const [call] = reply.choices[0].message.tool_calls;
  isWeather(call.function.name, call.function.arguments);
});

feature("chat: runTools", CHATS, async () => {
  const fn = { name: "weather", parameters: WEATHER, parse: JSON.parse, function: weather };
  const runner = client.chat.completions.runTools(
    { model: MODEL, messages: where, tools: [{ type: "function", function: fn }], max_tokens: 60 },
    { maxChatCompletions: 2 },
  );
  await runner.done();
  assert.ok(runner.messages.length > 1 && told.length <= 2);
});

feature("responses: parse", BOTH, async () => {
  const text = { format: zodTextFormat(Person, "person") };
  isAda((await client.responses.parse({ model: MODEL, input: TEXT, text })).output_parsed);
});

feature("responses: stream of tools", BOTH, async () => {
  const flat = [{ type: "function", name: "weather", parameters: WEATHER, strict: true }];
  const stream = client.responses.stream({ model: MODEL, input: ASK, tools: flat, tool_choice: "required" });
  const call = (await stream.finalResponse()).output.find((one) => one.type === "function_call");
  isWeather(call.name, call.arguments);
});

await run();
