#!/bin/sh
# A copy of this machine that forgets everything: an overlay above / in namespaces of its own. Its first process is systemd, or one that sleeps.
#   unshare --fork --pid --kill-child --mount --uts --ipc --net [--cgroup] sh machine.sh SCRATCH PACKAGES systemd|plain
# SCRATCH/upper is all that differs from this machine, but for /run and /tmp, which begin empty; PACKAGES is seen as /run/packages.
set -eu
scratch=$1 packages=$2 kind=$3
mount --make-rprivate /
mount -t tmpfs -o mode=755 scratch "$scratch"
mkdir "$scratch/upper" "$scratch/work" "$scratch/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$scratch/root"
cd "$scratch/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount --rbind /dev dev
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mkdir run/packages
mount --bind "$packages" run/packages
ip link set lo up
if [ "$kind" = systemd ]; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  # Of this machine's own services none is started.
  find etc/systemd/system -name '*.wants' -exec rm -rf {} +
  : >etc/machine-id
  exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /lib/systemd/systemd --unit=sysinit.target
fi
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . sleep infinity
