// Chats and settings in the browser's own storage; nothing is sent anywhere to be kept.

import { packed, unpacked } from "./scores.js";

const CHAT = "lm-chat/", SETTINGS = "lm-settings";

export function settings() {
  try {
    return JSON.parse(localStorage.getItem(SETTINGS)) ?? {};
  } catch {
    return {};
  }
}

export const keepSettings = kept => write(SETTINGS, JSON.stringify(kept));

/** All chats, the last changed first; one that cannot be read is left where it is. */
export function chats() {
  const found = [];
  for (const key of keys().filter(each => each.startsWith(CHAT))) {
    try {
      const chat = JSON.parse(localStorage.getItem(key));
      nodes(chat).forEach(restore);
      found.push(chat);
    } catch { /* of another version of this page */ }
  }
  return found.sort((a, b) => b.changed - a.changed);
}

function keys() {
  try {
    return Object.keys(localStorage);
  } catch {
    return []; // a browser that keeps nothing for pages
  }
}

const nodes = chat => chat.lanes.flatMap(lane => Object.values(lane.nodes));

/** An answer that was being written when the page was left ends there. */
function restore(node) {
  if (node.role !== "assistant") return;
  node.scores = node.scores.map(unpacked);
  if (!node.reason && !node.error) node.reason = "stopped";
}

/** Keep a chat, and return what could not be kept, in words: probabilities of the oldest chats go first. */
export function keep(chat, all) {
  if (put(chat)) return "";
  const crowded = [...all.filter(each => each !== chat).reverse(), chat];
  for (const other of crowded.filter(each => nodes(each).some(node => node.scores?.length))) {
    for (const node of nodes(other)) if (node.scores) Object.assign(node, { scores: [], given: node.content.length });
    put(other);
    if (put(chat)) return "The browser's storage is full: the token probabilities of older answers were removed.";
  }
  return "The browser's storage is full: this chat is lost with this tab. Delete other chats, or export this one.";
}

const put = chat => write(CHAT + chat.id, JSON.stringify(chat, (name, value) => name === "scores" ? value.map(packed) : value));

export const forget = chat => localStorage.removeItem(CHAT + chat.id);

function write(key, text) {
  try {
    localStorage.setItem(key, text);
    return true;
  } catch {
    return false;
  }
}
