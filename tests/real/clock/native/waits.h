/* For programs that wait for so many seconds in one way: NAME SECONDS. They print "go" before it, and then the seconds
 * that passed.
 *
 * A wait that does not end as a time-out makes the program exit with 1 and say why.
 */
#ifndef WAITS_H
#define WAITS_H
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static time_t seconds;

static void check(int is_as_expected, const char *what) {
    if (is_as_expected)
        return;
    printf("%s: %s\n", what, strerror(errno));
    exit(1);
}
#define EXPECT(condition) check(condition, #condition)

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

struct wait {
    const char *name;
    void (*wait)(void);
};
#define WAIT(name) {#name, with_##name}

/* Run the wait that is named first, for the seconds that are named next. */
static int run(const struct wait *waits, size_t count, char **words) {
    for (size_t index = 0; index < count; index++) {
        if (strcmp(words[1], waits[index].name) == 0) {
            seconds = atoi(words[2]);
            puts("go");
            fflush(stdout);
            double began = now();
            waits[index].wait();
            printf("%.9f\n", now() - began);
        }
    }
    return 0;
}
#endif
