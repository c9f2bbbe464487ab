// A chat as a tree of messages: a retry or an edit is a sibling, and one child of each message is chosen.

export const ROOT = "";

/** A name that no other message or chat has. The letter in front keeps objects in the order of insertion. */
export const fresh = () =>
  "m" + [...crypto.getRandomValues(new Uint8Array(8))].map(byte => byte.toString(16).padStart(2, "0")).join("");

/** A column: the model that answers, its messages, and the chosen child of each. */
export const lane = model => ({ model, nodes: {}, chosen: {} });

/** A copy that shares nothing, with another model. */
export const copied = (other, model) => ({ ...structuredClone(other), model });

export const message = (parent, role, content, more = {}) => ({ id: fresh(), parent, role, content, ...more });

export const answerTo = (parent, model) =>
  message(parent, "assistant", "", { model, given: 0, scores: [], reason: "", error: "" });

export function add(lane, node) {
  lane.nodes[node.id] = node;
  lane.chosen[node.parent] = node.id;
  return node;
}

/** The messages with one parent, in the order in which they were added. */
export const siblings = (lane, node) => Object.values(lane.nodes).filter(other => other.parent === node.parent);

/** Show the sibling `by` places on; the ends do not wrap. */
export function turn(lane, node, by) {
  const all = siblings(lane, node), to = all[all.findIndex(other => other.id === node.id) + by];
  if (to) lane.chosen[node.parent] = to.id;
  return to;
}

/** The messages that are shown, first to last. */
export function path(lane) {
  const shown = [];
  for (let id = lane.chosen[ROOT]; id; id = lane.chosen[id]) shown.push(lane.nodes[id]);
  return shown;
}

/** The messages in front of one, first to last. */
export function before(lane, node) {
  const found = [];
  for (let id = node.parent; id !== ROOT; id = lane.nodes[id].parent) found.unshift(lane.nodes[id]);
  return found;
}

/** Where the next message is added. */
export const tip = lane => path(lane).at(-1)?.id ?? ROOT;
