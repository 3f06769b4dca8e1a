# Runs every line of applets.txt in a folder of its own and prints what came of it:
#   @@ NUMBER STATUS, then standard output and error in base64.
# Arguments: the busybox to use, a folder to work in, the file with the lines.
busybox=$1 root=$2 list=$3
export HOME=/ TZ=UTC LC_ALL=C PATH=/nowhere
unset PWD OLDPWD
umask 022
n=0
while IFS= read -r line; do
  n=$((n + 1))
  case $line in '#'* | '') continue ;; esac
  rm -rf "$root/w"
  mkdir -p "$root/w/dir/sub" "$root/w/dir2"
  cd "$root/w"
  printf 'banana\napple\ncherry\napple\nbanana\ndate\n' > words
  seq 1 20 > nums
  printf 'name age\nann 30\nbob 25\ncarl 35\n' > table
  printf 'name age\nann 31\nbob 25\ndora 35\n' > table2
  printf 'name  age\nann 30\nbob 25\ncarl 35\n' > spaces
  printf 'root:x:0:9\nuser:y:10:8\nzoe:z:2:7\n' > colons
  printf 'a\tb\tc\n1\t2\t3\n' > tabs
  printf 'dos\r\nlines\r\n' > crlf
  awk 'BEGIN { for (i = 0; i < 256; i++) printf "%c", i }' > bin
  : > empty
  printf 'one\n' > dir/one
  printf 'two\n' > dir/two
  printf 'three\n' > dir/sub/three
  printf '#!%s sh\necho script "$@"\n' "$busybox" > script.sh
  chmod 755 script.sh
  ln -s words link
  "$busybox" sh -c "$line" > "$root/out" 2>&1 < /dev/null
  echo "@@ $n $?"
  base64 < "$root/out"
done < "$list"
echo "@@ end"
