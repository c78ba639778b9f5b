/* Moves a page's clock from another process's side: controller PAGE; exits with 0 if every function did as it says.
 *
 * It starts itself again with a third word as the program on the clock, which waits twice and then exits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL
#define PATIENCE (30 * NS_PER_S)
enum { HOUR_S = 3600, MOST = 8 };

struct page;
struct midclock_wait {
    uint32_t pid, thread, kind, is_stopped;
    int64_t left, deadline;
};
struct midclock_process {
    uint32_t pid, parent;
    int64_t skew;
};
struct page *midclock_create(const char *);
void midclock_close(struct page *);
int64_t midclock_now(const struct page *, int);
uint32_t midclock_overflows(const struct page *);
void midclock_move(struct page *, int64_t, int64_t);
void midclock_hold(struct page *, int);
int midclock_wake(struct page *, int, int64_t);
int midclock_waits(struct page *, struct midclock_wait *, int);
void midclock_refresh(struct page *, int64_t);
int midclock_processes(const struct page *, struct midclock_process *, int);
int midclock_skew(struct page *, uint32_t, int64_t);
int midclock_suspend(struct page *, uint32_t, int);

static void check(int is_as_expected, const char *what) {
    if (is_as_expected)
        return;
    printf("%s\n", what);
    exit(1);
}
#define EXPECT(condition) check(condition, #condition)

static struct page *page;
static struct midclock_wait waits[MOST];

static void *sleep_for_a_minute(void *unused) {
    sleep(60);
    return unused;
}

/* On the clock: an hour's wait in each of two threads' own ways, beside a periodic timer that is ignored. */
static int waiting_program(void) {
    struct itimerval timer = {.it_value = {.tv_sec = 7}, .it_interval = {.tv_sec = 7}};
    pthread_t thread;
    signal(SIGALRM, SIG_IGN);
    if (setitimer(ITIMER_REAL, &timer, NULL) || pthread_create(&thread, NULL, sleep_for_a_minute, NULL))
        return 1;
    poll(NULL, 0, HOUR_S * 1000);
    return pthread_join(thread, NULL);
}

/* Wait until the program is in so many waits. */
static void await(int count) {
    for (int round = 0; midclock_waits(page, waits, MOST) != count; round++) {
        EXPECT(round < 30000);
        poll(NULL, 0, 1);
    }
}

static void move(int64_t seconds) {
    midclock_move(page, seconds * NS_PER_S, seconds * NS_PER_S);
    EXPECT(midclock_wake(page, 0, PATIENCE) == 0);
}

int main(int count, char **words) {
    struct midclock_process processes[MOST];
    int status;
    if (count == 3)
        return waiting_program();
    page = midclock_create(words[1]);
    EXPECT(page != NULL);
    EXPECT(midclock_create(words[1]) == NULL && errno == EEXIST);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("MIDPIPE_CLOCK", words[1], 1);
        execl(words[0], words[0], words[1], "waits", (char *)NULL);
        _exit(1);
    }
    await(3);
    EXPECT(midclock_waits(page, waits, 1) == 3); /* there is room for one */
    EXPECT(midclock_processes(page, processes, MOST) == 1 && processes[0].pid == (uint32_t)pid);
    EXPECT(midclock_processes(page, processes, 0) == 1);
    EXPECT(midclock_skew(page, (uint32_t)pid, -NS_PER_S) == 0 && midclock_skew(page, 1, NS_PER_S) == -1);

    midclock_hold(page, 1);
    midclock_hold(page, 1);
    EXPECT(midclock_wake(page, 1, PATIENCE) == 0);
    int64_t held = midclock_now(page, CLOCK_MONOTONIC);
    poll(NULL, 0, 5);
    EXPECT(midclock_now(page, CLOCK_MONOTONIC) == held);
    midclock_hold(page, 0);
    EXPECT(midclock_wake(page, 1, PATIENCE) == 0);

    EXPECT(midclock_suspend(page, (uint32_t)pid, 1) == 0 && midclock_suspend(page, 1, 1) == -1);
    move(2 * HOUR_S);
    EXPECT(midclock_suspend(page, (uint32_t)pid, 0) == 0);
    await(3); /* none of them has noticed */
    move(20);
    midclock_refresh(page, PATIENCE);
    await(3);
    move(60);
    await(2); /* the thread has slept for its minute */
    kill(pid, SIGSTOP);
    EXPECT(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    move(HOUR_S);
    kill(pid, SIGCONT);
    EXPECT(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    await(0);
    EXPECT(midclock_processes(page, processes, MOST) == 0);
    EXPECT(midclock_overflows(page) == 0);
    midclock_close(page);
    return 0;
}
