/* Variants of this one binary for testing: words behind the vector table, patched before an image
 * is signed. */
#ifndef APP_BEHAVIOUR_H
#define APP_BEHAVIOUR_H

#include <stdbool.h>

/* Does at the start what the words ask for: hang, fault, reset or attack. Returns for every other
 * one. */
void behaviour_at_start(void);

/* Whether an image on trial may confirm itself: neither the one that never does, nor a hostile one.
 */
bool behaviour_may_confirm(void);

#endif
