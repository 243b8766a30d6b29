"""Which columns of a table make up a key: header names of the shop systems and suppliers that we have seen."""

import re
from collections.abc import Sequence

from .normal import SEPARATOR, clean, trim
from .rows import RowError


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# dujiaoka 2 writes 所属商品,卡密内容,创建时间; dujiao-next id,secret,status,…; suppliers write the others.
SECRET_NAMES = _names("""
    卡密 卡密内容 卡密信息 密钥 秘钥 激活码 激活密钥 兑换码 兑换券码 充值码 礼品码 礼品卡密 券码 序列号 注册码 授权码
    产品密钥 点卡 card_info carmi cardinfo cdkey cd-key cdk secret card key keys code codes license licensekey licence
    serial serialnumber activationcode redeemcode giftcode coupon pin
""")
ACCOUNT_NAMES = _names("""
    卡号 账号 帐号 账户 帐户 用户名 登录名 邮箱 电子邮箱 手机号 卡号/账号 账号/卡号
    account accountname username user login email cardno cardnumber card_no card_number number
""")
PASSWORD_NAMES = _names("""
    密码 口令 卡密密码 登录密码 账号密码 邮箱密码 辅助邮箱 辅助邮箱密码 密保 二次验证
    password pass pwd passwd pincode emailpassword recoveryemail 2fa token
""")
STATUS_NAMES = _names("状态 卡密状态 销售状态 使用状态 是否已售 card_status status state")
OTHER_NAMES = _names("""
    序号 编号 id no no. 商品 所属商品 商品名称 产品 产品名称 品名 面值 面额 规格 价格 成本 有效期 到期时间 失效时间
    过期时间 创建时间 更新时间 导入时间 生成时间 备注 说明 批次 批次号 订单号
    product product_id sku sku_id order_id batch_id created_at updated_at expires expiry remark note
""")
SOLD_WORDS = _names("""
    已售 已售出 已出售 售出 已使用 已用 使用过 已锁定 锁定 已预订 已作废 作废 已过期 过期
    sold used reserved locked expired void
""")
NOTE = re.compile(
    r"^(合计|总计|小计|共计|共\s*\d+\s*[张条个行]|备注|说明[：:]|使用说明|注意|注[：:]|温馨提示|制表|打印时间)"
)
ROUNDED = re.compile(r"^\d(\.\d+)?[eE]\+\d{1,3}$")
EXCEL_TEXT = re.compile(r'^="(.*)"$', re.DOTALL)


def plain_name(cell: str) -> str:
    """A header cell in the form of the lists above: 卡密（必填）* is 卡密, Card No is cardno."""
    name = re.sub(r"[（(【\[].*?[）)】\]]", "", clean(cell))
    return re.sub(r"[\s*＊:：]", "", name).lower()


def known_names(cells: Sequence[str]) -> int:
    """How many cells of this row are column names that we know."""
    known = SECRET_NAMES | ACCOUNT_NAMES | PASSWORD_NAMES | STATUS_NAMES | OTHER_NAMES
    return sum(plain_name(cell) in known for cell in cells)


def is_header(cells: Sequence[str]) -> bool:
    """Whether a row holds nothing but column names, one of them a key's."""
    return header_score(cells) > 0 and known_names(cells) == sum(bool(plain_name(cell)) for cell in cells)


def header_score(cells: Sequence[str]) -> int:
    """How many columns of this row name a part of a key."""
    return sum(plain_name(cell) in SECRET_NAMES | ACCOUNT_NAMES | PASSWORD_NAMES for cell in cells)


def key_columns(names: Sequence[str]) -> tuple[int, ...] | None:
    """The columns that make up a key, in the order of the file; None when no header names one.

    An account needs its password: 卡号 with 卡密 or 密码 is a pair. 卡密 alone is the whole key.
    """
    plain = [plain_name(name) for name in names]
    chosen = [index for index, name in enumerate(plain) if name in SECRET_NAMES | ACCOUNT_NAMES | PASSWORD_NAMES]
    return tuple(chosen) or None


def status_column(names: Sequence[str]) -> int | None:
    return next((index for index, name in enumerate(names) if plain_name(name) in STATUS_NAMES), None)


def join_cells(
    cells: Sequence[str], columns: tuple[int, ...] | None, names: Sequence[str] = ()
) -> tuple[str, RowError | None]:
    """The key that the chosen cells of one row make, as `a----b`, or why they make none.

    The first two chosen columns must be filled; the others (a recovery address, a second password) may be empty.
    """
    chosen = [unwrap(cells[index]) if index < len(cells) else "" for index in columns or range(len(cells))]
    if any(ROUNDED.match(cell) for cell in chosen):
        return "", RowError("rounded")
    for index, cell in zip((columns or ())[:2], chosen, strict=False):
        if not cell:
            name = names[index] if index < len(names) and names[index] else str(index + 1)
            return "", RowError("empty_column", {"column": name})
    return SEPARATOR.join(cell for cell in chosen if cell), None


def unwrap(cell: str) -> str:
    """`="0012"` is how exports stop Excel from eating leading zeros."""
    cell = trim(cell)
    if cell.startswith('="') and (match := EXCEL_TEXT.match(cell)):
        return match.group(1).replace('""', '"').strip()
    return cell


def is_note(cells: Sequence[str]) -> bool:
    """合计, 共 100 张 and 备注 rows above or under the keys."""
    return bool(NOTE.match(next((cell.strip() for cell in cells if cell.strip()), "")))


def sold_error(cells: Sequence[str], column: int | None) -> RowError | None:
    """An error for a row that its own file marks as gone."""
    if column is None or column >= len(cells):
        return None
    status = re.sub(r"<[^>]*>", "", cells[column]).strip()
    return RowError("sold", {"status": status}) if status.lower() in SOLD_WORDS else None
