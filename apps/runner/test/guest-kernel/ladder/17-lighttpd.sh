# lighttpd serves pages to curl and to the host
# packages: lighttpd curl
# ports: 81
mkdir -p www up; echo '<h1>from the guest</h1>' > www/index.html; busybox seq 60000 > www/numbers
printf 'server.document-root = "/w/www"\nserver.port = 81\nindex-file.names = ("index.html")\nserver.upload-dirs = ("/w/up")\nserver.errorlog = "/w/light.log"\n' > light.conf
lighttpd -t -f light.conf; lighttpd -D -f light.conf &
await curl -sS http://127.0.0.1:81/
curl -sS -D - http://127.0.0.1:81/ | grep -v -E '^(Date|Last-Modified|ETag)'
curl -sS http://127.0.0.1:81/numbers | busybox sha1sum; curl -sS -r 100-199 http://127.0.0.1:81/numbers
curl -sS -o /tmp/1 http://127.0.0.1:81/numbers -o /tmp/2 --next http://127.0.0.1:81/index.html -w '%{http_code} %{size_download}\n'; curl -s http://127.0.0.1:82/; echo "status $?"
set -- $(busybox sha1sum < www/numbers)
host get 81 /numbers "$1"
