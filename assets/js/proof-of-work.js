// <proof-of-work data-puzzle="…json…" data-busy="text"> in a form with a hidden field "puzzle": looks for the number whose
// hash is the challenge, fills the field and sends what has been typed meanwhile. Without it the visitor waits and tries again.

const PACE = 500;

async function hash(text) {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (one) => one.toString(16).padStart(2, "0")).join("");
}

async function solve({ algorithm, challenge, maxnumber, salt, signature }) {
  for (let number = 0; number <= maxnumber; number += PACE) {
    const tried = await Promise.all(Array.from({ length: PACE }, (_, step) => hash(salt + (number + step))));
    const found = tried.indexOf(challenge);
    if (found >= 0) return btoa(JSON.stringify({ algorithm, challenge, number: number + found, salt, signature }));
  }
  return "";
}

class ProofOfWork extends HTMLElement {
  connectedCallback() {
    if (!window.crypto || !crypto.subtle) return;
    const form = this.closest("form");
    const field = form.elements.puzzle;
    const solved = solve(JSON.parse(this.dataset.puzzle)).then((answer) => {
      field.value = answer;
      this.textContent = this.dataset.done;
    });
    this.textContent = this.dataset.busy;
    form.addEventListener("submit", (event) => {
      if (field.value) return;
      event.preventDefault();
      event.stopPropagation();
      solved.then(() => form.submit());
    });
  }
}

customElements.define("proof-of-work", ProofOfWork);
