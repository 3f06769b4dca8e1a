# Runs every case in a folder of its own and prints what came of it:
#   @@ NUMBER STATUS MILLISECONDS BYTES SHA256, then output and errors in base64 (of a long one, its first part), @@.
# Arguments: seconds that a case may take.
limit=$1
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games HOME=/w/home TZ=UTC LC_ALL=C TERM=dumb SHELL=/bin/sh USER=root LOGNAME=root
umask 022
mkdir -p /w/files /w/home
cd /w/files
. /w/setup.sh
for case in /w/cases/*; do
  n=${case##*/}
  cp -a /w/files "/w/$n"
  cd "/w/$n"
  start=$(date +%s%N)
  timeout -k 5 "$limit" /bin/sh "$case" > /w/out 2>&1 < /dev/null
  status=$?
  end=$(date +%s%N)
  digest=$(sha256sum < /w/out)
  echo "@@ $n $status $(((end - start) / 1000000)) $(wc -c < /w/out) ${digest%% *}"
  head -c 6000 /w/out | base64
  echo @@.
  cd /
  rm -rf "/w/$n" /w/home
  mkdir /w/home
done
echo '@@ end'
