/* The battery guard: no update is taken on a battery that may not last through it. */
#ifndef APP_BATTERY_H
#define APP_BATTERY_H

#include <stdbool.h>
#include <stdint.h>

/* Battery percent, measured now. */
uint8_t battery_percent(void);

/* Whether an upload may start or go on: measured now, against the threshold of the provisioning
 * page. */
bool battery_allows_upload(void);

#endif
