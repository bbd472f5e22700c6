/*
 * excerpt - one line out of what a destination said, for an outcome's text
 */
#ifndef DIST_EXCERPT_H
#define DIST_EXCERPT_H

#include <stddef.h>
#include "buf.h"

enum { EXCERPT_SIZE = 201 };

/* The first, the last line that is more than blanks; printable UTF-8, cut to fit. "" where there is none. */
void excerpt_first_line(const struct buf *said, char line[EXCERPT_SIZE]);
void excerpt_last_line(const struct buf *said, char line[EXCERPT_SIZE]);

/*
 * Overwrites every occurrence of `secret` with '*', as it is and in every form that a JSON string may give it
 * (\" \\ \/ \n \u0022 ..., RFC 8259 section 7), or XML without a DOCTYPE (&amp; &#38; &#x26;). A buffer that
 * is full may have been cut in the middle of an occurrence: its beginning goes too. A secret of less than
 * EXCERPT_SECRET_LEAST bytes is everywhere, and stars would tell where: all of a buffer that says anything is
 * replaced by EXCERPT_WITHHELD. NULL and "" change nothing.
 */
enum { EXCERPT_SECRET_LEAST = 4 };
#define EXCERPT_WITHHELD "(withheld: the credential is too short to be masked)"
void excerpt_mask(struct buf *said, const char *secret);
/* The same with all that a secret hides. */
struct secret;
void excerpt_mask_secret(struct buf *said, const struct secret *secret);

#endif
