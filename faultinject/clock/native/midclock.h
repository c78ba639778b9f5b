/* A clock that another process moves: declarations shared by the parts of the library.
 *
 * The library is preloaded (LD_PRELOAD). Its clock_gettime returns the kernel's time plus an offset, which it reads
 * from a page of shared memory. Its poll, sem_timedwait and so on publish in that page which thread waits until when,
 * and then wait in the kernel. The controller (control.c, loaded by midpipe) moves the clock by writing new offsets to
 * the page. It then sends SIGURG to each thread whose deadline has passed; the kernel call returns EINTR, the thread
 * compares its deadline with the clock again, and times out.
 *
 * Without MIDPIPE_CLOCK in the environment every function only calls the C library.
 */
#ifndef MIDCLOCK_H
#define MIDCLOCK_H

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>

#define HIDDEN __attribute__((visibility("hidden")))
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)

#define NS_PER_S 1000000000LL
#define NS_PER_MS 1000000LL
#define NEVER (INT64_MAX / 4) /* later than any deadline; adding a few of these does not overflow */

/* What the page has room for, and how the library recognizes it. */
enum { PROCESSES = 512, SLOTS = 1024, MAGIC = 0x6d636c6b, VERSION = 2 };

/* What a thread waits for. A signal does not interrupt the waits from POLLED on: they check the clock every few
 * milliseconds instead. */
enum kind { NOTHING, SLEEPS, DESCRIPTOR, LOCK, SIGNAL, TIMER, POLLED, CONDITION = POLLED, MUTEX };

/* Offsets to add to the kernel's clocks, in ns; while the clock is held, the times themselves. */
struct reading {
    int64_t held, wall, monotonic;
};

/* A process that has loaded the library. Its skew, in ns, is added to its wall clock. While it is suspended, moves do
 * not change its monotonic clock, as on a machine that sleeps; how much it has missed so is subtracted from that clock. */
struct process {
    uint32_t pid, parent;
    int64_t skew;
    int64_t missed[2]; /* missed[generation & 1] is current */
    uint32_t is_suspended, unused;
};

/* A wait. The entry is valid while kind is set. */
struct slot {
    uint32_t thread; /* 0: the slot is free. Of a TIMER: the pid */
    uint32_t pid;
    int64_t deadline; /* on the clock as the process reads it, with its skew */
    uint32_t clock;   /* CLOCK_REALTIME or CLOCK_MONOTONIC */
    uint32_t kind;
    uint32_t process; /* index into processes; PROCESSES: the process is not listed */
    uint32_t seen;    /* generation of the page when the thread last checked the clock */
    uint32_t abandoned; /* the thread did not respond to the controller in time */
    uint32_t unused;
};

struct page {
    uint32_t magic, version, size;
    uint32_t generation; /* readings[generation & 1] is current; the controller writes the other one next */
    uint32_t controller; /* pid of the process that moves the clock */
    uint32_t used;       /* no slot from this index on was ever used */
    uint32_t overflows;  /* waits and processes that found the page full: those follow late, or run in real time */
    uint32_t unused;
    struct reading readings[2];
    struct process processes[PROCESSES];
    struct slot slots[SLOTS];
};

/* The C library's own functions. */
struct real {
    int (*clock_gettime)(clockid_t, struct timespec *);
    int (*clock_nanosleep)(clockid_t, int, const struct timespec *, struct timespec *);
    int (*ppoll)(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *);
    int (*pselect)(int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *);
    int (*epoll_pwait)(int, struct epoll_event *, int, int, const sigset_t *);
    int (*epoll_pwait2)(int, struct epoll_event *, int, const struct timespec *, const sigset_t *);
    int (*sem_timedwait)(sem_t *, const struct timespec *);
    int (*sem_clockwait)(sem_t *, clockid_t, const struct timespec *);
    int (*pthread_cond_timedwait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    int (*pthread_cond_clockwait)(pthread_cond_t *, pthread_mutex_t *, clockid_t, const struct timespec *);
    int (*pthread_mutex_timedlock)(pthread_mutex_t *, const struct timespec *);
    int (*pthread_rwlock_timedrdlock)(pthread_rwlock_t *, const struct timespec *);
    int (*pthread_rwlock_timedwrlock)(pthread_rwlock_t *, const struct timespec *);
    int (*pthread_timedjoin_np)(pthread_t, void **, const struct timespec *);
    int (*pthread_sigmask)(int, const sigset_t *, sigset_t *);
    int (*sigaction)(int, const struct sigaction *, struct sigaction *);
    void (*(*signal)(int, void (*)(int)))(int);
    int (*sigtimedwait)(const sigset_t *, siginfo_t *, const struct timespec *);
    int (*setitimer)(int, const struct itimerval *, struct itimerval *);
    int (*getitimer)(int, struct itimerval *);
    int (*timerfd_settime)(int, int, const struct itimerspec *, struct itimerspec *);
    int (*timerfd_gettime)(int, struct itimerspec *);
    int (*timer_create)(clockid_t, struct sigevent *, timer_t *);
    int (*timer_settime)(timer_t, int, const struct itimerspec *, struct itimerspec *);
    int (*timer_gettime)(timer_t, struct itimerspec *);
    int (*timer_delete)(timer_t);
    int (*setsockopt)(int, int, int, const void *, socklen_t);
    int (*connect)(int, const struct sockaddr *, socklen_t);
    int (*accept4)(int, struct sockaddr *, socklen_t *, int);
    ssize_t (*read)(int, void *, size_t);
    ssize_t (*readv)(int, const struct iovec *, int);
    ssize_t (*recv)(int, void *, size_t, int);
    ssize_t (*recvfrom)(int, void *, size_t, int, struct sockaddr *, socklen_t *);
    ssize_t (*recvmsg)(int, struct msghdr *, int);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*writev)(int, const struct iovec *, int);
    ssize_t (*send)(int, const void *, size_t, int);
    ssize_t (*sendto)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    ssize_t (*sendmsg)(int, const struct msghdr *, int);
    FILE *(*fopen)(const char *, const char *);
};

extern HIDDEN struct real real;
extern HIDDEN struct page *shared_page; /* NULL: this process is not on a stepped clock */
extern HIDDEN struct process *self;
extern HIDDEN int is_initialized;

HIDDEN void initialize(void);

/* Whether this process is on a stepped clock. Initializes the library if needed, because the constructor of another
 * library may read the time before ours has run. */
static inline int is_active(void) {
    if (UNLIKELY(!is_initialized))
        initialize();
    return shared_page != NULL;
}

static inline int64_t ns_of(const struct timespec *time) {
    if (time->tv_sec >= NEVER / NS_PER_S)
        return NEVER;
    return time->tv_sec * NS_PER_S + time->tv_nsec;
}

static inline struct timespec timespec_of(int64_t ns) {
    if (ns < 0)
        ns = 0;
    return (struct timespec){.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
}

static inline int is_valid(const struct timespec *time) {
    return time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < NS_PER_S;
}

/* page.c: clocks */

HIDDEN int base_clock(clockid_t clock); /* CLOCK_REALTIME or CLOCK_MONOTONIC; -1 for processor time */
HIDDEN int64_t kernel_now(clockid_t clock);
HIDDEN int64_t now(clockid_t clock);
/* The clock as a process reads it; NULL: without skew, and as if never suspended. */
HIDDEN int64_t page_now(const struct page *page, const struct process *process, clockid_t clock, uint32_t *generation,
                        int *held);

/* page.c: waits */

struct wait {
    struct slot *slot;
    int clock;
    int64_t deadline, remaining;
};

HIDDEN struct slot *publish_wait(enum kind kind, int clock, int64_t deadline, uint32_t thread);
HIDDEN void release(struct slot *slot);
HIDDEN struct wait begin_wait(enum kind kind, int clock, int64_t deadline);
HIDDEN int64_t check_clock(struct wait *wait); /* ns to wait in the kernel now; sets remaining */
HIDDEN int should_retry(struct wait *wait, int is_timeout, int is_interrupted);
HIDDEN void end_wait(struct wait *wait);

/* timers.c */

HIDDEN void sync_timers(void);
HIDDEN void reset_timers(void);

/* signals.c */

HIDDEN void install_wake_handler(void);
HIDDEN int is_wake_the_only_signal(void); /* whether an EINTR can only come from the controller's signal */

#endif
