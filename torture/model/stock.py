"""Keys come in and are voided."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from catalog.exceptions import KeysMoved
from catalog.models import Key
from catalog.services.keys import void_keys
from torture import scene
from torture.model.machine import Machine


class Stock(Machine):
    @rule(which=st.integers(0, 1), count=st.integers(1, 3))
    def keys_come(self, which: int, count: int) -> None:
        goods = self.goods[which]
        self.expect(None, lambda: scene.stock(goods.row, count, data_key=self.scenery.data_key))
        goods.available += count

    @rule(which=st.integers(0, 1), state=st.sampled_from(["available", "reserved", "sold", "void"]))
    def void_a_key(self, which: int, state: str) -> None:
        goods = self.goods[which]
        key = Key.objects.filter(sku=goods.row, state=state).order_by("pk").values_list("pk", flat=True).first()
        assert (key is not None) == bool(getattr(goods, state))
        if key is None:
            return
        refusal = None if state in ("available", "void") else KeysMoved
        self.expect(refusal, lambda: void_keys(key_ids=[key], actor=self.staff[0]))
        if state == "available":
            goods.available -= 1
            goods.void += 1
