// The formation's form: a slider beside each number, and what it all takes and
// how it is typed, as it is changed. Without this file the numbers do.
function bytes(n) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (n >= 1000 && unit < units.length - 1) { n /= 1024; unit++; }
  return (n >= 10 || unit === 0 ? n.toFixed(0) : n.toFixed(1)) + " " + units[unit];
}

function look(form) {
  let total = 0;
  const words = [];
  for (const row of form.querySelectorAll("tr[data-type]")) {
    const number = row.querySelector("input[type=number]"), size = row.querySelector("select");
    if (!number) return;
    const n = number.validity.valid && number.value !== "" ? Number(number.value) : 0;
    const takes = n * Number(size.selectedOptions[0]?.dataset.memory ?? 0);
    row.querySelector("td[data-memory]").textContent = bytes(takes);
    total += takes;
    words.push(row.dataset.type + "=" + n + ":" + size.value);
  }
  form.querySelector("#memory").textContent = bytes(total);
  form.querySelector("#scale-cli code").textContent = "paas ps:scale " + words.join(" ") + " -a " + form.dataset.app;
}

function ready() {
  const form = document.getElementById("scale");
  if (!form) return;
  for (const row of form.querySelectorAll("tr[data-type]")) {
    const number = row.querySelector("input[type=number]"), slider = row.querySelector("input[type=range]");
    if (!slider) return;
    slider.hidden = false;
    slider.oninput = () => { number.value = slider.value; };
    number.oninput = () => {
      slider.max = Math.max(slider.max, Math.min(number.value, number.max));
      slider.value = number.value;
    };
  }
  form.addEventListener("input", () => look(form));
}

ready();
document.addEventListener("page:changed", (e) => { if (e.target.id === "formation") ready(); });
