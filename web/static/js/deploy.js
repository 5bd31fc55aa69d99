// The page of a deploy: its output as it comes, folded by sections, and the
// time of the step that runs. What the page shows of a long output is bounded;
// the whole is a link away.
import { write } from "./ansi.js";

const MOST = 2000; // lines in the page
const stream = document.getElementById("stream");
const out = document.getElementById("output");

let shown = out.querySelectorAll(".ln").length;
let section = out.querySelector(".sec:last-of-type");

function lines(into) {
  const scroll = document.createElement("div");
  scroll.className = "scroll";
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "group");
  scroll.setAttribute("aria-label", "Output");
  scroll.append(document.createElement("pre"));
  into.append(scroll);
}

// begin opens a section and folds the one before, unless somebody has opened
// that one or is in it.
function begin(head) {
  const before = section;
  if (before?.tagName === "DETAILS" && !before.dataset.touched && !before.contains(document.activeElement)) before.open = false;
  section = document.createElement(head ? "details" : "div");
  section.className = "sec";
  if (head) {
    section.open = true;
    const summary = document.createElement("summary"), code = document.createElement("code");
    write(code, head);
    summary.append(code);
    section.append(summary);
  }
  lines(section);
  out.append(section);
}

function add(line) {
  if (line.k === "head") return begin(line.s);
  if (!section) begin(null);
  const span = document.createElement("span");
  span.className = line.k === "bad" ? "ln bad" : "ln";
  write(span, line.s ?? []);
  span.append("\n");
  section.querySelector("pre").append(span);
  shown++;
}

// trim takes the oldest lines out of the page and says so where they were.
function trim() {
  for (let over = shown - MOST; over > 0;) {
    const first = [...out.querySelectorAll(".sec")].find((s) => s.querySelector(".ln"));
    const pre = first.querySelector("pre"), n = Math.min(over, pre.childElementCount);
    for (let i = 0; i < n; i++) pre.firstElementChild.remove();
    let left = first.querySelector(".left");
    if (!left) {
      left = document.createElement("p");
      left.className = "left dim";
      pre.before(left);
    }
    left.textContent = "Lines before these are not shown.";
    shown -= n;
    over -= n;
  }
  const all = out.querySelectorAll(".sec");
  for (let i = 0; i < all.length - 200; i++) all[i].remove();
}

const atEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 60;

// take adds lines; who reads at the end of the page stays there.
function take(list) {
  const follow = shown > 0 && atEnd() && scrollY > 0;
  for (const line of list) add(line);
  trim();
  if (follow) scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
}

out.addEventListener("click", (e) => {
  const sec = e.target.closest("summary")?.parentElement;
  if (sec) sec.dataset.touched = "";
});

// follow takes what comes from a byte on. After a lost connection the browser
// connects anew by itself and says how far it has come. A page that nobody
// sees gives its connection back: browsers have few for one host.
function follow(url) {
  let source = null, ended = false;
  const open = () => {
    if (source || ended) return;
    source = new EventSource(url);
    source.addEventListener("lines", (e) => {
      url.searchParams.set("from", e.lastEventId);
      take(JSON.parse(e.data));
    });
    source.addEventListener("end", () => { ended = true; close(); stream.dataset.ended = ""; });
  };
  const close = () => { source?.close(); source = null; };
  document.addEventListener("visibilitychange", () => document.hidden ? close() : open());
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  open();
}

if (stream.dataset.stream) follow(new URL(stream.dataset.stream, location.href));

// The clock of the step that runs. What the server said counts, not what the
// browser's clock says.
let from = performance.now();
document.addEventListener("page:changed", () => { from = performance.now(); });
setInterval(() => {
  for (const e of document.querySelectorAll("[data-ticks]")) {
    const s = Math.floor((Number(e.dataset.ticks) + performance.now() - from) / 1000);
    e.textContent = s < 60 ? `${s} s` : `${Math.floor(s / 60)}m${s % 60}s`;
  }
}, 1000);
