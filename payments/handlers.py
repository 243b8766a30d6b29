"""News that payments listen to."""

from datetime import datetime

from common.registries import set_ways_back
from events.contracts import RefundRequested
from events.registry import subscribe
from payments import services
from payments.selectors import ways_back

set_ways_back(ways_back)


@subscribe(RefundRequested, "payments.begin_refund")
def refund_requested(event: RefundRequested, *, at: datetime) -> None:
    services.begin_refund(refund_id=event.refund_id)
