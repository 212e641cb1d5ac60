import { byId, describe, start } from "./answers.js";

// Of a file's part of a form: its headers and name.
const PART_BYTES = 2048;
// How often a request is sent again where the service is full.
const TRIES = 30;

let model = null;

function headers() {
  const key = byId("key").value.trim();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

const pause = (seconds) => new Promise((resolve) => { setTimeout(resolve, 1000 * seconds); });

async function ask(address, options = {}) {
  let response = await fetch(address, { ...options, headers: headers() });
  for (let tries = 1; response.status === 503 && tries < TRIES; tries += 1) {
    await pause(Number(response.headers.get("Retry-After")) || 1);
    response = await fetch(address, { ...options, headers: headers() });
  }
  if (response.status === 401) {
    byId("keyline").hidden = false;
    byId("key").focus();
    throw new Error("A key is needed: give it, and try again.");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok && !body.results) {
    throw new Error(body.detail || `The service answered with status ${response.status}.`);
  }
  return body;
}

async function introduce() {
  try {
    model = await ask("v1/model");
    describe(model);
  } catch (error) {
    byId("model").textContent = error.message;
  }
}

// Images in groups, in their order, each of which the service takes as one request.
function groups(images, { images: most, request_bytes: bytes }) {
  const found = [];
  let room = 0;
  for (const file of images) {
    const size = file.size + PART_BYTES;
    if (!found.length || found.at(-1).length === most || size > room) {
      found.push([]);
      room = bytes;
    }
    found.at(-1).push(file);
    room -= size;
  }
  return found;
}

async function* score(images) {
  if (!model) await introduce();
  if (!model) throw new Error(byId("model").textContent);
  const bytes = model.accepts.request_bytes;
  for (const group of groups(images, model.accepts)) {
    if (group[0].size + PART_BYTES > bytes) {
      yield { name: group[0].name, error: `the service takes ${bytes} bytes at most` };
      continue;
    }
    const form = new FormData();
    for (const file of group) form.append("images", file, file.name || "pasted.png");
    yield* (await ask("v1/score?evidence=true", { method: "POST", body: form })).results;
  }
}

start(score, () => model);
byId("form").addEventListener("submit", introduce);
byId("key").addEventListener("change", introduce);
introduce();
