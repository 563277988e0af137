#!/bin/sh
# The host image's last step: what fits a machine but not a container is switched off.
set -eu

mask() {
    for unit in "$@"; do ln -sf /dev/null "/etc/systemd/system/$unit"; done
}

has() {
    test -e "/lib/systemd/system/$1"
}

# These act on the machine's kernel, which the host shares with everybody else.
mask systemd-modules-load.service systemd-sysctl.service systemd-udevd.service systemd-udev-trigger.service \
     systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-random-seed.service systemd-remount-fs.service \
     systemd-binfmt.service proc-sys-fs-binfmt_misc.automount sys-kernel-config.mount sys-kernel-debug.mount \
     modprobe@.service sys-kernel-tracing.mount sys-fs-fuse-connections.mount dev-hugepages.mount
# No terminal to log in at.
mask console-getty.service getty@.service serial-getty@.service getty.target
# No first-boot questions, and nothing that would wake up in the middle of a test.
mask systemd-firstboot.service apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer man-db.timer fstrim.timer \
     e2scrub_all.timer e2scrub_reap.service

systemctl set-default multi-user.target
systemctl enable ssh.service airlift-lab-offline.service
if has docker.service; then
    systemctl enable docker.service containerd.service
fi
# The role that configures it starts it.
if has keepalived.service; then
    systemctl disable keepalived.service
fi

useradd --create-home --shell /bin/bash ops
install -d -m 0700 -o ops -g ops /home/ops/.ssh
echo 'ops ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/ops
chmod 0440 /etc/sudoers.d/ops

if has podman.socket; then
    # One engine of root's, which the Docker client finds as if it were Docker's own, and one of the user's.
    systemctl enable podman.socket
    systemctl --global enable podman.socket
    mkdir -p /var/lib/systemd/linger
    : > /var/lib/systemd/linger/ops
    # On the volume, since overlay file systems cannot lie on the container's own.
    printf '[storage]\ndriver = "overlay"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\nrootless_storage_path = "/var/lib/containers/$USER"\n' \
        > /etc/containers/storage.conf
    echo 'd /var/lib/containers/ops 0700 ops ops' > /etc/tmpfiles.d/airlift-lab.conf
    echo 'L /run/docker.sock - - - - /run/podman/podman.sock' >> /etc/tmpfiles.d/airlift-lab.conf
fi

# Nothing in /usr is newer than /etc and /var: no host need find that out by rebuilding caches at boot.
touch /etc/.updated /var/.updated
