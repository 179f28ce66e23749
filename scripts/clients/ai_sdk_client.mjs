// The AI SDK (the package ai), by its providers openai, openai-compatible and anthropic.

import { ASK, BOTH, CHATS, KEY, MODEL, TEXT, V1 } from "./features.mjs";
import { feature, firstPage, isAda, isWeather, run, told, weather } from "./features.mjs";
import assert from "node:assert/strict";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI, openai } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

const Person = z.object({ name: z.string(), age: z.int(), city: z.string().nullable() });
const output = Output.object({ schema: Person });
const compatible = { name: "here", baseURL: V1, apiKey: KEY };
const asked = { maxRetries: 0 };
const tools = {
  weather: tool({ description: "The weather of a city.", inputSchema: z.object({ city: z.string() }), execute: weather }),
};
const PROVIDERS = {
  "openai, responses": createOpenAI({ baseURL: V1, apiKey: KEY }).responses,
  "openai, chat": createOpenAI({ baseURL: V1, apiKey: KEY }).chat,
  "openai-compatible": createOpenAICompatible({ ...compatible, supportsStructuredOutputs: true }),
  anthropic: createAnthropic({ baseURL: V1, apiKey: KEY }),
};

firstPage(
  "openai: `OPENAI_BASE_URL=http://HOST/v1`",
  async () => {
    const { text } = await generateText({
      model: openai("gpt-5"),
      prompt: "Write a vegetarian lasagna recipe for 4 people.",
      maxOutputTokens: 200,
    });
    assert.ok(text);
  },
  { name: "first page: openai" },
);

firstPage(
  "openai-compatible: `baseURL: 'http://HOST/v1'`",
  async (mended) => {
    const more = mended ? { supportsStructuredOutputs: true } : {};
    const model = createOpenAICompatible({ ...compatible, ...more })("any");
    isAda((await generateText({ ...asked, model, prompt: TEXT, output })).output);
  },
  {
    name: "first page: openai-compatible, an object",
    mend: "openai-compatible: `supportsStructuredOutputs: true`",
    fault: "without that the provider asks for `json_object`, and sends no schema",
  },
);

for (const [kind, provider] of Object.entries(PROVIDERS)) {
  feature(`${kind}: generateText`, CHATS, async () => {
    assert.ok((await generateText({ ...asked, model: provider(MODEL), prompt: ASK, maxOutputTokens: 20 })).text);
  });

  feature(`${kind}: streamText`, CHATS, async () => {
    let text = "";
    const { textStream } = streamText({ ...asked, model: provider(MODEL), prompt: ASK, maxOutputTokens: 20 });
    for await (const piece of textStream) text += piece;
    assert.ok(text);
  });

  feature(`${kind}: an object`, BOTH, async () => {
    isAda((await generateText({ ...asked, model: provider(MODEL), prompt: TEXT, output })).output);
  });

  feature(`${kind}: an object, streamed`, BOTH, async () => {
    const found = streamText({ ...asked, model: provider(MODEL), prompt: TEXT, output });
    for await (const _ of found.partialOutputStream);
    isAda(await found.output);
  });

  feature(`${kind}: tools`, BOTH, async () => {
    const more = { tools, toolChoice: "required", stopWhen: stepCountIs(1) };
    const { toolCalls } = await generateText({ ...asked, model: provider(MODEL), prompt: ASK, ...more });
    isWeather(toolCalls[0].toolName, toolCalls[0].input);
    assert.equal(told.length, toolCalls.length);
  });

  feature(`${kind}: tools, two turns`, CHATS, async () => {
    const more = { tools, stopWhen: stepCountIs(2), maxOutputTokens: 60 };
    const { steps } = await generateText({
      ...asked,
      model: provider(MODEL),
      prompt: ASK,
      ...more,
      prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber ? "auto" : "required" }),
    });
    assert.equal(steps.length, 2);
  });
}

await run();
