"""Who may call what. An address that is not in the table fails, so that nobody adds one without deciding."""

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

PUBLIC, MEMBER, STAFF = "public", "member", "staff"

# By the name of the address, its namespace before it; "admin:*" stands for everything in that namespace.
POLICY = {
    "account_change_password": MEMBER,
    "account_confirm_email": PUBLIC,
    "account_confirm_login_code": PUBLIC,
    "account_email": MEMBER,
    "account_email_verification_sent": PUBLIC,
    "account_inactive": PUBLIC,
    "account_login": PUBLIC,
    "account_logout": PUBLIC,
    "account_reauthenticate": MEMBER,
    "account_reset_password": PUBLIC,
    "account_reset_password_done": PUBLIC,
    "account_reset_password_from_key": PUBLIC,
    "account_reset_password_from_key_done": PUBLIC,
    "account_set_password": MEMBER,
    "account_signup": PUBLIC,
    "admin:*": STAFF,
    "desk_sign_in": PUBLIC,
    "desk_password_change": STAFF,
    "mfa_activate_totp": MEMBER,
    "mfa_add_webauthn": MEMBER,
    # For whoever has given the right password; tests/accounts/test_second_factor.py has the rest.
    "mfa_authenticate": PUBLIC,
    "mfa_deactivate_totp": MEMBER,
    "mfa_download_recovery_codes": MEMBER,
    "mfa_edit_webauthn": MEMBER,
    "mfa_generate_recovery_codes": MEMBER,
    "mfa_index": MEMBER,
    "mfa_list_webauthn": MEMBER,
    "mfa_login_webauthn": PUBLIC,
    "mfa_reauthenticate": MEMBER,
    "mfa_reauthenticate_webauthn": MEMBER,
    "mfa_remove_webauthn": MEMBER,
    "mfa_view_recovery_codes": MEMBER,
    "admin_autocomplete": STAFF,
    "fairness": STAFF,
    "fairness_rows": STAFF,
    "fairness_csv": STAFF,
    "api:credit": MEMBER,
    "api:credit_draw": MEMBER,
    "api:credit_repay": MEMBER,
    "api:dispute": MEMBER,
    "api:dispute_accept": MEMBER,
    "api:dispute_appeal": MEMBER,
    "api:disputes": MEMBER,
    "api:docs": PUBLIC,
    "api:card_redeem": MEMBER,
    "api:check_in": MEMBER,
    "api:me": MEMBER,
    "api:my_points": MEMBER,
    "api:my_tasks": MEMBER,
    "api:my_tier": MEMBER,
    "api:my_tier_decisions": MEMBER,
    "api:nothing": PUBLIC,
    "api:order": MEMBER,
    "api:order_cancel": MEMBER,
    "api:order_pay": MEMBER,
    "api:my_reviews": MEMBER,
    "api:orders": MEMBER,
    "api:product": PUBLIC,
    "api:product_reviews": PUBLIC,
    "api:products": PUBLIC,
    "api:quotes": MEMBER,
    "api:schema": PUBLIC,
    "api:statement": MEMBER,
    "api:tiers": PUBLIC,
    "api:token": MEMBER,
    "api:wallet": MEMBER,
    "api:withdrawable": MEMBER,
    "api:withdrawal": MEMBER,
    "api:withdrawal_cancel": MEMBER,
    "api:withdrawals": MEMBER,
    # Asked for with a password and without a token; the list is for its owner, see tests/api/test_access.py.
    "api:tokens": PUBLIC,
    "catalog:cover": PUBLIC,
    "insights:choice": MEMBER,
    "insights:comeback": MEMBER,
    "membership:birthday": MEMBER,
    "membership:check_in": MEMBER,
    "membership:decisions": MEMBER,
    "membership:earn": MEMBER,
    "membership:feedback": MEMBER,
    "membership:invite": MEMBER,
    "membership:passes": MEMBER,
    "membership:points": MEMBER,
    "membership:rules": PUBLIC,
    "membership:rules_version": PUBLIC,
    "membership:task_order": MEMBER,
    "membership_invited": PUBLIC,
    "payments:notify": PUBLIC,
    # Their addresses are the key to them; tests/payments/test_pages.py has what they show.
    "payments:payer": PUBLIC,
    "payments:payer_told": PUBLIC,
    "payments:payment": PUBLIC,
    "payments:recheck": PUBLIC,
    "payments:return": PUBLIC,
    "payments:status": PUBLIC,
    "payments:switch": PUBLIC,
    "payments:payout_account": MEMBER,
    "payments:top_up": MEMBER,
    "payments:top_up_detail": MEMBER,
    "payments:withdrawal_cancel": MEMBER,
    "payments:withdrawals": MEMBER,
    "notifications:inbox": MEMBER,
    "notifications:read_all": MEMBER,
    "shop:account": PUBLIC,
    "shop:cart": PUBLIC,
    "shop:cart_add": PUBLIC,
    "shop:categories": PUBLIC,
    "shop:category": PUBLIC,
    "shop:checkout": PUBLIC,
    "shop:coupon_claim": MEMBER,
    "shop:csp_report": PUBLIC,
    "shop:coupons": MEMBER,
    "shop:home": PUBLIC,
    "shop:library": MEMBER,
    "shop:library_export": MEMBER,
    "shop:lookup": PUBLIC,
    "shop:manifest": PUBLIC,
    "shop:member": MEMBER,
    "shop:member_mark": MEMBER,
    "shop:member_spending": MEMBER,
    "shop:nudge": MEMBER,
    "shop:nudge_choose": MEMBER,
    # Guests are answered too, with nothing: a page does not know whether its session has ended.
    "shop:nudge_waiting": PUBLIC,
    "shop:offline": PUBLIC,
    # Opened by whoever the case's order belongs to; tests/shop/test_disputes.py has who that is.
    "shop:dispute": PUBLIC,
    "shop:dispute_accept": PUBLIC,
    "shop:dispute_add": PUBLIC,
    "shop:dispute_appeal": PUBLIC,
    "shop:dispute_money": PUBLIC,
    "shop:dispute_picture": PUBLIC,
    "shop:dispute_withdraw": PUBLIC,
    "shop:disputes": PUBLIC,
    "shop:report": PUBLIC,
    # Opened by whoever the order belongs to; tests/shop/test_orders.py has who that is.
    "shop:order": PUBLIC,
    "shop:order_cancel": PUBLIC,
    "shop:order_claim": PUBLIC,
    "shop:order_confirm": MEMBER,
    "shop:order_keys": PUBLIC,
    "shop:order_pay": PUBLIC,
    "shop:order_status": PUBLIC,
    "shop:orders": PUBLIC,
    "shop:pay_guard": MEMBER,
    "shop:tokens": MEMBER,
    "shop:points_buy": MEMBER,
    "shop:points_shop": MEMBER,
    "shop:preferences": PUBLIC,
    "shop:privacy": MEMBER,
    "shop:privacy_download": MEMBER,
    "shop:privacy_erase": MEMBER,
    "shop:privacy_export": MEMBER,
    "shop:privacy_keep": MEMBER,
    "shop:privacy_status": MEMBER,
    "shop:product": PUBLIC,
    "shop:review": MEMBER,
    "shop:review_withdraw": MEMBER,
    "shop:reviews": MEMBER,
    "shop:robots": PUBLIC,
    "shop:search": PUBLIC,
    "shop:service_worker": PUBLIC,
    "shop:sitemap": PUBLIC,
    "shop:wallet": MEMBER,
    "shop:wallet_credit": MEMBER,
    "shop:wallet_redeem": MEMBER,
}
# Open to all, inside a namespace that is otherwise closed.
DOORS = {"admin:login", "admin:logout", "admin:jsi18n"}


class Address:
    """One address of the shop: its name, its policy, and a path that leads to it."""

    def __init__(self, namespace: str, name: str, path: str) -> None:
        self.name, self.path = namespace + name, path
        self.space = f"{namespace}*"
        self.policy = PUBLIC if self.name in DOORS else POLICY.get(self.name) or POLICY.get(self.space)


def addresses() -> list[Address]:
    found = []

    def walk(patterns, prefix: str, namespace: str) -> None:
        for one in patterns:
            path = prefix + sample(one.pattern)
            if isinstance(one, URLResolver):
                walk(one.url_patterns, path, f"{namespace}{one.namespace}:" if one.namespace else namespace)
            elif isinstance(one, URLPattern):
                found.append(Address(namespace, one.name or str(one.pattern), path))

    walk(get_resolver().url_patterns, "/", "")
    return found


def sample(pattern) -> str:
    """A path that fits a pattern, its parameters filled in: numbers with 1, texts with an id that nothing has."""
    text = str(pattern)
    for name, converter in pattern.converters.items():
        value = "1" if converter.regex == "[0-9]+" else "x" * 22
        text = text.replace(f"<{name}>", value)
        text = text.replace(f"<{type(converter).__name__.removesuffix('Converter').lower()}:{name}>", value)
    return text.replace("^", "").replace("$", "").replace("\\Z", "")


ADDRESSES = addresses()


def test_every_address_has_a_policy():
    assert sorted({one.name for one in ADDRESSES if one.policy is None}) == []


def test_the_table_names_no_address_that_is_gone():
    assert sorted(set(POLICY) - {one.name for one in ADDRESSES} - {one.space for one in ADDRESSES}) == []


def closed(policy: str) -> list[Address]:
    # Addresses with a regular expression in them cannot be filled in by `sample`; there is one, behind the admin.
    return [one for one in ADDRESSES if one.policy == policy and "(" not in one.path]


def is_shut(answer) -> bool:
    """Sent to the door, or told that there is nothing for this visitor."""
    if answer.status_code == 302:
        return "/login/" in answer["Location"] or "/reauthenticate/" in answer["Location"]
    return answer.status_code in {401, 403, 404}


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["get", "post"])
def test_strangers_find_doors_shut(method):
    client = Client()
    for one in closed(MEMBER) + closed(STAFF):
        answer = getattr(client, method)(one.path)
        assert is_shut(answer) or answer.status_code == 405, f"{method} {one.path}: {answer.status_code}"


@pytest.mark.parametrize("method", ["get", "post"])
def test_members_do_not_get_behind_the_counter(method, alice):
    client = Client()
    client.force_login(alice)
    for one in closed(STAFF):
        answer = getattr(client, method)(one.path)
        assert is_shut(answer), f"{method} {one.path}: {answer.status_code}"
