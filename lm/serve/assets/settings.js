// How answers are drawn: the controls, what each means, and the fields of a request.

import { button, el, find } from "./dom.js";
import * as store from "./store.js";

const CONTROLS = [
  { name: "temperature", title: "Temperature", min: 0, max: 2, step: 0.05,
    hint: "0 takes the most likely token each time, 1 samples from the model's own distribution, above 1 flattens it." },
  { name: "top_p", title: "Top p", min: 0.05, max: 1, step: 0.05,
    hint: "Samples among the most likely tokens that together reach this probability. 1 keeps all tokens." },
  { name: "top_k", title: "Top k", min: 1, step: 1, empty: "all",
    hint: "Samples among this many of the most likely tokens." },
  { name: "repetition_penalty", title: "Repetition penalty", min: 0.5, max: 2, step: 0.05,
    hint: "Above 1 makes tokens that occurred already less likely. 1 is none." },
  { name: "max_tokens", title: "Max tokens", min: 1, step: 1, empty: "auto",
    hint: "Where an answer is cut at the latest. Empty: what the context has room for." },
  { name: "seed", title: "Seed", step: 1, empty: "random",
    hint: "The same seed, settings and messages give the same answer. Each answer shows its seed." },
];
const kept = store.settings();
let defaults = {}, changed = () => {};

/** A setting as it is, or undefined where the model decides. */
export const setting = name => kept[name];

export function set(name, value) {
  if (value === undefined || value === "") delete kept[name];
  else kept[name] = value;
  store.keepSettings(kept);
}

export const alternatives = () => kept.alternatives ?? 5;

/** The fields of a request; what is left to the model is left out. */
export function fields() {
  const sent = Object.fromEntries(CONTROLS.map(({ name }) => [name, kept[name]]).filter(([, value]) => value !== undefined));
  const stop = (kept.stop ?? "").split("\n").filter(Boolean)
    .map(line => line.replace(/\\([nt\\])/g, (_, each) => ({ n: "\n", t: "\t", "\\": "\\" })[each]));
  return stop.length ? { ...sent, stop } : sent;
}

/** Draw the controls; `model` gives the defaults. */
export function draw(model, whenChanged) {
  defaults = model?.sampling ?? {};
  changed = whenChanged;
  find("sampling").replaceChildren(
    el("h2", {}, "Sampling"),
    ...CONTROLS.map(control),
    area(),
    el("h2", {}, "Token probabilities"),
    choice(),
    el("p", {}, button("Reset", () => {
      for (const name of [...CONTROLS.map(each => each.name), "stop", "alternatives"]) set(name);
      draw(model, whenChanged);
      changed();
    })),
  );
}

function control({ name, title, hint, empty, min, max, step }) {
  const fallback = defaults[name], id = `set-${name}`;
  const shown = () => kept[name] ?? "";
  const limits = { min, max, step: step < 1 ? "any" : step };
  const number = el("input", {
    type: "number", id, ...limits, value: shown(), placeholder: fallback ?? empty ?? "", "aria-describedby": `${id}-hint`,
  });
  const slider = max === undefined ? null : el("input", {
    type: "range", min, max, step, value: kept[name] ?? fallback ?? max, "aria-label": `${title}, slider`, tabIndex: -1,
  });
  const put = value => {
    set(name, value === "" ? "" : Number(value));
    changed();
  };
  const words = el("p", { className: "hint", id: `${id}-hint` }, hint);
  const typed = () => {
    const { valid } = number.validity;
    number.setAttribute("aria-invalid", String(!valid));
    words.textContent = valid ? hint : `${number.validationMessage} Until then ${kept[name] ?? "the default"} holds.`;
    words.classList.toggle("error", !valid);
    if (!valid) return;
    if (slider) slider.value = number.value === "" ? fallback ?? max : number.value;
    put(number.value);
  };
  for (const event of ["input", "change"]) number.addEventListener(event, typed);
  slider?.addEventListener("input", () => { number.value = slider.value; put(slider.value); });
  return el("div", { className: "control" },
    el("label", { for: id }, title), number, slider, words);
}

function area() {
  const box = el("textarea", {
    id: "set-stop", rows: 2, value: kept.stop ?? "", placeholder: "none", "aria-describedby": "set-stop-hint",
    oninput: () => { set("stop", box.value); changed(); },
  });
  return el("div", { className: "control" }, el("label", { for: "set-stop" }, "Stop at"), box,
    el("p", { className: "hint", id: "set-stop-hint" },
      "One text per line; the answer ends before it. Write a new line as \\n."));
}

function choice() {
  const select = el("select", {
    id: "set-alternatives", "aria-describedby": "set-alternatives-hint",
    onchange: () => { set("alternatives", Number(select.value)); changed(); },
  }, ...[[0, "no probabilities"], [3, "with 3 alternatives"], [5, "with 5 alternatives"], [10, "with 10 alternatives"],
    [20, "with 20 alternatives"]].map(([value, text]) => el("option", { value }, text)));
  select.value = alternatives();
  return el("div", { className: "control" }, el("label", { for: "set-alternatives" }, "For each token"), select,
    el("p", { className: "hint", id: "set-alternatives-hint" },
      "Point at a token of an answer, or step through with the arrow keys. Probabilities are the model's own, before temperature, top p and top k."));
}
