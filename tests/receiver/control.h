/*
 * control - the questions that tests ask below /_/ ; these requests are not recorded
 *
 *   GET  /_/ping                          pong
 *   GET  /_/count?path=PREFIX             how many requests have a path that begins so
 *   GET  /_/distinct?header=NAME&path=..  how many distinct values they have in that header
 *   GET  /_/requests?path=PREFIX          their records, NDJSON
 *   POST /_/reset                         forget all requests, tallies and saved bodies
 *
 * Without path all requests are meant. Values are percent-encoded; '+' is a plus.
 */
#ifndef RECEIVER_CONTROL_H
#define RECEIVER_CONTROL_H

#include "conn.h"

void control_answer(struct receiver *receiver, const struct request *request, struct behaviour *behaviour);

#endif
