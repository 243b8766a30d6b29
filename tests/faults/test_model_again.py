"""The other half of the machine's steps: files are shared out among the workers, so that both go on at a time."""

import pytest

from tests.faults import machines


@pytest.mark.django_db(transaction=True)
def test_the_shop_does_what_the_model_says_again(settings):
    machines.hoarding_allowed(settings)
    machines.do_as_the_model_says(seed=20261201)
