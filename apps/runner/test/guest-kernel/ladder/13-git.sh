# git clones a repository that the host serves, works in it and pushes
# packages: git diffutils
# serves: 13-git
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@x GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@x GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'
server=127.0.0.1:9418
host serve 13-git; server=${answer:-$server}
[ -n "$answer" ] || sh 13-git.serve "$server" /w/served 2> /dev/null & daemon=$!
await git ls-remote "git://$server/s.git"
git clone -q "git://$server/s.git" c; cd c; git log --format='%H %s' | tail -3; git rev-list --count HEAD; git fsck 2>&1
git ls-tree -r HEAD | busybox sha1sum; busybox sha1sum big; git diff --stat HEAD~20 | tail -1
for n in 1 2 3; do echo "$n" > "new$n"; git add "new$n"; git commit -qm "new $n"; done
git push -q origin main; git ls-remote origin main; cd ..
git clone -q --depth 2 "git://$server/s.git" d; git -C d log --format=%s; git clone -q "git://$server/none.git" e; echo $?
diff -r -x .git c d && echo the same
host run 13-git "$(git -C c rev-parse HEAD | busybox sha1sum | cut -d' ' -f1)" git -C /w/s.git rev-parse main
kill $daemon 2> /dev/null; wait
