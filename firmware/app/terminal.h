/* What goes out on the console: whole lines, queued and sent by DMA, so that log text and protocol
 * frames never mix. */
#ifndef APP_TERMINAL_H
#define APP_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* Opens the console port. */
void terminal_open(void);

/* Queues a line with its end. Returns false, and queues nothing, where there is no room for all of
 * it. */
bool terminal_put(const char *line, size_t length);

/* Keeps the port busy. To be called whenever the main loop is awake. */
void terminal_poll(void);

/* Whether terminal_poll() has something to do right now. */
bool terminal_has_work(void);

/* Whether all that was queued has been sent. */
bool terminal_is_idle(void);

/* Waits until all that was queued has been sent; for the moments before a reset. */
void terminal_flush(void);

#endif
