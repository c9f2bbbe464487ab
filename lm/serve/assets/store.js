// Chats and settings in the browser's own storage; nothing is sent anywhere to be kept.

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
  for (const key of Object.keys(localStorage).filter(each => each.startsWith(CHAT))) {
    try {
      const chat = JSON.parse(localStorage.getItem(key));
      for (const lane of chat.lanes) Object.values(lane.nodes).forEach(settle);
      found.push(chat);
    } catch { /* of another version of this page */ }
  }
  return found.sort((a, b) => b.changed - a.changed);
}

/** An answer that was being written when the page was left ends there. */
function settle(node) {
  if (node.role === "assistant" && !node.reason && !node.error) node.reason = "stopped";
}

/** Keep a chat. Where the storage is full, token probabilities of the other chats go first, then its own. */
export function keep(chat, others) {
  if (write(CHAT + chat.id, JSON.stringify(chat))) return true;
  for (const other of [...others.filter(each => each !== chat), chat]) {
    for (const lane of other.lanes) Object.values(lane.nodes).forEach(node => { if (node.scores) node.scores = []; });
    write(CHAT + other.id, JSON.stringify(other));
    if (write(CHAT + chat.id, JSON.stringify(chat))) return true;
  }
  return false;
}

export const forget = chat => localStorage.removeItem(CHAT + chat.id);

function write(key, text) {
  try {
    localStorage.setItem(key, text);
    return true;
  } catch {
    return false;
  }
}
