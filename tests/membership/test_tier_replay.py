"""`manage.py tier_replay`: its form, its errors, and that the order of lines says nothing."""

import io
import json
import random

import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.membership.scenarios import (
    at,
    event,
    exactly,
    ladder,
    least,
    order,
    path,
    plus,
    replayed,
    standing,
    taken_back,
)

DAY = "2026-03-02"
SAMPLE = {
    "schema": 1,
    "timezone": "Asia/Shanghai",
    "counts": "delivered",
    "weights": {"cat_v3": {"default": "1", "game_card": "1.5", "phone_credit": "1.2"}},
    "exclude": [
        {"reason": "points_paid", "part": "points_paid"},
        {"reason": "gift_cards", "category": "gift_card"},
    ],
    "bundles": [{"id": "weekly", "window": "week", "needs": {"checkin": 5, "review": 3}, "grants": {"activity": 50}}],
    "caps": [{"m": "activity", "per": "day", "max": 30}],
    "multipliers": [{"m": "activity", "factor": "2", "from": "2026-05-01", "to": "2026-05-31"}],
    "dynamic": {"stall_v1": {"factor": "0.8", "rising_days": 14}},
    "jumps": [
        {
            "id": "ambassador",
            "up": 2,
            "when": {"all": [least("invitee_active", "life", 10), least("invitee_spend", "life", "2000.00")]},
        }
    ],
    "tiers": [
        {"rank": 0, "name": "普通会员"},
        {
            "rank": 1,
            "name": "白银",
            "enter": {
                "any": [
                    least("spend", "life", "500.00", w="cat_v3"),
                    least("activity", "life", 1000, dyn="stall_v1"),
                ]
            },
        },
        {
            "rank": 2,
            "name": "黄金",
            "enter": {"all": [least("spend", "30d", "1000.00"), least("activity", "life", 800)]},
            "keep": {"scale": "0.9"},
            "gates": [{"m": "disputes_upheld", "win": "90d", "op": "==", "v": 0}],
            "min_stay_days": 14,
            "grace_days": 14,
            "down": "one",
        },
    ],
}


@pytest.fixture
def run(tmp_path):
    """run(rules, lines) → (decisions, standard error); lines are dicts or raw text."""

    def run(rules, lines, *options):
        files = tmp_path / "rules.json", tmp_path / "events.jsonl"
        files[0].write_text(rules if isinstance(rules, str) else json.dumps(rules), "utf-8")
        text = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
        files[1].write_bytes(b"\n".join(text))
        out, err = io.StringIO(), io.StringIO()
        call_command("tier_replay", *map(str, files), *options, stdout=out, stderr=err)
        return [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()

    return run


def test_a_decision_is_printed_in_the_documented_form(run):
    rules = ladder(least("spend", "life", "500.00"), least("spend", "30d", "5000.00"))
    lines = [
        {"ref": "a", "member": "m1", "metric": "order", "at": "2026-03-01T10:00:00+08:00", "amount": "200.00"},
        {"ref": "b", "member": "m1", "metric": "order", "at": "2026-03-02T02:00:00Z", "amount": "312.00"},
    ]
    decisions, _ = run(rules, lines)
    assert list(decisions[1]) == ["member", "at", "from", "to", "stage", "cause", "ref", "gap", "trace"]
    assert decisions[1] == {
        "member": "m1",
        "at": "2026-03-02T10:00:00+08:00",
        "from": 0,
        "to": 1,
        "stage": "active",
        "cause": "enter",
        "ref": "b",
        "gap": {"spend:30d": "4488.00"},
        "trace": [
            {
                "m": "spend", "win": "life", "op": ">=", "v": "500.00", "effective": "500.00", "value": "512.00",
                "pass": True,
            }
        ],
    }  # fmt: skip
    assert (decisions[0]["from"], decisions[0]["to"], decisions[0]["cause"]) == (None, 0, "default")
    assert decisions[0]["gap"] == {"spend:life": "300.00"}


def test_members_come_by_time_and_then_by_name(run):
    rules = ladder(least("spend", "life", "1.00"))
    lines = [order("1.00", at(DAY), name) for name in ("zoe", "adam", "mia")] + [
        order("1.00", at(plus(DAY, -1)), "zoe")
    ]
    decisions, _ = run(rules, lines)
    assert [(one["at"][:10], one["member"], one["cause"]) for one in decisions] == [
        (plus(DAY, -1), "zoe", "default"),
        (plus(DAY, -1), "zoe", "enter"),
        (DAY, "adam", "default"),
        (DAY, "adam", "enter"),
        (DAY, "mia", "default"),
        (DAY, "mia", "enter"),
    ]


def test_time_passes_up_to_the_last_line_or_as_of(run):
    rules = ladder({"enter": least("spend", "30d", "100.00"), "keep": {"scale": "0.9"}})
    lines = [order("100.00", at(DAY))]
    assert [one["cause"] for one in run(rules, lines)[0]] == ["default", "enter"]
    until = run(rules, lines, "--as-of", f"{plus(DAY, 30)}T00:00:00+08:00")[0]
    assert [(one["cause"], one["at"], one["ref"]) for one in until][2:] == [
        ("warn", at(plus(DAY, 30), "00:00:00"), None)
    ]
    later = run(rules, lines, "--as-of", plus(DAY, 60))[0]
    assert [one["cause"] for one in later] == ["default", "enter", "warn", "grace", "down"]
    # A day ends before the midnight after it: what that midnight brings, and what happens at it, is of the next day.
    assert [one["cause"] for one in run(rules, lines, "--as-of", plus(DAY, 29))[0]] == ["default", "enter"]
    assert run(rules, [order("100.00", at(DAY, "00:00:00"))], "--as-of", plus(DAY, -1)) == ([], "")


BAD = [
    b"not json",
    b"[1]",
    b'"text"',
    b"\xff\xfe{}",
    b'{"ref": "x"}',
    {"member": "m1", "metric": "checkin", "at": at(DAY)},
    {"ref": "", "member": "m1", "metric": "checkin", "at": at(DAY)},
    {"ref": 5, "member": "m1", "metric": "checkin", "at": at(DAY)},
    event("checkin", "2026-03-02T10:00:00"),
    event("checkin", "yesterday"),
    event("checkin", "9999-12-31T23:59:59+08:00"),
    event("karma", at(DAY), qty=1),
    event("streak", at(DAY), qty=1),
    event("order", at(DAY)),
    order("1.005", at(DAY)),
    order("-5.00", at(DAY)),
    order("１.00", at(DAY)),
    event("order", at(DAY), amount=1.5),
    b'{"ref": "n", "member": "m1", "metric": "spend", "at": "2026-03-02T10:00:00+08:00", "amount": NaN}',
    order("10.00", at(DAY), points_paid="10.01"),
    event("spend", at(DAY), amount="10.00", points_paid="10.01"),
    event("activity", at(DAY), points=-5),
    event("activity", at(DAY), points=True),
    event("activity", at(DAY), points="5"),
    event("checkin", at(DAY), qty=0),
    event("realname", at(DAY), value="yes"),
    event("credit", at(DAY), value=101),
    event("dispute", at(DAY), order="o-1"),
    event("dispute", at(DAY), order="o-1", upheld="yes"),
    event("override", at(DAY), kind="boost", rank=1, until=at(plus(DAY, 1))),
    event("override", at(DAY), kind="pin", rank=7, until=at(plus(DAY, 1))),
    event("override", at(DAY), kind="pin", rank=1, until=at(plus(DAY, -1))),
    event("checkin", at(DAY), inviter="m1"),
    b"[" * 100_000,
    b"null",
    b"\x00\x00",
    '{"ref": "钻", "member": "m1", "metric": "checkin", "at": "2026-03-02T10:00:00+08:00"}'.encode("gbk"),
    event("checkin", at(DAY), "m\ud800"),
    event("checkin", at(DAY), "m\0"),
    event("checkin", at(DAY), "m1\nm2"),
    event("checkin", "0001-01-01T00:00:00+14:00"),
    event("checkin", "2026-02-30T10:00:00+08:00"),
    event("checkin", "2026-03-02"),
    event("checkin", 20260302),
    order("1E+500000", at(DAY)),
    order("1_000.00", at(DAY)),
    order(" 1.00", at(DAY)),
    order("1.00\n", at(DAY)),
    order("-0.00", at(DAY)),
    order("1000000000000.00", at(DAY)),
    order(True, at(DAY)),
    b'{"ref": "n", "member": "m1", "metric": "spend", "at": "2026-03-02T10:00:00+08:00", "amount": Infinity}',
    b'{"ref": "n", "member": "m1", "metric": "spend", "at": "2026-03-02T10:00:00+08:00", "amount": 1e500}',
    b'{"ref": "n", "member": "m1", "metric": "activity", "at": "2026-03-02T10:00:00+08:00", "points": '
    + b"9" * 5000
    + b"}",
    event("activity", at(DAY), points=1_000_000_001),
    event("order", at(DAY), reverses="x", amount="0.00"),
    event("order", at(DAY), reverses="x", amount="-1.00"),
    event("order", at(DAY), reverses=5),
]


@pytest.mark.parametrize("line", BAD, ids=lambda line: ascii(line)[:80])
def test_a_bad_line_is_told_with_its_number_and_skipped_or_stops_the_run(run, line):
    rules = ladder(least("spend", "life", "1.00"))
    good = order("1.00", at(DAY))
    decisions, told = run(rules, [good, line])
    assert [one["cause"] for one in decisions] == ["default", "enter"]
    assert "第 2 行" in told and "Traceback" not in told
    with pytest.raises(CommandError, match="第 2 行") as stopped:
        run(rules, [good, line], "--strict")
    assert stopped.value.returncode == 2


def test_blank_lines_and_a_byte_order_mark_are_no_lines(run):
    line = json.dumps(order("1.00", at(DAY))).encode()
    decisions, told = run(ladder(least("spend", "life", "1.00")), [b"\xef\xbb\xbf" + line, b"", b"  "], "--strict")
    assert (len(decisions), told) == (2, "")
    assert run(ladder(least("spend", "life", "1.00")), []) == ([], "")


@pytest.mark.parametrize("rules", ["{", "[]", '{"tiers": []}', '{"tiers": [{"rank": 0}]}'])
def test_bad_rules_are_refused(run, rules):
    with pytest.raises(CommandError, match="规则"):
        run(rules, [])


def test_a_missing_file_and_a_bad_time_are_refused(run, tmp_path):
    with pytest.raises(CommandError, match="无法读取"):
        call_command("tier_replay", str(tmp_path / "none"), str(tmp_path / "none"))
    with pytest.raises(CommandError, match="--as-of"):
        run(ladder(least("spend", "life", "1.00")), [], "--as-of", "soon")


@pytest.mark.parametrize(
    "moment", ["", "2026-03-02T10:00:00", "0000-00-00", "2026-02-30", "9999-12-31", "nan", "２０２６-03-02"]
)
def test_a_time_that_is_none_is_refused(run, moment):
    with pytest.raises(CommandError, match="--as-of"):
        run(ladder(least("spend", "life", "1.00")), [order("1.00", at(DAY))], "--as-of", moment)


def test_what_is_taken_back_before_it_is_known_never_counts(run):
    bought = order("5.00", at(plus(DAY, 2)))
    decisions, _ = run(ladder(least("spend", "life", "1.00")), [bought, taken_back(bought, at(DAY))], "--strict")
    assert path(decisions) == [("default", 0, DAY)]


def test_more_than_is_left_cannot_be_taken_back(run):
    rules = ladder(least("spend", "life", "1.00"), least("spend", "life", "100.00"))
    bought, other = order("100.00", at(DAY)), order("50.00", at(DAY, "11:00:00"))
    back = [taken_back(bought, at(plus(DAY, day)), amount="80.00") for day in (1, 2, 3)]
    decisions, _ = run(rules, [bought, other, *back], "--strict")
    # 150, then 70, then the 50 of the other order, from which nothing is taken.
    assert path(decisions) == [
        ("default", 0, DAY), ("enter", 2, DAY), ("reversal", 1, plus(DAY, 1)),
    ]  # fmt: skip


def test_lines_that_take_back_themselves_or_each_other_change_nothing(run):
    rules = ladder(least("spend", "life", "1.00"))
    itself = event("order", at(DAY), ref="a", reverses="a")
    circle = [event("order", at(DAY), ref="b", reverses="c"), event("order", at(DAY), ref="c", reverses="b")]
    decisions, _ = run(rules, [order("1.00", at(DAY)), itself, *circle], "--strict")
    assert [one["cause"] for one in decisions] == ["default", "enter"]


def test_a_reference_counts_once_whoever_names_it(run):
    rules = ladder(least("spend", "life", "1.00"), least("spend", "life", "2.00"))
    first = order("1.00", at(DAY))
    decisions, told = run(rules, [first, {**first, "amount": "2.00"}, {**first, "member": "m2"}], "--strict")
    assert [(one["member"], one["to"]) for one in decisions] == [("m1", 0), ("m1", 1)]
    assert told == ""


def test_what_takes_back_nothing_changes_nothing_and_is_told(run):
    rules = ladder(least("spend", "life", "1.00"))
    bought = order("1.00", at(DAY))
    stray = event("order", at(plus(DAY, 1)), reverses="unknown")
    decisions, told = run(rules, [bought, stray], "--strict")
    assert [(one["member"], one["cause"]) for one in decisions] == [("m1", "default"), ("m1", "enter")]
    assert "第 2 行" in told and "unknown" in told


def test_nobody_takes_back_what_another_did(run):
    rules = ladder(least("spend", "life", "1.00"))
    lines = [order("1.00", at(DAY), ref="theirs"), event("order", at(plus(DAY, 1)), "m2", reverses="theirs")]
    decisions, told = run(rules, lines)
    assert [(one["member"], one["cause"]) for one in decisions] == [("m1", "default"), ("m1", "enter")]
    assert "第 2 行" in told
    with pytest.raises(CommandError) as refused:
        run(rules, lines, "--strict")
    assert refused.value.returncode == 2


def test_settlement_that_no_line_tells_is_told(run):
    rules = ladder(least("spend", "life", "1.00")) | {"counts": "settled"}
    _, told = run(rules, [order("1.00", at(DAY))])
    assert "结算" in told


def test_an_override_that_is_taken_back_never_was(run):
    floor = event("override", at(DAY), kind="floor", rank=1, until=at(plus(DAY, 30)))
    decisions, _ = run(ladder(least("spend", "life", "1.00")), [floor, taken_back(floor, at(plus(DAY, 3)))])
    assert path(decisions) == [("default", 0, DAY), ("override", 1, DAY), ("reversal", 0, plus(DAY, 3))]


def test_pins_beat_floors_and_ceilings_limit(run):
    rules = ladder(*(least("spend", "life", f"{number}.00") for number in (1, 2, 3)))
    lines = [
        order("3.00", at(DAY)),
        event("override", at(plus(DAY, 1)), kind="ceiling", rank=2, until=at(plus(DAY, 9))),
        event("override", at(plus(DAY, 2)), kind="pin", rank=1, until=at(plus(DAY, 5))),
        event("override", at(plus(DAY, 3)), kind="floor", rank=3, until=at(plus(DAY, 20))),
    ]
    decisions, _ = run(rules, lines, "--as-of", plus(DAY, 30))
    assert [(one["cause"], one["to"]) for one in decisions] == [
        ("default", 0), ("enter", 3), ("override", 2), ("override", 1), ("override_expired", 2), ("override_expired", 3),
    ]  # fmt: skip


def history(seed: int) -> list[dict]:
    chance = random.Random(seed)
    lines: list[dict] = []
    for _ in range(chance.randint(5, 40)):
        when = at(plus(DAY, chance.randint(0, 120)), f"{chance.randint(0, 23):02}:00:00")
        member = f"m{chance.randint(1, 3)}"
        kind = chance.choice(
            ["order", "order", "activity", "checkin", "review", "dispute", "realname", "taken", "override"]
        )
        if kind == "taken" and lines:
            back = chance.choice(lines)
            part = {"amount": "5.00"} if back["metric"] == "order" and chance.random() < 0.5 else {}
            lines.append(taken_back(back, when, **part))
        elif kind == "order":
            lines.append(
                order(
                    f"{chance.randint(1, 800)}.00",
                    when,
                    member,
                    category=chance.choice(["game_card", "gift_card", "x"]),
                )
            )
        elif kind == "activity":
            lines.append(event("activity", when, member, points=chance.randint(1, 400)))
        elif kind == "dispute":
            lines.append(event("dispute", when, member, order="o", upheld=chance.random() < 0.7))
        elif kind == "realname":
            lines.append(event("realname", when, member, value=chance.random() < 0.7))
        elif kind == "override":
            until = at(plus(when[:10], chance.randint(1, 40)))
            lines.append(
                event("override", when, member, kind=chance.choice(["pin", "floor", "ceiling"]), rank=1, until=until)
            )
        elif kind != "taken":
            lines.append(event(kind, when, member, qty=chance.randint(1, 3)))
    return lines


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_the_order_of_lines_and_repeated_lines_say_nothing(seed):
    lines = history(seed)
    end = at(plus(DAY, 200))
    expected = replayed(SAMPLE, lines, end)
    shuffled = [*lines, *lines[::3]]
    random.Random(seed).shuffle(shuffled)
    assert replayed(SAMPLE, shuffled, end) == expected


@settings(max_examples=60)
@given(st.integers(0, 10**6))
def test_decisions_join_up_and_every_line_down_goes_one_level(seed):
    decisions = replayed(SAMPLE, history(seed), at(plus(DAY, 200)))
    for member in ("m1", "m2", "m3"):
        mine = [one for one in decisions if one["member"] == member]
        assert [one["cause"] for one in mine].count("default") == bool(mine)
        for before, after in zip(mine, mine[1:], strict=False):
            assert after["from"] == before["to"]
            assert after["at"] >= before["at"]
            if after["cause"] == "down":
                assert after["to"] == after["from"] - 1
    assert standing(decisions) in (None, 0, 1, 2)


def leaves_of(decision: dict) -> list[tuple]:
    return [(leaf["m"], leaf["v"], leaf["pass"]) for leaf in decision["trace"]]


def test_a_reversal_over_several_tiers_says_why_none_of_them_holds():
    rules = ladder(*(least("spend", "life", f"{number}00.00") for number in (1, 2, 3)))
    small, large = order("50.00", at(DAY)), order("260.00", at(DAY, "11:00:00"))
    decisions = replayed(rules, [small, large, taken_back(large, at(plus(DAY, 1)))])
    assert (decisions[-1]["cause"], decisions[-1]["from"], decisions[-1]["to"]) == ("reversal", 3, 0)
    assert leaves_of(decisions[-1]) == [
        ("spend", "300.00", False), ("spend", "200.00", False), ("spend", "100.00", False),
    ]  # fmt: skip


def test_a_gate_that_drops_over_several_tiers_says_which_gates_fail():
    calm, verified = exactly("disputes_upheld", "90d", 0), exactly("realname", "now", True)
    rules = ladder(
        least("spend", "life", "1.00"),
        {"enter": least("spend", "life", "2.00"), "gates": [calm]},
        {"enter": least("spend", "life", "3.00"), "gates": [calm, verified]},
    )
    lines = [
        event("realname", at(DAY, "09:00:00"), value=True),
        order("3.00", at(DAY)),
        event("dispute", at(plus(DAY, 1)), order="o", upheld=True),
    ]
    gate = replayed(rules, lines)[-1]
    assert (gate["cause"], gate["from"], gate["to"]) == ("gate", 3, 1)
    assert leaves_of(gate) == [("disputes_upheld", 0, False), ("realname", True, True), ("disputes_upheld", 0, False)]


def test_a_step_down_past_a_tier_whose_gate_fails_says_so():
    rules = ladder(
        least("spend", "life", "1.00"),
        {"enter": least("spend", "life", "2.00"), "gates": [exactly("disputes_upheld", "90d", 0)]},
        {"enter": least("spend", "30d", "3.00")},
    )
    lines = [order("3.00", at(DAY)), event("dispute", at(plus(DAY, 1)), order="o", upheld=True)]
    down = replayed(rules, lines, at(plus(DAY, 60)))[-1]
    assert (down["cause"], down["from"], down["to"]) == ("down", 3, 1)
    assert leaves_of(down) == [("spend", "2.70", False), ("disputes_upheld", 0, False)]


def test_an_override_that_ends_says_why_the_tiers_above_are_not_reached():
    rules = ladder(*(least("spend", "life", f"{number}00.00") for number in (1, 2)))
    pin = event("override", at(DAY), kind="pin", rank=2, until=at(plus(DAY, 3)))
    over = replayed(rules, [pin, order("50.00", at(plus(DAY, 1)))], at(plus(DAY, 4)))[-1]
    assert (over["cause"], over["from"], over["to"]) == ("override_expired", 2, 0)
    assert leaves_of(over) == [("spend", "200.00", False), ("spend", "100.00", False)]
    assert over["gap"] == {"spend:life": "50.00"}


@pytest.mark.parametrize(
    ("amounts", "decider"),
    [(("100.00", "1.00"), "a"), (("1.00", "100.00"), "b"), (("50.00", "50.00"), "b")],
)
def test_of_orders_of_one_moment_the_one_that_reached_the_tier_is_named(amounts, decider):
    rules = ladder(least("spend", "life", "100.00"))
    lines = [order(amount, at(DAY), ref=ref) for ref, amount in zip("ab", amounts, strict=True)]
    quiet = event("checkin", at(DAY), ref="z")
    decisions = replayed(rules, [event("checkin", at(plus(DAY, -1))), *lines, quiet])
    assert (decisions[-1]["cause"], decisions[-1]["ref"]) == ("enter", decider)


def test_of_facts_of_one_moment_about_a_friend_the_line_that_decided_is_named():
    rules = ladder(least("invitee_spend", "life", "100.00"))
    lines = [order("100.00", at(DAY), "friend", ref="a", inviter="m1"), event("review", at(DAY), "m1", ref="b")]
    [decided] = [one for one in replayed(rules, lines) if one["cause"] == "enter"]
    assert (decided["member"], decided["ref"]) == ("m1", "a")


@pytest.mark.parametrize("metric", ["order", "spend"])
def test_what_points_paid_of_a_purchase_does_not_count(metric):
    rules = ladder(least("spend", "life", "100.00"))
    paid = event(metric, at(DAY), amount="150.00", points_paid="60.00")
    assert standing(replayed(rules, [paid])) == 0
    assert standing(replayed(rules, [paid, event(metric, at(DAY, "11:00:00"), amount="10.00")])) == 1
    all_by_points = event(metric, at(DAY), amount="150.00", points_paid="150.00")
    assert standing(replayed(rules, [all_by_points])) == 0
