/* Timed waits: sleeps, file descriptors, signals. */
#define _GNU_SOURCE
#include "midclock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- sleeps ---- */

static int sleep_until(int clock, int64_t deadline, struct timespec *left) {
    struct wait wait = begin_wait(SLEEPS, clock, deadline);
    struct timespec slice;
    int result;
    do {
        slice = timespec_of(check_clock(&wait));
        result = real.clock_nanosleep(CLOCK_MONOTONIC, 0, &slice, NULL);
    } while (should_retry(&wait, result == 0, result == EINTR));
    end_wait(&wait);
    if (result && left)
        *left = timespec_of(deadline - now(clock));
    return result;
}

static int can_sleep_on(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_TAI || clock == CLOCK_BOOTTIME;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left) {
    if (!is_active() || !can_sleep_on(clock) || !is_valid(time))
        return real.clock_nanosleep(clock, flags, time, left);
    if (flags & TIMER_ABSTIME) {
        /* The deadline may be on a clock that is some time ahead of the one that is published. */
        int base = base_clock(clock);
        return sleep_until(base, ns_of(time) - now(clock) + now((clockid_t)base), NULL);
    }
    return sleep_until(CLOCK_MONOTONIC, now(CLOCK_MONOTONIC) + ns_of(time), left);
}

int nanosleep(const struct timespec *time, struct timespec *left) {
    int error = clock_nanosleep(CLOCK_MONOTONIC, 0, time, left);
    if (error)
        errno = error;
    return error ? -1 : 0;
}

int usleep(useconds_t us) {
    struct timespec time = timespec_of(us * 1000LL);
    return nanosleep(&time, NULL);
}

unsigned int sleep(unsigned int seconds) {
    struct timespec time = {.tv_sec = seconds}, left = {0};
    if (nanosleep(&time, &left) == 0)
        return 0;
    return (unsigned int)left.tv_sec + (left.tv_nsec >= NS_PER_S / 2);
}

/* ---- file descriptors ---- */

/* A signal mask that applies during the wait must not block the controller's signal. */
static const sigset_t *without_wake_signal(const sigset_t *mask, sigset_t *copy) {
    if (!mask)
        return NULL;
    *copy = *mask;
    sigdelset(copy, SIGURG);
    return copy;
}

/* Call the kernel for a wait without a deadline, which the controller's signal may interrupt as well. */
#define WAIT_FOR_EVER(call)                                                     \
    int outcome;                                                                \
    do                                                                          \
        outcome = (call);                                                       \
    while (outcome < 0 && errno == EINTR && is_wake_the_only_signal());         \
    return outcome

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask) {
    sigset_t copy;
    struct timespec slice = {0};
    if (!is_active() || (timeout && (!is_valid(timeout) || ns_of(timeout) == 0)))
        return real.ppoll(fds, count, timeout, mask);
    if (!timeout) {
        WAIT_FOR_EVER(real.ppoll(fds, count, NULL, mask));
    }
    mask = without_wake_signal(mask, &copy);
    struct wait wait = begin_wait(DESCRIPTOR, CLOCK_MONOTONIC, now(CLOCK_MONOTONIC) + ns_of(timeout));
    int result;
    do {
        slice = timespec_of(check_clock(&wait));
        result = real.ppoll(fds, count, &slice, mask);
    } while (should_retry(&wait, result == 0, result < 0 && errno == EINTR));
    end_wait(&wait);
    return result;
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
    struct timespec timeout = timespec_of(timeout_ms * NS_PER_MS);
    return ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, NULL);
}

/* Programs compiled with _FORTIFY_SOURCE call these. */
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t size) {
    if (size / sizeof *fds < count)
        abort();
    return poll(fds, count, timeout_ms);
}

int __ppoll_chk(
    struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask, size_t size) {
    if (size / sizeof *fds < count)
        abort();
    return ppoll(fds, count, timeout, mask);
}

int pselect(
    int count, fd_set *reads, fd_set *writes, fd_set *errors, const struct timespec *timeout, const sigset_t *mask) {
    if (!is_active() || (timeout && (!is_valid(timeout) || ns_of(timeout) == 0)) || count < 0)
        return real.pselect(count, reads, writes, errors, timeout, mask);
    if (!timeout) {
        WAIT_FOR_EVER(real.pselect(count, reads, writes, errors, NULL, mask));
    }
    fd_set *sets[3] = {reads, writes, errors};
    char *before[3] = {NULL, NULL, NULL};
    size_t size = ((size_t)count + 63) / 64 * 8;
    for (int each = 0; each < 3; each++) /* kept, because a call that times out clears the sets */
        if (sets[each] && size)
            before[each] = memcpy(__builtin_alloca(size), sets[each], size);
    sigset_t copy;
    struct timespec slice;
    mask = without_wake_signal(mask, &copy);
    struct wait wait = begin_wait(DESCRIPTOR, CLOCK_MONOTONIC, now(CLOCK_MONOTONIC) + ns_of(timeout));
    int result;
    do {
        for (int each = 0; each < 3; each++)
            if (before[each])
                memcpy(sets[each], before[each], size);
        slice = timespec_of(check_clock(&wait));
        result = real.pselect(count, reads, writes, errors, &slice, mask);
    } while (should_retry(&wait, result == 0, result < 0 && errno == EINTR));
    end_wait(&wait);
    return result;
}

int select(int count, fd_set *reads, fd_set *writes, fd_set *errors, struct timeval *timeout) {
    if (!timeout)
        return pselect(count, reads, writes, errors, NULL, NULL);
    struct timespec time = {.tv_sec = timeout->tv_sec, .tv_nsec = timeout->tv_usec * 1000};
    if (timeout->tv_usec >= 1000000) { /* valid for select, but not for pselect */
        time.tv_sec += timeout->tv_usec / 1000000;
        time.tv_nsec = timeout->tv_usec % 1000000 * 1000;
    }
    int64_t begun = is_active() ? now(CLOCK_MONOTONIC) : kernel_now(CLOCK_MONOTONIC);
    int result = pselect(count, reads, writes, errors, &time, NULL), error = errno;
    int64_t ended = shared_page ? now(CLOCK_MONOTONIC) : kernel_now(CLOCK_MONOTONIC);
    struct timespec left = timespec_of(ns_of(&time) - (ended - begun)); /* on Linux, select updates its argument */
    *timeout = (struct timeval){.tv_sec = left.tv_sec, .tv_usec = left.tv_nsec / 1000};
    errno = error;
    return result;
}

int epoll_pwait(int fd, struct epoll_event *events, int most, int timeout_ms, const sigset_t *mask) {
    sigset_t copy;
    if (!is_active() || timeout_ms == 0)
        return real.epoll_pwait(fd, events, most, timeout_ms, mask);
    if (timeout_ms < 0) {
        WAIT_FOR_EVER(real.epoll_pwait(fd, events, most, timeout_ms, mask));
    }
    mask = without_wake_signal(mask, &copy);
    struct wait wait = begin_wait(DESCRIPTOR, CLOCK_MONOTONIC, now(CLOCK_MONOTONIC) + timeout_ms * NS_PER_MS);
    int result;
    do {
        int slice_ms = (int)((check_clock(&wait) + NS_PER_MS - 1) / NS_PER_MS);
        result = real.epoll_pwait(fd, events, most, slice_ms, mask);
    } while (should_retry(&wait, result == 0, result < 0 && errno == EINTR));
    end_wait(&wait);
    return result;
}

int epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms) {
    return epoll_pwait(fd, events, most, timeout_ms, NULL);
}

int epoll_pwait2(
    int fd, struct epoll_event *events, int most, const struct timespec *timeout, const sigset_t *mask) {
    sigset_t copy;
    struct timespec slice;
    int is_on_the_clock = is_active();
    if (!real.epoll_pwait2) { /* older than glibc 2.35 */
        errno = ENOSYS;
        return -1;
    }
    if (!is_on_the_clock || (timeout && (!is_valid(timeout) || ns_of(timeout) == 0)))
        return real.epoll_pwait2(fd, events, most, timeout, mask);
    if (!timeout) {
        WAIT_FOR_EVER(real.epoll_pwait2(fd, events, most, NULL, mask));
    }
    mask = without_wake_signal(mask, &copy);
    struct wait wait = begin_wait(DESCRIPTOR, CLOCK_MONOTONIC, now(CLOCK_MONOTONIC) + ns_of(timeout));
    int result;
    do {
        slice = timespec_of(check_clock(&wait));
        result = real.epoll_pwait2(fd, events, most, &slice, mask);
    } while (should_retry(&wait, result == 0, result < 0 && errno == EINTR));
    end_wait(&wait);
    return result;
}

/* ---- signals ---- */

int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout) {
    sigset_t copy;
    struct timespec slice;
    if (!is_active() || !timeout || !is_valid(timeout) || ns_of(timeout) == 0)
        return real.sigtimedwait(set, info, timeout);
    set = without_wake_signal(set, &copy);
    struct wait wait = begin_wait(SIGNAL, CLOCK_MONOTONIC, now(CLOCK_MONOTONIC) + ns_of(timeout));
    int result;
    do {
        slice = timespec_of(check_clock(&wait));
        result = real.sigtimedwait(set, info, &slice);
    } while (should_retry(&wait, result < 0 && errno == EAGAIN, result < 0 && errno == EINTR));
    end_wait(&wait);
    return result;
}
