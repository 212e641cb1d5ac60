import { byId, describe, start } from "./answers.js";

let model = null;

function headers() {
  const key = byId("key").value.trim();
  return key ? { Authorization: `Bearer ${key}` } : {};
}

async function ask(address, options = {}) {
  const response = await fetch(address, { ...options, headers: headers() });
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

async function score(images) {
  const form = new FormData();
  for (const file of images) form.append("images", file, file.name || "pasted.png");
  return (await ask("v1/score?evidence=true", { method: "POST", body: form })).results;
}

start(score, () => model);
byId("form").addEventListener("submit", introduce);
byId("key").addEventListener("change", introduce);
introduce();
