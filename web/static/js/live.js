// Live parts of pages. A page that has an element with data-live="URL" listens
// there for server-sent events; after each "changed" it asks for itself anew
// and replaces its elements with data-part (and an id) that differ. What the
// server escaped stays escaped: the answer is parsed apart, without scripts.

// What is pressed stays until it is let go: a button that is replaced between
// the two was not clicked. What came meanwhile is looked at then.
let pressed = null, missed = false;
addEventListener("pointerdown", (e) => { pressed = e.target; }, true);
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { pressed = null; }, true);

function held(part) {
  if (!part.contains(pressed)) return false;
  missed = true;
  return true;
}

// parts of a page that somebody is typing into are left alone.
function busy(part) {
  const at = document.activeElement;
  return held(part) || part.hasAttribute("data-keep-focus") && part.contains(at) || part.querySelector("dialog[open], form[data-dirty]") !== null;
}

export async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error", cache: "no-store" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-part]")) {
    const next = fresh.getElementById(part.id);
    if (!next || busy(part)) continue;
    if (next.isEqualNode(part)) continue;
    const opened = new Set([...part.querySelectorAll("details[open][id]")].map((d) => d.id));
    const focus = part.contains(document.activeElement) ? document.activeElement.id : "";
    const node = document.importNode(next, true);
    for (const d of node.querySelectorAll("details[id]")) if (opened.has(d.id)) d.open = true;
    part.replaceWith(node);
    if (focus) document.getElementById(focus)?.focus();
    node.dispatchEvent(new CustomEvent("page:changed", { bubbles: true }));
  }
  if (fresh.title) document.title = fresh.title;
}

document.addEventListener("input", (e) => e.target.form?.setAttribute("data-dirty", ""));

// follow listens for as long as the page is open. EventSource connects anew by
// itself; what was missed meanwhile is seen by looking once.
export function follow() {
  const at = document.querySelector("[data-live]");
  if (!at) return;
  const rest = Number(at.dataset.rest ?? 0); // ms between two looks, of pages that are much to make
  let running = false, again = false;
  const look = async () => {
    if (running) { again = true; return; }
    running = true;
    do {
      again = false;
      try { await refresh(); } catch { /* the next event tries again */ }
      if (rest) await new Promise((done) => setTimeout(done, rest));
    } while (again);
    running = false;
  };
  for (const end of ["pointerup", "pointercancel"]) {
    addEventListener(end, () => { if (missed) { missed = false; setTimeout(look); } }, true);
  }
  let source = null, seen = false, over = false;
  const open = () => {
    if (source || over) return;
    source = new EventSource(at.dataset.live);
    // What changed between the making of the page and this was told to nobody.
    // A page that is much to make is not made twice for that.
    source.addEventListener("hello", () => { if (seen || !rest) look(); seen = true; });
    source.addEventListener("changed", look);
    source.addEventListener("end", () => { over = true; close(); setTimeout(look, 500); });
  };
  const close = () => { source?.close(); source = null; };
  // A browser has six connections to a host over plain HTTP: a tab that nobody
  // looks at gives its own back.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open);
  if (!document.hidden) open();
}
