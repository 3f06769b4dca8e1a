# more of Go: dbmate migrates an SQLite database, local-functions-proxy serves
# npm: @dbmate/linux-ia32@2.24.0:bin/dbmate @netlify/local-functions-proxy-linux-ia32@1.1.1:bin/local-functions-proxy
# memory: 512
mkdir -p migrations; cd migrations
printf -- '-- migrate:up\ncreate table users (id integer primary key, name varchar(255));\ninsert into users (name) values ("ada"), ("grace");\n-- migrate:down\ndrop table users;\n' > 20240101000000_users.sql
printf -- '-- migrate:up\nalter table users add column born int;\n-- migrate:down\nalter table users drop column born;\n' > 20240102000000_born.sql
cd ..; d() { dbmate -u sqlite:/w/x.sqlite3 -d migrations -s /w/schema.sql "$@" 2>&1 | sed 's/ in [0-9.]*[a-zµ]*s$//'; }
d --version; d up; d status; sqlite3 x.sqlite3 'select * from users' .schema; d rollback; d status; cat schema.sql
local-functions-proxy --help 2>&1
