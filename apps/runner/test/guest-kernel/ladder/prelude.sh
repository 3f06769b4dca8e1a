# Runs /w/rung.sh, on the host and in the guest. What it prints is told at its end:
#   @@ STATUS MILLISECONDS, the output in base64, @@ end.
# Lines that begin with ~ are measurements. `host WHAT` has the host do something while the script waits.
export PATH=/w/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/w TZ=UTC LC_ALL=C TERM=dumb
umask 022
cd /w
busybox ifconfig lo 127.0.0.1
exec 3>&1 4<&0
host() { echo "@host $*" >&3; read -r answer <&4 || :; }
# Waits until a command succeeds, a minute and a half at most.
await() { tries=0; until "$@" > /dev/null 2>&1; do tries=$((tries + 1)); [ $tries -gt 900 ] && { echo "$* fails"; return 1; }; busybox usleep 100000; done; }
start=$(date +%s%N)
( . /w/rung.sh ) > /tmp/rung.out 2>&1 < /dev/null
status=$?
end=$(date +%s%N)
echo "@@ $status $(((end - start) / 1000000))"
busybox base64 /tmp/rung.out
echo '@@ end'
