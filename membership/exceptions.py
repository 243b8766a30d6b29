from typing import Any

from django.utils.translation import gettext_lazy as _

from common.exceptions import BadInput, Conflict


class RulesRefused(BadInput):
    """A rule set that cannot be stored or published; `problems` are (path, message) pairs."""

    code = "rules_refused"
    message = _("规则有误，请先修正")

    def __init__(self, problems: list[tuple[str, Any]]) -> None:
        self.problems = problems
        super().__init__()

    def __str__(self) -> str:
        return "\n".join(f"{path}: {message}" if path else str(message) for path, message in self.problems)


class NotADraft(Conflict):
    code = "not_a_draft"
    message = _("已发布的版本不能更改，请复制为新草稿")


class AlreadyRunning(Conflict):
    code = "already_running"
    message = _("另一个重新评定正在进行")
