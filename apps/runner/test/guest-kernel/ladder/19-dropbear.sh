# dropbear: the host logs in with a key, as root and as a user, with and without a terminal; so does dbclient inside
# packages: dropbear-bin bash libc-bin
# ports: 22
busybox mount -t tmpfs tmpfs /root; mkdir -p /root/.ssh; cp /w/key.pub /root/.ssh/authorized_keys
chmod 700 /root /root/.ssh; chmod 600 /root/.ssh/authorized_keys
(cat /etc/passwd; echo 'ada:x:1000:1000:Ada:/w/ada:/bin/bash') > passwd; mount --bind passwd /etc/passwd
mkdir ada; cp -r /root/.ssh ada; chown -R 1000:1000 ada; chmod 755 /w
dropbearkey -t ed25519 -f /tmp/host > /dev/null 2>&1
dropbear -r /tmp/host -E -F -p 22 2> /w/dropbear.log &
inside() { HOME=/tmp dbclient -y -i /w/key -p 22 "$@" 2> /w/client.log; }
await inside root@127.0.0.1 true
inside root@127.0.0.1 'id -un; busybox tty; echo $HOME; exit 7'; echo "status $?"
inside -t root@127.0.0.1 'busybox tty; busybox stty size; ls -l /dev/pts/0 | cut -c1-10'; echo "status $?"
busybox seq 20000 | inside root@127.0.0.1 'busybox sha1sum'
inside -L 8022:127.0.0.1:22 -N root@127.0.0.1 & await sh -c 'echo | busybox nc 127.0.0.1 8022 | head -c 7'
echo | busybox nc 127.0.0.1 8022 | head -c 7; echo
inside ada@127.0.0.1 'id; pwd; touch here; stat -c "%A %u %g %s %n" here; touch /root/there; whoami'; echo "status $?"
inside nobody@127.0.0.1 id; echo "status $?"
set -- $(printf 'root\nLinux\n' | busybox sha1sum)
host ssh 22 "$1" 'id -un; busybox uname'
