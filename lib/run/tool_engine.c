/*
 * tool_engine - see tool_engine.h
 */
#include "tool_engine.h"

#include "msg.h"
#include "secret.h"
#include "status.h"

static enum engine_absent absent_of(const struct conf *conf)
{
    return (enum engine_absent)status_index(engine_absent_names, conf_text(conf, "RULES_ENGINE_ABSENT"));
}

int tool_engine(const struct tool *tool, struct rules_engine **engine, struct fault *fault)
{
    const struct conf *conf = tool->conf;
    const char *reference = conf_text(conf, "RULES_ENGINE_CREDENTIALS");
    struct secret secret = {0};
    struct rules_engine_config config = {
        .url = conf_text(conf, "RULES_ENGINE_URL"),
        .secret = reference ? &secret : NULL,
        .timeout_ms = conf_duration_ms(conf, "RULES_ENGINE_TIMEOUT"),
        .cache_ms = conf_duration_ms(conf, "RULES_ENGINE_CACHE"),
        .payload = conf_bool(conf, "RULES_ENGINE_PAYLOAD"),
        .allow_private = conf_bool(conf, "DIST_ALLOW_PRIVATE"),
        .absent = absent_of(conf),
    };

    *engine = NULL;
    if (!config.url)
        return 0;
    if (reference && secret_load(conf_dir(conf), NULL, reference, &secret, fault) < 0)
        return fault_wrap(fault, "RULES_ENGINE_CREDENTIALS");
    *engine = rules_engine_new(&config, fault);
    secret_release(&secret);
    return *engine ? 0 : -1;
}

void tool_engine_news(const struct tool *tool, struct rules_engine *engine)
{
    enum engine_absent absent = absent_of(tool->conf);
    struct fault why = {0};
    enum engine_news news = rules_engine_news(engine, &why);

    if (absent == ENGINE_WAIT || news == ENGINE_NO_NEWS)
        return;
    if (news == ENGINE_IS_BACK)
        msg(MSG_INFO, "the rules engine is back");
    else
        msg(MSG_WARNING, "%s; until it is back, %s", why.text,
            absent == ENGINE_LAST ? "its last answers and the rules hold" : "distributions are unroutable");
}
