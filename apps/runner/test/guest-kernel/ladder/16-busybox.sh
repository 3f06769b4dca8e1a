# busybox httpd answers wget and the host
# ports: 80
mkdir -p www; busybox seq 100000 > www/numbers
busybox httpd -f -h www -p 80 &
await busybox wget -q -O /tmp/got http://127.0.0.1/numbers
busybox sha1sum < /tmp/got; busybox wget -q -O - http://127.0.0.1/none; echo "status $?"
set -- $(busybox sha1sum < www/numbers)
host get 80 /numbers "$1"
