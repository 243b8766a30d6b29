"""The file of play keys that sandbox and shop share."""

import json

from sandbox.keys import load_keys, main
from tests.sandboxes import keys_file


def test_made_once_for_this_user_only(tmp_path):
    file = tmp_path / "sandbox" / "keys.json"
    assert main([str(file)]) == 0
    assert file.stat().st_mode & 0o077 == 0
    before = file.read_text()
    assert main([str(file)]) == 0
    assert file.read_text() == before


def test_a_file_of_an_older_sandbox_is_completed(tmp_path):
    file = tmp_path / "keys.json"
    known = json.loads(keys_file().read_text())
    del known["bepusdt"]
    file.write_text(json.dumps(known))
    keys = load_keys(file)
    assert keys["bepusdt"]["token"]
    assert keys["alipay"] == known["alipay"]


def test_a_file_that_is_none(tmp_path, capsys):
    file = tmp_path / "keys.json"
    for text in ("", "[]", "{"):
        file.write_text(text)
        assert main([str(file)]) == 1
        assert "sandbox: " in capsys.readouterr().err
        assert file.read_text() == text
