"""What torture counts and calls clean: a race that cannot be lost, a kill that killed nobody, a fuzzer that sent nothing."""

import random
import subprocess
import types

import pytest
from django.db import connection

from common import clock
from events.contracts import StockArrived
from events.models import Delivery, Event
from torture import scene, settling
from torture.faults import api, kills
from torture.races import acts, base, naive
from torture.races.selling import LastKey
from torture.report import Budget, Report


class OneByOne:
    """A crowd whose members never meet."""

    def together(self, wanted):
        return [act(*arguments) for act, arguments in wanted]


class Blind(LastKey):
    def judge(self, made, answers):
        return ""


class Suspicious(LastKey):
    def judge(self, made, answers):
        return "something is always wrong"


class Unguarded(LastKey):
    """Nobody here takes what somebody else could take."""

    def acts(self, made):
        return [(str, (number,)) for number in range(self.width)]

    def judge(self, made, answers):
        return ""


@pytest.mark.django_db
@pytest.mark.damages_books
class TestProof:
    @pytest.fixture(autouse=True)
    def _few_tries(self, monkeypatch):
        monkeypatch.setattr(base, "TRIES", 2)
        monkeypatch.setattr(base, "PAUSE", 0.0)

    @pytest.mark.parametrize(
        ("kind", "said"),
        [
            (Blind, "its judge found nothing wrong with the naive shop in 2 rounds"),
            (LastKey, "its judge found nothing wrong with the naive shop in 2 rounds"),
            (Suspicious, "the naive shop is wrong without a race: something is always wrong"),
            (Unguarded, "one of its acts passes no guard at all"),
        ],
    )
    def test_a_race_that_cannot_be_lost_proves_nothing(self, kind, said):
        assert base.proof(kind(2), OneByOne())[1] == said

    def test_a_crash_is_no_damage(self, monkeypatch):
        monkeypatch.setattr(acts, "claim", lambda *_: 1 / 0)
        assert naive.naively(acts.claim, (), 0.0)[0] == "?ZeroDivisionError: division by zero"

    def test_a_refusal_is_an_answer(self):
        member, goods = scene.member("1.00"), scene.sku("2.00", keys=1)
        answer, taken = naive.naively(acts.buy, (member.pk, goods.pk, "k"), 0.0)
        assert answer == "!InsufficientBalance"
        assert taken > 0

    def test_no_lock_reaches_the_database(self):
        statements = []

        def heard(execute, sql, params, many, context):
            statements.append(sql)
            return execute(sql, params, many, context)

        # Who is entered last stands next to the database.
        with naive.naive_shop(), connection.execute_wrapper(heard):
            scene.order(scene.member("5.00"), scene.sku("1.00", keys=1), wallet=True)
        assert [one for one in statements if "INSERT INTO audit_idempotencyrecord" in one]
        assert not [one for one in statements if "FOR UPDATE" in one or "advisory" in one or "DO NOTHING" in one]


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ('SELECT "id" FROM "t" ORDER BY "id" FOR UPDATE OF "t" SKIP LOCKED', 'SELECT "id" FROM "t" ORDER BY "id"'),
        (
            "WITH p AS (SELECT id FROM t FOR UPDATE ) UPDATE t SET a = 1",
            "WITH p AS (SELECT id FROM t ) UPDATE t SET a = 1",
        ),
        ("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", "SELECT concat(hashtextextended(%s, 0))"),
        (
            'UPDATE "t" SET "state" = %s WHERE ("t"."id" = %s AND "t"."state" = %s)',
            'UPDATE "t" SET "state" = %s WHERE ("t"."id" = %s AND %s IS NOT NULL)',
        ),
        (
            "INSERT INTO t (a, b) VALUES (%s, %s) ON CONFLICT (a) DO NOTHING RETURNING b",
            "INSERT INTO t (a, b) SELECT * FROM (VALUES (%s, %s)) AS wanted (a, b)"
            " WHERE NOT EXISTS (SELECT 1 FROM t there WHERE there.a = wanted.a) RETURNING b",
        ),
        ("SELECT 1 FROM t FOR KEY SHARE", "SELECT 1 FROM t FOR KEY SHARE"),
    ],
)
def test_what_the_database_hears_of_a_naive_shop(said, heard):
    assert naive.without_conditions(naive.without_locks(said)) == heard


class Gateway:
    """One payment was made there."""

    def orders(self):
        return [{"out_trade_no": "P1", "status": 1}, {"out_trade_no": "P2", "status": 0}]


@pytest.mark.django_db
class TestSettling:
    def event(self, **fields) -> Event:
        return Event.objects.create(kind=StockArrived.kind, payload={}, occurred_at=clock.now(), **fields)

    def test_all_is_at_rest(self):
        at = clock.now()
        event = self.event(fanned_out_at=at)
        Delivery.objects.create(event=event, subscriber="x", not_before=at, state=Delivery.State.DONE, done_at=at)
        assert settling.restless() == ""
        assert settling.wait(seconds=0)[1] == ""

    def test_news_that_nobody_has_passed_on(self):
        self.event()
        assert settling.restless() == "1 events untold, "

    @pytest.mark.parametrize("state", [Delivery.State.PENDING, Delivery.State.PARKED])
    def test_news_that_has_not_arrived(self, state):
        event = self.event(fanned_out_at=clock.now())
        Delivery.objects.create(event=event, subscriber="x", not_before=clock.now(), state=state, last_error="down")
        assert settling.wait(seconds=0)[1] == "1 deliveries undone such as [('x', 'down')]"

    def test_money_that_was_not_booked(self):
        assert settling.wait(Gateway(), seconds=0)[1] == "not booked: ['P1']"

    def test_what_was_started_again_has_the_whole_time(self, monkeypatch):
        watch = iter([0.0, 50.0, 55.0, 100.0, 116.0]).__next__
        monkeypatch.setattr(settling, "time", types.SimpleNamespace(monotonic=watch, sleep=lambda seconds: None))
        self.event()
        started = iter([True, False])
        took, left = settling.wait(seconds=60.0, meanwhile=lambda: next(started))
        assert (took, left) == (116.0, "1 events untold, ")


class Asked(Budget):
    """So many places are tried, whether somebody dies there or not."""

    def __init__(self, places: int) -> None:
        super().__init__()
        self.places = places

    def more(self) -> bool:
        self.places -= 1
        return self.places >= 0


@pytest.mark.django_db
class TestKills:
    @pytest.fixture
    def killing(self, tmp_path, monkeypatch):
        """Two places: at the first somebody dies, nobody comes by the other one again."""
        self.left = ""
        monkeypatch.setattr(settling, "wait", lambda *_, **__: (0.1, self.left))
        monkeypatch.setattr(settling, "unbooked", lambda gateway: [])
        monkeypatch.setattr(kills, "GRACE", 0.0)
        monkeypatch.setattr(kills, "send", lambda task: None)
        made = types.SimpleNamespace(places=tmp_path, gateway=None, paid=[])
        self.told = Report("kills", Budget())
        return kills.Kills(made, types.SimpleNamespace(steps=0), self.told)

    def die(self, made) -> None:
        (made.places / "kill").rename(made.places / "killed")

    def go_on(self, killing) -> None:
        found = {"orders.paying commit before": self.die, "orders.paying commit after": lambda made: None}
        killing.go_on(found, random.Random(1), Asked(2))

    def test_only_who_died_is_counted(self, killing):
        self.go_on(killing)
        assert self.told.wrong == []
        assert self.told.counts["kills"] == self.told.counts["place: orders.paying commit before"] == 1
        assert self.told.counts["places not passed again"] == 1
        assert "place: orders.paying commit after" not in self.told.counts

    def test_what_has_not_come_to_rest_is_a_violation(self, killing):
        self.left = "1 deliveries undone"
        self.go_on(killing)
        assert "after a kill at orders.paying commit" in self.told.wrong[0]
        assert "1 deliveries undone" in self.told.wrong[0]

    def test_a_story_that_breaks_off_is_a_violation(self, killing):
        def story(made):
            raise TimeoutError("no answer")

        killing.at("here", story, hurried=True)
        assert self.told.wrong == ["killed at here: no answer"]


class TestFuzzing:
    @pytest.mark.parametrize(
        ("events", "code", "wrong"),
        [
            ('{"status_code": 200}\n{"status_code": 404}', 0, ""),
            ("", 0, "sent nothing"),
            ('{"status_code": 200}\n{"status_code": 500}', 0, "1 answers 5xx"),
            ('{"status_code": 200}', 1, "0 answers 5xx"),
        ],
    )
    def test_what_schemathesis_did(self, tmp_path, monkeypatch, events, code, wrong):
        def run(command, **_):
            (tmp_path / "events.ndjson").write_text(events)
            return subprocess.CompletedProcess(command, code, stdout="", stderr="")

        monkeypatch.setattr(api.subprocess, "run", run)
        told = Report("api", Budget(seconds=1))
        api._fuzz("http://shop", tmp_path, 1, told.budget, told)
        assert [wrong in one for one in told.wrong] == ([True] if wrong else [])
        assert told.counts["fuzzed requests"] == events.count("status_code")
