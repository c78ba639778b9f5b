/* Reads calls from its standard input and prints what each one answered, for a comparison of two clocks.
 *
 * A line is NAME A B, two numbers whose meaning depends on the call. An answer is the result, errno if the call failed,
 * and how many ms passed, each after a blank.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int ready[2], silent[2], epolls[2], timer_fd;
static sem_t semaphore;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, free_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static struct timespec after(clockid_t clock, long a, long b) {
    struct timespec time;
    clock_gettime(clock, &time);
    time.tv_sec += a;
    time.tv_nsec += b;
    if (b >= 0 && b < 1000000000 && time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

/* Return an error number as a failed call that sets errno. */
static long failing(int error) {
    errno = error;
    return error ? -1 : 0;
}

static long select_on(int fd, long us) {
    fd_set reads;
    struct timeval time = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
    FD_ZERO(&reads);
    FD_SET(fd, &reads);
    int result = select(fd + 1, &reads, NULL, NULL, &time);
    return result < 0 ? result : result * 10 + !!FD_ISSET(fd, &reads);
}

static long recv_within(int fd, long us) {
    struct timeval time = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
    char byte;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time))
        return -2;
    return recv(fd, &byte, 1, MSG_PEEK | (us ? 0 : MSG_DONTWAIT));
}

/* The seconds that a timer has left, so coarsely that the time between two calls makes no difference. */
static long hundreds(long seconds) {
    return seconds / 100;
}

static long set_timerfd(long a, long b) {
    struct itimerspec time = {.it_value = {.tv_sec = a, .tv_nsec = b}}, before;
    long result = timerfd_settime(timer_fd, 0, &time, &before);
    return result ? result : hundreds(before.it_value.tv_sec);
}

static long call(const char *name, long a, long b) {
    struct timespec given = {.tv_sec = a, .tv_nsec = b}, until, left = {0};
    struct pollfd fds[2] = {{.fd = ready[0], .events = POLLIN}, {.fd = silent[0], .events = POLLIN}};
    struct epoll_event event;
    struct itimerval interval = {.it_value = {.tv_sec = a, .tv_usec = b}}, before = {0};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    if (!strcmp(name, "clock_gettime"))
        return clock_gettime((clockid_t)a, &left);
    if (!strcmp(name, "nanosleep"))
        return nanosleep(&given, NULL);
    if (!strcmp(name, "clock_nanosleep"))
        return failing(clock_nanosleep((clockid_t)b, 0, &(struct timespec){.tv_nsec = a}, NULL));
    if (!strcmp(name, "clock_nanosleep_until"))
        return until = after((clockid_t)b, 0, a), failing(clock_nanosleep((clockid_t)b, TIMER_ABSTIME, &until, NULL));
    if (!strcmp(name, "poll_ready"))
        return poll(fds, 2, (int)a);
    if (!strcmp(name, "poll_silent"))
        return poll(fds + 1, 1, (int)a);
    if (!strcmp(name, "ppoll"))
        return ppoll(fds + 1, 1, &given, &set);
    if (!strcmp(name, "select_ready"))
        return select_on(ready[0], a);
    if (!strcmp(name, "select_silent"))
        return select_on(silent[0], a);
    if (!strcmp(name, "pselect"))
        return pselect(0, NULL, NULL, NULL, &given, NULL);
    if (!strcmp(name, "epoll_ready"))
        return epoll_wait(epolls[0], &event, (int)b, (int)a);
    if (!strcmp(name, "epoll_silent"))
        return epoll_wait(epolls[1], &event, (int)b, (int)a);
    if (!strcmp(name, "sem_timedwait"))
        return until = after(CLOCK_REALTIME, a, b), sem_timedwait(&semaphore, &until);
    if (!strcmp(name, "sem_clockwait"))
        return until = after((clockid_t)a, 0, b), sem_clockwait(&semaphore, (clockid_t)a, &until);
    if (!strcmp(name, "sem_post"))
        return sem_post(&semaphore);
    if (!strcmp(name, "mutex_timedlock"))
        return until = after(CLOCK_REALTIME, a, b), failing(pthread_mutex_timedlock(&mutex, &until));
    if (!strcmp(name, "free_mutex_timedlock")) {
        until = after(CLOCK_REALTIME, a, b);
        int error = pthread_mutex_timedlock(&free_mutex, &until);
        return error ? failing(error) : failing(pthread_mutex_unlock(&free_mutex));
    }
    if (!strcmp(name, "cond_timedwait")) {
        until = after(CLOCK_REALTIME, a, b);
        int error;
        while ((error = pthread_cond_timedwait(&condition, &mutex, &until)) == 0) {
        }
        return failing(error);
    }
    if (!strcmp(name, "sigtimedwait"))
        return sigtimedwait(&set, NULL, &given);
    if (!strcmp(name, "sigmask"))
        return failing(pthread_sigmask((int)a, &set, NULL));
    if (!strcmp(name, "setitimer"))
        return setitimer(ITIMER_REAL, &interval, &before) ? -1 : hundreds(before.it_value.tv_sec);
    if (!strcmp(name, "getitimer"))
        return getitimer((int)a, &before) ? -1 : hundreds(before.it_value.tv_sec);
    if (!strcmp(name, "alarm"))
        return hundreds(alarm((unsigned int)a));
    if (!strcmp(name, "timerfd"))
        return set_timerfd(a, b);
    if (!strcmp(name, "recv_ready"))
        return recv_within(ready[0], a);
    if (!strcmp(name, "recv_silent"))
        return recv_within(silent[0], a);
    return -3;
}

int main(void) {
    struct epoll_event event = {.events = EPOLLIN};
    char name[40];
    long a, b;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ready) || socketpair(AF_UNIX, SOCK_STREAM, 0, silent))
        return 1;
    if (write(ready[1], "x", 1) != 1)
        return 1;
    epolls[0] = epoll_create1(0), epolls[1] = epoll_create1(0);
    epoll_ctl(epolls[0], EPOLL_CTL_ADD, ready[0], &event);
    epoll_ctl(epolls[1], EPOLL_CTL_ADD, silent[0], &event);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    sem_init(&semaphore, 0, 0);
    pthread_mutex_lock(&mutex);
    signal(SIGALRM, SIG_IGN);
    while (scanf("%39s %ld %ld", name, &a, &b) == 3) {
        struct timespec begun = after(CLOCK_MONOTONIC, 0, 0);
        errno = 0;
        long result = call(name, a, b);
        int error = result < 0 ? errno : 0;
        struct timespec ended = after(CLOCK_MONOTONIC, 0, 0);
        double ms = (double)(ended.tv_sec - begun.tv_sec) * 1e3 + (double)(ended.tv_nsec - begun.tv_nsec) / 1e6;
        printf("%ld %d %.3f\n", result, error, ms);
        fflush(stdout);
    }
    return 0;
}
