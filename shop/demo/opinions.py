"""What members of the demo shop say of what they bought: most are content, some are not, a few advertise."""

import random
from dataclasses import dataclass

from catalog.models import Review

# How many of a hundred give so many stars.
STARS = {5: 66, 4: 20, 3: 8, 2: 4, 1: 2}
ANONYMOUS = 0.18
REPLIED = 0.22

# By the code of the category; each is said once.
PRAISE = {
    "game_card": [
        "付款三秒出码，Steam 直接兑换成功，面值一分不少",
        "周末打折等着充值，这家永远有货，省心",
        "国区账号兑换没问题，教程写得很清楚，跟着点就行",
        "比平台直充便宜几块，长期在这儿买",
        "半夜两点买的也是秒发，点赞",
        "战网月卡够用，复制粘贴就到账",
        "买了好几次了，没翻过车",
        "码是新的，没有被用过，放心",
        "朋友推荐来的，确实快，下次还来",
        "活动价比别家低，客服也不拖",
        "给弟弟充的点卡，他说马上就到了",
        "XGP 续上了，叠加没出问题",
    ],
    "phone_credit": [
        "十几分钟到账，短信提示和金额都对",
        "给爸妈充的话费，不用他们动手，真方便",
        "移动号充一百少花一块多，积少成多",
        "月底没话费了急用，很快就好",
        "每个月固定在这里充，没出过错",
        "号码填对就行，到账有短信",
        "充值卡自己拨号充的，按提示走两分钟",
    ],
    "video_membership": [
        "会员当场激活，电视手机都能登",
        "追剧刚好赶上，激活码一次成功",
        "比 App 里订阅便宜不少，还不用自动续费",
        "兑换教程一步一步写得清楚，老人也会",
        "用到月底都正常，没有掉",
        "大会员到手，1080P 高码率终于能看了",
        "给家里电视买的，一家人一起看",
        "续费价也是这个价，良心",
        "买的时候还担心是子账号，结果是正规兑换码",
    ],
    "music_reading": [
        "绿钻到账很快，歌单又能离线下了",
        "黑胶会员兑换成功，无损音质也能听了",
        "通勤听书全靠它，价格合适",
        "读书卡兑了三个月，划算",
        "听歌会员一年到头都在这里续",
        "激活后马上显示到期日，清清楚楚",
    ],
    "software_code": [
        "Win11 专业版一次激活，重启也还在",
        "给客户装机用的，十几台没一台失败",
        "Office 登录自己账号绑定的，换电脑也能用",
        "杀毒续了一年，密钥马上生效",
        "教程写得比官网明白，照着做五分钟",
        "公司采购的，开单和发货都利索",
        "网盘会员下载速度上来了，值",
        "工具包里的软件都是正版码，省得一个个找",
        "联网激活，没有让装乱七八糟的工具",
    ],
    "gift_card": [
        "苹果礼品卡兑换秒到余额，订阅终于续上了",
        "京东卡拿来给员工发福利，绑定没问题",
        "整百的卡一次买十张，导出表格很方便",
        "送朋友生日，直接把卡密发过去就行",
        "面值准，没有被激活过",
        "批量拿货稳定，价格也实在",
        "瑞幸券早上到店就能用，咖啡比自己点便宜",
        "超市卡结账时扫码就抵，好用",
    ],
    "game_top_up": [
        "原石到账很快，祝我不歪",
        "点券充进去了，区服看准就行",
        "UID 填完十分钟到，客服还回访了一下",
        "月卡续上了，比游戏里便宜几块",
        "加速器晚高峰不卡了，掉线也少",
        "第一次直充怕填错，页面提醒得很细",
    ],
    "bundle": [
        "套餐比单买便宜，两个会员一起到手",
        "打工人套餐很实在，咖啡加网盘刚好",
        "周末套餐追剧听歌都有了",
        "一次下单几样都齐了，码分得清楚",
    ],
}
CONTENT = [
    "发货快，价格合适",
    "一如既往地快，老客户了",
    "没什么可挑的，五星",
    "东西对，速度对，价格也对",
    "第二次回购，还是那么稳",
    "页面干净没有广告，买东西不闹心",
    "卡密会一直留在订单里，这点很贴心",
    "客服回消息快，问题当场解决",
    "支付完跳回来就看到码了",
    "比群里收的放心，至少有质保",
    "用了一阵子才来评价，一直正常",
    "余额支付一下就好，不用再扫码",
]
FAIR = [
    "东西没问题，就是等了几分钟才出来",
    "价格一般，胜在快",
    "教程可以再详细一点，第一次弄有点懵",
    "能用，但是到期时间比我想的短一天",
    "高峰期有点慢，别的都还行",
    "兑换页面打不开换了浏览器才好，不怪店家",
    "中规中矩，够用",
]
POOR = [
    "有一条码提示已使用，联系客服换了新的，多花了半小时",
    "地区没看清就买了，建议把适用地区写大一点",
    "晚上买的第二天中午才到，急用的别选这个",
    "输了三遍才认，差点以为是坏的",
    "补货那几天一直买不到，等得着急",
]
ADVERTS = [
    "同款便宜拿货加我微信 kami8888，量大从优",
    "低价渠道看这里 www.dijia-ka.example.com 全网最低",
]
REPLIES = {
    True: [
        "感谢支持，常用的面值都备着货，欢迎再来。",
        "谢谢认可，到账快是应该的。",
        "谢谢老朋友，批量采购可以用批量下单，更省事。",
    ],
    False: [
        "抱歉让您久等了。上游那批已经下架，之后的码逐条验过，再有问题订单页可以直接报。",
        "给您添麻烦了，已经把适用地区写到规格名里，谢谢提醒。",
        "收到，教程补了截图，感谢您抽空写下来。",
    ],
}


@dataclass(frozen=True)
class Opinion:
    """One review to be; `refused` is why staff turn it down, "" where they publish it."""

    stars: int
    text: str
    anonymous: bool
    reply: str = ""
    refused: str = ""


class Critics:
    """Hands out opinions, each text once, the same ones at every run when asked in the same order."""

    def __init__(self) -> None:
        # Not for secrets: the plan has to come out the same at every run.
        self.rng = random.Random(20261123)
        self.praise = {code: self._shuffled(texts) for code, texts in PRAISE.items()}
        self.content, self.fair, self.poor = (self._shuffled(texts) for texts in (CONTENT, FAIR, POOR))
        self.adverts = list(ADVERTS)

    def opinion(self, category: str, *, likely: float) -> Opinion | None:
        """What a buyer of this category says; None for those who say nothing, or when everything has been said."""
        says, stars, hidden, answered = (
            self.rng.random(),
            self.rng.choices(list(STARS), list(STARS.values()))[0],
            self.rng.random() < ANONYMOUS,
            self.rng.random() < REPLIED,
        )
        if says > likely:
            return None
        if says < 0.03 and self.adverts:
            return Opinion(5, self.adverts.pop(), hidden, refused=Review.Reason.ADVERT)
        text = self._text(category, stars)
        if not text:
            return None
        reply = self.rng.choice(REPLIES[stars >= 4]) if answered or stars <= 2 else ""
        return Opinion(stars, text, hidden, reply)

    def _text(self, category: str, stars: int) -> str:
        if stars <= 3:
            said = self.poor if stars <= 2 else self.fair
            return said.pop() if said else ""
        said = self.praise.get(category) or self.content
        return said.pop() if said else ""

    def _shuffled(self, texts: list[str]) -> list[str]:
        return self.rng.sample(texts, k=len(texts))
