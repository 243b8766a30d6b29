// One deferred file. Every page works without it; each part below makes one thing quicker.

import "./copy-button.js";
import "./count-down.js";
import "./poll-status.js";
import "./qty-stepper.js";
import "./theme-switch.js";
import { startForms } from "./forms.js";
import { startSheets } from "./sheet.js";
import { startSkuPicker } from "./sku-picker.js";

document.documentElement.classList.add("js");
startForms();
startSheets();
startSkuPicker();

if ("serviceWorker" in navigator && window.isSecureContext) {
  navigator.serviceWorker.register("/sw.js").catch(() => {});
}
