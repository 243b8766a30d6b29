"""Where a channel's gateway is and by which keys it is believed: nobody sets that alone and is believed."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Group

from audit.exceptions import ApprovalMoved, SamePerson
from audit.models import Approval, AuditEntry
from payments.exceptions import ChangeWaits, ChannelMoved
from payments.gateways import secrets_of
from payments.models import Channel, ChannelChange
from payments.services import approve_channel_change, cancel_channel_change, change_channel, refuse_channel_change
from tests.desk import Act, at_desk, staff
from tests.payments.test_channel_desk import SHARED

pytestmark = pytest.mark.django_db
CHANNELS, CHANGES = "/admin/payments/channel/", "/admin/payments/channelchange/"
OWN = "https://my-own-server.test"


@pytest.fixture
def fay(db):
    made = staff("fay")
    made.groups.add(Group.objects.get(name="财务"))
    return made


@pytest.fixture
def seth(db):
    """The second person."""
    return staff("seth", "payments.change_channel", "payments.view_channelchange")


def fresh(channel: Channel) -> Channel:
    return Channel.objects.get(pk=channel.pk)


def wish(channel: Channel, actor, secrets: dict | None = None, **fields) -> ChannelChange | None:
    wanted = fresh(channel)
    for name, value in fields.items():
        setattr(wanted, name, value)
    return change_channel(channel=wanted, secrets=secrets, actor=actor)


def typed(channel: Channel, **changes: str) -> dict:
    """The form of a channel of 易支付 as it stands there, with some fields typed anew."""
    same = {"code": channel.code, "name": channel.name, "merchant_id": channel.merchant_id, "sandbox": "on"}
    chosen = {"mode": "api", "sign_mode": "plain", "query": "yes", "methods": channel.methods}
    return {**SHARED, **same, **chosen, "gateway_url": channel.gateway_url, **changes}


def test_the_address_is_another_when_a_second_person_has_agreed(attempt, fay, seth):
    channel, desk = attempt.channel, at_desk(fay)
    answer = desk.post(f"{CHANNELS}{channel.pk}/change/", typed(channel, gateway_url=OWN, name="新名"))
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert "渠道还没有变动" in desk.get(CHANNELS).content.decode()
    assert (fresh(channel).gateway_url, fresh(channel).name) == (channel.gateway_url, channel.name)
    change = ChannelChange.objects.get()
    answer = desk.post(f"{CHANNELS}{channel.pk}/change/", typed(channel, name="另一个"))
    assert "正在等待复核" in answer.content.decode()
    page = desk.get(f"{CHANGES}{change.pk}/change/").content.decode()
    assert f"{change.pk}/cancel/" in page and f"{change.pk}/approve/" not in page
    with pytest.raises(SamePerson):
        approve_channel_change(approval_id=change.approval_id, actor=fay)
    act = Act(at_desk(seth), f"{CHANGES}{change.pk}/approve/")
    assert OWN in act.text and channel.gateway_url in act.text
    assert "变更已经生效" in act.confirm().done()
    assert (fresh(channel).gateway_url, fresh(channel).name) == (OWN, "新名")
    told = AuditEntry.objects.get(action="payments.channel")
    assert (told.actor_id, told.detail["asked_by"]) == (seth.pk, fay.pk)
    assert told.detail["changed"]["gateway_url"] == [channel.gateway_url, OWN]


def test_new_keys_wait_sealed_and_are_forgotten_afterwards(attempt, fay, seth):
    channel, before = attempt.channel, secrets_of(attempt.channel)
    for decide in (
        lambda approval_id: cancel_channel_change(approval_id=approval_id, actor=fay),
        lambda approval_id: refuse_channel_change(approval_id=approval_id, reason="不是渠道给的", actor=seth),
        lambda approval_id: approve_channel_change(approval_id=approval_id, actor=seth),
    ):
        assert secrets_of(fresh(channel)) == before
        change = wish(channel, fay, {"key": "MY-OWN-KEY"})
        kept = [*ChannelChange.objects.values(), *Approval.objects.values(), *AuditEntry.objects.values()]
        assert change.credentials and "MY-OWN-KEY" not in str(kept)
        decide(change.approval_id)
        assert ChannelChange.objects.get(pk=change.pk).credentials == ""
    assert secrets_of(fresh(channel)) == {"key": "MY-OWN-KEY"}
    with pytest.raises(ApprovalMoved):
        approve_channel_change(approval_id=change.approval_id, actor=seth)


def test_what_makes_nobody_believed_is_changed_alone_and_a_shop_is_closed_at_once(attempt, fay, seth):
    channel, desk = attempt.channel, at_desk(fay)
    closed = typed(channel, name="新名", max_amount="100.00")
    del closed["is_active"]
    assert desk.post(f"{CHANNELS}{channel.pk}/change/", closed).status_code == 302
    assert (fresh(channel).name, fresh(channel).max_amount, fresh(channel).is_active) == ("新名", 100, False)
    # It took payments when it was looked at; it is the same still.
    assert wish(channel, fay, is_active=True) is None
    assert wish(channel, fay, settings={"query": "no"}, max_amount=Decimal(100)) is not None


def test_a_new_channel_is_opened_by_a_second_person_who_sees_where_it_leads(fay, seth):
    desk = at_desk(fay)
    new = {**SHARED, "merchant_id": "1000", "key": "k", "mode": "api", "sign_mode": "plain", "query": "yes"}
    answer = desk.post(f"{CHANNELS}add/?provider=epay", {**new, "methods": ["alipay"], "gateway_url": OWN})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    channel = Channel.objects.get()
    assert not channel.is_active
    # While somebody looks at it it does not become another.
    with pytest.raises(ChangeWaits):
        wish(channel, fay, gateway_url="https://another.test")
    act = Act(at_desk(seth), f"{CHANGES}{ChannelChange.objects.get().pk}/approve/")
    assert OWN in act.text
    act.confirm()
    assert fresh(channel).is_active
    assert wish(channel, fay, gateway_url="https://another.test") is not None, "it takes payments"


def test_one_that_was_never_opened_is_free_to_set_up(channel, fay, seth):
    Channel.objects.update(is_active=False)
    assert wish(channel, fay, {"key": "k2"}, gateway_url=OWN) is None
    assert fresh(channel).gateway_url == OWN
    assert wish(channel, fay, is_active=True) is not None
    assert not fresh(channel).is_active


def test_what_was_asked_of_another_channel_than_it_is_now_is_not_done(attempt, fay, seth):
    change = wish(attempt.channel, fay, gateway_url=OWN)
    Channel.objects.update(gateway_url="https://third.test")
    with pytest.raises(ChannelMoved):
        approve_channel_change(approval_id=change.approval_id, actor=seth)
    assert Approval.objects.get().state == Approval.State.ASKED


def test_the_owner_of_a_small_shop_changes_it_alone_and_the_log_says_so(attempt, olga):
    assert wish(attempt.channel, olga, gateway_url=OWN) is None
    assert fresh(attempt.channel).gateway_url == OWN
    assert AuditEntry.objects.filter(action="payments.channel_alone").count() == 1
    staff("seth", "payments.change_channel")
    assert wish(attempt.channel, olga, gateway_url="https://another.test") is not None
