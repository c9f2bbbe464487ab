// One message: its text, its versions, what can be done with it.

import { attach } from "./card.js";
import { button, copier, el } from "./dom.js";
import { isRunning } from "./generate.js";
import { rendered } from "./prose.js";
import { perplexity } from "./scores.js";
import { siblings } from "./tree.js";

const ENDS = { length: "cut at the token limit", stopped: "stopped", edited: "edited by you" };
const elements = new WeakMap(); // message → its element, which is kept: the texts that a reader selects stay

/** The element of a message, brought up to date. `column` knows the model, the lane and what buttons do. */
export function drawn(node, column) {
  if (!elements.has(node)) {
    const parts = { head: el("header"), body: el("div", { className: "tokens" }), foot: el("footer") };
    const element = el("article", { className: `message ${node.role}` }, parts.head, parts.body, parts.foot);
    element.dataset.node = node.id;
    elements.set(node, { element, ...parts });
  }
  update(node, column);
  return elements.get(node).element;
}

/** Show what changed; a message that is being edited is left alone. */
export function update(node, column) {
  const { element, head, body, foot } = elements.get(node) ?? {};
  if (!element || element.classList.contains("editing")) return;
  const writing = isRunning(node), name = node.role === "user" ? "You" : node.model;
  element.classList.toggle("writing", writing);
  element.setAttribute("aria-busy", String(writing));
  head.replaceChildren(el("span", { className: "name" }, name), ...versions(node, column, writing));
  const { elements: shown, groups } = rendered(node, { plain: node.role === "user" || !column.model?.chat });
  body.replaceChildren(...shown);
  if (!node.content && writing) body.append(el("span", { className: "quiet" }, "reading the question …"));
  if (!node.content && !writing && node.role === "assistant" && !node.error) {
    body.append(el("span", { className: "quiet" }, "(an empty answer)"));
  }
  attach(body, node, groups, writing ? null : (number, other) => column.branch(node, number, other));
  body.setAttribute("aria-label", groups.length ? `${name}: arrow keys step through the tokens` : name);
  body.setAttribute("role", "group");
  foot.replaceChildren(...(writing ? [] : finished(node, column)));
}

function versions(node, column, writing) {
  const all = siblings(column.lane, node), at = all.indexOf(node);
  if (all.length < 2) return [];
  const arrow = (by, text, label) => button(text, () => column.turn(node, by), {
    "aria-label": label, disabled: writing || !all[at + by], className: "arrow",
  });
  return [el("span", { className: "versions", role: "group", "aria-label": "Versions" },
    arrow(-1, "‹", "Previous version"), el("span", {}, `${at + 1}/${all.length}`), arrow(1, "›", "Next version"))];
}

function finished(node, column) {
  const answer = node.role === "assistant";
  const cut = answer && node.content && (node.error || node.reason in ENDS);
  const error = node.error ? el("p", { className: "error", role: "alert" }, node.error, " ",
    button("Try again", () => column.resume(node))) : null;
  const buttons = el("div", { className: "row actions" },
    node.content ? copier(() => node.content, "Copy", { "aria-label": answer ? "Copy this answer" : "Copy this message" }) : null,
    button("Edit", () => edit(node, column), { "aria-label": answer ? "Edit this answer" : "Edit this message" }),
    answer ? button("Retry", () => column.retry(node), { title: "Ask again; this answer stays a version" }) : null,
    cut ? button("Continue", () => column.resume(node), { title: "Go on where the text ends" }) : null,
    el("span", { className: "grow" }), answer ? el("span", { className: "facts" }, facts(node, column)) : null);
  return [error, buttons].filter(Boolean);
}

function facts(node, { model }) {
  const { usage, seconds, seed } = node, mean = perplexity(node.scores);
  const speed = usage?.answer > 1 && seconds > 0 ? ` · ${((usage.answer - 1) / seconds).toFixed(0)}/s` : "";
  const count = node.scores.length || usage?.answer; // of a continued answer all that are known, not the last part's
  return [
    ENDS[node.reason], count ? `${count} token${count === 1 ? "" : "s"}${speed}` : "",
    usage && model?.max_model_len ? `context ${usage.prompt + usage.answer}/${model.max_model_len}` : "",
    mean === null ? "" : `perplexity ${mean}`, seed === undefined ? "" : `seed ${seed}`,
  ].filter(Boolean).join(" · ");
}

function edit(node, column) {
  const { element, body, foot } = elements.get(node);
  element.classList.add("editing");
  const answer = node.role === "assistant";
  const box = el("textarea", { value: node.content, rows: Math.min(12, node.content.split("\n").length + 1) });
  box.setAttribute("aria-label", answer ? "The answer" : "Your message");
  const end = done => {
    element.classList.remove("editing");
    if (done && box.value !== node.content) column.edit(node, box.value);
    else update(node, column);
  };
  box.addEventListener("keydown", event => {
    if (event.key === "Escape") end(false);
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) end(true);
  });
  body.replaceChildren(box);
  body.removeAttribute("tabindex");
  foot.replaceChildren(el("div", { className: "row" }, button(answer ? "Save as a version" : "Send", () => end(true),
    { className: "primary" }), button("Cancel", () => end(false)),
  el("span", { className: "hint" }, answer ? "The model goes on from what you write here." : "The version before stays.")));
  box.focus();
}
