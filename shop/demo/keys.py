"""Made-up keys in the shapes of real ones, written as files the way shops and suppliers write them."""

import csv
import io
import random
import re
from collections.abc import Callable, Sequence

import openpyxl

# Without letters that are mistaken for digits, as issuers do.
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
DIGITS = "0123456789"
# Between an account and its password.
SEPARATOR = "----"
PART = re.compile(r"\{([AD])(\d+)\}")


def make_keys(pattern: str, count: int, rng: random.Random) -> list[str]:
    """`count` different keys: {A5} stands for five letters or digits, {D8} for eight digits, the rest for itself."""
    made: dict[str, None] = {}
    while len(made) < count:
        made[PART.sub(lambda part: _letters(part, rng), pattern)] = None
    return list(made)


def _letters(part: re.Match, rng: random.Random) -> str:
    return "".join(rng.choices(LETTERS if part.group(1) == "A" else DIGITS, k=int(part.group(2))))


def acg_faka(keys: Sequence[str], title: str) -> tuple[str, bytes]:
    """acg-faka's text export: one secret a line."""
    return f"卡密导出({len(keys)}).txt", ("\n".join(keys) + "\n").encode()


def pasted(keys: Sequence[str], title: str) -> tuple[str, bytes]:
    """Lines that somebody collected in Windows Notepad: CRLF, a mark, a blank line now and then."""
    lines = [line for number, key in enumerate(keys) for line in ([key, ""] if number % 25 == 24 else [key])]
    return f"{title}.txt", b"\xef\xbb\xbf" + "\r\n".join(lines).encode()


def dujiaoka(keys: Sequence[str], title: str) -> tuple[str, bytes]:
    """dujiaoka's export: UTF-8 with a mark, three columns."""
    rows = [["所属商品", "卡密内容", "创建时间"], *([title, key, "2026-05-20 10:30:00"] for key in keys)]
    return "carmis.csv", b"\xef\xbb\xbf" + _csv(rows, "\n").encode()


def dujiao_next(keys: Sequence[str], title: str) -> tuple[str, bytes]:
    """dujiao-next's CSV, with a status for each key."""
    head = ["id", "secret", "status", "product_id", "sku_id", "order_id", "batch_id", "created_at"]
    rows = (
        [str(number), key, "available", "7", "1", "", "3", "2026-05-20T02:30:00Z"] for number, key in enumerate(keys, 1)
    )
    return "card-secrets.csv", _csv([head, *rows], "\n").encode()


def supplier_gbk(keys: Sequence[str], title: str) -> tuple[str, bytes]:
    """A delivery note out of Chinese Excel: GBK, title rows, numbers protected as ="00…", a total."""
    rows = [[f"{title} 出库单"], ["序号", "卡号", "密码", "备注"]]
    for number, key in enumerate(keys, 1):
        account, password = key.split(SEPARATOR)
        rows.append([str(number), f'="{account}"', f'="{password}"', ""])
    return "出库单.csv", _csv([*rows, ["合计", f"{len(keys)} 张"]], "\r\n").encode("gbk")


def supplier_xlsx(keys: Sequence[str], title: str) -> tuple[str, bytes]:
    """A workbook with a merged title and, for pairs, a merged header over two columns."""
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append([f"{title} 发货明细"])
    pair = SEPARATOR in keys[0]
    if pair:
        sheet.append(["序号", "卡片信息"])
        sheet.append(["", "卡号", "密码"])
        sheet.merge_cells("B2:C2")
        sheet.merge_cells("A2:A3")
    else:
        sheet.append(["序号", "激活码"])
    sheet.merge_cells("A1:C1")
    for number, key in enumerate(keys, 1):
        sheet.append([number, *key.split(SEPARATOR)])
    out = io.BytesIO()
    book.save(out)
    return "发货明细.xlsx", out.getvalue()


def _csv(rows: Sequence[Sequence[str]], end: str) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator=end).writerows(rows)
    return out.getvalue()


FILES: dict[str, Callable[[Sequence[str], str], tuple[str, bytes]]] = {
    "acg": acg_faka,
    "paste": pasted,
    "dujiaoka": dujiaoka,
    "next": dujiao_next,
    "gbk": supplier_gbk,
    "xlsx": supplier_xlsx,
}
