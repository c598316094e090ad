#include "hci.h"

#include <stddef.h>
#include <string.h>

#include "att.h"
#include "endian.h"
#include "h4.h"
#include "l2cap.h"

/* Opcodes: group << 10 | command, sections 7.1, 7.3, 7.4 and 7.8. */
#define RESET 0x0C03
#define DISCONNECT 0x0406
#define SET_EVENT_MASK 0x0C01
#define WRITE_LE_HOST_SUPPORT 0x0C6D
#define READ_LOCAL_VERSION 0x1001
#define READ_LOCAL_FEATURES 0x1003
#define READ_BUFFER_SIZE 0x1005
#define LE_SET_EVENT_MASK 0x2001
#define LE_READ_BUFFER_SIZE 0x2002
#define LE_READ_LOCAL_FEATURES 0x2003
#define LE_SET_RANDOM_ADDRESS 0x2005
#define LE_SET_ADVERTISING_PARAMETERS 0x2006
#define LE_SET_ADVERTISING_DATA 0x2008
#define LE_SET_ADVERTISING_ENABLE 0x200A
#define LE_LONG_TERM_KEY_NEGATIVE_REPLY 0x201B
#define LE_REMOTE_PARAMETER_REPLY 0x2020
#define LE_WRITE_SUGGESTED_DATA_LENGTH 0x2024

/* Events, section 7.7. */
#define DISCONNECTION_COMPLETE 0x05
#define COMMAND_COMPLETE 0x0E
#define COMMAND_STATUS 0x0F
#define HARDWARE_ERROR 0x10
#define NUMBER_OF_COMPLETED_PACKETS 0x13
#define LE_META 0x3E
#define LE_CONNECTION_COMPLETE 0x01
#define LE_LONG_TERM_KEY_REQUEST 0x05
#define LE_REMOTE_PARAMETER_REQUEST 0x06

#define ROLE_PERIPHERAL 0x01
#define HANDLE_MASK 0x0FFF
#define BOUNDARY_SHIFT 12
#define BOUNDARY_CONTINUING 0x1
#define BOUNDARY_FIRST_FROM_CONTROLLER 0x2

#define ACL_HEADER 5 /* type, handle and flags, length */
#define ACL_DATA_MAX 251
#define ACL_DATA_MIN 27
#define COMMAND_MAX (1 + 3 + 32)
#define COMMANDS 4u /* a power of two */
#define ANSWER_MS 2000u
#define DISCONNECT_MS 300u /* for the peer's acknowledgement: several connection intervals */
#define CLOSE_MS 400u      /* all in all */
#define NO_HANDLE 0xFFFF
#define REASON_POWER_OFF                                                                           \
    0x15 /* remote device terminated connection due to power off: Vol 1, Part F, section 2.21 */
#define FEATURE_DATA_LENGTH 0x20 /* bit 5 of the LE features, Vol 6, Part B, section 4.6 */

/* The start-up, one command after the other; each waits for the answer to the one before. */
enum step {
    STEP_RESET,
    STEP_VERSION,
    STEP_FEATURES,
    STEP_EVENT_MASK,
    STEP_LE_HOST,
    STEP_LE_EVENT_MASK,
    STEP_LE_BUFFERS,
    STEP_BUFFERS,
    STEP_LE_FEATURES,
    STEP_DATA_LENGTH,
    STEP_ADDRESS,
    STEP_ADVERTISING_PARAMETERS,
    STEP_ADVERTISING_DATA,
    STEP_ADVERTISE,
    STEP_READY,
};

struct command {
    uint8_t length;
    uint8_t bytes[COMMAND_MAX];
};

static const struct hci_config *configuration;
static enum step step;
static struct command commands[COMMANDS];
static uint32_t commands_queued;
static uint32_t commands_sent;
static uint16_t awaited; /* opcode whose answer is awaited, or 0 */
static uint32_t awaited_since_ms;
static bool command_allowed;
static bool restart_wanted;
static uint32_t restarts;
static bool advertise_wanted;
static bool refused; /* a command of the start-up without which nobody can reach the device */

/* The way out: the link is ended, then the controller is reset. */
static enum { OPEN, CLOSING, ENDING_LINK, RESETTING, CLOSED } closing;
static uint32_t closing_since_ms;

static uint16_t connection = NO_HANDLE;
static uint16_t acl_length;  /* the controller's data buffers: bytes of each */
static uint16_t acl_buffers; /* and how many it has */
static uint16_t acl_free;
static uint16_t fragment_offset; /* of the PDU at the head of the L2CAP queue */
static uint8_t acl_packet[ACL_HEADER + ACL_DATA_MAX];

static uint8_t version;
static uint16_t company;
static bool data_length_supported;

static void command(uint16_t opcode, const uint8_t *parameters, uint8_t length) {
    struct command *slot = &commands[commands_queued % COMMANDS];

    if (commands_queued - commands_sent >= COMMANDS || length > COMMAND_MAX - 4) {
        return;
    }
    slot->bytes[0] = H4_COMMAND;
    put_le16(&slot->bytes[1], opcode);
    slot->bytes[3] = length;
    if (length > 0) {
        memcpy(&slot->bytes[4], parameters, length);
    }
    slot->length = (uint8_t)(4 + length);
    commands_queued++;
}

static void advertise(void) {
    static const uint8_t enable[] = {1};

    command(LE_SET_ADVERTISING_ENABLE, enable, sizeof(enable));
}

static void take_step(void) {
    /* Disconnection Complete, Command Complete and Status, Hardware Error, Number Of Completed
     * Packets (always sent), LE Meta: section 7.3.1. */
    static const uint8_t event_mask[] = {0x10, 0xE0, 0, 0, 0, 0, 0, 0x20};
    /* Connection Complete, Connection Update Complete, Long Term Key Request, Remote Connection
     * Parameter Request, Data Length Change: section 7.8.1. */
    static const uint8_t le_event_mask[] = {0x75, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t le_host[] = {1, 0};
    static const uint8_t data_length[] = {251, 0, 2120 & 0xFF, 2120 >> 8};
    /* 30 to 50 ms, connectable undirected, own address random, all three channels: section 7.8.5.
     */
    static const uint8_t parameters[] = {0x30, 0, 0x50, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0};
    uint8_t data[32] = {0};

    switch (step) {
    case STEP_RESET:
        command(RESET, NULL, 0);
        return;
    case STEP_VERSION:
        command(READ_LOCAL_VERSION, NULL, 0);
        return;
    case STEP_FEATURES:
        command(READ_LOCAL_FEATURES, NULL, 0);
        return;
    case STEP_EVENT_MASK:
        command(SET_EVENT_MASK, event_mask, sizeof(event_mask));
        return;
    case STEP_LE_HOST:
        command(WRITE_LE_HOST_SUPPORT, le_host, sizeof(le_host));
        return;
    case STEP_LE_EVENT_MASK:
        command(LE_SET_EVENT_MASK, le_event_mask, sizeof(le_event_mask));
        return;
    case STEP_LE_BUFFERS:
        command(LE_READ_BUFFER_SIZE, NULL, 0);
        return;
    case STEP_BUFFERS:
        command(READ_BUFFER_SIZE, NULL, 0);
        return;
    case STEP_LE_FEATURES:
        command(LE_READ_LOCAL_FEATURES, NULL, 0);
        return;
    case STEP_DATA_LENGTH:
        command(LE_WRITE_SUGGESTED_DATA_LENGTH, data_length, sizeof(data_length));
        return;
    case STEP_ADDRESS:
        command(LE_SET_RANDOM_ADDRESS, configuration->address, 6);
        return;
    case STEP_ADVERTISING_PARAMETERS:
        command(LE_SET_ADVERTISING_PARAMETERS, parameters, sizeof(parameters));
        return;
    case STEP_ADVERTISING_DATA:
        data[0] = configuration->advertising_length;
        memcpy(&data[1], configuration->advertising, sizeof(configuration->advertising));
        command(LE_SET_ADVERTISING_DATA, data, sizeof(data));
        return;
    case STEP_ADVERTISE:
        advertise();
        return;
    case STEP_READY:
        return;
    }
}

static enum step next_step(void) {
    switch (step) {
    case STEP_LE_BUFFERS:
        /* A controller without buffers of its own for LE shares those of BR/EDR: section 4.1.1. */
        return acl_buffers != 0 ? STEP_LE_FEATURES : STEP_BUFFERS;
    case STEP_LE_FEATURES:
        return data_length_supported ? STEP_DATA_LENGTH : STEP_ADDRESS;
    case STEP_READY:
        return STEP_READY;
    default:
        return (enum step)(step + 1);
    }
}

static void link_ended(void) {
    bool was_connected = connection != NO_HANDLE;

    connection = NO_HANDLE;
    acl_free = acl_buffers;
    fragment_offset = 0;
    l2cap_reset();
    att_reset();
    if (was_connected) {
        configuration->link_changed(false);
    }
}

static void start(void) {
    restart_wanted = false;
    closing = OPEN;
    advertise_wanted = false;
    refused = false;
    step = STEP_RESET;
    commands_queued = 0;
    commands_sent = 0;
    awaited = 0;
    command_allowed = true; /* section 4.4: a host may always send one at first */
    acl_buffers = 0;
    acl_length = 0;
    data_length_supported = false;
    link_ended();
    take_step();
}

static void set_acl_buffers(uint16_t length, uint16_t count) {
    if (length < ACL_DATA_MIN || count == 0) {
        return;
    }
    acl_length = length < ACL_DATA_MAX ? length : ACL_DATA_MAX;
    acl_buffers = count;
    acl_free = count;
}

/* Whether the device cannot be reached when the controller refuses this command of the start-up. */
static bool is_essential(uint16_t opcode) {
    switch (opcode) {
    case RESET:
    case SET_EVENT_MASK:
    case LE_SET_EVENT_MASK:
    case LE_SET_RANDOM_ADDRESS:
    case LE_SET_ADVERTISING_PARAMETERS:
    case LE_SET_ADVERTISING_DATA:
    case LE_SET_ADVERTISING_ENABLE:
        return true;
    default:
        return false;
    }
}

/* Return parameters follow the status, which is at `parameters[0]`. */
static void command_answered(uint16_t opcode, const uint8_t *parameters, uint16_t length) {
    bool succeeded = length >= 1 && parameters[0] == 0;

    if (opcode != awaited) {
        return;
    }
    awaited = 0;
    if (closing == RESETTING && opcode == RESET) {
        closing = CLOSED;
    }
    if (closing != OPEN) {
        return;
    }
    if (step == STEP_READY) {
        /* The other refusals need no action: a controller that is out of step is reset by h4. */
        restart_wanted |=
            opcode == LE_SET_ADVERTISING_ENABLE && !succeeded && connection == NO_HANDLE;
        return;
    }
    if (!succeeded && is_essential(opcode)) {
        refused = true; /* the device is not ready, and tries again after ANSWER_MS */
        return;
    }
    if (succeeded && opcode == READ_LOCAL_VERSION && length >= 9) {
        version = parameters[1];
        company = get_le16(&parameters[5]);
    } else if (succeeded && opcode == LE_READ_BUFFER_SIZE && length >= 4) {
        set_acl_buffers(get_le16(&parameters[1]), parameters[3]);
    } else if (succeeded && opcode == READ_BUFFER_SIZE && length >= 8) {
        set_acl_buffers(get_le16(&parameters[1]), get_le16(&parameters[4]));
    } else if (succeeded && opcode == LE_READ_LOCAL_FEATURES && length >= 9) {
        data_length_supported = (parameters[1] & FEATURE_DATA_LENGTH) != 0;
    }
    step = next_step();
    take_step();
}

static void le_meta(const uint8_t *parameters, uint16_t length) {
    uint8_t reply[14];

    if (length < 1) {
        return;
    }
    switch (parameters[0]) {
    case LE_CONNECTION_COMPLETE:
        if (length < 19) {
            return;
        }
        if (parameters[1] != 0 || parameters[4] != ROLE_PERIPHERAL) {
            advertise_wanted = true;
            return;
        }
        link_ended();
        connection = get_le16(&parameters[2]) & HANDLE_MASK;
        configuration->link_changed(true);
        return;
    case LE_LONG_TERM_KEY_REQUEST:
        if (length >= 13) {
            command(LE_LONG_TERM_KEY_NEGATIVE_REPLY, &parameters[1], 2);
        }
        return;
    case LE_REMOTE_PARAMETER_REQUEST:
        if (length < 11) {
            return;
        }
        /* Handle, interval minimum and maximum, latency and timeout as asked for; no wish for the
         * event length. */
        memcpy(reply, &parameters[1], 10);
        memset(&reply[10], 0, 4);
        command(LE_REMOTE_PARAMETER_REPLY, reply, sizeof(reply));
        return;
    default:
        return;
    }
}

static void completed_packets(const uint8_t *parameters, uint16_t length) {
    uint16_t count = length >= 1 ? parameters[0] : 0;

    for (uint16_t i = 0; i < count && 1 + 4 * (i + 1) <= length; i++) {
        const uint8_t *entry = &parameters[1 + 4 * i];
        uint32_t free_now = (uint32_t)acl_free + get_le16(&entry[2]);

        if ((get_le16(entry) & HANDLE_MASK) == connection) {
            acl_free = (uint16_t)(free_now < acl_buffers ? free_now : acl_buffers);
        }
    }
}

static void event(const uint8_t *packet, uint16_t length) {
    const uint8_t *parameters = &packet[3];

    length = (uint16_t)(length - 3);
    switch (packet[1]) {
    case COMMAND_COMPLETE:
        if (length >= 3) {
            command_allowed = parameters[0] != 0;
            command_answered(get_le16(&parameters[1]), &parameters[3], (uint16_t)(length - 3));
        }
        return;
    case COMMAND_STATUS:
        if (length >= 4) {
            command_allowed = parameters[1] != 0;
            command_answered(get_le16(&parameters[2]), &parameters[0], 1);
        }
        return;
    case DISCONNECTION_COMPLETE:
        if (length >= 4 && parameters[0] == 0 && connection != NO_HANDLE &&
            (get_le16(&parameters[1]) & HANDLE_MASK) == connection) {
            link_ended();
            advertise_wanted = true;
        }
        return;
    case HARDWARE_ERROR:
        restart_wanted = true;
        return;
    case NUMBER_OF_COMPLETED_PACKETS:
        completed_packets(parameters, length);
        return;
    case LE_META:
        if (step == STEP_READY) {
            le_meta(parameters, length);
        }
        return;
    default:
        return;
    }
}

static void acl(const uint8_t *packet, uint16_t length) {
    uint16_t field = get_le16(&packet[1]);
    uint8_t boundary = (field >> BOUNDARY_SHIFT) & 3;

    if ((field & HANDLE_MASK) != connection || connection == NO_HANDLE) {
        return;
    }
    if (boundary == BOUNDARY_FIRST_FROM_CONTROLLER || boundary == BOUNDARY_CONTINUING) {
        l2cap_receive(boundary == BOUNDARY_FIRST_FROM_CONTROLLER, &packet[ACL_HEADER],
                      (uint16_t)(length - ACL_HEADER));
    }
}

static bool may_send_command(void) {
    return commands_sent != commands_queued && awaited == 0 && command_allowed && !h4_sending();
}

static bool may_send_acl(void) {
    uint16_t length;

    return connection != NO_HANDLE && acl_free > 0 && !h4_sending() &&
           l2cap_queued(&length) != NULL;
}

static void send_command(uint32_t now_ms) {
    struct command *next = &commands[commands_sent % COMMANDS];

    if (!may_send_command()) {
        return;
    }
    if (h4_send(next->bytes, next->length)) {
        awaited = get_le16(&next->bytes[1]);
        awaited_since_ms = now_ms;
        commands_sent++;
    }
}

static void send_acl(void) {
    const uint8_t *pdu;
    uint16_t whole;
    uint16_t part;

    if (!may_send_acl()) {
        return;
    }
    pdu = l2cap_queued(&whole);
    part = (uint16_t)(whole - fragment_offset);
    if (part > acl_length) {
        part = acl_length;
    }
    acl_packet[0] = H4_ACL;
    put_le16(&acl_packet[1],
             (uint16_t)(connection |
                        (fragment_offset == 0 ? 0 : BOUNDARY_CONTINUING << BOUNDARY_SHIFT)));
    put_le16(&acl_packet[3], part);
    memcpy(&acl_packet[ACL_HEADER], &pdu[fragment_offset], part);
    if (!h4_send(acl_packet, (size_t)ACL_HEADER + part)) {
        return;
    }
    acl_free--;
    fragment_offset = (uint16_t)(fragment_offset + part);
    if (fragment_offset == whole) {
        fragment_offset = 0;
        l2cap_dequeue();
    }
}

void hci_open(const struct hci_config *config) {
    configuration = config;
    h4_open();
    start();
}

void hci_restart(void) {
    restart_wanted = true;
}

void hci_close(uint32_t now_ms) {
    if (closing == OPEN) {
        closing = CLOSING;
        closing_since_ms = now_ms;
    }
}

bool hci_closed(void) {
    return closing == CLOSED;
}

static void close_further(uint32_t now_ms) {
    uint8_t parameters[] = {0, 0, REASON_POWER_OFF};
    uint32_t elapsed_ms = now_ms - closing_since_ms;

    if (elapsed_ms >= CLOSE_MS) {
        closing = CLOSED;
    } else if (closing == CLOSING && connection != NO_HANDLE) {
        put_le16(parameters, connection);
        command(DISCONNECT, parameters, sizeof(parameters));
        closing = ENDING_LINK;
    } else if (closing < RESETTING && (connection == NO_HANDLE || elapsed_ms >= DISCONNECT_MS)) {
        command(RESET, NULL, 0);
        closing = RESETTING;
    }
}

void hci_poll(uint32_t now_ms) {
    const struct h4_packet *packet;

    h4_poll(now_ms);
    /* All that has come, so that the UART never waits for a buffer while the rest of the
     * application has its turn; not more, or a controller that floods would keep it from it. */
    for (uint32_t left = H4_BUFFERS; left > 0 && (packet = h4_next()) != NULL; left--) {
        if (packet->bytes[0] == H4_EVENT) {
            event(packet->bytes, packet->length);
        } else if (packet->bytes[0] == H4_ACL) {
            acl(packet->bytes, packet->length);
        }
        h4_release();
        send_acl();
    }
    if (h4_lost_synchronization()) {
        restart_wanted = true;
    }
    if ((awaited != 0 || !command_allowed || refused) && now_ms - awaited_since_ms > ANSWER_MS) {
        restart_wanted = true;
    }
    if (closing != OPEN) {
        close_further(now_ms);
    } else if (restart_wanted && !h4_sending()) {
        restarts++;
        start();
    } else if (advertise_wanted && commands_queued - commands_sent < COMMANDS) {
        advertise_wanted = false;
        advertise();
    }
    send_command(now_ms);
    send_acl();
}

bool hci_has_work(void) {
    return h4_next() != NULL || may_send_command() || may_send_acl();
}

bool hci_ready(void) {
    return step == STEP_READY;
}

bool hci_connected(void) {
    return connection != NO_HANDLE;
}

uint8_t hci_controller_version(void) {
    return version;
}

uint16_t hci_controller_company(void) {
    return company;
}

uint32_t hci_restarts(void) {
    return restarts;
}
