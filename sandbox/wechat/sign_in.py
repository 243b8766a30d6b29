"""The silent sign-in of an official account (snsapi_base): the browser gets a code at once, the shop an openid for it, once."""

import secrets
import threading
from http import HTTPStatus
from urllib.parse import urlsplit

from sandbox.tongue import Refused, as_address, with_query
from sandbox.web import BadRequest, Request, Response, as_json, page, redirect

MOST_CODES = 1000


class SignIn:
    def __init__(self, app_id: str, secret: str):
        self.app_id = app_id
        self.secret = secret
        # One person pays here.
        self.openid = "oSandboxPayer0001"
        self._codes: dict[str, str] = {}
        self._lock = threading.Lock()

    def knows(self, openid: object) -> bool:
        return openid == self.openid

    def answer(self, request: Request) -> Response:
        try:
            asked = request.form()
        except BadRequest as error:
            return page(str(error), HTTPStatus.BAD_REQUEST)
        if request.path.startswith("/connect/"):
            return self._authorize(asked)
        return as_json(self._exchange(asked))

    def _authorize(self, asked: dict[str, str]) -> Response:
        wanted = {"appid": self.app_id, "response_type": "code", "scope": "snsapi_base"}
        state = asked.get("state", "")
        if any(asked.get(name) != value for name, value in wanted.items()):
            return page("Scope 参数错误或没有 Scope 权限", HTTPStatus.BAD_REQUEST)
        if not state.isalnum() or not state.isascii() or len(state) > 128:
            return page("state 参数错误", HTTPStatus.BAD_REQUEST)
        try:
            back = as_address(asked.get("redirect_uri", ""), "redirect_uri")
        except Refused:
            return page("redirect_uri 参数错误", HTTPStatus.BAD_REQUEST)
        if urlsplit(back).fragment:
            return page("redirect_uri 参数错误", HTTPStatus.BAD_REQUEST)
        code = secrets.token_hex(16)
        with self._lock:
            while len(self._codes) >= MOST_CODES:
                self._codes.pop(next(iter(self._codes)))
            self._codes[code] = self.openid
        return redirect(with_query(back, {"code": code, "state": state}))

    def _exchange(self, asked: dict[str, str]) -> dict:
        if asked.get("appid") != self.app_id or asked.get("secret") != self.secret:
            return {"errcode": 40125, "errmsg": "invalid appsecret"}
        with self._lock:
            openid = self._codes.pop(asked.get("code", ""), None)
        if openid is None:
            return {"errcode": 40163, "errmsg": "code been used"}
        return {
            "access_token": secrets.token_hex(32),
            "expires_in": 7200,
            "refresh_token": secrets.token_hex(32),
            "openid": openid,
            "scope": "snsapi_base",
        }
