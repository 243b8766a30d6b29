"""The sandbox as a test holds it: who pays, and what the gateway thinks of it."""

import httpx

# What the shop's forms call the way to pay by the channel of `scene.channel`.
METHOD = "alipay"


class Gateway:
    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=20, trust_env=False)

    def act(self, number: str, action: str, **more: object) -> dict | None:
        """One of the sandbox's acts on the order with our number; None when it knows no such order or refuses."""
        answer = self.client.post("/control/act", json={"out_trade_no": number, "action": action, **more})
        return answer.json() if answer.status_code == 200 else None

    def orders(self, **wanted: str) -> list[dict]:
        return self.client.get("/control/orders", params=wanted).json()

    def order(self, number: str) -> dict | None:
        found = self.orders(out_trade_no=number)
        return found[0] if found else None

    def close(self) -> None:
        self.client.close()
