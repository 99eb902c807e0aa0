FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY uhome2mqtt ./uhome2mqtt
# The virtual environment has no pip of its own: nothing in the image installs anything.
RUN ["pip", "wheel", "--no-cache-dir", "--no-deps", "--wheel-dir", "/wheels", "."]
RUN python -m venv --without-pip /opt/uhome2mqtt \
    && pip --python /opt/uhome2mqtt/bin/python install --no-cache-dir /wheels/*.whl

FROM python:3.13-slim
LABEL org.opencontainers.image.title="uhome2mqtt" \
      org.opencontainers.image.description="MQTT bridge for U-tec (Ultraloq) locks through the U home OpenAPI cloud" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/uhome2mqtt /opt/uhome2mqtt
# Tokens and pins live here. A new volume takes over owner and mode.
RUN ["install", "--directory", "--mode=0700", "--owner=10001", "--group=10001", "/data"]
ENV PATH=/opt/uhome2mqtt/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/data \
    STATE_DIRECTORY=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
# Used only if web.host is not loopback.
EXPOSE 8099
# No HEALTHCHECK yet: it comes with the command `uhome2mqtt health`.
ENTRYPOINT ["uhome2mqtt"]
CMD ["run"]
