/*
 * tool_engine - the rules engine that the settings describe
 */
#ifndef DIST_TOOL_ENGINE_H
#define DIST_TOOL_ENGINE_H

#include "fault.h"
#include "rules_engine.h"
#include "tool.h"

/* By RULES_ENGINE_URL and its fellows; *engine is NULL where there is no URL. Its credentials are read here,
 * once. Class CONFIG. */
int tool_engine(const struct tool *tool, struct rules_engine **engine, struct fault *fault);
/* One line when it becomes absent, with what is done until it is back, and one when it is back. Nothing where
 * it is waited for: the fault says it then. */
void tool_engine_news(const struct tool *tool, struct rules_engine *engine);

#endif
