"""Who buys at the demo shop, what they like, and who works there."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Person:
    """A member. `joined` is days ago; `orders` are spread over the time since, thinning out toward the beginning.

    `likes` are SKU codes; `pieces` is the range of quantities for a line.
    """

    username: str
    name: str
    joined: int
    orders: int
    likes: tuple[str, ...]
    pieces: tuple[int, int] = (1, 1)
    answers: dict[str, str] = field(default_factory=dict)
    # How many of the last sixty days they checked in on, and whose link brought them.
    check_ins: int = 0
    invited_by: str = ""


PHONE = {"phone": "13800138000", "carrier": "mobile"}
PLAYER = {**PHONE, "uid": "100234567", "server": "cn_gf01", "zone": "ios-wechat", "account": "10002345678"}

# The first one is the login that visitors of the demo get.
MEMBERS = (
    Person(
        "demo",
        "小满",
        118,
        17,
        ("IQY-1M", "QQM-1M", "STEAM-CN-50", "CMCC-50", "GI-WELKIN", "LUCKIN-1"),
        answers=PLAYER,
        check_ins=41,
    ),
    Person("laozhou", "老周批发", 150, 46, ("JDE-100", "APPLE-100", "STEAM-CN-100"), (4, 9), check_ins=12),
    Person("ajie", "阿杰数码", 140, 34, ("WIN11-PRO", "APPLE-100", "QCARD-100"), (2, 5)),
    Person("qiqi", "七七", 96, 14, ("BILI-1M", "NCM-1M", "PACK-WL", "WR-1M", "TXV-1M"), (1, 2), check_ins=34),
    Person("dawei", "大卫", 88, 13, ("STEAM-CN-200", "XGPU-1M", "BNET-75", "BOOST-1M"), (1, 2), check_ins=9),
    Person("linlin", "林林妈妈", 75, 9, ("CMCC-100", "TMCS-50", "MGTV-1M", "XMLY-1M"), answers=PLAYER),
    Person("tudou", "土豆", 70, 11, ("HOK-300", "GI-60", "PE-60", "BOOST-1D"), (1, 2), answers=PLAYER, check_ins=26),
    Person("shifu", "装机师傅", 130, 21, ("WIN11-PRO", "OFFICE-24", "TOOLS-PACK", "KAV-1"), (1, 2), check_ins=5),
    Person("xueba", "学霸", 52, 6, ("WPS-1Y", "BDP-1M", "ZH-1M", "WR-3M"), check_ins=38, invited_by="demo"),
    Person("kafei", "咖啡不加糖", 40, 8, ("LUCKIN-1", "MT-4X20", "PACK-WORK"), (1, 3), check_ins=17, invited_by="demo"),
    Person("yezi", "椰子", 33, 3, ("YK-1M", "IQY-1M"), check_ins=6, invited_by="qiqi"),
    Person("ming", "明明", 21, 2, ("NETEASE-30", "WANMEI-30"), check_ins=8, invited_by="demo"),
    Person("xinren", "新来的", 4, 1, ("CMCARD-50",), check_ins=3, invited_by="tudou"),
    Person("kankan", "先看看", 2, 0, ()),
)

# What happened in the last hours: minutes ago, who, what. Top-ups of the last three hours still wait for staff.
RECENT = (
    (310, "kafei", {"LUCKIN-1": 2}),
    (265, "laozhou", {"JDE-100": 5}),
    (228, "xueba", {"BDP-1M": 1}),
    (150, "demo", {"IQY-1M": 1}),
    (118, "linlin", {"CMCC-100": 1}),
    (95, "dawei", {"BNET-75": 1, "BOOST-1M": 1}),
    (64, "tudou", {"HOK-300": 2}),
    (41, "ajie", {"WIN11-PRO": 3}),
    (18, "linlin", {"MGTV-1M": 1}),
    (6, "qiqi", {"PACK-WL": 1}),
)

# Guests buy one or two of these and pay through the gateway.
GUEST_ORDERS = 64
GUEST_LIKES = (
    "STEAM-CN-50",
    "QCARD-30",
    "IQY-1M",
    "CMCARD-50",
    "TXV-1M",
    "LUCKIN-1",
    "APPLE-50",
    "NETEASE-15",
    "BOOST-1D",
)

# Days ago and new price of SKUs, so that price histories have something to show.
PRICES = (
    ("STEAM-CN-100", 70, "98.20"),
    ("STEAM-CN-100", 24, "98.80"),
    ("IQY-1M", 82, "16.80"),
    ("IQY-1M", 45, "14.90"),
    ("IQY-1M", 12, "15.80"),
    ("WIN11-PRO", 60, "138.00"),
    ("WIN11-PRO", 18, "128.00"),
    ("QQM-1M", 38, "11.90"),
    ("QQM-1M", 9, "13.20"),
    ("APPLE-100", 30, "97.60"),
    ("APPLE-100", 8, "98.20"),
    ("LUCKIN-1", 27, "9.90"),
    ("LUCKIN-1", 5, "11.90"),
    ("XGPU-1M", 15, "55.00"),
)

# Days ago and pieces of further deliveries of what sells most.
DELIVERIES = (
    ("JDE-100", 80, 240),
    ("APPLE-100", 76, 260),
    ("STEAM-CN-100", 55, 200),
    ("WIN11-PRO", 50, 160),
    ("JDE-100", 28, 200),
)

# Refunds: after which order of whom, counted from 1, and why.
REFUNDS = (
    ("qiqi", 4, "重复购买"),
    ("dawei", 6, "兑换时提示地区不符"),
    ("tudou", 3, "区服填错"),
    ("laozhou", 11, "客户取消"),
)


# What members wrote to the shop: days ago, who, kind, text, and the answer with its points; without an answer it waits.
FEEDBACK = (
    (36, "demo", "idea", "希望商品列表可以按面值排序，找起来更快。", "已经排期，下个版本就有。", 60),
    (
        14,
        "shifu",
        "problem",
        "批量下单时一次最多 5 件，给客户装机不够用。",
        "可以在商品页选择批发数量，已补充说明。",
        30,
    ),
    (9, "qiqi", "fraud", "有人在群里冒充客服，让大家把卡密发给他，群号已截图。", "已核实并报警，谢谢你提醒大家。", 200),
    (1, "tudou", "idea", "点券到账能不能也发一条消息？", "", 0),
)
