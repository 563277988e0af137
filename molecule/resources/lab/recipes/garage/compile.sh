#!/bin/sh
# Compile Garage and leave it in /out. Runs in a container of the base, as root.
# usage: compile.sh VERSION
set -eu
version=$1

# The Rust of trixie itself is a little too old.
mirror=$(sed -n 's/^deb \([^ ]*\) trixie .*/\1/p' /etc/apt/sources.list | head -n 1)
echo "deb $mirror trixie-backports main" > /etc/apt/sources.list.d/backports.list
apt-get update -q
DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends --target-release trixie-backports \
    cargo gcc libc6-dev libsodium-dev

# Debian's libsodium, linked statically: its own build takes two minutes, most of them in configure.
SODIUM_LIB_DIR=/usr/lib/$(gcc -print-multiarch)
export SODIUM_LIB_DIR

# A lab's store need not be the fastest. The crates that move no data are not optimised at all.
cat > /usr/local/lab.toml <<'TOML'
[profile.release]
lto = "off"
codegen-units = 16
opt-level = 1
debug = 0
strip = "symbols"

[profile.release.package]
garage = { opt-level = 0 }
garage_api_admin = { opt-level = 0 }
garage_model = { opt-level = 0 }
TOML
# Without SQLite, whose compilation is dear, and the K2V API.
cargo --config /usr/local/lab.toml install garage --version "$version" --locked --root /usr/local \
    --no-default-features --features bundled-libs,lmdb,metrics
cp /usr/local/bin/garage /out/garage
