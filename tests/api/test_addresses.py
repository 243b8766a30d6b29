"""The addresses of the member's endpoints as they are written down, with and without the slash at their end."""

import pytest


@pytest.mark.parametrize("path", ["/me", "/me/tier", "/me/tier/decisions", "/me/tasks", "/me/points", "/tiers"])
def test_a_slash_at_the_end_is_a_matter_of_taste(as_alice, path):
    assert as_alice.get(path) == as_alice.get(f"{path}/")
    assert as_alice.get(path)[0] == 200
    assert as_alice.get(f"{path}//")[0] == as_alice.get(f"{path}%0A")[0] == 404


def test_check_in_without_a_slash(as_alice):
    assert as_alice.post("/me/check-in")[1]["new"] is True
    assert as_alice.post("/me/check-in/")[1]["new"] is False
