// A column of a chat as a file: Markdown to read, or the messages of OpenAI's API, which lm trains on as well.

import { path } from "./tree.js";

const NAMES = { user: "User", assistant: "Assistant", system: "System" };

/** The messages that are shown, with the system prompt in front. */
export function messages(chat, lane) {
  const shown = path(lane).map(({ role, content }) => ({ role, content }));
  return chat.system.trim() ? [{ role: "system", content: chat.system }, ...shown] : shown;
}

export const asJson = (chat, lane) =>
  JSON.stringify({ model: lane.model, messages: messages(chat, lane) }, null, 2) + "\n";

export function asMarkdown(chat, lane) {
  const turns = messages(chat, lane).map(({ role, content }) => `## ${NAMES[role]}\n\n${content.trim()}\n`);
  return `# ${chat.title}\n\nModel: ${lane.model}\n\n${turns.join("\n")}`;
}

/** A name for the file, from the title. */
export const fileName = (chat, suffix) =>
  `${chat.title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 40) || "chat"}.${suffix}`;
