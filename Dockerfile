# docker build -t uhome2mqtt .          How to run it: compose.yaml, docs/install.md. Without a shell from here on.
#
# The base is pinned by its version. Who wants the same bytes for ever pins its digest as well
# (docker buildx imagetools inspect says it) and then has to follow Debian's security updates.
# Commands without a shell cannot be joined, and only the last stage's layers count:
# hadolint global ignore=DL3059
FROM docker.io/library/python:3.13.15-slim-trixie AS build
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
# The virtual environment has no pip of its own: nothing in the image installs anything. All files are checked against
# the hashes of the locks, and nothing is compiled.
RUN ["python", "-m", "venv", "--without-pip", "/opt/uhome2mqtt"]
RUN ["pip", "--python", "/opt/uhome2mqtt/bin/python", "install", "--no-cache-dir", "--only-binary=:all:", \
     "--require-hashes", "--requirement", "requirements.lock"]
RUN ["python", "-m", "venv", "/opt/build"]
RUN ["/opt/build/bin/pip", "install", "--no-cache-dir", "--only-binary=:all:", "--require-hashes", \
     "--requirement", "requirements-build.lock"]
COPY pyproject.toml README.md LICENSE ./
COPY uhome2mqtt ./uhome2mqtt
RUN ["/opt/build/bin/pip", "wheel", "--no-cache-dir", "--no-deps", "--no-build-isolation", "--wheel-dir", "/wheels", "."]
# It has just been built, there is only this one:
# hadolint ignore=DL3013
RUN ["pip", "--python", "/opt/uhome2mqtt/bin/python", "install", "--no-cache-dir", "--no-deps", "--no-index", \
     "--find-links", "/wheels", "uhome2mqtt"]
RUN ["pip", "--python", "/opt/uhome2mqtt/bin/python", "check"]

FROM docker.io/library/python:3.13.15-slim-trixie
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="uhome2mqtt" \
      org.opencontainers.image.description="MQTT bridge for U-tec (Ultraloq) locks through the U home OpenAPI cloud" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.url="https://github.com/uhome2mqtt/uhome2mqtt" \
      org.opencontainers.image.source="https://github.com/uhome2mqtt/uhome2mqtt" \
      org.opencontainers.image.documentation="https://github.com/uhome2mqtt/uhome2mqtt/blob/main/docs/install.md" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13.15-slim-trixie" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/uhome2mqtt /opt/uhome2mqtt
# Tokens and pins live here. A new volume takes over owner and mode.
RUN ["install", "--directory", "--mode=0700", "--owner=10001", "--group=10001", "/data"]
# MALLOC_…: what is large is given back when it is free, which the C library else stops doing after some large blocks.
ENV PATH=/opt/uhome2mqtt/bin:$PATH \
    MALLOC_MMAP_THRESHOLD_=131072 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/data \
    STATE_DIRECTORY=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
# Used only if web.host is not loopback.
EXPOSE 8099
# Two minutes for the broker and the first list of devices; a probe is a new process, hence not every second.
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m --retries=3 CMD ["uhome2mqtt", "health"]
# SIGTERM ends it within five seconds, SIGHUP reads the configuration anew. It is found as /etc/uhome2mqtt/config.yaml,
# or is nothing but environment variables.
STOPSIGNAL SIGTERM
ENTRYPOINT ["uhome2mqtt"]
CMD ["run"]
