/*
 * secret - the files that hold credentials
 *
 * Each folder on the way is opened in the one before it and without following links, so that a reference can
 * only ever name a file right inside its folder. The one hard rule: no byte of a content gets into a fault.
 * jansson's error texts quote the content, so only its line number is used.
 */
#include "secret.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <jansson.h>
#include "buf.h"
#include "text.h"
#include "xalloc.h"

/* What the system refuses now and may grant later, against what an operator has to mend. */
static enum fault_class class_of(int error)
{
    switch (error) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EIO:
    case EINTR:
        return FAULT_SYSTEM;
    default:
        return FAULT_CONFIG;
    }
}

void secret_wipe(char *text)
{
    if (!text)
        return;
    explicit_bzero(text, strlen(text));
    free(text);
}

#define MEMBER(name, hidden)                                                                                 \
    {                                                                                                        \
#name, offsetof(struct secret, name), hidden                                                         \
    }
const struct secret_member secret_members[] = {
    MEMBER(token, true),
    MEMBER(username, false),
    MEMBER(password, true),
    MEMBER(access_key, false),
    MEMBER(secret_key, true),
    MEMBER(session_token, true),
    MEMBER(client_id, false),
    MEMBER(client_secret, true),
    MEMBER(private_key, true),
    MEMBER(api_key, true),
    {0},
};

static char **text_of(struct secret *secret, const struct secret_member *member)
{
    return (char **)(void *)((char *)secret + member->offset);
}

const char *secret_text(const struct secret *secret, const struct secret_member *member)
{
    return *(char *const *)(const void *)((const char *)secret + member->offset);
}

bool secret_is_plain(const struct secret *secret)
{
    for (const struct secret_member *member = secret_members; member->name; member++) {
        const char *text = secret_text(secret, member);
        bool own = text == secret->token || text == secret->password;
        if (text && !own)
            return false;
    }
    return secret->token && secret->password && strcmp(secret->token, secret->password) == 0;
}

void secret_copy(struct secret *to, const struct secret *from)
{
    *to = (struct secret){0};
    for (const struct secret_member *member = secret_members; from && member->name; member++)
        *text_of(to, member) = xstrdup_null(secret_text(from, member));
}

void secret_release(struct secret *secret)
{
    if (!secret)
        return;
    for (const struct secret_member *member = secret_members; member->name; member++)
        secret_wipe(*text_of(secret, member));
    *secret = (struct secret){0};
}

int secret_read_fd(int fd, size_t max_bytes, char **text, struct fault *fault)
{
    /* One byte more than allowed, to see that there is more, and the NUL. */
    size_t room = max_bytes + 1, size = 0;
    char *data = xmalloc(room + 1);

    *text = NULL;
    while (size < room) {
        ssize_t got = read(fd, data + size, room - size);

        if (got == 0)
            break;
        if (got > 0) {
            size += (size_t)got;
        } else if (errno != EINTR) {
            fault_set(fault, class_of(errno), "cannot be read: %s", strerror(errno));
            goto fail;
        }
    }
    data[size] = '\0';
    if (size > max_bytes) {
        fault_set(fault, FAULT_CONFIG, "is larger than %zu bytes", max_bytes);
        goto fail;
    }
    if (strlen(data) != size) {
        fault_set(fault, FAULT_CONFIG, "holds a NUL byte");
        goto fail;
    }
    *text = data;
    return 0;

fail:
    explicit_bzero(data, size);
    free(data);
    return -1;
}

static void cut_newline(char *text)
{
    size_t size = strlen(text);

    if (size > 0 && text[size - 1] == '\n')
        text[--size] = '\0';
    if (size > 0 && text[size - 1] == '\r')
        text[--size] = '\0';
}

static int read_plain(int fd, char **text, struct fault *fault)
{
    if (secret_read_fd(fd, SECRET_MAX, text, fault) != 0)
        return -1;
    cut_newline(*text);
    if (**text != '\0')
        return 0;
    secret_wipe(*text);
    *text = NULL;
    fault_set(fault, FAULT_CONFIG, "is empty");
    return -1;
}

int secret_read_file(const char *path, char **text, struct fault *fault)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    int result;

    *text = NULL;
    if (fd < 0)
        return fault_set(fault, class_of(errno), "%s: cannot be opened: %s", path, strerror(errno));
    result = read_plain(fd, text, fault);
    close(fd);
    return result == 0 ? 0 : fault_wrap(fault, "%s", path);
}

/* A copy of the text of a JSON string; the original is wiped. */
static char *take_string(json_t *value)
{
    char *text = xstrdup(json_string_value(value));

    /* jansson's own memory, which it lends as const; it reads a string's length, not its text, from here on.
     */
    explicit_bzero((char *)json_string_value(value), json_string_length(value));
    return text;
}

/* What is not taken must not stay in memory either: a refused object is wiped, however deep. */
static void wipe_json(json_t *value)
{
    const char *key;
    json_t *member;
    size_t index;

    if (json_is_string(value))
        explicit_bzero((char *)json_string_value(value), json_string_length(value));
    json_object_foreach (value, key, member)
        wipe_json(member);
    json_array_foreach (value, index, member)
        wipe_json(member);
}

/* "'token', 'username' and 'password'" */
static void list_members(struct buf *out)
{
    for (const struct secret_member *member = secret_members; member->name; member++)
        buf_addf(out, "%s'%s'",
                 member == secret_members ? ""
                 : member[1].name         ? ", "
                                          : " and ",
                 member->name);
}

static int refuse_members(struct fault *fault, const char *mistake)
{
    struct buf known;
    int result;

    buf_init(&known, sizeof fault->text);
    list_members(&known);
    result = fault_set(fault, FAULT_CONFIG, "%s %s", mistake, known.data);
    buf_release(&known);
    return result;
}

static int take_members(json_t *object, struct secret *secret, struct fault *fault)
{
    size_t found = 0;

    for (const struct secret_member *member = secret_members; member->name; member++) {
        json_t *value = json_object_get(object, member->name);

        if (!value)
            continue;
        if (!json_is_string(value) || json_string_length(value) == 0)
            return fault_set(fault, FAULT_CONFIG, "/%s must be a text that is not empty", member->name);
        *text_of(secret, member) = take_string(value);
        found++;
    }
    if (found != json_object_size(object))
        return refuse_members(fault, "has members other than");
    return found ? 0 : refuse_members(fault, "has none of");
}

static int parse_content(const char *content, struct secret *secret, struct fault *fault)
{
    json_error_t error;
    json_t *object;
    int result;

    if (*content != '{') {
        secret->token = xstrdup(content);
        secret->password = xstrdup(content);
        return 0;
    }
    object = json_loads(content, JSON_REJECT_DUPLICATES, &error);
    if (!object) {
        result =
            fault_set(fault, FAULT_CONFIG, "begins with '{' and is not valid JSON (line %d)", error.line);
        explicit_bzero(&error, sizeof(error));
        return result;
    }
    result = take_members(object, secret, fault);
    wipe_json(object);
    json_decref(object);
    return result;
}

/* `guarded`: whoever made the folder answers for who may read in it. */
static int load_fd(int fd, bool guarded, struct secret *secret, struct fault *fault)
{
    struct stat status;
    char *content = NULL;
    int result;

    if (fstat(fd, &status) != 0)
        return fault_set(fault, class_of(errno), "cannot be examined: %s", strerror(errno));
    if (!S_ISREG(status.st_mode))
        return fault_set(fault, FAULT_CONFIG, "is not a regular file");
    if (!guarded && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return fault_set(fault, FAULT_CONFIG,
                         "is open to its group or to others (mode %04o): make it 0600 or 0400",
                         (unsigned)status.st_mode & 07777U);
    if (read_plain(fd, &content, fault) != 0)
        return -1;
    result = parse_content(content, secret, fault);
    secret_wipe(content);
    return result;
}

/*
 * Opens `reference` in <root>/<folders...>. -1 with errno. The root is the operator's choice and may be a
 * link; O_NONBLOCK, because a FIFO in the file's place must not stop the process.
 */
static int open_below(const char *root, const char *const *folders, const char *reference)
{
    int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

    for (; *folders && fd >= 0; folders++) {
        int next = openat(fd, *folders, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        close(fd);
        fd = next;
    }
    if (fd >= 0) {
        int file = openat(fd, reference, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        int error = errno;

        close(fd);
        errno = error;
        fd = file;
    }
    return fd;
}

/* 1: loaded; 0: there is no such file; -1: a fault. */
static int load_below(const char *root, const char *const *folders, bool guarded, const char *reference,
                      struct secret *secret, struct fault *fault)
{
    int fd = open_below(root, folders, reference);
    int result;

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return fault_set(fault, class_of(errno), "cannot be opened: %s",
                         errno == ELOOP ? "it is a symbolic link" : strerror(errno));
    result = load_fd(fd, guarded, secret, fault);
    close(fd);
    return result == 0 ? 1 : -1;
}

static int load(const char *guarded_dir, const char *config_dir, const char *tenant, const char *reference,
                struct secret *secret, struct fault *fault)
{
    static const char *const no_folders[] = {NULL};
    const char *const folders[] = {"credentials.d", tenant, NULL};
    int found = 0;

    *secret = (struct secret){0};
    if (!text_is_name(reference))
        return fault_set(fault, FAULT_CONFIG, "a credential reference must be a name, without '/'");
    if (tenant && !text_is_name(tenant))
        return fault_set(fault, FAULT_CONFIG, "credential '%s': the tenant is not a name", reference);
    if (!tenant && guarded_dir && *guarded_dir)
        found = load_below(guarded_dir, no_folders, true, reference, secret, fault);
    if (found == 0)
        found = load_below(config_dir, folders, false, reference, secret, fault);
    if (found > 0)
        return 0;
    secret_release(secret);
    if (found == 0)
        fault_set(fault, FAULT_CONFIG, "there is no such file in credentials.d%s%s", tenant ? "/" : "",
                  tenant ? tenant : "");
    return fault_wrap(fault, "credential '%s'", reference);
}

int secret_load(const char *config_dir, const char *tenant, const char *reference, struct secret *secret,
                struct fault *fault)
{
    return load(getenv("CREDENTIALS_DIRECTORY"), config_dir, tenant, reference, secret, fault);
}

int secret_load_stored(const char *config_dir, const char *tenant, const char *reference,
                       struct secret *secret, struct fault *fault)
{
    return load(NULL, config_dir, tenant, reference, secret, fault);
}
