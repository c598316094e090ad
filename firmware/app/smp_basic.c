/* Zephyr's basic management group: erase of the storage partition, which is the factory reset.
 *
 * Settings and an upload under way are gone. The image, the security counter and the provisioning
 * page stay: a factory reset brings no former version back and leaves the device able to be
 * updated. */
#include "cbor.h"
#include "smp.h"
#include "upload.h"

#define ERASE_STORAGE 0

struct smp_error smp_basic_handle(const struct smp_request *request, zcbor_state_t *out) {
    (void)out;
    if (request->command != ERASE_STORAGE || request->operation != SMP_WRITE) {
        return smp_protocol_error(SMP_ERROR_NOT_SUPPORTED);
    }
    if (!cbor_read_map(request->payload, request->payload_length, NULL, 0)) {
        return smp_protocol_error(SMP_ERROR_INVALID);
    }
    return upload_forget();
}
