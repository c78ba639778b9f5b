/* Sockets with SO_RCVTIMEO or SO_SNDTIMEO, whose time-outs the kernel would measure in real time.
 *
 * A call on such a socket first polls it with that time-out on our clock, and then makes the real call. A write that
 * fits only partly may still wait in the kernel, in real time, until the rest fits.
 */
#define _GNU_SOURCE
#include "midclock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { DESCRIPTORS = 65536, READS = 1, WRITES = 2 };

static unsigned char has_timeout[DESCRIPTORS]; /* may be outdated: socket_timeout asks the kernel */

int setsockopt(int fd, int level, int option, const void *value, socklen_t size) {
    int result = (is_active(), real.setsockopt(fd, level, option, value, size));
    if (result == 0 && shared_page && level == SOL_SOCKET && fd < DESCRIPTORS) {
        if (option == SO_RCVTIMEO)
            has_timeout[fd] |= READS;
        if (option == SO_SNDTIMEO)
            has_timeout[fd] |= WRITES;
    }
    return result;
}

/* The socket's time-out in ns; 0 if it has none or the call does not block. */
static int64_t socket_timeout(int fd, int option, int flags) {
    struct timeval timeout = {0};
    socklen_t size = sizeof timeout;
    if (getsockopt(fd, SOL_SOCKET, option, &timeout, &size)) {
        has_timeout[fd] = 0;
        return 0;
    }
    if (flags & MSG_DONTWAIT || fcntl(fd, F_GETFL) & O_NONBLOCK)
        return 0;
    return timeout.tv_sec * NS_PER_S + timeout.tv_usec * 1000;
}

/* Wait until the socket is ready. Returns -1 with errno EAGAIN after the time-out, EINTR after a signal. */
static int wait_until_ready(int fd, int what, int flags) {
    if (!is_active() || fd < 0 || fd >= DESCRIPTORS || !(has_timeout[fd] & what))
        return 0;
    int64_t timeout = socket_timeout(fd, what == READS ? SO_RCVTIMEO : SO_SNDTIMEO, flags);
    if (!timeout)
        return 0;
    struct pollfd ready = {.fd = fd, .events = what == READS ? POLLIN : POLLOUT};
    struct timespec time = timespec_of(timeout);
    int result = ppoll(&ready, 1, &time, NULL);
    if (result == 0)
        errno = EAGAIN;
    return result > 0 ? 0 : -1;
}

ssize_t read(int fd, void *to, size_t size) {
    return wait_until_ready(fd, READS, 0) ? -1 : real.read(fd, to, size);
}

ssize_t readv(int fd, const struct iovec *to, int count) {
    return wait_until_ready(fd, READS, 0) ? -1 : real.readv(fd, to, count);
}

ssize_t recv(int fd, void *to, size_t size, int flags) {
    return wait_until_ready(fd, READS, flags) ? -1 : real.recv(fd, to, size, flags);
}

ssize_t recvfrom(
    int fd, void *restrict to, size_t size, int flags, struct sockaddr *restrict from, socklen_t *restrict length) {
    return wait_until_ready(fd, READS, flags) ? -1 : real.recvfrom(fd, to, size, flags, from, length);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
    return wait_until_ready(fd, READS, flags) ? -1 : real.recvmsg(fd, message, flags);
}

ssize_t write(int fd, const void *from, size_t size) {
    return wait_until_ready(fd, WRITES, 0) ? -1 : real.write(fd, from, size);
}

ssize_t writev(int fd, const struct iovec *from, int count) {
    return wait_until_ready(fd, WRITES, 0) ? -1 : real.writev(fd, from, count);
}

ssize_t send(int fd, const void *from, size_t size, int flags) {
    return wait_until_ready(fd, WRITES, flags) ? -1 : real.send(fd, from, size, flags);
}

ssize_t sendto(int fd, const void *from, size_t size, int flags, const struct sockaddr *to, socklen_t length) {
    return wait_until_ready(fd, WRITES, flags) ? -1 : real.sendto(fd, from, size, flags, to, length);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    return wait_until_ready(fd, WRITES, flags) ? -1 : real.sendmsg(fd, message, flags);
}

int accept4(int fd, struct sockaddr *restrict from, socklen_t *restrict length, int flags) {
    return wait_until_ready(fd, READS, 0) ? -1 : real.accept4(fd, from, length, flags);
}

int accept(int fd, struct sockaddr *restrict from, socklen_t *restrict length) {
    return accept4(fd, from, length, 0);
}

/* Programs compiled with _FORTIFY_SOURCE call these. */
ssize_t __read_chk(int fd, void *to, size_t size, size_t room) {
    if (size > room)
        abort();
    return read(fd, to, size);
}

ssize_t __recv_chk(int fd, void *to, size_t size, size_t room, int flags) {
    if (size > room)
        abort();
    return recv(fd, to, size, flags);
}

ssize_t __recvfrom_chk(
    int fd, void *to, size_t size, size_t room, int flags, struct sockaddr *from, socklen_t *length) {
    if (size > room)
        abort();
    return recvfrom(fd, to, size, flags, from, length);
}

/* After the time-out the kernel's connect returns EINPROGRESS; so does this one. */
int connect(int fd, const struct sockaddr *to, socklen_t length) {
    int64_t timeout = 0;
    if (is_active() && fd >= 0 && fd < DESCRIPTORS && has_timeout[fd] & WRITES)
        timeout = socket_timeout(fd, SO_SNDTIMEO, 0);
    if (!timeout)
        return real.connect(fd, to, length);
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    int result = real.connect(fd, to, length), error = errno;
    fcntl(fd, F_SETFL, flags);
    if (result < 0 && error == EAGAIN) /* a unix socket whose backlog is full */
        return real.connect(fd, to, length);
    if (result < 0 && error == EINPROGRESS) {
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        struct timespec time = timespec_of(timeout);
        socklen_t size = sizeof error;
        result = ppoll(&ready, 1, &time, NULL);
        if (result < 0)
            error = errno;
        else if (result > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
            error = errno;
        result = result > 0 && error == 0 ? 0 : -1;
    }
    errno = error;
    return result;
}
