// The palette: "/" or Ctrl-K opens it, and it reaches every app, page and
// action. "?" shows the keys. What it shows is text, never markup.
import { rank } from "./fuzzy.js";

const most = 60; // lines shown
const keysOff = "paas.keys.off";
const going = "paas.palette.going";

let items = null; // a promise of what there is, asked for once a page
let dialog, input, list, status, shown = [], at = 0;

function element(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  e.append(...children);
  return e;
}

// appHere is the app whose page this is.
function appHere() {
  const m = location.pathname.match(/^\/apps\/([^/]+)/);
  return m ? decodeURIComponent(m[1]) : "";
}

async function load() {
  const answer = await fetch("/palette.json?app=" + encodeURIComponent(appHere()), { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(answer.status === 401 ? "You are not signed in any more." : "It could not be loaded.");
  return answer.json();
}

function build() {
  input = element("input", { type: "text", role: "combobox", "aria-label": "Go to an app, page or action", "aria-expanded": "true",
    "aria-controls": "palette-list", "aria-autocomplete": "list", autocomplete: "off", autocapitalize: "none", spellcheck: "false",
    placeholder: "App, page or action" });
  list = element("ul", { id: "palette-list", role: "listbox", "aria-label": "Found" });
  status = element("p", { class: "unseen", role: "status" });
  dialog = element("dialog", { class: "palette", "aria-label": "Go to" }, input, list, status,
    element("p", { class: "dim keys-line" }, key("↑"), " ", key("↓"), " choose  ", key("Enter"), " go  ", key("Esc"), " close  ", key("?"), " all keys"));
  input.addEventListener("input", show);
  input.addEventListener("keydown", move);
  list.addEventListener("click", (e) => { const o = e.target.closest("[role=option]"); if (o) go(Number(o.dataset.n), e); });
  list.addEventListener("mousedown", (e) => e.preventDefault()); // the typing goes on
  // Where nothing had the focus before, it stays in the hidden field for a moment.
  dialog.addEventListener("close", () => { if (!dialog.open) input.blur(); });
  closeOutside(dialog);
  document.body.append(dialog);
}

const key = (text) => element("kbd", {}, text);

function closeOutside(d) {
  d.addEventListener("click", (e) => { if (e.target === d) d.close(); });
}

async function open() {
  if (document.querySelector("dialog[open]")) return;
  if (!dialog) build();
  items ??= load();
  input.value = "";
  shown = [];
  list.replaceChildren();
  status.textContent = "Loading…";
  dialog.showModal();
  input.focus();
  show();
}

async function show() {
  let all;
  try {
    all = await items;
  } catch (err) {
    items = null; // the next opening tries again
    list.replaceChildren(element("li", { class: "problem" }, err.message));
    status.textContent = err.message;
    return;
  }
  shown = rank(all, input.value, most);
  list.replaceChildren(...shown.map((item, n) => element("li", { role: "option", id: "palette-" + n, "data-n": n, "aria-selected": "false" },
    element("span", {}, item.t), " ", element("span", { class: "dim" }, item.h || ""))));
  status.textContent = shown.length === 0 ? "Nothing found" : shown.length === most ? "The best " + most : shown.length + " found";
  if (shown.length === 0) list.append(element("li", { class: "dim none" }, "Nothing of that name."));
  choose(0);
}

function choose(n) {
  list.children[at]?.setAttribute("aria-selected", "false");
  at = Math.max(0, Math.min(n, shown.length - 1));
  const o = shown.length > 0 ? list.children[at] : null;
  if (!o) { input.removeAttribute("aria-activedescendant"); return; }
  o.setAttribute("aria-selected", "true");
  o.scrollIntoView({ block: "nearest" });
  input.setAttribute("aria-activedescendant", o.id);
}

function move(e) {
  if (e.isComposing) return;
  const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[e.key];
  if (step) {
    e.preventDefault();
    const round = Math.abs(step) === 1 && shown.length > 0;
    choose(round ? (at + step + shown.length) % shown.length : at + step);
  } else if (e.key === "Enter") {
    e.preventDefault();
    go(at, e);
  } else if (e.key === "?" && input.value === "") {
    e.preventDefault();
    dialog.close();
    showKeys();
  }
}

function go(n, e) {
  const item = shown[n];
  if (!item) return;
  dialog.close();
  if (item.p) {
    const buttons = [...document.querySelectorAll("form")].filter((f) => f.getAttribute("action") === item.u).flatMap((f) => [...f.querySelectorAll("button")]);
    (buttons.find((b) => b.checkVisibility?.() ?? true) ?? buttons[0])?.click();
  } else if (e.ctrlKey || e.metaKey) {
    window.open(item.u, "_blank", "noopener");
  } else {
    try { sessionStorage.setItem(going, "1"); } catch { /* then nothing is focused there */ }
    location.assign(item.u);
  }
}

// arrive goes on where go led: into the first field of the place.
function arrive() {
  try {
    if (sessionStorage.getItem(going) === null) return;
    sessionStorage.removeItem(going);
  } catch { return; }
  const place = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!place) return;
  const fields = "input:not([type=hidden]):not(:disabled), select, textarea, button:not([hidden]), summary, a";
  if (place.tagName === "DETAILS") place.open = true;
  (place.matches(fields) ? place : place.querySelector(fields))?.focus();
}

// Keys of one character can be switched off: who speaks to the browser presses
// them without wanting to (WCAG 2.1.4).
let off = false;
try { off = localStorage.getItem(keysOff) !== null; } catch { /* storage is shut: they are on */ }

function showKeys() {
  const rows = [["/", "go to an app, page or action"], ["Ctrl K, ⌘ K", "the same"], ["?", "this list"], ["Esc", "close"]];
  for (const e of document.querySelectorAll("main [aria-keyshortcuts]")) {
    rows.push([e.getAttribute("aria-keyshortcuts"), e.getAttribute("aria-label") || e.textContent.trim()]);
  }
  const box = element("input", { type: "checkbox", id: "keys-on" });
  box.checked = !off;
  box.addEventListener("change", () => {
    off = !box.checked;
    try { if (off) localStorage.setItem(keysOff, "1"); else localStorage.removeItem(keysOff); } catch { /* until the page is left, then */ }
  });
  const close = element("button", { type: "button" }, "Close");
  const d = element("dialog", { class: "keys", "aria-labelledby": "keys-head" }, element("h2", { id: "keys-head" }, "Keys"),
    element("table", {}, element("tbody", {}, ...rows.map(([k, what]) => element("tr", {}, element("th", { scope: "row" }, key(k)), element("td", {}, what))))),
    element("p", {}, box, " ", element("label", { for: "keys-on" }, "Keys of one character (/, ?)")), close);
  close.addEventListener("click", () => d.close());
  d.addEventListener("close", () => d.remove());
  closeOutside(d);
  document.body.append(d);
  d.showModal();
}

// typing says whether keys belong to the element. What has the focus in a
// dialog that was just closed keeps it until the browser tells of the closing.
function typing(e) {
  if (e.closest?.("dialog:not([open])")) return false;
  const field = e.closest?.("input, textarea, select, [contenteditable], .xterm");
  return field && !(field.matches("input") && ["checkbox", "radio", "range", "button", "submit"].includes(field.type));
}

export function palette() {
  // Not before the browser went to the place itself, which takes the focus away.
  const arrived = () => requestAnimationFrame(() => setTimeout(arrive));
  if (document.readyState === "complete") arrived();
  else addEventListener("load", arrived, { once: true });
  addEventListener("hashchange", arrived);
  for (const b of document.querySelectorAll("[data-palette]")) {
    b.hidden = false;
    b.addEventListener("click", open);
  }
  document.addEventListener("keydown", (e) => {
    if (e.defaultPrevented || e.isComposing || e.repeat || document.querySelector("dialog[open]")) return;
    const field = typing(e.target);
    if (e.key.toLowerCase() === "k" && !e.altKey && !e.shiftKey && (e.metaKey || e.ctrlKey && !field)) {
      e.preventDefault();
      open();
      return;
    }
    if (field || off || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === "/") {
      e.preventDefault();
      open();
    } else if (e.key === "?") {
      e.preventDefault();
      showKeys();
    }
  });
}
