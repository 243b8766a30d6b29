// On the product page the figures follow the chosen SKU: radios marked data-picks have finished texts in
// <template id="{radio id}-{name}">, and the elements with data-filled="{name}" take them over. data-min and data-max
// are the SKU's quantity limits.

function limit(radio) {
  const input = radio.form.elements.quantity;
  input.min = radio.dataset.min;
  input.max = radio.dataset.max;
  input.value = Math.min(radio.dataset.max, Math.max(radio.dataset.min, input.value || 1));
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

export function startSkuPicker() {
  document.addEventListener("change", (event) => {
    const radio = event.target;
    if (!radio.hasAttribute("data-picks")) return;
    for (const place of document.querySelectorAll("[data-filled]")) {
      const source = document.getElementById(`${radio.id}-${place.dataset.filled}`);
      place.replaceChildren(source.content.cloneNode(true));
    }
    limit(radio);
  });
}
