// Follows a log. Lines come by server-sent events, wait in a bounded buffer and
// go into the page once a frame, in chunks that leave it whole: what a flood
// costs does not grow with how long it lasts.
import { write } from "./ansi.js";

const chunkSize = 25;        // lines
const mostText = 4 << 20;    // characters in the page, however few lines they are
const mostAFrame = 2000;     // lines put into the page at once
const mostSpare = 2000;      // rows of a kind kept to be used again
const calm = 40;             // lines that come together and are shown at once
const floodPause = 150;      // milliseconds between two showings when more come

// waiting is what came and is not in the page yet: a ring, so that a page that
// is paused or hidden holds as much as one that is not.
class Waiting {
  constructor(size) {
    this.size = size;
    this.lines = [];
    this.head = 0;
    this.text = 0;
    this.lost = 0;
  }
  get length() { return this.lines.length - this.head; }
  add(line) {
    this.lines.push(line);
    this.text += cost(line);
    while (this.length > this.size || this.text > mostText) { this.take(); this.lost++; }
  }
  take() {
    const line = this.lines[this.head];
    this.lines[this.head++] = undefined;
    if (this.head > this.size) { this.lines = this.lines.slice(this.head); this.head = 0; }
    this.text -= cost(line);
    return line;
  }
}

function cost(line) {
  let n = 64 + (line.w ? line.w.length : 0);
  for (const piece of line.x ?? []) n += typeof piece === "string" ? piece.length : piece[1].length;
  return n;
}

function element(name, className) {
  const e = document.createElement(name);
  e.className = className;
  e.append("");
  return e;
}

const kinds = new Set(["app", "paas", "router"]), levels = new Set(["error", "warn", "info"]), classes = new Set(["s2", "s3", "s4", "s5"]);

// Rows makes the rows of lines, as the server's template "logline" writes them,
// out of those that left the page: otherwise a flood makes garbage faster than
// browsers collect it. A row is its node and the parts that differ by line.
class Rows {
  constructor(around) { Object.assign(this, { around, plain: [], parts: [] }); }
  row(line) {
    const r = (line.r ? this.parts : this.plain).pop() ?? blank(line.r);
    r.node.className = "l " + (kinds.has(line.k) ? line.k : "app") + (levels.has(line.l) ? " " + line.l : "");
    r.link.href = this.around + encodeURIComponent(line.t) + "#marked";
    r.link.title = line.t;
    r.clock.data = line.c;
    r.name.data = line.d;
    if (line.r) {
      r.node.dataset.raw = line.w;
      request(r.cells, line.r);
    } else {
      write(r.x, line.x);
    }
    return r;
  }
  // again takes the rows of a chunk that has left the page.
  again(rows) {
    for (const r of rows) {
      const pool = r.cells ? this.parts : this.plain;
      if (pool.length < mostSpare) pool.push(r);
    }
  }
}

function blank(parts) {
  const r = { node: document.createElement("div"), link: element("a", "t"), x: document.createElement("span"), cells: null };
  const name = element("span", "d");
  r.clock = r.link.firstChild;
  r.name = name.firstChild;
  r.x.className = "x";
  if (parts) {
    r.cells = ["m", "s", "v", "p", "e", "w"].map((of) => element("span", of));
    for (const cell of r.cells) r.x.append(cell, " ");
  }
  r.node.append(r.link, " ", name, " ", r.x);
  return r;
}

function request([m, s, v, p, e, w], r) {
  m.firstChild.data = r.m;
  s.firstChild.data = r.s;
  s.className = classes.has(r.c) ? "s " + r.c : "s";
  v.firstChild.data = r.v;
  p.firstChild.data = r.p;
  e.firstChild.data = r.e ?? "";
  e.hidden = !r.e;
  w.firstChild.data = r.d ?? "";
  w.hidden = !r.d;
}

function note(text) {
  const n = element("div", "note");
  n.firstChild.data = text;
  return n;
}

function chunk() {
  const c = document.createElement("div");
  c.className = "chunk";
  return c;
}

// Page is the lines shown: chunks of them, the oldest dropped.
class Page {
  constructor(log, lines, keep, around) {
    Object.assign(this, { log, lines, keep, rows: new Rows(around), chunks: [], count: 0, text: 0 });
    for (const c of lines.querySelectorAll(".chunk")) this.open(c, c.children.length, c.textContent.length);
  }
  open(node, count, text) {
    const c = { node, count, text, rows: [] };
    this.chunks.push(c);
    this.count += count;
    this.text += text;
    return c;
  }
  // add puts lines at the end; they become part of the page in one step.
  add(lines) {
    document.getElementById("nothing")?.remove();
    this.drop(lines.length); // first: their rows are used again
    let last = this.chunks.at(-1);
    let fresh = document.createDocumentFragment();
    for (const line of lines) {
      if (!last || last.count >= chunkSize) {
        if (last) last.node.append(fresh);
        fresh = document.createDocumentFragment();
        last = this.open(chunk(), 0, 0);
        this.lines.append(last.node);
      }
      if (typeof line === "string") {
        fresh.append(note(line));
      } else {
        const r = this.rows.row(line);
        fresh.append(r.node);
        last.rows.push(r);
      }
      const n = typeof line === "string" ? line.length : cost(line);
      last.count++; last.text += n; this.count++; this.text += n;
    }
    last?.node.append(fresh);
    this.drop(0);
  }
  // drop makes room for more lines: the oldest chunks go.
  drop(more) {
    while (this.chunks.length > 1 && (this.count + more - this.chunks[0].count >= this.keep || this.text > mostText)) {
      const old = this.chunks.shift();
      old.node.remove();
      this.rows.again(old.rows);
      this.count -= old.count;
      this.text -= old.text;
    }
  }
  // The box is turned round: 0 is its end, what is above is negative.
  get atEnd() { return this.log.scrollTop > -4; }
  toEnd() { this.log.scrollTop = 0; }
  toStart() { this.log.scrollTop = -this.log.scrollHeight; }
}

function count(n) { return n.toLocaleString("en").replaceAll(",", " "); }

// Follower joins the stream, the buffer and the page.
class Follower {
  constructor(page, tools, waiting) {
    Object.assign(this, { page, waiting, paused: false, away: false, framed: false, over: "", note: "", state: "connecting" });
    this.status = tools.querySelector("#status");
    this.more = tools.querySelector("#more");
    this.pauseButton = tools.querySelector("#pause");
    this.say();
  }
  get held() { return this.paused || this.away; }
  connect(url) {
    const source = this.source = new EventSource(url);
    source.addEventListener("hello", () => this.now("live"));
    source.addEventListener("lines", (e) => this.take(e.data));
    source.addEventListener("gap", (e) => this.gap(Number(e.data)));
    source.addEventListener("end", (e) => { source.close(); this.over = JSON.parse(e.data); this.say(); });
    source.addEventListener("error", () => {
      if (this.over) return;
      if (source.readyState === EventSource.CLOSED) this.over = "New lines cannot be read: load the page again.";
      this.now("connecting");
    });
    addEventListener("pagehide", () => source.close());
    addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
  }
  now(state) { this.state = state; this.say(); }
  take(data) {
    for (const line of JSON.parse("[" + data.replaceAll("\n", ",") + "]")) this.waiting.add(line);
    this.schedule();
  }
  gap(n) {
    this.note = n > 0 ? count(n) + " lines that came while the page was cut off are left out here." : "The page was cut off for long: lines may be missing here.";
  }
  // schedule has the next frame show what waits; in a flood not every frame:
  // nobody reads that fast, and what is shown has to be drawn.
  schedule() {
    if (this.framed) return;
    this.framed = true;
    const show = () => requestAnimationFrame(() => { this.framed = false; this.frame(); });
    if (this.waiting.length > calm) setTimeout(show, floodPause); else show();
  }
  frame() {
    if (this.held) { this.say(); return; }
    const batch = [];
    if (this.waiting.lost) {
      batch.push(count(this.waiting.lost) + " lines came faster than this page could show them and are left out here.");
      this.waiting.lost = 0;
    }
    if (this.note) { batch.push(this.note); this.note = ""; }
    while (this.waiting.length && batch.length < mostAFrame) batch.push(this.waiting.take());
    if (batch.length) this.page.add(batch);
    if (this.waiting.length) this.schedule();
    this.say();
  }
  hold(paused) {
    this.paused = paused;
    this.pauseButton.setAttribute("aria-pressed", String(paused));
    this.pauseButton.firstChild.data = paused ? "Resume " : "Pause ";
    if (!paused) this.newest(); else this.say();
  }
  // scrolled: who reads further up is not pushed away by what comes.
  scrolled() {
    const away = !this.page.atEnd;
    if (away === this.away) return;
    this.away = away;
    if (away) this.say(); else this.schedule();
  }
  newest() {
    this.away = false;
    this.page.toEnd();
    this.schedule();
  }
  // say writes the state, which is read out, and how much waits, which is not.
  say() {
    const held = this.held && !this.over;
    const more = this.waiting.length + this.waiting.lost;
    const state = this.over ? "✕ " + this.over : this.paused ? "◑ paused" : this.away ? "◑ held while you read further up" : this.state === "live" ? "● live" : "◌ connecting";
    set(this.status, state);
    set(this.more, held && more ? count(more) + (more === 1 ? " new line" : " new lines") + (this.waiting.lost ? ", the newest " + count(this.waiting.length) + " kept" : "") : "");
    const look = "state " + (this.over ? "ended" : held ? "paused" : this.state === "live" ? "good" : "wait");
    if (this.status.className !== look) this.status.className = look;
  }
}

function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// copied lines are whole and as paas logs prints them, however they are shown.
function copyWhole(log, e) {
  const chosen = getSelection();
  if (!chosen.rangeCount || chosen.isCollapsed) return;
  const range = chosen.getRangeAt(0);
  const rows = [...log.querySelectorAll(".l")].filter((l) => range.intersectsNode(l));
  if (rows.length < 2) return; // a piece of one line is copied as it is seen
  e.clipboardData.setData("text/plain", rows.map(whole).join("\n") + "\n");
  e.preventDefault();
}

function whole(l) {
  if (l.dataset.raw) return l.dataset.raw;
  const of = (name) => l.querySelector(name).textContent;
  let name = of(".d").trimEnd();
  if (!l.classList.contains("paas")) name = (l.classList.contains("app") ? "app[" : "paas[") + name + "]";
  return l.querySelector(".t").title + " " + name + ": " + of(".x");
}

// keys work while the lines or their buttons have the focus, so that single
// letters do nothing to who speaks or types elsewhere.
function keys(follower, page, log, tools) {
  const pause = () => follower.hold(!follower.paused);
  const does = { p: pause, " ": pause, f: () => document.getElementById("text").focus(), Home: () => page.toStart(), End: () => follower.newest() };
  const heard = (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || !Object.hasOwn(does, e.key)) return;
    if (e.key === " " && e.target.closest("button, a")) return; // presses it
    e.preventDefault();
    does[e.key]();
  };
  for (const at of [log, tools]) at.addEventListener("keydown", heard);
}

function start() {
  const log = document.getElementById("log"), tools = document.getElementById("tools");
  const keep = Number(tools.dataset.keep);
  const page = new Page(log, document.getElementById("lines"), keep, tools.dataset.around);
  const follower = new Follower(page, tools, new Waiting(keep));
  const on = (id, does) => { const b = document.getElementById(id); b.hidden = false; b.addEventListener("click", () => does(b)); };
  on("pause", () => follower.hold(!follower.paused));
  on("newest", () => follower.newest());
  on("oldest", () => page.toStart());
  on("announce", (b) => {
    const say = b.getAttribute("aria-pressed") !== "true";
    b.setAttribute("aria-pressed", String(say));
    log.setAttribute("aria-live", say ? "polite" : "off");
  });
  log.addEventListener("scroll", () => follower.scrolled(), { passive: true });
  document.addEventListener("copy", (e) => copyWhole(log, e));
  keys(follower, page, log, tools);
  follower.connect(tools.dataset.stream);
}

start();
