/* Timed waits for other threads: semaphores, condition variables, mutexes.
 *
 * A signal interrupts the wait for a semaphore. It does not interrupt the other waits, so those check the clock every
 * few milliseconds.
 */
#define _GNU_SOURCE
#include "midclock.h"

#include <errno.h>

#define SLICE_NS (5 * NS_PER_MS)
/* A wait for a condition variable that is no longer than this runs in real time and is not published. CPython's threads
 * hand over the interpreter's lock with such waits (5 ms), which must end even while the clock is held. */
#define BRIEF_NS (20 * NS_PER_MS)

static struct timespec kernel_deadline(clockid_t clock, int64_t slice) {
    return timespec_of(kernel_now(clock) + slice);
}

/* ---- semaphores: CPython's locks ---- */

static int semaphore(sem_t *semaphore, clockid_t clock, const struct timespec *deadline) {
    if (sem_trywait(semaphore) == 0)
        return 0;
    if (!is_valid(deadline)) {
        errno = EINVAL;
        return -1;
    }
    struct wait wait = begin_wait(LOCK, clock, ns_of(deadline));
    struct timespec until;
    int result;
    do {
        int64_t slice = check_clock(&wait);
        if (real.sem_clockwait) { /* preferred: a change of the machine's wall clock does not affect it */
            until = kernel_deadline(CLOCK_MONOTONIC, slice);
            result = real.sem_clockwait(semaphore, CLOCK_MONOTONIC, &until);
        } else {
            until = kernel_deadline(CLOCK_REALTIME, slice);
            result = real.sem_timedwait(semaphore, &until);
        }
    } while (should_retry(&wait, result < 0 && errno == ETIMEDOUT, result < 0 && errno == EINTR));
    end_wait(&wait);
    return result;
}

int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict deadline) {
    if (!is_active())
        return real.sem_timedwait(sem, deadline);
    return semaphore(sem, CLOCK_REALTIME, deadline);
}

int sem_clockwait(sem_t *restrict sem, clockid_t clock, const struct timespec *restrict deadline) {
    if (is_active() && (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC))
        return semaphore(sem, clock, deadline);
    if (real.sem_clockwait)
        return real.sem_clockwait(sem, clock, deadline);
    errno = ENOSYS;
    return -1;
}

/* ---- condition variables ---- */

static int condition(
    pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *deadline, int is_named) {
    int64_t left = ns_of(deadline) - now(clock);
    struct timespec until;
    struct wait wait = {0};
    int result, is_brief = left > 0 && left <= BRIEF_NS;
    if (is_brief) {
        until = kernel_deadline(clock, left);
    } else {
        wait = begin_wait(CONDITION, (int)clock, ns_of(deadline));
        int64_t slice = check_clock(&wait);
        until = kernel_deadline(clock, slice < SLICE_NS ? slice : SLICE_NS);
    }
    if (is_named)
        result = real.pthread_cond_clockwait(condition, mutex, clock, &until);
    else
        result = real.pthread_cond_timedwait(condition, mutex, &until);
    if (is_brief)
        return result;
    /* The end of a slice is reported as a spurious wake-up. Waiting again here could lose a wake-up: another thread may
     * have signalled after the slice ended and before we had the mutex again. */
    if (result == ETIMEDOUT && (check_clock(&wait), wait.remaining > 0))
        result = 0;
    end_wait(&wait);
    return result;
}

int pthread_cond_timedwait(
    pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex, const struct timespec *restrict deadline) {
    if (!is_active() || !is_valid(deadline))
        return real.pthread_cond_timedwait(cond, mutex, deadline);
    /* The clock of a condition variable cannot be queried, but follows from the deadline: no machine has been up
     * for as many seconds as have passed since 1970. */
    return condition(cond, mutex, deadline->tv_sec > 1000000000 ? CLOCK_REALTIME : CLOCK_MONOTONIC, deadline, 0);
}

int pthread_cond_clockwait(
    pthread_cond_t *restrict cond,
    pthread_mutex_t *restrict mutex,
    clockid_t clock,
    const struct timespec *restrict deadline) {
    if (is_active() && is_valid(deadline) && (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC) &&
        real.pthread_cond_clockwait)
        return condition(cond, mutex, clock, deadline, 1);
    return real.pthread_cond_clockwait ? real.pthread_cond_clockwait(cond, mutex, clock, deadline) : ENOSYS;
}

/* ---- mutexes, read-write locks, joining a thread ---- */

/* The body of a timed lock. `call` tries until `until`, on the machine's wall clock; `real_call` is the C library's. */
#define TIMED_LOCK(clock, call, real_call)                                                      \
    if (!is_active() || !is_valid(deadline))                                                         \
        return real_call;                                                                       \
    struct wait wait = begin_wait(MUTEX, (int)(clock), ns_of(deadline));                        \
    struct timespec until;                                                                      \
    int result;                                                                                 \
    do {                                                                                        \
        int64_t slice = check_clock(&wait);                                                            \
        until = kernel_deadline(CLOCK_REALTIME, slice < SLICE_NS ? slice : SLICE_NS);           \
        result = call;                                                                          \
    } while (should_retry(&wait, result == ETIMEDOUT, 0));                                 \
    end_wait(&wait);                                                                            \
    return result

int pthread_mutex_timedlock(pthread_mutex_t *restrict lock, const struct timespec *restrict deadline) {
    TIMED_LOCK(
        CLOCK_REALTIME,
        real.pthread_mutex_timedlock(lock, &until),
        real.pthread_mutex_timedlock(lock, deadline));
}

int pthread_rwlock_timedrdlock(pthread_rwlock_t *restrict lock, const struct timespec *restrict deadline) {
    TIMED_LOCK(
        CLOCK_REALTIME,
        real.pthread_rwlock_timedrdlock(lock, &until),
        real.pthread_rwlock_timedrdlock(lock, deadline));
}

int pthread_rwlock_timedwrlock(pthread_rwlock_t *restrict lock, const struct timespec *restrict deadline) {
    TIMED_LOCK(
        CLOCK_REALTIME,
        real.pthread_rwlock_timedwrlock(lock, &until),
        real.pthread_rwlock_timedwrlock(lock, deadline));
}

int pthread_timedjoin_np(pthread_t thread, void **value, const struct timespec *deadline) {
    TIMED_LOCK(
        CLOCK_REALTIME,
        real.pthread_timedjoin_np(thread, value, &until),
        real.pthread_timedjoin_np(thread, value, deadline));
}

/* The same with a clock that the caller names. They use the functions above: a slice is equally long on any clock. */

static int is_unknown_clock(clockid_t clock) {
    return clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC;
}

/* Convert a deadline to the machine's wall clock. */
static struct timespec wall_deadline(clockid_t clock, const struct timespec *deadline) {
    if (clock == CLOCK_REALTIME)
        return *deadline;
    return timespec_of(ns_of(deadline) - kernel_now(CLOCK_MONOTONIC) + kernel_now(CLOCK_REALTIME));
}

#define NAMED_CLOCK_LOCK(call, real_call)                           \
    if (is_unknown_clock(clock))                                      \
        return EINVAL;                                              \
    if (!is_active()) {                                                 \
        struct timespec wall = wall_deadline(clock, deadline);        \
        return real_call;                                           \
    }                                                               \
    TIMED_LOCK(clock, call, EINVAL)

int pthread_mutex_clocklock(
    pthread_mutex_t *restrict lock, clockid_t clock, const struct timespec *restrict deadline) {
    NAMED_CLOCK_LOCK(real.pthread_mutex_timedlock(lock, &until), real.pthread_mutex_timedlock(lock, &wall));
}

int pthread_rwlock_clockrdlock(
    pthread_rwlock_t *restrict lock, clockid_t clock, const struct timespec *restrict deadline) {
    NAMED_CLOCK_LOCK(real.pthread_rwlock_timedrdlock(lock, &until), real.pthread_rwlock_timedrdlock(lock, &wall));
}

int pthread_rwlock_clockwrlock(
    pthread_rwlock_t *restrict lock, clockid_t clock, const struct timespec *restrict deadline) {
    NAMED_CLOCK_LOCK(real.pthread_rwlock_timedwrlock(lock, &until), real.pthread_rwlock_timedwrlock(lock, &wall));
}

int pthread_clockjoin_np(pthread_t thread, void **value, clockid_t clock, const struct timespec *deadline) {
    NAMED_CLOCK_LOCK(
        real.pthread_timedjoin_np(thread, value, &until), real.pthread_timedjoin_np(thread, value, &wall));
}
