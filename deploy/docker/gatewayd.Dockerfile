# The REST gateway. From the root of the tree:
#   docker build -f deploy/docker/gatewayd.Dockerfile -t mockvideo/gatewayd .
ARG BASE=debian:bookworm-slim

FROM $BASE AS build
WORKDIR /src
COPY tools/setup tools/
RUN tools/setup build \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY . .
RUN ninja build/release/gatewayd && strip build/release/gatewayd

FROM $BASE
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
	libcurl4 libh2o-evloop0.13 libmicrohttpd12 libnghttp2-14 libnng1 libprotobuf-c1 libsodium23 libssl3 libyajl2 libyaml-0-2 zlib1g \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
# The authorities that the system trusts: for a collector of traces at https. The package would bring
# openssl, a tool, along.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /src/build/release/gatewayd /usr/local/bin/
COPY deploy/docker/healthcheck /usr/local/bin/
COPY LICENSE /usr/share/doc/mockvideo/

ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="MockVideo gatewayd" \
      org.opencontainers.image.description="The REST gateway: turns HTTP and JSON into protobuf calls over NNG" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

# By number, for Kubernetes' runAsNonRoot; any other uid does as well.
USER 65532:65532
EXPOSE 5000 5001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
	CMD ["healthcheck", "5001"]
ENTRYPOINT ["/usr/local/bin/gatewayd"]
