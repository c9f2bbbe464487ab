// The page: its chats, its columns, and what is typed.

import * as api from "./api.js";
import { hide } from "./card.js";
import { Column } from "./column.js";
import { button, el, find } from "./dom.js";
import { isRunning } from "./generate.js";
import { LEVELS } from "./scores.js";
import * as settings from "./settings.js";
import * as store from "./store.js";
import * as tokenizer from "./tokenizer.js";
import * as tree from "./tree.js";

const page = { models: [], chats: [], chat: null, columns: [], choose, turned, edited, changed };
const WIDE = { chats: 1000, settings: 1200 }; // pixels from which a side panel is open at first
const COARSE = matchMedia("(pointer: coarse)").matches; // a phone, whose Enter starts a line
const typed = find("typed");

function blank() {
  return { id: tree.fresh(), title: "New chat", changed: Date.now(), system: "", lanes: [tree.lane(page.models[0]?.id ?? "")] };
}

function open(chat) {
  hide();
  page.chat = chat;
  page.columns = chat.lanes.map(lane => new Column(page, lane));
  find("lanes").replaceChildren(...page.columns.map(column => column.element));
  find("system").value = chat.system;
  page.columns.forEach(column => column.toEnd());
  drawn();
}

/** What is around the columns, brought up to date. */
function drawn() {
  const { chat, columns } = page, models = columns.map(column => column.model), two = columns.length > 1;
  find("compare").setAttribute("aria-pressed", String(two));
  find("lanes").classList.toggle("two", two);
  find("system-box").hidden = models.every(model => model?.chat === false);
  find("system-state").textContent = chat.system.trim() ? `: ${chat.system.trim()}` : "(none)";
  typed.placeholder = models.some(model => model?.chat !== false) ? "Message" : "Text to continue";
  if (!COARSE && innerWidth > 640) typed.placeholder += " (Enter sends, Shift+Enter starts a new line)";
  settings.draw(models[0], () => tokenizer.follow(state));
  listChats();
  busy();
  tokenizer.follow(state);
}

function busy() {
  const running = page.columns.some(column => Object.values(column.lane.nodes).some(isRunning));
  find("send").hidden = running;
  find("stop").hidden = !running;
}

function listChats() {
  find("chat-list").replaceChildren(...page.chats.map(chat => el("li", {},
    button(chat.title, () => { open(chat); narrow(); }, { className: "chat", "aria-current": chat === page.chat ? "true" : undefined }),
    button("×", () => remove(chat), { className: "arrow", "aria-label": `Delete the chat ${chat.title}`, title: "Delete" }))));
}

function remove(chat) {
  if (!confirm(`Delete the chat “${chat.title}”? It cannot be had back.`)) return;
  for (const lane of chat.lanes) new Column(page, lane).stop();
  page.chats = page.chats.filter(each => each !== chat);
  store.forget(chat);
  if (chat === page.chat) open(page.chats[0] ?? blank());
  else drawn();
}

/** A chat has something new to keep. */
function changed(chat, finished = null) {
  if (!page.chats.includes(chat) && !finished) page.chats.unshift(chat);
  if (!page.chats.includes(chat)) return; // deleted while it was answered
  chat.changed = Date.now();
  page.chats.sort((a, b) => b.changed - a.changed);
  notice(store.keep(chat, page.chats) ? "" : "The browser's storage is full: this chat is lost with this tab. Delete other chats, or export it.");
  if (finished?.code === "invalid_api_key") askKey();
  listChats();
  busy();
}

function notice(text, again = null) {
  const box = find("notice");
  box.hidden = !text;
  box.replaceChildren(text, " ", again ? button("Try again", again) : "");
}

function send() {
  const text = typed.value, { chat, columns } = page, base = columns.every(column => column.model?.chat === false);
  if (!find("stop").hidden || (!text.trim() && !(base && (text || tree.path(chat.lanes[0]).length)))) return typed.focus();
  if (!page.chats.includes(chat)) chat.title = text.trim().split("\n")[0].slice(0, 60) || "New chat";
  const user = text ? tree.message("", "user", text) : null;
  typed.value = "";
  grow();
  columns.forEach(column => column.send(user));
  busy();
}

/** A message that was sent to both columns has one name in both, and is edited in both. */
function edited(node, text) {
  const user = tree.message("", "user", text);
  for (const column of page.columns) {
    const old = column.lane.nodes[node.id];
    if (!old || !tree.path(column.lane).includes(old)) continue;
    tree.add(column.lane, { ...user, parent: old.parent });
    column.answer(tree.add(column.lane, tree.answerTo(user.id, column.lane.model)));
  }
  busy();
}

function turned(node, to) {
  for (const { lane } of page.columns) {
    if (to && lane.nodes[to.id]?.parent === node.parent) lane.chosen[node.parent] = to.id;
  }
  hide();
  page.columns.forEach(column => column.draw());
  focusArrow(to);
  changed(page.chat);
}

/** The arrow that was pressed belongs to the message that is gone: the keyboard goes on at its successor. */
function focusArrow(to) {
  const arrows = to ? [...document.querySelectorAll(`[data-node="${to.id}"] .versions button`)] : [];
  (arrows.find(each => !each.disabled) ?? typed).focus();
}

function choose(column, name) {
  column.lane.model = name;
  column.draw();
  if (page.chats.includes(page.chat)) changed(page.chat);
  drawn();
}

function compare() {
  const { chat, models } = page;
  if (chat.lanes.length > 1) {
    page.columns[1].stop();
    chat.lanes.pop();
  } else {
    const other = models.find(each => each.id !== chat.lanes[0].model) ?? models[0];
    chat.lanes.push(tree.copied(chat.lanes[0], other?.id ?? ""));
    if (models.length < 2) notice("One model is served: start lm serve with beside=[another run] to compare two. The columns draw with seeds of their own.");
  }
  if (page.chats.includes(chat)) store.keep(chat, page.chats);
  open(chat);
}

/** What the tokenizer is asked about. */
function state() {
  const { chat, columns } = page, text = typed.value;
  const shown = tree.path(columns[0].lane).map(({ role, content }) => ({ role, content }));
  const messages = [...shown, ...(text ? [{ role: "user", content: text }] : [])];
  if (chat.system.trim() && messages.length) messages.unshift({ role: "system", content: chat.system });
  return { model: columns[0].model, text, messages };
}

function grow() {
  typed.style.height = "auto";
  typed.style.height = `${Math.min(typed.scrollHeight + 2, innerHeight / 3)}px`;
  tokenizer.follow(state);
}

async function askKey() {
  const dialog = find("key-dialog");
  if (dialog.open) return;
  find("key").value = dialog.returnValue = "";
  dialog.showModal();
  await new Promise(done => dialog.addEventListener("close", done, { once: true }));
  if (dialog.returnValue !== "ok") return;
  api.useKey(find("key").value);
  if (!page.models.length) await begin();
}

async function begin() {
  try {
    page.models = await api.models();
    notice("");
  } catch (error) {
    notice(error.message, begin);
    if (error.code === "invalid_api_key") askKey();
  }
  open(page.chats[0] ?? blank());
}

/** A side panel with its button; one that covers the page is closed by Escape. */
function panel(name) {
  const aside = find(name), toggle = find(`show-${name}`);
  const put = shown => {
    aside.hidden = !shown;
    toggle.setAttribute("aria-expanded", String(shown));
  };
  const wide = matchMedia(`(min-width: ${WIDE[name]}px)`), fit = () => put(settings.setting(name) !== false && wide.matches);
  fit();
  wide.addEventListener("change", fit);
  toggle.addEventListener("click", () => {
    put(aside.hidden);
    if (innerWidth >= WIDE[name]) settings.set(name, !aside.hidden);
    else if (!aside.hidden) aside.querySelector("button, input")?.focus();
  });
  aside.addEventListener("keydown", event => {
    if (event.key !== "Escape" || innerWidth >= WIDE[name]) return;
    put(false);
    toggle.focus();
  });
  return put;
}

const put = { chats: panel("chats"), settings: panel("settings") };
const narrow = () => { if (innerWidth < WIDE.chats) put.chats(false); };

function colours(on) {
  find("surprise").checked = on;
  document.body.classList.toggle("coloured", on);
  find("scale").hidden = !on;
}

function theme(name) {
  find("theme").value = name;
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
}

find("scale").append("likely ", ...["≥ 75 %", ...LEVELS.map(bound => `< ${100 * bound} %`)].map((title, at) =>
  el("span", { className: `swatch token-level level-${at}`, title }, `${at ? `<${100 * LEVELS[at - 1]}` : "≥75"}`)), " % unlikely");
find("composer").addEventListener("submit", event => { event.preventDefault(); send(); });
find("stop").addEventListener("click", () => page.columns.forEach(column => column.stop()));
find("no-key").addEventListener("click", () => find("key-dialog").close(""));
find("new-chat").addEventListener("click", () => { open(blank()); narrow(); typed.focus(); });
find("compare").addEventListener("click", compare);
find("theme").addEventListener("change", () => { theme(find("theme").value); settings.set("theme", find("theme").value); });
find("surprise").addEventListener("change", () => { colours(find("surprise").checked); settings.set("colours", find("surprise").checked); });
find("system").addEventListener("input", () => {
  page.chat.system = find("system").value;
  find("system-state").textContent = page.chat.system.trim() ? `: ${page.chat.system.trim()}` : "(none)";
  if (page.chats.includes(page.chat)) store.keep(page.chat, page.chats);
  tokenizer.follow(state);
});
typed.addEventListener("input", grow);
typed.addEventListener("keydown", event => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || COARSE) return;
  event.preventDefault();
  send();
});
tokenizer.watch(state);
theme(settings.setting("theme") ?? "");
colours(settings.setting("colours") ?? false);
page.chats = store.chats();
begin();
