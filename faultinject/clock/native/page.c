/* The shared page: map it, read the clocks with its offsets, publish waits in it. */
#define _GNU_SOURCE
#include "midclock.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The longest wait in the kernel before a thread checks the clock by itself. Only a safety net: the controller repeats
 * its signal until the thread has checked. */
#define SAFETY_SLICE_NS NS_PER_S

struct real real;
struct page *shared_page;
int is_initialized;

static struct process unlisted; /* used when the page has no room for this process */
struct process *self = &unlisted;

static __thread uint32_t own_thread; /* 0: not known yet */

/* ---- reading the clocks ---- */

int base_clock(clockid_t clock) {
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI:
        return CLOCK_REALTIME;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
        return CLOCK_MONOTONIC;
    default:
        return -1;
    }
}

int64_t kernel_now(clockid_t clock) {
    struct timespec time;
    if (real.clock_gettime)
        real.clock_gettime(clock, &time);
    else
        syscall(SYS_clock_gettime, clock, &time);
    return ns_of(&time);
}

int64_t page_now(const struct page *page, const struct process *process, clockid_t clock, uint32_t *generation,
                 int *held) {
    int is_wall = base_clock(clock) == CLOCK_REALTIME;
    uint32_t seen;
    int64_t value, is_held;
    do { /* read again if the controller moved the clock meanwhile: two moves overwrite the reading that we use */
        seen = __atomic_load_n(&page->generation, __ATOMIC_ACQUIRE);
        const struct reading *reading = &page->readings[seen & 1];
        is_held = __atomic_load_n(&reading->held, __ATOMIC_RELAXED);
        value = __atomic_load_n(is_wall ? &reading->wall : &reading->monotonic, __ATOMIC_RELAXED);
        if (process && is_wall)
            value += __atomic_load_n(&process->skew, __ATOMIC_RELAXED);
        else if (process)
            value -= __atomic_load_n(&process->missed[seen & 1], __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (UNLIKELY(__atomic_load_n(&page->generation, __ATOMIC_RELAXED) != seen));
    if (generation)
        *generation = seen;
    if (held)
        *held = is_held != 0;
    return is_held ? value : value + kernel_now(clock);
}

int64_t now(clockid_t clock) {
    return page_now(shared_page, self, clock, NULL, NULL);
}

/* ---- waits ---- */

static void count_as_used(uint32_t index) {
    uint32_t *used = &shared_page->used, before = __atomic_load_n(used, __ATOMIC_RELAXED);
    while (before <= index &&
           !__atomic_compare_exchange_n(used, &before, index + 1, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
    }
}

/* Claim a free slot and fill it in. Returns NULL if there is none. */
struct slot *publish_wait(enum kind kind, int clock, int64_t deadline, uint32_t thread) {
    for (uint32_t number = 0; number < SLOTS; number++) {
        uint32_t index = (thread + number) % SLOTS, unclaimed = 0;
        struct slot *slot = &shared_page->slots[index];
        if (__atomic_load_n(&slot->thread, __ATOMIC_RELAXED) ||
            !__atomic_compare_exchange_n(&slot->thread, &unclaimed, thread, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            continue;
        count_as_used(index);
        slot->pid = self == &unlisted ? (uint32_t)getpid() : self->pid;
        slot->clock = (uint32_t)clock;
        slot->process = self == &unlisted ? PROCESSES : (uint32_t)(self - shared_page->processes);
        slot->abandoned = 0;
        slot->deadline = deadline;
        /* Any generation but the current one: the thread has not checked the clock yet. */
        slot->seen = __atomic_load_n(&shared_page->generation, __ATOMIC_RELAXED) - 1;
        __atomic_store_n(&slot->kind, (uint32_t)kind, __ATOMIC_RELEASE);
        return slot;
    }
    __atomic_fetch_add(&shared_page->overflows, 1, __ATOMIC_RELAXED);
    return NULL;
}

void release(struct slot *slot) {
    if (!slot)
        return;
    __atomic_store_n(&slot->kind, NOTHING, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->thread, 0, __ATOMIC_RELEASE);
}

struct wait begin_wait(enum kind kind, int clock, int64_t deadline) {
    if (UNLIKELY(!own_thread))
        own_thread = (uint32_t)syscall(SYS_gettid);
    struct slot *slot = publish_wait(kind, clock, deadline, own_thread);
    return (struct wait){.slot = slot, .clock = clock, .deadline = deadline};
}

int64_t check_clock(struct wait *wait) {
    uint32_t generation;
    int held;
    /* We publish the wait and then read the clock; the controller moves the clock and then reads the waits. With a
     * fence on both sides, at least one of the two sees what the other has written. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    wait->remaining = wait->deadline - page_now(shared_page, self, wait->clock, &generation, &held);
    if (wait->slot)
        __atomic_store_n(&wait->slot->seen, generation, __ATOMIC_RELEASE);
    if (wait->remaining <= 0)
        return 0;
    return held || wait->remaining > SAFETY_SLICE_NS ? SAFETY_SLICE_NS : wait->remaining;
}

/* Whether to call the kernel again. If a signal interrupted the wait and its time is up, the kernel is called again
 * without waiting, because what was waited for may have come meanwhile; a further signal of the controller may interrupt
 * that call as well. Any other EINTR is returned to the program, unless the program handles no signals and so cannot
 * expect one. */
int should_retry(struct wait *wait, int is_timeout, int is_interrupted) {
    if (wait->remaining <= 0)
        return is_interrupted;
    if (is_timeout)
        return 1;
    if (!is_interrupted)
        return 0;
    int error = errno;
    check_clock(wait);
    errno = error;
    return wait->remaining <= 0 || is_wake_the_only_signal();
}

void end_wait(struct wait *wait) {
    int error = errno;
    release(wait->slot);
    errno = error;
}

/* ---- initialization ---- */

static int is_running(uint32_t pid) {
    return kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}

static struct process *entry_of(uint32_t pid) {
    for (int index = 0; index < PROCESSES; index++)
        if (__atomic_load_n(&shared_page->processes[index].pid, __ATOMIC_ACQUIRE) == pid)
            return &shared_page->processes[index];
    return NULL;
}

/* Claim an entry that is free or, if there is none, one whose process has ended. */
static struct process *claim_entry(uint32_t pid) {
    for (int may_reclaim = 0; may_reclaim < 2; may_reclaim++)
        for (int index = 0; index < PROCESSES; index++) {
            struct process *entry = &shared_page->processes[index];
            uint32_t owner = __atomic_load_n(&entry->pid, __ATOMIC_ACQUIRE);
            if ((owner == 0 || (may_reclaim && !is_running(owner))) &&
                __atomic_compare_exchange_n(&entry->pid, &owner, pid, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
                return entry;
        }
    __atomic_fetch_add(&shared_page->overflows, 1, __ATOMIC_RELAXED);
    return &unlisted;
}

/* List this process in the page, with the clocks of the process from which it comes; NULL: there is none. */
static void register_process(const struct process *origin) {
    uint32_t pid = (uint32_t)getpid();
    int64_t skew = origin ? origin->skew : 0;
    int64_t missed = origin ? origin->missed[__atomic_load_n(&shared_page->generation, __ATOMIC_ACQUIRE) & 1] : 0;
    struct process *entry = entry_of(pid); /* of a process that has ended, and whose pid this one has now */
    self = entry ? entry : claim_entry(pid);
    __atomic_store_n(&self->parent, (uint32_t)getppid(), __ATOMIC_RELAXED);
    __atomic_store_n(&self->is_suspended, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&self->missed[0], missed, __ATOMIC_RELAXED);
    __atomic_store_n(&self->missed[1], missed, __ATOMIC_RELAXED);
    __atomic_store_n(&self->skew, skew, __ATOMIC_RELEASE);
}

/* Where a program that has just started comes from: exec keeps its clocks, and a child inherits them. */
static const struct process *origin_of_program(void) {
    const struct process *entry = entry_of((uint32_t)getpid());
    return entry ? entry : entry_of((uint32_t)getppid());
}

/* exec ends the other threads of a process, whose waits stay in the page. */
static void release_slots_of_previous_program(void) {
    uint32_t pid = (uint32_t)getpid();
    for (uint32_t index = 0; index < SLOTS; index++)
        if (shared_page->slots[index].pid == pid)
            release(&shared_page->slots[index]);
}

static void after_fork(void) {
    own_thread = 0;
    register_process(self);
    reset_timers();
}

static struct page *mapped(const char *path) {
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        return NULL;
    struct page *found = mmap(NULL, sizeof *found, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (found == MAP_FAILED)
        return NULL;
    if (found->magic != MAGIC || found->version != VERSION || found->size != sizeof *found) {
        munmap(found, sizeof *found);
        return NULL;
    }
    return found;
}

#define FIND(name) *(void **)&real.name = dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) void initialize(void) {
    if (is_initialized)
        return;
    is_initialized = 1;
    FIND(clock_gettime), FIND(clock_nanosleep), FIND(ppoll), FIND(pselect), FIND(epoll_pwait), FIND(epoll_pwait2);
    FIND(sem_timedwait), FIND(sem_clockwait), FIND(pthread_cond_timedwait), FIND(pthread_cond_clockwait);
    FIND(pthread_mutex_timedlock), FIND(pthread_rwlock_timedrdlock), FIND(pthread_rwlock_timedwrlock);
    FIND(pthread_timedjoin_np), FIND(pthread_sigmask), FIND(sigaction), FIND(signal), FIND(sigtimedwait);
    FIND(setitimer), FIND(getitimer), FIND(timerfd_settime), FIND(timerfd_gettime);
    FIND(timer_create), FIND(timer_settime), FIND(timer_gettime), FIND(timer_delete);
    FIND(setsockopt), FIND(connect), FIND(accept4), FIND(read), FIND(readv), FIND(recv), FIND(recvfrom);
    FIND(recvmsg), FIND(write), FIND(writev), FIND(send), FIND(sendto), FIND(sendmsg), FIND(fopen);
    const char *path = getenv("MIDPIPE_CLOCK");
    if (!path || !(shared_page = mapped(path)))
        return;
    release_slots_of_previous_program();
    register_process(origin_of_program());
    pthread_atfork(NULL, NULL, after_fork);
    install_wake_handler();
}
