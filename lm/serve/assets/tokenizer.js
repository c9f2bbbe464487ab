// What is typed, as the model reads it: boundaries, ids, bytes, and how likely each token is.

import * as api from "./api.js";
import { attach } from "./card.js";
import { el, find } from "./dom.js";
import { hex, level, ofCompletion, percent, perplexity, visible } from "./scores.js";
import { alternatives } from "./settings.js";

const PAUSE = 200, SHOWN = 2000; // ms after the last key; tokens that are drawn
const encoder = new TextEncoder();
let view = "text", timer = 0, asking = null;

/** The open panel follows what is typed; `state()` gives the model, the text and the messages it would be sent with. */
export function watch(state) {
  const panel = find("tokenizer"), toggle = find("show-tokens");
  const views = el("select", { id: "token-view", onchange: () => { view = views.value; refresh(state); } },
    el("option", { value: "text" }, "the text"),
    el("option", { value: "prompt" }, "the whole prompt, with the template"),
    el("option", { value: "likely" }, "the text, with probabilities"));
  const count = el("span", { id: "token-count", role: "status", className: "quiet" });
  const list = el("div", { id: "token-list", className: "tokens", tabIndex: 0, role: "group", "aria-label": "Tokens" });
  panel.append(el("div", { className: "row" }, el("label", {}, "tokens of ", views), count), list);
  toggle.addEventListener("click", () => {
    panel.hidden = !panel.hidden;
    toggle.setAttribute("aria-expanded", String(!panel.hidden));
    if (!panel.hidden) refresh(state);
  });
}

/** Ask again soon, where the panel is open. */
export function follow(state) {
  if (find("tokenizer").hidden) return;
  clearTimeout(timer);
  timer = setTimeout(() => refresh(state), PAUSE);
}

async function refresh(state) {
  const { model, text, messages } = state(), list = find("token-list"), count = find("token-count");
  asking?.abort();
  asking = new AbortController();
  find("token-view").querySelector("[value=prompt]").disabled = !model?.chat;
  if (!model?.chat && view === "prompt") find("token-view").value = view = "text";
  if (!model || (!text && view !== "prompt") || (view === "prompt" && !messages.length)) {
    list.replaceChildren(el("p", { className: "hint" }, "Type something below to see its tokens."));
    count.textContent = "";
    return;
  }
  try {
    const { signal } = asking;
    if (view === "likely") return likely(await scored(model, text, signal), text, { list, count });
    const { tokens, max_model_len: room } = await api.tokenize(
      view === "prompt" ? { model: model.id, messages } : { model: model.id, text }, signal);
    attach(list, {}, []);
    list.replaceChildren(...tokens.slice(0, SHOWN).map((each, at) => chip(each, at, `id ${each.id}, bytes ${hex(each.bytes)}`)));
    count.textContent = view === "prompt" ? `${tokens.length} of ${room} tokens of context` : sizes(tokens.length, text);
  } catch (error) {
    if (error.name === "AbortError") return;
    list.replaceChildren(el("p", { className: "error" }, error.message));
    count.textContent = "";
  }
}

const many = (number, one) => `${number} ${one}${number === 1 ? "" : "s"}`;
const sizes = (tokens, text) =>
  `${many(tokens, "token")} · ${many([...text].length, "character")} · ${many(encoder.encode(text).length, "byte")}`;

async function scored(model, text, signal) {
  const body = { model: model.id, prompt: text, max_tokens: 0, echo: true, logprobs: alternatives() || 5 };
  return ofCompletion((await api.complete(body, signal)).choices[0].logprobs);
}

/** Tokens coloured by surprise, each with its card. */
function likely(scores, text, { list, count }) {
  const groups = scores.map((_, at) => ({ start: at, end: at + 1, tokens: [at] }));
  list.replaceChildren(...scores.slice(0, SHOWN).map((each, at) => {
    const made = chip(each, at, null, each.logprob === null ? "first" : percent(each.logprob));
    made.classList.add("token", `level-${level(each.logprob)}`);
    made.dataset.group = at;
    return made;
  }));
  attach(list, { scores }, groups);
  const mean = perplexity(scores);
  count.textContent = `${sizes(scores.length, text)}${mean === null ? "" : ` · perplexity ${mean}`}`;
}

function chip({ text, id, bytes }, at, title, under = String(id)) {
  const special = bytes === null ? " special" : "";
  return el("span", { className: `chip tint-${at % 4}${special}`, title },
    el("code", {}, visible(text)), el("small", {}, under),
    title === null ? null : el("small", { className: "bytes" }, hex(bytes).replace("none: a special token", "special")));
}
