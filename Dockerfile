# A small image: one binary and what it needs, no shell, not root.
#
#   docker build -t menshen .
#   docker run --read-only -p 8000:8000 \
#     -v "$PWD/config.toml:/etc/menshen/config.toml:ro" -v menshen-data:/var/lib/menshen menshen

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# Without the demo: its QQ logs anybody in as anybody.
RUN cargo build --profile dist --locked --no-default-features
RUN scripts/image-root target/dist/menshen /image 10001 && mkdir -m 0700 /data

FROM scratch
COPY --from=build /image/ /
COPY --from=build --chown=10001:10001 /data/ /var/lib/menshen/
ENV MENSHEN__STORE__PATH=/var/lib/menshen
# Memory that is no longer needed goes back to the system at once, not with the next use of the allocator.
ENV MIMALLOC_PURGE_DELAY=0
USER 10001:10001
EXPOSE 8000
VOLUME ["/var/lib/menshen"]
ENTRYPOINT ["/usr/local/bin/menshen"]
CMD ["serve", "--config", "/etc/menshen/config.toml"]
