/*
 * admin_secret - see admin_secret.h
 *
 * A file appears whole or not at all: it is written beside its place, synced, and then linked (new) or
 * renamed (rotate), so that a delivery never reads half of it. A rotation holds the lock of the folder from
 * the reading to the renaming, so that of two at once none loses the other's key.
 */
#include "admin_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "fdio.h"
#include "msg.h"
#include "num.h"
#include "secret.h"
#include "signing.h"
#include "table.h"
#include "text.h"
#include "xalloc.h"

#define KEEP_DEFAULT "24h"
#define KEEP_MAX_MS (INT64_C(365) * 24 * 3600 * 1000)

/* What root made is given to those who own the folder that it is in: they are to read it. */
static int give_away(int folder, int fd)
{
    struct stat status;

    if (geteuid() != 0)
        return 0;
    return fstat(folder, &status) < 0 || fchown(fd, status.st_uid, status.st_gid) < 0 ? -1 : 0;
}

/* The tenant's own; `make`: also where it is missing. -1 with errno. */
static int open_inner(int folder, const char *tenant, bool make)
{
    bool made = make && mkdirat(folder, tenant, 0700) == 0;
    int fd = made || !make || errno == EEXIST
                 ? openat(folder, tenant, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
                 : -1;

    if (fd >= 0 && made && give_away(folder, fd) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

/* The folder, for openat(); links below the configuration folder are not followed. */
static int open_folder(const struct tool *tool, const char *tenant, bool make, struct fault *fault)
{
    char *path = xasprintf("%s/credentials.d", conf_dir(tool->conf));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (fd >= 0 && tenant) {
        int inner = open_inner(fd, tenant, make), error = errno;
        close(fd);
        errno = error;
        fd = inner;
    }
    if (fd < 0)
        fault_set(fault, errno == EACCES ? FAULT_DENIED : FAULT_CONFIG, "%s%s%s: %s", path, tenant ? "/" : "",
                  tenant ? tenant : "", strerror(errno));
    free(path);
    return fd;
}

/* Until it is closed; a lock that another holds is waited for. */
static int lock_folder(int folder, struct fault *fault)
{
    while (flock(folder, LOCK_EX) < 0)
        if (errno != EINTR)
            return fault_errno(fault, errno, "credentials.d cannot be locked");
    return 0;
}

static int set_rights(int folder, int fd, struct fault *fault)
{
    if (fchmod(fd, 0600) < 0)
        return fault_errno(fault, errno, "cannot set its mode");
    if (give_away(folder, fd) < 0)
        return fault_errno(fault, errno, "cannot give it to the owner of credentials.d");
    return 0;
}

static int place(int folder, const char *temporary, const char *name, bool replace, struct fault *fault)
{
    if (replace)
        return renameat(folder, temporary, folder, name) < 0
                   ? fault_errno(fault, errno, "cannot be put in its place")
                   : 0;
    if (linkat(folder, temporary, folder, name, 0) == 0)
        return 0;
    return errno == EEXIST
               ? fault_set(fault, FAULT_INPUT, "is there already; 'secret rotate' changes its key")
               : fault_errno(fault, errno, "cannot be put in its place");
}

static int write_file(int folder, const char *name, const struct buf *text, bool replace, struct fault *fault)
{
    char *temporary = xasprintf(".%s.%ld", name, (long)getpid());
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int result;

    if (fd < 0) {
        result = fault_set(fault, errno == EACCES ? FAULT_DENIED : FAULT_SYSTEM, "cannot be made: %s",
                           strerror(errno));
    } else {
        result = set_rights(folder, fd, fault);
        if (result == 0)
            result = fdio_write_all(fd, text->data, text->len, fault);
        if (result == 0 && fsync(fd) < 0)
            result = fault_errno(fault, errno, "cannot be synced");
        close(fd);
        if (result == 0)
            result = place(folder, temporary, name, replace, fault);
        if (result < 0 || !replace)
            unlinkat(folder, temporary, 0);
        if (result == 0 && fsync(folder) < 0)
            result = fault_errno(fault, errno, "credentials.d cannot be synced");
    }
    free(temporary);
    return result < 0 ? fault_wrap(fault, "credential '%s'", name) : 0;
}

static int check_name(const char *name, struct fault *fault)
{
    return text_is_name(name)
               ? 0
               : fault_set(fault, FAULT_INPUT, "a credential's name has letters, digits, '.', '_' and '-'");
}

static int check_request(const struct admin_secret *secret, const char *name, enum signing_scheme *scheme,
                         struct fault *fault)
{
    if (check_name(name, fault) < 0 || (secret->tenant && check_name(secret->tenant, fault) < 0))
        return -1;
    if (!secret->scheme)
        return 0;
    for (int i = 0; signing_scheme_names[i]; i++)
        if (strcmp(signing_scheme_names[i], secret->scheme) == 0) {
            *scheme = (enum signing_scheme)i;
            return 0;
        }
    return fault_set(fault, FAULT_USAGE, "--scheme takes hmac or ed25519");
}

static void add_new_key(struct buf *text, enum signing_scheme scheme)
{
    char key[SIGNING_TEXT_SIZE];

    signing_key_new(scheme, key);
    buf_addf(text, "%s\n", key);
    explicit_bzero(key, sizeof key);
}

static void wipe(struct buf *text)
{
    if (text->cap)
        explicit_bzero(text->data, text->cap);
    buf_release(text);
}

/* What there is to be told of a file's keys: the public parts. */
static int print_public(const struct signing_keys *keys, size_t *count, struct fault *fault)
{
    char key[SIGNING_TEXT_SIZE], until[CLOCK_TEXT_SIZE];
    int result = 0;

    *count = 0;
    for (size_t i = 0; i < keys->count && result == 0; i++) {
        if (keys->items[i].scheme != SIGNING_ED25519)
            continue;
        (*count)++;
        signing_key_public(&keys->items[i], key);
        result = print_text(fault, "%s%s%s\n", key, keys->items[i].until_us ? " " : "",
                            keys->items[i].until_us ? clock_format(keys->items[i].until_us, until) : "");
    }
    return result;
}

static int print_written(const struct buf *text, struct fault *fault)
{
    struct signing_keys keys;
    size_t count;

    if (signing_keys_parse(text->data, &keys, fault) < 0)
        return -1;
    int result = print_public(&keys, &count, fault);
    signing_keys_wipe(&keys);
    return result;
}

static int finish(const struct tool *tool, int folder, const struct admin_secret *secret, const char *name,
                  const struct buf *text, bool replace, struct fault *fault)
{
    if (write_file(folder, name, text, replace, fault) < 0)
        return -1;
    msg(MSG_INFO, "wrote %s/credentials.d/%s%s%s", conf_dir(tool->conf), secret->tenant ? secret->tenant : "",
        secret->tenant ? "/" : "", name);
    return print_written(text, fault);
}

int admin_secret_new(const struct tool *tool, const struct admin_secret *secret, const char *name,
                     struct fault *fault)
{
    enum signing_scheme scheme = SIGNING_HMAC;
    struct buf text;

    if (check_request(secret, name, &scheme, fault) < 0)
        return -1;
    int folder = open_folder(tool, secret->tenant, true, fault);
    if (folder < 0)
        return -1;
    buf_init(&text, SECRET_MAX);
    add_new_key(&text, scheme);
    int result = finish(tool, folder, secret, name, &text, false, fault);
    wipe(&text);
    close(folder);
    return result;
}

/* Line by line, since comments stay. `content` is what signing_keys_parse() took. */
static void add_old_keys(struct buf *text, const char *content, const struct signing_keys *keys,
                         int64_t until_us)
{
    int64_t now_us = clock_wall_us();
    char until[CLOCK_TEXT_SIZE];
    size_t index = 0;

    for (const char *line = content; *line;) {
        size_t size = strcspn(line, "\n"), blank = strspn(line, " \t\r");
        bool is_key = blank < size && *line != '#';
        const struct signing_key *key = is_key ? &keys->items[index++] : NULL;

        if (!key)
            buf_addf(text, "%.*s\n", (int)size, line);
        else if (!key->until_us)
            buf_addf(text, "%.*s %s\n", (int)strcspn(line, " \t\r\n"), line, clock_format(until_us, until));
        else if (key->until_us > now_us)
            buf_addf(text, "%.*s %s\n", (int)strcspn(line, " \t\r\n"), line,
                     clock_format(key->until_us, until));
        line += size + (line[size] == '\n');
    }
}

static int rotate(const struct tool *tool, int folder, const struct admin_secret *secret, const char *name,
                  const char *content, int64_t keep_ms, struct fault *fault)
{
    enum signing_scheme scheme;
    struct signing_keys keys, all;
    struct buf text;

    if (signing_keys_parse(content, &keys, fault) < 0)
        return fault_wrap(fault, "credential '%s'", name);
    scheme = keys.items[0].scheme;
    int result = check_request(secret, name, &scheme, fault);
    buf_init(&text, SECRET_MAX);
    if (result == 0) {
        add_new_key(&text, scheme);
        add_old_keys(&text, content, &keys, clock_wall_us() + keep_ms * 1000);
        result = signing_keys_parse(text.data, &all, fault); /* not more than there may be */
        signing_keys_wipe(&all);
    }
    if (result == 0)
        result = finish(tool, folder, secret, name, &text, true, fault);
    signing_keys_wipe(&keys);
    wipe(&text);
    return result;
}

/* Under the lock of the folder. What is written is a file of keys alone, so what is read must be one. */
static int rotate_in(const struct tool *tool, int folder, const struct admin_secret *secret, const char *name,
                     int64_t keep_ms, struct fault *fault)
{
    struct secret old;
    int result;

    if (lock_folder(folder, fault) < 0 ||
        secret_load_stored(conf_dir(tool->conf), secret->tenant, name, &old, fault) < 0)
        return -1;
    if (secret_is_plain(&old))
        result = rotate(tool, folder, secret, name, old.token, keep_ms, fault);
    else
        result = fault_set(fault, FAULT_INPUT,
                           "credential '%s': it is an object with members, and keys are rotated in a file of "
                           "their own",
                           name);
    secret_release(&old);
    return result;
}

int admin_secret_rotate(const struct tool *tool, const struct admin_secret *secret, const char *name,
                        struct fault *fault)
{
    enum signing_scheme ignored;
    int64_t keep_ms;

    if (check_request(secret, name, &ignored, fault) < 0)
        return -1;
    if (num_parse_duration(secret->keep ? secret->keep : KEEP_DEFAULT, KEEP_MAX_MS, &keep_ms, fault) < 0)
        return fault_wrap(fault, "--keep");
    int folder = open_folder(tool, secret->tenant, false, fault);
    if (folder < 0)
        return -1;
    int result = rotate_in(tool, folder, secret, name, keep_ms, fault);
    close(folder);
    return result;
}

int admin_secret_show_public(const struct tool *tool, const struct admin_secret *secret, const char *name,
                             struct fault *fault)
{
    enum signing_scheme ignored;
    struct signing_keys keys;
    size_t count = 0;

    if (check_request(secret, name, &ignored, fault) < 0 ||
        signing_keys_load(conf_dir(tool->conf), secret->tenant, name, &keys, fault) < 0)
        return -1;
    int result = print_public(&keys, &count, fault);
    signing_keys_wipe(&keys);
    if (result == 0 && count == 0)
        return fault_set(fault, FAULT_INPUT, "credential '%s': a key of hmac has no public part", name);
    return result;
}
