/*
 * form_sftp - a new file on a host that is reached by SSH
 *
 * The key of the host is always looked at, so the form says which one it is, or which file knows it.
 */
#include "form_parts.h"

#include <stdlib.h>
#include <string.h>
#include "placeholders.h"
#include "text.h"
#include "xalloc.h"

enum {
    PORT_MAX = 65535,
    PORT_SSH = 22,
    PATH_SIZE = 4095,
    HOST_KEYS_MAX = 10,
    DIGEST_CHARACTERS = 43, /* a SHA-256 in base64 without padding */
    USERNAME_MAX = 255,
};

static void sftp_fields(struct form *form, struct json_field out[FORM_FIELDS])
{
    struct destination_sftp *sftp = &form->destination->sftp;
    const struct json_field fields[] = {
        {.name = "host", .kind = JSON_KIND_STRING, .required = true, .target = &sftp->host},
        {.name = "port", .kind = JSON_KIND_INT, .target = &sftp->port, .min = 1, .max = PORT_MAX},
        {.name = "username",
         .kind = JSON_KIND_STRING,
         .target = &sftp->username,
         .min = 1,
         .max = USERNAME_MAX},
        {.name = "path",
         .kind = JSON_KIND_STRING,
         .required = true,
         .target = &form->destination->path,
         .min = 2,
         .max = PATH_SIZE},
        {.name = "host_key", .kind = JSON_KIND_ANY, .target = &sftp->host_key},
        {.name = "known_hosts", .kind = JSON_KIND_STRING, .target = &sftp->known_hosts, .max = PATH_SIZE},
        {.name = "make_folders", .kind = JSON_KIND_BOOL, .target = &sftp->make_folders},
        {.name = "mode", .kind = JSON_KIND_STRING, .target = &sftp->mode},
        {.name = "allow_private", .kind = JSON_KIND_BOOL, .target = &form->destination->allow_private},
        {0},
    };
    form_add_fields(out, fields);
}

/* "SHA256:xjRMRTqqrsnAsxdeSUXNfqxfTlsQ0JLY7K5OW7TzSMs" */
static int check_key(const json_t *key, const char *path, struct fault *fault)
{
    const char *text = json_string_value(key);
    struct buf digest;

    buf_init(&digest, 64);
    char *padded = text && text_starts_with(text, "SHA256:") ? xasprintf("%s=", text + 7) : NULL;
    bool good = padded && strlen(padded) == DIGEST_CHARACTERS + 1 &&
                text_decode_base64(padded, DIGEST_CHARACTERS + 1, &digest) == 0 && digest.len == 32;
    free(padded);
    buf_release(&digest);
    if (good)
        return 0;
    return fault_set(fault, FAULT_INPUT, "%s: \"SHA256:...\" is wanted, as ssh-keygen -lf writes it", path);
}

/* One text, or an array of them: while a key is renewed there are two. */
static int check_keys(json_t *keys, struct fault *fault)
{
    char path[40];

    if (!keys)
        return 0;
    if (!json_is_array(keys))
        return check_key(keys, "/host_key", fault);
    if (json_array_size(keys) == 0 || json_array_size(keys) > HOST_KEYS_MAX)
        return fault_set(fault, FAULT_INPUT, "/host_key: 1 to %d keys are wanted", HOST_KEYS_MAX);
    for (size_t i = 0; i < json_array_size(keys); i++) {
        snprintf(path, sizeof path, "/host_key/%zu", i);
        if (check_key(json_array_get(keys, i), path, fault) < 0)
            return -1;
    }
    return 0;
}

static int check_host(struct form *form, struct fault *fault)
{
    const struct destination *destination = form->destination;
    const struct destination_sftp *sftp = &destination->sftp;

    if (!form_host_is_valid(sftp->host, strlen(sftp->host)))
        return fault_set(fault, FAULT_INPUT, "/host: the name of a host is wanted, without placeholders");
    if (sftp->known_hosts && destination->tenant)
        return fault_set(fault, FAULT_DENIED,
                         "/known_hosts: only the operator names files, in a configured destination");
    if (sftp->known_hosts && !form_path_is_plain(sftp->known_hosts))
        return fault_set(fault, FAULT_INPUT, "/known_hosts: the absolute path of a file is wanted");
    if (!sftp->known_hosts == !sftp->host_key)
        return fault_set(fault, FAULT_INPUT, "/host_key: either it or \"known_hosts\" is wanted");
    return check_keys(sftp->host_key, fault);
}

static int sftp_check(struct form *form, struct fault *fault)
{
    const struct destination *destination = form->destination;
    struct destination_sftp *sftp = &form->destination->sftp;
    const char *path = destination->path;

    if (!sftp->port)
        sftp->port = PORT_SSH;
    if (check_host(form, fault) < 0)
        return -1;
    if (!form_path_is_plain(path) || text_starts_with(path, "/~/"))
        return fault_set(
            fault, FAULT_INPUT,
            "/path: an absolute path to a file is wanted, without \".\", \"..\" and empty components");
    if (sftp->mode && (strlen(sftp->mode) != 4 || *sftp->mode != '0' || strspn(sftp->mode, "01234567") != 4))
        return fault_set(fault, FAULT_INPUT, "/mode: permission bits as \"0640\" are wanted");
    return placeholders_check_public(path, "/path", fault);
}

static const struct form_help sftp_help[] = {
    {"host", "\"files.example.com\"", "the host (required)"},
    {"port", "22", "default: 22"},
    {"username", "\"dist\"", "who logs in; default: the user name of the credentials"},
    {"path", "\"/incoming/{tenant_id}/{date}-{delivery_id}.json\"",
     "an absolute path with placeholders (required)"},
    {"host_key", "\"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
     "the fingerprint of the host's key, as ssh-keygen -lf writes it, or an array of them; or known_hosts"},
    {"known_hosts", NULL, "the absolute path of a file as ssh(1) keeps it; or host_key"},
    {"make_folders", NULL, "true: folders that are not there are made; default: false"},
    {"mode", NULL, "permission bits in octal; default: as the server makes files"},
    {"allow_private", NULL, "true: private addresses may be connected to; default: false"},
    {0},
};

const struct form_kind form_sftp = {.fields = sftp_fields, .check = sftp_check, .help = sftp_help};
