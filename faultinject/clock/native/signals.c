/* SIGURG, with which the controller wakes threads, and the functions with which a program could disable it.
 *
 * SIGURG is ignored by default, so one that arrives late (after exec, for example) does no harm. A program may use it
 * as well: a SIGURG that the controller did not send is passed to the program's own handler.
 */
#define _GNU_SOURCE
#include "midclock.h"

#include <errno.h>
#include <string.h>

static struct sigaction program_action; /* of SIGURG */
static uint64_t handled;                /* a bit for each other signal that the program has a handler for */

static void handle_wake(int number, siginfo_t *info, void *context) {
    int error = errno;
    int is_sent = info->si_code == SI_TKILL || info->si_code == SI_USER;
    if (is_sent && (uint32_t)info->si_pid == __atomic_load_n(&shared_page->controller, __ATOMIC_RELAXED))
        sync_timers();
    else if (program_action.sa_flags & SA_SIGINFO)
        program_action.sa_sigaction(number, info, context);
    else if (program_action.sa_handler != SIG_DFL && program_action.sa_handler != SIG_IGN)
        program_action.sa_handler(number);
    errno = error;
}

void install_wake_handler(void) {
    struct sigaction action = {.sa_sigaction = handle_wake, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
    sigset_t urgent;
    real.sigaction(SIGURG, &action, &program_action);
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    real.pthread_sigmask(SIG_UNBLOCK, &urgent, NULL);
}

int is_wake_the_only_signal(void) {
    return __atomic_load_n(&handled, __ATOMIC_RELAXED) == 0;
}

static void note_handler(int number, const void *handler) {
    uint64_t bit = 1ULL << (number & 63);
    if (handler == (void *)SIG_DFL || handler == (void *)SIG_IGN)
        __atomic_fetch_and(&handled, ~bit, __ATOMIC_RELAXED);
    else
        __atomic_fetch_or(&handled, bit, __ATOMIC_RELAXED);
}

int sigaction(int number, const struct sigaction *restrict action, struct sigaction *restrict before) {
    if (!is_active() || number != SIGURG) {
        int result = real.sigaction(number, action, before);
        if (result == 0 && action)
            note_handler(number, (const void *)action->sa_handler);
        return result;
    }
    struct sigaction old = program_action;
    if (action)
        program_action = *action;
    if (before)
        *before = old;
    return 0;
}

void (*signal(int number, void (*handler)(int)))(int) {
    if (!is_active() || number != SIGURG) {
        void (*result)(int) = real.signal(number, handler);
        if (result != SIG_ERR)
            note_handler(number, (const void *)handler);
        return result;
    }
    void (*before)(int) = program_action.sa_handler;
    memset(&program_action, 0, sizeof program_action);
    program_action.sa_handler = handler;
    return before;
}

int pthread_sigmask(int how, const sigset_t *restrict set, sigset_t *restrict before) {
    sigset_t copy;
    if (is_active() && set && how != SIG_UNBLOCK) {
        copy = *set;
        sigdelset(&copy, SIGURG);
        set = &copy;
    }
    return real.pthread_sigmask(how, set, before);
}

int sigprocmask(int how, const sigset_t *restrict set, sigset_t *restrict before) {
    int error = pthread_sigmask(how, set, before);
    if (error)
        errno = error;
    return error ? -1 : 0;
}
