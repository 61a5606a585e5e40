/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static int cli_version(int count, char **words);
static int cli_help(int count, char **words);

static const struct cli_command commands[] = {
    { "pub", cli_pub, "publish messages" },
    { "sub", cli_sub, "subscribe and print what comes" },
    { "status", cli_status, "show the counters of a broker" },
    { "mesh", cli_mesh, "show who is in the mesh, and a broker's links" },
    { "health", cli_health, "exit 0 if a broker is well, else 1" },
    { "store", cli_store, "check or show what a data directory holds" },
    { "passwd", cli_passwd, "set a user's password in a password file" },
    { "version", cli_version, "print the version" },
    { "help", cli_help, "print this" },
};

static void print_commands(FILE *file)
{
    fprintf(file, "plexus: work with an event mesh\n\nusage: plexus COMMAND [FLAG]...\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(file, "  %-8s %s\n", commands[i].name, commands[i].help);
    fprintf(file, "\nplexus COMMAND --help says more.\n");
}

static int cli_version(int count, char **words)
{
    (void)count;
    (void)words;
    printf("plexus %s\n", PLEXUS_VERSION);
    return CLI_OK;
}

static int cli_help(int count, char **words)
{
    (void)count;
    (void)words;
    print_commands(stdout);
    return CLI_OK;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    signal(SIGPIPE, SIG_IGN);
    if (strcmp(name, "--help") == 0 || strcmp(name, "--version") == 0)
        name += 2;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    }
    if (name[0])
        fprintf(stderr, "plexus: unknown command %s\n\n", name);
    print_commands(stderr);
    return CLI_USAGE;
}
