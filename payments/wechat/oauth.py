"""Who pays inside WeChat's own browser: an openid, by the silent sign-in of an official account (scope snsapi_base).

The browser is sent to WeChat, which sends it back with a code; the code is exchanged once, on our side, for the openid.
Source: developers.weixin.qq.com, web page authorization of official accounts.
"""

import re
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlencode

from payments.providers import PayerUnknown
from payments.replies import Unreadable, read_object
from payments.transport import Ask, Exchange, NoAnswer

OPEN, API = "https://open.weixin.qq.com", "https://api.weixin.qq.com"
CODE = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
OPENID = re.compile(r"[A-Za-z0-9_-]{6,128}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class OfficialAccount:
    """`base` stands for both of WeChat's hosts where something else plays them; "" for the real ones."""

    app_id: str
    secret: str = field(repr=False)
    base: str = ""

    def sign_in_url(self, *, return_to: str, state: str) -> str:
        """Where the browser is sent; `state` (letters and digits, at most 128) comes back with the code."""
        asked = {
            "appid": self.app_id,
            "redirect_uri": return_to,
            "response_type": "code",
            "scope": "snsapi_base",
            "state": state,
        }
        # WeChat wants these in this order, and the fragment.
        return f"{(self.base or OPEN).rstrip('/')}/connect/oauth2/authorize?{urlencode(asked)}#wechat_redirect"

    def openid(self, code: str, exchange: Exchange) -> str:
        """The openid behind a code, which works once. Network. Raises PayerUnknown."""
        if not CODE.fullmatch(code):
            raise PayerUnknown("code")
        asked = {"appid": self.app_id, "secret": self.secret, "code": code, "grant_type": "authorization_code"}
        address = f"{(self.base or API).rstrip('/')}/sns/oauth2/access_token?{urlencode(asked)}"
        try:
            answer = exchange(Ask("GET", address))
            reply = read_object(answer.body)
        except (NoAnswer, Unreadable) as error:
            raise PayerUnknown(str(error)) from None
        openid = reply.get("openid")
        if answer.status != HTTPStatus.OK or not isinstance(openid, str) or not OPENID.fullmatch(openid):
            raise PayerUnknown(f"errcode {str(reply.get('errcode', answer.status))[:20]}")
        return openid
