"""The options of `manage.py torture`, known without Django and without any server."""

import argparse
import os
from pathlib import Path

from torture import FAMILIES

RESULTS = Path("var/torture/results.jsonl")
FOLDER = Path("var/torture/servers")

# Nothing that a shop's environment says may lead us to that shop.
NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "EMAIL_URL", "MEDIA_ROOT", "FAILPOINTS", "DJANGO_SETTINGS_MODULE")


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=_minutes, default=10.0, help="how long in all (10)")
    parser.add_argument("--seed", type=int, default=1, help="what happens follows from it (1)")
    parser.add_argument(
        "--only", nargs="+", choices=FAMILIES, metavar="NAME", default=[], help=f"only these: {', '.join(FAMILIES)}"
    )
    parser.add_argument("--turn", type=_minutes, default=2.0, help="how many minutes a family has at a time (2)")
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"where each turn is a line ({RESULTS})")
    parser.add_argument("--sum", action="store_true", help="run nothing: print what the results file adds up to")
    parser.add_argument("--data-dir", type=Path, default=FOLDER, help=f"for servers of its own ({FOLDER})")


def as_words(options: dict) -> list[str]:
    """The options as `python -m torture` takes them."""
    words = ["--minutes", str(options["minutes"]), "--seed", str(options["seed"]), "--turn", str(options["turn"])]
    # The process has a folder of its own.
    words += ["--results", str(options["results"].resolve()), "--data-dir", str(options["data_dir"].resolve())]
    words += ["--sum"] if options["sum"] else []
    return words + (["--only", *options["only"]] if options["only"] else [])


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 < minutes < 100_000:
        raise argparse.ArgumentTypeError("a number of minutes above 0")
    return minutes
