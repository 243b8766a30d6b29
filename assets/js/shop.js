// One deferred file. Every page works without it; each part below makes one thing quicker.

import "./bridge-pay.js";
import "./char-count.js";
import "./copy-button.js";
import "./count-down.js";
import "./late-nudge.js";
import "./live-parts.js";
import "./poll-status.js";
import "./qty-stepper.js";
import "./show-password.js";
import "./theme-switch.js";
import { startAddToCart } from "./add-to-cart.js";
import { startForms } from "./forms.js";
import { startReprice } from "./reprice.js";
import { startSheets } from "./sheet.js";
import { startSkuPicker } from "./sku-picker.js";
import { startSwaps } from "./swap.js";

document.documentElement.classList.add("js");
startAddToCart();
startSwaps();
startForms();
startReprice();
startSheets();
startSkuPicker();

if ("serviceWorker" in navigator && window.isSecureContext) {
  navigator.serviceWorker.register("/sw.js").catch(() => {});
}
