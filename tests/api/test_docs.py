"""The page that describes the API: every call, in the reader's language, without a script."""

import re

import pytest

from common.api.schema import document


@pytest.mark.django_db
def test_every_call_is_described(client):
    html = client.get("/api/docs/").content.decode()
    for path, methods in document("zh-hans")["paths"].items():
        for method, operation in methods.items():
            assert f'id="{operation["operationId"]}"' in html
            assert f"{method.upper()} {path}" in html
            assert operation["summary"] in html
    assert "items[].quantity" in html
    assert "lines[].keys" in html
    assert "None" not in re.sub(r"<[^>]+>", "", html)


@pytest.mark.django_db
def test_it_needs_no_script_and_nothing_from_elsewhere(client):
    answer = client.get("/api/docs/")
    html = answer.content.decode()
    assert "<script" not in html.split("<main", 1)[1].split("</main>", 1)[0]
    assert not re.search(r'(src|href)="(https?:)?//', html)


@pytest.mark.django_db
def test_the_schema_comes_as_json_or_yaml(client):
    as_json = client.get("/api/schema/")
    assert as_json["Content-Type"].startswith("application/json")
    assert as_json.json()["openapi"].startswith("3.1")
    as_yaml = client.get("/api/schema/", headers={"accept": "application/vnd.oai.openapi"})
    assert as_yaml.content.startswith(b"openapi: 3.1")
