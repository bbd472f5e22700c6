/*
 * replay_edit - see replay_edit.h
 *
 * Hard rule: what somebody has typed is not lost. Where the edited body is refused, its file stays and is
 * named.
 */
#include "replay_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ceilings.h"
#include "digest.h"
#include "fdio.h"
#include "job.h"
#include "json.h"
#include "msg.h"
#include "replay.h"
#include "route.h"
#include "schema_set.h"
#include "store_replay.h"
#include "table.h"
#include "text.h"
#include "tool.h"
#include "xalloc.h"

/* --- the letter --- */

struct found {
    char *id;
    size_t count;
};

static int found_row(void *arg, const struct dead_view *view)
{
    struct found *found = arg;

    if (!found->count++)
        found->id = xstrdup(view->delivery_id);
    return found->count > 1;
}

/* A letter that is not dead is asked for by its id all the same: the store then says what it is. */
static int find_letter(const struct dead_request *letters, struct store *store, char **id,
                       struct fault *fault)
{
    struct found found = {0};
    const char *asked = letters->filter.ids[0];

    if (store_dead_list(store, &letters->filter, found_row, &found, fault) < 0)
        return -1;
    *id = found.id;
    if (found.count > 1)
        return fault_set(fault, FAULT_INPUT, "'%s' has more than one dead letter: name the delivery", asked);
    if (!found.count)
        *id = xstrdup(asked);
    return 0;
}

static int load_letter(const struct dead_request *letters, struct store *store, struct delivery **delivery,
                       struct fault *fault)
{
    char *id = NULL;
    int result =
        find_letter(letters, store, &id, fault) < 0 ? -1 : store_dead_load(store, id, delivery, fault);

    if (result < 0 && id && fault->class == FAULT_INPUT && uid_is(id))
        store_replay_why_not(store, id, fault);
    free(id);
    return result;
}

/* --- the new distribution --- */

static int set_target(const struct dead_request *letters, const struct delivery *delivery, struct job *job,
                      struct fault *fault)
{
    const char *to = letters->replay.to;
    json_t *element = to || !delivery->inline_form ? json_pack("{s:s}", "name", to ? to : delivery->target)
                                                   : json_deep_copy(delivery->inline_form);

    if (!to && delivery->inline_form)
        json_object_set_new(element, "name", json_string(delivery->target));
    json_array_append_new(job->destinations, element);
    return route_check(letters->catalog, job, fault);
}

static int set_body(const struct dead_request *letters, struct job *job, const struct buf *body,
                    struct fault *fault)
{
    struct json_members members;

    if (job_set_body(job, "", body->data, body->len, letters->max_payload, fault) < 0)
        return -1;
    return job_content_is_json(job->content_type) ? json_check(job->body, job->body_size, &members, fault)
                                                  : 0;
}

static int make_job(const struct dead_request *letters, const struct delivery *delivery,
                    const struct buf *body, struct job **out, struct fault *fault)
{
    const struct job *old = delivery->job;
    struct job *job = job_new();

    job->distribution_id = xstrdup(job->id);
    job->tenant_id = xstrdup(old->tenant_id);
    job->data_type = xstrdup(old->data_type);
    job->content_type = xstrdup(old->content_type);
    job->priority = old->priority;
    job->callback_url = xstrdup_null(old->callback_url);
    job->callback_headers = json_incref(old->callback_headers);
    job->retry_policy = xstrdup_null(old->retry_policy);
    json_object_update(job->metadata, old->metadata);
    text_copy(job->replay_of, sizeof job->replay_of, delivery->id);
    if (set_body(letters, job, body, fault) < 0 ||
        schema_set_check_job(letters->catalog->schemas.set, job, fault) < 0) {
        fault_wrap(fault, "the edited body");
    } else if (set_target(letters, delivery, job, fault) == 0) {
        *out = job;
        return 0;
    }
    job_unref(job);
    return -1;
}

static int print_outcome(const struct dead_request *letters, const struct delivery *delivery,
                         const struct job *job, const char *batch_id, struct fault *fault)
{
    if (letters->json)
        return print_json(json_pack("{s:b, s:s, s:s, s:i, s:i, s:i, s:s, s:s, s:s?}", "dry_run", 0,
                                    "batch_id", batch_id, "state", replay_state_names[REPLAY_REPLAYED],
                                    "selected", 1, "refused", 0, "replayed", 1, "replay_of", delivery->id,
                                    "distribution_id", job->distribution_id, "to", letters->replay.to),
                          fault);
    return print_text(fault, "1 replayed as %s, batch %s\n", job->distribution_id, batch_id);
}

static int send_edited(const struct dead_request *letters, struct store *store,
                       const struct delivery *delivery, const struct buf *body, struct fault *fault)
{
    struct replay_plan plan = {
        .why = letters->replay.why,
        .destination = letters->replay.to,
        .max_replays = letters->replay.max_replays,
    };
    struct replay_author author;
    char hash[DIGEST_TEXT_SIZE];
    struct buf identity;
    struct job *job = NULL;

    if (store_check_tenant(store, delivery->job->tenant_id, fault) < 0 ||
        make_job(letters, delivery, body, &job, fault) < 0)
        return -1;
    buf_init(&identity, job->body_size + LIMIT_ENVELOPE_EXTRA);
    job_identity(job, &identity);
    digest_sha256(identity.data, identity.len, hash);
    buf_release(&identity);
    replay_author_init(&author, letters);
    uid_new(plan.id);
    plan.who = author.who;
    plan.filter = author.filter;
    int result = store_replay_edited(store, &plan, delivery->id, job, hash, fault);
    if (result == 0)
        result = print_outcome(letters, delivery, job, plan.id, fault);
    replay_author_release(&author);
    job_unref(job);
    return result;
}

/* --- a file --- */

static int send_file(const struct dead_request *letters, struct store *store, const struct delivery *delivery,
                     struct fault *fault)
{
    const char *path = letters->replay.edited;
    struct buf body = {0};
    int result;

    if (!strcmp(path, "-")) {
        buf_init(&body, letters->max_payload);
        result = fdio_read_all(STDIN_FILENO, &body, fault);
        if (result < 0)
            fault_wrap(fault, "stdin");
    } else {
        result = fdio_read_file(path, letters->max_payload, &body, fault);
    }
    if (result == 0)
        result = send_edited(letters, store, delivery, &body, fault);
    buf_release(&body);
    return result;
}

/* --- an editor --- */

/* A file of the user's alone, with the body in it; *path is the caller's. */
static int write_body(const struct job *job, char **path, struct fault *fault)
{
    const char *folder = getenv("TMPDIR");
    char *name = xasprintf("%s/dist-dlq-XXXXXX", folder && *folder ? folder : "/tmp");
    int fd = mkostemp(name, O_CLOEXEC);

    if (fd < 0) {
        fault_errno(fault, errno, "%s", name);
        free(name);
        return -1;
    }
    int result = fdio_write_all(fd, job->body, job->body_size, fault);
    if (close(fd) != 0 && result == 0)
        result = fault_errno(fault, errno, "%s", name);
    if (result == 0) {
        *path = name;
        return 0;
    }
    unlink(name);
    free(name);
    return -1;
}

/* VISUAL and EDITOR may hold arguments, and blanks that are quoted: the shell knows. */
static int run_editor(const char *path, struct fault *fault)
{
    const char *visual = getenv("VISUAL"), *editor = getenv("EDITOR");
    const char *chosen = visual && *visual ? visual : editor && *editor ? editor : "vi";
    char *script = xasprintf("%s \"$1\"", chosen);
    char *arguments[] = {(char *)"sh", (char *)"-c", script, (char *)"sh", (char *)path, NULL};
    struct sigaction ignore = {.sa_handler = SIG_IGN}, interrupt, quit;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    pid_t pid;
    int status = 0;

    /* As system(3) does: an interrupt is the editor's, not ours. */
    sigaction(SIGINT, &ignore, &interrupt);
    sigaction(SIGQUIT, &ignore, &quit);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGQUIT);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawn(&pid, "/bin/sh", NULL, &attributes, arguments, environ);
    while (!error && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    posix_spawnattr_destroy(&attributes);
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGQUIT, &quit, NULL);
    free(script);
    if (error)
        return fault_errno(fault, error, "/bin/sh");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return fault_set(fault, FAULT_INPUT, "the editor failed: nothing was replayed");
}

/* *changed: the body that is in the file now was sent. */
static int send_if_changed(const struct dead_request *letters, struct store *store,
                           const struct delivery *delivery, const char *path, bool *kept, struct fault *fault)
{
    struct buf body = {0};
    int result = run_editor(path, fault);

    *kept = false;
    if (result < 0)
        return -1;
    if (fdio_read_file(path, letters->max_payload, &body, fault) < 0) {
        *kept = true;
        return -1;
    }
    if (body.len == delivery->job->body_size && !memcmp(body.data, delivery->job->body, body.len)) {
        msg(MSG_WARNING, "the body is as it was: nothing was replayed");
        result = EXIT_REJECTED;
    } else {
        result = send_edited(letters, store, delivery, &body, fault);
        *kept = result < 0;
    }
    buf_release(&body);
    return result;
}

static int edit(const struct dead_request *letters, struct store *store, const struct delivery *delivery,
                struct fault *fault)
{
    char *path = NULL;
    bool kept = false;

    if (write_body(delivery->job, &path, fault) < 0)
        return -1;
    int result = send_if_changed(letters, store, delivery, path, &kept, fault);
    if (kept)
        msg(MSG_WARNING, "what was edited is in %s, for --edited", path);
    else
        unlink(path);
    free(path);
    return result;
}

int replay_edited(const struct dead_request *letters, struct store *store, struct fault *fault)
{
    struct delivery *delivery = NULL;

    if (letters->replay.edit && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
        return fault_set(fault, FAULT_USAGE, "--edit needs a terminal; --edited takes a file");
    if (load_letter(letters, store, &delivery, fault) < 0)
        return -1;
    int result = letters->replay.edit ? edit(letters, store, delivery, fault)
                                      : send_file(letters, store, delivery, fault);
    delivery_free(delivery);
    return result;
}
