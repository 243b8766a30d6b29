"""Covers: what is uploaded is not what is served."""

import io

import pytest
from django.core.files.base import ContentFile
from PIL import Image

from catalog.services import covers
from common.exceptions import BadInput
from shop.demo import content
from shop.demo.covers import MOTIFS, cover, short_sizes

pytestmark = pytest.mark.django_db
PLAIN = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 3"><rect width="4" height="3" fill="#0b6e5f"/>{}</svg>'


@pytest.fixture(autouse=True)
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


def picture(size=(1200, 800), form="PNG", **options) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "#2f6690").save(out, form, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("form", "size", "expected"), [("PNG", (1200, 800), (960, 720)), ("JPEG", (400, 600), (400, 300))]
)
def test_pictures_are_drawn_anew_in_four_to_three(shelf, form, size, expected):
    product = shelf.sku().product
    covers.set_cover(product=product, file=ContentFile(picture(size, form)))
    assert product.cover.name.endswith(".webp")
    with Image.open(product.cover) as stored:
        assert stored.size == expected and stored.format == "WEBP"


def test_nothing_hidden_in_a_picture_survives(shelf):
    product = shelf.sku().product
    polyglot = picture() + b"<script>alert(1)</script><?php evil"
    covers.set_cover(product=product, file=ContentFile(polyglot))
    stored = product.cover.read()
    assert b"script" not in stored and b"php" not in stored


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a\x01\x00\x01\x00",
        b"<html><script>alert(1)</script></html>",
        picture((9000, 9000), "PNG"),
        b"x" * (covers.MAX_BYTES + 1),
        picture()[:200],
    ],
    ids=["empty", "gif", "html", "many pixels", "large", "cut off"],
)
def test_what_is_no_picture_is_refused(shelf, content):
    product = shelf.sku().product
    with pytest.raises(BadInput):
        covers.set_cover(product=product, file=ContentFile(content))
    assert not product.cover


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        '<g onload="alert(1)"/>',
        '<a href="javascript:alert(1)"><text>x</text></a>',
        '<image href="http://169.254.169.254/"/>',
        '<use xmlns:x="http://www.w3.org/1999/xlink" x:href="#a"/>',
        "<foreignObject><div/></foreignObject>",
        "<style>@import 'http://evil'</style>",
        '<rect fill="url(http://evil/x.svg#a)"/>',
        '<rect style="fill:red"/>',
        '<animate attributeName="href" to="x"/>',
        "<!-- comment --><rect/>",
        '<h:script xmlns:h="http://www.w3.org/1999/xhtml">alert(1)</h:script>',
        '<set attributeName="onmouseover" to="x"/>',
    ],
)
def test_a_drawing_holds_shapes_and_words_only(shelf, inside):
    product = shelf.sku().product
    with pytest.raises(BadInput):
        covers.set_cover(product=product, file=ContentFile(PLAIN.format(inside).encode()))


def test_a_document_type_is_refused(shelf):
    laughs = '<!DOCTYPE svg [<!ENTITY a "ha">]>' + PLAIN.format("<text>&a;</text>")
    with pytest.raises(BadInput):
        covers.set_cover(product=shelf.sku().product, file=ContentFile(laughs.encode()))


def test_the_demo_covers_are_plain_drawings():
    for category in content.categories():
        assert category.motif in MOTIFS
        for place, product in enumerate(category.products):
            drawn = cover(
                motif=category.motif,
                place=place,
                **product.cover,
                sizes=short_sizes([sku.name for sku in product.skus]),
            )
            assert covers.check_drawing(drawn.encode())
            assert len(drawn) < 4_000


def test_sizes_are_short():
    assert short_sizes(["50 元", "100 元", "200 元"]) == "¥50–200"
    assert short_sizes(["60 点券", "1280 点券"]) == "60–1280 点券"
    assert short_sizes(["月卡", "季卡", "年卡"]) == "月卡 · 季卡 · 年卡"
    assert short_sizes(["75 元（月卡价）", "30 元"]) == "¥30–75"
    assert short_sizes(["单机永久"]) == "单机永久"
    assert short_sizes(["入门", "进阶（两份钱包）"]) == "入门 · 进阶"
