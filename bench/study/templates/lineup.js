"use strict";
const study = JSON.parse(document.getElementById("study").textContent);
const part = id => document.getElementById(id);
const show = id => { for (const name of ["consent", "trial", "end"]) part(name).hidden = name !== id; scrollTo(0, 0); };
// Unbiased and not to be guessed from the clock: rejection sampling from the browser's own source.
function below(n) {
  const limit = 2 ** 32 - (2 ** 32 % n), box = new Uint32Array(1);
  do crypto.getRandomValues(box); while (box[0] >= limit);
  return box[0] % n;
}
function mixed(list) {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) { const j = below(i + 1); [out[i], out[j]] = [out[j], out[i]]; }
  return out;
}
const form = below(study.forms.length), trials = mixed(study.forms[form]), answers = [];
const respondent = [...crypto.getRandomValues(new Uint8Array(6))].map(byte => byte.toString(16).padStart(2, "0")).join("");
const source = id => "data:image/png;base64," + study.pictures[id];
let now = 0, since = 0, order = [], running = false;

function ask() {
  const [above, candidates] = study.trials[trials[now]];
  part("count").textContent = `${now + 1} of ${trials.length}`;
  part("done").style.width = `${100 * now / trials.length}%`;
  part("above").src = source(above);
  order = mixed(candidates);
  part("faces").replaceChildren(...order.map((id, place) => {
    const label = document.createElement("label"), input = document.createElement("input");
    const picture = document.createElement("img"), number = document.createElement("span");
    Object.assign(input, { type: "radio", name: "face", value: id });
    input.setAttribute("aria-label", `Photograph ${place + 1}`);
    Object.assign(picture, { src: source(id), alt: "", draggable: false });
    number.textContent = place + 1;
    label.append(input, picture, number);
    return label;
  }));
  part("next").disabled = true;
  since = performance.now();
  show("trial");
}
function next() {
  const chosen = part("faces").querySelector(":checked");
  if (!chosen) return;
  const seconds = ((performance.now() - since) / 1000).toFixed(2);
  answers.push([study.study, respondent, form, trials[now], now + 1, chosen.value, order.indexOf(chosen.value) + 1, seconds]);
  now += 1;
  if (now < trials.length) ask(); else end();
}
function end() {
  running = false;
  const head = ["study", "respondent", "form", "trial", "order", "choice", "position", "seconds"];
  const text = [head, ...answers].map(row => row.join(",")).join("\n") + "\n";
  const name = `answers-${study.study}-${respondent}.csv`;
  part("told").textContent = `You have answered ${answers.length} of ${trials.length} questions.`;
  part("save").href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  part("save").download = part("file").textContent = name;
  part("text").value = text;
  show("end");
}
part("agree").addEventListener("change", () => { part("begin").disabled = !part("agree").checked; });
part("begin").addEventListener("click", () => { running = true; ask(); });
part("stop").addEventListener("click", end);
part("choice").addEventListener("change", () => { part("next").disabled = false; });
part("choice").addEventListener("submit", event => { event.preventDefault(); next(); });
part("text").addEventListener("focus", () => part("text").select());
addEventListener("keydown", event => {
  if (part("trial").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  const inputs = part("faces").querySelectorAll("input"), place = Number(event.key);
  if (place >= 1 && place <= inputs.length) { inputs[place - 1].checked = true; inputs[place - 1].focus(); part("next").disabled = false; }
  if (event.key === "Enter" && event.target !== part("stop") && event.target !== part("next")) { event.preventDefault(); next(); }
});
addEventListener("beforeunload", event => { if (running) event.preventDefault(); });
part("agree").checked = false;
