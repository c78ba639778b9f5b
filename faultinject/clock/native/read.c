/* Functions that read a clock, and the file that makes a server read the processor's counter instead. */
#define _GNU_SOURCE
#include "midclock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (!is_active() || base_clock(clock) < 0)
        return real.clock_gettime ? real.clock_gettime(clock, time) : (int)syscall(SYS_clock_gettime, clock, time);
    *time = timespec_of(now(clock));
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone; /* obsolete, and ignored by the C library too */
    int64_t ns = is_active() ? now(CLOCK_REALTIME) : kernel_now(CLOCK_REALTIME);
    *time = (struct timeval){.tv_sec = ns / NS_PER_S, .tv_usec = ns % NS_PER_S / 1000};
    return 0;
}

time_t time(time_t *to) {
    /* As in the kernel: time() is the time of the last tick, and may be a little behind clock_gettime. */
    int64_t ns = is_active() ? now(CLOCK_REALTIME_COARSE) : kernel_now(CLOCK_REALTIME_COARSE);
    time_t seconds = ns / NS_PER_S;
    if (to)
        *to = seconds;
    return seconds;
}

int timespec_get(struct timespec *time, int base) {
    if (base != TIME_UTC)
        return 0;
    return clock_gettime(CLOCK_REALTIME, time) == 0 ? base : 0;
}

/* On x86, Valkey reads the processor's time stamp counter if /proc/cpuinfo lists constant_tsc, and extrapolates the
 * wall clock from it for up to a millisecond. The counter cannot be moved, so the file is replaced by a copy without
 * that flag; the server then calls clock_gettime. */
static FILE *cpuinfo_without_tsc(const char *mode) {
    static const char flag[] = "constant_tsc";
    FILE *from = real.fopen("/proc/cpuinfo", mode);
    int copy = from ? (int)syscall(SYS_memfd_create, "cpuinfo", MFD_CLOEXEC) : -1;
    FILE *to = copy < 0 ? NULL : fdopen(copy, "r+");
    if (!to) {
        if (copy >= 0)
            close(copy);
        return from;
    }
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, from) > 0) {
        for (char *found = line; (found = strstr(found, flag));)
            memset(found, '-', sizeof flag - 1);
        fputs(line, to);
    }
    free(line);
    fclose(from);
    rewind(to);
    return to;
}

FILE *fopen(const char *restrict path, const char *restrict mode) {
    if (is_active() && strcmp(path, "/proc/cpuinfo") == 0)
        return cpuinfo_without_tsc(mode);
    return real.fopen(path, mode);
}

FILE *fopen64(const char *restrict path, const char *restrict mode) {
    return fopen(path, mode);
}
