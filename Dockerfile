# rover's image: built from the sources here, then only what runs. No engine of its own is needed for a build, any will do:
#   docker build -t rover:0.1.0 .
#   docker build -t rover:0.1.0 --build-arg RUST_DIGEST=sha256:… --build-arg DEBIAN_DIGEST=sha256:… .    # those very bases
# The daemon needs root of some capabilities and the node's namespaces (config/kubernetes); all else runs as nobody.
ARG RUST=rust:1-slim-trixie
ARG RUST_DIGEST=
ARG DEBIAN=debian:trixie-slim
ARG DEBIAN_DIGEST=

FROM ${RUST}${RUST_DIGEST:+@${RUST_DIGEST}} AS build
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates clang gcc git libc6-dev libelf-dev \
    make nodejs npm pkg-config python3 python3-venv zlib1g-dev
WORKDIR /src
COPY . .
RUN make wheel && make install DESTDIR=/out PYTHON=/usr/bin/python3
# No secret is in the default configuration, and the backend reads it as nobody.
RUN chmod 0644 /out/etc/rover/rover.yaml && chown 65532:65532 /out/var/lib/rover && rm -r /out/usr/lib/systemd

FROM ${DEBIAN}${DEBIAN_DIGEST:+@${DEBIAN_DIGEST}}
RUN apt-get update && apt-get install --yes --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out /
USER 65532:65532
ENTRYPOINT ["/usr/bin/rover"]
CMD ["daemon"]
