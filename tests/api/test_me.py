def test_me_with_my_tier(as_alice, alice):
    status, me = as_alice.get("/me/")
    assert status == 200
    assert (me["id"], me["username"]) == (alice.public_id, "alice")
    tier = me["tier"]
    assert tier["name"]
    assert tier["next"]["rank"] > tier["rank"]
    assert 0 <= tier["next"]["percent"] < 100
    assert tier["next"]["todo"]
    assert "email" not in me


def test_in_english(as_alice):
    chinese, english = as_alice.get("/me/")[1], as_alice.get("/me/", accept_language="en")[1]
    assert chinese["tier"]["rank"] == english["tier"]["rank"]
    assert chinese["tier"]["name"] != english["tier"]["name"]
