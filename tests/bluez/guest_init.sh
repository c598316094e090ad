#!/bin/sh
# The guest's only process besides the system bus, bluetoothd and the bridge: it runs what it is told, says how it ended, and powers off.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mkdir -p /run/dbus /var/lib/dbus /var/lib/bluetooth
modprobe -a virtio_console virtio_rng 9pnet_virtio 9p hci_vhci
mkdir -p /repo /site /exchange
mount -t 9p -o trans=virtio,version=9p2000.L,ro repo /repo
mount -t 9p -o trans=virtio,version=9p2000.L,ro site /site
mount -t 9p -o trans=virtio,version=9p2000.L,ro exchange /exchange
for port in /sys/class/virtio-ports/*; do
    ln -s "/dev/$(basename "$port")" "/tmp/port-$(cat "$port/name")"
done
exec > /tmp/port-told 2>&1
dbus-uuidgen --ensure
dbus-daemon --system --fork
python3 /repo/tests/bluez/guest_bridge.py "$(readlink -f /tmp/port-hci)" &
/usr/libexec/bluetooth/bluetoothd --nodetach > /tmp/bluetoothd.log 2>&1 &
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/repo:/site timeout 900 python3 -u /repo/tests/bluez/guest_program.py
echo "guest-ended $?"
tail -5 /tmp/bluetoothd.log
sync
echo o > /proc/sysrq-trigger
sleep 10
