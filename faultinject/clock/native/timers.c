/* Timers: alarm and setitimer, timerfd, POSIX timers.
 *
 * The kernel's timer is armed with the time that remains on our clock. When the controller moves the clock it sends its
 * signal to the process, and the signal handler arms the kernel's timer anew, or lets it expire at once. The handler
 * only calls functions that are async-signal-safe.
 */
#define _GNU_SOURCE
#include "midclock.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

/* While the clock is held, the kernel's timer is armed with this: only the controller's signal makes it expire. */
#define FAR_NS (100000000LL * NS_PER_S)

enum source { FREE, ALARM, FILE_DESCRIPTOR, POSIX };
enum { TIMERS = 64 };

struct timer {
    enum source source;
    int fd;
    timer_t id;
    int clock;
    int64_t deadline, interval;
    int64_t offset;    /* of our clock from the kernel's when the kernel's timer was armed */
    int is_armed;      /* the kernel's timer counts down to the deadline */
    struct slot *slot; /* NULL: the timer is not running */
};

static struct timer timers[TIMERS];
static int are_locked; /* a spin lock; the signal handler gives up if it is taken */

static void lock_timers(void) {
    while (__atomic_exchange_n(&are_locked, 1, __ATOMIC_ACQUIRE))
        sched_yield();
}

static void unlock_timers(void) {
    __atomic_store_n(&are_locked, 0, __ATOMIC_RELEASE);
}

/* ---- the kernel's timers ---- */

static struct timeval timeval_of(int64_t ns) {
    int64_t us = (ns + 999) / 1000;
    return (struct timeval){.tv_sec = us / 1000000, .tv_usec = us % 1000000};
}

static int arm_kernel_timer(const struct timer *timer, int64_t left, int64_t interval) {
    struct itimerval micro = {.it_value = timeval_of(left), .it_interval = timeval_of(interval)};
    struct itimerspec nano = {.it_value = timespec_of(left), .it_interval = timespec_of(interval)};
    switch (timer->source) {
    case ALARM:
        return real.setitimer(ITIMER_REAL, &micro, NULL);
    case FILE_DESCRIPTOR:
        return real.timerfd_settime(timer->fd, 0, &nano, NULL);
    case POSIX:
        return real.timer_settime(timer->id, 0, &nano, NULL);
    default:
        return -1;
    }
}

/* ns until the kernel's timer expires; 0 if it is not running or no longer exists. */
static int64_t kernel_remaining(const struct timer *timer) {
    struct itimerval micro = {0};
    struct itimerspec nano = {0};
    switch (timer->source) {
    case ALARM:
        real.getitimer(ITIMER_REAL, &micro);
        return micro.it_value.tv_sec * NS_PER_S + micro.it_value.tv_usec * 1000;
    case FILE_DESCRIPTOR:
        real.timerfd_gettime(timer->fd, &nano);
        return ns_of(&nano.it_value);
    case POSIX:
        real.timer_gettime(timer->id, &nano);
        return ns_of(&nano.it_value);
    default:
        return 0;
    }
}

static int has_unread_expiry(const struct timer *timer) {
    struct pollfd fd = {.fd = timer->fd, .events = POLLIN};
    struct timespec at_once = {0};
    return timer->source == FILE_DESCRIPTOR && real.ppoll(&fd, 1, &at_once, NULL) == 1;
}

/* ---- keeping the kernel's timers in step with the clock ---- */

static void stop_timer(struct timer *timer) {
    release(timer->slot);
    timer->slot = NULL;
    timer->is_armed = 0;
    if (timer->source != POSIX)
        timer->source = FREE;
}

/* Arm the kernel's timer with the time that remains now, or let it expire if none does. */
static void sync_timer(struct timer *timer) {
    uint32_t generation;
    int held;
    if (timer->is_armed) {
        int64_t left = kernel_remaining(timer);
        if (left == 0) {
            stop_timer(timer);
            return;
        }
        timer->deadline = kernel_now(timer->clock) + left + timer->offset;
    }
    int64_t present = page_now(shared_page, self, timer->clock, &generation, &held);
    int64_t left = timer->deadline - present;
    int expires = left <= 0;
    if (expires && timer->source == ALARM)
        kill(getpid(), SIGALRM); /* so that it is pending when this handler returns */
    if (expires && timer->interval == 0) {
        arm_kernel_timer(timer, timer->source == ALARM ? 0 : 1, 0);
        stop_timer(timer);
        return;
    }
    if (expires) {
        left = timer->interval;
        timer->deadline = present + left;
    }
    /* Arming a timerfd discards an expiry that has not been read. */
    int expires_now = (expires && timer->source != ALARM) || has_unread_expiry(timer);
    arm_kernel_timer(timer, expires_now ? 1 : held ? FAR_NS : left, held && timer->interval ? FAR_NS : timer->interval);
    timer->is_armed = !held;
    timer->offset = present - kernel_now(timer->clock);
    __atomic_store_n(&timer->slot->deadline, timer->deadline, __ATOMIC_RELAXED);
    __atomic_store_n(&timer->slot->seen, generation, __ATOMIC_RELEASE);
}

/* Called by the signal handler. If the table is locked, the controller repeats its signal. */
void sync_timers(void) {
    if (__atomic_exchange_n(&are_locked, 1, __ATOMIC_ACQUIRE))
        return;
    for (int index = 0; index < TIMERS; index++)
        if (timers[index].slot)
            sync_timer(&timers[index]);
    unlock_timers();
}

/* A forked child inherits no timers but timerfds, and those are kept in step by its parent. */
void reset_timers(void) {
    for (int index = 0; index < TIMERS; index++)
        timers[index].source = FREE, timers[index].slot = NULL;
    unlock_timers();
}

/* ---- the table ---- */

static struct timer *find(enum source source, int fd, timer_t id) {
    for (int index = 0; index < TIMERS; index++) {
        struct timer *timer = &timers[index];
        if (timer->source == source && (source != FILE_DESCRIPTOR || timer->fd == fd) &&
            (source != POSIX || timer->id == id))
            return timer;
    }
    return NULL;
}

static struct timer *find_or_add(enum source source, int fd, timer_t id) {
    struct timer *timer = find(source, fd, id);
    if (!timer && (timer = find(FREE, 0, 0)))
        *timer = (struct timer){.source = source, .fd = fd, .id = id};
    if (!timer)
        __atomic_fetch_add(&shared_page->overflows, 1, __ATOMIC_RELAXED);
    return timer;
}

static void start_timer(struct timer *timer, const struct itimerspec *value, int is_absolute) {
    int64_t given = ns_of(&value->it_value);
    /* No machine has been up for as many seconds as have passed since 1970. */
    timer->clock = is_absolute && value->it_value.tv_sec > 1000000000 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
    timer->deadline = is_absolute ? given : now(CLOCK_MONOTONIC) + given;
    timer->interval = ns_of(&value->it_interval);
    timer->is_armed = 0;
    if (!timer->slot)
        timer->slot = publish_wait(TIMER, timer->clock, timer->deadline, (uint32_t)getpid());
    if (timer->slot) {
        timer->slot->clock = (uint32_t)timer->clock;
        sync_timer(timer);
    } else { /* the page is full: the timer runs in real time */
        arm_kernel_timer(timer, timer->deadline - now(timer->clock), timer->interval);
        stop_timer(timer);
    }
}

static struct itimerspec read_timer(struct timer *timer) {
    struct itimerspec value = {.it_interval = timespec_of(timer->interval)};
    if (timer->slot)
        sync_timer(timer);
    if (timer->slot) {
        int64_t left = timer->deadline - now(timer->clock);
        value.it_value = timespec_of(left > 0 ? left : 1);
    }
    return value;
}

static int is_nonzero(const struct itimerspec *value) {
    return value->it_value.tv_sec || value->it_value.tv_nsec;
}

/* ---- alarm, setitimer ---- */

static struct itimerval itimerval_of(const struct itimerspec *value) {
    return (struct itimerval){
        .it_value = timeval_of(ns_of(&value->it_value)), .it_interval = timeval_of(ns_of(&value->it_interval))};
}

int getitimer(__itimer_which_t which, struct itimerval *value) {
    if (!is_active() || which != ITIMER_REAL)
        return real.getitimer(which, value);
    lock_timers();
    struct timer *timer = find(ALARM, 0, 0);
    struct itimerspec left = timer ? read_timer(timer) : (struct itimerspec){0};
    unlock_timers();
    *value = itimerval_of(&left);
    return 0;
}

int setitimer(
    __itimer_which_t which, const struct itimerval *restrict value, struct itimerval *restrict before) {
    struct itimerval off = {0}, old;
    if (!is_active() || which != ITIMER_REAL || !value)
        return real.setitimer(which, value, before);
    struct itimerspec nano = {
        .it_value = {.tv_sec = value->it_value.tv_sec, .tv_nsec = value->it_value.tv_usec * 1000},
        .it_interval = {.tv_sec = value->it_interval.tv_sec, .tv_nsec = value->it_interval.tv_usec * 1000}};
    if (!is_valid(&nano.it_value) || !is_valid(&nano.it_interval)) {
        errno = EINVAL;
        return -1;
    }
    getitimer(which, &old);
    lock_timers();
    real.setitimer(which, &off, NULL);
    struct timer *timer = is_nonzero(&nano) ? find_or_add(ALARM, 0, 0) : find(ALARM, 0, 0);
    if (timer && is_nonzero(&nano))
        start_timer(timer, &nano, 0);
    else if (timer)
        stop_timer(timer);
    else if (is_nonzero(&nano))
        real.setitimer(which, value, NULL);
    unlock_timers();
    if (before)
        *before = old;
    return 0;
}

unsigned int alarm(unsigned int seconds) {
    struct itimerval value = {.it_value = {.tv_sec = seconds}}, old = {0};
    setitimer(ITIMER_REAL, &value, &old);
    int rounds_up = old.it_value.tv_usec >= 500000 || (!old.it_value.tv_sec && old.it_value.tv_usec);
    return (unsigned int)old.it_value.tv_sec + (unsigned int)rounds_up;
}

/* ---- timerfd ---- */

int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *before) {
    struct itimerspec off = {0}, old = {0};
    if (!is_active() || !is_valid(&value->it_value) || !is_valid(&value->it_interval))
        return real.timerfd_settime(fd, flags, value, before);
    lock_timers();
    struct timer *timer = find(FILE_DESCRIPTOR, fd, 0);
    if (timer)
        old = read_timer(timer);
    int result = real.timerfd_settime(fd, 0, &off, timer ? NULL : &old); /* fails if it is not a timer */
    if (result == 0 && is_nonzero(value)) {
        timer = find_or_add(FILE_DESCRIPTOR, fd, 0);
        if (timer)
            start_timer(timer, value, flags & TFD_TIMER_ABSTIME);
        else
            result = real.timerfd_settime(fd, flags, value, NULL);
    } else if (timer && timer->source != FREE) {
        stop_timer(timer);
    }
    unlock_timers();
    if (result == 0 && before)
        *before = old;
    return result;
}

int timerfd_gettime(int fd, struct itimerspec *value) {
    if (!is_active())
        return real.timerfd_gettime(fd, value);
    lock_timers();
    struct timer *timer = find(FILE_DESCRIPTOR, fd, 0);
    struct itimerspec left = timer ? read_timer(timer) : (struct itimerspec){0};
    unlock_timers();
    int result = real.timerfd_gettime(fd, value);
    if (result == 0 && is_nonzero(&left))
        *value = left;
    return result;
}

/* ---- POSIX timers, except those on a clock of processor time ---- */

int timer_create(clockid_t clock, struct sigevent *restrict event, timer_t *restrict id) {
    int result = (is_active(), real.timer_create(clock, event, id));
    if (result == 0 && shared_page && base_clock(clock) >= 0) {
        lock_timers();
        find_or_add(POSIX, 0, *id);
        unlock_timers();
    }
    return result;
}

int timer_settime(
    timer_t id, int flags, const struct itimerspec *restrict value, struct itimerspec *restrict before) {
    struct itimerspec off = {0}, old;
    if (!is_active() || !is_valid(&value->it_value) || !is_valid(&value->it_interval))
        return real.timer_settime(id, flags, value, before);
    lock_timers();
    struct timer *timer = find(POSIX, 0, id);
    int result;
    if (timer) {
        old = read_timer(timer);
        result = real.timer_settime(id, 0, &off, NULL);
        if (result == 0 && is_nonzero(value))
            start_timer(timer, value, flags & TIMER_ABSTIME);
        else
            stop_timer(timer);
    } else {
        result = real.timer_settime(id, flags, value, &old);
    }
    unlock_timers();
    if (result == 0 && before)
        *before = old;
    return result;
}

int timer_gettime(timer_t id, struct itimerspec *value) {
    int result = (is_active(), real.timer_gettime(id, value));
    if (result || !shared_page)
        return result;
    lock_timers();
    struct timer *timer = find(POSIX, 0, id);
    if (timer)
        *value = read_timer(timer);
    unlock_timers();
    return 0;
}

int timer_delete(timer_t id) {
    if (is_active()) {
        lock_timers();
        struct timer *timer = find(POSIX, 0, id);
        if (timer) {
            stop_timer(timer);
            timer->source = FREE;
        }
        unlock_timers();
    }
    return real.timer_delete(id);
}
