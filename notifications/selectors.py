from django.db.models import QuerySet

from accounts.models import User
from notifications.models import Message
from notifications.texts import Text, text_of


def inbox(user: User) -> QuerySet[Message]:
    return Message.objects.filter(user=user).order_by("-pk")


def unread_count(user: User, *, limit: int = 100) -> int:
    """How many messages are unread, counted no further than `limit`."""
    return Message.objects.filter(user=user, read_at=None)[:limit].count()


def words(message: Message) -> Text:
    return text_of(message.kind, message.params)
