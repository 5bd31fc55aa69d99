// The list of apps is filtered while somebody types. Enter asks the server,
// which looks through all pages.
const field = document.getElementById("q");

function filter() {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = document.querySelectorAll(".apps tbody tr");
  let shown = 0;
  for (const row of rows) {
    if (row.cells.length < 4) continue; // says that there is none
    const text = [0, 1, 3].map((i) => row.cells[i].textContent).join("\n").toLowerCase();
    row.hidden = !words.every((w) => text.includes(w));
    if (!row.hidden) shown++;
  }
  const found = document.getElementById("found");
  found.dataset.all ??= found.textContent;
  found.textContent = words.length ? `${shown} of ${rows.length} shown` : found.dataset.all;
}

if (field) {
  const searched = field.value; // the server has done that already
  field.addEventListener("input", filter);
  document.addEventListener("page:changed", () => { if (field.value !== searched) filter(); });
}
