/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/prompt.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

enum { INTERRUPT = 3, LINE_BYTES_MAX = 4096 };

bool prompt_possible(void)
{
    return isatty(STDIN_FILENO);
}

/* No stdio, which would keep a copy. */
bool prompt_line(struct buf *out)
{
    size_t before = out->len;
    char line[LINE_BYTES_MAX];
    size_t len = 0;
    ssize_t got = 0;

    while (len < sizeof line && (got = read(STDIN_FILENO, line + len, 1)) == 1) {
        if (line[len] == '\n' || line[len] == INTERRUPT)
            break;
        len++;
    }
    bool well = got >= 0 && (got == 1 || len > 0) && len < sizeof line && line[len] != INTERRUPT;
    if (len > 0 && line[len - 1] == '\r')
        len--;
    if (well)
        buf_append(out, line, len);
    OPENSSL_cleanse(line, sizeof line);
    return well && !out->failed && out->len - before == len;
}

bool prompt_secret(const char *question, struct buf *out)
{
    struct termios shown, hidden;

    if (tcgetattr(STDIN_FILENO, &shown) != 0)
        return false;
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    hidden.c_cc[VEOL] = INTERRUPT; /* Ctrl-C ends the line, so that the terminal is put right */
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) != 0)
        return false;
    fputs(question, stderr);
    bool well = prompt_line(out);
    tcsetattr(STDIN_FILENO, TCSANOW, &shown);
    fputc('\n', stderr);
    return well;
}
