# nginx, a master and a worker, serves pages to itself and to the host
# packages: nginx
# ports: 80
mkdir -p www; echo '<h1>from the guest</h1>' > www/index.html; busybox seq 60000 > www/numbers
cat > nginx.conf <<'X'
daemon off; pid /tmp/nginx.pid; error_log /w/error.log info; user www-data; worker_processes 1;
events { worker_connections 64; }
http {
  access_log off; sendfile on; gzip on; gzip_types text/plain; default_type text/plain;
  client_body_temp_path /tmp/a; proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c; uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e;
  server { listen 80; root /w/www; location /own { return 200 "generated $request_method\n"; }
    location /proxy/ { proxy_pass http://127.0.0.1:80/; } }
}
X
nginx -t -c /w/nginx.conf 2>&1; nginx -c /w/nginx.conf &
await busybox wget -q -O - http://127.0.0.1/
for path in / /own /proxy/index.html /none; do busybox wget -q -O - "http://127.0.0.1$path"; echo "$path: $?"; done
for path in /numbers /proxy/numbers; do busybox wget -q -O - "http://127.0.0.1$path" | busybox sha1sum; done
busybox wget -q --header 'Accept-Encoding: gzip' -O - http://127.0.0.1/numbers | busybox gunzip | busybox sha1sum
set -- $(busybox sha1sum < www/numbers)
host get 80 /numbers "$1"
nginx -s quit -c /w/nginx.conf 2> /dev/null; wait; grep -c 'exited with code 0' error.log
