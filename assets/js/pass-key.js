// <pass-key data-act="get|create" data-options="id of a JSON script" or data-from="/address" data-failed="text">
// around a button, in a form with a hidden field "credential": the button asks the device and sends the form.
// A form with data-needs-passkeys stays hidden where the browser has none.

const able = Boolean(window.PublicKeyCredential && navigator.credentials);

function bytes(text) {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (one) => one.charCodeAt(0));
}

function text(buffer) {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function forBrowser(asked) {
  const wish = { ...asked, challenge: bytes(asked.challenge) };
  const named = (one) => ({ ...one, id: bytes(one.id) });
  if (asked.user) wish.user = { ...asked.user, id: bytes(asked.user.id) };
  if (asked.allowCredentials) wish.allowCredentials = asked.allowCredentials.map(named);
  if (asked.excludeCredentials) wish.excludeCredentials = asked.excludeCredentials.map(named);
  if (asked.user) {
    // One that signs in by itself.
    const chosen = asked.authenticatorSelection || {};
    wish.authenticatorSelection = { ...chosen, residentKey: "required", requireResidentKey: true, userVerification: "required" };
  }
  return wish;
}

function forServer(made) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (made.response[name]) response[name] = text(made.response[name]);
  }
  return {
    id: made.id,
    rawId: text(made.rawId),
    type: made.type,
    response,
    clientExtensionResults: made.getClientExtensionResults(),
  };
}

class PassKey extends HTMLElement {
  connectedCallback() {
    if (!able) return;
    const waiting = this.closest("[data-needs-passkeys]");
    if (waiting) waiting.hidden = false;
    this.querySelector("button").addEventListener("click", () => this.ask());
  }

  async options() {
    if (this.dataset.options) return JSON.parse(document.getElementById(this.dataset.options).textContent);
    const answer = await fetch(this.dataset.from, { headers: { Accept: "application/json", "X-Requested-With": "XMLHttpRequest" } });
    if (!answer.ok) throw new Error(answer.status);
    return (await answer.json()).request_options;
  }

  async ask() {
    const form = this.closest("form");
    try {
      const publicKey = forBrowser((await this.options()).publicKey);
      const made = await navigator.credentials[this.dataset.act]({ publicKey });
      form.elements.credential.value = JSON.stringify(forServer(made));
      const passwordless = form.elements.passwordless;
      if (passwordless) passwordless.value = "on";
      form.submit();
    } catch {
      this.tell();
    }
  }

  tell() {
    const said = this.querySelector("[role=alert]") || document.createElement("p");
    said.setAttribute("role", "alert");
    said.className = "help";
    said.textContent = this.dataset.failed;
    this.append(said);
  }
}

customElements.define("pass-key", PassKey);
