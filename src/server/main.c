/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "admin/http_get.h"
#include "base/err.h"
#include "base/os.h"
#include "config/address.h"
#include "server/options.h"
#include "server/ports.h"
#include "server/server.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_REFUSED = 2 };

/* Each line of text to standard error, under the program's name. */
static void complain(struct str text)
{
    for (size_t at = 0; at < text.len;) {
        size_t end = str_find(text, '\n', at);
        fprintf(stderr, "plexusd: %.*s\n", STR_ARG(str_slice(text, at, end)));
        at = end + 1;
    }
}

static void complain_of(const struct config_report *report)
{
    for (size_t i = 0; i < report->problems.len; i++)
        complain(str_from_c(report->problems.at[i].text));
    if (report->failed)
        complain(str_from_c(err_text(ERR_NOMEM)));
}

/* Ask the broker that this configuration describes, or the one at the URL given. */
static int health(const struct options *options, const struct config *config)
{
    struct config_address address;
    char url[160];

    if (options->health_url)
        return http_health(options->health_url);
    if (config->web.listen.len == 0 ||
        config_address_parse(str_from_c(config->web.listen.at[0]), &address) != ERR_OK ||
        address.kind != CONFIG_ADDRESS_IP) {
        complain(STR("--health: the configuration has no web port, give a URL"));
        return EXIT_REFUSED;
    }
    bool six = strchr(address.host, ':');
    const char *host = strcmp(address.host, "0.0.0.0") == 0 ? "127.0.0.1"
                       : strcmp(address.host, "::") == 0    ? "::1"
                                                            : address.host;
    snprintf(url, sizeof url, "http://%s%s%s:%u", six ? "[" : "", host, six ? "]" : "",
             address.port);
    return http_health(url);
}

static int serve(const struct options *options, const char *const *env, struct config *config,
                 const struct config_report *report)
{
    enum { KEEP_FREE_BYTES = 8 * 1024 * 1024 };
    struct buf errors = { 0 };
    char text[512];

    os_keep_free_bytes(KEEP_FREE_BYTES);
    log_setup(config->log.level, config->log.json);
    for (size_t i = 0; i < report->problems.len; i++)
        log_warn("config.problem", "text=%s",
                 log_quoted(str_from_c(report->problems.at[i].text), text, sizeof text));
    struct server *server = server_new(options, env, config, &errors);
    complain(buf_str(&errors));
    buf_finish(&errors);
    if (!server)
        return EXIT_REFUSED;
    int err = server_run(server);
    server_free(server);
    return err ? EXIT_FAILED : EXIT_OK;
}

static int refuse(const struct options *options, const struct config *config,
                  const struct config_report *report)
{
    struct buf errors = { 0 };

    complain_of(report);
    if (!options->check) {
        ports_probe(config, &errors);
        complain(buf_str(&errors));
        buf_finish(&errors);
    }
    return EXIT_REFUSED;
}

static int print_help(void)
{
    struct buf text = { 0 };

    options_help(&text);
    printf("%.*s", STR_ARG(buf_str(&text)));
    buf_finish(&text);
    return EXIT_OK;
}

/* What the words ask for, once they are understood. */
static int act(const struct options *options, const char *const *env, struct config *config,
               struct config_report *report)
{
    if (options->help)
        return print_help();
    if (options->version) {
        printf("plexusd %s\n", PLEXUS_VERSION);
        return EXIT_OK;
    }
    options_configure(options, env, config, report);
    if (config_report_err(report) != ERR_OK)
        return refuse(options, config, report);
    if (options->health)
        return health(options, config);
    if (options->check) {
        complain_of(report);
        printf("configuration ok\n");
        return EXIT_OK;
    }
    return serve(options, env, config, report);
}

int main(int argc, char **argv)
{
    struct options options;
    struct config config = { 0 };
    struct config_report report = { 0 };

    signal(SIGPIPE, SIG_IGN);
    options_parse(&options, argc, argv, &report);
    int status = act(&options, (const char *const *)environ, &config, &report);
    config_finish(&config);
    options_finish(&options);
    config_report_finish(&report);
    return status;
}
