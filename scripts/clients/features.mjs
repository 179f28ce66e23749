// What the files of Node's clients share: features.py for Node, with the same lines of JSON. The files are
// copied beside the packages of their client, where Node finds these.
//
//     node openai_node_client.mjs ADDRESS MODEL [--only FEATURE ...]

import assert from "node:assert/strict";

const [address, model, , ...only] = process.argv.slice(2);
export const HOST = address;
export const V1 = `${HOST}/v1`;
export const MODEL = model;
export const KEY = "any";
export const EXTRACTS = MODEL === "extract";
export const TEXT = "Ada Lovelace, 36, lives in London.";
export const ASK = "What is the weather in London?";
export const BOTH = ["smollm2", "extract"];
export const CHATS = ["smollm2"];
export const WEATHER = {
  type: "object",
  properties: { city: { type: "string", description: "The name of the city" } },
  required: ["city"],
  additionalProperties: false,
};
export const told = [];

// Some packages read these as they are imported, so files import this one first.
process.env.OPENAI_API_KEY = KEY;
process.env.OPENAI_BASE_URL = V1;

const ADA = { name: "Ada Lovelace", age: 36, city: "London" };
const MOST_SECONDS = 240;
const features = [];

// What the tool `weather` does.
export const weather = async ({ city }) => {
  assert.equal(typeof city, "string");
  told.push(city);
  return "Sunny, 21 degrees.";
};

// Throw where an object, or its JSON, is no person, or, of `extract`, not Ada.
export const isAda = (found) => {
  const made = typeof found === "string" ? JSON.parse(found) : found;
  assert.deepEqual(Object.keys(made).sort(), ["age", "city", "name"]);
  assert.equal(typeof made.name, "string");
  assert.ok(Number.isInteger(made.age));
  assert.ok(made.city === null || typeof made.city === "string");
  if (EXTRACTS) assert.deepEqual({ ...made }, ADA);
};

// Throw where a call is not one of the tool `weather`.
export const isWeather = (name, args) => {
  const made = typeof args === "string" ? JSON.parse(args) : args;
  assert.equal(name, "weather");
  assert.deepEqual(Object.keys(made), ["city"]);
  assert.equal(typeof made.city, "string");
};

export const feature = (name, models, run, fault = "") => features.push({ name, models, run, fault, line: "" });

// As `first_page` of features.py.
export const firstPage = (line, run, { name = "first page", models = CHATS, mend = "", fault = "" } = {}) => {
  features.push({ name, models, run: () => run(false), fault, line });
  if (mend) features.push({ name: `${name}, mended`, models, run: () => run(true), fault: "", line: mend });
};

// Run the features, and end the process.
export const run = async () => {
  console.log = console.info = console.error; // stdout has the lines alone
  for (const one of features) {
    if (!one.models.includes(MODEL) || (only.length && !only.includes(one.name))) continue;
    told.length = 0;
    const before = performance.now();
    let error = "";
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no end after ${MOST_SECONDS} s`)), MOST_SECONDS * 1000);
    });
    try {
      await Promise.race([one.run(), late]);
    } catch (thrown) {
      console.error(thrown);
      error = `${thrown?.name}: ${thrown?.message}`;
    }
    clearTimeout(timer);
    const seconds = (performance.now() - before) / 1000;
    const { name, fault, line } = one;
    process.stdout.write(`${JSON.stringify({ name, seconds, error, fault, line })}\n`);
  }
  process.exit(0);
};
