/*
 * amqp_message - a report as a message of AMQP
 *
 *   basic.publish  exchange, routing key, mandatory
 *   content-type, content-encoding, headers, delivery-mode 2
 *   message-id 0190b2c4-...       the delivery's id, the same on every attempt
 *   correlation-id dist-uuid-123  the distribution's
 *   type aggregated_report        the kind of report
 *   timestamp                     of submission
 *
 * The headers are those of the form, and of those that belong to the body the ones that the form has not.
 */
#ifndef DIST_AMQP_MESSAGE_H
#define DIST_AMQP_MESSAGE_H

#include "broker.h"
#include "crew.h"

/* Puts it into the queue for the socket (broker_publish()). NULL, or what of the form cannot be used for it,
 * with the fault. */
const char *amqp_message_publish(struct broker *broker, const struct errand *errand, uint64_t *tag,
                                 struct fault *fault);

#endif
