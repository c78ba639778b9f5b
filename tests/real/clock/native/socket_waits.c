/* Waits of sockets with time-outs of their own, and what fortified programs call: socket_waits NAME SECONDS; see waits.h. */
#define _GNU_SOURCE
#include "waits.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

static int sockets[2];

static void socket_pair(int option) {
    struct timeval time = {.tv_sec = seconds};
    EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    EXPECT(setsockopt(sockets[0], SOL_SOCKET, option, &time, sizeof time) == 0);
}

static void with_recv(void) {
    char byte;
    socket_pair(SO_RCVTIMEO);
    EXPECT(recv(sockets[0], &byte, 1, 0) == -1 && errno == EAGAIN);
}

static void with_read(void) {
    char byte;
    socket_pair(SO_RCVTIMEO);
    EXPECT(read(sockets[0], &byte, 1) == -1 && errno == EAGAIN);
}

static void with_readv(void) {
    char byte;
    struct iovec to = {.iov_base = &byte, .iov_len = 1};
    socket_pair(SO_RCVTIMEO);
    EXPECT(readv(sockets[0], &to, 1) == -1 && errno == EAGAIN);
}

static void with_recvfrom(void) {
    char byte;
    socket_pair(SO_RCVTIMEO);
    EXPECT(recvfrom(sockets[0], &byte, 1, 0, NULL, NULL) == -1 && errno == EAGAIN);
}

static void with_recvmsg(void) {
    char byte;
    struct iovec to = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &to, .msg_iovlen = 1};
    socket_pair(SO_RCVTIMEO);
    EXPECT(recvmsg(sockets[0], &message, 0) == -1 && errno == EAGAIN);
}

static char bytes[65536];

static void full_socket_pair(void) {
    socket_pair(SO_SNDTIMEO);
    while (send(sockets[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
    }
    EXPECT(errno == EAGAIN);
}

#define WITH_FULL_SOCKET(name, call)                     \
    static void with_##name(void) {                      \
        struct iovec from = {bytes, sizeof bytes};       \
        struct msghdr message = {.msg_iov = &from, .msg_iovlen = 1}; \
        (void)message;                                   \
        full_socket_pair();                              \
        EXPECT((call) == -1 && errno == EAGAIN);         \
    }
WITH_FULL_SOCKET(send, send(sockets[0], bytes, sizeof bytes, 0))
WITH_FULL_SOCKET(sendto, sendto(sockets[0], bytes, sizeof bytes, 0, NULL, 0))
WITH_FULL_SOCKET(sendmsg, sendmsg(sockets[0], &message, 0))
WITH_FULL_SOCKET(write, write(sockets[0], bytes, sizeof bytes))
WITH_FULL_SOCKET(writev, writev(sockets[0], &from, 1))

static int listener(struct sockaddr_in *address, int backlog) {
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    EXPECT(bind(fd, (struct sockaddr *)address, size) == 0 && listen(fd, backlog) == 0);
    EXPECT(getsockname(fd, (struct sockaddr *)address, &size) == 0);
    return fd;
}

static void with_accept(void) {
    struct sockaddr_in address;
    struct timeval time = {.tv_sec = seconds};
    int fd = listener(&address, 1);
    EXPECT(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0);
    EXPECT(accept(fd, NULL, NULL) == -1 && errno == EAGAIN);
}

static void with_accept4(void) {
    struct sockaddr_in address;
    struct timeval time = {.tv_sec = seconds};
    int fd = listener(&address, 1);
    EXPECT(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0);
    EXPECT(accept4(fd, NULL, NULL, SOCK_CLOEXEC) == -1 && errno == EAGAIN);
}

static void with_connect(void) {
    struct sockaddr_in address;
    struct timeval time = {.tv_sec = seconds};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    listener(&address, 0);
    for (int number = 0; number < 3; number++) { /* more than the backlog takes */
        int one = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(one, (struct sockaddr *)&address, sizeof address);
    }
    EXPECT(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) == 0);
    EXPECT(connect(fd, (struct sockaddr *)&address, sizeof address) == -1 && errno == EINPROGRESS);
}

/* ---- what programs that were compiled with _FORTIFY_SOURCE call ---- */

int __poll_chk(struct pollfd *, nfds_t, int, size_t);
int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t);
ssize_t __read_chk(int, void *, size_t, size_t);
ssize_t __recv_chk(int, void *, size_t, size_t, int);
ssize_t __recvfrom_chk(int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *);

static void with_poll_chk(void) {
    struct pollfd fd = {.fd = -1};
    EXPECT(__poll_chk(&fd, 1, (int)seconds * 1000, sizeof fd) == 0);
}

static void with_ppoll_chk(void) {
    struct pollfd fd = {.fd = -1};
    struct timespec time = {.tv_sec = seconds};
    EXPECT(__ppoll_chk(&fd, 1, &time, NULL, sizeof fd) == 0);
}

static void with_read_chk(void) {
    char byte;
    socket_pair(SO_RCVTIMEO);
    EXPECT(__read_chk(sockets[0], &byte, 1, 1) == -1 && errno == EAGAIN);
}

static void with_recv_chk(void) {
    char byte;
    socket_pair(SO_RCVTIMEO);
    EXPECT(__recv_chk(sockets[0], &byte, 1, 1, 0) == -1 && errno == EAGAIN);
}

static void with_recvfrom_chk(void) {
    char byte;
    socket_pair(SO_RCVTIMEO);
    EXPECT(__recvfrom_chk(sockets[0], &byte, 1, 1, 0, NULL, NULL) == -1 && errno == EAGAIN);
}

static const struct wait waits[] = {
    WAIT(recv), WAIT(read), WAIT(readv), WAIT(recvfrom), WAIT(recvmsg), WAIT(send), WAIT(sendto), WAIT(sendmsg),
    WAIT(write), WAIT(writev), WAIT(accept), WAIT(accept4), WAIT(connect), WAIT(poll_chk), WAIT(ppoll_chk),
    WAIT(read_chk), WAIT(recv_chk), WAIT(recvfrom_chk),
};

int main(int count_of_words, char **words) {
    return count_of_words == 3 ? run(waits, sizeof waits / sizeof *waits, words) : 2;
}
