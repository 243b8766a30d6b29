from catalog.models import Sku


def test_members_find_what_they_bought_and_buy_it_again_in_two_taps(as_member, alice, shelf):
    first, second = shelf.sku(keys=5), shelf.sku(keys=5)
    shelf.buy(alice, (first, 1), from_wallet=True)
    shelf.buy(alice, (second, 1), from_wallet=True)
    html = as_member(alice).see("/")
    places = [html.index(f"/checkout/?sku={sku.public_id}&amp;quantity=1") for sku in (second, first)]
    assert places == sorted(places), "latest first"


def test_what_cannot_be_bought_again_is_not_offered(as_member, alice, shelf):
    gone, empty, unpaid = shelf.sku(keys=2), shelf.sku(keys=1), shelf.sku(keys=2)
    for sku in (gone, empty):
        shelf.buy(alice, (sku, 1), from_wallet=True)
    shelf.buy(alice, (unpaid, 1))
    Sku.objects.filter(pk=gone.pk).update(status=Sku.Status.OFF)
    assert "再来一单" not in as_member(alice).see("/")


def test_guests_have_no_such_shelf(guest, shelf):
    shelf.buy(None, (shelf.sku(keys=2), 1))
    assert "再来一单" not in guest.see("/")
