/* Loaded into a process before its C library: the clock of the day is as far off as the file JUMPING_CLOCK says, eight
 * bytes, a number of seconds; it may be changed at any time. The monotonic clock, by which everything waits, is right.
 *
 * Debian's libfaketime 0.9.10 does the first and not the second: with FAKETIME_DONT_FAKE_MONOTONIC, Python's
 * time.sleep() fails with EINVAL. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long long *off;

__attribute__((constructor)) static void find(void)
{
    static const long long right = 0;
    const char *name = getenv("JUMPING_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    void *found = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *off, PROT_READ, MAP_SHARED, file, 0);
    off = found == MAP_FAILED ? &right : found;
    if (file >= 0)
        close(file);
}

int clock_gettime(clockid_t which, struct timespec *at)
{
    int failed = syscall(SYS_clock_gettime, which, at);
    if (!failed && off && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE))
        at->tv_sec += *off;
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}
