# One image for web, worker, beat and migrations; docker-compose.yml gives each its command.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 VIRTUAL_ENV=/venv
COPY requirements-uv.txt requirements.txt ./
RUN python -m venv /venv \
    && /venv/bin/pip install --quiet --require-hashes -r requirements-uv.txt \
    && /venv/bin/uv pip sync --require-hashes --compile-bytecode requirements.txt
COPY . .
# "development", because collecting files needs no secret and the image must hold none.
RUN KAMENG_ENV=development STATIC_ROOT=/app/collected /venv/bin/python manage.py collectstatic --no-input \
    && /venv/bin/python -m compileall -q .

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 kameng \
    && useradd --uid 10001 --gid kameng --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin kameng \
    && install --directory --owner kameng --group kameng /data/media
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 STATIC_ROOT=/app/collected MEDIA_ROOT=/data/media
USER kameng
EXPOSE 8000
CMD ["granian", "--interface", "wsgi", "kameng.wsgi:application"]
