from django.utils.translation import gettext_lazy as _

from common.exceptions import BadInput, Conflict


class KeyReused(Conflict):
    """The same idempotency key came with another request."""

    code = "idempotency_key_reused"
    message = _("刚才已经提交过一次，这次的内容却不同，请核对后再提交")


class AlreadyVerifying(Conflict):
    code = "already_verifying"
    message = _("另一个审计链核对正在进行")


class BadAnchors(BadInput):
    """A line of a file of anchors is none."""

    code = "bad_anchors"
    message = _("锚点文件第 %(number)s 行无法读取")


class SamePerson(Conflict):
    """What needs two people was tried by one."""

    code = "same_person"
    message = _("这一步要由另一名员工来做：一个人不能既申请又复核")


class NotIndependent(SamePerson):
    """Two accounts of which one person may hold both."""

    code = "not_independent"
    message = _(
        "两个账户中的一个由另一个新建或重置过，还不能互相复核：%(days)s 天后、且本人修改过密码后才可以，或请其他员工复核"
    )


class OnlyTheAsker(Conflict):
    """What was granted was granted to one person."""

    code = "only_the_asker"
    message = _("只有申请人本人可以使用")


class NotYetUsable(Conflict):
    """The delay is not over."""

    code = "not_yet_usable"
    message = _("还没有到可用时间：%(when)s")


class ApprovalMoved(Conflict):
    """It was decided, used, cancelled or has lapsed."""

    code = "approval_moved"
    message = _("这项申请的状态已经改变，请刷新页面")
