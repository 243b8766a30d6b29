"""Rooms stand on their floors: imports, foreign keys, and what may be taken from a neighbour."""

import subprocess
import sys
from pathlib import Path

from django.apps import apps

from tests.architecture.source import ROOT, floors, imported, modules, place, room_of

# What a room shows to the others.
SHOWN = {"models", "services", "selectors", "exceptions"}
# The outbox is there to be used: contracts to build events, the registry to listen.
MORE_SHOWN = {"events": {"contracts", "registry"}}
FREE = {"common"}
WIRING = {"kameng"}


def test_import_contracts_hold():
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_room_has_its_floor():
    ours = {config.name for config in apps.get_app_configs() if Path(config.path).parent == ROOT}
    assert ours == set(floors()) - WIRING


def relations_against(floors: dict[str, int]) -> list[str]:
    """Relations between rooms that do not lead to a lower floor. Looks at the models, where string keys are resolved."""
    wrong = []
    for model in apps.get_models(include_auto_created=True):
        own = floors.get(model._meta.app_label)
        for field in model._meta.get_fields():
            if own is None or not field.is_relation or field.auto_created or field.related_model is None:
                continue
            there = field.related_model._meta.app_label
            if there in floors and there != model._meta.app_label and floors[there] >= own:
                wrong.append(f"{model._meta.label}.{field.name} → {field.related_model._meta.label}")
    return wrong


def test_no_relation_points_upward_or_to_a_sibling():
    assert relations_against(floors()) == []
    # And were the wallet beside or below the people whose money it holds, it would be noticed.
    for floor in (floors()["accounts"], floors()["accounts"] - 1):
        found = relations_against({**floors(), "wallet": floor})
        assert {
            "wallet.Account.user → accounts.User",
            "wallet.PayGuard.user → accounts.User",
            "wallet.PayConfirmation.user → accounts.User",
        } <= set(found)


def test_rooms_take_from_each_other_only_what_is_shown():
    wrong = []
    for path in modules():
        if room_of(path) in WIRING:
            continue
        for line, name in imported(path):
            room, _, rest = name.partition(".")
            if room not in floors() or room == room_of(path) or room in FREE:
                continue
            if rest.split(".")[0] not in SHOWN | MORE_SHOWN.get(room, set()):
                wrong.append(f"{place(path, line)} takes {name}")
    assert wrong == []
