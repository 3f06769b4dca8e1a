# ffmpeg encodes clips as MPEG-4 and H.264, and decodes them
# npm: @ffmpeg-installer/linux-ia32@4.1.0:ffmpeg @ffprobe-installer/linux-ia32@5.2.0:ffprobe
# memory: 512
make() { out=$1; shift; ffmpeg -hide_banner -loglevel error -f lavfi -i testsrc=size=160x120:rate=10:duration=2 -threads 1 -fflags +bitexact -flags +bitexact "$@" -y "$out"; busybox sha1sum "$out"; }
make a.avi -c:v mpeg4; make b.mkv -c:v libx264 -preset veryfast; make c.mkv -c:v libx264 -preset slow; make d.webm -c:v libvpx -b:v 200k; make e.gif
for clip in a.avi b.mkv c.mkv; do ffmpeg -hide_banner -loglevel error -threads 1 -i $clip -f framemd5 - | busybox sha1sum; done
ffmpeg -hide_banner -loglevel error -f lavfi -i sine=frequency=440:duration=2 -fflags +bitexact -flags +bitexact -c:a pcm_s16le -y s.wav; busybox sha1sum s.wav
ffprobe -hide_banner -v error -show_streams -of json c.mkv
