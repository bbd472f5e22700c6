/*
 * msg - the one writer of stderr.
 * Hard rule: an event is one line and one write(2), short enough that lines of several processes on one pipe
 * do not mix; and no byte of it can steer a terminal.
 */
#include "msg.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "buf.h"
#include "clock.h"
#include "num.h"
#include "text.h"

/*
 * A write of up to PIPE_BUF (4096) bytes to a pipe is whole. The text is cut so that a line with all its
 * fields usually stays below; LINE_MAX_BYTES holds the worst case, where JSON makes two of every byte.
 */
enum { TEXT_MAX_BYTES = 2000, FIELD_MAX_BYTES = 256, LINE_MAX_BYTES = 16 * 1024, PROGRESS_EVERY_MS = 100 };

enum msg_form { FORM_TEXT, FORM_JSON, FORM_JOURNAL };

static const struct {
    const char *word;
    int priority; /* of syslog(3) */
    const char *colour;
    const char *label;
} levels[] = {
    [MSG_ERROR] = {"ERROR", 3, "\033[31m", ""},
    [MSG_WARNING] = {"WARNING", 4, "\033[33m", "warning: "},
    [MSG_INFO] = {"INFO", 6, "", ""},
    [MSG_DEBUG] = {"DEBUG", 7, "\033[2m", ""},
};

static struct {
    const char *program;
    enum msg_level level;
    enum msg_form form;
    bool terminal;
    bool colour;
    bool progress_shown;
    int64_t progress_ms;
} state = {.program = "dist", .level = MSG_INFO};

/* systemd sets JOURNAL_STREAM to device:inode of the socket it gave; stderr may have been redirected since.
 */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char own[64];
    struct stat status;

    if (stream == NULL || fstat(STDERR_FILENO, &status) != 0)
        return false;
    snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(stream, own) == 0;
}

static bool environment_has(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0';
}

void msg_open(const char *program, bool service, const char *format)
{
    static const char *const forms[] = {
        [FORM_TEXT] = "text", [FORM_JSON] = "json", [FORM_JOURNAL] = "journal"};
    const char *wanted = format != NULL ? format : getenv("DIST_LOG_FORMAT");
    const char *term = getenv("TERM");
    bool known = wanted == NULL || wanted[0] == '\0';

    state.program = program;
    state.terminal = isatty(STDERR_FILENO) == 1;
    state.colour =
        state.terminal && !environment_has("NO_COLOR") && term != NULL && strcmp(term, "dumb") != 0;
    state.progress_shown = false;
    state.form = FORM_TEXT;
    if (service && !state.terminal)
        state.form = stderr_is_journal() ? FORM_JOURNAL : FORM_JSON;
    for (int form = FORM_TEXT; !known && form <= FORM_JOURNAL; form++) {
        if (strcmp(wanted, forms[form]) == 0) {
            state.form = (enum msg_form)form;
            known = true;
        }
    }
    if (!known)
        msg(MSG_WARNING, "DIST_LOG_FORMAT: '%.80s' is not one of text, json, journal", wanted);
}

const char *msg_program(void)
{
    return state.program;
}

void msg_set_level(enum msg_level level)
{
    state.level = level;
}

bool msg_would_print(enum msg_level level)
{
    return level <= state.level;
}

/* A field for people, without what could steer a terminal. */
static void add_printable(struct buf *line, const char *text)
{
    char copy[TEXT_MAX_BYTES + 1];

    text_copy(copy, sizeof(copy), text);
    buf_adds(line, text_printable(copy));
}

static void add_pair(struct buf *line, const char *key, const char *value)
{
    char copy[FIELD_MAX_BYTES + 1];

    if (value == NULL)
        return;
    text_copy(copy, sizeof(copy), value);
    buf_addf(line, " %s=%s", key, text_printable(copy));
}

/* "distribution_attempt: delivered destination=hook attempt=2 code=200 latency=45ms: text" */
static void add_text_body(struct buf *line, const struct msg_event *event)
{
    const size_t before = line->len;
    char latency[NUM_DURATION_SIZE];

    if (event->action != NULL)
        add_printable(line, event->action);
    if (event->status != NULL) {
        if (line->len > before)
            buf_adds(line, ": ");
        add_printable(line, event->status);
    }
    add_pair(line, "destination", event->destination);
    add_pair(line, "distribution", event->distribution_id);
    add_pair(line, "delivery", event->delivery_id);
    add_pair(line, "tenant", event->tenant_id);
    if (event->attempt > 0)
        buf_addf(line, " attempt=%d", event->attempt);
    if (event->response_code > 0)
        buf_addf(line, " code=%d", event->response_code);
    if (event->latency_ms >= 0)
        buf_addf(line, " latency=%s", num_format_duration(event->latency_ms, latency));
    if (event->text != NULL) {
        if (line->len > before)
            buf_adds(line, ": ");
        add_printable(line, event->text);
    }
}

static void add_text_line(struct buf *line, const struct msg_event *event)
{
    const char *colour = state.colour ? levels[event->level].colour : "";

    if (state.progress_shown)
        buf_adds(line, "\r\033[K");
    state.progress_shown = false;
    buf_addf(line, "%s%s:%s %s", colour, state.program, colour[0] != '\0' ? "\033[0m" : "",
             levels[event->level].label);
    add_text_body(line, event);
}

static void add_journal_line(struct buf *line, const struct msg_event *event)
{
    /* The journal knows the program's name and shows the priority. */
    buf_addf(line, "<%d>", levels[event->level].priority);
    add_text_body(line, event);
}

/* Adds ,"name":"value" where there is a value; the comma only behind another member. */
static void add_member(struct buf *line, const char *name, const char *value, size_t max_bytes)
{
    char copy[TEXT_MAX_BYTES + 1];

    if (value == NULL)
        return;
    text_copy(copy, max_bytes + 1, value);
    text_printable(copy);
    if (line->data[line->len - 1] != '{')
        buf_addc(line, ',');
    buf_addf(line, "\"%s\":", name);
    buf_add_json(line, copy, strlen(copy));
}

static void add_number(struct buf *line, const char *name, int64_t value)
{
    if (line->data[line->len - 1] != '{')
        buf_addc(line, ',');
    buf_addf(line, "\"%s\":%" PRId64, name, value);
}

/* {"timestamp":"2024-01-15T10:00:00Z","level":"INFO","service":"ms07-distributor","component":"deliver",...}
 */
static void add_json_line(struct buf *line, const struct msg_event *event)
{
    static const char metadata[] = ",\"metadata\":{";
    char timestamp[CLOCK_TEXT_SIZE];
    const char *component = event->component;
    size_t before;

    if (component == NULL)
        component = state.program + (text_starts_with(state.program, "dist-") ? strlen("dist-") : 0);
    buf_addc(line, '{');
    add_member(line, "timestamp", clock_format(clock_wall_us(), timestamp), FIELD_MAX_BYTES);
    add_member(line, "level", levels[event->level].word, FIELD_MAX_BYTES);
    add_member(line, "service", "ms07-distributor", FIELD_MAX_BYTES);
    add_member(line, "component", component, FIELD_MAX_BYTES);
    add_member(line, "distribution_id", event->distribution_id, FIELD_MAX_BYTES);
    add_member(line, "destination", event->destination, FIELD_MAX_BYTES);
    add_member(line, "action", event->action, FIELD_MAX_BYTES);
    add_member(line, "status", event->status, FIELD_MAX_BYTES);
    if (event->latency_ms >= 0)
        add_number(line, "latency_ms", event->latency_ms);

    before = line->len;
    buf_adds(line, metadata);
    if (event->attempt > 0)
        add_number(line, "attempt", event->attempt);
    if (event->response_code > 0)
        add_number(line, "response_code", event->response_code);
    add_member(line, "tenant_id", event->tenant_id, FIELD_MAX_BYTES);
    add_member(line, "delivery_id", event->delivery_id, FIELD_MAX_BYTES);
    if (line->len == before + strlen(metadata))
        buf_cut(line, before);
    else
        buf_addc(line, '}');

    add_member(line, "message", event->text, TEXT_MAX_BYTES);
    buf_addc(line, '}');
}

/* One write; what a full or closed stderr does not take is lost. */
static void write_line(const struct buf *line)
{
    ssize_t wrote;

    do
        wrote = write(STDERR_FILENO, line->data, line->len);
    while (wrote < 0 && errno == EINTR);
}

void msg_event(const struct msg_event *event)
{
    static void (*const add_line[])(struct buf *, const struct msg_event *) = {
        [FORM_TEXT] = add_text_line,
        [FORM_JSON] = add_json_line,
        [FORM_JOURNAL] = add_journal_line,
    };
    const int error = errno;
    struct buf line;

    if (!msg_would_print(event->level))
        return;
    buf_init(&line, LINE_MAX_BYTES);
    add_line[state.form](&line, event);
    buf_addc(&line, '\n');
    write_line(&line);
    buf_release(&line);
    errno = error;
}

void msg(enum msg_level level, const char *format, ...)
{
    const struct msg_event plain = {.level = level, .latency_ms = -1};
    struct msg_event event = plain;
    char text[TEXT_MAX_BYTES + 4]; /* text_copy() must see whether its cut splits a sequence */
    const int error = errno;
    va_list arguments;

    if (!msg_would_print(level))
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    text_trim(text); /* a newline at the end would become a '?' */
    event.text = text;
    msg_event(&event);
    errno = error;
}

void msg_fault(const struct fault *fault)
{
    msg(MSG_ERROR, "%s", fault->text);
}

void msg_progress(const char *what, uint64_t done, uint64_t total)
{
    const bool last = done == total;
    const int64_t now_ms = clock_mono_ms();
    struct buf line;

    if (!state.terminal || state.form != FORM_TEXT || state.level < MSG_INFO)
        return;
    if (!last && state.progress_shown && now_ms - state.progress_ms < PROGRESS_EVERY_MS)
        return;
    buf_init(&line, LINE_MAX_BYTES);
    buf_adds(&line, "\r\033[K");
    add_printable(&line, what);
    buf_addf(&line, ": %" PRIu64, done);
    if (total > 0)
        buf_addf(&line, "/%" PRIu64 " (%d%%)", total, (int)((double)done * 100 / (double)total));
    if (last)
        buf_addc(&line, '\n');
    write_line(&line);
    buf_release(&line);
    state.progress_shown = !last;
    state.progress_ms = now_ms;
}
