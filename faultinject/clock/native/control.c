/* The controller's functions. The controller loads the library with dlopen and stays on the machine's clock.
 *
 * Only one thread of one process may control a page at a time.
 */
#define _GNU_SOURCE
#include "midclock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A wait as it is reported to the controller. */
struct midclock_wait {
    uint32_t pid, thread, kind, is_stopped;
    int64_t left; /* ns until its deadline; negative if it has passed and the wait has not ended yet */
    int64_t deadline;
};

struct midclock_process {
    uint32_t pid, parent;
    int64_t skew;
};

/* Create the page in a new file. Returns NULL and sets errno on failure. */
struct page *midclock_create(const char *path) {
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return NULL;
    struct page *made = MAP_FAILED;
    if (ftruncate(file, sizeof *made) == 0)
        made = mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (made == MAP_FAILED)
        return NULL;
    made->version = VERSION;
    made->size = sizeof *made;
    made->controller = (uint32_t)getpid();
    made->magic = MAGIC;
    return made;
}

void midclock_close(struct page *page) {
    munmap(page, sizeof *page);
}

/* The clock in ns, without the skew of any process. */
int64_t midclock_now(const struct page *page, int clock) {
    return page_now(page, NULL, clock, NULL, NULL);
}

uint32_t midclock_overflows(const struct page *page) {
    return __atomic_load_n(&page->overflows, __ATOMIC_RELAXED);
}

/* Publish a reading. missed: by how many ns the monotonic clock of suspended processes stays behind. */
static void set(struct page *page, struct reading reading, int64_t missed) {
    uint32_t next = page->generation + 1;
    for (int index = 0; index < PROCESSES; index++) {
        struct process *one = &page->processes[index];
        int64_t before = __atomic_load_n(&one->missed[(next - 1) & 1], __ATOMIC_RELAXED);
        __atomic_store_n(&one->missed[next & 1], before + (one->is_suspended ? missed : 0), __ATOMIC_RELAXED);
    }
    __atomic_store_n(&page->controller, (uint32_t)getpid(), __ATOMIC_RELAXED);
    page->readings[next & 1] = reading;
    __atomic_store_n(&page->generation, next, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* see check_clock */
}

/* Move both clocks forward by so many ns; different amounts step the wall clock. */
void midclock_move(struct page *page, int64_t wall, int64_t monotonic) {
    struct reading reading = page->readings[page->generation & 1];
    reading.wall += wall;
    reading.monotonic += monotonic;
    set(page, reading, monotonic);
}

/* Hold the clocks at the present time, or let them run on from there. */
void midclock_hold(struct page *page, int held) {
    struct reading reading = page->readings[page->generation & 1];
    if (!reading.held == !held)
        return;
    int sign = held ? 1 : -1;
    reading.held = held != 0;
    reading.wall += sign * kernel_now(CLOCK_REALTIME);
    reading.monotonic += sign * kernel_now(CLOCK_MONOTONIC);
    set(page, reading, 0);
}

/* ---- waits ---- */

static int64_t remaining_ns(const struct page *page, const struct slot *slot) {
    const struct process *process = slot->process < PROCESSES ? &page->processes[slot->process] : NULL;
    int64_t deadline = __atomic_load_n(&slot->deadline, __ATOMIC_RELAXED);
    return deadline - page_now(page, process, (clockid_t)slot->clock, NULL, NULL);
}

/* The state of a thread as in /proc/PID/stat; also Z if the thread does not exist. */
static char thread_state(const struct slot *slot) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%u/task/%u/stat", slot->pid, slot->thread);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    if (size <= 0)
        return 'Z';
    text[size] = 0;
    const char *after_name = strrchr(text, ')');
    return after_name && after_name[1] == ' ' ? after_name[2] : 'Z';
}

static int is_dead(char state) {
    return state == 'Z' || state == 'X';
}

static int is_stopped(char state) {
    return state == 'T' || state == 't';
}

/* Make a thread check the clock. A thread that waits for a condition variable or a mutex does so by itself. */
static void send_wake(struct slot *slot) {
    int result = 0;
    if (slot->kind == TIMER) /* any thread can run the handler */
        result = kill((pid_t)slot->pid, SIGURG);
    else if (slot->kind < POLLED)
        result = (int)syscall(SYS_tgkill, slot->pid, slot->thread, SIGURG);
    if (result && errno == ESRCH)
        release(slot);
}

static int needs_wake(const struct page *page, const struct slot *slot, int wake_all) {
    if (__atomic_load_n(&slot->kind, __ATOMIC_ACQUIRE) == NOTHING || slot->abandoned)
        return 0;
    if (__atomic_load_n(&slot->seen, __ATOMIC_ACQUIRE) == page->generation)
        return 0;
    return wake_all || remaining_ns(page, slot) <= 0;
}

static int64_t machine_now(void) {
    return kernel_now(CLOCK_MONOTONIC);
}

/* Wake the threads whose deadline has passed, and return when each of them has checked the clock.
 *
 * wake_all: wake all other waiting threads as well, because the clock was held or released.
 * patience: ns of real time; the wait of a thread that has not checked by then is abandoned.
 * Returns the number of abandoned waits.
 */
int midclock_wake(struct page *page, int wake_all, int64_t patience) {
    int64_t until = machine_now() + patience;
    for (int round = 0;; round++) {
        int late = 0, is_over = machine_now() > until;
        uint32_t used = __atomic_load_n(&page->used, __ATOMIC_ACQUIRE);
        for (uint32_t index = 0; index < used; index++) {
            struct slot *slot = &page->slots[index];
            if (!needs_wake(page, slot, wake_all))
                continue;
            if (round >= 20) { /* slow: perhaps it cannot run at all */
                char state = thread_state(slot);
                if (is_dead(state) && needs_wake(page, slot, wake_all))
                    release(slot);
                if (is_dead(state) || is_stopped(state))
                    continue;
            }
            late++;
            if (is_over)
                slot->abandoned = 1;
            else
                send_wake(slot);
        }
        if (!late || is_over)
            return late;
        struct timespec pause = {.tv_nsec = round < 50 ? 20000 : 1000000};
        real.clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    }
}

/* Write up to `most` waits to `to`. Returns how many there are. */
int midclock_waits(struct page *page, struct midclock_wait *to, int most) {
    int count = 0;
    uint32_t used = __atomic_load_n(&page->used, __ATOMIC_ACQUIRE);
    for (uint32_t index = 0; index < used; index++) {
        struct slot *slot = &page->slots[index];
        uint32_t kind = __atomic_load_n(&slot->kind, __ATOMIC_ACQUIRE);
        if (kind == NOTHING || slot->abandoned)
            continue;
        char state = thread_state(slot);
        if (is_dead(state)) {
            release(slot);
            continue;
        }
        struct midclock_wait wait = {
            .pid = slot->pid,
            .thread = slot->thread,
            .kind = kind,
            .is_stopped = (uint32_t)is_stopped(state),
            .left = remaining_ns(page, slot),
            .deadline = __atomic_load_n(&slot->deadline, __ATOMIC_RELAXED)};
        if (__atomic_load_n(&slot->kind, __ATOMIC_ACQUIRE) == NOTHING)
            continue; /* the wait ended while we read the slot */
        if (count < most)
            to[count] = wait;
        count++;
    }
    return count;
}

/* Update the published deadlines of periodic timers that the kernel has let expire. */
void midclock_refresh(struct page *page, int64_t patience) {
    uint32_t used = __atomic_load_n(&page->used, __ATOMIC_ACQUIRE);
    for (uint32_t index = 0; index < used; index++) {
        struct slot *slot = &page->slots[index];
        if (__atomic_load_n(&slot->kind, __ATOMIC_ACQUIRE) == TIMER && !slot->abandoned &&
            remaining_ns(page, slot) <= 0) {
            midclock_move(page, 0, 0);
            midclock_wake(page, 0, patience);
            return;
        }
    }
}

/* ---- processes ---- */

/* Write up to `most` processes that have loaded the library to `to`. Returns how many there are. */
int midclock_processes(const struct page *page, struct midclock_process *to, int most) {
    int count = 0;
    for (int index = 0; index < PROCESSES; index++) {
        const struct process *one = &page->processes[index];
        uint32_t pid = __atomic_load_n(&one->pid, __ATOMIC_ACQUIRE);
        if (!pid || (kill((pid_t)pid, 0) && errno == ESRCH))
            continue;
        if (count < most)
            to[count] = (struct midclock_process){.pid = pid, .parent = one->parent, .skew = one->skew};
        count++;
    }
    return count;
}

static struct process *find(struct page *page, uint32_t pid) {
    for (int index = 0; index < PROCESSES; index++)
        if (page->processes[index].pid == pid)
            return &page->processes[index];
    return NULL;
}

/* Set the skew of a process in ns. Returns -1 if the process has not loaded the library. */
int midclock_skew(struct page *page, uint32_t pid, int64_t skew) {
    struct process *process = find(page, pid);
    if (!process)
        return -1;
    __atomic_store_n(&process->skew, skew, __ATOMIC_RELAXED);
    midclock_move(page, 0, 0);
    return 0;
}

/* Keep the monotonic clock of a process from following moves, or let it follow again. Returns -1 as midclock_skew. */
int midclock_suspend(struct page *page, uint32_t pid, int is_suspended) {
    struct process *process = find(page, pid);
    if (!process)
        return -1;
    __atomic_store_n(&process->is_suspended, (uint32_t)(is_suspended != 0), __ATOMIC_RELAXED);
    return 0;
}
