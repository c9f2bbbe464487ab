// One answer: the request that asks for it, and the chunks that fill it.

import * as api from "./api.js";
import { covered, ofChat, ofCompletion, textOf } from "./scores.js";
import { alternatives, fields } from "./settings.js";
import { answerTo, before } from "./tree.js";

const ROOM = 256; // tokens of a continued text where nothing is said; the server's own 16 are few
const running = new Map(); // message → its AbortController

export const isRunning = node => running.has(node.id);
export const runs = lane => Object.values(lane.nodes).some(isRunning);
export const stopAll = lane => Object.keys(lane.nodes).forEach(id => running.get(id)?.abort());

/** What is sent for an answer; one that has text already is continued. */
export function request(model, lane, node, system) {
  const history = before(lane, node).filter(each => each.content || each.role === "user"); // no answer that failed
  const asked = alternatives(), sent = { model: model.id, ...fields() };
  if (!model.chat) {
    const prompt = history.map(each => each.content).join("") + node.content;
    return { ...sent, prompt, ...(asked ? { logprobs: asked } : {}) };
  }
  const messages = history.map(({ role, content }) => ({ role, content }));
  if (system.trim()) messages.unshift({ role: "system", content: system });
  if (node.content) messages.push({ role: "assistant", content: node.content });
  const body = { ...sent, messages, ...(asked ? { logprobs: true, top_logprobs: asked } : {}) };
  return node.content ? { ...body, continue_final_message: true } : body;
}

/** Fill an answer, or continue it; `changed` is called whenever there is something to show. */
export async function generate(model, lane, node, system, changed) {
  const abort = new AbortController();
  running.set(node.id, abort);
  Object.assign(node, { model: model.id, reason: "", error: "", code: "", usage: null });
  if (!covered(node)) Object.assign(node, { scores: [], given: node.content.length });
  let first = 0; // when the answer began
  changed();
  try {
    const body = request(model, lane, node, system);
    if (!model.chat && body.max_tokens === undefined) body.max_tokens = await room(model, body.prompt, abort.signal);
    await api.stream(model.chat ? "/v1/chat/completions" : "/v1/completions", body, {
      signal: abort.signal,
      take: chunk => {
        first ||= performance.now();
        take(node, chunk, model.chat);
        changed();
      },
    });
    node.reason ||= "stop";
  } catch (error) {
    if (error.name === "AbortError") node.reason = "stopped";
    else Object.assign(node, { error: error.message, code: error.code ?? "" });
  }
  running.delete(node.id);
  node.seconds = (performance.now() - first) / 1000;
  changed();
}

function take(node, chunk, chat) {
  const choice = chunk.choices?.[0];
  if (chunk.seed !== undefined && chunk.seed !== null) node.seed = chunk.seed;
  if (chunk.usage) node.usage = { prompt: chunk.usage.prompt_tokens, answer: chunk.usage.completion_tokens };
  if (!choice) return;
  node.content += (chat ? choice.delta?.content : choice.text) ?? "";
  node.scores.push(...(chat ? ofChat : ofCompletion)(choice.logprobs));
  if (choice.finish_reason) node.reason = choice.finish_reason;
}

/** The tokens that a continued text has room for in the model's context, at most ROOM. */
async function room(model, text, signal) {
  const { count } = await api.tokenize({ model: model.id, text }, signal);
  return Math.max(1, Math.min(ROOM, model.max_model_len - count - 1));
}

/** An answer that is the same up to a token, and goes on with another one there. */
export function branched(node, number, other) {
  const kept = node.scores.slice(0, number);
  const content = node.content.slice(0, node.given) + textOf([...kept, other]);
  const scores = [...kept, { ...other, top: node.scores[number].top }];
  return { ...answerTo(node.parent, node.model), content, scores, given: node.given };
}
