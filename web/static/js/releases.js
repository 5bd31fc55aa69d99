// The command line of a comparison says what is chosen.
document.addEventListener("change", (e) => {
  const form = e.target.closest("#compare");
  if (!form) return;
  const code = form.querySelector(".cli code"), chosen = new FormData(form);
  code.textContent = code.textContent.replace(/ v\d+ v\d+ /, ` v${chosen.get("from")} v${chosen.get("to")} `);
});
