// Answers on a page, and the ways in which images come to it; what scores them is the page's own.
// What a verdict says in words. No number stands without them.
const WORDS = {
  fake: "Likely generated",
  real: "Likely real",
  unsure: "Cannot tell",
};
export const byId = (id) => document.getElementById(id);

function make(tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  return element;
}

// Shows which detector answers: an object with the fields of /v1/model.
export function describe(model) {
  byId("model").textContent = `${model.name}, weights ${model.digest}. ${sentence(model.verdicts)}`;
  const basis = `Trained on: ${model.trained_on}. Tested: ${model.tested_on}`;
  byId("basis").textContent = sentence(basis);
  const facts = byId("facts");
  facts.replaceChildren();
  const told = {
    "What is scored": model.part,
    "Verdicts": model.verdicts,
    "Calibration": model.temperature === null
      ? "none: the probability is the network's own"
      : `by validation images, temperature ${model.temperature.toPrecision(3)}`,
    "Trained on": model.trained_on,
    "Program": `jaxdet ${model.version}`,
  };
  for (const [title, text] of Object.entries(told)) {
    facts.append(make("dt", title), make("dd", text));
  }
  byId("limits").replaceChildren(...model.limits.map((text) => make("li", text)));
  byId("measured").replaceChildren(measured(model.measured));
}

function sentence(text) {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return first.endsWith(".") ? first : `${first}.`;
}

function measured(sets) {
  if (!Object.keys(sets).length) return make("p", "Nothing was measured of these weights.");
  const table = make("table");
  const head = table.createTHead().insertRow();
  for (const title of ["test set", "AP", "accuracy", "real", "fake"]) {
    const cell = make("th", title);
    cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  for (const [name, one] of Object.entries(sets)) {
    const row = body.insertRow();
    const values = [one.ap.toFixed(3), one.accuracy.toFixed(3), one.n_real, one.n_fake];
    const title = make("th", name);
    title.scope = "row";
    row.append(title, ...values.map((value) => make("td", value)));
  }
  return table;
}

function show(result, file) {
  const article = make("article");
  const text = make("div");
  text.append(make("h2", result.name));
  if (result.error) {
    text.append(make("p", `Not scored: ${result.error}`));
    article.append(make("div"), text);
    byId("answers").prepend(article);
    return;
  }
  const verdict = make("p", WORDS[result.verdict], `verdict ${result.verdict}`);
  const share = `${(100 * result.probability).toFixed(1)} %`;
  const scale = result.calibrated ? "calibrated on validation images" : "not calibrated";
  text.append(verdict, make("p", `Probability of being generated: ${share}, ${scale}.`));
  list(text, "Take care", result.warnings);
  if (result.provenance) {
    list(text, "What the file says of its origin (not part of the score)", result.provenance);
    if (!result.provenance.length) {
      text.append(make("p", "The file says nothing of its origin, which means nothing.", "small"));
    }
  }
  const size = `${result.width} × ${result.height} pixels`;
  const done = `${size}; scored: ${result.part}; logit ${result.logit.toFixed(4)}.`;
  text.append(make("p", done, "small"));
  if (result.band) {
    const [real, fake] = result.band.map((end) => `${(100 * end).toFixed(1)} %`);
    const rate = `${result.error_rate} % of validation images err at most`;
    text.append(make("p", `Real up to ${real}, generated from ${fake}: ${rate}.`, "small"));
  }
  const bytes = result.sha256 ? `; SHA-256 of the file ${result.sha256}` : "";
  text.append(make("p", `Answered ${result.answered}${bytes}.`, "small"));
  article.append(picture(result, file, text), text);
  byId("answers").prepend(article);
}

function list(parent, title, items) {
  if (!items.length) return;
  parent.append(make("h3", title));
  const found = make("ul");
  found.append(...items.map((item) => make("li", item)));
  parent.append(found);
}

function picture(result, file, text) {
  const figure = make("figure");
  const frame = make("div", undefined, "frame");
  const image = make("img");
  image.alt = result.name;
  image.src = URL.createObjectURL(file);
  frame.append(image);
  figure.append(frame);
  if (result.evidence) {
    const [left, top, width, height] = result.evidence.box;
    const overlay = make("img", undefined, "overlay");
    overlay.alt = "";
    overlay.hidden = true;
    overlay.src = `data:image/png;base64,${result.evidence.png}`;
    overlay.style.left = `${(100 * left) / result.width}%`;
    overlay.style.top = `${(100 * top) / result.height}%`;
    overlay.style.width = `${(100 * width) / result.width}%`;
    overlay.style.height = `${(100 * height) / result.height}%`;
    frame.append(overlay);
    const button = make("button", "Show where the score comes from", "toggle");
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      overlay.hidden = !overlay.hidden;
      button.setAttribute("aria-pressed", String(!overlay.hidden));
    });
    text.append(button);
    text.append(make("p", "Red speaks for generated, blue for real.", "small"));
  }
  return figure;
}

// Answers what is chosen, dropped or pasted. `ask` gives the results of some files, one after the
// other in their order, as /v1/score has them; `model` gives what stands beside them where they are
// saved.
export function start(ask, model) {
  const answered = [];

  async function score(files) {
    const images = [...files];
    if (!images.length) return;
    const status = byId("status");
    status.textContent = `Scoring ${images.length} image${images.length > 1 ? "s" : ""} …`;
    byId("files").value = "";
    let [scored, errors] = [0, 0];
    try {
      for await (const result of ask(images)) {
        const entry = { ...result, answered: new Date().toISOString() };
        show(entry, images[scored + errors]);
        answered.push(entry);
        if (result.error) errors += 1;
        else scored += 1;
        byId("actions").hidden = false;
      }
      status.textContent = `${scored} scored` + (errors ? `, ${errors} not readable.` : ".");
    } catch (error) {
      const rest = images.length - scored - errors;
      const begun = scored + errors ? `${scored + errors} answered, ${rest} not. ` : "";
      status.textContent = `${begun}No answer: ${error?.message || error}`;
    }
  }

  function save() {
    const report = { saved: new Date().toISOString(), model: model(), results: answered };
    const content = JSON.stringify(report, null, 2);
    const link = make("a");
    link.href = URL.createObjectURL(new Blob([content], { type: "application/json" }));
    link.download = "jaxdet.json";
    link.click();
    // Some browsers read it a moment later.
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  byId("files").addEventListener("change", (event) => score(event.target.files));
  byId("form").addEventListener("submit", (event) => event.preventDefault());
  byId("print").addEventListener("click", () => window.print());
  byId("save").addEventListener("click", save);
  byId("clear").addEventListener("click", () => {
    answered.length = 0;
    // Else the browser keeps the files as long as the page.
    for (const image of byId("answers").querySelectorAll("img")) URL.revokeObjectURL(image.src);
    byId("answers").replaceChildren();
    byId("actions").hidden = true;
    byId("status").textContent = "";
  });
  const drop = byId("drop");
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop") score(event.dataTransfer.files);
    });
  }
  document.addEventListener("paste", (event) => score(event.clipboardData.files));
}
