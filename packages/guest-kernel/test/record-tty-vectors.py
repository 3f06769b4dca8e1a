#!/usr/bin/env python3
"""Records what a Linux terminal echoes and gives to readers, for line-input.test.ts.

Usage: record-tty-vectors.py > tty-vectors.json   (on a Linux host; uses a pty of its own)
"""
import fcntl, json, os, pty, random, struct, termios, time

ALPHABET = [b"a", b"b", b"_", b" ", b"9", b"\t", b"\x01", b"\x7f", b"\x15", b"\x17", b"\x16", b"\x12", b"\x04",
            b"\r", b"\n", b"\x03", b"\x1a", b"\x1b", b"\xc3\xa4", b"\xff", b"word", b"two words", b"\x08", b"!"]
L = ["ICANON", "ECHO", "ECHOE", "ECHOK", "ECHOKE", "ECHONL", "ECHOCTL", "IEXTEN", "ISIG", "NOFLSH"]
I = ["ICRNL", "INLCR", "IGNCR", "ISTRIP"]
O = ["OPOST", "ONLCR", "OCRNL", "ONLRET", "ONOCR"]
IUTF8 = 0o40000


def drain(fd):
    out = []
    while True:
        try:
            out.append(os.read(fd, 65536))
        except BlockingIOError:
            return out
        if len(out) > 60:
            return out


def record(rng, index):
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    os.set_blocking(slave, False)
    a = termios.tcgetattr(slave)
    if index % 3:
        for bank, names in ((0, I), (1, O), (3, L)):
            for name in names:
                if rng.random() < (0.25 if name == "ICANON" else 0.3):
                    a[bank] ^= getattr(termios, name)
        if rng.random() < 0.3:
            a[0] ^= IUTF8
    termios.tcsetattr(slave, termios.TCSANOW, a)
    flags = [a[0], a[1], a[2], a[3]]
    prompt = b"$ " if rng.random() < 0.4 else b""
    typed = b"".join(rng.choice(ALPHABET) for _ in range(rng.randint(1, 25)))
    if prompt:
        os.write(slave, prompt)
    time.sleep(0.002)
    os.write(master, typed)
    time.sleep(0.004)
    size = rng.choice([3, 5, 4096])
    reads = []
    while len(reads) < 60:
        try:
            got = os.read(slave, size)
        except BlockingIOError:
            break
        reads.append(got.decode("latin1"))
    time.sleep(0.002)
    echo = b"".join(drain(master)).decode("latin1")
    os.close(slave)
    os.close(master)
    return {"flags": flags, "prompt": prompt.decode(), "typed": typed.decode("latin1"), "size": size,
            "reads": reads, "echo": echo}


def main():
    rng = random.Random(42)
    rows = [json.dumps(record(rng, index)) for index in range(400)]
    print("[\n" + ",\n".join(rows) + "\n]")


main()
