// Scores images in this browser with detector.onnx; asks for nothing but the files beside it.
import * as ort from "./ort.wasm.bundle.min.mjs";
import { byId, describe, start } from "./answers.js";
import { decode, pieces, sharpness } from "./pixels.js";

// More need headers that a plain server of files does not send.
ort.env.wasm.numThreads = 1;

let model = null;

// Returns a text of whatever was thrown: WebAssembly throws numbers, too.
const reason = (error) => error?.message || `onnxruntime failed (${error})`;

async function load() {
  const response = await fetch("detector.json");
  model = await response.json();
  const session = await ort.InferenceSession.create("detector.onnx");
  describe(model);
  return session;
}

async function logitOf(session, parts) {
  let logit = 0;
  for (const { width, height, data, share } of parts) {
    const pixels = new Uint8Array(data.buffer);
    const image = new ort.Tensor("uint8", pixels, [1, height, width, 3]);
    const result = await session.run({ image });
    logit += share * result.logit.data[0];
  }
  return logit;
}

function verdict(logit) {
  if (!model.band) return "unsure";
  const [real, fake] = model.band;
  if (logit >= fake) return "fake";
  return logit <= real ? "real" : "unsure";
}

const four = (number) => Number(number.toPrecision(4));

// Returns a sentence where a fact of an image lies outside its range on validation images.
function unlike(name, value, tell) {
  const range = model.ranges[name];
  if (!range || (value >= range[0] && value <= range[1])) return [];
  const ends = [...new Set(range.map(four))].join(" to ");
  return [`unlike the images of validation: ${tell(four(value), ends)}`];
}

function warnings(image, parts) {
  const sharp = parts.reduce((sum, one) => sum + one.share * sharpness(one), 0);
  return [
    ...unlike("side", Math.min(image.width, image.height),
      (value, ends) => `its shorter side is ${value} pixels, theirs ${ends}`),
    ...unlike("sharpness", sharp,
      (value, ends) => `its sharpness (variance of the Laplacian) is ${value}, theirs ${ends}`),
    ...unlike("jpeg", Number(image.isJpeg), (value) => (
      value ? "it is a JPEG, and none of theirs is" : "it is no JPEG, and all of theirs are"
    )),
    ...(image.isOpaque ? [] : ["transparent in places, where browsers change its colours: jaxdet "
      + "may give another logit"]),
  ];
}

async function answer(session, file) {
  const name = file.name || "pasted image";
  try {
    const image = await decode(file, model.scored);
    const parts = pieces(image, model.scored);
    const logit = await logitOf(session, parts);
    if (!Number.isFinite(logit)) {
      throw new Error(`its logit is ${logit}: these weights are no detector's`);
    }
    return {
      name, logit, width: image.width, height: image.height, part: model.part,
      probability: 1 / (1 + Math.exp(-logit / (model.temperature ?? 1))),
      calibrated: model.temperature !== null,
      verdict: verdict(logit),
      warnings: warnings(image, parts),
    };
  } catch (error) {
    return { name, error: reason(error) };
  }
}

const loading = load();
loading.catch((error) => {
  byId("model").textContent = `The detector cannot be loaded: ${reason(error)}`;
});
start(async function* score(files) {
  const session = await loading;
  for (const file of files) yield answer(session, file);
}, () => model);
