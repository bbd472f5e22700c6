/*
 * conf - settings: dist.conf, then the environment; a tool's options come after them
 *
 * One table in conf.c names every setting with its type, default, bounds and meaning; dist.conf(5) is held
 * against it by a test. A later source replaces an earlier one: default, dist.conf (its lines: conf_file.h),
 * environment, systemd's credentials. An empty value is no value: what was there before it stays. A setting
 * that one source gives twice is a mistake.
 *
 * A secret setting NAME (kind CONF_SECRET) can be given in three ways: as NAME; as NAME_FILE, the absolute
 * path of a file that holds it; or as the file $CREDENTIALS_DIRECTORY/NAME, a systemd credential of that
 * name, which is a source of its own. The file holds the secret and at most one newline behind it; its
 * permissions are the business of whoever made it (container runtimes hand out read-only files of mode 0444).
 * Only the file that is used in the end is opened. A dist.conf that holds a secret and that others may read
 * or write is a mistake; its group may.
 *
 * Known names of other parts of the system (conf_elsewhere in conf.c) are accepted and ignored, since one
 * file may serve the whole system. Every other unknown name in dist.conf is a mistake, and so is an unknown
 * DIST_ name in the environment, except those of the test harness.
 *
 * Nothing here follows a change: SIGHUP makes a new conf and gives up the old one. conf_load() blocks on
 * files.
 */
#ifndef DIST_CONF_H
#define DIST_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fault.h"

enum conf_kind {
    CONF_TEXT,     /* any text without control characters */
    CONF_NAME,     /* text_is_name() */
    CONF_INT,      /* from min to max */
    CONF_BOOL,     /* num_parse_bool() */
    CONF_SIZE,     /* num_parse_size(), min to max bytes */
    CONF_DURATION, /* num_parse_duration(), min to max milliseconds */
    CONF_WORD,     /* one of words */
    CONF_SECRET,   /* text that is never shown */
};

struct conf_setting {
    const char *name;
    enum conf_kind kind;
    const char *fallback;     /* the default, in the form in which it is written; NULL: none */
    int64_t min, max;         /* of INT, SIZE (bytes), DURATION (ms) */
    const char *const *words; /* of WORD, ended by NULL */
    const char *help;         /* a phrase, no full stop */
};
extern const struct conf_setting conf_settings[]; /* ended by a NULL name */

struct conf;

/* All defaults. DIST_CONFIG_DIR is read here, from the environment only; without it, /etc/dist. */
struct conf *conf_new(void);
void conf_free(struct conf *conf); /* wipes the secrets; NULL is fine */

/*
 * Reads <conf_dir>/dist.conf and the environment; once per conf. Neither a missing dist.conf nor a missing
 * folder is a mistake: who needs the folder asks for it. Every mistake is handed to `mistake` (may be NULL)
 * as one line: "dist.conf:12: unknown setting 'REDIS_HOTS'; did you mean 'REDIS_HOST'?". -1 (class CONFIG,
 * the first of them) if there was any; the settings without a mistake can be read all the same. No value of a
 * secret is in any text.
 */
int conf_load(struct conf *conf, void (*mistake)(void *arg, const char *text), void *arg,
              struct fault *fault);
const char *conf_dir(const struct conf *conf);
bool conf_dir_given(const struct conf *conf); /* by DIST_CONFIG_DIR */

/*
 * `name` must be in the table and of a kind that the reader takes; anything else ends the process (abort).
 * Texts are borrowed until conf_free(). conf_text() takes TEXT, NAME, WORD and SECRET; NULL: no value.
 */
const char *conf_text(const struct conf *conf, const char *name);
int64_t conf_int(const struct conf *conf, const char *name);
bool conf_bool(const struct conf *conf, const char *name);
uint64_t conf_size(const struct conf *conf, const char *name);
int64_t conf_duration_ms(const struct conf *conf, const char *name);

/* "default", "dist.conf:12", "environment", "file /run/secrets/db" */
const char *conf_origin(const struct conf *conf, const char *name);
/* The value as it was written, for people; "" where there is none; a secret is "(set)" or "". */
const char *conf_shown(const struct conf *conf, const char *name);

#endif
