"use strict";
// Sorting: numbers by value, text by letters; empty cells always last, in either direction.
function compare(a, b, sign) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const x = Number(a), y = Number(b);
  return sign * (Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y);
}
for (const button of document.querySelectorAll("table.sortable th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, body = head.closest("table").tBodies[0];
    // Numbers start with the largest, words with the first letter.
    const first = head.classList.contains("n") ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const way = head.getAttribute("aria-sort") === first ? other : first;
    const key = row => { const cell = row.cells[head.cellIndex]; return cell.dataset.sort ?? cell.textContent.trim(); };
    for (const th of head.parentElement.cells) th.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", way);
    const sign = way === "ascending" ? 1 : -1;
    body.append(...[...body.rows].sort((a, b) => compare(key(a), key(b), sign)));
  });
}
// Filters: whatever carries data-surface, data-goal, ... hides when it carries another value than the one chosen.
const form = document.getElementById("filters");
if (form) {
  const names = [...form.elements].map(choice => choice.name);
  const parts = document.querySelectorAll(names.map(name => `[data-${name}]`).join(", "));
  const apply = () => {
    const chosen = Object.entries(Object.fromEntries(new FormData(form)));
    for (const part of parts) {
      part.hidden = chosen.some(([name, value]) => value && part.dataset[name] && part.dataset[name] !== value);
    }
  };
  form.addEventListener("change", apply);
  apply(); // a browser may restore choices after a reload
}
// A link to a flag or to a cell opens it.
const open = () => { const part = document.getElementById(location.hash.slice(1)); if (part && part.tagName === "DETAILS") part.open = true; };
addEventListener("hashchange", open);
open();
