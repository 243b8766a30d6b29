"""`python -m benchmarks [NAME …] [options]`; bin/bench gives it servers."""

import argparse
import importlib
import itertools
import json
import os
import pkgutil
import sys
import time
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit

import django
from django.conf import settings

import benchmarks
from benchmarks.frame import database, machine, report

ROOT = Path(__file__).resolve().parent.parent
HINT = "A readable table goes to standard error, JSON to standard output, raw samples into a file under --out."


def main(arguments: list[str]) -> int:
    """The exit status: 0 when every target was met, 1 when one was missed, 2 when it was called wrongly."""
    chosen = list(itertools.takewhile(lambda word: not word.startswith("-"), arguments))
    options = arguments[len(chosen) :]
    known = names()
    unknown = [name for name in chosen if name not in known]
    if unknown:
        sys.stderr.write(f"There is no benchmark {unknown[0]!r}. There are: {', '.join(known)}.\n")
        return 2
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kameng.settings")
    server = os.environ["DATABASE_URL"]
    if not chosen and options in (["--list"], ["--help"], ["-h"]):
        _list(known)
        return 0
    # All of them before the first begins: a word that one does not know shall not be found out after an hour.
    runs = [(name, *_parsed(name, options)) for name in chosen or known]
    return max([0, *(run(name, module, wanted, server) for name, module, wanted in runs)])


def names() -> list[str]:
    found = pkgutil.iter_modules(benchmarks.__path__)
    return sorted(one.name.replace("_", "-") for one in found if not one.ispkg and not one.name.startswith("_"))


def load(name: str) -> ModuleType:
    if not settings.configured:
        # The address by which Django knows the database is that of the benchmark's own.
        os.environ["DATABASE_URL"] = database.address("kameng_bench", os.environ["DATABASE_URL"])
        django.setup()
    return importlib.import_module(f"benchmarks.{name.replace('-', '_')}")


def title(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().splitlines()[0].rstrip(".")


def _list(known: list[str]) -> None:
    sys.stdout.write(f"bin/bench [NAME …] [options] runs these, all of them unless named. {HINT}\n\n")
    for name in known:
        sys.stdout.write(f"  {name:<16} {title(load(name))}\n")
    sys.stdout.write("\nbin/bench NAME --help tells its sizes.\n")


def _parsed(name: str, options: list[str]) -> tuple[ModuleType, argparse.Namespace]:
    module = load(name)
    parser = argparse.ArgumentParser(
        prog=f"bin/bench {name}",
        description=module.__doc__,
        epilog=HINT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--seed", type=int, default=20261122, help="of everything that is drawn (20261122)")
    parser.add_argument("--keep", action="store_true", help="leave the database for a look")
    parser.add_argument("--out", type=Path, default=ROOT / "var/bench/results", help="folder of raw samples")
    module.arguments(parser)
    return module, parser.parse_args(options)


def run(name: str, module: ModuleType, options: argparse.Namespace, server: str) -> int:
    """Run one benchmark and tell its result; 1 when it missed a target."""
    options.out.mkdir(parents=True, exist_ok=True)
    bench = report.Bench(name, options.seed, options.out)
    own = urlsplit(os.environ["DATABASE_URL"]).path.lstrip("/")
    bench.say(f"{name}: an empty database")
    database.make(own, server)
    try:
        database.migrate()
        stamp = time.strftime("%Y%m%dT%H%M%S")
        about = {"title": title(module), "began": stamp, "options": _plain(options), "machine": machine.facts()}
        began = time.perf_counter()
        module.run(bench, options)
        about["seconds"] = round(time.perf_counter() - began, 1)
    finally:
        if not options.keep:
            database.drop(own, server)
    result = report.as_json(bench, about)
    sys.stderr.write(report.table(bench, about))
    sys.stderr.write(f"  raw samples: {report.store(bench, result, stamp)}\n\n")
    sys.stderr.flush()
    sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    sys.stdout.flush()
    return 1 if bench.missed else 0


def _plain(options: argparse.Namespace) -> dict:
    return {name: value for name, value in vars(options).items() if isinstance(value, int | float | str)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
