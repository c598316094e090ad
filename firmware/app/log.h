/* The device's log: one line of text each on the console. A line that finds no room is counted, not
 * waited for. */
#ifndef APP_LOG_H
#define APP_LOG_H

#include <stdint.h>

void log_text(const char *text);                    /* app: text */
void log_pair(const char *text, const char *value); /* app: text value */
void log_number(const char *text, uint32_t value);
void log_hexadecimal(const char *text, uint32_t value);

#endif
