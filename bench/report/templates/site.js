// A mark of a figure tells its numbers when it is pointed at, stepped to or touched; touched again it is a link.
for (const figure of document.querySelectorAll("figure.pareto")) {
  const detail = figure.querySelector(".detail"), names = [...figure.querySelectorAll(".marks li")];
  let touched = false;
  const tell = mark => {
    for (const part of figure.querySelectorAll(".on")) part.classList.remove("on");
    mark.classList.add("on");
    for (const name of names) if (name.dataset.name === mark.dataset.name) name.classList.add("on");
    const title = document.createElement("b");
    title.textContent = mark.dataset.name;
    detail.replaceChildren(title, ": " + mark.dataset.detail);
  };
  for (const mark of figure.querySelectorAll("a.mark")) {
    mark.addEventListener("pointerdown", event => { touched = event.pointerType === "touch" && !mark.classList.contains("on"); });
    mark.addEventListener("click", event => { if (touched) { event.preventDefault(); touched = false; tell(mark); } });
    mark.addEventListener("pointerenter", event => { if (event.pointerType !== "touch") tell(mark); });
    mark.addEventListener("focus", () => { if (!touched) tell(mark); });
  }
}
// Search: a row stays if every word stands in it. What is looked for is in the address, so that it can be passed on.
const search = document.getElementById("search");
if (search) {
  const words = search.elements.q, hits = document.getElementById("hits"), table = document.getElementById("found");
  const rows = table ? [...table.tBodies[0].rows].map(row => [row, row.textContent.toLowerCase()]) : [];
  const find = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    for (const [row, text] of rows) {
      row.hidden = !wanted.every(word => text.includes(word));
      found += !row.hidden;
    }
    hits.textContent = `${found} of ${rows.length} cells`;
  };
  const address = () => "#" + new URLSearchParams({ q: words.value.trim() });
  const asked = () => { const text = new URLSearchParams(location.hash.slice(1)).get("q"); if (table && text !== null) { words.value = text; find(); } };
  search.addEventListener("submit", event => {
    event.preventDefault();
    if (search.dataset.to) location.href = search.dataset.to + address(); else history.replaceState(null, "", address());
  });
  if (table) words.addEventListener("input", () => { find(); history.replaceState(null, "", address()); });
  addEventListener("hashchange", asked);
  asked();
}
