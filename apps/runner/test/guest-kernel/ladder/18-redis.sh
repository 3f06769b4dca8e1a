# redis: commands, its own benchmark, a background save that is read again
# packages: redis-server
redis-server --save '' --dir /w --loglevel warning --enable-debug-command yes > /w/redis.log 2>&1 &
await redis-cli ping
redis-cli set key value; redis-cli get key; redis-cli incrby n 41; redis-cli incr n; redis-cli rpush list a b c d; redis-cli lrange list 1 -1
redis-cli zadd z 1.5 one 2.25 two 1e10 three; redis-cli zrange z 0 -1 withscores; redis-cli hset h a 1 b 2; redis-cli hgetall h
redis-cli eval 'return {redis.call("get", KEYS[1]), 3.7 * 2, #ARGV}' 1 key x y; redis-cli debug populate 5000; redis-cli dbsize
redis-cli bgsave > /dev/null; await sh -c 'redis-cli info persistence | grep -q rdb_bgsave_in_progress:0'
redis-cli info persistence | grep rdb_last_bgsave_status; redis-check-rdb dump.rdb | grep -E 'keys read|looks OK' | sed 's/^\[[^]]*\] //'
for line in $(redis-benchmark -n 6000 -t set,get --csv | tr -d '"' | busybox awk -F, 'NR > 1 { print $1 ":" $2 }'); do echo "~ $line/s"; done
for line in $(redis-benchmark -n 24000 -P 16 -t set,get --csv | tr -d '"' | busybox awk -F, 'NR > 1 { print $1 ":" $2 }'); do echo "~ $line/s 16 at a time"; done
redis-cli shutdown nosave; wait
redis-server --dir /w --port 6400 --save '' > /dev/null 2>&1 &
await redis-cli -p 6400 ping
redis-cli -p 6400 get key; redis-cli -p 6400 get key:4999; redis-cli -p 6400 shutdown nosave
