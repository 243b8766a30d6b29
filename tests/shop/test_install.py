"""What lets a phone keep the shop on its home screen."""

import json

import pytest

pytestmark = pytest.mark.django_db


def test_the_manifest_names_the_shop_and_icons_that_exist(client):
    answer = client.get("/manifest.webmanifest")
    assert answer["Content-Type"] == "application/manifest+json"
    manifest = json.loads(answer.content)
    assert manifest["name"]
    for icon in manifest["icons"]:
        assert client.get(icon["src"]).status_code == 200


def test_the_service_worker_keeps_the_offline_page_and_is_never_stale(client):
    answer = client.get("/sw.js")
    assert answer["Content-Type"].startswith("text/javascript")
    assert answer["Cache-Control"] == "no-cache"
    assert 'const OFFLINE = "/offline/";' in answer.content.decode()
