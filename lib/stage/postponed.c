/*
 * postponed - see postponed.h
 */
#include "postponed.h"

void postponed_add(struct postponed *postponed, const struct queue_claim *claim, const struct fault *why)
{
    struct queue_claim copy;

    queue_claim_copy(&copy, claim);
    queue_claims_add(&postponed->claims, &copy);
    postponed->why = *why;
}

void postponed_move(struct postponed *to, struct postponed *from)
{
    if (from->claims.count)
        to->why = from->why;
    queue_claims_move(&to->claims, &from->claims);
}

void postponed_release(struct postponed *postponed)
{
    queue_claims_release(&postponed->claims);
    *postponed = (struct postponed){0};
}
