# PostgreSQL 15: initdb, queries over a socket and TCP, two sessions, a restart
# packages: postgresql-15
# memory: 640
bin=/usr/lib/postgresql/15/bin; mkdir -p pg run; chown 33:33 pg run
as() { chroot --userspec=33:33 --groups=33 --skip-chdir / "$@"; }
pg() { as $bin/psql -h /w/run -U www-data -X -P pager=off "$@" postgres; }
as $bin/initdb -N -D pg/data -A trust --no-locale -E UTF8 -U www-data > initdb.log 2>&1; echo "initdb $?"; grep -E 'creating|running|performing' initdb.log
start() { as $bin/postgres -D pg/data -k /w/run -c fsync=off -c shared_buffers=16MB > pg.log 2>&1 & await $bin/pg_isready -q -h /w/run; }
stop() { kill -INT "$(head -n 1 pg/data/postmaster.pid)"; wait; }
start
pg -c 'select version()'
pg <<'X'
create table t as select g as id, md5(g::text) as h, g * 1.5 as v from generate_series(1, 5000) g;
create unique index on t(id); create index on t(h); analyze t;
select count(*), min(h), max(h), sum(v), avg(id) from t;
explain (costs off) select * from t where id = 42; select * from t where h = md5('4242');
select exp(1.0::float8), sqrt(2::float8), 1.0 / 3, pi(), 'NaN'::float8 = 'NaN'::float8, to_char(1234.5, '9,999.99');
begin; delete from t where id % 2 = 0; select count(*) from t; rollback; select count(*) from t;
with recursive f(a, b) as (values (0::numeric, 1::numeric) union all select b, a + b from f where b < 1e30) select max(a) from f;
select id, row_number() over (partition by id % 3 order by h) from t where id < 10 order by 1;
select 1 / 0;
X
pg -c 'select pg_sleep(1), 1 as slow' > /tmp/slow & as $bin/psql -h 127.0.0.1 -U www-data -X -P pager=off -c 'select count(*) from t where id < 100' postgres; wait %2 2> /dev/null; cat /tmp/slow
$bin/pg_dump -h /w/run -U www-data -t t postgres | grep -v restrict | sha1sum
stop; start; pg -c 'select sum(id) from t'; stop; grep -c 'database system is shut down' pg.log
