// A column of the page: a model, and the messages with it.

import { button, copy, download, el, say } from "./dom.js";
import { asJson, asMarkdown, fileName } from "./export.js";
import { branched, generate, stopAll } from "./generate.js";
import { drawn, update } from "./message.js";
import * as tree from "./tree.js";

const SLOWEST = 4; // a text is drawn again after this many times what drawing it took

export class Column {
  /** `page` has the models and the chat, and is told of changes. */
  constructor(page, lane) {
    Object.assign(this, { page, lane });
    this.messages = el("div", { className: "messages" });
    this.head = el("header");
    this.element = el("section", { className: "lane" }, this.head, this.messages);
    this.draw();
  }

  get model() { return this.page.models.find(each => each.id === this.lane.model); }

  draw({ end = true } = {}) {
    const model = this.model, path = tree.path(this.lane);
    this.element.setAttribute("aria-label", `Chat with ${this.lane.model}`);
    this.drawHead(model, path);
    this.messages.replaceChildren(...path.map(node => drawn(node, this)));
    if (!path.length) this.messages.append(this.welcome(model));
    if (end) this.toEnd();
  }

  drawHead(model, path) {
    const names = this.page.models.map(each => each.id);
    if (!names.includes(this.lane.model)) names.unshift(this.lane.model);
    const choice = el("select", { "aria-label": "Model", onchange: () => this.page.choose(this, choice.value) },
      ...names.map(name => el("option", { value: name }, name)));
    choice.value = this.lane.model;
    const kind = !model ? "not served now" : `${model.chat ? "chat" : "base"} model, context ${model.max_model_len}`;
    this.head.replaceChildren(choice, el("span", { className: "hint kind", title: kind }, kind),
      path.length ? this.exports() : "");
  }

  exports() {
    const { chat } = this.page, save = (suffix, text, type) => () => download(fileName(chat, suffix), text(chat, this.lane), type);
    const menu = el("details", { className: "menu" }, el("summary", {}, "Export"), el("div", {},
      button("Copy as Markdown", async () => say(await copy(asMarkdown(chat, this.lane)) ? "Copied" : "Not allowed")),
      button("Save Markdown", save("md", asMarkdown, "text/markdown")),
      button("Save JSON (OpenAI messages)", save("json", asJson, "application/json"))));
    menu.addEventListener("click", event => { if (event.target.tagName === "BUTTON") menu.open = false; });
    return menu;
  }

  welcome(model) {
    const lines = model?.chat === false
      ? ["This is a base model: it continues the text that you give it, and knows no questions and answers.",
        "Begin a text below. What you type later is put behind what is there."]
      : ["Ask something below.", "Retry and Edit keep the old version: the arrows ‹ 1/2 › lead back to it."];
    return el("div", { className: "welcome" }, el("h2", {}, this.lane.model), ...lines.map(line => el("p", {}, line)),
      el("p", {}, "Point at a token of an answer to see how likely it was, and what else the model considered."));
  }

  nearEnd() {
    const { scrollTop, clientHeight, scrollHeight } = this.messages;
    return scrollHeight - scrollTop - clientHeight < 60;
  }

  toEnd() { this.messages.scrollTop = this.messages.scrollHeight; }

  refresh(node) {
    const near = this.nearEnd();
    update(node, this);
    if (near) this.toEnd();
  }

  /** Fill an answer; the text is drawn as fast as the browser can without falling behind. */
  async answer(node) {
    const { model, page } = this, { chat } = page;
    if (this.element.contains(document.activeElement)) page.focus(); // the button that was pressed goes away
    if (!model) {
      node.error = `${this.lane.model} is not served now: choose another model above`;
      return this.draw();
    }
    let due = 0, waiting = 0, done = false;
    const show = () => {
      waiting = 0;
      if (done) return;
      const began = performance.now();
      this.refresh(node);
      due = performance.now() + SLOWEST * (performance.now() - began);
    };
    const work = generate(model, this.lane, node, chat.system, () => {
      waiting ||= setTimeout(() => requestAnimationFrame(show), Math.max(0, due - performance.now()));
    });
    this.draw();
    page.changed(chat);
    await work;
    done = true;
    this.refresh(node);
    page.changed(chat, node);
    say(node.error || `${node.model} has answered`);
  }

  send(user) {
    if (user) tree.add(this.lane, { ...user, parent: tree.tip(this.lane) });
    return this.answer(tree.add(this.lane, tree.answerTo(tree.tip(this.lane), this.lane.model)));
  }

  retry(node) { return this.answer(tree.add(this.lane, tree.answerTo(node.parent, this.lane.model))); }

  resume(node) { return this.answer(node); }

  branch(node, number, other) { return this.answer(tree.add(this.lane, branched(node, number, other))); }

  turn(node, by) { this.page.turned(node, tree.turn(this.lane, node, by)); }

  edit(node, text) {
    if (node.role === "user") return this.page.edited(node, text);
    tree.add(this.lane, { ...tree.answerTo(node.parent, this.lane.model), content: text, given: text.length, reason: "edited" });
    this.draw();
    return this.page.changed(this.page.chat);
  }

  stop() { stopAll(this.lane); }
}
