# memcached with four threads stores and answers
# packages: memcached
memcached -u root -l 127.0.0.1 -t 4 &
ask() { busybox nc 127.0.0.1 11211; }
await sh -c 'printf "quit\r\n" | busybox nc 127.0.0.1 11211'
printf 'set a 0 0 5\r\nhello\r\nget a\r\nadd a 0 0 1\r\nx\r\nset n 0 0 2\r\n41\r\nincr n 1\r\ncas a 0 0 1 999\r\nx\r\ngets none\r\nquit\r\n' | ask
busybox seq 2000 | busybox awk '{ printf "set k%d 0 0 %d\r\nv%d\r\n", $1, length($1) + 1, $1 } END { printf "quit\r\n" }' | ask | busybox sort | busybox uniq -c
busybox seq 1 7 2000 | busybox awk '{ printf "get k%d\r\n", $1 } END { printf "quit\r\n" }' | ask | busybox sha1sum
printf 'stats\r\nquit\r\n' | ask | grep -E 'STAT (curr_items|cmd_get|cmd_set|get_hits|threads) '
