// The text of an answer as elements: code blocks, `code` and **strong** apart, each token an element where its probability is known.

import { copier, el } from "./dom.js";
import { level, placed } from "./scores.js";

const FENCE = /^ {0,3}(```+|~~~+)[ \t]*([^\n`]*)$/;
const INLINE = /(?<!`)`([^`\n]+)`(?!`)|\*\*[^*\s](?:[^*\n]*[^*\s])?\*\*/g;
const TAGS = { text: "span", inline: "code", strong: "strong" };

/** The parts of a text, each with its kind (text, code, inline, strong) and the characters it spans. */
export function parts(text) {
  const found = [];
  let at = 0, plain = 0, open = null;
  for (const line of text.split(/(?<=\n)/)) {
    const fence = FENCE.exec(line.trimEnd());
    if (open && fence && fence[1].startsWith(open.mark) && !fence[2]) {
      found.push({ kind: "code", start: open.start, end: at, language: open.language });
      [open, plain] = [null, at + line.length];
    } else if (!open && fence) {
      found.push(...inline(text, plain, at));
      open = { mark: fence[1], language: fence[2].trim(), start: at + line.length };
    }
    at += line.length;
  }
  if (open) found.push({ kind: "code", start: Math.min(open.start, at), end: at, language: open.language });
  else found.push(...inline(text, plain, at));
  return found;
}

function inline(text, start, end) {
  const found = [];
  let at = start;
  for (const { 0: whole, 1: code, index } of text.slice(start, end).matchAll(INLINE)) {
    const from = start + index, marks = code ? 1 : 2;
    if (from > at) found.push({ kind: "text", start: at, end: from });
    found.push({ kind: code ? "inline" : "strong", start: from + marks, end: from + whole.length - marks });
    at = from + whole.length;
  }
  if (end > at) found.push({ kind: "text", start: at, end });
  return found;
}

/** Elements for a text.
 *
 * `node` is a message; with `plain`, no code is looked for. The groups of tokens that the elements show come beside.
 */
export function rendered(node, { plain }) {
  const { content } = node, groups = node.scores?.length ? placed(node.scores, node.given) : [];
  const shown = plain ? [{ kind: "text", start: 0, end: content.length }] : parts(content);
  const fill = (element, start, end) => {
    let at = start;
    for (const [number, group] of groups.entries()) {
      if (group.end <= start || group.start >= end || group.start === group.end) continue;
      const from = Math.max(group.start, start), to = Math.min(group.end, end);
      if (from > at) element.append(content.slice(at, from));
      element.append(token(node, groups, number, content.slice(from, to)));
      at = to;
    }
    element.append(content.slice(at, end));
    return element;
  };
  const elements = shown.map(part => {
    if (part.kind !== "code") return fill(el(TAGS[part.kind], { className: "prose" }), part.start, part.end);
    return el("div", { className: "code" },
      el("div", { className: "code-head" }, el("span", {}, part.language || "code"),
        copier(() => content.slice(part.start, part.end), "Copy", { "aria-label": "Copy this code" })),
      fill(el("pre", { tabIndex: 0, role: "group", "aria-label": `${part.language} code`.trim() }), part.start, part.end));
  });
  groups.forEach((group, number) => { // tokens without text, as the one that ends a turn
    if (group.start === group.end) elements.push(token(node, groups, number, node.scores[group.tokens[0]].text, " special"));
  });
  return { elements, groups };
}

function token(node, groups, number, text, more = "") {
  const worst = Math.max(...groups[number].tokens.map(each => level(node.scores[each].logprob)));
  const made = el("span", { className: `token level-${worst}${more}` }, text);
  made.dataset.group = number;
  return made;
}
