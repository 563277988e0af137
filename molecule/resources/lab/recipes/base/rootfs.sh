#!/bin/sh
# Make WORKPLACE/rootfs.tar, a minimal Debian. Called inside a private mount namespace.
# usage: rootfs.sh RELEASE MIRROR WORKPLACE
set -eu
release=$1
mirror=$2
workplace=$3
tree=$workplace/tree

# There before the first package: it keeps the base small and spares an fsync per file, here and in every image made from it.
mkdir -p "$tree/etc/dpkg/dpkg.cfg.d" "$tree/etc/apt/apt.conf.d"
cat > "$tree/etc/dpkg/dpkg.cfg.d/airlift-lab" <<'EOF'
force-unsafe-io
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/lintian/*
path-exclude=/usr/share/bug/*
EOF
cat > "$tree/etc/apt/apt.conf.d/airlift-lab" <<'EOF'
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
EOF
# Sid's index expires within a week, and a site's mirror may be older than that.
if [ "$release" = sid ]; then
    echo 'Acquire::Check-Valid-Until "false";' >> "$tree/etc/apt/apt.conf.d/airlift-lab"
fi

debootstrap --variant=minbase --include=ca-certificates "$release" "$tree" "$mirror"

cd "$tree"
rm -rf var/lib/apt/lists/* var/cache/apt/* var/cache/debconf/*-old var/log/*.log var/log/apt
rm -rf usr/share/doc/* usr/share/man/* usr/share/info/* usr/share/locale/* usr/share/lintian/* usr/share/bug/*
# Each machine makes its own; an empty file says so to systemd.
: > etc/machine-id
# The builder's, not the image's.
rm -f etc/resolv.conf etc/hostname
tar --one-file-system --sort=name --numeric-owner --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' \
    -cf "$workplace/rootfs.tar" .
