// What every page does: copy buttons, live parts. All of it is an addition:
// the page works without.
import { follow } from "./live.js";
import { palette } from "./palette.js";

function readyCopies(root) {
  if (!navigator.clipboard) return; // plain HTTP on another host than localhost
  for (const b of root.querySelectorAll("button[data-copy]")) b.hidden = false;
}

document.addEventListener("click", async (e) => {
  const b = e.target.closest("button[data-copy]");
  if (!b) return;
  await navigator.clipboard.writeText(b.parentElement.querySelector("code").textContent);
  b.textContent = "copied";
  setTimeout(() => { b.textContent = "copy"; }, 1200);
});

readyCopies(document);
// On a phone the row of tabs is wider than the screen.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
document.addEventListener("page:changed", (e) => readyCopies(e.target));
follow();
palette();
