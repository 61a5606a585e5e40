/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "base/log.h"
#include "server/access.h"
#include "server/server_state.h"

enum { QUOTED_CHARS = 700 };

/* Every line of the report into the log. */
static void log_report(const struct config_report *report)
{
    char text[QUOTED_CHARS];

    for (size_t i = 0; i < report->problems.len; i++) {
        const struct config_problem *problem = &report->problems.at[i];
        log_event(problem->warning ? LOG_WARN : LOG_ERROR, "config.problem", "text=%s",
                  log_quoted(str_from_c(problem->text), text, sizeof text));
    }
}

/* Take over one field that changed, or say why not. True when it was taken over. */
static bool take_over(struct config *config, const struct config *next, enum config_field_id id)
{
    const struct config_field *field = config_field(id);
    struct buf value = { 0 };
    char quoted[QUOTED_CHARS];

    if (field->restart) {
        log_warn("config.restart_needed", "key=%s", field->key);
        return false;
    }
    config_adopt(config, next, id);
    config_print(config, id, &value);
    log_info("config.changed", "key=%s value=%s", field->key,
             log_quoted(buf_str(&value), quoted, sizeof quoted));
    buf_finish(&value);
    return true;
}

/* What the options leave empty is not a change: the name was filled in at the start. */
static bool changed(const struct config *config, const struct config *next, enum config_field_id id)
{
    if (id == CONFIG_NODE_NAME && next->node.name[0] == '\0')
        return false;
    return config_differs(config, next, id);
}

void server_reload(struct server *server)
{
    struct config next;
    struct config_report report = { 0 };
    unsigned taken = 0;

    int err = options_configure(server->options, server->env, &next, &report);
    log_report(&report);
    if (err) {
        log_error("config.reload", "result=refused errors=%zu", report.errors);
    } else {
        for (unsigned i = 0; i < CONFIG_FIELD_COUNT; i++) {
            if (changed(&server->config, &next, (enum config_field_id)i))
                taken += take_over(&server->config, &next, (enum config_field_id)i);
        }
        access_reload(server);
        struct core_config core = config_core(&server->config);
        core.seed = server->core_seed;
        core_reconfigure(node_core(server->node), &core);
        log_setup(server->config.log.level, server->config.log.json);
        if (config_listeners_differ(&server->config, &next))
            log_warn("config.restart_needed", "key=listeners");
        net_tls_reload(server->net);
        log_info("config.reload", "result=done changed=%u", taken);
    }
    config_finish(&next);
    config_report_finish(&report);
}
