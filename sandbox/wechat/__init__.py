"""微信支付 v3: native, h5 and jsapi, query, close, refund, certificates, and the silent sign-in of an official account."""

from sandbox.wechat.keys import wechat_keys
from sandbox.wechat.tongue import WechatTongue

__all__ = ["WechatTongue", "wechat_keys"]
