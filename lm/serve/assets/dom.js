// Elements made from plain data. Texts become text nodes, never HTML: what a model writes is not trusted.

export const find = id => document.getElementById(id);

/** An element with properties, attributes (names with a dash), listeners (on…) and children; null children are left out. */
export function el(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}

export const button = (text, onclick, given = {}) => el("button", { type: "button", onclick, ...given }, text);

/** Have a screen reader say a line. */
export const say = text => { find("said").textContent = text; };

/** Put text on the clipboard, also where the page is not from this machine and the browser has no clipboard for it. */
export async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch { /* not allowed: the older way below */ }
  }
  const area = el("textarea", { value: text, className: "unseen" });
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return done;
}

/** A button that copies what `text()` returns, and says so. */
export function copier(text, label = "Copy", given = {}) {
  const made = button(label, async () => {
    const done = await copy(text());
    made.textContent = done ? "Copied" : "Not allowed";
    say(made.textContent);
    setTimeout(() => { made.textContent = label; }, 1500);
  }, given);
  return made;
}

/** Offer text as a file. */
export function download(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
