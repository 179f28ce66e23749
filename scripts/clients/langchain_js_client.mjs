// The packages langchain, @langchain/openai and @langchain/anthropic of Node.

import { ASK, BOTH, CHATS, HOST, KEY, MODEL, TEXT, V1 } from "./features.mjs";
import { feature, firstPage, isAda, isWeather, run, weather } from "./features.mjs";
import assert from "node:assert/strict";
import { ChatAnthropic } from "@langchain/anthropic";
import { ChatOpenAI } from "@langchain/openai";
import { createAgent, initChatModel, providerStrategy, tool, toolStrategy } from "langchain";
import { z } from "zod";

const Person = z.object({ name: z.string(), age: z.int(), city: z.string().nullable() });
const schema = z.object({ city: z.string() });
const weatherTool = tool(weather, { name: "weather", description: "The weather of a city.", schema });
const here = { apiKey: KEY, configuration: { baseURL: V1 }, maxRetries: 0 };
const MODELS = {
  openai: (more) => new ChatOpenAI({ model: MODEL, ...here, ...more }),
  responses: (more) => new ChatOpenAI({ model: MODEL, useResponsesApi: true, ...here, ...more }),
  anthropic: (more) => new ChatAnthropic({ model: MODEL, apiKey: KEY, anthropicApiUrl: HOST, maxRetries: 0, ...more }),
};

const DROPPED = "langchain sends no `tool_choice` for `any` to /v1/responses; the name of the tool does it";

firstPage("`OPENAI_BASE_URL=http://HOST/v1`", async () => {
  const model = await initChatModel("openai:gpt-5.5", { maxTokens: 200 });
  assert.ok((await model.invoke("Why do parrots talk?")).text);
});

for (const [kind, model] of Object.entries(MODELS)) {
  feature(`${kind}: stream`, CHATS, async () => {
    let text = "";
    for await (const piece of await model({ maxTokens: 20 }).stream(ASK)) text += piece.text;
    assert.ok(text);
  });

  for (const method of ["functionCalling", "jsonSchema"]) {
    feature(`${kind}: withStructuredOutput, ${method}`, BOTH, async () => {
      isAda(await model().withStructuredOutput(Person, { method, name: "person" }).invoke(TEXT));
    });
  }

  for (const choice of ["any", "weather"]) {
    const dropped = kind === "responses" && choice === "any" ? DROPPED : "";
    const ask = async () => {
      const { tool_calls: calls } = await model().bindTools([weatherTool], { tool_choice: choice }).invoke(ASK);
      isWeather(calls[0].name, calls[0].args);
    };
    feature(`${kind}: bindTools, ${choice === "any" ? choice : "named"}`, BOTH, ask, dropped);
  }

  for (const [name, strategy] of Object.entries({ toolStrategy, providerStrategy })) {
    feature(`${kind}: createAgent, ${name}`, BOTH, async () => {
      const agent = createAgent({ model: model(), tools: [], responseFormat: strategy(Person) });
      isAda((await agent.invoke({ messages: [{ role: "user", content: TEXT }] })).structuredResponse);
    });
  }
}

await run();
