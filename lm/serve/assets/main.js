// The page: its chats, its columns, and what is typed.

import * as api from "./api.js";
import { hide } from "./card.js";
import { Column } from "./column.js";
import { button, el, find } from "./dom.js";
import { runs, stopAll } from "./generate.js";
import * as look from "./look.js";
import * as settings from "./settings.js";
import * as store from "./store.js";
import * as tokenizer from "./tokenizer.js";
import * as tree from "./tree.js";

const COARSE = matchMedia("(pointer: coarse)").matches; // a phone, whose Enter starts a line
const ALONE = "One model is served: to compare two, start lm serve with beside=PATH. Until then both columns ask the same one.";
const typed = find("typed");
const page = { models: [], chats: store.chats(), chat: null, columns: [], choose, turned, edited, changed, focus };

const blank = () => ({
  id: tree.fresh(), title: "New chat", changed: Date.now(), system: "", two: false, lanes: [tree.lane(page.models[0]?.id ?? "")],
});

function open(chat) {
  hide();
  page.chat = chat;
  page.columns = chat.lanes.slice(0, chat.two ? 2 : 1).map(lane => new Column(page, lane));
  find("lanes").replaceChildren(...page.columns.map(column => column.element));
  find("system").value = chat.system;
  page.columns.forEach(column => column.toEnd());
  drawn();
}

/** What is around the columns, brought up to date. */
function drawn() {
  const { chat, columns } = page, models = columns.map(column => column.model), base = models.every(model => model?.chat === false);
  find("compare").setAttribute("aria-pressed", String(chat.two));
  find("lanes").classList.toggle("two", chat.two);
  find("system-box").hidden = base;
  find("system-state").textContent = chat.system.trim() || "none";
  find("typed-label").textContent = typed.placeholder = base ? "Text to continue" : "Message";
  if (!COARSE && innerWidth > 640) typed.placeholder += " (Enter sends, Shift+Enter starts a new line)";
  settings.draw(models[0], () => tokenizer.follow(state));
  listChats();
  busy();
  tokenizer.follow(state);
}

function busy() {
  const running = page.columns.some(column => runs(column.lane));
  find("send").hidden = running;
  find("stop").hidden = !running;
}

function listChats() {
  find("chat-list").replaceChildren(...page.chats.map(chat => el("li", {},
    button(chat.title, () => { open(chat); look.closeChats(); },
      { className: "chat", title: chat.title, "aria-current": chat === page.chat ? "true" : undefined }),
    button("×", () => remove(chat), { className: "arrow", "aria-label": `Delete the chat ${chat.title}`, title: "Delete" }))));
}

function remove(chat) {
  if (!confirm(`Delete the chat “${chat.title}”? This cannot be undone.`)) return;
  chat.lanes.forEach(stopAll);
  page.chats = page.chats.filter(each => each !== chat);
  store.forget(chat);
  if (chat === page.chat) open(page.chats[0] ?? blank());
  else drawn();
}

/** A chat has something new to keep; `answer` is one that has ended. */
function changed(chat, answer = null) {
  if (!page.chats.includes(chat) && !answer) page.chats.unshift(chat);
  if (!page.chats.includes(chat)) return; // deleted while it was answered
  chat.changed = Date.now();
  page.chats.sort((a, b) => b.changed - a.changed);
  const lost = store.keep(chat, page.chats);
  if (lost) notice(lost);
  if (answer?.code === "invalid_api_key") askKey();
  listChats();
  busy();
}

function notice(text, again = null) {
  find("notice").hidden = !text;
  find("notice").replaceChildren(text, " ", again ? button("Try again", again) : button("Close", () => notice("")));
}

function focus() { if (!COARSE) typed.focus(); }

function send() {
  const text = typed.value, { chat, columns } = page, base = columns.every(column => column.model?.chat === false);
  const goesOn = base && (text || tree.path(chat.lanes[0]).length); // a base model continues without a word
  if (!find("stop").hidden || !(text.trim() || goesOn)) return typed.focus();
  if (!page.chats.includes(chat)) chat.title = text.trim().split("\n")[0].slice(0, 60) || "New chat";
  const user = text ? tree.message("", "user", text) : null;
  typed.value = "";
  grow();
  columns.forEach(column => column.send(user));
}

function stop() {
  page.columns.forEach(column => column.stop());
  focus();
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
}

/** Another version is shown, in both columns where both have it; the keyboard goes on at its arrows. */
function turned(node, to) {
  for (const { lane } of page.columns) {
    if (to && lane.nodes[to.id]?.parent === node.parent) lane.chosen[node.parent] = to.id;
  }
  hide();
  page.columns.forEach(column => column.draw({ end: false }));
  const arrows = to ? [...document.querySelectorAll(`[data-node="${to.id}"] .versions button`)] : [];
  (arrows.find(each => !each.disabled) ?? typed).focus();
  changed(page.chat);
}

function choose(column, name) {
  column.lane.model = name;
  column.draw();
  if (page.chats.includes(page.chat)) changed(page.chat);
  drawn();
}

/** A second column begins as a copy of the first, and is there again when it is asked for again. */
function compare() {
  const { chat, models } = page;
  chat.two = !chat.two;
  if (!chat.two) page.columns[1].stop();
  if (chat.two && !chat.lanes[1]) {
    const other = models.find(each => each.id !== chat.lanes[0].model) ?? models[0];
    chat.lanes.push(tree.copied(chat.lanes[0], other?.id ?? ""));
  }
  notice(chat.two && models.length < 2 ? ALONE : "");
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
  const [last] = page.chats, served = last?.lanes.some(lane => page.models.some(model => model.id === lane.model));
  open(served ? last : blank());
  focus();
}

find("composer").addEventListener("submit", event => { event.preventDefault(); send(); });
find("stop").addEventListener("click", stop);
find("no-key").addEventListener("click", () => find("key-dialog").close(""));
find("new-chat").addEventListener("click", () => { open(blank()); look.closeChats(); typed.focus(); });
find("compare").addEventListener("click", compare);
find("system").addEventListener("input", () => {
  page.chat.system = find("system").value;
  find("system-state").textContent = page.chat.system.trim() || "none";
  tokenizer.follow(state);
});
find("system").addEventListener("change", () => { if (page.chats.includes(page.chat)) store.keep(page.chat, page.chats); });
typed.addEventListener("input", grow);
typed.addEventListener("keydown", event => {
  if (event.key === "Escape") stop();
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || COARSE) return;
  event.preventDefault();
  send();
});
addEventListener("beforeunload", () => page.chats.forEach(chat => chat.lanes.forEach(stopAll)));
addEventListener("pagehide", () => { // what is being written is kept as far as it is
  for (const chat of page.chats.filter(each => each.lanes.some(runs))) store.keep(chat, page.chats);
});
look.prepare();
tokenizer.watch(state);
begin();
