// The card of a token: its probability and what else was likely; by mouse, by touch and by the arrow keys.

import { el, find } from "./dom.js";
import { hex, percent, textOf, visible } from "./scores.js";

const WAIT = 250; // ms in which the mouse may cross from the token to the card
const shown = new WeakMap(); // body of an answer → its message, groups and what an alternative does
let current = null, pinned = false, timer = 0;

/** Let a text be asked about its tokens; `choose(number, alternative)` begins another answer there. */
export function attach(body, node, groups, choose = null) {
  shown.set(body, { node, groups, choose });
  if (!groups.length) return;
  body.tabIndex = 0;
  body.setAttribute("role", "group");
}

export function hide() {
  clearTimeout(timer);
  for (const each of current?.marked ?? []) each.classList.remove("asked");
  [current, pinned] = [null, false];
  find("token-card").hidden = true;
}

function show(body, number) {
  const known = shown.get(body);
  if (!known?.groups[number]) return;
  const same = current?.body === body && current.number === number;
  clearTimeout(timer);
  if (same) return;
  for (const each of current?.marked ?? []) each.classList.remove("asked");
  const marked = [...body.querySelectorAll(`[data-group="${number}"]`)];
  current = { body, number, marked };
  for (const each of marked) each.classList.add("asked");
  const card = find("token-card");
  card.replaceChildren(...known.groups[number].tokens.map(each => described(known, each)));
  card.hidden = false;
  place(card, marked[0].getClientRects()[0] ?? marked[0].getBoundingClientRect());
}

function place(card, box) {
  const { width, height } = card.getBoundingClientRect();
  const below = box.bottom + height + 8 < innerHeight;
  card.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 8))}px`;
  card.style.top = `${below ? box.bottom + 4 : Math.max(8, box.top - height - 4)}px`;
}

function described({ node, choose }, number) {
  const score = node.scores[number];
  const first = score.logprob === null;
  const likely = score.top.some(other => same(other, score)) ? score.top : [...score.top, score];
  const rest = 1 - likely.reduce((sum, other) => sum + Math.exp(other.logprob), 0);
  return el("div", { className: "asked-token" },
    el("p", {}, el("code", {}, visible(score.text)), " ", el("strong", {}, first ? "nothing in front of it" : percent(score.logprob))),
    el("p", { className: "hint" }, [
      score.id === undefined ? "" : `id ${score.id}`, `bytes ${hex(score.bytes)}`,
      first ? "" : `surprise ${(-score.logprob / Math.LN2).toFixed(2)} bits`,
    ].filter(Boolean).join(" · ")),
    first || !likely.length ? null : el("ul", {},
      ...likely.map(other => el("li", {}, line(node, number, other, same(other, score) ? null : choose))),
      rest > 0.0005 ? el("li", {}, el("span", { className: "alternative quiet" }, el("span", {}, "all others"),
        el("span", {}, percent(Math.log(rest))))) : null),
    choose && likely.length > 1 ? el("p", { className: "hint" }, "Choose another token to see where it leads.") : null);
}

const same = (one, other) => one.id !== undefined && other.id !== undefined ? one.id === other.id : one.text === other.text;

function line(node, number, other, choose) {
  const bar = el("span", { className: "likelihood" });
  bar.style.width = `${100 * Math.exp(other.logprob)}%`;
  const words = [el("code", {}, visible(other.text)), el("span", {}, percent(other.logprob)), bar];
  const possible = choose && other.bytes && textOf([...node.scores.slice(0, number), other]) !== null;
  if (!possible) return el("span", { className: `alternative${choose ? "" : " own"}` }, ...words);
  return el("button", {
    type: "button", className: "alternative", "aria-label": `${other.text}, ${percent(other.logprob)}: continue with it`,
    onclick: () => { hide(); choose(number, other); },
  }, ...words);
}

const said = () => {
  const { node, groups } = shown.get(current.body);
  const score = node.scores[groups[current.number].tokens[0]];
  find("said").textContent = score.logprob === null ? visible(score.text) : `${visible(score.text)}, ${percent(score.logprob)}`;
};

const tokenOf = event => event.target.closest?.(".token");
const bodyOf = token => token.closest(".tokens");

document.addEventListener("pointerover", event => {
  if (event.pointerType === "touch" || pinned) return;
  const token = tokenOf(event);
  if (token) show(bodyOf(token), +token.dataset.group);
  else if (event.target.closest?.("#token-card")) clearTimeout(timer);
  else if (current) {
    clearTimeout(timer);
    timer = setTimeout(() => { if (!pinned) hide(); }, WAIT);
  }
});

document.addEventListener("click", event => {
  const token = tokenOf(event);
  if (token && getSelection().isCollapsed) {
    show(bodyOf(token), +token.dataset.group);
    pinned = true;
  } else if (!event.target.closest?.("#token-card")) hide();
});

document.addEventListener("keydown", event => {
  if (event.key === "Escape" && current) {
    const { body } = current;
    if (find("token-card").contains(document.activeElement)) body.focus();
    return hide();
  }
  const body = event.target.closest?.(".tokens"), known = body && shown.get(body);
  if (event.target !== body || !known?.groups.length) return;
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key], number = current?.body === body ? current.number : -1;
  if (by) {
    event.preventDefault();
    show(body, Math.max(0, Math.min(known.groups.length - 1, number + by)));
    pinned = true;
    current.marked[0]?.scrollIntoView({ block: "nearest" });
    said();
  } else if ((event.key === "Enter" || event.key === "ArrowDown") && current?.body === body) {
    event.preventDefault();
    find("token-card").querySelector("button")?.focus();
  }
});

document.addEventListener("scroll", event => {
  const card = find("token-card");
  if (!current || card.contains(event.target)) return;
  if (pinned) place(card, current.marked[0].getBoundingClientRect());
  else hide();
}, true);
