#include "log.h"

#include <string.h>

#include "terminal.h"
#include "text.h"

#define LINE 120u

static uint32_t lost;

static size_t append(char *line, size_t at, const char *text) {
    size_t length = strlen(text);

    if (length > LINE - 2 - at) {
        length = LINE - 2 - at;
    }
    memcpy(&line[at], text, length);
    return at + length;
}

static bool put(const char *text, const char *value) {
    char line[LINE];
    size_t at = append(line, 0, "app: ");

    at = append(line, at, text);
    if (value[0] != '\0') {
        at = append(line, at, " ");
        at = append(line, at, value);
    }
    line[at++] = '\r';
    line[at++] = '\n';
    return terminal_put(line, at);
}

void log_pair(const char *text, const char *value) {
    char count[TEXT_NUMBER_MAX];

    if (lost > 0) {
        text_decimal(count, lost);
        if (!put("log lines lost", count)) {
            lost++;
            return;
        }
        lost = 0;
    }
    if (!put(text, value)) {
        lost++;
    }
}

void log_text(const char *text) {
    log_pair(text, "");
}

void log_number(const char *text, uint32_t value) {
    char number[TEXT_NUMBER_MAX];

    text_decimal(number, value);
    log_pair(text, number);
}

void log_hexadecimal(const char *text, uint32_t value) {
    char number[TEXT_NUMBER_MAX];

    text_hexadecimal(number, value);
    log_pair(text, number);
}
