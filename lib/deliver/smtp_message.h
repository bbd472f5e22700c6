/*
 * smtp_message - the mail of an attempt
 */
#ifndef DIST_SMTP_MESSAGE_H
#define DIST_SMTP_MESSAGE_H

#include "buf.h"
#include "crew.h"
#include "mail_address.h"

struct smtp_message {
    struct buf data;
    char *from;      /* the address */
    const char **to; /* of all recipients, each once; ended by NULL */
    size_t to_count;
};

/* NULL, or the member of the form that cannot be used, with the fault. To be released in both cases. */
const char *smtp_message_make(struct smtp_message *message, const struct errand *errand, struct fault *fault);
void smtp_message_release(struct smtp_message *message);

#endif
