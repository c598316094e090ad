/* Receiving an update into the secondary slot: pages are erased as they are reached, the state
 * survives a reboot. */
#ifndef APP_UPLOAD_H
#define APP_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "smp_error.h"

#define UPLOAD_NOT_GIVEN UINT32_MAX

struct upload_request {
    uint32_t offset;
    uint32_t length; /* of the whole upload, or UPLOAD_NOT_GIVEN */
    uint32_t image;
    bool upgrade; /* refuse what is not newer than the image that runs */
    const uint8_t *data;
    uint32_t data_length;
    const uint8_t *sha; /* the SHA-256 of the whole upload, or NULL */
    uint32_t sha_length;
};

struct upload_answer {
    uint32_t offset; /* of the next byte wanted */
    bool checked;    /* the upload is complete and its SHA-256 was compared */
    bool match;
};

/* Takes up what a power cut or reboot has interrupted. Call once at the start. */
void upload_init(void);

/* Takes a request, piece by piece: SMP_AGAIN asks for another call with the same request at the
 * same place. */
struct smp_error upload_chunk(const struct upload_request *request, struct upload_answer *answer);

/* Erases the secondary slot, one page a call, so that the caller can do other things in between.
 * `*done` tells when it is complete. */
struct smp_error upload_erase(bool *done);

/* Forgets an upload under way, over a reset too, as a factory reset does. The slot is not trusted
 * to be blank afterwards. A request to swap that stands is kept. */
struct smp_error upload_forget(void);

/* Whether an erase has begun and is not complete. */
bool upload_is_erasing(void);

/* Forgets a request whose client has gone: nobody calls upload_erase() or upload_chunk() again, and
 * uploads would be refused for good. */
void upload_abandon(void);

#endif
