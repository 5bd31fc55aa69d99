// A terminal in the page: xterm.js on a WebSocket. Every message is binary, its
// first byte the channel (server/api/terminal.go says it all): 0 to the
// process, 1 and 2 from it, 3 the size, 5 its end, 6 how many more bytes the
// other side takes.
const STDIN = 0, STDOUT = 1, STDERR = 2, RESIZE = 3, EXIT = 5, GRANT = 6;
const WINDOW = 512 * 1024, PIECE = 32 * 1024 - 1, MOST_WAITING = 8 * 1024 * 1024;

const box = document.getElementById("terminal");
const form = document.getElementById("terminal-form");
const dyno = document.getElementById("terminal-dyno");
const size = document.getElementById("terminal-size");
const command = document.getElementById("terminal-command");
const openButton = document.getElementById("terminal-open");
const endButton = document.getElementById("terminal-end");
const reader = document.getElementById("terminal-reader");
const state = document.getElementById("terminal-state");
const problem = document.getElementById("terminal-problem");

const say = (text) => { state.textContent = text; };
function complain(text) {
  problem.textContent = text;
  problem.hidden = text === "";
}

// The page's policy allows the styles of files and those with its nonce. What
// xterm.js makes gets the nonce; style attributes become what the policy does
// not forbid, properties.
function letStylesIn(nonce) {
  const make = document.createElement.bind(document);
  document.createElement = (name, options) => {
    const element = make(name, options);
    if (name === "style") element.nonce = nonce;
    else element.setAttribute = (key, value) => {
      if (key === "style") element.style.cssText = value;
      else Element.prototype.setAttribute.call(element, key, value);
    };
    return element;
  };
}

function colours() {
  const css = getComputedStyle(document.documentElement), get = (name) => css.getPropertyValue(name).trim();
  const dark = css.colorScheme.includes("dark");
  return {
    background: get("--ground"), foreground: get("--text"), cursor: get("--accent"), cursorAccent: get("--ground"),
    selectionBackground: dark ? "#3d4a80" : "#c3ccf5", selectionInactiveBackground: dark ? "#33383d" : "#dcdcd8",
    ...(dark ? { black: "#4a5057" } : { white: "#6b7075", brightWhite: "#4a4e52", yellow: "#7a5200", brightYellow: "#8a5d00", green: "#1a6e37", brightGreen: "#1f7d3f", cyan: "#0b6a75", brightCyan: "#0d7583" }),
  };
}

// session is one connection and what it is allowed to send.
class Session {
  constructor(socket, term) {
    Object.assign(this, { socket, term, credit: WINDOW, waiting: [], waitingBytes: 0, taken: 0, exit: null });
    socket.binaryType = "arraybuffer";
    socket.onmessage = (e) => this.receive(new Uint8Array(e.data));
  }
  send(channel, bytes) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    const message = new Uint8Array(1 + bytes.length);
    message[0] = channel;
    message.set(bytes, 1);
    this.socket.send(message);
  }
  // type sends to the process, or keeps for when it takes more.
  type(bytes) {
    if (this.waitingBytes + bytes.length > MOST_WAITING) {
      complain("The process does not read what you type: the rest of it was dropped.");
      return;
    }
    this.waiting.push(bytes);
    this.waitingBytes += bytes.length;
    this.flush();
  }
  flush() {
    while (this.credit > 0 && this.waiting.length > 0) {
      const first = this.waiting[0], n = Math.min(first.length, PIECE, this.credit);
      if (n > 0) this.send(STDIN, first.subarray(0, n));
      this.credit -= n;
      this.waitingBytes -= n;
      if (n === first.length) this.waiting.shift();
      else this.waiting[0] = first.subarray(n);
    }
  }
  receive(message) {
    const view = new DataView(message.buffer, message.byteOffset);
    switch (message[0]) {
      case STDOUT: case STDERR: {
        const bytes = message.subarray(1);
        this.term.write(bytes, () => this.took(bytes.length)); // the server waits for what is not drawn yet
        break;
      }
      case EXIT:
        this.exit = { code: view.getInt32(1), text: new TextDecoder().decode(message.subarray(5)) };
        break;
      case GRANT:
        this.credit = Math.min(WINDOW, this.credit + view.getUint32(1));
        this.flush();
    }
  }
  took(n) {
    this.taken += n;
    if (this.taken < WINDOW / 4) return;
    const grant = new Uint8Array(4);
    new DataView(grant.buffer).setUint32(0, this.taken);
    this.taken = 0;
    this.send(GRANT, grant);
  }
  resize(cols, rows) {
    const bytes = new Uint8Array(4), view = new DataView(bytes.buffer);
    view.setUint16(0, rows);
    view.setUint16(2, cols);
    this.send(RESIZE, bytes);
  }
}

let term = null, fit = null, session = null;

async function makeTerminal() {
  const [{ Terminal }, { FitAddon }] = await Promise.all([import("../vendor/xterm.js"), import("../vendor/addon-fit.js")]);
  letStylesIn(box.dataset.nonce);
  term = new Terminal({ fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"), fontSize: 13, theme: colours(),
    scrollback: 10000, minimumContrastRatio: 4.5, screenReaderMode: reader.checked, cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches });
  fit = new FitAddon();
  term.loadAddon(fit);
  box.hidden = false;
  term.open(box);
  fit.fit();
  const text = new TextEncoder();
  term.onData((data) => session?.type(text.encode(data)));
  term.onBinary((data) => session?.type(Uint8Array.from(data, (c) => c.charCodeAt(0) & 255)));
  term.onResize(({ cols, rows }) => session?.resize(cols, rows));
  term.attachCustomKeyEventHandler(ownKeys);
  new ResizeObserver(() => fit.fit()).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { term.options.theme = colours(); });
  reader.addEventListener("change", () => { term.options.screenReaderMode = reader.checked; });
}

// ownKeys says whether a key is the terminal's.
function ownKeys(e) {
  if (e.type !== "keydown" || !e.ctrlKey) return true;
  if (e.key === "F6") {
    (endButton.hidden ? openButton : endButton).focus();
    e.preventDefault();
    return false;
  }
  if (e.key.toLowerCase() === "c" && term.hasSelection()) {
    setTimeout(() => term.clearSelection()); // when the browser has copied it
    return false;
  }
  return true;
}

function running(yes) {
  openButton.hidden = yes;
  endButton.hidden = !yes;
  for (const field of [dyno, command]) field.disabled = yes;
  size.disabled = yes || dyno.value !== "";
}

async function ask() {
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "application/json" } });
  const kind = answer.headers.get("Content-Type") ?? "";
  if (!kind.startsWith("application/json")) return { error: answer.status === 401 ? "You are not signed in any more. Nothing was started." : "The dashboard refused it (" + answer.status + "). Nothing was started." };
  return answer.json();
}

async function open() {
  complain("");
  say("Opening…");
  const asked = ask(); // reads the form before it is disabled
  running(true);
  let ticket;
  try {
    ticket = await asked;
    if (!ticket.error && !term) await makeTerminal();
  } catch {
    ticket = { error: "The dashboard could not be reached. Nothing was started." };
  }
  if (ticket.error) {
    running(false);
    say("");
    complain(ticket.error + (ticket.next ? "\n" + ticket.next : ""));
    return;
  }
  term.reset();
  fit.fit();
  const url = new URL(ticket.socket + "?rows=" + term.rows + "&cols=" + term.cols, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const mine = session = new Session(new WebSocket(url), term);
  say("Waiting for " + ticket.dyno + "…");
  mine.socket.onopen = () => { say("In " + ticket.dyno + "."); term.focus(); };
  mine.socket.onclose = () => ended(mine, ticket.dyno);
}

function ended(mine, name) {
  if (session === mine) session = null;
  running(false);
  if (!mine.exit) {
    say("The connection to " + name + " was lost or ended.");
  } else {
    say("Ended with exit code " + mine.exit.code + ".");
    if (mine.exit.text) complain(mine.exit.text);
  }
  const inside = box.contains(document.activeElement);
  if (inside) openButton.focus();
}

// The command line that does the same follows what is chosen.
const quoted = (word) => /^[\w@%+=:,./-]+$/.test(word) ? word : "'" + word.replaceAll("'", "'\\''") + "'";
function showCommandLine() {
  size.disabled = dyno.value !== "";
  const line = command.value.trim() || "/bin/sh";
  const text = dyno.value !== "" ? "paas ps:exec -a " + box.dataset.app + " -d " + dyno.value + " -- " + line
    : "paas run -a " + box.dataset.app + (size.selectedIndex > 0 ? " --size " + quoted(size.value) : "") + " -- " + line;
  document.querySelector("#terminal-cli code").textContent = text;
}

form.hidden = false;
form.addEventListener("input", showCommandLine);
form.addEventListener("submit", (e) => { e.preventDefault(); if (!session) open(); });
endButton.addEventListener("click", () => session?.socket.close());
// Ctrl+W means a word to a shell and the page to a browser: ask first.
addEventListener("beforeunload", (e) => { if (session) e.preventDefault(); });
addEventListener("pagehide", () => session?.socket.close());
showCommandLine();
