# Runs the cases natively, in name spaces of their own: the tree as root, not to be written to. Arguments: the tree, the folder of
# the cases, seconds that a case may take.
tree=$1 work=$2
mount --bind "$tree" "$tree"
mount -o remount,ro,bind "$tree"
mount --rbind /dev "$tree/dev"
mount -t proc proc "$tree/proc"
mount --bind "$work" "$tree/w"
for dir in tmp run var/tmp; do mount -t tmpfs tmpfs "$tree/$dir"; done
[ -x "$tree/usr/sbin/ip" ] && chroot "$tree" /usr/sbin/ip link set lo up
exec chroot "$tree" /usr/bin/env -i /bin/sh /w/run.sh "$3"
