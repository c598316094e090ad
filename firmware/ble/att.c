#include "att.h"

#include <string.h>

#include "endian.h"
#include "gatt.h"
#include "l2cap.h"
#include "test_build.h"

/* Opcodes, Vol 3, Part F, section 3.4.8. */
#define ERROR_RESPONSE 0x01
#define EXCHANGE_MTU_REQUEST 0x02
#define EXCHANGE_MTU_RESPONSE 0x03
#define FIND_INFORMATION_REQUEST 0x04
#define FIND_INFORMATION_RESPONSE 0x05
#define FIND_BY_TYPE_VALUE_REQUEST 0x06
#define FIND_BY_TYPE_VALUE_RESPONSE 0x07
#define READ_BY_TYPE_REQUEST 0x08
#define READ_BY_TYPE_RESPONSE 0x09
#define READ_REQUEST 0x0A
#define READ_RESPONSE 0x0B
#define READ_BLOB_REQUEST 0x0C
#define READ_BLOB_RESPONSE 0x0D
#define READ_BY_GROUP_TYPE_REQUEST 0x10
#define READ_BY_GROUP_TYPE_RESPONSE 0x11
#define WRITE_REQUEST 0x12
#define WRITE_RESPONSE 0x13
#define NOTIFICATION 0x1B
#define CONFIRMATION 0x1E
#define WRITE_COMMAND 0x52
#define COMMAND_FLAG 0x40

#define CONFIGURATIONS 8 /* client configurations a table may have */

struct range {
    uint16_t first;
    uint16_t last;
};

static uint16_t mtu = ATT_MTU_DEFAULT;
static uint16_t configurations[CONFIGURATIONS];
static uint8_t response[ATT_MTU_MAX];
static uint8_t scratch[GATT_VALUE_MAX];

static const struct gatt_attribute *find(uint16_t handle) {
    return handle == 0 || handle > gatt_table_length ? NULL : &gatt_table[handle - 1];
}

static bool has_type(const struct gatt_attribute *attribute, uint16_t type) {
    return attribute->type_length == 2 && get_le16(attribute->type) == type;
}

static bool has_uuid(const struct gatt_attribute *attribute, const uint8_t *uuid, uint16_t length) {
    /* A 16-bit UUID may be asked for in its 128-bit form: Vol 3, Part B, section 2.5.1. */
    static const uint8_t base[12] = {0xFB, 0x34, 0x9B, 0x5F, 0x80, 0x00,
                                     0x00, 0x80, 0x00, 0x10, 0x00, 0x00};

    if (attribute->type_length == length) {
        return memcmp(attribute->type, uuid, length) == 0;
    }
    return attribute->type_length == 2 && length == 16 && memcmp(uuid, base, sizeof(base)) == 0 &&
           memcmp(&uuid[12], attribute->type, 2) == 0 && uuid[14] == 0 && uuid[15] == 0;
}

/* The place of an attribute's client configuration, counted from the table's start; -1 for another
 * attribute. */
static int configuration_index(uint16_t handle) {
    int index = -1;

    for (uint16_t at = 1; at <= handle; at++) {
        if (gatt_table[at - 1].kind == GATT_CONFIGURATION) {
            index++;
        }
    }
    return gatt_table[handle - 1].kind == GATT_CONFIGURATION && index < CONFIGURATIONS ? index : -1;
}

static void send_error(uint8_t request, uint16_t handle, uint8_t code) {
    uint8_t error[5] = {ERROR_RESPONSE, request, (uint8_t)handle, (uint8_t)(handle >> 8), code};

    (void)l2cap_send(L2CAP_CID_ATT, error, sizeof(error));
}

static void send_response(uint16_t length) {
    (void)l2cap_send(L2CAP_CID_ATT, response, length);
}

/* The value of an attribute: a pointer to it and its length. Returns an ATT error code. */
static uint8_t read_value(uint16_t handle, const uint8_t **value, uint16_t *length) {
    const struct gatt_attribute *attribute = find(handle);
    int index;

    if (attribute == NULL) {
        return ATT_INVALID_HANDLE;
    }
    *value = scratch;
    switch (attribute->kind) {
    case GATT_CONSTANT:
        *value = attribute->value;
        *length = attribute->length;
        return ATT_SUCCESS;
    case GATT_CONFIGURATION:
        index = configuration_index(handle);
        put_le16(scratch, index < 0 ? 0 : configurations[index]);
        *length = 2;
        return ATT_SUCCESS;
    default:
        if (attribute->read == NULL) {
            return ATT_READ_NOT_PERMITTED;
        }
        *length = attribute->read(scratch);
        return ATT_SUCCESS;
    }
}

static uint8_t write_value(uint16_t handle, const uint8_t *value, uint16_t length) {
    const struct gatt_attribute *attribute = find(handle);
    int index;

    if (attribute == NULL) {
        return ATT_INVALID_HANDLE;
    }
    if (attribute->kind == GATT_CONFIGURATION) {
        if (length != 2) {
            return ATT_INVALID_VALUE_LENGTH;
        }
        if ((get_le16(value) & ~GATT_NOTIFY) != 0) {
            return ATT_VALUE_NOT_ALLOWED; /* indications are offered nowhere */
        }
        index = configuration_index(handle);
        if (index < 0) {
            return ATT_WRITE_NOT_PERMITTED;
        }
        configurations[index] = get_le16(value);
        return ATT_SUCCESS;
    }
    if (attribute->kind != GATT_DYNAMIC || attribute->write == NULL) {
        return ATT_WRITE_NOT_PERMITTED;
    }
    return attribute->write(value, length);
}

/* The last handle of the service that starts at `handle`. The last service of the table ends with
 * the table; 0xFFFF would invite clients to search further. */
static uint16_t group_end(uint16_t handle) {
    uint16_t end = handle;

    while (end < gatt_table_length && !has_type(&gatt_table[end], GATT_PRIMARY_SERVICE)) {
        end++;
    }
    return end;
}

/* Reads the handle range that starts most requests. Sends the error and returns false where it is
 * not valid. */
static bool get_range(const uint8_t *pdu, struct range *range) {
    range->first = get_le16(&pdu[1]);
    range->last = get_le16(&pdu[3]);
    if (range->first == 0 || range->first > range->last) {
        send_error(pdu[0], range->first, ATT_INVALID_HANDLE);
        return false;
    }
    if (range->last > gatt_table_length) {
        range->last = gatt_table_length;
    }
    return true;
}

static void exchange_mtu(const uint8_t *pdu) {
    uint16_t client = get_le16(&pdu[1]);

    if (client < ATT_MTU_DEFAULT) {
        client = ATT_MTU_DEFAULT;
    }
    response[0] = EXCHANGE_MTU_RESPONSE;
    put_le16(&response[1], ATT_MTU_MAX);
    send_response(3);
    mtu = client < ATT_MTU_MAX ? client : ATT_MTU_MAX;
#ifdef HIL_DEFECT_MTU
    mtu = ATT_MTU_DEFAULT;
#endif
}

static void find_information(const uint8_t *pdu) {
    struct range range;
    uint16_t used = 2;
    uint8_t type_length = 0;

    if (!get_range(pdu, &range)) {
        return;
    }
    for (uint32_t handle = range.first; handle <= range.last; handle++) {
        const struct gatt_attribute *attribute = &gatt_table[handle - 1];

        if (type_length == 0) {
            type_length = attribute->type_length;
        }
        if (attribute->type_length != type_length || used + 2 + type_length > mtu) {
            break;
        }
        put_le16(&response[used], (uint16_t)handle);
        memcpy(&response[used + 2], attribute->type, type_length);
        used = (uint16_t)(used + 2 + type_length);
    }
    if (type_length == 0) {
        send_error(pdu[0], range.first, ATT_ATTRIBUTE_NOT_FOUND);
        return;
    }
    response[0] = FIND_INFORMATION_RESPONSE;
    response[1] = type_length == 2 ? 1 : 2;
    send_response(used);
}

static void find_by_type_value(const uint8_t *pdu, uint16_t length) {
    uint16_t type = get_le16(&pdu[5]);
    const uint8_t *wanted = &pdu[7];
    uint16_t wanted_length = (uint16_t)(length - 7);
    struct range range;
    uint16_t used = 1;

    if (!get_range(pdu, &range)) {
        return;
    }
    for (uint32_t handle = range.first; handle <= range.last && used + 4 <= mtu; handle++) {
        const uint8_t *value;
        uint16_t value_length;

        if (!has_type(&gatt_table[handle - 1], type) ||
            read_value((uint16_t)handle, &value, &value_length) != ATT_SUCCESS ||
            value_length != wanted_length || memcmp(value, wanted, wanted_length) != 0) {
            continue;
        }
        put_le16(&response[used], (uint16_t)handle);
        put_le16(&response[used + 2],
                 type == GATT_PRIMARY_SERVICE ? group_end((uint16_t)handle) : (uint16_t)handle);
        used = (uint16_t)(used + 4);
    }
    if (used == 1) {
        send_error(pdu[0], range.first, ATT_ATTRIBUTE_NOT_FOUND);
        return;
    }
    response[0] = FIND_BY_TYPE_VALUE_RESPONSE;
    send_response(used);
}

/* Read By Type and, with `group`, Read By Group Type: entries of one length, the first one's. */
static void read_by_type(const uint8_t *pdu, uint16_t length, bool group) {
    uint16_t prefix = group ? 4 : 2;
    uint16_t entry = 0;
    uint16_t used = 2;
    struct range range;

    if (!get_range(pdu, &range)) {
        return;
    }
    for (uint32_t handle = range.first; handle <= range.last; handle++) {
        const uint8_t *value;
        uint16_t value_length;
        uint16_t longest =
            (uint16_t)(mtu - 2 - prefix < 255 - prefix ? mtu - 2 - prefix : 255 - prefix);
        uint8_t code;

        if (!has_uuid(&gatt_table[handle - 1], &pdu[5], (uint16_t)(length - 5))) {
            continue;
        }
        code = read_value((uint16_t)handle, &value, &value_length);
        if (code != ATT_SUCCESS) {
            if (entry == 0) {
                send_error(pdu[0], (uint16_t)handle, code);
                return;
            }
            break;
        }
        if (value_length > longest) {
            value_length = longest;
        }
        if (entry == 0) {
            entry = (uint16_t)(prefix + value_length);
        }
        if (prefix + value_length != entry || used + entry > mtu) {
            break;
        }
        put_le16(&response[used], (uint16_t)handle);
        if (group) {
            put_le16(&response[used + 2], group_end((uint16_t)handle));
        }
        memcpy(&response[used + prefix], value, value_length);
        used = (uint16_t)(used + entry);
    }
    if (entry == 0) {
        send_error(pdu[0], range.first, ATT_ATTRIBUTE_NOT_FOUND);
        return;
    }
    response[0] = group ? READ_BY_GROUP_TYPE_RESPONSE : READ_BY_TYPE_RESPONSE;
    response[1] = (uint8_t)entry;
    send_response(used);
}

static void read_by_group_type(const uint8_t *pdu, uint16_t length) {
    struct gatt_attribute service = {
        .type = {GATT_PRIMARY_SERVICE & 0xFF, GATT_PRIMARY_SERVICE >> 8}, .type_length = 2};
    struct range range;

    if (!has_uuid(&service, &pdu[5], (uint16_t)(length - 5))) {
        if (get_range(pdu, &range)) {
            send_error(pdu[0], range.first, ATT_UNSUPPORTED_GROUP_TYPE);
        }
        return;
    }
    read_by_type(pdu, length, true);
}

static void read(const uint8_t *pdu, uint16_t offset) {
    uint16_t handle = get_le16(&pdu[1]);
    const uint8_t *value;
    uint16_t length;
    uint8_t code = read_value(handle, &value, &length);

    if (code == ATT_SUCCESS && offset > length) {
        code = ATT_INVALID_OFFSET;
    }
    if (code != ATT_SUCCESS) {
        send_error(pdu[0], handle, code);
        return;
    }
    length = (uint16_t)(length - offset);
    if (length > mtu - 1) {
        length = (uint16_t)(mtu - 1);
    }
    response[0] = (uint8_t)(pdu[0] + 1);
    memcpy(&response[1], &value[offset], length);
    send_response((uint16_t)(1 + length));
}

static void write(const uint8_t *pdu, uint16_t length) {
    uint16_t handle = get_le16(&pdu[1]);
    uint8_t code = write_value(handle, &pdu[3], (uint16_t)(length - 3));

    if (pdu[0] != WRITE_REQUEST) {
        return;
    }
    if (code != ATT_SUCCESS) {
        send_error(pdu[0], handle, code);
        return;
    }
    response[0] = WRITE_RESPONSE;
    send_response(1);
}

/* Whether a PDU has a length its opcode allows. */
static bool length_is_valid(uint8_t opcode, uint16_t length) {
    switch (opcode) {
    case EXCHANGE_MTU_REQUEST:
    case READ_REQUEST:
        return length == 3;
    case FIND_INFORMATION_REQUEST:
    case READ_BLOB_REQUEST:
        return length == 5;
    case FIND_BY_TYPE_VALUE_REQUEST:
        return length >= 7;
    case READ_BY_TYPE_REQUEST:
    case READ_BY_GROUP_TYPE_REQUEST:
        return length == 7 || length == 21;
    case WRITE_REQUEST:
    case WRITE_COMMAND:
        return length >= 3;
    default:
        return true;
    }
}

void att_receive(const uint8_t *pdu, uint16_t length) {
    if (length == 0) {
        return;
    }
    if (length > mtu || !length_is_valid(pdu[0], length)) {
        if ((pdu[0] & COMMAND_FLAG) == 0 && (pdu[0] & 1) == 0 && pdu[0] != CONFIRMATION) {
            send_error(pdu[0], 0, ATT_INVALID_PDU);
        }
        return;
    }
    switch (pdu[0]) {
    case EXCHANGE_MTU_REQUEST:
        exchange_mtu(pdu);
        return;
    case FIND_INFORMATION_REQUEST:
        find_information(pdu);
        return;
    case FIND_BY_TYPE_VALUE_REQUEST:
        find_by_type_value(pdu, length);
        return;
    case READ_BY_TYPE_REQUEST:
        read_by_type(pdu, length, false);
        return;
    case READ_BY_GROUP_TYPE_REQUEST:
        read_by_group_type(pdu, length);
        return;
    case READ_REQUEST:
        read(pdu, 0);
        return;
    case READ_BLOB_REQUEST:
        read(pdu, get_le16(&pdu[3]));
        return;
    case WRITE_REQUEST:
    case WRITE_COMMAND:
        write(pdu, length);
        return;
    default:
        /* Unknown commands, responses and confirmations are ignored; every other request is
         * refused: sections 3.3 and 3.4.1.1. Requests have even opcodes. */
        if ((pdu[0] & COMMAND_FLAG) == 0 && (pdu[0] & 1) == 0 && pdu[0] != CONFIRMATION) {
#ifdef HIL_DEFECT_ASSERTION
            __builtin_trap();
#endif
            send_error(pdu[0], 0, ATT_REQUEST_NOT_SUPPORTED);
        }
        return;
    }
}

uint16_t att_mtu(void) {
    return mtu;
}

bool att_notifies(uint16_t handle) {
    int index;

    if (handle == 0 || handle >= gatt_table_length) {
        return false;
    }
    index = configuration_index((uint16_t)(handle + 1));
    return index >= 0 && (configurations[index] & GATT_NOTIFY) != 0;
}

bool att_notify(uint16_t handle, const uint8_t *value, uint16_t length) {
    static uint8_t notification[ATT_MTU_MAX];

    if (length > mtu - 3 || !att_notifies(handle) || !l2cap_has_room()) {
        return false;
    }
    notification[0] = NOTIFICATION;
    put_le16(&notification[1], handle);
    memcpy(&notification[3], value, length);
    return l2cap_send(L2CAP_CID_ATT, notification, (uint16_t)(3 + length));
}

void att_reset(void) {
    mtu = ATT_MTU_DEFAULT;
    memset(configurations, 0, sizeof(configurations));
}
