/* The provisioning page, checked. */
#ifndef BOOT_PROVISION_H
#define BOOT_PROVISION_H

#include <stddef.h>

#include "provisioning.h"

/* The page, or NULL when it is blank, cut short, corrupt or contradictory. The CRC and every bound
 * are checked at each call. */
const struct provisioning *provision_read(void);

#endif
