FROM python:3.11-slim AS build
WORKDIR /build
RUN pip install --no-cache-dir "hatchling==1.33.0"
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY gateway gateway
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /dist .

COPY requirements.txt ./
RUN python -m venv --without-pip /opt/gateway \
    && pip --python /opt/gateway/bin/python install --no-cache-dir --require-hashes --requirement requirements.txt \
    && pip --python /opt/gateway/bin/python install --no-cache-dir --no-deps --no-index /dist/*.whl \
    && /opt/gateway/bin/python -m compileall -q /opt/gateway


FROM python:3.11-slim
COPY --from=build /opt/gateway /opt/gateway
# The state directory is made here so that a fresh volume over it belongs to the user.
RUN groupadd --system --gid 10001 gateway \
    && useradd --system --uid 10001 --gid 10001 --home-dir /var/lib/gateway --create-home gateway
USER 10001:10001
WORKDIR /var/lib/gateway
VOLUME /var/lib/gateway
# The embedded store's sockets go to TMPDIR: on the volume, since the root file system may be read-only.
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GATEWAY_STATE_DIR=/var/lib/gateway \
    TMPDIR=/var/lib/gateway
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["gateway"]
CMD ["serve", "--host", "0.0.0.0"]
