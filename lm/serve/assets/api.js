// What the server is asked, and its errors in words.

const KEY = "lm-key";
let key = attempt(() => sessionStorage.getItem(KEY)) ?? "";

/** Send this API key from now on; the tab keeps it when the page is loaded again. */
export function useKey(given) {
  key = given;
  attempt(() => sessionStorage.setItem(KEY, given));
}

function attempt(work) {
  try {
    return work();
  } catch {
    return null; // a browser that keeps nothing for pages
  }
}

/** An error with words to show, the HTTP status and OpenAI's code. */
export class ApiError extends Error {
  constructor(message, { status = 0, code = "" } = {}) {
    super(message);
    Object.assign(this, { status, code });
  }
}

async function ask(path, { body, signal } = {}) {
  const headers = {};
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("the server does not answer: is lm serve still running?");
  }
  if (!answer.ok) throw await refused(answer);
  return answer;
}

async function refused(answer) {
  const text = await answer.text().catch(() => "");
  let error = {};
  try {
    error = JSON.parse(text).error ?? {};
  } catch { /* a page of something between: its status says enough */ }
  const wait = answer.headers.get("Retry-After");
  const words = error.message || `the server answered ${answer.status} ${answer.statusText}`;
  return new ApiError(wait ? `${words} (try again in ${wait} s)` : words, { status: answer.status, code: error.code });
}

const json = async (path, options) => (await ask(path, options)).json();

export const models = async () => (await json("/v1/models")).data;
export const tokenize = (body, signal) => json("/tokenize", { body, signal });
export const complete = (body, signal) => json("/v1/completions", { body, signal });

/** Give each chunk of a streamed answer to `take`; an error in the stream, or its end before [DONE], is thrown. */
export async function stream(path, body, { signal, take }) {
  const answer = await ask(path, { body: { ...body, stream: true, stream_options: { include_usage: true } }, signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read().catch(error => {
      throw error.name === "AbortError" ? error : new ApiError("the connection broke before the answer was complete");
    });
    if (done) throw new ApiError("the connection ended before the answer was complete");
    const events = (held + value).split(/\r?\n\r?\n/);
    held = events.pop();
    for (const event of events) {
      const data = event.split(/\r?\n/).filter(line => line.startsWith("data:")).map(line => line.slice(5)).join("\n");
      if (data.trim() === "[DONE]") return;
      if (!data.trim()) continue;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new ApiError(chunk.error.message, { code: chunk.error.code });
      take(chunk);
    }
  }
}
