/*
 * faulty_sftp - see faulty_sftp.h; draft-ietf-secsh-filexfer-02
 */
#include "faulty_sftp.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    INIT = 1,
    OPEN = 3,
    CLOSE = 4,
    READ = 5,
    WRITE = 6,
    LSTAT = 7,
    FSTAT = 8,
    SETSTAT = 9,
    REMOVE = 13,
    MKDIR = 14,
    REALPATH = 16,
    STAT = 17,
    RENAME = 18,
    STATUS = 101,
    HANDLE = 102,
    DATA = 103,
    NAME = 104,
    ATTRS = 105,
    FOR_WRITING = 2,
    PACKET_MAX = 300 * 1024,
};

static struct {
    const char *folder;
    unsigned char in[PACKET_MAX];
    size_t size, at; /* of the packet */
    unsigned char out[PACKET_MAX];
    size_t out_size;
} server;

/* Packets */

static bool read_all(void *data, size_t size)
{
    char *to = data;

    while (size > 0) {
        ssize_t n = read(STDIN_FILENO, to, size);
        if (n <= 0)
            return false;
        to += n;
        size -= (size_t)n;
    }
    return true;
}

static uint32_t take32(void)
{
    uint32_t value;

    memcpy(&value, server.in + server.at, sizeof value);
    server.at += sizeof value;
    return be32toh(value);
}

static uint64_t take64(void)
{
    uint64_t high = take32();
    return high << 32 | take32();
}

/* A path, below the folder; static for each of two. */
static const char *take_path(int place)
{
    static char paths[2][5000];
    uint32_t size = take32();

    snprintf(paths[place], sizeof paths[place], "%s/root%.*s", server.folder, (int)size,
             (const char *)server.in + server.at);
    server.at += size;
    return paths[place];
}

static void begin(int type, uint32_t id)
{
    server.out[4] = (unsigned char)type;
    server.out_size = 5;
    id = htobe32(id);
    memcpy(server.out + server.out_size, &id, sizeof id);
    server.out_size += sizeof id;
}

static void put32(uint32_t value)
{
    value = htobe32(value);
    memcpy(server.out + server.out_size, &value, sizeof value);
    server.out_size += sizeof value;
}

static void put_bytes(const void *data, size_t size)
{
    put32((uint32_t)size);
    memcpy(server.out + server.out_size, data, size);
    server.out_size += size;
}

static void flush(void)
{
    uint32_t size = htobe32((uint32_t)(server.out_size - 4));
    size_t at = 0;

    memcpy(server.out, &size, sizeof size);
    while (at < server.out_size) {
        ssize_t n = write(STDOUT_FILENO, server.out + at, server.out_size - at);
        if (n <= 0)
            exit(0);
        at += (size_t)n;
    }
}

static void put_status(uint32_t id, int code)
{
    begin(STATUS, id);
    put32((uint32_t)code);
    put_bytes("words", 5);
    put_bytes("", 0);
    flush();
}

static int code_of(int result)
{
    return result >= 0 ? 0 : errno == ENOENT ? 2 : errno == EACCES ? 3 : 4;
}

/* The plan and the log */

static const char *const names[] = {
    [OPEN] = "open",       [CLOSE] = "close",   [READ] = "read",   [WRITE] = "write",
    [SETSTAT] = "setstat", [REMOVE] = "remove", [MKDIR] = "mkdir", [RENAME] = "rename"};

/* What is planned for it: a status, or a word; "" for nothing. */
static void find_plan(const char *name, char word[20])
{
    char path[300], kind[20], what[20];

    word[0] = '\0';
    snprintf(path, sizeof path, "%s/plan", server.folder);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    while (fscanf(file, "%19s %19s", kind, what) == 2)
        if (strcmp(kind, name) == 0)
            snprintf(word, 20, "%s", what);
    fclose(file);
}

static void note(const char *name, const char *first, const char *second)
{
    size_t root = strlen(server.folder) + strlen("/root");
    char path[300];

    snprintf(path, sizeof path, "%s/log", server.folder);
    FILE *file = fopen(path, "ae");
    if (!file)
        exit(1);
    fprintf(file, "%s %s%s%s\n", name, first + root, second ? " " : "", second ? second + root : "");
    fclose(file);
}

/* Requests */

static void open_file(uint32_t id)
{
    const char *path = take_path(0);
    bool writes = take32() & FOR_WRITING;
    int fd = writes ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)
                    : open(path, O_RDONLY | O_CLOEXEC);

    note(writes ? "create" : "open", path, NULL);
    if (fd < 0) {
        put_status(id, code_of(-1));
        return;
    }
    begin(HANDLE, id);
    put_bytes(&fd, sizeof fd);
    flush();
}

static int take_handle(void)
{
    int fd;

    server.at += 4;
    memcpy(&fd, server.in + server.at, sizeof fd);
    server.at += sizeof fd;
    return fd;
}

static void read_file(uint32_t id)
{
    static char data[32 * 1024];
    int fd = take_handle();
    uint64_t offset = take64();
    uint32_t size = take32();
    ssize_t n = pread(fd, data, size < sizeof data ? size : sizeof data, (off_t)offset);

    if (n <= 0) {
        put_status(id, n == 0 ? 1 : 4);
        return;
    }
    begin(DATA, id);
    put_bytes(data, (size_t)n);
    flush();
}

static int write_file(void)
{
    int fd = take_handle();
    uint64_t offset = take64();
    uint32_t size = take32();

    return pwrite(fd, server.in + server.at, size, (off_t)offset) == (ssize_t)size ? 0 : -1;
}

static void put_attributes(uint32_t id, const struct stat *stat)
{
    uint64_t size = (uint64_t)stat->st_size;

    begin(ATTRS, id);
    put32(1 | 4); /* size, permissions */
    put32((uint32_t)(size >> 32));
    put32((uint32_t)size);
    put32(stat->st_mode);
    flush();
}

static int rename_file(void)
{
    const char *from = take_path(0), *to = take_path(1);

    note("rename", from, to);
    int result = link(from, to);
    return result < 0 ? result : unlink(from);
}

static int change(int type)
{
    const char *path;

    switch (type) {
    case CLOSE:
        return close(take_handle());
    case WRITE:
        return write_file();
    case RENAME:
        return rename_file();
    case REMOVE:
        path = take_path(0);
        note("remove", path, NULL);
        return unlink(path);
    case MKDIR:
        return mkdir(take_path(0), 0755);
    case SETSTAT:
        path = take_path(0);
        return (take32() & 4) ? chmod(path, take32() & 07777) : 0;
    default:
        errno = ENOSYS;
        return -1;
    }
}

static void answer(int type, uint32_t id)
{
    struct stat found;

    if (type == REALPATH) {
        begin(NAME, id);
        put32(1);
        put_bytes("/", 1);
        put_bytes("/", 1);
        put32(0);
        flush();
    } else if (type == OPEN) {
        open_file(id);
    } else if (type == READ) {
        read_file(id);
    } else if (type == FSTAT && fstat(take_handle(), &found) == 0) {
        put_attributes(id, &found);
    } else if ((type == STAT || type == LSTAT) && stat(take_path(0), &found) == 0) {
        put_attributes(id, &found);
    } else if (type == FSTAT || type == STAT || type == LSTAT) {
        put_status(id, code_of(-1));
    } else {
        put_status(id, code_of(change(type)));
    }
}

static void serve_one(int type)
{
    char plan[20];
    uint32_t id = take32();
    const char *name = type < (int)(sizeof names / sizeof *names) && names[type] ? names[type] : "";

    find_plan(name, plan);
    if (strcmp(plan, "hang") == 0) {
        while (read_all(server.in, 1))
            ;
        exit(0);
    } else if (strcmp(plan, "exit") == 0) {
        change(type);
        kill(getppid(), SIGKILL); /* with the process of sshd the connection ends */
        exit(0);
    } else if (*plan) {
        put_status(id, (int)strtol(plan, NULL, 10));
    } else {
        answer(type, id);
    }
}

int faulty_sftp_serve(const char *folder)
{
    uint32_t size;

    server.folder = folder;
    while (read_all(&size, sizeof size)) {
        server.size = be32toh(size);
        if (server.size == 0 || server.size > sizeof server.in || !read_all(server.in, server.size))
            return 1;
        server.at = 1;
        if (server.in[0] == INIT) {
            server.out[4] = 2; /* VERSION 3 */
            server.out_size = 5;
            put32(3);
            flush();
        } else {
            serve_one(server.in[0]);
        }
    }
    return 0;
}
