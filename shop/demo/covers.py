"""Covers of the demo shop, drawn: a flat picture for each category in two versions, the product's name and its sizes.

4:3. The ground is a middle tone that stands on white as well as on the dark theme; the picture stays within a few
steps of it, so that white letters can lie across.
"""

import colorsys
import re
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 640, 480
MARGIN = 44
FONTS = "system-ui, 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', sans-serif"
TITLE_SIZE, LINE_SIZE, SIZES_SIZE = 100, 46, 38

# Hue in degrees, saturation and lightness of the ground of each category.
GROUNDS = {
    "game": (216, 0.40, 0.36),
    "phone": (171, 0.78, 0.24),
    "video": (305, 0.27, 0.34),
    "music": (80, 0.34, 0.30),
    "software": (203, 0.50, 0.36),
    "gift": (30, 0.34, 0.36),
    "topup": (251, 0.34, 0.43),
    "bundle": (190, 0.26, 0.31),
}


class Tones:
    """Colours around one ground: `soft` and `softer` lift it, `deep` lowers it, `spark` is the one light spot."""

    def __init__(self, motif: str, turn: int) -> None:
        self.hue, self.saturation, self.lightness = GROUNDS[motif]
        self.hue += turn
        self.ground = self._tone(0)
        self.soft = self._tone(0.07)
        self.softer = self._tone(0.14)
        self.deep = self._tone(-0.07)
        self.spark = self._tone(0.38)

    def _tone(self, lift: float) -> str:
        red, green, blue = colorsys.hls_to_rgb(self.hue % 360 / 360, self.lightness + lift, self.saturation)
        return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


# Neighbours in a category differ a little in hue, and in their picture.
TURNS = (0, 10, -10, 5, -5)


def cover(*, motif: str, place: int, title: str, line: str, sizes: str) -> str:
    """The SVG of one cover. `place` is the product's place in its category."""
    tones = Tones(motif, TURNS[place % len(TURNS)])
    draw = MOTIFS[motif][place % len(MOTIFS[motif])]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{tones.ground}"/>',
        draw(tones),
        f'<g fill="#fff" font-family="{FONTS}" font-weight="600">',
        _text(title, MARGIN, 142, TITLE_SIZE),
        _text(line, MARGIN, 214, LINE_SIZE, opacity=0.86),
        _text(sizes, MARGIN, HEIGHT - MARGIN, SIZES_SIZE, opacity=0.92),
        "</g></svg>",
    ]
    return "".join(parts)


def short_sizes(names: Sequence[str]) -> str:
    """What fits under a picture: `¥50–200` or `60–1280 点券` for counted sizes, else the first names."""
    counted = [match for name in names if (match := re.fullmatch(r"(\d+) ?(\D+?)([（(].*)?", name))]
    if len(names) == len(counted) > 1 and len({match.group(2) for match in counted}) == 1:
        values = sorted(int(match.group(1)) for match in counted)
        unit = counted[0].group(2)
        return f"¥{values[0]}–{values[-1]}" if unit == "元" else f"{values[0]}–{values[-1]} {unit}"
    plain = [re.sub(r"[（(].*?[）)]", "", name).strip() for name in names]
    return " · ".join(plain[:3] if sum(map(len, plain[:3])) <= 6 else plain[:1])


def _text(text: str, x: int, y: int, size: int, opacity: float = 1) -> str:
    widest = sum(1.0 if ord(character) > 0x2E80 else 0.68 for character in text) or 1
    fitting = min(size, (WIDTH - 2 * MARGIN) / widest)
    return f'<text x="{x}" y="{y}" font-size="{fitting:.0f}" opacity="{opacity}">{escape(text)}</text>'


def _circle(x: float, y: float, radius: float, fill: str) -> str:
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}"/>'


def _ring(x: float, y: float, radius: float, stroke: str, width: float) -> str:
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="none" stroke="{stroke}" stroke-width="{width}"/>'


def _box(x: float, y: float, width: float, height: float, fill: str, radius: float = 18) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}" fill="{fill}"/>'


def _path(data: str, fill: str) -> str:
    return f'<path d="{data}" fill="{fill}"/>'


def _turned(content: str, degrees: float, x: float = 470, y: float = 300) -> str:
    return f'<g transform="rotate({degrees} {x} {y})">{content}</g>'


def _pad(tones: Tones) -> str:
    body = _box(320, 196, 340, 220, tones.soft, 110)
    cross = _box(378, 284, 104, 36, tones.deep, 10) + _box(412, 250, 36, 104, tones.deep, 10)
    dots = [_circle(x, y, 17, tones.softer) for x, y in [(536, 302), (578, 344), (620, 302)]]
    return _turned(body + cross + "".join(dots) + _circle(578, 260, 17, tones.spark), -12)


def _blocks(tones: Tones) -> str:
    size, gap = 88, 10
    cells = [(0, 2, "soft"), (1, 2, "soft"), (2, 2, "deep"), (1, 1, "softer"), (2, 1, "soft"), (2, 0, "spark")]
    return "".join(
        _box(360 + column * (size + gap), 190 + row * (size + gap), size, size, getattr(tones, tone), 16)
        for column, row, tone in cells
    )


def _signal(tones: Tones) -> str:
    rings = [_ring(560, 430, radius, tones.soft, 34) for radius in (300, 216, 132)]
    return "".join(rings) + _circle(560, 430, 44, tones.spark)


def _handset(tones: Tones) -> str:
    body = _box(424, 130, 196, 400, tones.soft, 34) + _box(444, 170, 156, 320, tones.deep, 14)
    bars = [_box(466 + i * 30, 330 - i * 34, 20, 40 + i * 34, tones.softer, 6) for i in range(3)]
    return _turned(body + "".join(bars) + _box(556, 228, 20, 142, tones.spark, 6), 10)


def _play(tones: Tones) -> str:
    disc = _circle(500, 300, 190, tones.soft) + _circle(500, 300, 128, tones.deep)
    return disc + _path("M462 226 Q462 214 473 220 L590 291 Q600 300 590 309 L473 380 Q462 386 462 374 Z", tones.spark)


def _film(tones: Tones) -> str:
    strip = _box(330, 180, 420, 250, tones.soft, 20)
    holes = [_box(352 + i * 62, y, 34, 26, tones.ground, 7) for i in range(6) for y in (196, 388)]
    frames = _box(352, 240, 150, 130, tones.deep, 12) + _box(516, 240, 150, 130, tones.softer, 12)
    return _turned(strip + "".join(holes) + frames + _circle(591, 305, 26, tones.spark), -9)


def _record(tones: Tones) -> str:
    grooves = [_ring(500, 310, radius, tones.deep, 8) for radius in (164, 132, 100)]
    return (
        _circle(500, 310, 196, tones.soft)
        + "".join(grooves)
        + _circle(500, 310, 62, tones.spark)
        + _circle(500, 310, 13, tones.ground)
    )


def _bars(tones: Tones) -> str:
    heights = [150, 250, 190, 330, 230, 120]
    fills = [tones.soft, tones.softer, tones.soft, tones.spark, tones.softer, tones.soft]
    return "".join(
        _box(330 + i * 54, 500 - height, 38, height, fill, 19)
        for i, (height, fill) in enumerate(zip(heights, fills, strict=True))
    )


def _window(tones: Tones) -> str:
    frame = _box(356, 244, 400, 320, tones.soft, 22) + _box(356, 244, 400, 52, tones.softer, 22)
    lights = "".join(_circle(388 + i * 30, 270, 9, tones.ground) for i in range(3))
    lines = _box(390, 328, 180, 22, tones.deep, 11) + _box(390, 424, 120, 22, tones.deep, 11)
    return frame + lines + lights + _box(390, 376, 220, 22, tones.spark, 11)


def _keyhole(tones: Tones) -> str:
    bow = _ring(430, 330, 74, tones.soft, 46)
    shaft = _box(498, 307, 240, 46, tones.soft, 10) + _box(570, 340, 40, 74, tones.soft, 10)
    return _turned(bow + shaft + _box(536, 340, 22, 50, tones.softer, 8) + _circle(430, 330, 26, tones.spark), -28)


def _present(tones: Tones) -> str:
    box = _box(382, 310, 270, 230, tones.soft, 18) + _box(364, 262, 306, 72, tones.softer, 18)
    ribbon = _box(494, 262, 44, 280, tones.spark, 0)
    bow = _path("M516 262 C444 262 424 192 464 180 C502 170 516 228 516 262 Z", tones.deep)
    return box + ribbon + bow + _path("M516 262 C588 262 608 192 568 180 C530 170 516 228 516 262 Z", tones.deep)


def _voucher(tones: Tones) -> str:
    card = _path(
        "M340 206 h330 v62 a36 36 0 0 0 0 72 v66 h-330 v-66 a36 36 0 0 0 0 -72 Z",
        tones.soft,
    )
    dashes = "".join(_box(540, 226 + i * 36, 8, 20, tones.ground, 4) for i in range(5))
    return _turned(
        _box(372, 248, 120, 26, tones.softer, 13)
        + card
        + dashes
        + _box(380, 262, 120, 24, tones.softer, 12)
        + _box(380, 312, 76, 24, tones.spark, 12),
        -10,
    )


def _gem(tones: Tones) -> str:
    facets = [
        ("M390 230 L450 160 H580 L640 230 Z", tones.softer),
        ("M390 230 H470 L515 450 Z", tones.soft),
        ("M470 230 H560 L515 450 Z", tones.spark),
        ("M560 230 H640 L515 450 Z", tones.deep),
    ]
    return "".join(_path(data, fill) for data, fill in facets)


def _bolt(tones: Tones) -> str:
    hexagon = _path("M500 120 L664 214 V402 L500 496 L336 402 V214 Z", tones.soft)
    inner = _path("M500 178 L614 243 V373 L500 438 L386 373 V243 Z", tones.deep)
    return hexagon + inner + _path("M530 190 L430 322 H494 L470 426 L572 286 H506 Z", tones.spark)


def _stack(tones: Tones) -> str:
    cards = [(16, tones.deep, 0), (4, tones.soft, 34), (-8, tones.softer, 68)]
    sheets = "".join(_turned(_box(380, 190 + drop, 260, 168, fill, 22), turn, 510, 330) for turn, fill, drop in cards)
    return sheets + _turned(_box(410, 296, 92, 22, tones.spark, 11), -8, 510, 330)


def _parcel(tones: Tones) -> str:
    top = _path("M505 170 L660 244 L505 318 L350 244 Z", tones.softer)
    left = _path("M350 244 L505 318 V486 L350 412 Z", tones.soft)
    right = _path("M660 244 L505 318 V486 L660 412 Z", tones.deep)
    return top + left + right + _path("M427 207 L582 281 V330 L556 318 V293 L402 219 Z", tones.spark)


MOTIFS: dict[str, tuple[Callable[[Tones], str], ...]] = {
    "game": (_pad, _blocks),
    "phone": (_signal, _handset),
    "video": (_play, _film),
    "music": (_record, _bars),
    "software": (_window, _keyhole),
    "gift": (_present, _voucher),
    "topup": (_gem, _bolt),
    "bundle": (_stack, _parcel),
}
