/*
 * replay - dead letters of the store on their way again, as one batch
 *
 * The letters are chosen first and do not change afterwards. A batch with a canary replays the first ones,
 * due at once, and waits for them; only when all of them have arrived the rest goes. A rate is a due time for
 * each letter in PostgreSQL: nothing of it depends on this process. It may be killed at any time: what was
 * replayed then goes its way, and the rest is dead as before.
 */
#ifndef DIST_REPLAY_H
#define DIST_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "dead_request.h"
#include "delivery.h"
#include "fault.h"
#include "store.h"
#include "store_replay.h"
#include "who.h"

/* "50/s", "10/m", "5/h": one letter in *interval_us / *letters microseconds. USAGE. */
int replay_parse_rate(const char *text, int64_t *letters, int64_t *interval_us, struct fault *fault);

/* Whether `count` letters are only counted: as --dry-run says, or because they are more than one and --yes is
 * not there, of which there is then a warning. */
bool replay_is_dry(const struct dead_request *letters, size_t count);

/* The candidates of `to`, for a distribution of this tenant: a new reference. NULL: INPUT or DENIED. */
json_t *replay_candidates(const struct catalog *catalog, const char *to, const char *tenant_id,
                          struct fault *fault);

/* What goes into the row of a batch besides its numbers. */
struct replay_author {
    char who[WHO_SIZE]; /* user@host, by the process's user id: no variable of the environment has a say */
    json_t *filter;
};
void replay_author_init(struct replay_author *author, const struct dead_request *letters);
void replay_author_release(struct replay_author *author);

/* The whole replay: 0, EXIT_REJECTED where letters were passed over, ids were missing or the canary failed.
 */
int replay_letters(const struct dead_request *letters, struct store *store, struct fault *fault);

#endif
