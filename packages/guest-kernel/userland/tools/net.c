#include "../lib.h"

struct address { u16 family; u16 port; u32 ip; u8 zero[8]; };
enum { AF_INET = 2, SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_RAW = 3, SOCKET = 1, CONNECT = 3, SENDTO = 11, RECVFROM = 12 };

static int call(int which, u32 a, u32 b, u32 c, u32 d, u32 e, u32 f)
{
    u32 arguments[6] = { a, b, c, d, e, f };
    return syscall(SYS_socketcall, which, arguments);
}

static u16 swap16(u16 v) { return v << 8 | v >> 8; }

/* A dotted address in network order. @returns where it ended, NULL if it is none */
static const char *dotted(const char *s, u32 *ip)
{
    u8 *bytes = (u8 *)ip;
    for (int i = 0; i < 4; i++) {
        u32 v = 0;
        if (*s < '0' || *s > '9') return NULL;
        while (*s >= '0' && *s <= '9') v = v * 10 + (*s++ - '0');
        if (v > 255 || (i < 3 && *s++ != '.')) return NULL;
        bytes[i] = v;
    }
    return s;
}

static u32 name_server(void)
{
    u32 ip = 0;
    char *text = read_file("/etc/resolv.conf"), *line = text ? strstr(text, "nameserver ") : NULL;
    if (line) dotted(line + 11, &ip);
    return ip;
}

/* Waits for something to read. */
static bool arrived(int fd, int milliseconds)
{
    struct pollfd p = { fd, 1, 0 };
    return syscall(SYS_poll, &p, 1, milliseconds) > 0;
}

static u32 skip_name(const u8 *m, u32 at, u32 n)
{
    while (at < n && m[at] && m[at] < 0xc0) at += m[at] + 1;
    return at + (at < n && m[at] ? 2 : 1);
}

/* Asks the name server for an A record. @returns 0 for an address found */
static int resolve(const char *host, u32 *ip)
{
    u8 m[512] = { 0x12, 0x34, 1, 0, 0, 1 };
    u32 n = 12;
    const char *end = dotted(host, ip);
    if (end && !*end) return 0;
    struct address server = { AF_INET, swap16(53), name_server(), { 0 } };
    if (!server.ip || strlen(host) > 200) return -ENOENT;
    for (const char *label = host; *label;) {
        u32 length = 0;
        while (label[length] && label[length] != '.') length++;
        m[n++] = length;
        memcpy(m + n, label, length);
        n += length;
        label += length + (label[length] == '.');
    }
    n++;
    m[n + 1] = m[n + 3] = 1;
    n += 4;
    int fd = call(SOCKET, AF_INET, SOCK_DGRAM, 0, 0, 0, 0), got = 0;
    if (fd < 0) return fd;
    for (int tries = 0; tries < 3 && got <= 0; tries++) {
        int sent = call(SENDTO, fd, (u32)m, n, 0, (u32)&server, sizeof server);
        if (sent < 0) got = sent;
        else if (arrived(fd, 2000)) got = call(RECVFROM, fd, (u32)m, sizeof m, 0, 0, 0);
    }
    close(fd);
    u32 answers = got > 12 ? m[6] << 8 | m[7] : 0, at = skip_name(m, 12, got) + 4;
    for (; answers > 0; answers--) {
        at = skip_name(m, at, got);
        if (at + 10 > (u32)got) break;
        u32 type = m[at] << 8 | m[at + 1], length = m[at + 8] << 8 | m[at + 9];
        at += 10;
        if (type == 1 && length == 4 && at + 4 <= (u32)got) {
            memcpy(ip, m + at, 4);
            return 0;
        }
        at += length;
    }
    return got < 0 ? got : -ENOENT;
}

static int usage(void)
{
    complain("usage: wget [-O FILE] http://HOST[:PORT]/PATH");
    return 2;
}

int wget_main(int argc, char **argv)
{
    static char buffer[16384];
    const char *to = NULL, *url = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-O") == 0 && i + 1 < argc) to = argv[++i];
        else url = argv[i];
    }
    if (!url) return usage();
    if (starts_with(url, "http://")) url += 7;
    char *host = duplicate(url), *path = upto(host, '/');
    const char *wanted = *path ? upto(url, '/') : "/";
    *path = 0;
    char *colon = upto(host, ':');
    int port = 80;
    if (*colon && !number(colon + 1, &port)) return usage();
    struct address server = { AF_INET, swap16(port), 0, { 0 } };
    char *name = duplicate(host);
    *upto(name, ':') = 0;
    int result = resolve(name, &server.ip);
    if (result < 0) return failed(name, result);
    int fd = call(SOCKET, AF_INET, SOCK_STREAM, 0, 0, 0, 0);
    if (fd < 0) return failed("socket", fd);
    result = call(CONNECT, fd, (u32)&server, sizeof server, 0, 0, 0);
    if (result < 0) return failed(host, result);
    const char *parts[] = { "GET ", wanted, " HTTP/1.0\r\nHost: ", host, "\r\nConnection: close\r\n\r\n" };
    for (int i = 0; i < count_of(parts); i++) write(fd, parts[i], strlen(parts[i]));
    struct reader r = { .fd = fd };
    char *line;
    bool good = read_line(&r, &line) && upto(line, ' ')[0] && upto(line, ' ')[1] == '2';
    if (!good) return complain("%s: %s", host, line), 1;
    while (read_line(&r, &line) && line[0] && line[0] != '\r') continue;
    if (!to) to = wanted[strlen(wanted) - 1] == '/' ? "index.html" : base_name(wanted);
    int out = strcmp(to, "-") == 0 ? 1 : open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (out < 0) return failed(to, out);
    u64 bytes = r.end - r.at;
    write(out, r.buffer + r.at, r.end - r.at);
    for (int n; (n = read(fd, buffer, sizeof buffer)) > 0; bytes += n)
        if ((result = write(out, buffer, n)) < 0) return failed(to, result);
    if (out != 1) complain("%b bytes in %s", bytes, to);
    return 0;
}

static u16 checksum(const u8 *m, u32 n)
{
    u32 sum = 0;
    for (u32 i = 0; i < n; i += 2) sum += m[i] << 8 | m[i + 1];
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

static u32 microseconds(void)
{
    struct timespec t;
    syscall(SYS_clock_gettime, 1, &t);
    return t.sec * 1000000 + divide(t.nsec, 1000, NULL);
}

int ping_main(int argc, char **argv)
{
    int count = 4, received = 0;
    const char *host = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) number(argv[++i], &count);
        else host = argv[i];
    }
    if (!host) return complain("usage: ping [-c N] ADDRESS"), 2;
    struct address to = { AF_INET, 0, 0, { 0 } };
    int result = resolve(host, &to.ip);
    if (result < 0) return failed(host, result);
    int fd = call(SOCKET, AF_INET, SOCK_RAW, 1, 0, 0, 0);
    if (fd < 0) return failed("socket", fd);
    for (int i = 0; i < count; i++) {
        u8 m[64] = { 8, 0, 0, 0, 'b', 'x', 0, i }, answer[256];
        u16 sum = checksum(m, sizeof m);
        m[2] = sum >> 8;
        m[3] = sum;
        u32 start = microseconds();
        result = call(SENDTO, fd, (u32)m, sizeof m, 0, (u32)&to, sizeof to);
        if (result < 0) return failed(host, result);
        bool answered = false;
        while (!answered && arrived(fd, 1000)) {
            int n = call(RECVFROM, fd, (u32)answer, sizeof answer, 0, 0, 0);
            u32 header = (answer[0] & 15) * 4;
            answered = n > (int)header + 7 && answer[header] == 0 && answer[header + 7] == i;
        }
        u32 time = microseconds() - start;
        if (answered) print("answer %d from %s: %u.%03u ms\n", i + 1, host, time / 1000, time % 1000), received++;
        else print("no answer %d\n", i + 1);
        flush();
        struct timespec second = { 1, 0 };
        if (i + 1 < count) syscall(SYS_nanosleep, &second, NULL);
    }
    print("%d of %d came back\n", received, count);
    return received == 0;
}

static void print_ip(const char *what, int fd, int request, const char *name)
{
    struct { char name[16]; struct address address; } r = { { 0 }, { 0 } };
    memcpy(r.name, name, strlen(name));
    if (ioctl(fd, request, &r) < 0) return;
    u8 *b = (u8 *)&r.address.ip;
    print(" %s %d.%d.%d.%d", what, b[0], b[1], b[2], b[3]);
}

int ifconfig_main(int argc, char **argv)
{
    struct { char name[16]; struct address address; } list[8];
    struct { int bytes; void *at; } wanted = { sizeof list, list };
    (void)argc, (void)argv;
    int fd = call(SOCKET, AF_INET, SOCK_DGRAM, 0, 0, 0, 0);
    int result = fd < 0 ? fd : ioctl(fd, 0x8912, &wanted);
    if (result < 0) return failed("interfaces", result);
    for (int i = 0; i < wanted.bytes / (int)sizeof *list; i++) {
        struct { char name[16]; u16 family; u8 mac[14]; } hardware = { { 0 }, 0, { 0 } };
        print("%-5s", list[i].name);
        print_ip("address", fd, 0x8915, list[i].name);
        print_ip("mask", fd, 0x891b, list[i].name);
        memcpy(hardware.name, list[i].name, 16);
        if (ioctl(fd, 0x8927, &hardware) == 0) {
            put(" mac ");
            for (int b = 0; b < 6; b++) print(b ? ":%02x" : "%02x", hardware.mac[b]);
        }
        put("\n");
    }
    return 0;
}
