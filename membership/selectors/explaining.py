"""Why a member stands where they stand: every fact with what it counts for, every decision with its reasons, as lines.

Reads the whole ledger of one member; for people who answer questions, not for pages.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal

from django.utils.translation import gettext as _

from common.clock import SHANGHAI, day_of
from common.texts import listed
from membership.engine.facts import Fact, History, Net
from membership.engine.tally import CAPPED, GRANTED
from membership.models import Bucket, MemberTier, Override
from membership.rules.catalogue import METRICS, Kind
from membership.rules.describe import exclusion_name
from membership.rules.evaluate import LeafTrace, leaf_traces
from membership.rules.render import finding_text, value_text
from membership.selectors.books import load_history
from membership.selectors.decisions import decision_text
from membership.selectors.evaluations import evaluation_traces
from membership.selectors.rules import Published, published_versions
from membership.selectors.standing import stored_todo

NAMES = {"dispute": "disputes_upheld"}


def explanation(member: MemberTier) -> Iterator[str]:
    """The lines of the explanation: standing, conditions, facts, what caps and bundles made of them, decisions."""
    versions = {version.pk: version for version in published_versions(member.program_id)}
    version = versions[member.version_id]
    yield from _standing(member, version)
    yield from _conditions(member, version)
    yield from _overrides(member, version)
    yield from _facts(load_history(member.pk))
    yield from derived_lines(member)
    yield from _decisions(member, versions)


def _standing(member: MemberTier, version: Published) -> Iterator[str]:
    yield _("会员 %(user)s，%(program)s") % {"user": member.user, "program": member.program}
    yield _("等级：%(tier)s（序号 %(rank)s），自 %(since)s，%(stage)s") % {
        "tier": _tier(version, member.rank),
        "rank": member.rank,
        "since": _time(member.since),
        "stage": member.get_stage_display(),
    }
    if member.grace_until is not None:
        yield _("宽限至 %(until)s") % {"until": _time(member.grace_until)}
    by_rules = member.state.get("rank", member.rank)
    if by_rules != member.rank:
        yield _("仅按规则为%(tier)s，由等级调整改变") % {"tier": _tier(version, by_rules)}
    yield _("评定于 %(at)s，规则自 %(since)s 生效") % {
        "at": _time(member.evaluated_at),
        "since": _time(version.effective_from),
    }
    if member.next_check_at is not None:
        yield _("下次检查：%(at)s") % {"at": _time(member.next_check_at)}
    todo = stored_todo(member)
    if todo:
        yield _("距下一级：%(todo)s") % {"todo": todo}


def _conditions(member: MemberTier, version: Published) -> Iterator[str]:
    yield ""
    yield _("条件（截至 %(day)s）") % {"day": member.evaluation["day"]}
    tiers, jumps = evaluation_traces(member)
    for trace in tiers:
        yield f"  {_mark(trace.passed)} {_tier(version, trace.rank)}"
        yield from _leaves(_("进入"), leaf_traces(trace.enter) if trace.enter is not None else ())
        yield from _leaves(_("门槛"), (leaf for gate in trace.gates for leaf in leaf_traces(gate)))
        yield from _leaves(_("保级"), leaf_traces(trace.keep) if trace.keep is not None else ())
    for jump in jumps:
        used = _("已使用") if jump.used else _("未使用")
        yield f"  {_mark(jump.when.passed)} " + _("跳级 %(id)s（%(used)s）") % {"id": jump.id, "used": used}
        yield from _leaves(_("条件"), leaf_traces(jump.when))


def _leaves(part: str, leaves: Iterable[LeafTrace]) -> Iterator[str]:
    for leaf in leaves:
        yield f"      {_mark(leaf.passed)} {part}：{finding_text(leaf)}"
        if leaf.formula is not None:
            yield "        " + _("动态门槛 %(name)s：%(base)s × %(factor)s，停留 %(stay)s 天，平均 %(mean)s 天") % {
                "name": leaf.formula["name"],
                "base": leaf.formula["base"],
                "factor": leaf.formula["factor"],
                "stay": leaf.formula["stay_days"],
                "mean": leaf.formula["mean_stay_days"],
            }


def _overrides(member: MemberTier, version: Published) -> Iterator[str]:
    rows = list(Override.objects.filter(member=member).select_related("proposer", "decider").order_by("id"))
    if rows:
        yield ""
        yield _("等级调整")
    for row in rows:
        people = listed(str(person) for person in (row.proposer, row.decider) if person is not None)
        times = f"{_time(row.starts_at) if row.starts_at else '–'} → {_time(row.ended_at or row.expires_at)}"
        kind = f"{row.get_kind_display()} {_tier(version, row.rank)}"
        yield "  " + "，".join(filter(None, [kind, row.get_status_display(), times, row.reason, people]))


def _facts(history: History) -> Iterator[str]:
    yield ""
    yield _("活动（%(count)s 条）") % {"count": len(history.facts)}
    for fact in sorted(history.facts.values(), key=lambda fact: fact.key):
        yield f"  {_time(fact.at)}  {fact.ref}  {_what(fact)}  {fact_counts(fact, history)}"


def _what(fact: Fact) -> str:
    figure = fact_figure(fact, fact.amount, fact.quantity)
    return " ".join(filter(None, [fact_label(fact), figure, fact.category, fact.subject]))


def fact_label(fact: Fact) -> str:
    metric = METRICS.get(NAMES.get(fact.metric, fact.metric))
    return str(metric.label) if metric is not None else fact.metric


def fact_figure(fact: Fact, amount: Decimal, quantity: int) -> str:
    metric = METRICS.get(fact.metric)
    if metric is None:
        return str(amount or quantity or "")
    if metric.kind is Kind.FLAG:
        return value_text(bool(fact.value), metric)
    if metric.kind is Kind.SCORE:
        return value_text(Decimal(fact.value or 0), metric)
    return value_text(amount if metric.kind is Kind.MONEY else Decimal(quantity), metric)


def fact_counts(fact: Fact, history: History) -> str:
    if fact.reverses:
        return _("冲销 %(ref)s") % {"ref": fact.reverses}
    reason = history.marks.get(fact.ref) or fact.reason
    if reason:
        return _("不计入：%(reason)s") % {"reason": exclusion_name(reason)}
    net: Net | None = history.net(fact.ref)
    if net is None:
        return _("不计入：已全部冲销")
    if (net.amount, net.quantity) != (fact.amount, fact.quantity):
        return _("计入 %(figure)s，其余已冲销") % {"figure": fact_figure(fact, net.amount, net.quantity)}
    return _("计入")


def derived_lines(member: MemberTier) -> Iterator[str]:
    """Where multipliers and caps count otherwise than earned, and what bundles granted."""
    rows = Bucket.objects.filter(member=member, metric__in=CAPPED).order_by("day", "metric", "category")
    lines = []
    for row in rows:
        metric = METRICS[row.metric]
        counted = value_text(Decimal(row.quantity), metric)
        if row.category.startswith(GRANTED) and row.quantity:
            what = {"label": metric.label, "figure": counted, "id": row.category.removeprefix(GRANTED)}
            lines.append(f"  {row.day}  " + _("%(label)s %(figure)s：完成任务包 %(id)s") % what)
        elif not row.category and row.quantity != row.earned:
            what = {"label": metric.label, "earned": value_text(Decimal(row.earned), metric), "counted": counted}
            lines.append(f"  {row.day}  " + _("%(label)s获得 %(earned)s，按倍数与上限计 %(counted)s") % what)
    if lines:
        yield ""
        yield _("倍数、上限与任务包")
        yield from lines


def _decisions(member: MemberTier, versions: dict[int, Published]) -> Iterator[str]:
    rows = list(member.decisions.order_by("id"))
    yield ""
    yield _("等级变更（%(count)s 次）") % {"count": len(rows)}
    for row in rows:
        told = decision_text(row, versions[row.version_id])
        late = "" if row.day == day_of(row.at) else _("，按 %(day)s 的数据") % {"day": row.day}
        ref = f"，{row.activity_ref}" if row.activity_ref else ""
        yield f"  {_time(row.at)}  {row.cause}  {told.title}{ref}{late}"
        for reason in told.reasons:
            yield f"      {reason}"


def _tier(version: Published, rank: int) -> str:
    return str(version.tiers.get(rank) or rank)


def _time(at) -> str:
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"


def _mark(passed: bool) -> str:
    return "✓" if passed else "✗"
