/*
 * sftp - see sftp.h
 *
 * libcurl takes a private key as a file only: it gets the name of a file in memory, which nobody else can
 * open. Of a status it tells the words it has for it, and those are looked up here.
 */
#include "sftp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "buf.h"
#include "digest.h"
#include "text.h"
#include "transfer_parts.h"
#include "xalloc.h"

enum {
    PATH_MAX_BYTES = 16 * 1024,
    FINGERPRINT_SIZE = 64,
    STATUS_MAX = 100,
};

struct sftp {
    struct transfer transfer;
    struct transfer_peer peer;
    char *known_hosts;
    char **host_keys; /* ended by NULL */
    int key_fd;       /* the private key, or -1 */
    char refused_key[TRANSFER_TEXT_SIZE];
    const char *data; /* that is sent, or compared with */
    size_t size, at;
    bool differs;
    bool close_failed;
};

/* The key of the host */

static int on_host_key(void *arg, int type, const char *key, size_t size)
{
    struct sftp *sftp = arg;
    unsigned char digest[DIGEST_SIZE];
    struct buf shown;
    int result = CURLKHMATCH_MISMATCH;

    (void)type;
    digest_sha256_bytes(key, size, digest);
    buf_init(&shown, FINGERPRINT_SIZE);
    buf_adds(&shown, "SHA256:");
    text_add_base64(&shown, digest, sizeof digest);
    while (shown.len && shown.data[shown.len - 1] == '=')
        buf_cut(&shown, shown.len - 1);
    for (char **known = sftp->host_keys; *known; known++)
        if (strcmp(*known, shown.data) == 0)
            result = CURLKHMATCH_OK;
    if (result != CURLKHMATCH_OK)
        snprintf(sftp->refused_key, sizeof sftp->refused_key,
                 "the host shows the key %s, which is not the one in the form", shown.data);
    buf_release(&shown);
    return result;
}

static int on_known_host(CURL *easy, const struct curl_khkey *known, const struct curl_khkey *found,
                         enum curl_khmatch match, void *arg)
{
    struct sftp *sftp = arg;

    (void)easy;
    (void)known;
    (void)found;
    if (match == CURLKHMATCH_OK)
        return CURLKHSTAT_FINE;
    if (access(sftp->known_hosts, R_OK) < 0)
        snprintf(sftp->refused_key, sizeof sftp->refused_key, "the file of known hosts cannot be read: %s",
                 strerror(errno));
    else
        text_copy(sftp->refused_key, sizeof sftp->refused_key,
                  match == CURLKHMATCH_MISMATCH
                      ? "the key of the host is not the one in the file of known hosts"
                      : "the host is not in the file of known hosts");
    return CURLKHSTAT_REJECT;
}

/* What it says */

/* Words of libcurl 7.88 for each status; it has the same for NO_SUCH_FILE and NO_SUCH_PATH. */
static const struct {
    const char *words;
    int code;
} statuses[] = {
    {"Permission denied", 3},
    {"Operation failed", SFTP_FAILURE},
    {"Bad message from SFTP server", 5},
    {"Not connected to SFTP server", 6},
    {"Connection to SFTP server lost", 7},
    {"Operation not supported by SFTP server", 8},
    {"Invalid handle", 9},
    {"No such file or directory", SFTP_NO_SUCH_FILE},
    {"File already exists", SFTP_FILE_EXISTS},
    {"File is write protected", 12},
    {"No media", 13},
    {"Disk full", 14},
    {"User quota exceeded", 15},
    {"Unknown principle", 16},
    {"File lock conflict", 17},
    {"Directory not empty", 18},
    {"Not a directory", 19},
    {"Invalid filename", 20},
    {"Link points to itself", 21},
};

/* "Upload failed: Permission denied (3/-31)", "rename command failed: Operation failed" */
static int status_of(const char *error, CURLcode code)
{
    size_t size = strlen(error);
    const char *open = strrchr(error, '(');
    char *slash;
    long status = open ? strtol(open + 1, &slash, 10) : 0;

    if (open && slash > open + 1 && *slash == '/' && status > 0 && status <= STATUS_MAX)
        return (int)status;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        size_t words = strlen(statuses[i].words);
        if (size >= words && strcmp(error + size - words, statuses[i].words) == 0)
            return statuses[i].code;
    }
    return code == CURLE_REMOTE_FILE_NOT_FOUND  ? SFTP_NO_SUCH_FILE
           : code == CURLE_REMOTE_ACCESS_DENIED ? 3
           : code == CURLE_REMOTE_FILE_EXISTS   ? SFTP_FILE_EXISTS
           : code == CURLE_REMOTE_DISK_FULL     ? 14
                                                : 0;
}

static void judge(const struct sftp *sftp, CURLcode code, struct sftp_answer *answer)
{
    *answer = (struct sftp_answer){0};
    if (code == CURLE_OK)
        return;
    answer->result = transfer_judge(&sftp->transfer, code, answer->text);
    if (sftp->refused_key[0]) {
        answer->result = TRANSFER_HOST_KEY;
        text_copy(answer->text, sizeof answer->text, sftp->refused_key);
    } else if (answer->result == TRANSFER_BROKEN) {
        answer->code = status_of(sftp->transfer.error, code);
        if (answer->code || code == CURLE_QUOTE_ERROR)
            answer->result = TRANSFER_ANSWERED;
        answer->unclear = answer->result == TRANSFER_BROKEN && code == CURLE_SSH;
    }
}

/* The connection */

static int hold_key(struct sftp *sftp, const char *key, struct fault *fault)
{
    size_t size = strlen(key), at = 0;

    sftp->key_fd = memfd_create("key", MFD_CLOEXEC);
    if (sftp->key_fd < 0)
        return fault_errno(fault, errno, "cannot hold the private key");
    while (at < size) {
        ssize_t n = write(sftp->key_fd, key + at, size - at);
        if (n <= 0)
            return fault_errno(fault, n < 0 ? errno : ENOSPC, "cannot hold the private key");
        at += (size_t)n;
    }
    return 0;
}

static bool set_host(struct sftp *sftp, const struct sftp_peer *peer)
{
    CURL *easy = sftp->transfer.easy;
    CURLcode failed = CURLE_OK;
    size_t count = 0;

    if (peer->known_hosts) {
        sftp->known_hosts = xstrdup(peer->known_hosts);
        failed |= curl_easy_setopt(easy, CURLOPT_SSH_KNOWNHOSTS, peer->known_hosts);
        failed |= curl_easy_setopt(easy, CURLOPT_SSH_KEYFUNCTION, on_known_host);
        failed |= curl_easy_setopt(easy, CURLOPT_SSH_KEYDATA, sftp);
        return failed == CURLE_OK;
    }
    while (peer->host_keys && peer->host_keys[count])
        count++;
    sftp->host_keys = xcalloc(count + 1, sizeof *sftp->host_keys);
    for (size_t i = 0; i < count; i++)
        sftp->host_keys[i] = xstrdup(peer->host_keys[i]);
    failed |= curl_easy_setopt(easy, CURLOPT_SSH_HOSTKEYFUNCTION, on_host_key);
    failed |= curl_easy_setopt(easy, CURLOPT_SSH_HOSTKEYDATA, sftp);
    return failed == CURLE_OK;
}

static bool set_login(struct sftp *sftp, const struct sftp_peer *peer)
{
    CURL *easy = sftp->transfer.easy;
    CURLcode failed = curl_easy_setopt(easy, CURLOPT_USERNAME, peer->username);
    char path[40];

    if (sftp->key_fd >= 0) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", sftp->key_fd);
        failed |= curl_easy_setopt(easy, CURLOPT_SSH_AUTH_TYPES, (long)CURLSSH_AUTH_PUBLICKEY);
        failed |= curl_easy_setopt(easy, CURLOPT_SSH_PRIVATE_KEYFILE, path);
        failed |= curl_easy_setopt(easy, CURLOPT_KEYPASSWD, peer->password ? peer->password : "");
    } else {
        failed |= curl_easy_setopt(easy, CURLOPT_SSH_AUTH_TYPES,
                                   (long)(CURLSSH_AUTH_PASSWORD | CURLSSH_AUTH_KEYBOARD));
        failed |= curl_easy_setopt(easy, CURLOPT_PASSWORD, peer->password ? peer->password : "");
    }
    return failed == CURLE_OK;
}

/* What there is to send. */
static size_t on_read(char *out, size_t size, size_t count, void *arg)
{
    struct sftp *sftp = arg;
    size_t room = size * count, left = sftp->size - sftp->at;

    if (room > left)
        room = left;
    if (room)
        memcpy(out, sftp->data + sftp->at, room);
    sftp->at += room;
    return room;
}

/* What is there, as long as it is the same. */
static size_t on_write(char *data, size_t size, size_t count, void *arg)
{
    struct sftp *sftp = arg;
    size_t bytes = size * count;

    sftp->differs =
        bytes > sftp->size - sftp->at || (bytes && memcmp(sftp->data + sftp->at, data, bytes) != 0);
    if (sftp->differs)
        return 0;
    sftp->at += bytes;
    return bytes;
}

/* libcurl takes a file that could not be closed for written, and says so in its trace alone. */
static int on_trace(CURL *easy, curl_infotype type, char *data, size_t size, void *arg)
{
    static const char words[] = "Failed to close libssh2 file";
    struct sftp *sftp = arg;

    (void)easy;
    if (type == CURLINFO_TEXT && size >= sizeof words - 1 && memcmp(data, words, sizeof words - 1) == 0)
        sftp->close_failed = true;
    return 0;
}

static bool set_rules(struct sftp *sftp)
{
    CURL *easy = sftp->transfer.easy;
    CURLcode failed = CURLE_OK;

    sftp->transfer.may_open = true;
    failed |= curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    failed |= curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L); /* else on_trace() is not called */
    failed |= curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, on_trace);
    failed |= curl_easy_setopt(easy, CURLOPT_DEBUGDATA, sftp);
    failed |= curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    failed |= curl_easy_setopt(easy, CURLOPT_READDATA, sftp);
    failed |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_write);
    failed |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, sftp);
    return failed == CURLE_OK;
}

struct sftp *sftp_new(const struct sftp_peer *peer, struct fault *fault)
{
    struct sftp *sftp = xcalloc(1, sizeof *sftp);

    sftp->peer = peer->peer;
    sftp->key_fd = -1;
    if (peer->private_key && hold_key(sftp, peer->private_key, fault) < 0) {
        sftp_free(sftp);
        return NULL;
    }
    if (transfer_init(&sftp->transfer, &sftp->peer, "sftp") == 0 && set_rules(sftp) && set_host(sftp, peer) &&
        set_login(sftp, peer))
        return sftp;
    fault_set(fault, FAULT_CONFIG, "libcurl does not take this destination: has it SFTP?");
    sftp_free(sftp);
    return NULL;
}

void sftp_free(struct sftp *sftp)
{
    if (!sftp)
        return;
    transfer_release(&sftp->transfer);
    if (sftp->key_fd >= 0)
        close(sftp->key_fd);
    for (char **key = sftp->host_keys; key && *key; key++)
        free(*key);
    free(sftp->host_keys);
    free(sftp->known_hosts);
    free(sftp);
}

/* Transfers */

static CURLcode set_url(const struct sftp *sftp, const char *path)
{
    struct buf url;
    CURLcode failed;

    buf_init(&url, PATH_MAX_BYTES);
    buf_addf(&url, "sftp://%s:%d", sftp->peer.host, sftp->peer.port);
    text_add_url(&url, path, "/");
    failed =
        url.overflow ? CURLE_URL_MALFORMAT : curl_easy_setopt(sftp->transfer.easy, CURLOPT_URL, url.data);
    buf_release(&url);
    return failed;
}

static void run(struct sftp *sftp, int64_t deadline_ms, struct sftp_answer *answer)
{
    sftp->refused_key[0] = '\0';
    judge(sftp, transfer_run(&sftp->transfer, deadline_ms), answer);
}

/* "rename \"/in/.a.tmp\" \"/in/a\"" */
static struct curl_slist *add_command(struct curl_slist *list, const char *command, const char *const *words)
{
    struct buf line;

    buf_init(&line, 2 * PATH_MAX_BYTES);
    buf_adds(&line, command);
    for (; *words; words++) {
        buf_adds(&line, " \"");
        for (const char *c = *words; *c; c++) {
            if (*c == '"' || *c == '\\')
                buf_addc(&line, '\\');
            buf_addc(&line, *c);
        }
        buf_addc(&line, '"');
    }
    struct curl_slist *longer = curl_slist_append(list, line.data);
    buf_release(&line);
    if (!longer)
        abort(); /* out of memory, as in xalloc */
    return longer;
}

/* Nothing but the connection, and what is in `commands`. */
static void run_bare(struct sftp *sftp, struct curl_slist *commands, int64_t deadline_ms,
                     struct sftp_answer *answer)
{
    CURL *easy = sftp->transfer.easy;
    CURLcode failed = set_url(sftp, "/");

    failed |= curl_easy_setopt(easy, CURLOPT_UPLOAD, 0L);
    failed |= curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    failed |= curl_easy_setopt(easy, CURLOPT_QUOTE, commands);
    if (failed != CURLE_OK)
        judge(sftp, failed, answer);
    else
        run(sftp, deadline_ms, answer);
    curl_easy_setopt(easy, CURLOPT_QUOTE, NULL);
    curl_easy_setopt(easy, CURLOPT_NOBODY, 0L);
}

void sftp_open(struct sftp *sftp, int64_t deadline_ms, struct sftp_answer *answer)
{
    run_bare(sftp, NULL, deadline_ms, answer);
}

void sftp_remove(struct sftp *sftp, const char *const *paths, int64_t deadline_ms, struct sftp_answer *answer)
{
    struct curl_slist *commands = NULL;

    for (; *paths; paths++) {
        const char *const words[] = {*paths, NULL};
        commands = add_command(commands, "*rm", words); /* '*': it may fail */
    }
    run_bare(sftp, commands, deadline_ms, answer);
    curl_slist_free_all(commands);
}

void sftp_write(struct sftp *sftp, const struct sftp_file *file, int64_t deadline_ms,
                struct sftp_answer *answer)
{
    CURL *easy = sftp->transfer.easy;
    CURLcode failed = set_url(sftp, file->path);

    sftp->data = file->data;
    sftp->size = file->size;
    sftp->at = 0;
    sftp->close_failed = false;
    failed |= curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    failed |= curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)file->size);
    failed |= curl_easy_setopt(easy, CURLOPT_FTP_CREATE_MISSING_DIRS,
                               (long)(file->make_folders ? CURLFTP_CREATE_DIR : CURLFTP_CREATE_DIR_NONE));
    if (failed != CURLE_OK)
        judge(sftp, failed, answer);
    else
        run(sftp, deadline_ms, answer);
    if (answer->result == TRANSFER_DONE && sftp->close_failed) {
        *answer = (struct sftp_answer){.result = TRANSFER_ANSWERED, .code = SFTP_FAILURE};
        text_copy(answer->text, sizeof answer->text, "closing the file failed");
    }
}

void sftp_rename(struct sftp *sftp, const char *from, const char *to, const char *mode, int64_t deadline_ms,
                 struct sftp_answer *answer)
{
    const char *const names[] = {from, to, NULL}, *const modes[] = {mode, from, NULL};
    struct curl_slist *commands = mode ? add_command(NULL, "chmod", modes) : NULL;

    commands = add_command(commands, "rename", names);
    run_bare(sftp, commands, deadline_ms, answer);
    curl_slist_free_all(commands);
}

void sftp_compare(struct sftp *sftp, const char *path, const void *data, size_t size, int64_t deadline_ms,
                  bool *same, struct sftp_answer *answer)
{
    CURL *easy = sftp->transfer.easy;
    CURLcode failed = set_url(sftp, path);

    sftp->data = data;
    sftp->size = size;
    sftp->at = 0;
    sftp->differs = false;
    failed |= curl_easy_setopt(easy, CURLOPT_UPLOAD, 0L);
    if (failed != CURLE_OK)
        judge(sftp, failed, answer);
    else
        run(sftp, deadline_ms, answer);
    if (sftp->differs)
        *answer = (struct sftp_answer){.result = TRANSFER_DONE};
    *same = answer->result == TRANSFER_DONE && !sftp->differs && sftp->at == size;
}
