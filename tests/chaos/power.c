/* What a power cut would leave: a log of writes, and of which of them were flushed.
 *
 * What belongs here: for every regular file below POWER_ROOT that a process with this library
 * preloaded opens, a log in POWER_LOGS, named by device and inode, with each write, each change of
 * length, each flush and each unlinking. What does not: making the file of it (power.py).
 *
 * A write is logged once it is done, a flush with the length the log had before it began: so what
 * the log calls flushed was flushed, whichever of many processes wrote it. A process killed between
 * its write and the log's loses that write, which nobody can have built upon yet. Names are taken to
 * be durable at once, as a journalling file system with fsync of the folder has them. Memory maps
 * and stdio are not seen.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FILES 65536
#define MAGIC 0x7c1e5b0f93d2a846ULL

struct entry {
    uint64_t magic, kind, offset, length, at;
};

static int logs[FILES]; /* descriptor -> its log's descriptor; 0: not followed */

#define REAL(name, type, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static ssize_t real_writev(int fd, const struct iovec *parts, int count) {
    REAL("writev", ssize_t, int, const struct iovec *, int);
    return real(fd, parts, count);
}

static int real_open(const char *path, int flags, mode_t mode) {
    REAL("open64", int, const char *, int, ...);
    return real(path, flags, mode);
}

static int real_close(int fd) {
    REAL("close", int, int);
    return real(fd);
}

static void note(int log, char kind, uint64_t offset, const void *bytes, uint64_t length) {
    struct entry head = {MAGIC, (uint64_t)kind, offset, length, now()};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)bytes, length}};
    if (real_writev(log, parts, 2) < 0) abort(); /* a log with holes proves nothing */
}

static int log_of(const struct stat *file) {
    const char *folder = getenv("POWER_LOGS");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%llu-%llu", folder, (unsigned long long)file->st_dev,
             (unsigned long long)file->st_ino);
    return real_open(path, O_CREAT | O_APPEND | O_RDWR | O_CLOEXEC, 0600);
}

static int is_ours(const char *path) {
    const char *root = getenv("POWER_ROOT");
    size_t length = root ? strlen(root) : 0;
    return length && getenv("POWER_LOGS") && strncmp(path, root, length) == 0 &&
           path[length] == '/';
}

static int follow(int fd, int flags) {
    char link[64], path[PATH_MAX];
    struct stat file;
    if (fd < 0 || fd >= FILES || (flags & O_ACCMODE) == O_RDONLY) return fd;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return fd;
    path[length] = 0;
    if (!is_ours(path) || fstat(fd, &file) || !S_ISREG(file.st_mode)) return fd;
    if ((logs[fd] = log_of(&file)) < 0) abort();
    if (flags & O_TRUNC) note(logs[fd], 'T', 0, NULL, 0);
    return fd;
}

static int log_at(int fd) { return fd >= 0 && fd < FILES ? logs[fd] : 0; }

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return follow(real_open(path, flags, mode), flags); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        REAL("openat64", int, int, const char *, int, ...); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        return follow(real(folder, path, flags, mode), flags); \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
    int log = log_at(fd);
    if (log) {
        logs[fd] = 0;
        real_close(log);
    }
    return real_close(fd);
}

static ssize_t written(int fd, off_t offset, const void *bytes, ssize_t done) {
    int log = log_at(fd);
    if (log && done > 0) note(log, 'W', (uint64_t)offset, bytes, (uint64_t)done);
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) {
    REAL("write", ssize_t, int, const void *, size_t);
    ssize_t done = real(fd, bytes, length);
    if (!log_at(fd) || done <= 0) return done;
    return written(fd, lseek(fd, 0, SEEK_CUR) - done, bytes, done);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    ssize_t done = real_writev(fd, parts, count);
    if (!log_at(fd) || done <= 0) return done;
    off_t offset = lseek(fd, 0, SEEK_CUR) - done;
    ssize_t left = done;
    for (int i = 0; i < count && left > 0; i++) {
        ssize_t part = (ssize_t)parts[i].iov_len < left ? (ssize_t)parts[i].iov_len : left;
        written(fd, offset, parts[i].iov_base, part);
        offset += part;
        left -= part;
    }
    return done;
}

#define PWRITE(name) \
    ssize_t name(int fd, const void *bytes, size_t length, off_t offset) { \
        REAL("pwrite64", ssize_t, int, const void *, size_t, off_t); \
        return written(fd, offset, bytes, real(fd, bytes, length, offset)); \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define TRUNCATE(name) \
    int name(int fd, off_t length) { \
        REAL("ftruncate64", int, int, off_t); \
        int answer = real(fd, length); \
        if (!answer && log_at(fd)) note(log_at(fd), 'T', (uint64_t)length, NULL, 0); \
        return answer; \
    }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

#define FLUSH(name) \
    int name(int fd) { \
        REAL(#name, int, int); \
        int log = log_at(fd); \
        struct stat before; \
        if (!log || fstat(log, &before)) return real(fd); \
        int answer = real(fd); \
        if (!answer) note(log, 'S', (uint64_t)before.st_size, NULL, 0); \
        return answer; \
    }
FLUSH(fsync)
FLUSH(fdatasync)

/* What is done to a file by its name: noted in its log, if it is one of ours. */
static void note_by_name(const char *path, char kind, uint64_t offset) {
    char whole[PATH_MAX];
    struct stat file;
    if (!realpath(path, whole) || !is_ours(whole) || stat(whole, &file)) return;
    if (!S_ISREG(file.st_mode)) return;
    int log = log_of(&file);
    if (log < 0) abort();
    note(log, kind, offset, NULL, 0);
    real_close(log);
}

#define TRUNCATE_BY_NAME(name) \
    int name(const char *path, off_t length) { \
        REAL("truncate64", int, const char *, off_t); \
        int answer = real(path, length); \
        if (!answer) note_by_name(path, 'T', (uint64_t)length); \
        return answer; \
    }
TRUNCATE_BY_NAME(truncate)
TRUNCATE_BY_NAME(truncate64)

int unlink(const char *path) {
    REAL("unlink", int, const char *);
    note_by_name(path, 'U', 0); /* before: another file may get the inode */
    return real(path);
}

int rename(const char *from, const char *to) {
    REAL("rename", int, const char *, const char *);
    note_by_name(to, 'U', 0);
    return real(from, to);
}
