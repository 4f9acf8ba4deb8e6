/* Preloaded into a process, it lets its clock of the day be wrong by the seconds in the file that WRONG_CLOCK names (eight bytes,
   as this machine keeps them), at any moment anew. Clocks that only measure how long something took stay right. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static const volatile long long none = 0;
static const volatile long long *wrong_s = &none;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("WRONG_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *seen = mmap(0, sizeof *wrong_s, PROT_READ, MAP_SHARED, file, 0);
    if (seen != MAP_FAILED) wrong_s = seen;
    close(file);
}

int clock_gettime(clockid_t id, struct timespec *at) {
    int code = (int)syscall(SYS_clock_gettime, id, at);
    if (code == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += *wrong_s;
    return code;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

int timespec_get(struct timespec *at, int base) {
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, at) == 0 ? base : 0;
}

/* Whoever waits until a moment of the wrong clock means a moment of the right one. Moments since the machine started are smaller
   than any of our days, and are left alone. */
static struct timespec right(const struct timespec *until) {
    struct timespec at = *until;
    if (1000000000 < at.tv_sec) at.tv_sec -= *wrong_s;
    return at;
}

int pthread_cond_timedwait(pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex, const struct timespec *restrict until) {
    static int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    /* By its version: without one an older function of that name may be found, of another layout. */
    if (!wait) *(void **)&wait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (!wait) abort();
    struct timespec at = right(until);
    return wait(cond, mutex, &at);
}

/* librdkafka waits by the threads of C11 where it finds them. */
int cnd_timedwait(cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict until) {
    static int (*wait)(cnd_t *, mtx_t *, const struct timespec *);
    if (!wait) *(void **)&wait = dlsym(RTLD_NEXT, "cnd_timedwait");
    if (!wait) abort();
    struct timespec at = right(until);
    return wait(cond, mutex, &at);
}

int mtx_timedlock(mtx_t *restrict mutex, const struct timespec *restrict until) {
    static int (*lock)(mtx_t *, const struct timespec *);
    if (!lock) *(void **)&lock = dlsym(RTLD_NEXT, "mtx_timedlock");
    if (!lock) abort();
    struct timespec at = right(until);
    return lock(mutex, &at);
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict until) {
    static int (*lock)(pthread_mutex_t *, const struct timespec *);
    if (!lock) *(void **)&lock = dlsym(RTLD_NEXT, "pthread_mutex_timedlock");
    if (!lock) abort();
    struct timespec at = right(until);
    return lock(mutex, &at);
}

int sem_timedwait(sem_t *restrict sem, const struct timespec *restrict until) {
    static int (*wait)(sem_t *, const struct timespec *);
    if (!wait) *(void **)&wait = dlsym(RTLD_NEXT, "sem_timedwait");
    if (!wait) abort();
    struct timespec at = right(until);
    return wait(sem, &at);
}
