#!/bin/sh
# The host image's last step: what fits a machine but not a container is switched off.
set -eu

mask() {
    for unit in "$@"; do ln -sf /dev/null "/etc/systemd/system/$unit"; done
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
systemctl enable ssh.service docker.service containerd.service airlift-lab-offline.service
# The role that configures it starts it.
systemctl disable keepalived.service

useradd --create-home --shell /bin/bash ops
install -d -m 0700 -o ops -g ops /home/ops/.ssh
echo 'ops ALL=(ALL) NOPASSWD:ALL' > /etc/sudoers.d/ops
chmod 0440 /etc/sudoers.d/ops

# Nothing in /usr is newer than /etc and /var: no host need find that out by rebuilding caches at boot.
touch /etc/.updated /var/.updated
