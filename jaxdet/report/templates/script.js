"use strict";
// Sorting: a click on a column's title, or Enter on it. Categories stay below their set.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const groups = [];
  for (const row of body.rows) {
    if (row.classList.contains("category") && groups.length) groups.at(-1).push(row);
    else groups.push([row]);
  }
  const value = (row, column) => {
    const cell = row.cells[column];
    const text = cell.textContent.trim();
    if (column === 0) return text.toLowerCase();
    return Number.parseFloat(cell.firstChild ? cell.firstChild.textContent : "");
  };
  const order = (a, b, column, sign) => {
    const x = value(a, column), y = value(b, column);
    if (typeof x === "string") return sign * x.localeCompare(y);
    // What is not there comes last in both directions.
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
    return sign * (x - y);
  };
  const titles = columnTitles(table.tHead);
  titles.forEach((title, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...title.childNodes);
    title.append(button);
    button.addEventListener("click", () => {
      const first = column === 0 ? "ascending" : "descending";
      const second = column === 0 ? "descending" : "ascending";
      const now = title.getAttribute("aria-sort");
      const next = now === first ? second : now === second ? null : first;
      for (const other of titles.values()) other.removeAttribute("aria-sort");
      if (next) title.setAttribute("aria-sort", next);
      const sign = next === "descending" ? -1 : 1;
      const sorted = next ? groups.map(([head, ...rest]) =>
        [head, ...rest.toSorted((a, b) => order(a, b, column, sign))]) : [...groups];
      if (next) sorted.sort(([a], [b]) => order(a, b, column, sign));
      body.append(...sorted.flat());
    });
  });
}

// Paper shows what a screen folds away, the gallery and long tables aside.
addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details.printed")) part.open = true;
});

// The title of each column of a head with several lines, by the column's number.
function columnTitles(head) {
  const found = new Map();
  const taken = [];
  [...head.rows].forEach((row, line) => {
    let column = 0;
    for (const cell of row.cells) {
      while (taken[line]?.[column]) column += 1;
      for (let down = 0; down < cell.rowSpan; down += 1) {
        taken[line + down] ??= [];
        for (let right = 0; right < cell.colSpan; right += 1) taken[line + down][column + right] = true;
      }
      if (cell.scope === "col") found.set(column, cell);
      column += cell.colSpan;
    }
  });
  return found;
}

// The gallery: what does not fit the filter is hidden; arrows go from picture to picture.
const form = document.querySelector("#filter");
if (form) {
  const albums = [...document.querySelectorAll(".album")];
  const opened = albums.map((album) => album.open);
  const total = document.querySelectorAll(".card").length;
  const fits = (card, wanted) => [...wanted].every(([key, text]) => {
    const value = card.dataset[key];
    if (key === "name") return value.toLowerCase().includes(text.toLowerCase());
    if (key === "role") return text === "" || value.split(", ").includes(text);
    return text === "" || value === text;
  });
  const apply = () => {
    const wanted = new FormData(form);
    const filtered = [...wanted.values()].some((text) => text !== "");
    let shown = 0;
    albums.forEach((album, place) => {
      const cards = [...album.querySelectorAll(".card")];
      for (const card of cards) {
        card.hidden = !fits(card, wanted);
        card.tabIndex = -1;
      }
      const left = cards.filter((card) => !card.hidden);
      if (left.length) left[0].tabIndex = 0;
      album.hidden = left.length === 0;
      album.open = filtered ? left.length > 0 : opened[place];
      shown += left.length;
    });
    form.querySelector("output").textContent = `${shown} of ${total} pictures`;
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(apply));
  document.querySelector("#gallery").addEventListener("keydown", (event) => {
    const card = event.target.closest(".card");
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!card || !step) return;
    const cards = [...card.parentElement.querySelectorAll(".card:not([hidden])")];
    const next = cards[cards.indexOf(card) + step];
    event.preventDefault();
    if (!next) return;
    card.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  apply();
}
