// Figures change without anything happening to the app: the page looks anew
// now and then, while somebody looks at it. The pointer over a chart shows the
// numbers of that moment, from the chart's table.
import { refresh } from "./live.js";

const every = 15000;
let looking = false;
setInterval(async () => {
  if (document.hidden || looking) return;
  looking = true;
  try { await refresh(); } catch { /* the next turn tries again */ }
  looking = false;
}, every);

const svg = "http://www.w3.org/2000/svg";

function show(chart, x) {
  const rows = chart.querySelectorAll("tbody tr"), picture = chart.querySelector(".picture");
  if (!rows.length) return;
  const box = picture.getBoundingClientRect();
  const step = Math.min(rows.length - 1, Math.max(0, Math.floor((x - box.left) / box.width * rows.length)));
  const row = rows[rows.length - 1 - step]; // the newest is the first
  const names = [...chart.querySelectorAll("thead th")].slice(1).map((th) => th.textContent);
  const cells = [...row.cells];
  const at = chart.querySelector(".at"); // has its line from the start: nothing below it moves
  at.textContent = cells[0].textContent + "  " + names.map((n, i) => n + " " + cells[i + 1].textContent).join("  ");
  let line = chart.querySelector(".cross");
  if (!line) {
    line = document.createElementNS(svg, "line");
    line.setAttribute("class", "cross");
    line.setAttribute("y1", "14");
    line.setAttribute("y2", String(picture.clientHeight - 18));
    picture.append(line);
  }
  const percent = (step + 0.5) / rows.length * 100 + "%";
  line.setAttribute("x1", percent);
  line.setAttribute("x2", percent);
}

function clear(chart) {
  chart.querySelector(".at")?.replaceChildren();
  chart.querySelector(".cross")?.remove();
}

let over = null;
document.addEventListener("pointermove", (e) => {
  const chart = e.target.closest?.(".plot")?.closest(".chart") ?? null;
  if (over && over !== chart) clear(over);
  over = chart;
  if (chart) show(chart, e.clientX);
});
document.addEventListener("pointerleave", () => { if (over) clear(over); over = null; });
