"""Starts everything on one machine: bin/up, bin/test, bin/bench.

Runs with the machine's own python3 before any virtual environment exists, so it uses the standard library only and
imports no app. What runs for real customers is in Dockerfile and docker-compose.yml, not here.

- environment.py  .venv, uv, the locked requirements
- postgres.py     a PostgreSQL server out of a wheel
- valkey.py       a Redis-compatible server out of a wheel
- processes.py    the supervisor: start, prefix the output, restart, stop in order
- home.py         the data folder: its lock, secrets, remembered ports
- machine.py      ports, disks, processes, rights
- up.py, suite.py, manage.py, bench.py   the commands
"""
