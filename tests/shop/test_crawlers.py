"""What search engines read."""

import xml.etree.ElementTree as ET

import pytest

from catalog.models import Product

pytestmark = pytest.mark.django_db
NAMES = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}


def test_robots_keep_out_of_what_is_personal(client):
    text = client.get("/robots.txt").content.decode()
    assert "Disallow: /orders/" in text
    assert "Sitemap: http://127.0.0.1:8000/sitemap.xml" in text


def test_the_sitemap_lists_what_is_on_sale(client, shelf):
    shown, draft = shelf.sku().product, shelf.sku().product
    Product.objects.filter(pk=draft.pk).update(status=Product.Status.DRAFT)
    tree = ET.fromstring(client.get("/sitemap.xml").content)
    found = [place.text for place in tree.iterfind("s:url/s:loc", NAMES)]
    assert f"http://127.0.0.1:8000/p/{shown.slug}/" in found
    assert not [place for place in found if draft.slug in place]
    assert tree.find("s:url/s:lastmod", NAMES) is not None
