// Passkeys: sign in with one, or add one. The other ways in work without.

const able = window.PublicKeyCredential && PublicKeyCredential.parseRequestOptionsFromJSON && PublicKeyCredential.parseCreationOptionsFromJSON;

async function post(path, body) {
  const res = await fetch(path, {
    method: "POST", credentials: "same-origin", redirect: "error",
    headers: { "Content-Type": "application/json" }, body: JSON.stringify(body || {}),
  });
  const out = await res.json().catch(() => ({}));
  if (!res.ok) throw new Error([out.message || `The server answered ${res.status}.`, out.next].filter(Boolean).join("\n"));
  return out;
}

async function signIn(box) {
  const asked = await post("/sign-in/passkey");
  const key = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(asked.options) });
  return post("/sign-in/passkey/answer", { ticket: asked.ticket, answer: key.toJSON(), next: box.dataset.next });
}

async function add(box) {
  const asked = await post("/account/passkeys");
  const key = await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(asked.options) });
  return post("/account/passkeys/answer", { ticket: asked.ticket, answer: key.toJSON(), name: box.elements.name.value });
}

// What browsers say when a device did not answer tells nothing to people.
function told(err) {
  switch (err.name) {
    case "NotAllowedError": return "No passkey was given, or it took too long. Nothing was changed.";
    case "InvalidStateError": return "This device has a passkey of yours already. Nothing was changed.";
    case "SecurityError": return "The browser allows passkeys on HTTPS and on localhost only. Nothing was changed.";
  }
  return err.message;
}

function ready(box) {
  const work = box.dataset.passkey === "add" ? add : signIn;
  const go = box.querySelector("[data-go]");
  const problem = box.querySelector("[data-problem]");
  box.hidden = false;
  box.addEventListener(box.tagName === "FORM" ? "submit" : "click", async (e) => {
    if (e.type === "click" && !e.target.closest("[data-go]")) return;
    e.preventDefault();
    go.disabled = true;
    problem.hidden = true;
    try {
      const done = await work(box);
      location.assign(done.to);
    } catch (err) {
      problem.textContent = told(err);
      problem.hidden = false;
      go.disabled = false;
    }
  });
}

if (able) for (const box of document.querySelectorAll("[data-passkey]")) ready(box);
