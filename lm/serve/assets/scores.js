// Token probabilities: read from both forms of the API, placed in the text, and described.

const encoder = new TextEncoder();
export const LEVELS = [0.75, 0.5, 0.25, 0.1, 0.01]; // probability below which a token has level 1, 2, …

/** The bytes of a token that the API names by text alone. */
function bytesOf(text) {
  const parts = /^bytes:((?:\\x[0-9a-f]{2})+)$/.exec(text);
  return parts ? parts[1].match(/[0-9a-f]{2}/g).map(pair => parseInt(pair, 16)) : [...encoder.encode(text)];
}

const alternative = ({ id, token, bytes, logprob }) => ({ id, text: token, bytes, logprob });

/** The scored tokens of a chunk of /v1/chat/completions. */
export const ofChat = logprobs => (logprobs?.content ?? []).map(each =>
  ({ ...alternative(each), top: (each.top_logprobs ?? []).map(alternative) }));

/** The scored tokens of an answer, or a chunk, of /v1/completions. */
export const ofCompletion = logprobs => (logprobs?.tokens ?? []).map((text, at) => {
  const top = Object.entries(logprobs.top_logprobs?.[at] ?? {})
    .map(([other, logprob]) => ({ text: other, bytes: bytesOf(other), logprob }));
  return {
    id: logprobs.ids?.[at], text, bytes: logprobs.bytes?.[at] ?? bytesOf(text),
    logprob: logprobs.token_logprobs[at], top: top.sort((a, b) => b.logprob - a.logprob),
  };
});

/** A scored token in few characters, for the browser's storage; its bytes are left out where its text gives them. */
export const packed = ({ top, ...own }) => [...short(own), top.map(short)];
export const unpacked = given => ({ ...long(given), top: given[4].map(long) });

const short = ({ id, text, bytes, logprob }) =>
  [id, text, logprob === null ? null : +logprob.toFixed(4), String(bytes) === String(bytesOf(text)) ? 0 : bytes];
const long = ([id, text, logprob, bytes]) => ({ id: id ?? undefined, text, logprob, bytes: bytes === 0 ? bytesOf(text) : bytes });

/** Groups of tokens, each with the characters that they complete: several tokens may share one character. */
export function placed(scores, start = 0) {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true }), groups = [];
  let waiting = [], at = start;
  scores.forEach((score, number) => {
    const text = decoder.decode(new Uint8Array(score.bytes ?? []), { stream: true });
    waiting.push(number);
    if (!text && score.bytes?.length) return;
    groups.push({ start: at, end: at += text.length, tokens: waiting });
    waiting = [];
  });
  if (waiting.length) groups.push({ start: at, end: at + decoder.decode().length, tokens: waiting });
  return groups;
}

/** The bytes of tokens as text; null where they end within a character. */
export function textOf(scores) {
  try {
    const bytes = scores.flatMap(score => score.bytes ?? []);
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(new Uint8Array(bytes));
  } catch {
    return null;
  }
}

/** Whether the scores are those of all of an answer's text but what was given. */
export const covered = node => node.given + (textOf(node.scores) ?? "").length === node.content.length;

/** 0 for a likely token to 5 for a very unlikely one. */
export function level(logprob) {
  if (logprob === null || logprob === undefined) return 0;
  const probability = Math.exp(logprob);
  return LEVELS.filter(bound => probability < bound).length;
}

export function percent(logprob) {
  const share = 100 * Math.exp(logprob);
  if (share >= 99.95) return "≈ 100 %";
  return share < 0.001 ? "< 0.001 %" : `${share >= 10 ? share.toFixed(1) : share.toPrecision(2)} %`;
}

/** The exponential of the mean surprise, with three digits: among how many equally likely tokens the model chose, on average. */
export function perplexity(scores) {
  const known = scores.map(score => score.logprob).filter(logprob => Number.isFinite(logprob));
  if (!known.length) return null;
  return Number(Math.exp(-known.reduce((sum, each) => sum + each, 0) / known.length).toPrecision(3));
}

const MARKS = { " ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍" };

/** A token's text with its spaces and line ends made visible. */
export const visible = text => text === "" ? "(empty)"
  : text.replace(/^bytes:(?=\\x)/, "").replace(/[ \n\t\r]/g, each => MARKS[each]);

export const hex = bytes => bytes ? bytes.map(byte => byte.toString(16).padStart(2, "0")).join(" ") : "none: a special token";
