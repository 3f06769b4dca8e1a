// A tap whose frames pass through stdin and stdout, each with a virtio_net_hdr in front and its length (32 bits, little endian)
// before that. Run inside a network namespace; the argument is a shell command that configures the interface "tap0".
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static unsigned char buffer[4 + 70000];

static int full(ssize_t (*io)(int, void *, size_t), int fd, unsigned char *at, size_t left) {
  while (left > 0) {
    ssize_t n = io(fd, at, left);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return 0;
    at += n, left -= n;
  }
  return 1;
}

static ssize_t put(int fd, void *at, size_t length) { return write(fd, at, length); }

int main(int argc, char **argv) {
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
  int tap = open("/dev/net/tun", O_RDWR);
  strcpy(request.ifr_name, "tap0");
  if (tap < 0 || ioctl(tap, TUNSETIFF, &request) < 0) return perror("tap"), 1;
  if (ioctl(tap, TUNSETOFFLOAD, argc > 2 ? 0 : TUN_F_CSUM | TUN_F_TSO4) < 0) return perror("offload"), 1;
  if (argc < 2 || system(argv[1]) != 0) return 1;
  for (;;) {
    struct pollfd fds[2] = {{.fd = tap, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    poll(fds, 2, -1);
    if (fds[0].revents & POLLIN) {
      ssize_t n = read(tap, buffer + 4, sizeof buffer - 4);
      if (n < 0) continue;
      uint32_t length = n;
      memcpy(buffer, &length, 4);
      if (!full(put, 1, buffer, 4 + n)) return 0;
    }
    if (fds[1].revents) {
      uint32_t length;
      if (!full(read, 0, buffer, 4)) return 0;
      memcpy(&length, buffer, 4);
      if (length > sizeof buffer || !full(read, 0, buffer, length)) return 0;
      if (write(tap, buffer, length) < 0 && errno != EIO && errno != EINVAL) perror("write");
    }
  }
}
