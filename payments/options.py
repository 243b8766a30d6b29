"""What a channel has to be told beside its address, by protocol: secrets, which are sealed, and settings, which are not."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from payments.alipay.provider import AlipayProduct
from payments.epay.provider import EpayMode
from payments.epay.signing import SignMode
from payments.gateways import MOST_WITHOUT_QUERY, NO_QUERY
from payments.models import Channel
from payments.stripe.provider import YUAN

Protocol = Channel.Provider
Method = Channel.Method


@dataclass(frozen=True)
class Option:
    """One field. `choices` are (value, label); the first is taken where nobody chose. `lines` for keys of many lines, `address`
    for an address that secrets are sent to."""

    name: str
    label: Promise | str
    secret: bool = False
    required: bool = True
    lines: bool = False
    choices: tuple[tuple[str, Promise | str], ...] = ()
    address: bool = False
    help: Promise | str = ""


@dataclass(frozen=True)
class Profile:
    """A protocol as operators meet it. `merchant` is what it calls the merchant's number; "" where it knows none."""

    methods: tuple[str, ...]
    options: tuple[Option, ...]
    merchant: Promise | str
    address: str = ""


_MODE = Option(
    "mode",
    _("下单方式"),
    choices=((EpayMode.API, _("接口下单，页面内展示二维码")), (EpayMode.PAGE, _("跳转到渠道付款"))),
)
_EPAY_METHODS = (Method.ALIPAY, Method.WECHAT, Method.QQ, Method.BANK)

PROFILES: Mapping[str, Profile] = {
    Protocol.EPAY: Profile(
        _EPAY_METHODS,
        (
            Option("key", _("商户密钥"), secret=True),
            _MODE,
            Option(
                "sign_mode",
                _("签名方式"),
                choices=(
                    (SignMode.PLAIN, _("标准：密钥直接附在末尾")),
                    (SignMode.KEY_PARAMETER, _("变体：以 &key= 附加")),
                ),
            ),
            Option(
                "query",
                _("订单查询"),
                choices=(("yes", _("渠道能查询：到账前再核对一次")), (NO_QUERY, _("渠道不能查询：到账由人工确认"))),
                help=format_lazy(_("不能查询的渠道单笔最多 ¥{most}"), most=MOST_WITHOUT_QUERY),
            ),
        ),
        _("商户号"),
    ),
    Protocol.EPAY_V2: Profile(
        _EPAY_METHODS,
        (
            Option("private_key", _("商户私钥"), secret=True, lines=True),
            Option("platform_key", _("平台公钥"), lines=True),
            _MODE,
        ),
        _("商户号"),
    ),
    Protocol.ALIPAY: Profile(
        (Method.ALIPAY,),
        (
            Option("private_key", _("应用私钥"), secret=True, lines=True),
            Option("alipay_public_key", _("支付宝公钥"), lines=True, help=_("是支付宝公钥，不是应用公钥")),
            Option(
                "product",
                _("已签约产品"),
                choices=(
                    (AlipayProduct.CODE_AND_WAP, _("当面付与手机网站支付：电脑扫码，手机网页")),
                    (AlipayProduct.PAGE_AND_WAP, _("电脑网站支付与手机网站支付：都到支付宝网页")),
                    (AlipayProduct.CODE, _("只有当面付：电脑扫码，手机打开支付宝")),
                ),
            ),
            Option("seller_id", _("卖家账号 PID"), help=_("以 2088 开头的 16 位数字；收款方不符的通知会被拒绝")),
        ),
        _("应用 APPID"),
        "https://openapi.alipay.com/gateway.do",
    ),
    Protocol.WECHAT: Profile(
        (Method.WECHAT,),
        (
            Option("app_id", _("应用 APPID"), help=_("公众号、小程序或开放平台的 APPID")),
            Option("serial", _("商户证书序列号")),
            Option("private_key", _("商户私钥"), secret=True, lines=True),
            Option("api_key", _("APIv3 密钥"), secret=True, help=_("32 个字符")),
            Option(
                "public_key_id",
                _("微信支付公钥 ID"),
                required=False,
                help=_("形如 PUB_KEY_ID_…；旧商户用平台证书的可留空"),
            ),
            Option("public_key", _("微信支付公钥"), required=False, lines=True),
            Option(
                "app_secret",
                _("公众号 AppSecret"),
                secret=True,
                required=False,
                help=_("填写后可在微信内直接付款；公众号后台的网页授权域名须是本店域名"),
            ),
            Option(
                "sign_in_address",
                _("网页授权地址"),
                required=False,
                address=True,
                help=_("留空使用微信官方地址；沙箱或代理时填写"),
            ),
        ),
        _("商户号"),
        "https://api.mch.weixin.qq.com",
    ),
    Protocol.BEPUSDT: Profile(
        (Method.USDT,),
        (
            Option("token", _("对接令牌"), secret=True),
            Option(
                "trade_type",
                _("币种与网络"),
                choices=(
                    ("usdt.trc20", "USDT · TRC20"),
                    ("usdt.bep20", "USDT · BEP20"),
                    ("usdt.polygon", "USDT · Polygon"),
                    ("usdt.erc20", "USDT · ERC20"),
                    ("tron.trx", "TRX"),
                ),
            ),
        ),
        "",
    ),
    Protocol.STRIPE: Profile(
        (Method.CARD,),
        (
            Option("secret_key", _("密钥 Secret key"), secret=True),
            Option("webhook_secret", _("Webhook 签名密钥"), secret=True, help=_("形如 whsec_…")),
            Option(
                "currency",
                _("收款币种"),
                choices=(
                    (YUAN, _("人民币 CNY")),
                    ("usd", _("美元 USD")),
                    ("hkd", _("港币 HKD")),
                    ("eur", _("欧元 EUR")),
                ),
            ),
            Option("rate", _("汇率"), required=False, help=_("一单位外币合多少元，例如 7.10；人民币留空")),
        ),
        "",
        "https://api.stripe.com",
    ),
}


def profile_of(channel: Channel) -> Profile:
    return PROFILES[channel.provider]
