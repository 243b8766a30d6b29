// <bridge-pay data-request="{…}" data-next="…"><button>…</button><p data-told="…"></p></bridge-pay>: pays inside WeChat's own
// browser, which puts WeixinJSBridge into the page. What the bridge answers is not believed: next asks the gateway.

const READY = "WeixinJSBridgeReady";

class BridgePay extends HTMLElement {
  connectedCallback() {
    this.button = this.querySelector("button");
    this.note = this.querySelector("[data-told]");
    this.press = () => this.pay();
    this.button.addEventListener("click", this.press);
    // The buyer has chosen to pay already: WeChat's own sheet asks for the rest.
    if (window.WeixinJSBridge) this.pay();
    else document.addEventListener(READY, this.press, { once: true });
  }

  disconnectedCallback() {
    this.button.removeEventListener("click", this.press);
    document.removeEventListener(READY, this.press);
  }

  pay() {
    if (!window.WeixinJSBridge) return;
    this.note.textContent = "";
    window.WeixinJSBridge.invoke("getBrandWCPayRequest", JSON.parse(this.dataset.request), (answer) => {
      if (answer.err_msg === "get_brand_wcpay_request:ok") location.replace(this.dataset.next);
      else this.note.textContent = this.note.dataset.told;
    });
  }
}

customElements.define("bridge-pay", BridgePay);
