// Shows one value in its row, and hides it again. Without this file the button
// leads to a page with the value.
const LONG = 60_000; // milliseconds until a value that nobody hides is masked again

const form = document.getElementById("reveal");

async function show(button) {
  const place = button.parentElement.querySelector("[data-value]");
  const body = new URLSearchParams(new FormData(form));
  body.set("name", button.value);
  const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "text/plain" }, cache: "no-store" });
  if (!answer.ok || !(answer.headers.get("Content-Type") ?? "").startsWith("text/plain")) throw new Error("refused");
  const value = await answer.text();
  const mask = [...place.childNodes];
  place.textContent = value === "" ? "(empty)" : value;
  button.textContent = "hide";
  const hide = () => {
    clearTimeout(timer);
    place.replaceChildren(...mask);
    button.textContent = "show";
    button.onclick = null;
  };
  const timer = setTimeout(hide, LONG);
  button.onclick = (e) => { e.preventDefault(); e.stopPropagation(); hide(); };
}

document.addEventListener("click", (e) => {
  const button = e.target.closest("button[data-reveal]");
  if (!button) return;
  e.preventDefault();
  show(button).catch(() => { form.requestSubmit(button); }); // the page says what is wrong
});
