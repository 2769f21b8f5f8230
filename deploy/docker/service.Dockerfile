# A service, with mvctl, the command-line client. SERVICE is its name. From the root of the tree:
#   docker build -f deploy/docker/service.Dockerfile --build-arg SERVICE=accountd -t mockvideo/accountd .
ARG BASE=debian:bookworm-slim

FROM $BASE AS build
WORKDIR /src
COPY tools/setup tools/
RUN tools/setup build \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/*
COPY . .
ARG SERVICE=accountd
RUN ninja "build/release/$SERVICE" build/release/mvctl \
 && strip "build/release/$SERVICE" build/release/mvctl

FROM $BASE
# libmariadb3 brings the plug-ins by which it authenticates, caching_sha2_password among them.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
	libcurl4 libmariadb3 libmicrohttpd12 libnng1 libprotobuf-c1 libsodium23 libssl3 libsqlite3-0 libutf8proc2 libyajl2 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
 && install -d /usr/lib/ssl && ln -s /etc/ssl/certs/ca-certificates.crt /usr/lib/ssl/cert.pem \
 && install -d -o 65532 -g 0 -m 0770 /var/lib/mockvideo
# The authorities that the system trusts: for dbTls=verify without dbTlsCa, and a collector of traces at
# https. The package would bring openssl, a tool, along.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
ARG SERVICE=accountd
COPY --from=build /src/build/release/$SERVICE /src/build/release/mvctl /usr/local/bin/
COPY deploy/docker/healthcheck /usr/local/bin/
# An entry point can have no argument of the build in it.
RUN ln -s "$SERVICE" /usr/local/bin/service
COPY LICENSE /usr/share/doc/mockvideo/

ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="MockVideo $SERVICE" \
      org.opencontainers.image.description="A service of MockVideo: answers protobuf calls over NNG" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"

# By number, for Kubernetes' runAsNonRoot; any other uid does as well.
USER 65532:65532
# Where the embedded store is by default: for a volume.
WORKDIR /var/lib/mockvideo
EXPOSE 7001 7002
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
	CMD ["healthcheck", "7002", "/readyz"]
ENTRYPOINT ["/usr/local/bin/service"]
