/* Waits that are no socket's: waits NAME SECONDS; see waits.h. */
#define _GNU_SOURCE
#include "waits.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

static volatile sig_atomic_t signals;

static struct timespec length(void) {
    return (struct timespec){.tv_sec = seconds};
}

static struct timespec deadline(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    time.tv_sec += seconds;
    return time;
}

static void count(int number) {
    (void)number;
    signals++;
}

static void count_signals(int number) {
    struct sigaction action = {.sa_handler = count};
    EXPECT(sigaction(number, &action, NULL) == 0);
}

/* ---- sleeps ---- */

static void with_nanosleep(void) {
    struct timespec time = length();
    EXPECT(nanosleep(&time, NULL) == 0);
}

static void with_clock_nanosleep(void) {
    struct timespec time = deadline(CLOCK_REALTIME);
    EXPECT(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &time, NULL) == 0);
}

static void with_sleep(void) {
    EXPECT(sleep((unsigned int)seconds) == 0);
}

static void with_usleep(void) {
    EXPECT(usleep((useconds_t)seconds * 1000000) == 0);
}

/* ---- file descriptors ---- */

static void with_poll(void) {
    struct pollfd fd = {.fd = -1};
    EXPECT(poll(&fd, 1, (int)seconds * 1000) == 0);
}

static void with_ppoll(void) {
    struct timespec time = length();
    sigset_t all;
    sigfillset(&all); /* which would block the controller's signal */
    EXPECT(ppoll(NULL, 0, &time, &all) == 0);
}

static void with_select(void) {
    int ends[2];
    fd_set reads;
    struct timeval time = {.tv_sec = seconds - 1, .tv_usec = 1000000};
    EXPECT(pipe(ends) == 0);
    FD_ZERO(&reads);
    FD_SET(ends[0], &reads);
    EXPECT(select(ends[0] + 1, &reads, NULL, NULL, &time) == 0);
    EXPECT(!FD_ISSET(ends[0], &reads) && time.tv_sec == 0);
}

static void with_pselect(void) {
    struct timespec time = length();
    EXPECT(pselect(0, NULL, NULL, NULL, &time, NULL) == 0);
}

static void with_epoll_wait(void) {
    struct epoll_event event;
    EXPECT(epoll_wait(epoll_create1(0), &event, 1, (int)seconds * 1000) == 0);
}

static void with_epoll_pwait(void) {
    struct epoll_event event;
    sigset_t all;
    sigfillset(&all);
    EXPECT(epoll_pwait(epoll_create1(0), &event, 1, (int)seconds * 1000, &all) == 0);
}

static void with_epoll_pwait2(void) {
    struct epoll_event event;
    struct timespec time = length();
    EXPECT(epoll_pwait2(epoll_create1(0), &event, 1, &time, NULL) == 0);
}

/* ---- other threads ---- */

static sem_t semaphore;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void with_sem_timedwait(void) {
    struct timespec time = deadline(CLOCK_REALTIME);
    sem_init(&semaphore, 0, 0);
    EXPECT(sem_timedwait(&semaphore, &time) == -1 && errno == ETIMEDOUT);
}

static void with_sem_clockwait(void) {
    struct timespec time = deadline(CLOCK_MONOTONIC);
    sem_init(&semaphore, 0, 0);
    EXPECT(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &time) == -1 && errno == ETIMEDOUT);
}

static void with_condition_of(clockid_t clock) {
    pthread_cond_t condition;
    pthread_condattr_t attributes;
    struct timespec time = deadline(clock);
    int result = 0;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, clock);
    pthread_cond_init(&condition, &attributes);
    pthread_mutex_lock(&mutex);
    while (result == 0)
        result = pthread_cond_timedwait(&condition, &mutex, &time);
    EXPECT(result == ETIMEDOUT && pthread_mutex_unlock(&mutex) == 0);
}

static void with_pthread_cond_timedwait(void) {
    with_condition_of(CLOCK_REALTIME);
}

static void with_pthread_cond_timedwait_monotonic(void) {
    with_condition_of(CLOCK_MONOTONIC);
}

static void with_pthread_cond_clockwait(void) {
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    struct timespec time = deadline(CLOCK_MONOTONIC);
    int result = 0;
    pthread_mutex_lock(&mutex);
    while (result == 0)
        result = pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &time);
    EXPECT(result == ETIMEDOUT);
}

static void *hold_locks(void *ready) {
    pthread_mutex_lock(&mutex);
    pthread_rwlock_wrlock(&rwlock);
    sem_post(ready);
    pause();
    return NULL;
}

static pthread_t other_thread_with_locks(void) {
    pthread_t thread;
    sem_init(&semaphore, 0, 0);
    EXPECT(pthread_create(&thread, NULL, hold_locks, &semaphore) == 0);
    sem_wait(&semaphore);
    return thread;
}

#define WITH_LOCK(name, clock, call)                   \
    static void with_##name(void) {                    \
        pthread_t other = other_thread_with_locks();   \
        struct timespec time = deadline(clock);        \
        (void)other;                                   \
        EXPECT((call) == ETIMEDOUT);                   \
    }
WITH_LOCK(pthread_mutex_timedlock, CLOCK_REALTIME, pthread_mutex_timedlock(&mutex, &time))
WITH_LOCK(pthread_mutex_clocklock, CLOCK_MONOTONIC, pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &time))
WITH_LOCK(pthread_rwlock_timedrdlock, CLOCK_REALTIME, pthread_rwlock_timedrdlock(&rwlock, &time))
WITH_LOCK(pthread_rwlock_timedwrlock, CLOCK_REALTIME, pthread_rwlock_timedwrlock(&rwlock, &time))
WITH_LOCK(pthread_rwlock_clockrdlock, CLOCK_MONOTONIC, pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &time))
WITH_LOCK(pthread_rwlock_clockwrlock, CLOCK_MONOTONIC, pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &time))
WITH_LOCK(pthread_timedjoin_np, CLOCK_REALTIME, pthread_timedjoin_np(other, NULL, &time))
WITH_LOCK(pthread_clockjoin_np, CLOCK_MONOTONIC, pthread_clockjoin_np(other, NULL, CLOCK_MONOTONIC, &time))

/* ---- signals and timers ---- */

static void with_sigtimedwait(void) {
    struct timespec time = length();
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    EXPECT(sigtimedwait(&all, NULL, &time) == -1 && errno == EAGAIN);
}

static void with_alarm(void) {
    count_signals(SIGALRM);
    alarm((unsigned int)seconds);
    while (!signals)
        pause();
    EXPECT(alarm(0) == 0);
}

static void with_setitimer(void) { /* twice, in half the time each */
    struct itimerval time = {.it_value = {.tv_sec = seconds / 2}, .it_interval = {.tv_sec = seconds / 2}}, left;
    count_signals(SIGALRM);
    EXPECT(setitimer(ITIMER_REAL, &time, NULL) == 0);
    EXPECT(getitimer(ITIMER_REAL, &left) == 0 && left.it_interval.tv_sec == seconds / 2);
    EXPECT(left.it_value.tv_sec <= seconds / 2 && left.it_value.tv_sec >= seconds / 2 - 60);
    while (signals < 2)
        pause();
}

static void with_timerfd(void) {
    struct itimerspec time = {.it_value = length()}, left;
    uint64_t expirations;
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    EXPECT(timerfd_settime(fd, 0, &time, NULL) == 0);
    EXPECT(timerfd_gettime(fd, &left) == 0 && left.it_value.tv_sec >= seconds - 60);
    EXPECT(read(fd, &expirations, sizeof expirations) == sizeof expirations && expirations == 1);
}

static void with_absolute_timerfd(void) {
    struct itimerspec time = {.it_value = deadline(CLOCK_REALTIME)};
    int fd = timerfd_create(CLOCK_REALTIME, 0);
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    EXPECT(timerfd_settime(fd, TFD_TIMER_ABSTIME, &time, NULL) == 0);
    EXPECT(poll(&readable, 1, -1) == 1);
}

static void with_periodic_timerfd(void) { /* twice, in half the time each */
    struct itimerspec time = {.it_value = {.tv_sec = seconds / 2}, .it_interval = {.tv_sec = seconds / 2}};
    uint64_t expirations;
    int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    EXPECT(timerfd_settime(fd, 0, &time, NULL) == 0);
    for (int number = 0; number < 2; number++)
        EXPECT(read(fd, &expirations, sizeof expirations) == sizeof expirations && expirations == 1);
}

static void with_timer_settime(void) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec time = {.it_value = length()}, left;
    timer_t timer;
    count_signals(SIGUSR1);
    EXPECT(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    EXPECT(timer_settime(timer, 0, &time, NULL) == 0);
    EXPECT(timer_gettime(timer, &left) == 0 && left.it_value.tv_sec >= seconds - 60);
    while (!signals)
        pause();
    EXPECT(timer_delete(timer) == 0);
}

/* ---- readings ---- */

static void with_all_readings(void) {
    struct timeval day[2];
    struct timespec standard[2];
    time_t whole[2];
    for (int each = 0; each < 2; each++) {
        EXPECT(gettimeofday(&day[each], NULL) == 0);
        EXPECT(timespec_get(&standard[each], TIME_UTC) == TIME_UTC);
        whole[each] = time(NULL);
        if (each == 0)
            sleep((unsigned int)seconds);
    }
    EXPECT(day[1].tv_sec - day[0].tv_sec >= seconds);
    EXPECT(standard[1].tv_sec - standard[0].tv_sec >= seconds);
    EXPECT(whole[1] - whole[0] >= seconds);
}

static void with_processor_information(void) { /* from which a server would learn to use the processor's counter */
    FILE *files[2] = {fopen("/proc/cpuinfo", "r"), fopen64("/proc/cpuinfo", "r")};
    char line[8192];
    for (int each = 0; each < 2; each++) {
        EXPECT(files[each] != NULL);
        while (fgets(line, sizeof line, files[each]))
            EXPECT(!strstr(line, "constant_tsc"));
        fclose(files[each]);
    }
    sleep((unsigned int)seconds);
}

static void with_urgent_signals_of_its_own(void) {
    struct sigaction before;
    count_signals(SIGURG);
    EXPECT(sigaction(SIGURG, NULL, &before) == 0 && before.sa_handler == count);
    EXPECT(raise(SIGURG) == 0 && signals == 1);
    EXPECT(signal(SIGURG, SIG_IGN) == count);
    EXPECT(raise(SIGURG) == 0 && signals == 1);
    sleep((unsigned int)seconds);
}

static const struct wait waits[] = {
    WAIT(nanosleep), WAIT(clock_nanosleep), WAIT(sleep), WAIT(usleep), WAIT(poll), WAIT(ppoll), WAIT(select),
    WAIT(pselect), WAIT(epoll_wait), WAIT(epoll_pwait), WAIT(epoll_pwait2), WAIT(sem_timedwait), WAIT(sem_clockwait),
    WAIT(pthread_cond_timedwait), WAIT(pthread_cond_timedwait_monotonic), WAIT(pthread_cond_clockwait),
    WAIT(pthread_mutex_timedlock), WAIT(pthread_mutex_clocklock), WAIT(pthread_rwlock_timedrdlock),
    WAIT(pthread_rwlock_timedwrlock), WAIT(pthread_rwlock_clockrdlock), WAIT(pthread_rwlock_clockwrlock),
    WAIT(pthread_timedjoin_np), WAIT(pthread_clockjoin_np), WAIT(sigtimedwait), WAIT(alarm), WAIT(setitimer),
    WAIT(timerfd), WAIT(absolute_timerfd), WAIT(periodic_timerfd), WAIT(timer_settime), WAIT(all_readings),
    WAIT(processor_information), WAIT(urgent_signals_of_its_own),
};

int main(int count_of_words, char **words) {
    return count_of_words == 3 ? run(waits, sizeof waits / sizeof *waits, words) : 2;
}
