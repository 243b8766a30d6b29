// On the product page the figures follow the chosen SKU: each radio carries the finished texts in data-fill-*,
// and the elements named data-filled="price" and so on take them over.

export function startSkuPicker() {
  document.addEventListener("change", (event) => {
    const radio = event.target;
    if (radio.type !== "radio" || !radio.hasAttribute("data-fill-price")) return;
    for (const place of document.querySelectorAll("[data-filled]")) {
      const source = document.getElementById(`${radio.id}-${place.dataset.filled}`);
      if (source) place.replaceChildren(source.content.cloneNode(true));
    }
  });
}
